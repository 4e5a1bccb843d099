"""Which conversion the options name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamvc.errors import EvaluationError

if TYPE_CHECKING:
    from streamvc.training.evaluation.runner import Convert


@dataclass(frozen=True)
class Conversion:
    """A conversion that is not loaded yet.

    Attributes:
        identity: none at all, the sources untouched.
        backend: of the streaming engine, or "model" for one offline step.
        weights: a file, or None for the shipped ones.
    """

    identity: bool
    backend: str
    weights: Path | None

    def load(self) -> Convert:
        """Load it.

        Raises:
            EvaluationError: the backend "model" has no weights.
            StreamVCError: the weights cannot be used.
        """
        if self.identity:
            from streamvc.training.evaluation.convert import identity

            return identity
        if self.backend == "model":
            from streamvc.checkpoint import load_model
            from streamvc.training.evaluation.convert import model_converter

            if self.weights is None:
                raise EvaluationError("The backend model needs a checkpoint: give --weights FILE.")
            return model_converter(load_model(self.weights))
        from streamvc.training.evaluation.streaming import EngineConverter

        return EngineConverter(self.weights, self.backend)


def fingerprint_of(convert: Convert | None) -> str | None:
    """Of the weights behind the streaming engine; None for other conversions."""
    from streamvc.training.evaluation.streaming import EngineConverter

    return convert.runtime.fingerprint if isinstance(convert, EngineConverter) else None
