"""docs/chains.md is run as it is written: its Python blocks are one program, and a comment behind a `print` is what it
prints.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from streamvc.plugin.chain_natives import CANNOT_STREAM, DELAYED


def page(repository):
    return (repository / "docs" / "chains.md").read_text(encoding="utf-8")


def blocks(repository):
    return re.findall(r"^```python\n(.*?)^```", page(repository), flags=re.MULTILINE | re.DOTALL)


def test_the_page_does_what_it_says(repository, tmp_path):
    shutil.copytree(repository / "examples", tmp_path / "examples")
    program = "\n".join(blocks(repository))
    promised = re.findall(r"^ *print\(.*\)  # (.+)$", program, flags=re.MULTILINE)
    assert len(promised) == len(re.findall(r"print\(", program)) >= 3
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == promised


def test_all_code_is_python_that_runs(repository):
    fences = re.findall(r"^```\w*$", page(repository), flags=re.MULTILINE)
    assert len(fences) == 2 * len(blocks(repository)) >= 12


def test_the_table_names_what_behaves_otherwise(repository):
    table = page(repository).split("## Compared with a Pedalboard")[1]
    assert all(f"`{name}`" in table for name in [*CANNOT_STREAM, *DELAYED])


def test_links_lead_somewhere(repository):
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", page(repository)) if "://" not in target]
    assert targets
    for target in targets:
        assert (repository / "docs" / target).exists(), target
