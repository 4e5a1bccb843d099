"""An hour of audio through the live audio path, block by block, with the drop-outs that a sound card would have had.

    python -m tests.bench.soak [--minutes 60] [--blocks 10 20] [--rate 48000] [--json FILE]

Time is simulated: blocks come every 10 or 20 ms, each is worked on as soon as it has come and the one before is done,
and it is late when it is not done by the time the next one comes. So an hour takes minutes, and what is measured is
computing time on this machine, other load included; what a sound driver adds is not in it. Every ten seconds the voice
changes, as a performer would do it.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from pedalboard.io import AudioFile

from streamvc.plugin import VoiceConverter
from streamvc.presets.store import list_presets

_SWITCH_SECONDS, _VOICES = 10, 4


@dataclass(frozen=True)
class Soak:
    """What an hour was like.

    Attributes:
        block_ms: length of a block.
        blocks: how many there were.
        late: blocks that were not done in time: drop-outs.
        p50_ms, p99_ms, p999_ms, max_ms: computing time of a block.
        worst_lateness_ms: how far behind its deadline the worst block was; below 0 none was late.
        memory_start_mb, memory_end_mb: resident set after the first minute and at the end.
    """

    block_ms: float
    blocks: int
    late: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    worst_lateness_ms: float
    memory_start_mb: float
    memory_end_mb: float


def soak(speech: np.ndarray, rate: int, block_ms: float, minutes: float) -> Soak:
    """Run it; `speech` is mono at `rate` and is repeated."""
    block, length = round(rate * block_ms / 1000), block_ms / 1000
    names = [info.name for info in list_presets() if info.builtin][:_VOICES]
    converter, voices = VoiceConverter(names[0]), cycle(names[1:] + names[:1])
    whole = np.resize(speech, len(speech) // block * block).reshape(-1, 1, block)
    count, switch = round(60 * minutes / length), round(_SWITCH_SECONDS / length)
    costs = np.full(count, np.nan)  # written at once, so that it does not grow with the hour
    converter.process(whole[0], rate, reset=True)
    gc.collect()
    gc.freeze()
    memory_start = resident_mb()
    for number in range(count):
        if number % switch == switch - 1:
            converter.preset = next(voices)
        began = time.perf_counter()
        converter.process(whole[number % len(whole)], rate, reset=False)
        costs[number] = time.perf_counter() - began
        if number == round(60 / length):
            memory_start = resident_mb()
    memory_end = resident_mb()
    gc.unfreeze()
    lateness = deadlines_missed(costs, length)
    p50, p99, p999 = (float(value) for value in np.percentile(1000 * costs, [50, 99, 99.9]))
    return Soak(
        block_ms, count, int((lateness > 0).sum()), p50, p99, p999, 1000 * float(costs.max()),
        1000 * float(lateness.max()), memory_start, memory_end,
    )


def deadlines_missed(costs: np.ndarray, length: float) -> np.ndarray:
    """Seconds by which each block was done after the next one came, negative when before."""
    done, lateness = 0.0, np.zeros(len(costs))
    for number, cost in enumerate(costs):
        came = number * length
        done = max(came, done) + cost
        lateness[number] = done - (came + length)
    return lateness


def resident_mb() -> float:
    """Resident set of this process now (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the system does not say how much memory is resident")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print a line per block length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--blocks", type=float, nargs="+", default=[10.0, 20.0], help="milliseconds")
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    with AudioFile(str(Path(__file__).parents[2] / "examples" / "speech.wav")).resampled_to(given.rate) as file:
        speech = file.read(int(file.frames))[0]
    results = []
    for block_ms in given.blocks:
        result = soak(speech, given.rate, block_ms, given.minutes)
        results.append(asdict(result))
        print(
            f"{given.minutes:g} min in blocks of {block_ms:g} ms: {result.late} of {result.blocks} late, "
            f"{result.p50_ms:.2f} ms median, {result.p99_ms:.2f} ms 99 %, {result.p999_ms:.2f} ms 99.9 %, "
            f"{result.max_ms:.2f} ms worst; memory {result.memory_start_mb:.1f} -> {result.memory_end_mb:.1f} MB",
            flush=True,
        )
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
