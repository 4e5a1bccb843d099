"""The kinds of stages, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamvc.errors import ConfigError
from streamvc.training.stages.base import Setup, Stage
from streamvc.training.stages.content import ContentSettings, ContentStage
from streamvc.training.stages.decoder import DecoderSettings, DecoderStage
from streamvc.training.stages.paper import PaperSettings, PaperStage
from streamvc.training.stages.speaker import SpeakerSettings, SpeakerStage
from streamvc.training.trainer.keys import near
from streamvc.training.trainer.settings import StageSettings

KINDS: dict[str, type[StageSettings]] = {
    "content": ContentSettings, "speaker": SpeakerSettings, "decoder": DecoderSettings,
    "paper": PaperSettings,
}  # fmt: skip
"""Settings of each kind; :func:`build_stage` knows what they are of."""


def settings_of(kind: object, where: str) -> StageSettings:
    """The default settings of a kind.

    Raises:
        ConfigError: there is no such kind.
    """
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{where}.kind must be one of {', '.join(KINDS)}, not {kind!r}{near(kind, KINDS)}.")
    return KINDS[kind]()


def build_stage(settings: StageSettings, model: Any, setup: Setup, folder: Path) -> Stage:
    """A stage of a model, ready to be trained; `folder` may keep what is costly to find out about a corpus.

    Raises:
        StreamVCError: as the stage does.
    """
    if isinstance(settings, ContentSettings):
        return ContentStage(settings, model, setup)
    if isinstance(settings, SpeakerSettings):
        return SpeakerStage(settings, model, setup)
    if isinstance(settings, PaperSettings):
        return PaperStage(settings, model, setup)
    assert isinstance(settings, DecoderSettings)
    return DecoderStage(settings, model, setup, folder / "registers.json")
