"""The protocol of the session literature: learn from one log, freeze the items, predict every next item of another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from stream_rec.backtest.baselines.registry import build_baselines
from stream_rec.backtest.event_log import LogEvent, read_log
from stream_rec.backtest.log_format import LogFormat
from stream_rec.backtest.places import PlaceKeeper
from stream_rec.backtest.progress import Progress
from stream_rec.backtest.replay import Backtest, BacktestSettings
from stream_rec.backtest.stream import Stream
from stream_rec.backtest.walk import NOT_SCORED, Places, Protocol, walk
from stream_rec.core.presets import Preset
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable
from stream_rec.errors import ConfigError

EXCLUDE = "current"
"""What lists leave out here: a click on the item just looked at is no prediction."""

_COLUMNS = ("n", "mrr@20", "hr@20", "ndcg@20")


def run_published(
    train: Path,
    test: Path,
    log_format: LogFormat,
    preset: Preset,
    batch: int,
    cascade: bool,
    compare: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Return {"methods": [{"name", "n", "mrr@20", "hr@20", "ndcg@20"}], …}, the product first.

    The train log is learned through the planes; then item state stands still and the test log goes through them too.
    Before each of its events that continues a session of the test log, the list made from the events so far is held
    against the event's item.

    Parameters
    ----------
    batch
        Events per round of the training; 1 learns from every event before the next.
    cascade
        Whether the second stage orders the lists; it is frozen with the items.
    compare
        Whether the baselines go through the same.

    Raises
    ------
    ConfigError
        A log cannot be read, or the test log has nothing to predict.

    References
    ----------
    Ludewig, Jannach: Evaluation of session-based recommendation algorithms (2018), https://arxiv.org/abs/1803.09587
    """
    trained, tested = list(read_log(train, log_format)), list(read_log(test, log_format))
    events = [event._replace(index=index) for index, event in enumerate(chain(trained, tested))]
    first = len(trained)
    own = _product_places(events, first, preset, batch, cascade, progress)
    if not (own != NOT_SCORED).any():
        raise ConfigError(f"--test: need a session of two events or more; got none in {test}. Name a log of sessions.")
    methods = [{"name": "stream-rec", **published_figures(own)}]
    if compare:
        stream = Stream.of(events, preset.session_gap_ms)
        protocol = Protocol(EXCLUDE, frozen_from=int(np.searchsorted(stream.log_index, first)))
        walked = walk(stream, build_baselines(stream.sizes(), preset.name), protocol, progress)
        methods += [{"name": one.name, **published_figures(one.places)} for one in walked]
    return {"variant": f"{preset.name}, items frozen", "train": first, "test": len(tested), "methods": methods}


def published_figures(places: Places) -> dict[str, float]:
    """Return n, MRR@20, HR@20 and NDCG@20 of int8[n] places, those not scored left out.

    Examples
    --------
    >>> published_figures(np.array([1, 3, 0, 0, -1], np.int8))
    {'n': 4, 'mrr@20': 0.3333, 'hr@20': 0.5, 'ndcg@20': 0.375}
    """
    scored = places[places != NOT_SCORED].tolist()
    n, hits = max(1, len(scored)), [place for place in scored if place]
    return {
        "n": len(scored),
        "mrr@20": sum(1 / place for place in hits) / n,
        "hr@20": len(hits) / n,
        "ndcg@20": sum(1 / log2(1 + place) for place in hits) / n,
    }


def table_of_published(figures: dict[str, Any]) -> Table:
    """Return the figures as a table a person reads."""
    table = Table(title=f"{figures['variant']}: {figures['train']:,} events learned, {figures['test']:,} to test")
    table.add_column("method")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for method in figures["methods"]:
        table.add_row(method["name"], f"{method['n']:,}", *(f"{method[column]:.4f}" for column in _COLUMNS[1:]))
    return table


def _product_places(
    events: Sequence[LogEvent], first: int, preset: Preset, batch: int, cascade: bool, progress: Progress
) -> Places:
    """Return int8[events]: the planes' places at the events from `first` on that continue a session of the test."""
    keeper = PlaceKeeper(None, len(events), discovery=False)
    settings = BacktestSettings(exclude=EXCLUDE, batch=batch, cascade=cascade)
    backtest = Backtest(settings, preset, ItemTable(preset), None)
    backtest.run(progress(events[:first]), _drop_lists)
    backtest.freeze(keeper)
    backtest.run(progress(events[first:]), _drop_lists)
    return np.where(keeper.first_of_session, NOT_SCORED, keeper.places).astype(np.int8)


def _drop_lists(result: RoundResult, records: object) -> None:
    """Published lists are not what is scored."""
