"""What learning one event costs: its gradient, its share of a frame, and applying both in the item plane."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from benchmarks.kernels.big_table import NOW_MS, BigTable
from benchmarks.kernels.timing import least_us
from benchmarks.kernels.visitors import state_of, visitors
from stream_rec.core.deltas import CountEntry, FrameBuilder
from stream_rec.core.factor_learning import FactorLearner
from stream_rec.core.item_plane import ItemPlane
from stream_rec.core.state.user import UserState

ROUND = 256
"""Events of a frame, as a worker that is behind has them."""


class LearnUs(NamedTuple):
    """µs of one event."""

    gradient: float
    frame: float
    apply: float

    @property
    def learn(self) -> float:
        """The gradient, and counts and gradients into the table; frames stand apart."""
        return self.gradient + self.apply


def measure_learning(table: BigTable, seconds: float) -> LearnUs:
    """Learn rounds of events of users who differ; the table is changed."""
    states = [state_of(user, table) for user in visitors(table, ROUND, seed=3)]
    rows = [int(row) for row in np.random.default_rng(4).choice(table.members[:, :100].ravel(), ROUND)]
    learner = FactorLearner(table.items.preset.factors, table.items, 1)
    plane, offset = ItemPlane(table.items, 1), 0
    plane.assign(0, None)

    def gradient(at: int) -> None:
        learner.learn((0, 0, at), rows[at], states[at], at)
        learner.round.n = 0  # the next one overwrites it

    gradient_us = least_us(gradient, range(ROUND), seconds)
    frame_s = apply_s = float("inf")
    ends, rounds = time.perf_counter() + 3 * seconds, 0
    while rounds < 5 or time.perf_counter() < ends:
        learner.round.clear()
        for at in range(ROUND):
            learner.learn((0, 0, offset + at), rows[at], states[at], offset + at)
        began = time.perf_counter()
        frame = _frame(table, learner, rows, states, offset)
        framed = time.perf_counter()
        plane.apply(0, frame, rounds)
        apply_s = min(apply_s, time.perf_counter() - framed)
        frame_s = min(frame_s, framed - began)
        offset, rounds = offset + ROUND, rounds + 1
    return LearnUs(gradient_us, frame_s / ROUND * 1e6, apply_s / ROUND * 1e6)


def _frame(table: BigTable, learner: FactorLearner, rows: list[int], states: list[UserState], offset: int) -> bytes:
    """Return the frame of a round whose gradients have been computed."""
    cooc, builder = table.items.preset.cooc, FrameBuilder(1)
    weights = [k**-cooc.distance_power for k in range(1, cooc.window + 1)]
    for at, (row, state) in enumerate(zip(rows, states, strict=True)):
        before = state.history.hashes_view()[: -cooc.window - 1 : -1].tolist()
        item_id = table.items.ids[row] or ""
        builder.add(
            CountEntry(0, 0, offset + at, 0, NOW_MS, item_id, int(table.items.hashes[row]), 1.0, before, weights)
        )
    return builder.build(learner.take_parts())[0]
