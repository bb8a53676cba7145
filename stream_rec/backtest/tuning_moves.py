"""What tuning may change: the parameters that matter, and the values each is tried at."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stream_rec.core.parameters import Parameters
from stream_rec.core.presets import DAY_MS

Ladders = Mapping[str, Sequence[int | float]]
"""Parameter -> the values it is tried at, ascending."""

LADDERS: Ladders = {
    "cooc.in_session": (0.1, 0.3, 1.0, 1.5, 2.5),
    "cooc.history_power": (0.7, 1.0, 1.25, 1.5, 1.8, 2.2),
    "cooc.window": (3, 5, 8, 12, 20),
    "cooc.distance_power": (0.25, 0.5, 1.0, 1.5, 2.0),
    "cooc.other_session": (0.05, 0.15, 0.3, 0.5, 0.8, 1.0),
    "cooc.mass_power": (0.4, 0.55, 0.7, 0.85, 1.0),
    "cooc.candidate_power": (0.0, 0.1, 0.2, 0.3, 0.4),
    "cooc.backward_weight": (0.5, 1.0, 1.5, 2.0),
    "cooc.decay_ms": tuple(days * DAY_MS for days in (7, 14, 30, 60, 90, 180, 365)),
    "hop.items": (0, 2),
    "factors.learning_rate": (0.05, 0.1, 0.2, 0.3, 0.45),
    "factors.session_cost": (0.0, 1.5, 3.0, 5.0),
    "ranker.learning_rate": (0.005, 0.01, 0.015, 0.02, 0.03),
}


class Move(NamedTuple):
    """One parameter, one value, and which way it lies from the present one (+1 or -1)."""

    name: str
    value: int | float
    way: int

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


def moves(present: Parameters, ladders: Ladders = LADDERS) -> Iterator[Move]:
    """Yield for every parameter the next value below and above the present one, where there is one.

    Examples
    --------
    >>> [str(move) for move in moves({"hop.items": 0, "cooc.window": 6}, {"hop.items": (0, 2), "cooc.window": (5, 8)})]
    ['hop.items=2', 'cooc.window=5', 'cooc.window=8']
    """
    for name in ladders:
        for way in (-1, 1):
            move = next_move(name, way, present, ladders)
            if move is not None:
                yield move


def next_move(name: str, way: int, present: Parameters, ladders: Ladders = LADDERS) -> Move | None:
    """Return the step from the present value of `name` one way, `None` at the end of its ladder."""
    ladder, value = ladders[name], present[name]
    place = bisect_right(ladder, value) if way > 0 else bisect_left(ladder, value) - 1
    return Move(name, ladder[place], way) if 0 <= place < len(ladder) else None
