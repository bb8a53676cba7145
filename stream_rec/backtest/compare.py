"""The product's own lists beside baselines from papers: the same log, the same events scored, one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from stream_rec.backtest.baselines.protocol import Sizes
from stream_rec.backtest.baselines.registry import build_baselines
from stream_rec.backtest.bootstrap import Difference, clustered_difference
from stream_rec.backtest.log_rows import LogEvent
from stream_rec.backtest.progress import Progress
from stream_rec.backtest.stream import Stream
from stream_rec.backtest.walk import NOT_SCORED, Places, Protocol, Walked, walk
from stream_rec.core.evaluate import RankMetrics
from stream_rec.core.presets import DEFAULT_PRESET, Preset
from stream_rec.core.types import Float64Array, Int64Array

PRODUCT = "stream-rec"
_COLUMNS = ("n", "hr@10", "hr@20", "mrr@20", "ndcg@10")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Places of every method, event by event.

    Attributes
    ----------
    stream
        The log's positive events.
    methods
        The product first; each one's `places` has one entry per event of the stream, scored where all are.
    half
        Number in the stream of the first event of the log's last half.
    """

    stream: Stream
    methods: tuple[Walked, ...]
    half: int

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """bool[n], the events every method was scored at."""
        scored: npt.NDArray[np.bool_] = self.methods[0].places != NOT_SCORED
        return scored

    @property
    def best_baseline(self) -> Walked:
        """The baseline of the highest HR@20 on the last half: chosen where it is reported, which can only favour it."""
        return max(self.methods[1:], key=lambda method: figures_of(method.places[self.half :])["hr@20"])

    def as_dict(self) -> dict[str, Any]:
        """Return every method's figures, the product first, and how far it is ahead of the best baseline."""
        return {
            "methods": [
                {
                    "name": method.name,
                    "last_half": figures_of(method.places[self.half :]),
                    "whole": figures_of(method.places),
                    "us_per_event": 1e6 * method.seconds / max(1, len(self.stream)),
                }
                for method in self.methods
            ],
            "best_baseline": self.best_baseline.name,
            "difference_hr@20": self.difference()._asdict(),
        }

    def difference(self) -> Difference:
        """Return how much higher the product's HR@20 is than the best baseline's on the last half."""
        scored = np.flatnonzero(self.scored)
        late = scored[scored >= self.half]
        gain = hits_of(self.methods[0], late) - hits_of(self.best_baseline, late)
        return clustered_difference(gain, self.stream.users[late])


def compare(
    events: Sequence[LogEvent], preset: Preset, exclude: str, product: Places, seconds: float, progress: Progress
) -> Comparison:
    """Run the baselines over the log the product has just been through.

    Parameters
    ----------
    exclude
        "nothing" or "had".
    product, seconds
        int8[events of the log], the product's places; its CPU seconds.
    progress
        Shows how far the baselines are.

    Notes
    -----
    Scored is what both protocols score: an event whose message the planes refuse is scored for nobody.
    """
    stream = Stream.of(events, preset.session_gap_ms)
    _warm_up()
    own = product[stream.log_index]
    baselines, protocol = build_baselines(stream.sizes(), preset.name), Protocol(_rule_for(exclude, preset))
    walked = walk(stream, baselines, protocol, progress, only=own != NOT_SCORED)
    by_all = (own != NOT_SCORED) & np.all([one.places != NOT_SCORED for one in walked], axis=0)
    methods = tuple(
        Walked(one.name, np.where(by_all, one.places, NOT_SCORED).astype(np.int8), one.seconds)
        for one in (Walked(PRODUCT, own, seconds), *walked)
    )
    return Comparison(stream, methods, int(np.searchsorted(stream.log_index, len(events) // 2)))


def _rule_for(exclude: str, preset: Preset) -> str:
    """Return what baselines leave out: an item of this session too, where the preset expects none to come back.

    They know the shop as well as the product does, then: on the first half of Online Retail it lifts VMIS-kNN's HR@20
    from .320 to .335 and its MRR@20 from .091 to .147. The default preset knows no shop, and so do they.
    """
    expects_none = preset.name != DEFAULT_PRESET and preset.cooc.in_session < 1.0
    return "session" if exclude == "nothing" and expects_none else exclude


def figures_of(places: Places) -> dict[str, float]:
    """Return n, HR@10, HR@20, MRR@20 and NDCG@10 of int8[n] places, those not scored left out.

    Examples
    --------
    >>> figures_of(np.array([1, 20, 0, 0, -1], np.int8))
    {'n': 4, 'hr@10': 0.25, 'hr@20': 0.5, 'mrr@20': 0.2625, 'ndcg@10': 0.25}
    """
    metrics = RankMetrics()
    for place in places[places != NOT_SCORED].tolist():
        metrics.add(place)
    return metrics.as_dict()


def hits_of(method: Walked, events: Int64Array) -> Float64Array:
    """Return float64[n]: 1 where the item of the event was among the 20, else 0."""
    return (method.places[events] > 0).astype(np.float64)


def table_of_methods(comparison: dict[str, Any]) -> Table:
    """Return the last half of every method as a table; `comparison` as `Comparison.as_dict` makes it."""
    table = Table(title="stream-rec and baselines from papers, last half")
    table.add_column("method")
    for column in (*_COLUMNS, "CPU µs/event"):
        table.add_column(column, justify="right")
    for method in comparison["methods"]:
        metrics = method["last_half"]
        shares = [f"{metrics[column]:.4f}" for column in _COLUMNS[1:]]
        table.add_row(method["name"], f"{metrics['n']:,}", *shares, f"{method['us_per_event']:.0f}")
    ahead = comparison["difference_hr@20"]
    table.caption = (
        f"HR@20, stream-rec minus {comparison['best_baseline']}: {ahead['mean']:+.4f}, "
        f"95 % interval {ahead['low']:+.4f} to {ahead['high']:+.4f}, users drawn"
    )
    return table


def _warm_up() -> None:
    """Compile the baselines' kernels, so that no method's time has the compiler's in it."""
    log = [LogEvent(index, index, f"user {index % 2}", f"item {index % 3}", "view_item") for index in range(12)]
    walk(Stream.of(log, 1000), build_baselines(Sizes(2, 3, 12), "retail"), Protocol(), list)
