"""Spectrograms and pitch of a pair as one picture, drawn in the colours of the page that it stands in."""

from __future__ import annotations

import base64
import io
import re
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.pitch import STEP_SECONDS

MEASURE: Final = "nothing, but to draw the plots of the report"

# Colours that stand for those of the page: matplotlib knows no CSS, so they are replaced in what it writes.
_INKS: Final = {
    "#010203": "var(--ink)",
    "#010204": "var(--grid)",
    "#010205": "var(--source)",
    "#010206": "var(--converted)",
    "#010207": "var(--target)",
}
_INK, _GRID, _SOURCE, _CONVERTED, _TARGET = _INKS

_WINDOW: Final = 512
_HOP: Final = 240
_ROWS: Final = 128
_RANGE_DB: Final = 70.0
_SHADES: Final = 48
"""Shades of a spectrogram. Few of them make the picture small, and nobody sees the steps."""


def spectrogram(wave: Wave) -> npt.NDArray[np.float64]:
    """Power in dB below the loudest point, at least -70: [128 bands from 0 to 8 kHz, one column per 15 ms].

    A Hann window of 32 ms; the bands are 62.5 Hz wide.
    """
    padded = np.pad(np.nan_to_num(wave).astype(np.float64), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames)))[:, : _WINDOW // 2].T
    bands = power.reshape(_ROWS, -1, power.shape[1]).mean(axis=1)
    loudest = float(bands.max())
    if loudest <= 0.0:
        return np.full(bands.shape, -_RANGE_DB)
    return np.asarray(np.clip(10.0 * np.log10(bands / loudest + 1e-12), -_RANGE_DB, 0.0))


def pair_plot(
    source: Wave,
    converted: Wave,
    target: Wave,
    pitches: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float | None] | None,
    name: str,
) -> str:
    """Draw a pair as an SVG element whose colours are variables of the page's style (`--ink`, `--source` and so on).

    Args:
        source, converted, target: [samples] at 16 kHz; of the target as much as the source is long.
        pitches: f0 tracks [frames] of source and conversion (Hz, 0 = unvoiced), and the target's median f0 in Hz;
            None leaves the plot of the pitch empty.
        name: makes the names of things inside the picture unlike those of other pictures on the page.

    Raises:
        RuntimeUnavailableError: matplotlib is not installed.
    """
    matplotlib: Any = require("matplotlib", MEASURE)
    figures: Any = require("matplotlib.figure", MEASURE)
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 8,
        "font.family": "sans-serif",
        "text.color": _INK,
        "axes.edgecolor": _GRID,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
    }
    with matplotlib.rc_context(style):
        figure = figures.Figure(figsize=(10.0, 4.0), layout="constrained")
        seconds = source.size / SAMPLE_RATE
        (upper_left, upper_right), (lower_left, lower_right) = figure.subplots(2, 2)
        for axes, wave, title in (
            (upper_left, source, "source"),
            (lower_left, converted, "converted"),
            (upper_right, target[: source.size], "target"),
        ):
            _draw_spectrogram(axes, wave, title)
            axes.set_xlim(0, seconds)
        _draw_pitch(lower_right, pitches, seconds)
        for axes in (lower_left, lower_right):
            axes.set_xlabel("seconds")
        text = io.StringIO()
        # Without a date in it, the same results make the same page.
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _for_the_page(text.getvalue(), name)


def _draw_spectrogram(axes: Any, wave: Wave, title: str) -> None:
    picture = spectrogram(wave)
    shades = np.round((picture + _RANGE_DB) / _RANGE_DB * (_SHADES - 1)) / (_SHADES - 1)
    axes.imshow(
        shades, origin="lower", aspect="auto", cmap="magma", vmin=0.0, vmax=1.0, interpolation="none",
        extent=(0.0, picture.shape[1] * _HOP / SAMPLE_RATE, 0.0, SAMPLE_RATE / 2000.0),
    )  # fmt: skip
    axes.set_title(title)
    axes.set_ylabel("kHz")
    axes.set_yticks([0, 2, 4, 6, 8])


def _draw_pitch(
    axes: Any, pitches: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float | None] | None, seconds: float
) -> None:
    axes.set_title("pitch")
    axes.set_ylabel("Hz")
    axes.set_xlim(0, seconds)
    axes.grid(color=_GRID, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    if pitches is None:
        return
    source, converted, median = pitches
    for track, colour, label in ((source, _SOURCE, "source"), (converted, _CONVERTED, "converted")):
        times = (np.arange(track.size) + 0.5) * STEP_SECONDS
        axes.plot(times, np.where(track > 0, track, np.nan), color=colour, linewidth=1.6, label=label)
    if median is not None:
        axes.axhline(median, color=_TARGET, linewidth=1.2, linestyle="--", label="target's median")
    axes.set_yscale("log", base=2)
    voiced = np.concatenate([source[source > 0], converted[converted > 0], [median or 150.0]])
    low, high = float(voiced.min()) * 0.9, float(voiced.max()) * 1.1
    axes.set_ylim(low, high)
    ticks = [hertz for hertz in (60, 80, 100, 125, 150, 200, 250, 300, 400, 500) if low <= hertz <= high]
    axes.set_yticks(ticks, [str(hertz) for hertz in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7, ncols=3, borderaxespad=0.2)


def _for_the_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    # Names are those of this picture alone; most of them nobody uses.
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    # The size comes from the page; the view box keeps the shape.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", '<svg class="plot" aria-hidden="true"', 1)
    # Text in the font of the page, and points of a spectrogram that run into one another.
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = re.sub(r"font: (\d+(?:\.\d+)?px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"image-rendering: ?[a-z-]+;?", "", svg)
    svg = re.sub(r"(data:image/png;base64,)([^\"]+)", lambda found: found[1] + _fewer_bits(found[2]), svg)
    for ink, variable in _INKS.items():
        svg = svg.replace(ink, variable)
    return svg


def _fewer_bits(png: str) -> str:
    """The same picture with a palette, which holds every one of its few colours: about a third of the size."""
    images: Any = require("PIL.Image", MEASURE)
    picture = images.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(2 * _SHADES, dither=images.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
