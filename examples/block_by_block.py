"""The same chain on a stream: blocks of 10 ms in, blocks of 10 ms out, as a live host does it.

    python examples/block_by_block.py [SOURCE] [RESULT]

Every block comes back at once, with the sound of `latency_samples` ago. Halfway, the reverb is taken out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pedalboard import Compressor, NoiseGate, Reverb
from pedalboard.io import AudioFile

from streamvc.plugin import EffectChain, VoiceConverter


def main(source: str, result: str) -> None:
    chain = EffectChain([NoiseGate(threshold_db=-50), VoiceConverter("alice"), Compressor(-20, 3), Reverb(0.2)])
    with AudioFile(source) as file:
        rate, channels, frames = file.samplerate, file.num_channels, file.frames
        block, latency = rate // 100, chain.latency_samples(rate)
        with AudioFile(result, "w", rate, channels) as output:
            while file.tell() < frames:
                output.write(chain.process(file.read(block), rate, reset=False))
                if len(chain) == 4 and file.tell() > frames / 2:
                    chain.pop()
            # What is still under way comes out behind as much silence.
            output.write(chain.process(np.zeros((channels, latency), dtype=np.float32), rate, reset=False))
    print(f"{result}: {frames / rate:.1f} s + {1000 * latency / rate:.0f} ms of latency, in blocks of {block} samples")


if __name__ == "__main__":
    defaults = [str(Path(__file__).parent / "speech.wav"), "block_by_block.wav"]
    main(*(sys.argv[1:] + defaults[len(sys.argv) - 1 :]))
