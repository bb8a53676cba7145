"""The figures of a backtest as a table a person reads."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from stream_rec.backtest.compare import table_of_methods
from stream_rec.backtest.published import table_of_published

COLUMNS = ("n", "hr@10", "hr@20", "mrr@20", "ndcg@10")


def tables_of(figures: dict[str, Any]) -> list[Table]:
    """Return the tables of whatever `run_backtest` returned."""
    if "methods" in figures:
        return [table_of_published(figures)]
    return [
        table_of(figures),
        *([table_of_model(figures["model"]), table_of_lists(figures["model"])] if "model" in figures else []),
        *([table_of_methods(figures["comparison"])] if "comparison" in figures else []),
    ]


def table_of_model(model: dict[str, Any]) -> Table:
    """Return what the sequence model adds, group by group."""
    table = Table(title=f"with model {model['version']} and without, last half")
    table.caption = "95 % intervals over users"
    for column in ("events", "n", "figure", "with", "", "without", "difference"):
        table.add_column(column, justify="left" if column in ("events", "figure") else "right")
    for group, figures in model["last_half"].items():
        for name in ("hr@20", "mrr@20"):
            one = figures[name]
            least, most = (f"{one['interval'][part]:.4f}" for part in ("low", "high"))
            table.add_row(
                group,
                f"{figures['n']:,}",
                name,
                f"{one['with']:.4f}",
                f"[{least}, {most}]",
                f"{one['without']:.4f}",
                _interval(one["difference"]),
            )
    new, exposure = model["new_items"], model["exposure"]
    mean, low, high = (f"{new['hr@5'][part]:.3f}" for part in ("mean", "low", "high"))
    table.caption += (
        f"\nnew items beside the list: HR@5 {mean} [{low}, {high}] on {new['n']:,} events of items nobody had yet, "
        f"a random order of them {new['random']:.3f}\n"
        f"in the list: {exposure['published']:.3f} such items per list that could show one, "
        f"{exposure['target']:g} wanted; {exposure['brought']:.3f} items of 1 to 19 events only for their boost"
    )
    return table


def table_of_lists(model: dict[str, Any]) -> Table:
    """Return every list the sequence model can make, beside the one without it."""
    table = Table(title=f"lists of {model['version']}, last half", caption="differences to the list without the model")
    for column in ("list", "n", "HR@20", "difference", "MRR@20", "difference"):
        table.add_column(column, justify="left" if column == "list" else "right")
    for name, figures in model["lists"].items():
        hits, ranks = figures["hr@20"], figures["mrr@20"]
        cells = [cell for one in (hits, ranks) for cell in (f"{one['with']:.4f}", _interval(one["difference"]))]
        table.add_row(name, f"{figures['n']:,}", *cells)
    return table


def _interval(difference: dict[str, float]) -> str:
    mean, low, high = (f"{difference[part]:+.4f}" for part in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def table_of(figures: dict[str, Any]) -> Table:
    """Return one table: last half and whole stream, the list, per ranker and per source, fresh and served."""
    balance = figures["events"]
    table = Table(
        title=f"{figures['variant']}: {balance['in']:,} events, {figures['scored']:,} scored, "
        f"{figures['events_per_s']:,.0f} events/s, {figures['bytes_per_user']:,.0f} B/user, "
        f"{figures['bytes_per_item']:,.0f} B/item"
    )
    table.add_column("list")
    table.add_column("span")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    fresh, served = figures["fresh"], figures["served"]
    _add_halves(table, "list, fresh", fresh)
    _add(table, "  first events of a session", "last half", fresh["first_of_session"])
    _add_halves(table, "list, served", served)
    for name, label in (("first_of_session", "first events of a session"), ("later", "later events")):
        _add(table, f"  {label}", "last half", served[name])
    if served["coalesced"]["n"]:
        _add(table, "  in the previous event's round", "last half", served["coalesced"])
    for name, halves in figures["rankers"].items():
        _add_halves(table, f"ranker {name}", halves)
    for name, halves in figures["sources"].items():
        _add_halves(table, f"source {name}", halves)
    _add_halves(table, "popularity's own list", figures["popularity"])
    table.caption = f"coverage of the list, last half: {fresh['coverage']:.1%} of known items"
    if figures["texts"]:
        table.caption += f"; {figures['texts']:,} items with a text"
    return table


def _add_halves(table: Table, label: str, halves: dict[str, Any]) -> None:
    _add(table, label, "last half", halves["last_half"])
    _add(table, "", "whole", halves["whole"])


def _add(table: Table, label: str, span: str, metrics: dict[str, float]) -> None:
    shares = [f"{metrics[column]:.4f}" for column in COLUMNS[1:]]
    table.add_row(label, span, f"{metrics['n']:,}", *shares)
