"""A backtest with a sequence model: the version from the registry, the same replay without it, all lists it can make.

In one replay the model is a source whose weight is learned; in the other it is none, and what the others make is also
ordered by it, and mixed with it by set weights. Each list is that of a worker set so, from the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.backtest.bootstrap import clustered_difference
from stream_rec.backtest.event_log import LogEvent
from stream_rec.backtest.places import ListOf
from stream_rec.backtest.replay import Promotion
from stream_rec.backtest.walk import NOT_SCORED, Places
from stream_rec.core.arms import ARMS
from stream_rec.core.looks import FreshLook
from stream_rec.core.presets import SOURCE_NAMES, SequenceParams
from stream_rec.core.ranking.evidence import Evidence
from stream_rec.core.ranking.linear import linear_scores, pinned_weights
from stream_rec.core.ranking.mixing import Mix, mixed_order, split_pinned
from stream_rec.core.rounds import RoundStats
from stream_rec.core.sequence_serving import SequenceModel
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import LIST_SIZE, Float32Array, Float64Array, Int32Array, Int64Array
from stream_rec.errors import ConfigError

LEARNED, PINNED, RERANKED, OWN, WITHOUT = LISTS = (
    "learned", "pinned", "rerank", "the model's own", "without the model",
)  # fmt: skip
"""What lists there are of a version, in the order of the table."""

Pin = tuple[tuple[str, float], ...]

USUAL_PIN: Pin = (("blend", 0.9), ("sequence", 0.1))


class ChosenModel(NamedTuple):
    """Version and the registry's folder."""

    version: str
    folder: Path


def load_model(chosen: ChosenModel, items: ItemTable, params: SequenceParams, events: Sequence[LogEvent]) -> Promotion:
    """Return the model over `items`.

    Raises
    ------
    ConfigError
        There is no such version, it is damaged, or it learned from events of the half that is reported.
    """
    registry = ModelRegistry(chosen.folder)
    tables = registry.tables(chosen.version).of_known_items()
    learned_until_ms = registry.manifest(chosen.version).learned_until_ms
    half_ms = events[len(events) // 2].timestamp_ms if events else 0
    if learned_until_ms > half_ms:
        raise ConfigError(
            f"--model {chosen.version}: need one that learned from nothing after {half_ms} ms, where the reported half "
            f"begins; got one that learned until {learned_until_ms}. Train one with --until 0.5."
        )
    model = SequenceModel(chosen.version, items, tables.item_ids, tables.rows, tables.weights, params, tables.content)
    return Promotion(model, learned_until_ms)


def lists_as_source(pin: Pin) -> dict[str, ListOf]:
    """Return what a replay shows besides its list where the model is a source: its own list, and pinned sources'."""
    source = SOURCE_NAMES.index("sequence")
    lists: dict[str, ListOf] = {OWN: lambda look: look.orders.evidence.list_of(source, LIST_SIZE)}
    sources, mix = split_pinned(dict(pin or USUAL_PIN), rerank=False)
    if mix is None:
        theta = pinned_weights(sources)
        lists[PINNED] = lambda look: _by_weights(look.orders.evidence, theta)
    return lists


def lists_beside(pin: Pin, model: SequenceModel, reranked: int) -> dict[str, ListOf]:
    """Return what a replay shows besides its list where the model is none: the list without it, and mixed by `pin`."""
    lists: dict[str, ListOf] = {WITHOUT: lambda look: look.plain}
    _, mix = split_pinned(dict(pin or USUAL_PIN), rerank=False)
    if mix is not None:
        lists[PINNED] = lambda look: _mixed(look, model, mix, reranked)
    return lists


def _by_weights(evidence: Evidence, theta: Float32Array) -> Int32Array:
    scores = linear_scores(evidence.features, len(evidence.rows), theta)
    return evidence.rows[np.argsort(-scores, kind="stable")[:LIST_SIZE]]


def _mixed(look: FreshLook, model: SequenceModel, mix: Mix, reranked: int) -> Int32Array:
    vector, (rows, scores) = look.orders.vector, look.blend
    if not len(vector):
        return look.plain
    order, _ = mixed_order(scores, model.logits(vector, rows[:reranked]), mix)
    return rows[order[:LIST_SIZE]]


def figures_of_lists(events: Sequence[LogEvent], places: Mapping[str, Places]) -> dict[str, Any]:
    """Return HR@20 and MRR@20 of every list on the last half, and how it differs from the one without the model."""
    late, users = _late(events, list(places.values()))
    return {name: _group(late, users, places[name], places[WITHOUT]) for name in LISTS}


def difference_of(
    events: Sequence[LogEvent], with_model: Places, without: Places, earlier_events: Sequence[int]
) -> dict[str, Any]:
    """Return HR@20 and MRR@20 of both on the last half, and the difference with its 95 % interval over users.

    Parameters
    ----------
    with_model, without
        int8[events]: places in the fresh lists.
    earlier_events
        Per event of the log, how many events its item had before: cold items are told apart.
    """
    late, users = _late(events, (with_model, without))
    counts = np.asarray(earlier_events)[late]
    groups = {
        "all": np.ones(len(late), np.bool_),
        "items with 0 earlier events": counts == 0,
        "items with 1 to 4": (counts >= 1) & (counts <= 4),
        "items with 5 to 19": (counts >= 5) & (counts <= 19),
        "items with 20 and more": counts >= 20,
    }
    return {name: _group(late[chosen], users[chosen], with_model, without) for name, chosen in groups.items()}


def _late(events: Sequence[LogEvent], places: Sequence[Places]) -> tuple[Int64Array, Int32Array]:
    """Return the events of the last half that all have scored, and a number for the user of each."""
    scored = np.flatnonzero(np.logical_and.reduce([one != NOT_SCORED for one in places]))
    late = scored[scored >= len(events) // 2]
    numbers: dict[str, int] = {}
    return late, np.array([numbers.setdefault(events[at].user_id, len(numbers)) for at in late], np.int32)


def arms_of(stats: RoundStats) -> dict[str, dict[str, float]]:
    """Return looks at published lists and their hit rate, by arm, since the model serves."""
    return {
        arm: {"n": stats.arm_looks[arm], "hr@20": stats.arm_hits[arm] / max(1, stats.arm_looks[arm])} for arm in ARMS
    }


def _group(at: Any, users: Any, with_model: Places, without: Places) -> dict[str, Any]:
    figures: dict[str, Any] = {"n": len(at)}
    for name, score in (("hr@20", _hits), ("mrr@20", _reciprocal_ranks)):
        ours, others = score(with_model[at]), score(without[at])
        figures[name] = {
            "with": float(ours.mean()) if len(at) else 0.0,
            "without": float(others.mean()) if len(at) else 0.0,
            "interval": clustered_difference(ours, users)._asdict(),
            "difference": clustered_difference(ours - others, users)._asdict(),
        }
    return figures


def _hits(places: Places) -> Float64Array:
    return ((places > 0) & (places <= LIST_SIZE)).astype(np.float64)


def _reciprocal_ranks(places: Places) -> Float64Array:
    return np.where(places > 0, 1.0 / np.maximum(places, 1), 0.0)


def events_before(events: Sequence[LogEvent]) -> list[int]:
    """Return, per event, how many events its item had before it."""
    seen: dict[str, int] = {}
    before = []
    for event in events:
        before.append(seen.get(event.item_id, 0))
        seen[event.item_id] = before[-1] + 1
    return before
