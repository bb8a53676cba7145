"""A comparison as one HTML page that needs nothing but itself: what a person decides by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np

from stream_rec.backtest.compare import PRODUCT, Comparison, figures_of, hits_of
from stream_rec.backtest.strata import Strata, all_strata
from stream_rec.backtest.walk import Walked
from stream_rec.charts.line_chart import Line, line_chart
from stream_rec.charts.page_style import page_style
from stream_rec.core.types import Int64Array
from stream_rec.errors import ConfigError

WINDOWS = 60
"""Points of a line over time; each is as many scored events as the next."""

FEWEST = 100
"""A group of fewer events is left out of a picture: its share would be chance."""

_COLUMNS = ("hr@10", "hr@20", "mrr@20", "ndcg@10")
_MONTHS_SHOWN = 7


def write_report(path: Path, title: str, comparison: Comparison) -> None:
    """Write the page; raises ConfigError when the file cannot be written."""
    try:
        path.write_text(report_page(title, comparison), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: need a file that can be written; got {error}. Name another one.") from error


def report_page(title: str, comparison: Comparison) -> str:
    """Return the page's HTML. `title` names the log and how it was replayed."""
    scored = np.flatnonzero(comparison.scored)
    late = scored[scored >= comparison.half]
    body = [
        f"<h1>Does the list hold what comes next?</h1><p class=sub>{escape(title)}</p>",
        _verdict(comparison, late),
        _legend(comparison.methods),
        _table(comparison),
        "<h2>Over time</h2>",
        _figure("Hit rate in each sixtieth of the log", _over_time(comparison, scored, cumulative=False)),
        _figure("Hit rate of everything so far", _over_time(comparison, scored, cumulative=True)),
        "<h2>Where it is won</h2><p>Last half of the log; the number under a group is how many events it has.</p>",
        *(_figure(strata.title, _by_group(comparison, strata, late)) for strata in all_strata(comparison.stream)),
        _how_to_read(comparison),
    ]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
    style = f"<style>{page_style()}</style>"
    return f"<!doctype html><html lang=en><head>{head}{style}</head><body>{''.join(body)}</body></html>\n"


def _verdict(comparison: Comparison, late: Int64Array) -> str:
    if not len(late):
        return "<p class=lead>The last half of this log has no event to score.</p>"
    best, difference = comparison.best_baseline, comparison.difference()
    ours, theirs = (figures_of(one.places[comparison.half :])["hr@20"] for one in (comparison.methods[0], best))
    interval = f"95 % interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f} points"
    if difference.low <= 0 <= difference.high:
        said = f"no difference that {len(np.unique(comparison.stream.users[late])):,} users could prove ({interval})"
    else:
        more = "more" if difference.mean > 0 else "fewer"
        said = f"<b>{abs(100 * difference.mean):.1f} points {more}</b> ({interval})"
    return (
        f"<p class=lead>In <b>{ours:.1%}</b> of {len(late):,} cases what the user went for next was among the 20 items "
        f"{PRODUCT} would have shown. The best of the published methods, {escape(best.name)}, had it in {theirs:.1%}: "
        f"{said}.</p>"
    )


def _legend(methods: Sequence[Walked]) -> str:
    names = (f"<span><i class=m{number}></i>{escape(one.name)}</span>" for number, one in enumerate(methods))
    return f"<p class=legend>{''.join(names)}</p>"


def _table(comparison: Comparison) -> str:
    rows = []
    for number, method in enumerate(comparison.as_dict()["methods"]):
        shares = "".join(f"<td>{method['last_half'][column]:.4f}" for column in _COLUMNS)
        rows.append(f"<tr class=m{number}><th>{escape(method['name'])}{shares}<td>{method['us_per_event']:.0f}")
    head = "".join(f"<th>{column.upper()}" for column in _COLUMNS)
    return f"<table><tr><th>Last half{head}<th>CPU µs per event{''.join(rows)}</table>"


def _figure(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def _drawing_order(lines: list[Line]) -> list[Line]:
    """The product last: on top."""
    return [*lines[1:], lines[0]]


def _over_time(comparison: Comparison, scored: Int64Array, *, cumulative: bool) -> str:
    windows = [window for window in np.array_split(scored, WINDOWS) if len(window)]
    sizes = np.array([len(window) for window in windows])
    lines = []
    for number, method in enumerate(comparison.methods):
        hits = np.array([hits_of(method, window).sum() for window in windows])
        shares = hits.cumsum() / sizes.cumsum() if cumulative else hits / sizes
        lines.append(Line(method.name, f"m{number}", shares.tolist()))
    days = [datetime.fromtimestamp(comparison.stream.times_ms[window[0]] / 1000, UTC) for window in windows]
    marks = np.linspace(0, max(0, len(windows) - 1), _MONTHS_SHOWN).astype(int).tolist() if windows else []
    return line_chart("HR@20 over time", [f"{day:%d %b %Y}" for day in days], _drawing_order(lines), sorted(set(marks)))


def _by_group(comparison: Comparison, strata: Strata, late: Int64Array) -> str:
    groups = [late[strata.group[late] == number] for number in range(len(strata.labels))]
    shown = [number for number, events in enumerate(groups) if len(events) >= FEWEST]
    labels = [f"{strata.labels[number]} ({len(groups[number]):,})" for number in shown]
    lines = []
    for which, method in enumerate(comparison.methods):
        shares = [float(hits_of(method, groups[number]).mean()) for number in shown]
        notes = [f"{method.name}, {label}: {share:.1%}" for label, share in zip(labels, shares, strict=True)]
        lines.append(Line(method.name, f"m{which}", shares, notes))
    return line_chart(strata.title, labels, _drawing_order(lines))


def _how_to_read(comparison: Comparison) -> str:
    return (
        "<h2>How it was measured</h2><p>Every event of a user seen before is looked up in lists of 20 made just before "
        "it, from what had happened until then; only then do all methods learn from it. Hit rate (HR@20) is the share "
        "of events whose item was in the list; MRR and NDCG also reward a place near the top. All methods are scored "
        f"at the same events. The interval draws users again and again; {escape(comparison.best_baseline.name)} is the "
        "best baseline of this very half, a choice in its favour. Time is what one core spends per event: the "
        f"baselines rank and learn; {PRODUCT} also decodes, stores and publishes, and ranks twice.</p>"
    )
