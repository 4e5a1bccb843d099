"""Rendering as pieces of work for an executor: one file each, with a model that is loaded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from streamvc.cli.batch import Renderer
from streamvc.cli.options import Settings
from streamvc.cli.plan import Job
from streamvc.cli.stored import Rendered, render_stored
from streamvc.errors import CheckpointError
from streamvc.executor import Call
from streamvc.storage.address import Address

if TYPE_CHECKING:
    from streamvc.plugin.midi.performance import Score
    from streamvc.presets.format import Preset
    from streamvc.runtimes import Runtime

_NOT_IN_THE_SOUND = {"overwrite", "backend", "weights", "chain"}
"""Settings of which the output does not depend by themselves: model and chain stand in the key with their contents."""


@dataclass(frozen=True)
class Model:
    """What tells two models apart, wherever their files are."""

    runtime: str
    fingerprint: str
    precision: str

    @classmethod
    def of(cls, runtime: Runtime | None) -> Model | None:
        """Of a loaded one; None of none."""
        if runtime is None:
            return None
        return cls(runtime.name, runtime.fingerprint, str(getattr(runtime, "precision", "fp32")))


@dataclass(frozen=True)
class RenderWork:
    """`streamvc.executor.Work` of `Job`s.

    Attributes:
        preset, settings, score: as `batch.run` takes them.
        model: the one that everybody has to use; None where there is only one who works, or a chain without a voice.
        key: digest of all that an output depends on beside its source; None keeps no records.
        resume: skip what records show to be done.
    """

    preset: Preset | None
    settings: Settings
    score: Score | None = None
    model: Model | None = None
    key: str | None = None
    resume: bool = False

    @property
    def packages(self) -> tuple[str, ...]:
        """What computes, and what reads and writes audio."""
        torch = ("torch",) if self.model is not None and self.model.runtime == "torch" else ()
        return ("numpy", "onnxruntime", "pedalboard", "soundfile", "av", *torch)

    def name(self, job: Job) -> str:
        """The source."""
        return str(job.source)

    def start(self) -> Callable[[Job, Call], Rendered]:
        """Load the model.

        Raises:
            StreamVCError: as `Renderer` does.
            CheckpointError: it is another model than the one that all have to use.
        """
        renderer = Renderer(self.preset, self.settings, self.score)
        found = Model.of(renderer.runtime)
        if self.model is not None and found != self.model:
            raise CheckpointError(
                f"The model found here ({found}) is another one than that of this command "
                f"({self.model}): give all workers the same weights."
            )

        def render(job: Job, call: Call) -> Rendered:
            if self.key is None and not isinstance(job.source, Address) and not isinstance(job.target, Address):
                return Rendered(renderer.render(job.source, job.target, call.tell))
            return render_stored(
                renderer.render, job, call, self.key, resume=self.resume, overwrite=self.settings.overwrite
            )

        return render


def render_key(preset: Preset | None, settings: Settings, score: Score | None, model: Model | None) -> str:
    """The digest of everything that an output depends on beside its source."""
    from streamvc import __version__
    from streamvc.cli.chains import chain_content
    from streamvc.executor.digest import of_value

    sound = {
        field.name: getattr(settings, field.name) for field in fields(settings) if field.name not in _NOT_IN_THE_SOUND
    }
    played: Any = None
    if score is not None:
        played = [score.midi_map.bindings, [(timed.seconds, timed.message.bytes()) for timed in score.messages]]
    chain = None if settings.chain is None else chain_content(settings.chain)
    return of_value(
        {"version": __version__, "model": model, "preset": preset, "settings": sound, "chain": chain, "score": played}
    )


def for_others(settings: Settings, model: Model | None) -> Settings:
    """Settings for workers that stand in another folder, and that must not choose another runtime than this one."""
    weights, chain = (None if path is None else path.absolute() for path in (settings.weights, settings.chain))
    return replace(
        settings, weights=weights, chain=chain, backend=settings.backend if model is None else model.runtime
    )
