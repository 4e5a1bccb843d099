"""The sources that a corpus can be built from, by the names that the command line takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.training.corpora import debian, games, kokoro
from streamvc.training.corpora.base import Corpus
from streamvc.training.corpora.folder import SpeakerFolder

SOURCES: dict[str, Callable[[Path], Corpus]] = {
    "kokoro": kokoro.KokoroArchive,
    "kokoro2": kokoro.KokoroShards,
    "tuxpaint": debian.tuxpaint,
    "asterisk-en": partial(debian.asterisk, language="en"),
    "asterisk-es": partial(debian.asterisk, language="es"),
    "asterisk-fr": partial(debian.asterisk, language="fr"),
    "asterisk-it": partial(debian.asterisk, language="it"),
    "asterisk-ru": partial(debian.asterisk, language="ru"),
    "fillets-cs": partial(debian.fillets, language="cs"),
    "fillets-nl": partial(debian.fillets, language="nl"),
    "festvox-ru": debian.festvox_ru,
    "klettres": debian.klettres,
    "ktuberling": debian.ktuberling,
    "amazon-queen": games.AmazonQueen,
    "steel-sky": games.SteelSky,
    "drascula": games.Drascula,
    "folder": SpeakerFolder,
}


def open_source(text: str) -> Corpus:
    """The source that `NAME=FOLDER` asks for.

    Raises:
        CorpusError: the name is unknown or the folder is missing.
    """
    name, equals, folder = text.partition("=")
    if not equals or name not in SOURCES:
        raise CorpusError(f"{text!r} is no NAME=FOLDER with a known name; the names are {', '.join(sorted(SOURCES))}.")
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise CorpusError(f"{path} is no folder; give the place where {name} was unpacked.")
    return SOURCES[name](path)
