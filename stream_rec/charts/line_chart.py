"""Line charts as SVG text: two axes, a few lines, a tooltip per point. Colours come from the page's CSS."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil
from typing import NamedTuple

WIDTH, HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 40
_GRID_LINES = 4


class Line(NamedTuple):
    """One method's values; `style` is a CSS class, `notes` the tooltip of each point (none: no points are drawn)."""

    name: str
    style: str
    values: Sequence[float]
    notes: Sequence[str] = ()


def line_chart(
    title: str, labels: Sequence[str], lines: Sequence[Line], marks: Sequence[int] | None = None, shares: bool = True
) -> str:
    """Return an `<svg>` element.

    Parameters
    ----------
    title
        Read out to who cannot see the chart.
    labels
        What stands under the x axis, one per value of a line; `marks` picks those that are written (default all).
    lines
        Drawn in this order, so the last one is on top.
    shares
        Whether values are shares, shown as percent, or numbers.

    Examples
    --------
    >>> svg = line_chart("Hits", ["Mon", "Tue"], [Line("A", "m0", [0.1, 0.2])])
    >>> svg.startswith("<svg") and "<polyline" in svg and ">20 %<" in svg
    True
    """
    highest = max((value for line in lines for value in line.values), default=0.0)
    top, written = (_round_up(highest), _percent) if shares else (float(max(1, ceil(highest))), "{:.1f}".format)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>']
    for step in range(_GRID_LINES + 1):
        y = _y(top * step / _GRID_LINES, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{written(top * step / _GRID_LINES)}</text>'
        )
    for mark in range(len(labels)) if marks is None else marks:
        x = _x(mark, len(labels))
        parts.append(f'<text x="{x}" y="{HEIGHT - _BOTTOM + 20}" text-anchor="middle">{escape(labels[mark])}</text>')
    for line in lines:
        parts.extend(_drawn(line, top))
    return "".join((*parts, "</svg>"))


def _drawn(line: Line, top: float) -> list[str]:
    at = [(_x(place, len(line.values)), _y(value, top)) for place, value in enumerate(line.values)]
    points = " ".join(f"{x},{y}" for x, y in at)
    drawn = [f'<polyline class="{line.style}" points="{points}"><title>{escape(line.name)}</title></polyline>']
    for (x, y), note in zip(at, line.notes, strict=False):
        drawn.append(f'<circle class="{line.style}" cx="{x}" cy="{y}" r="4"><title>{escape(note)}</title></circle>')
    return drawn


def _x(place: int, n: int) -> float:
    room = WIDTH - _LEFT - _RIGHT
    return round(_LEFT + room * (place + 0.5) / max(1, n), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top, 1)


def _round_up(value: float) -> float:
    """Return the end of the y axis: the next of 4, 8, 20, 40, 60, 80, 100 %, whose quarters are round."""
    return next((end for end in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8) if value <= end), 1.0)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
