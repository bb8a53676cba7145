"""The slow, readable twins of the baselines' kernels."""

from __future__ import annotations

from math import log

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


class VmisTwin:
    """VMIS-kNN over plain lists: every session as (number, items, number of its last event)."""

    def __init__(self) -> None:
        self.items: dict[int, list[int]] = {}
        self.last_event: dict[int, int] = {}
        self.first_met: list[tuple[int, int]] = []  # (session, item) in the order of first meetings

    def learn(self, session: int, item: int, clock: int) -> None:
        self.last_event[session] = clock
        if item not in self.items.setdefault(session, []):
            self.items[session].append(item)
            self.first_met.append((session, item))

    def scores(self, evolving: list[int], own: int, m: int, k: int, known: int) -> list[float]:
        newest_first = evolving[::-1]
        position = {item: newest_first.index(item) + 1 for item in evolving}
        similarity: dict[int, int] = {}
        for item, place in position.items():
            met = [session for session, other in reversed(self.first_met) if other == item and session != own]
            for session in met[:m]:
                similarity[session] = similarity.get(session, 0) + len(evolving) + 1 - place
        recent = sorted(similarity, key=lambda session: -self.last_event[session])[:m]
        nearest = sorted(recent, key=lambda session: (-similarity[session], -self.last_event[session]))[:k]
        scores = [0.0] * known
        for session in nearest:
            # The shared item has to be one this session was found by: among the newest m of the item.
            shared = min(position[item] for item in position if self._found_by(item, session, own, m))
            for item in self.items[session]:
                scores[item] += similarity[session] * max(0.0, 1 - 0.1 * shared)
        return [score * self._idf(item) if score else 0.0 for item, score in enumerate(scores)]

    def _found_by(self, item: int, session: int, own: int, m: int) -> bool:
        met = [one for one, other in reversed(self.first_met) if other == item and one != own]
        return session in met[:m]

    def _idf(self, item: int) -> float:
        return log(len(self.first_met) / sum(other == item for _, other in self.first_met))


def element_wise_step(
    x: Float64Array, others: Float64Array, extra: Float64Array, missing: Float64Array, gram: Float64Array, reg: float
) -> Float64Array:
    """He et al.'s update of every coordinate in turn, each sum written out; `others` float64[n, d]."""
    x = x.copy()
    for f in range(len(x)):
        top = sum(
            (c + e - e * (x @ y - x[f] * y[f])) * y[f] for y, e, c in zip(others, extra, missing, strict=True)
        ) - sum(x[g] * gram[f, g] for g in range(len(x)) if g != f)
        x[f] = top / (sum(e * y[f] ** 2 for y, e in zip(others, extra, strict=True)) + gram[f, f] + reg)
    return x
