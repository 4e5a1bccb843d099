"""The paper's protocol: utterances of LibriTTS (test-clean) spoken by people of VCTK, three women and three men.

Both corpora are read as they unpack; nothing has to be converted first.

    LibriTTS/test-clean/SPEAKER/CHAPTER/NAME.wav + NAME.normalized.txt     LibriTTS/SPEAKERS.txt or speakers.tsv
    VCTK/wav48_silence_trimmed/p225/p225_001_mic1.flac (or wav48/p225/p225_001.wav)
    VCTK/txt/p225/p225_001.txt                                              VCTK/speaker-info.txt

The paper does not name its six speakers of VCTK; they are drawn by the seed unless they are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.errors import EvaluationError
from streamvc.presets.recordings import read_recording
from streamvc.training.data import Utterance
from streamvc.training.evaluation.material import Target, can_be_target
from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.selection import draw_pairs

TARGETS: Final = 6
SOURCE_SECONDS: Final = (3.0, 15.0)
_AUDIO: Final = (".wav", ".flac")
_VCTK_AUDIO: Final = ("wav48_silence_trimmed", "wav48", "wav16")


def select_protocol_pairs(
    libritts: Path,
    vctk: Path,
    count: int,
    seed: int = 0,
    *,
    targets: int = TARGETS,
    speakers: Sequence[str] = (),
) -> list[Pair]:
    """Draw pairs of LibriTTS utterances (3 to 15 s) and VCTK speakers, the same ones for the same folders and seed.

    References are 8 to 16 s of the target, the ceiling 3 to 8 s of other recordings; the sexes take turns on both
    sides. Audio is resampled to 16 kHz and otherwise left as it is.

    Args:
        libritts: the folder `LibriTTS`, a part of it such as `test-clean`, or the folder that holds it.
        vctk: the folder with `wav48_silence_trimmed` (or `wav48`) and `speaker-info.txt`, or the folder that holds it.
        count: how many pairs.
        seed: of the choice of speakers and pairs.
        targets: how many speakers of VCTK, one half women; ignored when `speakers` are given.
        speakers: names of VCTK speakers (`p225`) to take instead.

    Raises:
        EvaluationError: a folder is not laid out like this, a speaker is unknown, or there is too little material.
    """
    spoken = read_libritts(libritts)
    sources = [one for one in spoken if _within(one, SOURCE_SECONDS)]
    if not sources:
        raise EvaluationError(f"{libritts} holds no utterance of 3 to 15 s: give the LibriTTS folder with test-clean.")
    wanted = list(speakers) or draw_speakers(vctk, targets, seed)
    heard = read_vctk(vctk, wanted)
    voices = []
    for name in wanted:
        own = tuple(one for one in heard if one.speaker == f"vctk-{name}")
        voices.append(Target(own[0].speaker, own[0].sex, "vctk", own))
        if not can_be_target(voices[-1]):
            raise EvaluationError(f"{name} has less than 8 s for a reference and 3 s more: choose another speaker.")
    files = spoken | heard

    def load(one: Utterance) -> Wave:
        return read_recording(files[one])

    return draw_pairs(load, sources, voices, count, seed)


def read_libritts(folder: Path) -> dict[Utterance, Path]:
    """Utterances of LibriTTS with their normalised texts, and their files; of `test-clean` where there are more parts.

    Raises:
        EvaluationError: there are none, or the table of speakers is missing.
    """
    part = next((one for one in (folder / "LibriTTS" / "test-clean", folder / "test-clean") if one.is_dir()), folder)
    files = sorted(path for path in part.glob("[0-9]*/[0-9]*/*") if path.suffix.lower() in _AUDIO)
    if not files:
        raise EvaluationError(
            f"{folder} is not laid out like LibriTTS (test-clean/SPEAKER/CHAPTER/NAME.wav): give the unpacked folder."
        )
    sexes = _libritts_sexes(part)
    found = {}
    for path in files:
        speaker = path.parent.parent.name
        text = _text(path.with_name(path.stem + ".normalized.txt"))
        found[_utterance(path, f"libritts-{speaker}", sexes.get(speaker), text)] = path
    return found


def read_vctk(folder: Path, speakers: Iterable[str]) -> dict[Utterance, Path]:
    """Utterances of some speakers of VCTK (first microphone), and their files.

    Raises:
        EvaluationError: the folder is not laid out like VCTK, or a speaker has no recording there.
    """
    root, audio = _vctk_root(folder)
    sexes = vctk_sexes(root)
    found = {}
    for speaker in speakers:
        files = [path for path in sorted((audio / speaker).glob("*")) if path.suffix.lower() in _AUDIO]
        files = [path for path in files if not path.stem.endswith("_mic2")]
        if not files or speaker not in sexes:
            known = [name for name in sorted(sexes) if (audio / name).is_dir()]
            raise EvaluationError(
                f"VCTK in {folder} has no speaker {speaker}: choose from {', '.join(known[:6]) or 'none'} ..."
            )
        for path in files:
            text = _text(root / "txt" / speaker / f"{path.stem.removesuffix('_mic1')}.txt")
            found[_utterance(path, f"vctk-{speaker}", sexes[speaker], text)] = path
    return found


def draw_speakers(vctk: Path, count: int, seed: int) -> list[str]:
    """Names of `count` speakers of VCTK, one half women: the same ones for the same folder and seed.

    Raises:
        EvaluationError: the count is odd or less than 2, or there are not so many women or men.
    """
    if count < 2 or count % 2:
        raise EvaluationError(f"The number of targets must be even, one half of them women, not {count}.")
    root, audio = _vctk_root(vctk)
    sexes = vctk_sexes(root)
    present = [name for name in sorted(sexes) if (audio / name).is_dir()]
    order = [present[index] for index in np.random.default_rng(seed).permutation(len(present))]
    drawn = [name for sex in ("f", "m") for name in [one for one in order if sexes[one] == sex][: count // 2]]
    if len(drawn) < count:
        raise EvaluationError(f"{audio} has fewer than {count // 2} women or {count // 2} men: give fewer --targets.")
    return drawn


def vctk_sexes(root: Path) -> dict[str, str]:
    """Sex (`f` or `m`) of every speaker that `speaker-info.txt` lists, by name (`p225`).

    Raises:
        EvaluationError: the table is missing.
    """
    table = root / "speaker-info.txt"
    if not table.is_file():
        raise EvaluationError(f"{root} has no speaker-info.txt, which tells women from men: copy it from VCTK.")
    sexes = {}
    for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
        cells = line.split()
        if len(cells) > 2 and cells[2] in ("F", "M"):
            # Version 0.80 writes 225 where the folders are named p225.
            sexes[f"p{cells[0]}" if cells[0].isdigit() else cells[0]] = cells[2].lower()
    return sexes


def _vctk_root(folder: Path) -> tuple[Path, Path]:
    """The folder with speaker-info.txt, and the one with the speakers' folders in it."""
    for root in (folder, *sorted(one for one in folder.glob("VCTK*") if one.is_dir())):
        for name in _VCTK_AUDIO:
            if (root / name).is_dir():
                return root, root / name
    raise EvaluationError(
        f"{folder} is not laid out like VCTK (wav48_silence_trimmed/p225/...): give the unpacked folder."
    )


def _libritts_sexes(part: Path) -> dict[str, str]:
    """Of `14 | F | train-clean-360 | ...` (SPEAKERS.txt) or tab-separated (speakers.tsv)."""
    tables = [folder / name for folder in (part, part.parent) for name in ("SPEAKERS.txt", "speakers.tsv")]
    table = next((one for one in tables if one.is_file()), None)
    if table is None:
        raise EvaluationError(f"{part.parent} has no SPEAKERS.txt, which tells women from men: copy it from LibriTTS.")
    text = table.read_text(encoding="utf-8", errors="replace")
    rows = re.findall(r"^\s*(\d+)\s*[|\t]\s*([FM])\b", text, re.MULTILINE)
    return {speaker: sex.lower() for speaker, sex in rows}


def _utterance(path: Path, speaker: str, sex: str | None, text: str | None) -> Utterance:
    soundfile = require("soundfile", "recordings in files")
    try:
        info = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise EvaluationError(f"{path} cannot be read as audio: unpack it again, or remove it.") from error
    return Utterance(
        id=f"{speaker}/{path.stem}", speaker=speaker, corpus=speaker.partition("-")[0], language="en", sex=sex,
        band="wide", split="valid", start=0, length=round(info.frames * SAMPLE_RATE / info.samplerate), text=text,
    )  # fmt: skip


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace").strip() or None if path.is_file() else None


def _within(one: Utterance, seconds: tuple[float, float]) -> bool:
    return seconds[0] <= one.length / SAMPLE_RATE <= seconds[1]
