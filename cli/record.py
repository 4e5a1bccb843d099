"""What is noted of a rendered file, so that a later run knows that it need not be rendered again.

A record stands in the folder `.streamvc` beside the output. It names the content of the source, the settings and the
content of the output, and is written *before* the output appears: an output is done if it is what its record says, so
that there is no moment at which a sudden end could leave one that looks done and is not.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvc.executor.digest import of_value
from streamvc.storage.address import Place
from streamvc.storage.files import read, write

if TYPE_CHECKING:
    from streamvc.plugin.render import RenderReport

FOLDER = ".streamvc"
_SCHEMA = 1
_LONGEST_NAME = 255
"""Bytes, in most file systems."""


def record_place(target: Place) -> Place:
    """Where the record of an output stands."""
    name = f"{target.name}.json"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f"{of_value(name)}.json"
    return target.parent / FOLDER / name


@dataclass(frozen=True)
class Record:
    """Of one output.

    Attributes:
        source: digest of the input file.
        settings: digest of everything else that the output depends on.
        output: digest of the output file.
        run: the run of the command that made it.
        report: the fields of its `RenderReport`, without the paths.
    """

    source: str
    settings: str
    output: str
    run: str
    report: dict[str, Any]

    @classmethod
    def of(cls, source: str, settings: str, output: str, run: str, report: RenderReport) -> Record:
        """The record of a rendering."""
        kept = asdict(report)
        del kept["source"], kept["output"]
        return cls(source, settings, output, run, kept)

    @classmethod
    def load(cls, target: Place) -> Record | None:
        """The record of an output; None where there is none, or one that cannot be understood.

        Raises:
            OutputError: the store of the output cannot be used.
        """
        data = read(record_place(target))
        if data is None:
            return None
        try:
            content = json.loads(data)
            if content.pop("schema") != _SCHEMA:
                return None
            record = cls(**content)
            record.render_report(Path(), Path())
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return record

    def save(self, target: Place) -> None:
        """Write it, whole or not at all; raises `OutputError`."""
        content = {"schema": _SCHEMA, **asdict(self)}
        write(record_place(target), json.dumps(content, indent=1).encode() + b"\n")

    def render_report(self, source: Path, output: Path) -> RenderReport:
        """The report of the run that made the output; raises KeyError or TypeError where it lacks one."""
        from streamvc.latency import LatencyReport
        from streamvc.plugin.render import RenderReport

        known = {field.name for field in fields(RenderReport)}
        kept = {name: value for name, value in self.report.items() if name in known}
        kept["latency"] = LatencyReport(**kept["latency"])
        kept["notes"] = tuple(kept["notes"])
        return RenderReport(source=source, output=output, **kept)
