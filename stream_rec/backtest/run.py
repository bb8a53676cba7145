"""One backtest from a log file to figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import isnan
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, TextIO

import msgspec

from stream_rec.backtest.catalogue import load_catalogue, read_catalogue
from stream_rec.backtest.cold_start import NewItemKeeper
from stream_rec.backtest.compare import compare
from stream_rec.backtest.event_log import LogEvent, read_log
from stream_rec.backtest.explain import Explainer, weights_of
from stream_rec.backtest.html_report import write_report
from stream_rec.backtest.log_format import LogFormat
from stream_rec.backtest.places import PlaceKeeper
from stream_rec.backtest.progress import Progress
from stream_rec.backtest.published import run_published
from stream_rec.backtest.records import LogRecord
from stream_rec.backtest.replay import Backtest, BacktestSettings, counts
from stream_rec.backtest.scorer import LIST, TRACEABLE, Scorer
from stream_rec.backtest.sequence import (
    LEARNED,
    RERANKED,
    WITHOUT,
    ChosenModel,
    arms_of,
    difference_of,
    events_before,
    figures_of_lists,
    lists_as_source,
    lists_beside,
    load_model,
)
from stream_rec.core.looks import Observer
from stream_rec.core.parameters import Parameters, format_parameters, preset_named, with_parameters
from stream_rec.core.presets import DAY_MS, DEFAULT_PRESET, Preset
from stream_rec.core.ranking.cascade import Cascade
from stream_rec.core.ranking.linear import pinned_weights
from stream_rec.core.ranking.mixing import RERANK, split_pinned
from stream_rec.core.rounds import RoundResult
from stream_rec.core.state.items import ItemTable
from stream_rec.errors import ConfigError

EXCLUDED_HISTORY_EVENTS = 16_384
"""History kept when repeats are excluded: an item is known to be had only while its event is in the history."""


USUAL_REFRESH_DAYS = 7
USUAL_EXPOSURE = 0.25


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """What `stream-rec backtest` was asked for; the fields are its options."""

    log: Path
    repeats: str = "allowed"
    preset: str = DEFAULT_PRESET
    parameters: Parameters = field(default_factory=dict)
    batch: int = 1
    batch_ms: int = 0
    replica_lag_events: int = 0
    cascade: bool = True
    refresh_days: int = USUAL_REFRESH_DAYS
    pin: tuple[tuple[str, float], ...] = ()
    explain: Path | None = None
    log_format: LogFormat = field(default_factory=LogFormat)
    limit: int | None = None
    trace: Path | None = None
    trace_source: str = LIST
    lists: Path | None = None
    items: Path | None = None
    items_columns: Mapping[str, str] = field(default_factory=dict)
    compare: bool = False
    report: Path | None = None
    every: int = 1
    test: Path | None = None
    model: ChosenModel | None = None
    model_share: float = 1.0
    exposure: float = USUAL_EXPOSURE


def run_backtest(request: BacktestRequest, progress: Progress) -> dict[str, Any]:
    """Replay the log of `request` and return its figures.

    Parameters
    ----------
    progress
        Wraps the events to show how far the replay is.

    Raises
    ------
    ConfigError
        An option has no such value, or the log or the catalogue cannot be read.
    """
    preset = _preset(request)
    if request.test is not None:
        return _published(request, request.test, preset, progress)
    events = list(_limited(read_log(request.log, request.log_format), request.limit))
    items = ItemTable(preset)
    if request.items is not None:
        load_catalogue(read_catalogue(request.items, request.items_columns), items)
    settings = BacktestSettings(
        exclude="had" if request.repeats == "excluded" else "nothing",
        batch=request.batch,
        batch_ms=request.batch_ms,
        replica_lag_events=request.replica_lag_events,
        fresh_every=request.every,
        cascade=request.cascade,
        refresh_ms=request.refresh_days * DAY_MS,
        pinned=request.pin if request.model is None else (),
        model_share=request.model_share,
        exposure=request.exposure,
    )
    if request.report:
        _writable(request.report).close()  # an hour's run is not to end with a path that cannot be written
    with ExitStack() as files:
        trace, lists, explained = (
            files.enter_context(_writable(path)) if path else None
            for path in (request.trace, request.lists, request.explain)
        )
        scorer = Scorer(len(events), items, settings.exclude == "had", trace, request.trace_source)
        others = lists_as_source(request.pin) if request.model else None
        keeper = PlaceKeeper(scorer, len(events), settings.exclude == "had", others)
        observer: Observer = keeper
        new_items = NewItemKeeper(keeper, items, len(events)) if request.model else None
        if new_items is not None:
            observer = new_items
        if explained is not None:
            pinned = pinned_weights(dict(settings.pinned)) if settings.pinned else None
            observer = Explainer(observer, items, pinned, explained)
        promotion = load_model(request.model, items, preset.sequence, events) if request.model else None
        backtest = Backtest(settings, preset, items, observer, promotion)
        started, cpu_started = perf_counter(), process_time()
        backtest.run(progress(events), _list_writer(lists))
        seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
    figures = {
        "variant": _variant(request),
        "events": counts(backtest.stats),
        "texts": items.texts.documents,
        **scorer.as_dict(),
        "weights": weights_of(items),
        "second_stage": second_stage_of(backtest.cascade),
        "gradient_bytes_per_event": backtest.stats.gradient_bytes / max(1, backtest.stats.applied),
        "seconds": seconds,
        "events_per_s": len(events) / max(seconds, 1e-9),
        "bytes_per_user": backtest.bytes_per_user(),
        "bytes_per_item": backtest.bytes_per_item(),
    }
    if request.model and new_items is not None:
        figures["model"] = {
            "version": request.model.version,
            "arms": arms_of(backtest.stats),
            "new_items": new_items.as_dict(events),
            "exposure": backtest.exposure(),
            **_beside_others(request, settings, preset, events, keeper, progress),
        }
    if request.compare or request.report:
        comparison = compare(events, preset, settings.exclude, keeper.places, cpu_seconds, progress)
        figures["comparison"] = comparison.as_dict()
        if request.report:
            write_report(
                request.report, f"{request.log.name}: {figures['variant']}, {len(events):,} events", comparison
            )
    return figures


def _beside_others(
    request: BacktestRequest,
    settings: BacktestSettings,
    preset: Preset,
    events: list[LogEvent],
    learned: PlaceKeeper,
    progress: Progress,
) -> dict[str, Any]:
    """Replay the log once more, the sequence model no source; return how all its lists do against those without it."""
    assert request.model is not None
    items = ItemTable(preset)
    if request.items is not None:
        load_catalogue(read_catalogue(request.items, request.items_columns), items)
    promotion = load_model(request.model, items, preset.sequence, events)
    others = lists_beside(request.pin, promotion.model, preset.sequence.reranked)
    keeper = PlaceKeeper(None, len(events), settings.exclude == "had", others)
    Backtest(replace(settings, mix=RERANK), preset, items, keeper, promotion).run(progress(events), _list_writer(None))
    places = {LEARNED: learned.places, RERANKED: keeper.places, **learned.places_of, **keeper.places_of}
    return {
        "last_half": difference_of(events, places[LEARNED], places[WITHOUT], events_before(events)),
        "lists": figures_of_lists(events, places),
    }


def _published(request: BacktestRequest, test: Path, preset: Preset, progress: Progress) -> dict[str, Any]:
    """Run the published protocol, or say which option does not go with it."""
    given = {
        "--repeats excluded": request.repeats == "excluded",
        "--limit": request.limit is not None,
        "--every": request.every > 1,
        "--trace": request.trace is not None,
        "--lists": request.lists is not None,
        "--report": request.report is not None,
        "--replica-lag-events": request.replica_lag_events > 0,
        "--batch-ms": request.batch_ms > 0,
        "--pin": bool(request.pin),
        "--explain": request.explain is not None,
        "--items": request.items is not None,
        "--model": request.model is not None,
        "--exposure": request.exposure != USUAL_EXPOSURE,
        "--refresh-days": request.refresh_days != USUAL_REFRESH_DAYS,
    }
    for option, present in given.items():
        if present:
            raise ConfigError(f"--test: need a backtest without {option}; got both. Leave one of them out.")
    return run_published(
        request.log, test, request.log_format, preset, request.batch, request.cascade, request.compare, progress
    )


def _preset(request: BacktestRequest) -> Preset:
    if request.repeats not in ("allowed", "excluded"):
        raise ConfigError(f"--repeats: need allowed or excluded; got {request.repeats!r}. Choose one.")
    if request.trace_source not in TRACEABLE:
        raise ConfigError(
            f"--trace-source: need one of {', '.join(TRACEABLE)}; got {request.trace_source!r}. Choose one."
        )
    if request.model is None and split_pinned(dict(request.pin), rerank=False)[1] is not None:
        raise ConfigError("--pin: need --model where blend is named; got none. Name a version, or pin single sources.")
    preset = preset_named(request.preset, "--preset")
    if request.repeats == "excluded":
        preset = replace(preset, history_events=EXCLUDED_HISTORY_EVENTS)
    return with_parameters(preset, request.parameters)


def _variant(request: BacktestRequest) -> str:
    model = f"model {request.model.version}" if request.model else ""
    return ", ".join(
        filter(None, (request.preset, format_parameters(request.parameters), model, f"repeats {request.repeats}"))
    )


def _writable(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: need a file that can be written; got {error}. Name another one.") from error


def _limited(events: Iterable[LogEvent], limit: int | None) -> Iterator[LogEvent]:
    for event in events:
        if limit is not None and event.index >= limit:
            return
        yield event


def _list_writer(out: TextIO | None) -> Callable[[RoundResult, list[LogRecord]], None]:
    """Return what writes every published list as {"event_index", "user_id", "items"}."""

    def write(result: RoundResult, records: list[LogRecord]) -> None:
        if out is None:
            return
        index_of = {(record.topic, record.offset): record.event_index for record in records}
        for published in result.lists:
            value = msgspec.json.decode(published.value or b"null")
            trigger = value["trigger"]
            line = {
                "event_index": index_of[trigger["topic"], trigger["offset"]],
                "user_id": value["user_id"],
                "items": [item["item_id"] for item in value["items"]],
            }
            out.write(json.dumps(line) + "\n")

    return write


def second_stage_of(cascade: Cascade | None) -> dict[str, Any] | None:
    """Return how the second stage did: running means of the reciprocal rank among the best candidates, and trials."""
    if cascade is None:
        return None
    return {
        "live": cascade.live is not None,
        "trials": cascade.decisions,
        "linear": _known(cascade.linear_rank.value),
        "network": _known(cascade.fallback_rank.value),
        "forest": _known(cascade.live_rank.value),
    }


def _known(mean: float) -> float | None:
    """Return a mean, or None before there was anything to average: JSON has no NaN."""
    return None if isnan(mean) else mean
