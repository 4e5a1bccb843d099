"""One speaker, two voices at once: the same speech in two voices, a little apart from left to right.

    python examples/two_voices.py [SOURCE] [RESULT]

Both voices run with the same weights in memory, and have the same latency, so their results can be added up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pedalboard import HighpassFilter
from pedalboard.io import AudioFile

from streamvc.plugin import EffectChain, VoiceConverter
from streamvc.runtimes import load_runtime


def main(source: str, result: str) -> None:
    runtime = load_runtime("onnx")
    first = EffectChain([VoiceConverter("alice", runtime=runtime)])
    second = EffectChain([VoiceConverter("victor", runtime=runtime, pitch_semitones=-2), HighpassFilter(120)])
    with AudioFile(source) as file:
        audio, rate = file.read(file.frames), file.samplerate
    mono = audio.mean(axis=0)
    one, other = first(mono, rate), second(mono, rate)
    stereo = np.stack([0.7 * one + 0.3 * other, 0.3 * one + 0.7 * other])
    with AudioFile(result, "w", rate, 2) as file:
        file.write(stereo)
    print(f"{result}: {len(mono) / rate:.1f} s in two voices")


if __name__ == "__main__":
    defaults = [str(Path(__file__).parent / "speech.wav"), "two_voices.wav"]
    main(*(sys.argv[1:] + defaults[len(sys.argv) - 1 :]))
