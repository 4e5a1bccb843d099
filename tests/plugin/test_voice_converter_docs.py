"""docs/plugin.md is run as it is written: its Python blocks are one program, and a comment behind a `print` is what
it prints.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamvc.plugin.adjustable import Adjustable

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGE = (REPOSITORY / "docs" / "plugin.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(tmp_path):
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    return tmp_path


def test_the_page_does_what_it_says(workplace):
    assert len(BLOCKS) >= 12
    program = "\n".join(BLOCKS)
    promised = re.findall(r"^ *print\(.*\)  # (.+)$", program, flags=re.MULTILINE)
    assert len(promised) == len(re.findall(r"print\(", program))
    result = subprocess.run([sys.executable, "-c", program], cwd=workplace, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == promised


def test_all_code_is_python_that_runs():
    assert len(re.findall(r"^```\w*$", PAGE, flags=re.MULTILINE)) == 2 * len(BLOCKS)


def test_the_table_names_every_property():
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    properties = {name for name, value in vars(Adjustable).items() if isinstance(value, property) and value.fset}
    assert named == properties


def test_links_lead_somewhere():
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", PAGE) if "://" not in target]
    assert targets
    for target in targets:
        assert (REPOSITORY / "docs" / target).exists(), target
