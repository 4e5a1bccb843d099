"""docs/performance.md out of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bench.measure import Part, Products


@dataclass(frozen=True)
class Page:
    """All figures of one run; see `tests/bench/measure.py` for what each is."""

    machine: dict[str, str]
    times: dict[str, list[float]]
    noise_db: dict[str, float]
    parts: list[Part]
    products: Products
    pool: dict[str, dict[int, float]]
    memory_mb: float
    start_seconds: tuple[float, float]
    jobs: dict[int, float]
    wheel_mb: float
    soak: list[dict[str, Any]]

    def text(self) -> str:
        """The page."""
        sections = (
            self._head(), self._frames(), self._promises(), self._parts(), self._ceiling(), self._pool(), self._files(),
            self._long(),
        )
        return "\n\n".join(section.strip() for section in sections if section) + "\n"

    def _median(self, name: str) -> float:
        return float(np.median(self.times[name]))

    def _head(self) -> str:
        facts = ", ".join(f"{name}: {value}" for name, value in self.machine.items())
        return f"""# Performance

Written by `python -m tests.bench.performance`, with the shipped weights, on one thread.

{facts}.

Times depend on the machine and on what else runs on it; the comparisons are between runs that took turns."""

    def _frames(self) -> str:
        rows = []
        for name, times in self.times.items():
            p50, p95, p99 = np.percentile(times, [50, 95, 99])
            rows.append([name, *(f"{v:.2f}" for v in (min(times), p50, p95, p99, max(times))), str(len(times))])
        noise = ", ".join(f"{value:.1f} dB ({name})" for name, value in self.noise_db.items())
        return f"""## A frame of 20 ms

Milliseconds of computing per frame of one voice, runtime alone (`svc bench` adds the engine, about 0.02 ms).

{_table(["runtime", "fastest", "median", "95 %", "99 %", "worst", "frames"], rows)}

The shipped graph multiplies by eight-bit weights in the blocks at 50 Hz and in the layer after them; everything else
is float32, pitch float64. On examples/speech.wav, what it says differs from what the fp32 graph says by noise that lies
below the output by {noise}."""

    def _promises(self) -> str:
        shipped = self.times["onnx, as shipped"]
        one, nothing = self.start_seconds
        batch = self.pool["int8"][16] / (16 * self.pool["int8"][1])
        exact = self.pool["fp32"][16] / (16 * self.pool["fp32"][1])
        rows = [
            ["median of a frame", "at most 1.5 ms", f"{np.median(shipped):.2f} ms"],
            ["99 % of the frames", "at most 4 ms", f"{np.percentile(shipped, 99):.2f} ms"],
            ["`paper` in torch / shipped", "at least 10", f"{self._median('torch, `paper`') / np.median(shipped):.1f}"],
            ["`live` in torch / shipped", "at least 3", f"{self._median('torch, `live`') / np.median(shipped):.1f}"],
            ["memory of a live voice", "at most 250 MB", f"{self.memory_mb:.0f} MB"],
            ["wheel", "at most 80 MB", f"{self.wheel_mb:.1f} MB"],
            ["16 voices in a step / 16 steps", "at most 0.5", f"{batch:.2f} (fp32: {exact:.2f})"],
            ["start of `svc render` over Python's own", "at most 1 s of CPU", f"{one - nothing:.2f} s"],
        ]
        return "## What is promised\n\n" + _table(["", "promise", "measured"], rows)

    def _parts(self) -> str:
        total = sum(part.microseconds for part in self.parts)
        rows = [
            [part.title, str(part.nodes), f"{part.macs / 1e6:.2f}", f"{part.constant_bytes / 1e6:.2f}",
             f"{part.microseconds:.0f}", f"{100 * part.microseconds / total:.0f} %"]
            for part in self.parts
        ]
        rows.append(["all", str(sum(p.nodes for p in self.parts)), f"{sum(p.macs for p in self.parts) / 1e6:.2f}",
                     f"{sum(p.constant_bytes for p in self.parts) / 1e6:.2f}", f"{total:.0f}", ""])
        step = 1000 * self._median("onnx, as shipped")
        return f"""## What costs what

Each operation by itself, repeated on the inputs that it has in the middle of speech, so with everything in the nearest
cache (tests/bench/node_costs.py). A step costs more than their sum, {step:.0f} us in the median, because the weights
come from further away. MACs are those of products; bytes are the weights and tables that are read.

{_table(["part", "operations", "million MACs", "MB of constants", "us", "share"], rows)}"""

    def _ceiling(self) -> str:
        p, step = self.products, 1000 * self._median("onnx, as shipped")
        rate, bandwidth = p.macs / p.microseconds / 1e3, p.constant_bytes / p.microseconds / 1e3
        return f"""## How far from the machine's ceiling

The {p.count} products with weights have {p.macs / 1e6:.1f} million MACs and read {p.constant_bytes / 1e6:.1f} MB.
A graph of nothing else, on the same inputs, takes {p.microseconds:.0f} us in the median: {rate:.1f} thousand million
MACs and {bandwidth:.1f} GB a second. For one row at a time, a product costs what it costs to read its weights.

A step takes {step / p.microseconds:.1f} times as long. The rest is signal processing and the cost of starting some
hundred small operations, about half a microsecond each. Binding inputs and outputs to buffers of our own (I/O binding)
gained nothing over plain arrays."""

    def _pool(self) -> str:
        rows = []
        for voices in self.pool["int8"]:
            row = [str(voices)]
            for curve in self.pool.values():
                each = curve[voices] / voices
                row += [f"{curve[voices]:.2f}", f"{each:.2f}", f"{each / curve[1]:.2f}"]
            rows.append(row)
        names = [f"{name}: {what}" for name in self.pool for what in ("ms", "ms a voice", "of one alone")]
        return f"""## Many voices in one step

Median of `Runtime.step_batch`, on which `streamvc.pool.VoicePool` stands. Eight-bit products gain less from a batch
than float32 ones: one row costs them little to begin with.

{_table(["voices", *names], rows)}"""

    def _files(self) -> str:
        audio = 8 * 30.0
        rows = [
            [str(count), f"{seconds:.1f}", f"{audio / seconds:.1f}", f"{self.jobs[1] / seconds:.2f}"]
            for count, seconds in self.jobs.items()
        ]
        return f"""## Many files

`svc render --jobs N` on eight files of 30 s at 16 kHz, start-up included; the machine has {self.machine["cores"]}
cores, and other work ran on them.

{_table(["jobs", "s", "x real time", "times as fast"], rows)}"""

    def _long(self) -> str:
        if not self.soak:
            return ""
        rows = [
            [f"{s['block_ms']:g} ms", str(s["blocks"]), str(s["late"]), f"{s['p50_ms']:.2f}", f"{s['p99_ms']:.2f}",
             f"{s['p999_ms']:.2f}", f"{s['max_ms']:.1f}", f"{s['memory_start_mb']:.1f}", f"{s['memory_end_mb']:.1f}"]
            for s in self.soak
        ]
        names = ["block", "blocks", "late", "median ms", "99 %", "99.9 %", "worst", "MB early", "MB late"]
        return f"""## An hour

`python -m tests.bench.soak`: audio at 48 kHz through `VoiceConverter`, the voice switched every ten seconds. A block is
late when it is not done before the next one would have come. The resident memory is that after a minute and at the end.

{_table(names, rows)}"""


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] + ["---:"] * (len(names) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
