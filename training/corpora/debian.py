"""Recordings of real people in packages of Debian main, unpacked with `dpkg -x` into one folder per package.

Speakers are told apart as well as file names allow: one per language for Tux Paint, KLettres and KTuberling (some
languages there have more than one voice), the two leads and the parts of each scene for Fish Fillets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.training.corpora.base import Recording, Sex, Span

AUDIO = {".ogg", ".opus", ".wav", ".g722", ".flac"}


def package_root(folder: Path, package: str) -> Path:
    """Where `package` was unpacked.

    Raises:
        CorpusError: it was not.
    """
    root = folder / package
    if not root.is_dir():
        raise CorpusError(f"{root} is missing; run `apt-get download {package}` and `dpkg -x {package}_*.deb {root}`.")
    return root


class DebianCorpus:
    """The audio files of some packages, named by a function from path to speaker.

    Args:
        name: of the corpus; the prefix of its ids and speakers.
        folder: holds one folder per unpacked package.
        packages: names of packages.
        describe: from a path inside a package to (speaker, language, sex, text), or None to leave the file out.
        licence: of the recordings.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        packages: tuple[str, ...],
        describe: Callable[[Path], tuple[str, str, Sex | None, str | None] | None],
        licence: str,
    ) -> None:
        self.name = name
        self.folder = folder
        self.packages = packages
        self.describe = describe
        self.licence = licence

    def recordings(self) -> Iterator[Recording]:
        for package in self.packages:
            root = package_root(self.folder, package)
            for path in sorted(p for p in root.rglob("*") if p.suffix in AUDIO and p.is_file()):
                described = self.describe(path)
                if described is None:
                    continue
                speaker, language, sex, text = described
                span = Span(f"{self.name}/{path.relative_to(root)}", text=text)
                reader = "g722" if path.suffix == ".g722" else "soundfile"
                yield Recording(path, speaker, self.name, language, self.licence, (span,), sex, reader=reader)


def tuxpaint(folder: Path) -> DebianCorpus:
    """Tux Paint: one or two sentences about each stamp, in many languages."""
    sexes: dict[str, Sex] = {}

    def describe(path: Path) -> tuple[str, str, Sex | None, str | None] | None:
        found = re.search(r"_desc_([a-z]{2})(_[A-Z]{2})?\.(ogg|wav)", path.name)
        if not found:
            return None
        language = found.group(1)
        return f"tuxpaint-{language}", language, sexes.get(language), _stamp_text(path, found.start(), language)

    return DebianCorpus("tuxpaint", folder, ("tuxpaint-stamps-default",), describe, "GPL-2")


def _stamp_text(path: Path, cut: int, language: str) -> str | None:
    """The description beside a stamp: a line `LL.utf8=TEXT` in STAMP.txt."""
    note = path.with_name(path.name[:cut] + ".txt")
    if not note.is_file():
        return None
    for line in note.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(f"{language}.utf8="):
            return line.partition("=")[2].strip() or None
    return None


#: The people behind the Asterisk prompts, by package; English and Spanish are the same woman.
ASTERISK: dict[str, tuple[Sex, str]] = {
    "en": ("f", "CC-BY-SA-3.0"),
    "es": ("f", "CC-BY-SA-3.0"),
    "fr": ("f", "CC-BY-SA-3.0"),
    "it": ("m", "CC-BY-3.0"),
    "ru": ("f", "CC-BY-3.0"),
}


def asterisk(folder: Path, language: str) -> DebianCorpus:
    """Telephone prompts of Asterisk, one speaker for each language."""
    sex, licence = ASTERISK[language]

    def describe(path: Path) -> tuple[str, str, Sex | None, str | None] | None:
        # beeps, tones and measured silence are no speech, and neither are the same monkeys in every language
        if path.parent.name == "silence" or re.search(r"beep|tone|silence|tt-monkeys", path.stem):
            return None
        return f"asterisk-{language}", language, sex, None

    package = f"asterisk-core-sounds-{language}-g722"
    return DebianCorpus(f"asterisk-{language}", folder, (package,), describe, licence)


def fillets(folder: Path, language: str) -> DebianCorpus:
    """Fish Fillets: acted dialogue; `m` is the small fish (a woman), `v` the big one (a man)."""
    leads: dict[str, Sex] = {"m": "f", "v": "m"}
    texts = _dialogues(folder, language)

    def describe(path: Path) -> tuple[str, str, Sex | None, str | None] | None:
        parts = path.stem.split("-")
        scene = path.parent.parent.name
        text = texts.get(path.stem)
        for part in parts[:2]:
            if part in leads:
                return f"fillets-{language}-{part}", language, leads[part], text
        part = parts[1] if len(parts) > 2 else re.sub(r"\d+$", "", parts[0])
        return f"fillets-{language}-{scene}-{part}", language, None, text

    return DebianCorpus(f"fillets-{language}", folder, (f"fillets-ng-data-{language}",), describe, "GPL-2+")


def _dialogues(folder: Path, language: str) -> dict[str, str]:
    """Texts by dialogue name, from the scripts of package fillets-ng-data where it is unpacked too."""
    pattern = re.compile(r'dialogId\("([^"]+)"[^\n]*\)\s*dialogStr\("((?:[^"\\]|\\.)*)"\)')
    texts = {}
    for script in sorted((folder / "fillets-ng-data").rglob(f"dialogs_{language}.lua")):
        for name, text in pattern.findall(script.read_text(encoding="utf-8", errors="replace")):
            texts[name] = text.replace('\\"', '"')
    return texts


def festvox_ru(folder: Path) -> DebianCorpus:
    """The recordings behind a Russian voice of Festival: one man, read sentences."""
    package = "festvox-ru"
    texts = {}
    for script in (folder / package).rglob("txt.done.data"):
        for name, text in re.findall(r'\(\s*(\S+)\s+"(.*)"\s*\)', script.read_text(encoding="utf-8")):
            # a plus sign marks the stressed vowel
            texts[name] = text.replace("+", "")

    def describe(path: Path) -> tuple[str, str, Sex | None, str | None] | None:
        return "festvox-ru", "ru", "m", texts.get(path.stem)

    return DebianCorpus("festvox-ru", folder, (package,), describe, "MIT (BSD-like)")


def klettres(folder: Path) -> DebianCorpus:
    """KLettres: letters and syllables in many languages."""

    def describe(path: Path) -> tuple[str, str, Sex | None, str | None] | None:
        if path.parent.name not in {"alpha", "syllab"}:
            return None
        language = path.parent.parent.name
        return f"klettres-{language}", language, None, None

    return DebianCorpus("klettres", folder, ("klettres-data",), describe, "GPL-2+")


def ktuberling(folder: Path) -> DebianCorpus:
    """KTuberling: single words in many languages."""

    def describe(path: Path) -> tuple[str, str, Sex | None, str | None] | None:
        language = path.parent.name
        return f"ktuberling-{language}", language, None, None

    return DebianCorpus("ktuberling", folder, ("ktuberling-data",), describe, "GPL-2+ and GFDL-1.2+")
