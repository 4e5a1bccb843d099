"""The lower part of the report's page: every pair with its scores, players, words and plots."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from streamvc.config import SAMPLE_RATE
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.page_tables import number
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.plots import pair_plot
from streamvc.training.evaluation.ranking import badness, value_of, weak
from streamvc.training.evaluation.runner import Evaluation, Judged
from streamvc.training.evaluation.sound import Coding, data_address
from streamvc.training.evaluation.summary import MEASURES, Measure
from streamvc.training.evaluation.text import normalise

_COLUMNS: Final = ("wer", "secs_target", "secs_source", "f0_pcc", "pitch_distance", "mos")


def pair_section(evaluation: Evaluation, waves: Sequence[Wave], judges: Judges, coding: Coding) -> str:
    """A list of all pairs, the worst first, and a card for each; can be sorted and filtered by the page's script."""
    judged = evaluation.judged
    scores, faults = badness(judged), weak(judged)
    known = evaluation.summaries()["converted"]
    measures = [one for one in MEASURES if one.key in _COLUMNS and one.key in known]
    order = sorted(range(len(judged)), key=lambda index: -scores[index])
    rows, cards = [], []
    for index in order:
        one = judged[index]
        rows.append(_row(index, one, measures, faults[index]))
        cards.append(_card(index, one, waves[index], measures, faults[index], scores[index], judges, coding))
    sexes = sorted({_sexes(one) for one in judged})
    choices = [("overall", "worst overall"), *((one.key, f"worst {one.title}") for one in measures)]
    head = "".join(f'<th scope="col">{escape(one.title)}</th>' for one in measures)
    return (
        '<div class="tools" hidden>'
        f'<label>Sort by<select id="order">{_choices(choices)}</select></label>'
        f'<label>Sexes<select id="sexes">{_choices([("", "all"), *((one, one) for one in sexes)])}</select></label>'
        '<span id="shown" class="soft" role="status"></span></div>'
        '<div class="scroll" tabindex="0" role="region" aria-label="List of pairs"><table><caption>Worst first, by the '
        'mean of the ranks in WER, SECS to target, f0 PCC and DistillMOS. <span class="weak">Marked ▾</span>: in the '
        f'worst quarter.</caption><thead><tr><th scope="col">pair</th><th scope="col">sexes</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f'<h2 id="listen">Listen and look</h2><div id="cards">{"".join(cards)}</div>'
    )


def _row(index: int, one: Judged, measures: Sequence[Measure], faults: set[str]) -> str:
    cells = []
    for measure in measures:
        value = value_of(measure, one)
        mark, sign = (' class="weak"', "▾ ") if measure.key in faults else ("", "")
        cells.append(f"<td{mark}>{sign}{'-' if value is None else number(measure, value)}</td>")
    return (
        f'<tr data-card="pair-{index}"><th scope="row"><a href="#pair-{index}">{escape(_title(one))}</a></th>'
        f"<td>{_sexes(one)}</td>{''.join(cells)}</tr>"
    )


def _card(
    index: int, one: Judged, wave: Wave, measures: Sequence[Measure], faults: set[str], score: float, judges: Judges,
    coding: Coding,
) -> str:  # fmt: skip
    pair = one.pair
    data, facts = [f'data-overall="{score:.4f}"', f'data-sexes="{_sexes(one)}"'], []
    for measure in measures:
        value = value_of(measure, one)
        worse = -1e9 if value is None else -value if measure.better == "higher" else value
        data.append(f'data-{measure.key}="{worse:.4f}"')
        if value is not None:
            mark, sign = (' class="weak"', "▾ ") if measure.key in faults else ("", "")
            title = f'<span class="soft">{escape(measure.title)}</span>'
            facts.append(f"<li>{title} <b{mark}>{sign}{number(measure, value)}</b></li>")
    players = [
        _player("Source", pair.input, coding, f"{_title(one)}, source"),
        _player("Converted", wave, coding, f"{_title(one)}, converted"),
        _player("Target", pair.reference, coding, f"{_title(one)}, target"),
    ]
    if pair.ceiling is not None:
        players.append(_player("Target, other words", pair.ceiling, coding, f"{_title(one)}, ceiling"))
    return (
        f'<article id="pair-{index}" aria-labelledby="title-{index}" {" ".join(data).replace("_", "-")}>'
        f'<div class="head"><h3 id="title-{index}">{escape(_title(one))}</h3>'
        f'<span class="soft">{escape(_origin(one))}</span></div>'
        f'<ul class="facts">{"".join(facts)}</ul><div class="players">{"".join(players)}</div>{_words(one)}'
        f'<figure class="picture" tabindex="0">{_plot(index, one, wave, judges)}'
        f"<figcaption>{escape(_caption(one))}</figcaption></figure></article>"
    )


def _player(title: str, wave: Wave, coding: Coding, label: str) -> str:
    return (
        f"<figure><figcaption><b>{title}</b> {wave.size / SAMPLE_RATE:.1f} s</figcaption>"
        f'<audio controls preload="none" aria-label="{escape(label)}" src="{data_address(wave, coding)}"></audio>'
        "</figure>"
    )


def _words(one: Judged) -> str:
    """What was said and what was heard, with the differences marked."""
    heard = one.converted.transcript
    if heard is None or one.reference_text is None:
        return ""
    said, got = normalise(one.reference_text).split(), normalise(heard).split()
    origin = "said" if one.written else "source, as recognised"
    left, right = _marked(said, got)
    return f'<dl class="words"><dt>{origin}</dt><dd>{left}</dd><dt>heard</dt><dd>{right or "<i>nothing</i>"}</dd></dl>'


def _marked(said: Sequence[str], heard: Sequence[str]) -> tuple[str, str]:
    if not said or not heard:
        return _tag("del", said), _tag("ins", heard)
    chunks = require("jiwer", "the word error rate").process_words(" ".join(said), " ".join(heard)).alignments[0]
    left, right = [], []
    for chunk in chunks:
        before = said[chunk.ref_start_idx : chunk.ref_end_idx]
        after = heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
        left.append(_tag("" if chunk.type == "equal" else "del", before))
        right.append(_tag("" if chunk.type == "equal" else "ins", after))
    return " ".join(filter(None, left)), " ".join(filter(None, right))


def _tag(tag: str, words: Sequence[str]) -> str:
    text = escape(" ".join(words))
    return f"<{tag}>{text}</{tag}>" if tag and text else text


def _plot(index: int, one: Judged, wave: Wave, judges: Judges) -> str:
    pair = one.pair
    pitches = None
    if "pitch" in judges.measures:
        # Where nothing can be heard, nothing was asked; asking is cheap.
        converted = judges.pitch(wave) if one.converted.levels.finite else judges.pitch(wave[:0])
        pitches = (judges.pitch(pair.source), converted, one.target_f0)
    return pair_plot(pair.input, wave, pair.reference, pitches, f"pair-{index}")


def _caption(one: Judged) -> str:
    text = "Spectrograms of source, conversion and target"
    if one.converted.f0_pcc is not None:
        text += f"; the pitch of the conversion correlates with the source's by {one.converted.f0_pcc:.2f}"
    if one.source_f0 is not None and one.target_f0 is not None:
        text += f"; median pitch of the source {one.source_f0:.0f} Hz, of the target {one.target_f0:.0f} Hz"
    return text + "."


def _title(one: Judged) -> str:
    """Short names: the last part of an utterance's path is enough, because its speaker stands before it."""
    pair = one.pair
    last = pair.source_id.rsplit("/", 1)[-1]
    return f"{pair.source_speaker} {last} → {pair.preset or pair.target_speaker}"


def _origin(one: Judged) -> str:
    pair = one.pair
    target = f"{pair.preset} ({pair.target_speaker})" if pair.preset else pair.target_corpus
    return f"{_sexes(one)}; {pair.source_corpus or 'source'} to {target or 'target'}"


def _sexes(one: Judged) -> str:
    return f"{one.pair.source_sex or '?'} to {one.pair.target_sex or '?'}"


def _choices(choices: Sequence[tuple[str, str]]) -> str:
    # A browser's name for data-secs-target is secsTarget.
    return "".join(f'<option value="{escape(_camel(value))}">{escape(text)}</option>' for value, text in choices)


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)
