"""What the fuzzer damages: a whole example of everything that people feed to the program."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.random import Generator

ROOT: Final = Path(__file__).resolve().parent.parent.parent

_SOUND: Final = (
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("WAV", "ALAW"),
    ("WAV", "MS_ADPCM"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "GSM610"),
    ("WAVEX", "PCM_32"),
    ("RF64", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
    ("AIFF", "FLOAT"),
    ("AIFF", "IMA_ADPCM"),
    ("AU", "PCM_16"),
    ("AU", "ULAW"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("W64", "PCM_16"),
)
_MEDIA: Final = (("mp4", "aac"), ("adts", "aac"), ("webm", "libopus"), ("matroska", "libopus"))


@lru_cache(1)
def sounds() -> list[bytes]:
    """A third of a second in every format that is read."""
    rate = 16_000
    time = np.arange(rate // 3) / rate
    samples = (0.3 * np.sin(2 * np.pi * 200 * time) + 0.01 * np.cos(2 * np.pi * 3000 * time)).astype(np.float32)
    made = []
    for form, subtype in _SOUND:
        stream = io.BytesIO()
        soundfile.write(stream, samples, rate, format=form, subtype=subtype)
        made.append(stream.getvalue())
    return made + _media(samples, rate)


def _media(samples: np.ndarray, rate: int) -> list[bytes]:
    try:
        import av
    except ImportError:
        return []
    made = []
    for form, codec in _MEDIA:
        stream = io.BytesIO()
        with av.open(stream, "w", format=form) as file:
            own = 48_000 if codec == "libopus" else rate
            track = file.add_stream(codec, rate=own, layout="mono")
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
            frame.sample_rate = rate
            context = track.codec_context
            fit = av.AudioResampler(context.format, "mono", own, frame_size=context.frame_size or 1024)
            for even in [*fit.resample(frame), *fit.resample(None)]:
                file.mux(track.encode(even))
            file.mux(track.encode(None))
        made.append(stream.getvalue())
    return made


@lru_cache(1)
def presets() -> list[bytes]:
    """Voices as files."""
    return [path.read_bytes() for path in sorted((ROOT / "presets" / "data").glob("*.npz"))[:3]]


@lru_cache(1)
def midi_files() -> list[bytes]:
    """Files of controls."""
    from mido import Message, MetaMessage, MidiFile, MidiTrack

    file = MidiFile(type=1)
    track = [Message("program_change", program=1, time=10), MetaMessage("text", text="voice", time=5)]
    track += [MetaMessage("key_signature", key="C"), MetaMessage("set_tempo", tempo=400_000)]
    track += [Message("sysex", data=[1, 2, 3]), Message("control_change", control=1, value=3, time=300)]
    file.tracks += [MidiTrack(track), MidiTrack(track)]
    stream = io.BytesIO()
    file.save(file=stream)
    return [stream.getvalue()]


CHAIN: Final = b"""[[effect]]
type = "VoiceConverter"
preset = "alice"
mix = 0.5

[[effect]]
type = "Gain"
gain_db = -3.0
"""

MAP: Final = b"""schema = 1

[[bind]]
program = 0
preset = "alice"

[[bind]]
control = 8
parameter = "mix"
range = [0, 1]
"""


def damage(random: Generator, data: bytes) -> bytes:
    """Bytes changed, cut, repeated, moved, or replaced by numbers that are often special."""
    body = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        if not body:
            break
        # Headers decide most, so half of the damage is done there.
        reach = min(len(body), 128) if random.random() < 0.5 else len(body)
        place = int(random.integers(reach))
        count = int(random.integers(1, 64))
        match int(random.integers(8)):
            case 0:
                body[place] = int(random.integers(256))
            case 1:
                body[place] ^= 1 << int(random.integers(8))
            case 2:
                body[place : place + 4] = bytes([int(random.choice([0, 1, 0x7F, 0x80, 0xFF]))]) * 4
            case 3:
                number = int(random.choice([0, 1, 2, 16, 255, 256, 32_767, 65_535]))
                body[place : place + 2] = number.to_bytes(2, "little")
            case 4:
                del body[place:]
            case 5:
                del body[place : place + count]
            case 6:
                body[place:place] = random.bytes(count)
            case _:
                body[place:place] = body[place : place + count]
    return bytes(body)
