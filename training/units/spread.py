"""Labelling units as pieces of work: a worker opens the corpus by its path, and loads the teacher once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamvc.errors import CorpusError
from streamvc.executor import Call
from streamvc.training.corpora.base import Utterance
from streamvc.training.units.source import Labels

Labelled = list[tuple[str, list[Labels]]]
"""Utterances by their ids, with labels as `UnitSource.labels` gives them."""


@dataclass(frozen=True)
class LabelWork:
    """`streamvc.executor.Work` of runs of utterances.

    Attributes:
        folder: the packed corpus, by a path that all workers see, with the codebooks.
        teacher, model, device: as the options of `svc train units label`.
        layers: of the teacher, rising.
        threads: of torch.
        samples: of the corpus, so that a worker that sees another one notices.
        about: what the labels of each layer depend on, as `UnitSource.about` says; the same for all workers.
    """

    folder: Path
    teacher: str
    model: str | None
    device: str
    layers: tuple[int, ...]
    threads: int
    samples: int
    about: tuple[dict[str, Any], ...]
    packages: tuple[str, ...] = ("numpy", "torch")

    def name(self, rows: Sequence[Utterance]) -> str:
        """The first utterance."""
        return f"{self.folder} from {rows[0].id} on"

    def start(self) -> Callable[[Sequence[Utterance], Call], Labelled]:
        """Open the corpus and load the teacher.

        Raises:
            CorpusError: the folder or the codebooks are not those of this command.
            StreamVCError: as `load_units` does.
        """
        import torch

        from streamvc.training.units.extract import open_audio
        from streamvc.training.units.load import load_units

        torch.set_num_threads(self.threads)
        audio = open_audio(self.folder)
        source = load_units(self.folder, audio, self.teacher, self.model, self.device, self.layers)
        if audio.size != self.samples or tuple(source.about(name) for name in source.names) != self.about:
            raise CorpusError(
                f"{self.folder} holds another corpus or other codebooks here than where the command was started; give "
                "a folder that all workers see under one path."
            )

        def label(rows: Sequence[Utterance], call: Call) -> Labelled:
            found: Labelled = []
            for row, labels in source.labels(rows):
                found.append((row.id, labels))
                call.tell(1.0)
            return found

        return label
