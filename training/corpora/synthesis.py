"""Synthetic English speech of many voices, with the exact duration of every phone, by Kokoro-82M.

Voices are the style packs of the model (float32 [510, 256], one style for each number of tokens) and blends: the
mean of an English voice and any other. Phonemes come from the package hibari-tts, which uses Kokoro's own.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError, RuntimeUnavailableError

MODEL_RATE = 24_000
STYLE = 256
SPEEDS = (0.88, 1.15)
TOKENS = (10, 480)
"""Texts with fewer or more phonemes are left out, exclusive bounds."""

Style = npt.NDArray[np.float32]


def load_voices(folder: Path) -> dict[str, Style]:
    """Style packs `NAME.bin` by name.

    Raises:
        CorpusError: there is none, or one has another size.
    """
    voices = {}
    for path in sorted(folder.glob("*.bin")):
        data = np.fromfile(path, "<f4")
        if not data.size or data.size % STYLE:
            raise CorpusError(f"{path} is no style pack of Kokoro; fetch the voices again.")
        voices[path.stem] = data.reshape(-1, STYLE)
    if not voices:
        raise CorpusError(f"{folder} has no style packs (*.bin); fetch the voices of Kokoro.")
    return voices


def with_blends(voices: dict[str, Style], count: int, seed: int = 7) -> dict[str, Style]:
    """`voices` and `count` half-and-half blends `A+B` of an English voice (a..., b...) with any other.

    Raises:
        CorpusError: there are not so many pairs.
    """
    english = [name for name in voices if name[0] in "ab"]
    pairs = [(a, b) for a in english for b in voices if a != b and not (b in english and b < a)]
    if count > len(pairs):
        raise CorpusError(f"{len(voices)} voices make {len(pairs)} blends, not {count}; ask for fewer.")
    chosen = random.Random(seed).sample(sorted(pairs), count)
    blends = {f"{a}+{b}": np.asarray((voices[a] + voices[b]) / 2, np.float32) for a, b in sorted(chosen)}
    return {**voices, **blends}


@dataclass(frozen=True)
class Shard:
    """Which of the utterances a process makes: every `count`-th from `number` on."""

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise CorpusError(f"there is no shard {self.number} of {self.count}; they are numbered from 0.")


class Synthesiser:
    """Kokoro's graph with durations (see `kokoro_graph`), its phonemes and their numbers.

    Raises:
        RuntimeUnavailableError: onnxruntime or hibari-tts is not installed.
        CorpusError: the graph or the vocabulary cannot be read.
    """

    def __init__(self, graph: Path, vocabulary: Path, phonemize: Callable[[str], Sequence[str]] | None = None) -> None:
        try:
            import onnxruntime

            if phonemize is None:
                from hibari import Hibari

                phonemize = Hibari().phonemize
        except ImportError as error:
            raise RuntimeUnavailableError(
                "synthesis needs onnxruntime and hibari-tts; install them with pip."
            ) from error
        for path in (graph, vocabulary):
            if not path.is_file():
                raise CorpusError(f"{path} is missing; docs/corpora.md says how to make it.")
        self.phonemize = phonemize
        self.numbers: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session: Any = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def phones(self, text: str) -> list[str]:
        """The phonemes of a text that the model knows."""
        return [phone for phone in " ".join(self.phonemize(text)) if phone in self.numbers]

    def speak(self, phones: Sequence[str], voice: Style, speed: float) -> tuple[npt.NDArray[np.float32], list[int]]:
        """Samples at 24 kHz and the duration of each phone and of a pad at each end, in units of 25 ms."""
        tokens = np.array([[0, *(self.numbers[phone] for phone in phones), 0]], np.int64)
        style = voice[min(len(phones), len(voice)) - 1][None]
        inputs = {"tokens": tokens, "style": style, "speed": np.array([speed], np.float32)}
        audio, durations = self.session.run(None, inputs)
        return np.asarray(audio, np.float32).ravel(), [int(value) for value in np.ravel(durations)]


def synthesise(
    synthesiser: Synthesiser,
    voices: dict[str, Style],
    sentences: Sequence[str],
    out: Path,
    rounds: int,
    seed: int = 1,
    shard: Shard = Shard(),
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Let every voice read `rounds` sentences, each another one, in the order of a shuffle by `seed`.

    Writes `out/VOICE/ROUND.flac` (16 kHz) and a line of `out/shardN.jsonl` for each, which the source `kokoro2`
    reads; utterances that are there already are kept.

    Returns:
        How many utterances were made.

    Raises:
        CorpusError: there are fewer sentences than voices x rounds.
    """
    import soundfile
    import soxr

    if len(sentences) < len(voices) * rounds:
        raise CorpusError(
            f"{len(voices)} voices in {rounds} rounds need {len(voices) * rounds} sentences, not {len(sentences)}."
        )
    order = list(sentences)
    random.Random(seed).shuffle(order)
    out.mkdir(parents=True, exist_ok=True)
    made = 0
    with (out / f"shard{shard.number}.jsonl").open("a", encoding="utf-8") as log:
        for index in range(shard.number, len(voices) * rounds, shard.count):
            number, place = divmod(index, len(voices))
            voice = sorted(voices)[place]
            path = out / voice / f"{number:04d}.flac"
            if path.is_file():
                continue
            phones = synthesiser.phones(order[index])
            if not TOKENS[0] < len(phones) < TOKENS[1]:
                continue
            speed = random.Random(1_000_003 * seed + index).uniform(*SPEEDS)
            audio, durations = synthesiser.speak(phones, voices[voice], speed)
            samples = soxr.resample(audio, MODEL_RATE, SAMPLE_RATE, quality="VHQ")
            samples = samples * min(1.0, 0.97 / max(float(np.abs(samples).max()), 1e-6))
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            soundfile.write(temporary, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
            row = {"voice": voice, "file": f"{voice}/{path.name}", "text": order[index], "phonemes": phones}
            # the line before the file: a file without a line would never be packed
            log.write(json.dumps({**row, "durations": durations, "speed": round(speed, 3)}, ensure_ascii=False) + "\n")
            log.flush()
            temporary.replace(path)
            made += 1
            if made % 50 == 0:
                say(f"{made} utterances")
    return made
