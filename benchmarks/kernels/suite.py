"""All figures of one core, size by size."""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.kernels.big_table import big_table, bytes_per_item
from benchmarks.kernels.learning import LearnUs, measure_learning
from benchmarks.kernels.numpy_twin import NumpyTwin
from benchmarks.kernels.second_stage import cascade_over
from benchmarks.kernels.stages import stage_us
from benchmarks.kernels.timing import least_us
from benchmarks.kernels.visitors import visitors
from stream_rec.core.features import SECOND_FEATURES
from stream_rec.core.presets import PRESETS
from stream_rec.core.recommend import Recommender
from stream_rec.core.types import LIST_SIZE, NO_ROWS, UserView

SIZES = (3_700, 100_000, 1_000_000)
USERS = 256
TWIN_USERS = 32


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """What one table gave; µs per list or event."""

    n: int
    recommend_us: float
    cascade_us: float
    rerank_us: float
    learn: LearnUs
    bytes_per_item: float
    build_s: float
    numpy_twin_us: float | None
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """The sizes in order; the first is the one that single figures are of."""

    sizes: list[SizeFigures]

    def as_json(self) -> dict[str, object]:
        """Return the figures as `stream-rec bench kernels --json` prints them."""
        first = self.sizes[0]
        twin = first.numpy_twin_us or 0.0
        return {
            "recommend_us": {str(one.n): round(one.recommend_us, 1) for one in self.sizes},
            "learn_us": round(first.learn.learn, 1),
            "cascade_us": round(first.cascade_us, 1),
            "numpy_twin_us": round(twin, 1),
            "ratio_numpy_twin": round(twin / first.recommend_us, 1),
            "bytes_per_item": round(first.bytes_per_item),
            "sizes": {str(one.n): _detail(one) for one in self.sizes},
        }


def _detail(one: SizeFigures) -> dict[str, object]:
    return {
        "cascade_us": round(one.cascade_us, 1),
        "rerank_us": round(one.rerank_us, 1),
        "learn_us": {name: round(us, 1) for name, us in one.learn._asdict().items()},
        "build_s": round(one.build_s, 1),
        "stages_us": {name: round(us, 2) for name, us in one.stages.items()},
    }


def measure(sizes: tuple[int, ...] = SIZES, seconds: float = 1.0) -> Figures:
    """Build each table, measure on it, let go of it."""
    figures = []
    for n in sizes:
        _say(f"{n:,} items")
        figures.append(_measure_size(n, seconds, with_twin=n == sizes[0]))
        gc.collect()
    return Figures(figures)


def _measure_size(n: int, seconds: float, with_twin: bool) -> SizeFigures:
    preset = PRESETS["retail"]
    began = time.perf_counter()
    table = big_table(n, preset)
    build_s = time.perf_counter() - began
    users = visitors(table, USERS)
    recommender = Recommender(preset, table.items, LIST_SIZE)
    recommender.linear = True
    recommend_us = least_us(lambda user: recommender.recommend(user, NO_ROWS), users, seconds)
    stages = stage_us(table.items, users, LIST_SIZE)
    cascade_us, rerank_us = _second_stage(recommender, users, recommend_us, seconds)
    twin = NumpyTwin(table.items, LIST_SIZE)
    twin_us = least_us(twin.recommend, users[:TWIN_USERS], seconds) if with_twin else None
    learn = measure_learning(table, seconds / 3)  # last: it changes the table
    return SizeFigures(
        n, recommend_us, cascade_us, rerank_us, learn, bytes_per_item(table.items), build_s, twin_us, stages
    )


def _second_stage(
    recommender: Recommender, users: list[UserView], without_us: float, seconds: float
) -> tuple[float, float]:
    """Return what the second stage adds to `without_us`, and its forest alone."""
    recommender.second = cascade_over(np.zeros((1, len(SECOND_FEATURES)), np.float32), recommender.items.preset)
    looks = [look for user in users if (look := recommender.look(user, NO_ROWS).second) is not None]
    cascade = cascade_over(np.concatenate([look.features for look in looks]), recommender.items.preset)
    recommender.second = cascade
    with_us = least_us(lambda user: recommender.recommend(user, NO_ROWS), users, seconds)
    rerank_us = least_us(lambda look: cascade.rerank(look.features, look.linear), looks, seconds / 3)
    recommender.second = None
    return with_us - without_us, rerank_us


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
