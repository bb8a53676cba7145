"""What happens in a visit: looks, items put into the cart, the checkout, and now and then a return weeks later."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stream_rec.shop.demand import Items
from stream_rec.shop.judge import Judge
from stream_rec.shop.oracle import Moment
from stream_rec.shop.seasons import DAY_MS
from stream_rec.shop.users import Users
from stream_rec.shop.visits import MAX_VIEWS, Visits

EVENT_NAMES = ("view_item", "add_to_cart", "purchase", "refund")
VIEW, CART, PURCHASE, REFUND = range(4)

CART_CHANCE = 0.2  # that an item looked at is put into the cart
PAY_CHANCE = 0.7  # that a cart is paid when the looks are over
REFUND_CHANCE = 0.022  # of a purchase; Online Retail: 8,905 cancelled of 397,884 lines
REFUND_MS = (2 * DAY_MS, 20 * DAY_MS)
MAX_CART = 8
QUANTITIES = np.array([1, 1, 1, 1, 2, 2, 3, 4, 6, 12], np.int16)
LOOK_MS, LOOK_SIGMA, LONGEST_LOOK_MS = 30_000.0, 1.0, 900_000.0
CART_MS, PAY_MS = (3_000, 25_000), (30_000, 180_000)

Columns = tuple[npt.NDArray[np.integer[Any]], ...]


class Checkout:
    """Plays a batch of visits to their end and writes down their events.

    Parameters
    ----------
    visits
        Mutated: what was seen.
    start_ms
        int64[n], when each visit begins.
    users
        Mutated: what they will come back to.
    judge
        Asks the oracle about a sample of the events.
    """

    def __init__(self, visits: Visits, start_ms: Items, users: Users, judge: Judge, rng: np.random.Generator) -> None:
        self._visits, self._users, self._judge, self._rng = visits, users, judge, rng
        self.now_ms = start_ms.astype(np.int64)
        self._cart = np.full((len(start_ms), MAX_CART), -1, np.int64)
        self._in_cart = np.zeros(len(start_ms), np.int64)
        self._just_carted = np.zeros(len(start_ms), np.bool_)
        self._parts: list[Columns] = []

    def play(self) -> Columns:
        """Return row, time_ms, item, kind, quantity, oracle rank of every event, in the order they happened."""
        rows = np.arange(len(self.now_ms))
        for _ in range(MAX_VIEWS):
            self._look(rows)
            self._put_into_cart(rows)
            rows = rows[self._rng.random(len(rows)) < self._visits.look_chance[rows]]
            if not len(rows):
                break
            gap = LOOK_MS * np.exp(LOOK_SIGMA * self._rng.standard_normal(len(rows)))
            self.now_ms[rows] += np.minimum(gap, LONGEST_LOOK_MS).astype(np.int64) + 1
        self._pay()
        return tuple(np.concatenate(list(column)) for column in zip(*self._parts, strict=True))

    def moment(self, row: int) -> Moment:
        """Return what may happen next in a visit, as far as its history tells."""
        if self._visits.current[row] < 0:
            return Moment(cart=0.0, look=1.0, pay=0.0, paid=-1)
        can_cart = not self._just_carted[row] and self._in_cart[row] < MAX_CART
        cart = CART_CHANCE if can_cart else 0.0
        pay = PAY_CHANCE if self._in_cart[row] else 0.0
        look = float(self._visits.look_chance[row])
        return Moment(cart, (1 - cart) * look, (1 - cart) * (1 - look) * pay, int(self._cart[row, 0]))

    def _look(self, rows: Items) -> None:
        asked = self._judge.ask(self._visits, rows, self.moment)
        item = self._visits.look(rows, self._rng)
        self._just_carted[rows] = False
        self._write(rows, item, VIEW, self._judge.ranks(asked, item))

    def _put_into_cart(self, rows: Items) -> None:
        wanted = (self._rng.random(len(rows)) < CART_CHANCE) & (self._in_cart[rows] < MAX_CART)
        rows = rows[wanted]
        item = self._visits.current[rows]
        ranks = self._judge.ranks(self._judge.ask(self._visits, rows, self.moment), item)
        self.now_ms[rows] += self._between(CART_MS, len(rows))
        self._cart[rows, self._in_cart[rows]] = item
        self._in_cart[rows] += 1
        self._just_carted[rows] = True
        self._write(rows, item, CART, ranks)

    def _pay(self) -> None:
        rows = np.flatnonzero(self._in_cart)
        paid = np.zeros(len(self.now_ms), np.bool_)
        paid[rows] = self._rng.random(len(rows)) < PAY_CHANCE
        self.now_ms[paid] += self._between(PAY_MS, int(paid.sum()))
        for line in range(MAX_CART):
            rows = np.flatnonzero(self._in_cart > line)
            if not len(rows):
                break
            self._users.remember(self._visits.who[rows], self._cart[rows, line], paid[rows], self._visits.day)
            self._pay_line(rows[paid[rows]], line)

    def _pay_line(self, rows: Items, line: int) -> None:
        """After the first line the cart tells the oracle the next one for sure."""
        item = self._cart[rows, line]
        asked = self._judge.ask(self._visits, rows, self.moment if line == 0 else None)
        quantity = self._rng.choice(QUANTITIES, len(rows))
        self._write(rows, item, PURCHASE, self._judge.ranks(asked, item), quantity)
        back = self._rng.random(len(rows)) < REFUND_CHANCE
        delay = self._between(REFUND_MS, int(back.sum()))
        never = np.full(len(delay), -1, np.int8)
        self._write(rows[back], item[back], REFUND, never, quantity[back], delay)

    def _between(self, limits_ms: tuple[int, int], n: int) -> Items:
        return self._rng.integers(limits_ms[0], limits_ms[1], n)

    def _write(
        self,
        rows: Items,
        item: Items,
        kind: int,
        ranks: npt.NDArray[np.int8],
        quantity: npt.NDArray[np.int16] | None = None,
        delay_ms: Items | int = 0,
    ) -> None:
        kinds = np.full(len(rows), kind, np.int8)
        number = np.ones(len(rows), np.int16) if quantity is None else quantity
        self._parts.append((rows, self.now_ms[rows] + delay_ms, item, kinds, number, ranks))
