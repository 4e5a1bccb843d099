"""How a conversion bears damaged sources: each measure under each condition, and bounds that must hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.errors import EvaluationError
from streamvc.presets.files import write_whole
from streamvc.training.evaluation.conditions import CONDITIONS, NOT_SPEECH, Condition, silence
from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.runner import Convert, evaluate_waves
from streamvc.training.evaluation.stability import (
    SILENCE_DB,
    TAIL_SECONDS,
    Stability,
    loudest_db,
    measure_stability,
)
from streamvc.training.evaluation.summary import MEASURES

SCHEMA: Final = 1
SHOWN: Final = ("wer", "secs_target", "closer_to_target", "f0_pcc", "mos")
_SECONDS: Final = 4.0
_PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Outcome:
    """One condition.

    Args:
        name, what: the condition, and what it means.
        pairs: how many conversions.
        untouched: estimates of the damaged sources themselves, without a conversion; None for what is no speech.
        converted: estimates of their conversions.
        levels: of every conversion.
        problems: what must not happen and did.
    """

    name: str
    what: str
    pairs: int
    untouched: dict[str, Estimate] | None
    converted: dict[str, Estimate] | None
    levels: tuple[Stability, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Robustness:
    """All conditions; the first one is the undamaged source."""

    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """One phrase for each condition and problem."""
        return tuple(f"{one.name}: {problem}" for one in self.outcomes for problem in one.problems)


def judge_robustness(
    pairs: Sequence[Pair],
    foreign: Sequence[Pair],
    convert: Convert,
    judges: Judges,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Robustness:
    """Convert damaged versions of the same sources to the same voices, and judge each.

    Words, pitch and speaker are compared with those of the undamaged source. Then sounds without speech go in, of
    which only the level is judged.

    Args:
        pairs: English ones.
        foreign: pairs whose sources speak other languages, of which the words are not judged; may be empty.
        convert: the conversion.
        judges: which measures, and by whom.
        seed: of noise and rooms.
        progress: called with a line of text before every condition.

    Raises:
        EvaluationError: there are no pairs.
        RuntimeUnavailableError: a judge's package is not installed.
    """
    if not pairs:
        raise EvaluationError("There is nothing to judge: give at least one pair.")
    outcomes = []
    for condition in CONDITIONS:
        if progress:
            progress(f"{condition.name}: {condition.what}")
        # The same noise for every model that is compared.
        random = np.random.default_rng([seed, *condition.name.encode()])
        damaged = [
            condition.damage(pair.source, random, pairs[(number + 1) % len(pairs)].source)
            for number, pair in enumerate(pairs)
        ]
        outcomes.append(_judge(condition, pairs, damaged, convert, judges))
    if foreign:
        if progress:
            progress("other languages")
        spoken = Condition("other languages", "speech that is not English", CONDITIONS[0].damage, frozenset({"wer"}))
        outcomes.append(_judge(spoken, foreign, [pair.source for pair in foreign], convert, judges))
    if progress:
        progress("sounds without speech")
    outcomes += [_judge_sound(name, make(_SECONDS), pairs[0], convert) for name, make in NOT_SPEECH]
    outcomes.append(_judge_pause(pairs[0], convert))
    return Robustness(tuple(outcomes))


def _judge(
    condition: Condition, pairs: Sequence[Pair], damaged: Sequence[Wave], convert: Convert, judges: Judges
) -> Outcome:
    chosen = judges.only(judges.measures - condition.without)
    converted = [convert(wave, pair.preset or pair.reference) for pair, wave in zip(pairs, damaged, strict=True)]
    # The ceiling does not depend on the source.
    compared = [replace(pair, ceiling=None) for pair in pairs]
    levels = tuple(measure_stability(wave, out) for wave, out in zip(damaged, converted, strict=True))
    return Outcome(
        name=condition.name,
        what=condition.what,
        pairs=len(pairs),
        untouched=evaluate_waves(compared, damaged, judges=chosen).summaries()["converted"],
        converted=evaluate_waves(compared, converted, judges=chosen).summaries()["converted"],
        levels=levels,
        problems=_distinct(levels),
    )


def _judge_sound(name: str, sound: Wave, pair: Pair, convert: Convert) -> Outcome:
    level = measure_stability(sound, convert(sound, pair.preset or pair.reference))
    problems = list(level.problems)
    if not np.any(sound) and level.loudest_db > SILENCE_DB:
        problems.append(f"an output of {level.loudest_db:.1f} dB")
    return Outcome(name, "no speech", 1, None, None, (level,), tuple(problems))


def _judge_pause(pair: Pair, convert: Convert) -> Outcome:
    """Speech, then nothing: the conversion has to end too."""
    source = np.concatenate([pair.source, silence(_PAUSE_SECONDS)])
    output = convert(source, pair.preset or pair.reference)
    tail = np.nan_to_num(output[pair.source.size + round(TAIL_SECONDS * SAMPLE_RATE) :])
    level = measure_stability(source, output)
    problems = list(level.problems)
    if loudest_db(tail) > SILENCE_DB:
        problems.append(f"{loudest_db(tail):.1f} dB a second after the speech has ended")
    return Outcome("pause", "speech, then 2 s of silence", 1, None, None, (level,), tuple(problems))


def _distinct(levels: Sequence[Stability]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problem for one in levels for problem in one.problems))


def format_robustness(result: Robustness) -> str:
    """Plain text: a line per condition, conversions first, then what the judges think of the damaged sources."""
    clean = result.outcomes[0]
    measures = [one for one in MEASURES if one.key in SHOWN and one.key in (clean.converted or {})]
    beside = [one for one in measures if one.key in ("wer", "mos")]
    head = f"{'condition':<17}{'pairs':>5}" + "".join(f"{one.title:>21}" for one in measures)
    lines = [
        f"conversions of damaged sources; in parentheses: change against the clean ones; {clean.pairs} pairs",
        "",
        head + "".join(f"{'source ' + one.title:>19}" for one in beside) + f"{'peak dB':>9}{'gain dB':>9}  bounds",
    ]
    for one in result.outcomes:
        cells = []
        for measure in measures:
            value, base = (one.converted or {}).get(measure.key), (clean.converted or {})[measure.key]
            cell = "-" if value is None else f"{measure.scale * value.value:.{measure.digits}f}"
            if value is not None and one is not clean:
                cell += f" ({measure.scale * (value.value - base.value):+.{measure.digits}f})"
            cells.append(f"{cell:>21}")
        for measure in beside:
            value = (one.untouched or {}).get(measure.key)
            cells.append("-".rjust(19) if value is None else f"{measure.scale * value.value:>19.{measure.digits}f}")
        peak = max(level.peak_db for level in one.levels)
        gain = max(level.loudest_db - level.source_loudest_db for level in one.levels)
        verdict = "; ".join(one.problems) or "kept"
        lines.append(f"{one.name:<17}{one.pairs:>5}{''.join(cells)}{peak:>9.1f}{gain:>9.1f}  {verdict}")
    return "\n".join(lines) + "\n"


def robustness_json(result: Robustness, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything as plain data; rates are fractions, levels dB of full scale."""

    def plain(estimates: Mapping[str, Estimate] | None) -> dict[str, Any] | None:
        return None if estimates is None else {key: asdict(one) for key, one in estimates.items()}

    return {
        "schema": SCHEMA,
        "about": dict(about or {}),
        "failures": list(result.failures),
        "conditions": [
            {
                "name": one.name,
                "what": one.what,
                "pairs": one.pairs,
                "untouched": plain(one.untouched),
                "converted": plain(one.converted),
                "levels": [asdict(level) for level in one.levels],
                "problems": list(one.problems),
            }
            for one in result.outcomes
        ],
    }


def write_robustness(path: Path, result: Robustness, about: Mapping[str, Any] | None = None) -> None:
    """Write `robustness_json` to `path`, whole or not at all, over an older result.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps(robustness_json(result, about), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text.encode() + b"\n", overwrite=True)
