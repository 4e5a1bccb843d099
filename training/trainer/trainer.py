"""The one training loop: whatever a stage learns, it is learnt, kept, judged and shown here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from streamvc.checkpoint import read_metadata, save_model
from streamvc.config import config_to_dict
from streamvc.errors import CheckpointError, ConfigError, TrainingError
from streamvc.training.distributed import world_mean
from streamvc.training.stages.base import Duel, Loss, Setup, Stage
from streamvc.training.trainer.average import Average, Means
from streamvc.training.trainer.batches import Batch, batches
from streamvc.training.trainer.folder import Clock, StageFolder, writing
from streamvc.training.trainer.schedule import learning_rate
from streamvc.training.trainer.stop import Stop
from streamvc.training.trainer.watch import Watcher


@dataclass(frozen=True)
class Outcome:
    """How far a stage came: its steps, and whether it is finished or was stopped before."""

    steps: int
    finished: bool


@dataclass(frozen=True)
class _Control:
    """What all processes have to agree on before a step."""

    minutes: float
    stop: bool
    save: bool


class Trainer:
    """Trains one stage.

    Args:
        stage: built, with its starting weights.
        folder: of the stage; a state in it is gone on from.
        accelerator: of the run: one CPU, one GPU, or several processes.
        setup: of the run.
        name: of the stage, for messages.
        workers: processes that prepare rows.
        watcher: shows and logs.
        stop: set by a signal.
        about: what the weights are to say of where they come from.

    Raises:
        ConfigError: the batch cannot be divided among the processes.
        TrainingError: the state cannot be gone on from.
    """

    def __init__(
        self, stage: Stage, folder: StageFolder, accelerator: Accelerator, setup: Setup, *, name: str, workers: int,
        watcher: Watcher, stop: Stop, about: dict[str, Any],
    ) -> None:
        s = stage.settings
        self.stage, self.folder, self.accelerator, self.setup = stage, folder, accelerator, setup
        self.name, self.workers, self.watcher, self.stop, self.about = name, workers, watcher, stop, about
        parts = accelerator.num_processes * s.accumulate * stage.group
        if s.batch % parts:
            raise ConfigError(
                f"{name}.batch is {s.batch}; it must be a multiple of {parts} (processes times {name}.accumulate"
                f"{', rows in pairs' if stage.group > 1 else ''})."
            )
        stage.learner.train()
        # Moved before the optimiser is made, so that its parameters are those that are trained.
        stage.learner.to(accelerator.device)
        self.optimiser = _optimiser(stage)
        self.learner, self.optimiser = accelerator.prepare(stage.learner, self.optimiser)
        self.critics: nn.Module | None = None
        self.critic_optimiser: Any = None
        if stage.critics is not None:
            stage.critics.to(accelerator.device)
            self.critics, self.critic_optimiser = accelerator.prepare(stage.critics, stage.critic_optimiser())
        self.average = Average(stage.learner, s.average)
        self.means = Means()
        self.step, self.heard, self.clock = 0, 0.0, Clock()
        self.kept, self.last_judged, self.last_saved = 0, -1, 0.0
        state = folder.load()
        if state is not None:
            self._resume(state)

    def _resume(self, state: dict[str, Any]) -> None:
        stage = self.stage
        if state["kind"] != stage.kind or state["config"] != config_to_dict(stage.model.config):
            raise TrainingError(
                f"{self.folder.state} is of another model or kind of stage; choose another --folder, or begin anew "
                "with --fresh."
            )
        try:
            stage.learner.load_state_dict(state["learner"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average.load(state["average"])
            if stage.critics is not None:
                stage.critics.load_state_dict(state["critics"])
                self.critic_optimiser.load_state_dict(state["critic_optimiser"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{self.folder.state} does not fit the stage {self.name} any more ({str(error).splitlines()[0]}): the "
                "corpus or the recipe has changed; start afresh with --fresh."
            ) from error
        self.means.load(state["means"])
        self.step, self.heard, self.clock = state["step"], state["heard"], Clock(state["minutes"])
        self.kept, self.last_judged, self.last_saved = self.step, state["judged"], self.clock.minutes
        if self.accelerator.is_main_process:
            self.folder.forget_after(self.step)
            self.watcher.resume(self.step)

    def run(self, until: int | None = None) -> Outcome:
        """Train to the end of the stage, or to step `until`, or to a signal; leaves a checkpoint in each case.

        Raises:
            TrainingError: the loss is not finite, or the disk is full; the last whole checkpoint is kept.
        """
        s, stage = self.stage.settings, self.stage
        rows = batches(
            stage.rows, seed=self.setup.seed, first=self.step, batch=s.batch, pieces=s.accumulate,
            rank=self.accelerator.process_index, world=self.accelerator.num_processes, workers=self.workers,
            same=s.one_batch,
        )
        if self.step == 0:
            self.watcher.begin(s.steps)
            stage.prepare()
            self.average = Average(stage.learner, s.average)
            self._judge()  # what the starting weights are worth
            self.watcher.tick()
        control = self._agree()
        limit = float("inf") if until is None else until
        while not control.stop and self.step < limit and not s.finished(self.step, control.minutes):
            self._learn([self._there(next(rows)) for _ in range(s.accumulate)], control.minutes)
            self.step += 1
            self.heard += s.batch * stage.seconds
            self.watcher.heard(s.batch * stage.seconds)
            if self.step % s.log_every == 0:
                self._log()
            if self.step % s.evaluate_every == 0:
                self._judge()
            if s.show_every and self.step % s.show_every == 0 and self.accelerator.is_main_process:
                with self._averaged():
                    self.watcher.show(self.step, stage.sounds())
            control = self._agree()
            self.watcher.stepped(self.step, s.steps, control.minutes, s.minutes)
            if control.save:
                self._save(control.minutes)
        finished = s.finished(self.step, control.minutes)
        if finished and self.last_judged < self.step:
            self._judge()
        self._save(control.minutes)
        if not finished:
            self.watcher.say(f"stopped after step {self.step}, with a checkpoint; the same command goes on from there")
        return Outcome(self.step, finished)

    def _there(self, batch: Batch) -> Batch:
        return {name: values.to(self.accelerator.device, non_blocking=True) for name, values in batch.items()}

    def _learn(self, pieces: list[Batch], minutes: float) -> None:
        s, stage = self.stage.settings, self.stage
        rate = learning_rate(s.progress(self.step, minutes), s.rate, s.schedule, s.warm_up, s.floor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        if self.critics is not None:
            self.critic_optimiser.zero_grad(set_to_none=True)
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            with self._synchronised(last):
                heard = self.learner(piece)
                duel = stage.duel(heard, self.step)
                said: dict[str, Loss] = {}
                if duel is not None:
                    self._teach_critics(duel, len(pieces), last)
                    said = stage.play(duel)
                losses = {**stage.losses(heard, piece, self.step), **said}
                total = torch.stack([loss.value * loss.weight for loss in losses.values() if loss.weight]).sum()
                self.accelerator.backward(total / len(pieces))
            self.means.add(**{name: loss.value for name, loss in losses.items()})
            self.means.add(loss=total)
        norms = [self.accelerator.clip_grad_norm_(group, s.clip) for group in stage.separate()]
        norm = torch.stack(norms).square().sum().sqrt()
        self._check(total, norm)
        self.optimiser.step()
        self.average.update(stage.learner)
        self.means.add(gradient=norm)

    def _teach_critics(self, duel: Duel, pieces: int, last: bool) -> None:
        """The critics' half of a step: they are ahead of the decoder, which then hears what they have learnt."""
        assert self.critics is not None
        assert self.stage.critics is not None
        loss = self.critics(duel)
        self.accelerator.backward(loss / pieces)
        self.means.add(critic=loss)
        if last:
            norm = self.accelerator.clip_grad_norm_(self.stage.critics.parameters(), self.stage.settings.clip)
            self._check(loss, norm)
            self.critic_optimiser.step()

    @contextlib.contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        """Gradients are averaged over the processes with the last piece of a step."""
        with contextlib.ExitStack() as stack:
            if not last:
                for module in (self.learner, self.critics):
                    if module is not None:
                        stack.enter_context(self.accelerator.no_sync(module))
            yield

    def _check(self, loss: Tensor, norm: Tensor) -> None:
        """Stop a training that has diverged before it changes anything."""
        good = world_mean((torch.isfinite(loss) & torch.isfinite(norm)).float())
        if float(good) < 1:
            kept = f"; the checkpoint of step {self.kept} is kept" if self.kept else ""
            raise TrainingError(
                f"The loss of {self.name} became {loss.item():g} at step {self.step}{kept}. Run again with a lower "
                f"rate, such as --set {self.name}.rate={self.stage.settings.rate / 3:.2g}."
            )

    def _agree(self) -> _Control:
        """What all processes do next: the clock of the first one, and a stop that any of them was asked for."""
        minutes, stop = self.clock.minutes, bool(self.stop.asked)
        save = minutes - self.last_saved >= self.stage.settings.checkpoint_minutes
        if self.accelerator.num_processes > 1:
            first = self.accelerator.is_main_process
            told = torch.tensor(
                [minutes if first else 0.0, float(stop), float(save and first)], dtype=torch.float64,
                device="cpu" if self.accelerator.device.type != "cuda" else self.accelerator.device,
            )
            torch.distributed.all_reduce(told)
            minutes, stop, save = float(told[0]), bool(told[1] > 0), bool(told[2] > 0)
        return _Control(minutes, stop, save)

    def _log(self) -> None:
        self._share_means()
        found = self.means.take()
        if self.accelerator.is_main_process:
            rate = self.optimiser.param_groups[0]["lr"]
            more = {"speed": self.watcher.speed(), "hours": self.heard / 3600, "rate": rate}
            self.watcher.log(self.folder, self.step, self.clock.minutes, more | found)
            self.watcher.tick()

    def _share_means(self) -> None:
        """Make the running means of this process those of all of them."""
        names = sorted(self.means.sums)
        sums = torch.tensor([self.means.sums[n] for n in names], dtype=torch.float64)
        if self.accelerator.num_processes > 1 and names:
            sums = world_mean(sums.to(self.accelerator.device)).cpu()
        self.means.sums = dict(zip(names, sums.tolist(), strict=True))

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """With the averaged weights in the learner, in evaluation mode."""
        learner = self.stage.learner
        kept = {k: v.clone() for k, v in learner.state_dict().items()}
        learner.load_state_dict(self.average.values)
        learner.eval()
        try:
            yield
        finally:
            learner.load_state_dict(kept)
            learner.train()

    def _judge(self) -> None:
        """Held-out speech, by every process, so that none waits for another; the best weights are kept."""
        self.last_judged = self.step
        with self._averaged():
            found = self.stage.evaluate()
            if not self.accelerator.is_main_process:
                return
            if found:
                self.watcher.log(self.folder, self.step, self.clock.minutes, found)
            measure = self.stage.settings.best_by or self.stage.best_by
            name = measure.removeprefix("-")
            if found and name not in found and name != "last":
                known = ", ".join(sorted(found))
                raise ConfigError(f"{self.name}.best_by is {measure!r}; the stage measures {known}, or give `last`.")
            value = found.get(name)
            if value is None or self._better(value, measure.startswith("-")):
                self._write(self.folder.best, {"measure": name, "value": value} if value is not None else {})

    def _better(self, value: float, less: bool) -> bool:
        """Whether a held-out measure beats that of the best weights so far, which say it themselves."""
        try:
            best = read_metadata(self.folder.best)["provenance"]["value"]
        except (CheckpointError, KeyError):
            return True
        return bool(value < best if less else value > best)

    def _write(self, path: Any, more: dict[str, Any]) -> None:
        provenance = {
            "stage": self.name, "kind": self.stage.kind, "step": self.step, "hours": round(self.heard / 3600, 3),
            **self.stage.provenance(), **self.about, **more,
        }
        with writing(path):
            save_model(self.stage.model, path, provenance, torch.float32)

    def _save(self, minutes: float) -> None:
        self._share_means()
        if self.accelerator.is_main_process:
            stage = self.stage
            self.folder.save({
                "kind": stage.kind, "config": config_to_dict(stage.model.config), "step": self.step, "minutes": minutes,
                "heard": self.heard, "learner": stage.learner.state_dict(), "optimiser": self.optimiser.state_dict(),
                "average": self.average.state(), "means": self.means.state(), "judged": self.last_judged,
                "critics": stage.critics.state_dict() if stage.critics is not None else None,
                "critic_optimiser": self.critic_optimiser.state_dict() if self.critic_optimiser is not None else None,
            })
            with self._averaged():
                self._write(self.folder.last, {})
        self.kept = self.step
        self.last_saved = self.clock.minutes


def _optimiser(stage: Stage) -> torch.optim.Optimizer:
    s = stage.settings
    if s.optimiser == "adam":
        return torch.optim.Adam(stage.parameters(), lr=s.rate, betas=s.betas)
    groups = [{"params": stage.parameters(), "weight_decay": s.weight_decay}]
    if not s.decay_vectors:
        groups = [
            {"params": [p for p in stage.parameters() if p.ndim > 1], "weight_decay": s.weight_decay},
            {"params": [p for p in stage.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
    return torch.optim.AdamW(groups, lr=s.rate, betas=s.betas)
