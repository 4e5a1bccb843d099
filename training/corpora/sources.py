"""The sources that a corpus can be built from, by the names that the command line takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from streamvc.errors import CorpusError
from streamvc.training.corpora import debian, games, kokoro
from streamvc.training.corpora.base import Corpus
from streamvc.training.corpora.folder import SpeakerFolder
from streamvc.training.corpora.hub import USUAL, Columns, HubCorpus
from streamvc.training.corpora.libritts import LibriTTS
from streamvc.training.corpora.vctk import VCTK

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
    "libritts": LibriTTS,
    "vctk": VCTK,
    "folder": SpeakerFolder,
}
HUB = "datasets"
"""The one source that is no folder."""
NAMES = (*sorted(SOURCES), HUB)


def open_source(text: str, columns: Columns = USUAL) -> Corpus:
    """The source that `NAME=FOLDER` or `datasets=NAME[:CONFIG][:SPLIT]` asks for.

    Args:
        text: what was asked for.
        columns: of data sets.

    Raises:
        CorpusError: the name is unknown, the folder is missing or not laid out as expected, or the data set cannot be
            opened.
        RuntimeUnavailableError: the library `datasets` is needed and not installed.
    """
    name, equals, place = text.partition("=")
    if not equals or not place or name not in NAMES:
        raise CorpusError(f"{text!r} is no NAME=FOLDER with a known name; the names are {', '.join(NAMES)}.")
    if name == HUB:
        return HubCorpus(place, columns)
    path = Path(place).expanduser()
    if not path.is_dir():
        raise CorpusError(f"{path} is no folder; give the place where {name} was unpacked.")
    return SOURCES[name](path)
