"""The sound server behind ALSA's devices, which take any rate and do not say which they need not convert."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Final

_SECONDS: Final = 3.0
_RATE: Final = re.compile(r"^Default Sample Specification:.*?(\d+) *Hz", re.MULTILINE)


def server_rate() -> int | None:
    """Rate in Hz at which PulseAudio or PipeWire mixes; None where neither answers."""
    program = shutil.which("pactl")
    if program is None:
        return None
    try:
        said = subprocess.run(
            [program, "info"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_rate(said.stdout) if said.returncode == 0 else None


def parse_rate(said: str) -> int | None:
    """The rate in what `pactl info` prints in English; None if it does not say."""
    found = _RATE.search(said)
    return int(found[1]) if found else None
