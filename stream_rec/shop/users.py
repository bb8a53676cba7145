"""The shop's users: how active they are, what they like today, what they bought and may buy again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_rec.shop.catalogue import Catalogue
from stream_rec.shop.demand import Demand, Floats, Items, pick

POOL_LIMIT = 200_000
"""Users alive at once: memory stays bounded however many users a load test asks for."""

NEWCOMERS = 0.3  # of the visits, in a shop of more users than the pool: a newcomer takes an old user's place
ACTIVITY_SIGMA = 1.2
LOOKS, LOOKS_SIGMA = 7.0, 0.5  # median of the looks in a visit, and how much users differ
INTERESTS = 4
INTEREST_WEIGHTS = np.array([0.5, 0.24, 0.16, 0.1])
DRIFT_DAYS = 45.0  # mean time until one of the interests is replaced
MEMORY = 16  # bought or left-in-cart items a user may come back to
FADE = 0.93  # pull of an item per newer one in memory
CONSUMABLE_PULL, DURABLE_PULL, LEFT_PULL = 1.0, 0.35, 0.5
REFILL_DAYS = 10.0  # a consumable's pull grows as 1 - exp(-days/REFILL_DAYS) after it was bought


class Users:
    """State of the pool, one row per user alive; about 300 bytes each.

    Attributes
    ----------
    look_chance
        float64[pool], that another look follows in a visit.
    number
        int64[pool], the user's number for all time (its id).
    interests
        int64[pool, INTERESTS], shelves; `INTEREST_WEIGHTS` says how much each counts.
    memory, memory_pull, memory_day
        [pool, MEMORY] rings of items, -1 where empty.
    free_ms
        int64[pool], end of the last visit.
    """

    def __init__(self, users: int, catalogue: Catalogue, demand: Demand, rng: np.random.Generator) -> None:
        if users < 1:
            raise ValueError(f"shop: need at least 1 user; got {users}. Pass --users 2000.")
        pool = min(users, POOL_LIMIT)
        self.users, self.pool, self.seen = users, pool, pool
        self._n_styles = catalogue.n_styles
        self._consumable = catalogue.consumable
        activity = np.exp(ACTIVITY_SIGMA * rng.standard_normal(pool))
        self._activity = np.cumsum(activity)
        looks = LOOKS * np.exp(LOOKS_SIGMA * rng.standard_normal(pool))
        self.look_chance = looks / (1.0 + looks)
        self.number = np.arange(pool, dtype=np.int64)
        self.interests = self._new_interests(pool, demand, rng)
        self.memory = np.full((pool, MEMORY), -1, np.int64)
        self.memory_pull = np.zeros((pool, MEMORY), np.float32)
        self.memory_day = np.zeros((pool, MEMORY), np.float32)
        self._memory_next = np.zeros(pool, np.int64)
        self._taste_day = np.zeros(pool)
        self.free_ms = np.zeros(pool, np.int64)

    def choose(self, n: int, rng: np.random.Generator) -> Items:
        """Return up to `n` different users who come next, by activity, in order of arrival."""
        drawn = np.searchsorted(self._activity, rng.random(n) * self._activity[-1], side="right")
        _, first = np.unique(np.minimum(drawn, self.pool - 1), return_index=True)
        return np.asarray(np.minimum(drawn, self.pool - 1)[np.sort(first)], dtype=np.int64)

    def arrive(self, who: Items, day: float, demand: Demand, rng: np.random.Generator) -> None:
        """Start a visit: some users are newcomers, and tastes have drifted since the last one."""
        fresh = rng.random(len(who)) < NEWCOMERS
        n_new = min(int(fresh.sum()), self.users - self.seen)
        newcomers = who[fresh][:n_new]
        self.number[newcomers] = self.seen + np.arange(n_new)
        self.seen += n_new
        self.interests[newcomers] = self._new_interests(n_new, demand, rng)
        self.memory[newcomers], self.memory_pull[newcomers], self._taste_day[newcomers] = -1, 0.0, day
        moved = rng.random(len(who)) < -np.expm1((self._taste_day[who] - day) / DRIFT_DAYS)
        slot = rng.integers(0, INTERESTS, len(who))
        other = self._new_interests(len(who), demand, rng)[:, 0]
        near = self._same_style(self.interests[who, 0], demand, rng)
        self.interests[who, slot] = np.where(moved, np.where(slot % 2 == 1, near, other), self.interests[who, slot])
        self._taste_day[who] = day

    def remember(self, who: Items, item: Items, bought: npt.NDArray[np.bool_], day: float) -> None:
        """Put one item per user into the memory; `who` must not repeat."""
        place = self._memory_next[who] % MEMORY
        pull = np.where(bought, np.where(self._consumable[item], CONSUMABLE_PULL, DURABLE_PULL), LEFT_PULL)
        self.memory[who, place], self.memory_pull[who, place], self.memory_day[who, place] = item, pull, day
        self._memory_next[who] += 1

    def comeback(self, who: Items, day: float) -> tuple[Items, Floats]:
        """Return each user's remembered items and their pull today, int64 and float64 [n, MEMORY]."""
        items = self.memory[who]
        newer = (self._memory_next[who][:, None] - 1 - np.arange(MEMORY)) % MEMORY
        pull = self.memory_pull[who] * FADE**newer
        refill = -np.expm1((self.memory_day[who] - day) / REFILL_DAYS)
        used_up = self._consumable[np.maximum(items, 0)] & (self.memory_pull[who] == CONSUMABLE_PULL)
        return items, np.asarray(pull * np.where(used_up, np.maximum(refill, 0.0), 1.0) * (items >= 0), np.float64)

    def _new_interests(self, n: int, demand: Demand, rng: np.random.Generator) -> Items:
        """Two shelves by demand, each followed by one of the same style."""
        by_demand = np.cumsum(demand.shelf_mass)
        first = np.searchsorted(by_demand, rng.random((n, 2)) * by_demand[-1], side="right")
        first = np.minimum(first, len(by_demand) - 1)
        chosen = np.empty((n, INTERESTS), np.int64)
        chosen[:, 0], chosen[:, 2] = first[:, 0], first[:, 1]
        chosen[:, 1] = self._same_style(first[:, 0], demand, rng)
        chosen[:, 3] = self._same_style(first[:, 1], demand, rng)
        return chosen

    def _same_style(self, shelf: Items, demand: Demand, rng: np.random.Generator) -> Items:
        """Return a shelf of the same style in another category, by demand."""
        style = shelf % self._n_styles
        mass = demand.shelf_mass.reshape(-1, self._n_styles).T[style]
        return np.asarray(pick(mass, rng.random(len(shelf))) * self._n_styles + style, dtype=np.int64)
