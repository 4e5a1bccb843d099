"""A file through noise gate, voice, compressor and reverb.

    python examples/chain_on_file.py [SOURCE] [RESULT]

The result is as long as the source and aligned with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pedalboard import Compressor, NoiseGate, Reverb
from pedalboard.io import AudioFile

from streamvc.plugin import EffectChain, VoiceConverter


def main(source: str, result: str) -> None:
    chain = EffectChain(
        [
            NoiseGate(threshold_db=-50, release_ms=200),
            VoiceConverter("alice"),
            Compressor(threshold_db=-20, ratio=3),
            Reverb(room_size=0.2, wet_level=0.15, dry_level=0.85),
        ]
    )
    with AudioFile(source) as file:
        audio, rate = file.read(file.frames), file.samplerate
    processed = chain(audio, rate)
    with AudioFile(result, "w", rate, processed.shape[0]) as file:
        file.write(processed)
    print(f"{result}: {processed.shape[1] / rate:.1f} s, {rate} Hz")


if __name__ == "__main__":
    defaults = [str(Path(__file__).parent / "speech.wav"), "chain_on_file.wav"]
    main(*(sys.argv[1:] + defaults[len(sys.argv) - 1 :]))
