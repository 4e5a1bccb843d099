"""`svc preset`: make, list, show, mix and delete voices."""

from __future__ import annotations

import math
import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamvc.cli.console import can_print, print_json
from streamvc.cli.several import SeveralValues

if TYPE_CHECKING:
    from streamvc.presets.format import Preset
    from streamvc.presets.store import PresetInfo

NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@click.group()
def preset() -> None:
    """Make, list and mix voices.

    A voice is a small .npz file. Built-in voices come with the package; your own are kept in a user folder, or where
    the environment variable SVC_PRESETS points. Wherever a command asks for a preset, give a name or a path.
    """


@preset.command(cls=SeveralValues)
@click.argument("name")
@click.option(
    "--from",
    "recordings",
    metavar="RECORDING...",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Recordings of the person, one or more: 3 s of speech at least, half a minute or more for a good likeness.",
)
@click.option("--description", default="", help="One line for `svc preset list`.")
@click.option("--source", default="", help="Where the recordings come from.  [default: their file names]")
@click.option("--licence", "--license", default="", help="Licence of the recordings, such as CC-BY-4.0.")
@click.option("--consent", default="", help="What the person agreed to.")
@click.option("--sex", type=click.Choice(["f", "m", "other", "unknown"]), default="unknown", show_default=True)
@click.option("--pitch", type=float, default=0.0, help="Default shift of the voice's pitch, semitones.")
@click.option("--formant", type=float, default=0.0, help="Default shift of its formants, semitones.")
@click.option("--gain", type=float, default=0.0, help="Default output gain, dB.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write this file, not one in the user folder.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Model to make the voice for.  [default: the shipped one]"
)
@click.option("--overwrite", is_flag=True, help="Replace a voice of that name.")
def create(
    name: str,
    recordings: tuple[Path, ...],
    source: str,
    output: Path | None,
    weights: Path | None,
    overwrite: bool,
    **meta: Any,
) -> None:
    """Make the voice NAME from recordings of a person.

    \b
    svc preset create bob --from bob.wav more-of-bob.flac --licence CC-BY-4.0
    """
    from streamvc.files import refuse_to_overwrite
    from streamvc.presets.create import create_preset

    _check_free(name, output, overwrite)  # before the work, not after it
    if output is not None:
        refuse_to_overwrite(output, *recordings)
    # A name that is no text has to become one before it is kept.
    source = source or ", ".join(os.fsencode(path.name).decode("utf-8", "replace") for path in recordings)
    made = create_preset(name, recordings, weights, source=source, created=date.today().isoformat(), **meta)
    for warning in made.warnings:
        click.echo(f"Warning: {warning}", err=True)
    path = _save(made.preset, output, overwrite)
    click.echo(f"{name}: {_pitch(made.preset)}, from {made.seconds:.0f} s of speech, in {path}")


@preset.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_command(as_json: bool) -> None:
    """List the voices, low to high."""
    from streamvc.presets.store import list_presets

    entries = sorted(list_presets(), key=_by_pitch)
    if as_json:
        print_json([_record(entry) for entry in entries], indent=2)
        return
    rows = [("NAME", "SEX", "PITCH", "", "KIND", "ORIGIN", "DESCRIPTION")]
    for entry in entries:
        if voice := entry.preset:
            kind = ("built-in" if entry.builtin else "yours") + (", fitted" if voice.fitted else "")
            sex = "?" if voice.sex == "unknown" else voice.sex
            low, high = voice.f0_range_hz
            pitch = f"{low:.0f}-{high:.0f} Hz"
            rows.append((entry.name, sex, pitch, note_of(voice.f0_hz), kind, voice.source, voice.description))
    origins = [_clipped(row[5], 40) for row in rows]
    rows = [(*row[:5], origin, row[6]) for row, origin in zip(rows, origins, strict=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        click.echo(f"{'  '.join(cells)}  {row[6]}".rstrip())
    for entry in entries:
        if entry.problem:
            click.echo(f"Warning: {entry.problem}", err=True)


@preset.command()
@click.argument("name_or_path")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(name_or_path: str, as_json: bool) -> None:
    """Show all there is to know about a voice."""
    from streamvc.presets.store import resolve

    voice = resolve(name_or_path)
    if as_json:
        print_json(_facts(voice), indent=2)
        return
    facts = {
        "name": voice.name,
        "description": voice.description,
        "sex": voice.sex,
        "pitch": _pitch(voice),
        "origin": voice.source,
        "licence": voice.licence or "unknown",
        "consent": voice.consent or "unknown",
        "fitted": _fitted(voice),
        "blend of": ", ".join(f"{100 * weight:.3g} % {name}" for name, weight in voice.parents),
        "defaults": f"pitch {voice.pitch:+g} semitones, formant {voice.formant:+g} semitones, gain {voice.gain:+g} dB",
        "model": voice.model,
        "created": voice.created,
    }
    for label, fact in facts.items():
        if fact:
            click.echo(f"{label:12} {fact}")


@preset.command()
@click.argument("first")
@click.argument("second")
@click.option("--weight", type=float, default=0.5, show_default=True, help="Share of SECOND, from 0 to 1.")
@click.option("--name", help="Name of the new voice.  [default: FIRST-SECOND-PERCENT]")
@click.option("--description", default="", help="One line for `svc preset list`.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write this file, not one in the user folder.")
@click.option("--overwrite", is_flag=True, help="Replace a voice of that name.")
def blend(
    first: str, second: str, weight: float, name: str | None, description: str, output: Path | None, overwrite: bool
) -> None:
    """Mix two voices into a new one.

    \b
    svc preset blend alice victor --weight 0.3     # 70 % alice, 30 % victor
    """
    from streamvc.presets.blend import blend as mix
    from streamvc.presets.store import resolve

    one, other = resolve(first), resolve(second)
    if name is None:
        name = output.stem if output else f"{one.name}-{other.name}-{100 * weight:.3g}"
    mixed = mix(one, other, weight, name, description)
    path = _save(mixed, output, overwrite)
    click.echo(f"{name}: {_pitch(mixed)}, in {path}")


@preset.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete one of your own voices."""
    from streamvc.presets.store import delete_from_store, own_file

    path = own_file(name)
    if not yes:
        click.confirm(f"Delete {path} for good?", abort=True)
    click.echo(f"Deleted {delete_from_store(name)}")


@preset.command()
@click.argument("name")
@click.argument("new_name")
@click.option("--overwrite", is_flag=True, help="Replace a voice of the new name.")
def rename(name: str, new_name: str, overwrite: bool) -> None:
    """Give one of your own voices another name."""
    from streamvc.presets.store import rename_in_store

    click.echo(f"{name} is now {new_name}, in {rename_in_store(name, new_name, overwrite=overwrite)}")


@preset.command()
@click.argument("name_or_path")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The file to write.  [default: NAME.npz in this folder]"
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def export(name_or_path: str, output: Path | None, overwrite: bool) -> None:
    """Write a voice to a file, to be kept elsewhere or given to somebody."""
    from streamvc.presets.store import resolve

    voice = resolve(name_or_path)
    path = voice.save(output or Path(f"{voice.name}.npz"), overwrite=overwrite)
    click.echo(f"{voice.name} written to {path}")


@preset.command()
@click.argument("name_or_path")
@click.option(
    "--speech",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="What to hear in the voice, such as examples/speech.wav of the repository, or a recording of yours.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it to this file and do not play it.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def audition(name_or_path: str, speech: Path, output: Path | None, overwrite: bool) -> None:
    """Hear a voice: ten seconds of a recording, through the loudspeaker or into a file."""
    from streamvc.cli.audition import hear
    from streamvc.presets.store import resolve

    click.echo(hear(resolve(name_or_path), speech, output, overwrite=overwrite))


def note_of(hz: float) -> str:
    """Name of the nearest note of the equal-tempered scale, A4 = 440 Hz: 220.0 -> "A3"."""
    midi = round(69 + 12 * math.log2(hz / 440.0))
    return f"{NOTES[midi % 12]}{midi // 12 - 1}"


def _check_free(name: str, output: Path | None, overwrite: bool) -> None:
    from streamvc.errors import OutputError
    from streamvc.presets.checks import checked_name
    from streamvc.presets.store import check_free

    checked_name(name)
    if output is None:
        check_free(name, overwrite=overwrite)
    elif output.exists() and not overwrite:
        raise OutputError(f"{output} exists already: choose another file or allow overwriting (--overwrite).")


def _save(voice: Preset, output: Path | None, overwrite: bool) -> Path:
    from streamvc.presets.store import save_to_store

    return voice.save(output, overwrite=overwrite) if output else save_to_store(voice, overwrite=overwrite)


def _pitch(voice: Preset) -> str:
    low, high = voice.f0_range_hz
    return f"{low:.0f}-{high:.0f} Hz around {voice.f0_hz:.0f} Hz ({note_of(voice.f0_hz)})"


def _fitted(voice: Preset) -> str:
    fit = voice.fitted
    if fit is None:
        return ""
    measures = ", ".join(f"{name} {before:.3f} to {after:.3f}" for name, before, after in fit.measures)
    learnt = f"on {fit.seconds:.0f} s of speech in {fit.steps} steps (seed {fit.seed}), {100 * fit.share:g} % kept"
    return f"{learnt}; on {fit.held_out_seconds:.0f} s held out: {measures}" if measures else learnt


def _by_pitch(entry: PresetInfo) -> tuple[float, str]:
    return (entry.preset.log_f0_mean if entry.preset else math.inf), entry.name.casefold()


def _facts(voice: Preset) -> dict[str, Any]:
    low, high = voice.f0_range_hz
    numbers = {"f0_hz": voice.f0_hz, "f0_low_hz": low, "f0_high_hz": high, "note": note_of(voice.f0_hz)}
    return voice.meta() | {
        key: round(value, 2) if isinstance(value, float) else value for key, value in numbers.items()
    }


def _record(entry: PresetInfo) -> dict[str, Any]:
    where = {"name": entry.name, "path": str(entry.path), "builtin": entry.builtin, "problem": entry.problem}
    return (_facts(entry.preset) if entry.preset else {}) | where


def _clipped(text: str, width: int) -> str:
    more = "…" if can_print("…") else "..."
    return text if len(text) <= width else f"{text[: width - len(more)]}{more}"
