"""What a person sees of a run: a bar with its speed, lines of the log, and TensorBoard."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from streamvc.training.trainer.folder import StageFolder

if TYPE_CHECKING:
    from streamvc.training.stages.base import Sound
    from streamvc.training.trainer.board import Board


class Watcher:
    """Of one stage; `quiet` for all processes but the first.

    Args:
        label: name of the stage.
        board: TensorBoard, if it is wanted and installed.
        quiet: show nothing.
    """

    def __init__(self, label: str, board: Board | None = None, quiet: bool = False) -> None:
        self.label, self.board, self.quiet = label, board, quiet
        self.bar: Any = None
        self.since = self.begun = time.monotonic()
        self.seconds = self.all_seconds = 0.0

    def resume(self, step: int) -> None:
        """Go on at a step: what TensorBoard has of later ones is dropped."""
        self.say(f"goes on after step {step}")
        if self.board is not None:
            self.board.resume(step)

    def begin(self, steps: int) -> None:
        """Before the first step."""
        self.say(f"begins{f', {steps} steps' if steps else ''}")

    def heard(self, seconds: float) -> None:
        """A step has heard so many seconds of speech."""
        self.seconds += seconds
        self.all_seconds += seconds

    def stepped(self, step: int, steps: int, minutes: float, limit: float) -> None:
        """After a step and what followed it: move the bar."""
        if self.quiet or not sys.stderr.isatty():
            return
        if self.bar is None:
            from tqdm import tqdm

            self.bar = tqdm(
                total=steps or None, initial=step - 1, desc=self.label, unit=" steps", dynamic_ncols=True,
                file=sys.stderr,
            )
        self.bar.update()
        left = f", {minutes:.1f} of {limit:g} min" if limit else ""
        speed = self.all_seconds / max(1e-9, time.monotonic() - self.begun)
        self.bar.set_postfix_str(f"{speed:.1f} s of audio per s{left}", refresh=False)

    def speed(self) -> float:
        """Seconds of audio per second since the last :meth:`tick`."""
        return self.seconds / max(1e-9, time.monotonic() - self.since)

    def tick(self) -> None:
        """Measure the speed anew."""
        self.since, self.seconds = time.monotonic(), 0.0

    def log(self, folder: StageFolder, step: int, minutes: float, values: dict[str, float]) -> None:
        """A line of the log, and the same in TensorBoard."""
        line = folder.log({"step": step, "minutes": minutes, **values})
        if self.board is not None:
            self.board.numbers(step, values)
        self.say(line)

    def show(self, step: int, sounds: Sequence[Sound]) -> None:
        """Held-out speech, as sounds and pictures."""
        if self.board is not None:
            self.board.sounds(step, sounds)

    def end(self) -> None:
        """After the last step."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        if self.board is not None:
            self.board.close()

    def say(self, text: str) -> None:
        """A line for a person."""
        if self.quiet:
            return
        line = f"{time.strftime('%H:%M:%S')} {self.label}: {text}"
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)
