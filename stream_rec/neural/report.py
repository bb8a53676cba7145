"""The report of a run as one HTML page that needs nothing but itself: curves over the epochs, figures, compression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from stream_rec.charts.line_chart import Line, line_chart
from stream_rec.charts.page_style import page_style
from stream_rec.neural.compression import CompressionStep
from stream_rec.neural.run import TrainedModel, TrainedRun

_FIGURES = (
    ("HR@10", "hr10"), ("HR@20", "hr20"), ("MRR@20", "mrr20"), ("HR@20, discovery", "hr20_discovery"),
    ("HR@20, items never learned", "hr20_cold"),
)  # fmt: skip


def report_page(title: str, run: TrainedRun, steps: Sequence[CompressionStep], facts: Mapping[str, Any]) -> str:
    """Return the page's HTML. It is part of the version: whether that became live is decided later.

    Parameters
    ----------
    title
        Names the version and the log.
    facts
        What was learned from, with which code: shown as they are.
    """
    models = {"student": run.student}
    if run.teacher is not None:
        models["teacher"] = run.teacher
    if run.plain is not None:
        models["student without a teacher"] = run.plain
    student = run.student.figures
    beside = "" if run.teacher is None else f"; the teacher has {run.teacher.figures.hr20:.1%}"
    body = [
        f"<h1>What was trained</h1><p class=sub>{escape(title)}</p>",
        f"<p class=lead>In <b>{student.hr20:.1%}</b> of {student.n:,} held-out events the item was among the 20 best "
        f"of the student, which workers serve{beside}. "
        f"<code>stream-rec models list</code> says whether it became live, and why.</p>",
        _legend(models),
        _curves("HR@20 on held-out events after each epoch", models, "hr20", shares=True),
        _curves("Loss of each epoch (the student's holds what it learns of the teacher)", models, "loss", shares=False),
        "<h2>Held-out events</h2>",
        _figures_table(models),
        "<h2>What each step of compression costs</h2>",
        _compression_table(steps),
        "<h2>What it was made of</h2>",
        "<table>" + "".join(f"<tr><th>{escape(str(k))}<td>{escape(str(v))}" for k, v in facts.items()) + "</table>",
        _how_to_read(),
    ]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
    style = f"<style>{page_style()}</style>"
    return f"<!doctype html><html lang=en><head>{head}{style}</head><body>{''.join(body)}</body></html>\n"


def _legend(models: Mapping[str, TrainedModel]) -> str:
    names = (f"<span><i class=m{number}></i>{escape(name)}</span>" for number, name in enumerate(models))
    return f"<p class=legend>{''.join(names)}</p>"


def _curves(caption: str, models: Mapping[str, TrainedModel], name: str, shares: bool) -> str:
    most = max(len(model.epochs) for model in models.values())
    lines = []
    for number, (model_name, model) in enumerate(models.items()):
        values = [epoch[name] for epoch in model.epochs]
        notes = [f"{model_name}, epoch {n}: {value:.4f}" for n, value in enumerate(values, 1)]
        lines.append(Line(model_name, f"m{number}", values + values[-1:] * (most - len(values)), notes))
    svg = line_chart(caption, [str(n + 1) for n in range(most)], lines, shares=shares)
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def _figures_table(models: Mapping[str, TrainedModel]) -> str:
    head = "".join(f"<th>{title}" for title, _ in _FIGURES)
    rows = []
    for number, (name, model) in enumerate(models.items()):
        figures = model.figures.as_dict()
        cells = "".join(f"<td>{figures[key]:.4f}" for _, key in _FIGURES)
        rows.append(f"<tr class=m{number}><th>{escape(name)}{cells}")
    some = next(iter(models.values())).figures
    counts = f"{some.n:,} events, {some.n_discovery:,} of them discoveries, {some.n_cold:,} on items never learned."
    return f"<table><tr><th>Model{head}{''.join(rows)}</table><p class=sub>{counts}</p>"


def _compression_table(steps: Sequence[CompressionStep]) -> str:
    head = "<tr><th>Step<th>Size<th>HR@20<th>HR@20, discovery<th>µs per user alone<th>µs per user, 32 together"
    rows = (
        f"<tr><th>{escape(step.name)}<td>{step.bytes / 1e6:.2f} MB<td>{step.hr20:.4f}<td>{step.hr20_discovery:.4f}"
        f"<td>{step.us_alone:,.1f}<td>{step.us_batched:,.1f}"
        for step in steps
    )
    return f"<table>{head}{''.join(rows)}</table>"


def _how_to_read() -> str:
    return (
        "<h2>How it was measured</h2><p>The models are frozen after the events they learned from; a held-out event is "
        "ranked from all its user did before it, against all items of the log. Discovery: only what the user had never "
        "had, and without it in the list. Ties count against the model. A curve's events lie between those learned and "
        "those held out where there are any, so that what is chosen by it is not what is reported. Times are of one "
        "core; the models' are eager torch, the tables' the kernel that workers use.</p>"
    )
