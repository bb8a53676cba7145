"""The figures as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from benchmarks.kernels.suite import Figures, SizeFigures

WANTED = {"recommend": "40 / 80 / 110", "learn": "10", "cascade": "80"}


def tables_of(figures: Figures) -> RenderableType:
    """Return what a list and an event cost, and where the time of a list goes."""
    return Group(_costs(figures), _stages(figures))


def _costs(figures: Figures) -> Table:
    table = _table("one core, µs", figures)
    table.add_column("wanted", justify="right")
    for name, wanted, value in _ROWS:
        table.add_row(name, *(value(one) for one in figures.sizes), wanted)
    first = figures.sizes[0]
    twin = first.numpy_twin_us or 0.0
    table.caption = (
        f"the same list of {first.n:,} items in plain numpy: {twin:,.0f} µs, {twin / first.recommend_us:.0f} times as "
        "much. Least of many repetitions per user, averaged over the users."
    )
    return table


_ROWS = (
    ("recommend: one list", WANTED["recommend"], lambda one: f"{one.recommend_us:.1f}"),
    ("second stage, on top", WANTED["cascade"], lambda one: f"{one.cascade_us:.1f}"),
    ("  of which the forest", "", lambda one: f"{one.rerank_us:.1f}"),
    ("learn: gradient and applying", WANTED["learn"], lambda one: f"{one.learn.learn:.1f}"),
    ("  of which the gradient", "", lambda one: f"{one.learn.gradient:.1f}"),
    ("  of which counts and gradients applied", "", lambda one: f"{one.learn.apply:.1f}"),
    ("frame, per event", "", lambda one: f"{one.learn.frame:.1f}"),
    ("bytes per item", "", lambda one: f"{one.bytes_per_item:,.0f}"),
    ("seconds to build the table", "", lambda one: f"{one.build_s:.1f}"),
)


def _stages(figures: Figures) -> Table:
    table = _table("where the time of a list goes, µs", figures)
    for name in figures.sizes[0].stages:
        table.add_row(name, *(f"{one.stages[name]:.1f}" for one in figures.sizes))
    table.add_row("Python around it", *(f"{_around(one):.1f}" for one in figures.sizes))
    return table


def _around(one: SizeFigures) -> float:
    return one.recommend_us - sum(one.stages.values())


def _table(title: str, figures: Figures) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for one in figures.sizes:
        table.add_column(f"{one.n:,} items", justify="right")
    return table
