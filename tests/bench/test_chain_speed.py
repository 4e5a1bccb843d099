"""What an `EffectChain` costs over its elements called one by one. Reported, never judged: 0.1 ms per 20 ms is the
promise.
"""

from __future__ import annotations

import numpy as np
import pedalboard
import pytest

from streamvc.plugin import EffectChain

RATE = 48_000


class Through:
    """A processor that costs nothing."""

    def process(self, input_array, sample_rate, buffer_size=8192, reset=True):
        return input_array

    def reset(self):
        pass

    def latency_samples(self, sample_rate):
        return 0


def elements():
    return [
        pedalboard.NoiseGate(-50),
        pedalboard.HighpassFilter(80),
        Through(),
        pedalboard.Compressor(-20, 3),
        pedalboard.Reverb(0.2),
        pedalboard.Limiter(),
    ]


@pytest.mark.parametrize("block", [64, 480, 960])
@pytest.mark.parametrize("who", ["bare", "chain", "nested", "one chain of natives", "one board"])
def test_a_block(benchmark, block, who):
    """`bare` is two boards and the processor between, called by hand; `one board` has the natives only."""
    parts = elements()
    natives = [part for part in parts if not isinstance(part, Through)]
    if who == "bare":
        before, voice, after = pedalboard.Pedalboard(parts[:2]), parts[2], pedalboard.Pedalboard(parts[3:])

        def process(audio):
            audio = before.process(audio, RATE, 8192, False)
            return after.process(voice.process(audio, RATE, 8192, False), RATE, 8192, False)
    else:
        processor = {
            "chain": lambda: EffectChain(parts),
            "nested": lambda: EffectChain([EffectChain(parts[:3]), pedalboard.Pedalboard(parts[3:])]),
            "one chain of natives": lambda: EffectChain(natives),
            "one board": lambda: pedalboard.Pedalboard(natives),
        }[who]()

        def process(audio):
            return processor.process(audio, RATE, 8192, False)

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, block)).astype(np.float32)
    output = benchmark.pedantic(process, (noise,), rounds=2000, warmup_rounds=50)
    benchmark.extra_info["ms_per_20_ms"] = round(20 * benchmark.stats.stats.median / (block / RATE), 4)
    assert np.abs(output).max() > 0.001
