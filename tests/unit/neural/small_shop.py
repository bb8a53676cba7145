"""A shop small enough to train on in a second: users walk along short chains of items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stream_rec.neural.recipe import ModelShape, Recipe, Schedule

CHAINS, CHAIN_LENGTH = 6, 5
TEXTS = {
    f"item-{chain}-{step}": f"{colour} {thing}"
    for chain, colour in enumerate(("red", "blue", "green", "white", "black", "silver"))
    for step, thing in enumerate(("cup", "plate", "lamp", "candle", "clock"))
}
TINY = Recipe(
    teacher=ModelShape(width=16, layers=2, heads=2, length=12, dropout=0.1, per_item=False),
    student=ModelShape(width=16, layers=1, heads=2, length=8, dropout=0.1, per_item=True),
    teacher_schedule=Schedule(3, 5e-3),
    student_schedule=Schedule(3, 5e-3),
    batch_tokens=256,
)


class Line(NamedTuple):
    """One event of a log."""

    timestamp_ms: int
    user_id: str
    item_id: str
    event: str = "view_item"
    quantity: float | None = None
    session_id: str | None = None


def chain_log(events: int = 2_000, users: int = 40, seed: int = 0) -> list[Line]:
    """Every user goes on to the next item of a chain, four times out of five."""
    rng = np.random.default_rng(seed)
    at = {user: (int(rng.integers(CHAINS)), 0) for user in range(users)}
    lines = []
    for index in range(events):
        user = int(rng.integers(users))
        chain, step = at[user]
        stay = rng.random() < 0.8
        at[user] = (chain, (step + 1) % CHAIN_LENGTH) if stay else (int(rng.integers(CHAINS)), 0)
        lines.append(Line(1_000 * index, f"user-{user}", "item-{}-{}".format(*at[user])))
    return lines
