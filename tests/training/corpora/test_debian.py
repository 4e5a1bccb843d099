"""Who speaks in the files of Debian packages, by their names."""

from pathlib import Path

import pytest

from streamvc.errors import CorpusError
from streamvc.training.corpora import debian
from streamvc.training.corpora.base import Recording
from streamvc.training.corpora.debian import DebianCorpus


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(corpus: DebianCorpus) -> dict[str, Recording]:
    return {recording.path.name: recording for recording in corpus.recordings()}


def test_tuxpaint_languages_are_speakers(tmp_path: Path) -> None:
    stamps = "tuxpaint-stamps-default/usr/share/tuxpaint/stamps/animals"
    tree(tmp_path, *(f"{stamps}/{name}" for name in ("cat_desc_fr.ogg", "cat_desc.ogg", "cat.ogg", "a_desc_pt_BR.wav")))
    (tmp_path / stamps / "cat.txt").write_text("A cat.\nfr.utf8=Un chat.\n", encoding="utf-8")
    recordings = found(debian.tuxpaint(tmp_path))
    assert recordings.keys() == {"cat_desc_fr.ogg", "a_desc_pt_BR.wav"}
    assert recordings["cat_desc_fr.ogg"].speaker == "tuxpaint-fr"
    assert recordings["cat_desc_fr.ogg"].spans[0].text == "Un chat."
    assert recordings["a_desc_pt_BR.wav"].language == "pt"


def test_asterisk_leaves_out_beeps_and_silence(tmp_path: Path) -> None:
    voice = "asterisk-core-sounds-it-g722/usr/share/asterisk/sounds/it_IT_m_Carlo"
    names = ("hello", "beep", "silence/1", "digits/1", "tt-monkeys")
    tree(tmp_path, *(f"{voice}/{name}.g722" for name in names))
    recordings = found(debian.asterisk(tmp_path, "it"))
    assert recordings.keys() == {"hello.g722", "1.g722"}
    hello = recordings["hello.g722"]
    assert (hello.speaker, hello.sex, hello.reader) == ("asterisk-it", "m", "g722")


def test_fillets_leads_and_others(tmp_path: Path) -> None:
    sound = "fillets-ng-data-cs/usr/share/games/fillets-ng/sound"
    tree(
        tmp_path, f"{sound}/wc/cs/wc-m-coze.ogg", f"{sound}/linux/cs/v-radeji.ogg", f"{sound}/city/cs/vit-hs-klid1.ogg"
    )
    script = tmp_path / "fillets-ng-data/usr/share/games/fillets-ng/script/city/dialogs_cs.lua"
    script.parent.mkdir(parents=True)
    script.write_text('dialogId("vit-hs-klid1", "font", "Calm.")\ndialogStr("Klid, \\"prosím\\".")\n', encoding="utf-8")
    recordings = found(debian.fillets(tmp_path, "cs"))
    assert recordings["wc-m-coze.ogg"].speaker == "fillets-cs-m"
    assert recordings["wc-m-coze.ogg"].sex == "f"
    assert recordings["v-radeji.ogg"].speaker == "fillets-cs-v"
    other = recordings["vit-hs-klid1.ogg"]
    assert (other.speaker, other.sex, other.spans[0].text) == ("fillets-cs-city-hs", None, 'Klid, "prosím".')


def test_festvox_texts_lose_their_stress_marks(tmp_path: Path) -> None:
    voice = (
        tree(tmp_path, "festvox-ru/voice/wav/ru_0002.wav", "festvox-ru/voice/etc/txt.done.data") / "festvox-ru/voice"
    )
    (voice / "etc/txt.done.data").write_text('( ru_0002 "Скайлс ож+идал" )\n', encoding="utf-8")
    recordings = found(debian.festvox_ru(tmp_path))
    assert recordings["ru_0002.wav"].spans[0].text == "Скайлс ожидал"


def test_a_package_that_is_not_unpacked_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="apt-get download klettres-data"):
        list(debian.klettres(tmp_path).recordings())
