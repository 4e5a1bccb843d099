"""One case of each kind: feeds something to the program, and says what is wrong with what came of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from streamvc.errors import StreamVCError
from tests.fuzz import material

Attack = Callable[[Generator, Path], str | None]
"""Takes draws and an empty folder; returns what is wrong, or nothing. An exception is wrong as well."""

_RATES: Final = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000)
_LOUDEST_FROM_FULL_SCALE: Final = 10 ** (12 / 20)
_BLOCKS_AT_MOST: Final = 400


def audio_bytes(random: Generator, folder: Path) -> str | None:
    """Damaged files of every format, through the reader; its decoders are processes of their own."""
    from streamvc.plugin.audio_input import AudioInput

    examples = material.sounds()
    path = folder / "case.bin"
    data = examples[int(random.integers(len(examples)))]
    if random.random() < 0.1:
        data += examples[int(random.integers(len(examples)))]
    path.write_bytes(material.damage(random, data) if random.random() < 0.98 else random.bytes(2000))
    try:
        with AudioInput(path) as audio:
            for number, block in enumerate(audio.blocks(16_384)):
                if block.dtype != np.float32 or block.shape[0] != audio.channels:
                    return f"a block of the shape {block.shape} and type {block.dtype}"
                if number > _BLOCKS_AT_MOST:
                    return f"more than {_BLOCKS_AT_MOST * 16_384} samples from {path.stat().st_size} bytes"
    except StreamVCError as error:
        return _sentence(error)
    return None


@lru_cache(1)
def _converter() -> Any:
    from streamvc.plugin import VoiceConverter

    return VoiceConverter("alice")


def process(random: Generator, folder: Path) -> str | None:
    """Arrays of any shape, type, level and rate, and settings that change in between."""
    converter = _converter()
    wild = random.random() < 0.3
    for _ in range(int(random.integers(1, 4))):
        samples, within = _samples(random, wild)
        rate = int(random.choice(_RATES)) if random.random() < 0.95 else int(random.integers(-5, 400_000))
        if random.random() < 0.3:
            _change(random, converter)
        try:
            heard = converter.process(samples, rate, reset=bool(random.random() < 0.4))
        except StreamVCError as error:
            if wrong := _sentence(error):
                return wrong
            continue
        if heard.shape != np.shape(samples):
            return f"{np.shape(samples)} became {heard.shape}"
        if not np.isfinite(heard).all():
            return "output that is not finite"
        gains = converter.input_gain_db <= 0.0 and converter.output_gain_db <= 0.0
        if within and gains and not wild and heard.size and np.abs(heard).max() > _LOUDEST_FROM_FULL_SCALE:
            return f"output of {np.abs(heard).max():.2f} from input within full scale"
    if wild:
        converter.reset()
    return None


def _samples(random: Generator, wild: bool) -> tuple[Any, bool]:
    count = int(random.choice([0, 1, 2, 63, 320, 321, 1000, 3000]))
    shape: Any = [(count,), (1, count), (2, count), (count, 2), (8, count), (9, count), (), (1, 1, count)][
        int(random.choice(8, p=[0.3, 0.2, 0.2, 0.1, 0.05, 0.05, 0.05, 0.05]))
    ]
    kind = int(random.integers(6))
    samples = random.uniform(-1.0, 1.0, shape)
    if kind == 1:
        samples = np.sign(samples)
    elif kind == 2:
        samples = np.where(random.random(shape) < 0.01, samples, 0.0)
    elif kind == 3:
        samples = np.full(shape, random.uniform(-1, 1))
    elif kind == 4:
        samples = np.zeros(shape)
    if not wild:
        return samples.astype(np.float32), True
    samples = np.asarray(samples * 10.0 ** random.uniform(-45, 38.5))
    if samples.size and random.random() < 0.2:
        samples.flat[int(random.integers(samples.size))] = random.choice([np.nan, np.inf, -np.inf, 3e38])
    with np.errstate(over="ignore", invalid="ignore"):
        return samples.astype(random.choice(["float32", "float64", "float16", "int16"])), False


def _change(random: Generator, converter: Any) -> None:
    name, low, high = [
        ("pitch_semitones", -30.0, 30.0),
        ("formant_semitones", -5.0, 5.0),
        ("intonation", -1.0, 3.0),
        ("source_pitch_hz", 30.0, 1100.0),
        ("mix", -0.1, 1.1),
        ("input_gain_db", -70.0, 30.0),
        ("output_gain_db", -70.0, 30.0),
        ("gate_db", -90.0, 5.0),
        ("crossfade_ms", 0.0, 600.0),
    ][int(random.integers(9))]
    value: Any = float(random.uniform(low, high))
    if random.random() < 0.1:
        value = [None, "loud", float("nan"), True][int(random.integers(4))]
    try:
        setattr(converter, name, value)
    except StreamVCError as error:
        if wrong := _sentence(error):
            raise AssertionError(wrong) from error


def preset(random: Generator, folder: Path) -> str | None:
    """Damaged voices."""
    from streamvc.presets.format import Preset

    examples = material.presets()
    path = folder / "case.npz"
    path.write_bytes(material.damage(random, examples[int(random.integers(len(examples)))]))
    try:
        voice = Preset.load(path).voice()
    except StreamVCError as error:
        return _sentence(error)
    return None if np.isfinite(voice.conditioning).all() else "a voice that is not finite"


def toml(random: Generator, folder: Path) -> str | None:
    """Damaged chains and MIDI maps."""
    from streamvc.plugin.chain_file import load_chain
    from streamvc.plugin.midi import MidiMap

    chain = random.random() < 0.3
    path = folder / "case.toml"
    path.write_bytes(material.damage(random, material.CHAIN if chain else material.MAP))
    try:
        load_chain(path) if chain else MidiMap.load(path)
    except StreamVCError as error:
        return _sentence(error)
    return None


def midi_file(random: Generator, folder: Path) -> str | None:
    """Damaged MIDI files."""
    from streamvc.plugin.midi.file import read_midi_file

    path = folder / "case.mid"
    path.write_bytes(material.damage(random, material.midi_files()[0]))
    said: list[str] = []
    try:
        messages = read_midi_file(path, said.append)
    except StreamVCError as error:
        return _sentence(error)
    if any(timed.seconds < 0.0 for timed in messages):
        return "a message before the beginning"
    return next((f"no sentence: {text}" for text in said if not text.endswith(".")), None)


def midi_bytes(random: Generator, folder: Path) -> str | None:
    """Bytes of a wire, into the parser and the switcher, with pieces of any size."""
    from streamvc.plugin.midi import MidiMap, PresetSwitcher
    from streamvc.plugin.midi.stream import BoundedParser

    status = random.integers(0x80, 0x100, 400)
    data = np.where(random.random(400) < 0.3, status, random.integers(0, 0x80, 400)).astype(np.uint8).tobytes()
    parser, whole = BoundedParser(), BoundedParser()
    messages, place = [], 0
    while place < len(data):
        size = int(random.integers(1, 40))
        messages += parser.feed(data[place : place + size])
        place += size
    if messages != whole.feed(data):
        return "other messages from other pieces"
    switcher = PresetSwitcher(MidiMap.default())
    for message in messages:
        switcher.handle(message)
    return None


def _sentence(error: StreamVCError) -> str | None:
    text = str(error)
    return None if text.endswith((".", "?")) and "\n" not in text and len(text) > 20 else f"no plain sentence: {text!r}"


ATTACKS: Final[dict[str, Attack]] = {
    "audio": audio_bytes,
    "process": process,
    "preset": preset,
    "toml": toml,
    "midi-file": midi_file,
    "midi-bytes": midi_bytes,
}


def case(kind: str, seed: int) -> str | None:
    """Run one case; returns what is wrong, or nothing.

    Raises:
        Exception: an exception that is no sentence, which is wrong as well.
    """
    random = np.random.default_rng([seed, sorted(ATTACKS).index(kind)])
    with tempfile.TemporaryDirectory(prefix="streamvc-fuzz-") as folder:
        return ATTACKS[kind](random, Path(folder))
