"""Write docs/performance.md: what costs what, how near that is to what the machine can do, and what is promised.

    python -m tests.bench.performance [--soak FILE] [--out docs/performance.md]

Everything is measured in one run, on one thread, with the shipped weights; `--soak` takes the figures that
`python -m tests.bench.soak --json FILE` wrote. Needs the extra `test`. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pedalboard.io import AudioFile

from streamvc.runtimes import default_weights
from streamvc.runtimes.export import export_onnx
from streamvc.runtimes.onnx import OnnxRuntime
from tests.bench import measure, pages
from tests.bench.node_costs import RunningGraph

REPOSITORY = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soak", type=Path)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "performance.md")
    given = parser.parse_args(arguments)
    weights = default_weights()
    example = REPOSITORY / "examples" / "speech.wav"
    with AudioFile(str(example)) as file:
        speech = file.read(file.frames)[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_onnx(weights, folder / "fp32.onnx", "fp32")
        shipped, exact = OnnxRuntime(weights.with_suffix(".onnx")), OnnxRuntime(folder / "fp32.onnx")
        times = measure.frame_times(shipped, exact, weights, speech)
        graph = RunningGraph(weights.with_suffix(".onnx"), speech, folder)
        page = pages.Page(
            machine=measure.machine(),
            times=times,
            noise_db=measure.noise_db(shipped, exact, speech),
            parts=measure.parts(graph),
            products=measure.products(graph),
            pool={runtime.precision: measure.pool(runtime, speech) for runtime in (shipped, exact)},
            memory_mb=measure.live_memory(),
            start_seconds=measure.start(folder, speech),
            jobs=measure.jobs(folder, example),
            wheel_mb=measure.wheel(REPOSITORY, folder),
            soak=json.loads(given.soak.read_text()) if given.soak else [],
        )
    given.out.write_text(page.text(), encoding="utf-8")
    print(f"{given.out}: median {np.median(times['onnx, as shipped']):.2f} ms a frame")


if __name__ == "__main__":
    main()
