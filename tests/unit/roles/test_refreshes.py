"""The walk over a partition's users: begun by another model, kept through a restart, ended once."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stream_rec.adapters.metrics import Metrics
from stream_rec.core.state.items import ItemTable
from stream_rec.roles.effects import Effects, Round
from stream_rec.roles.parts import Parts
from stream_rec.roles.refreshes import PIECE_USERS, REFRESH_KEY, Refreshes
from tests.twins.plane_shop import START_MS, PlaneShop
from tests.twins.small_model import small_model

USERS = 2 * PIECE_USERS + 3


class MemoryEffects:
    """Writes at once."""

    def __init__(self, shop: PlaneShop) -> None:
        self._shop = shop
        self.lists = 0

    async def settle(self) -> None:
        pass

    async def submit(self, one: Round) -> None:
        self._shop.store.write(one.result.puts.get(0, []), 0)
        self.lists += len(one.result.lists)


class Worker:
    def __init__(self) -> None:
        self.shop, self.metrics = PlaneShop(), Metrics()
        for number in range(USERS):
            self.shop.view(f"user-{number:03}", "AB", 0)
        self.parts: Any = SimpleNamespace(
            users=self.shop.users, stores={0: self.shop.store}, metrics=self.metrics,
            lease=SimpleNamespace(check=lambda: None),
            settings=SimpleNamespace(worker=SimpleNamespace(refresh_users_per_s=1e9)),
        )  # fmt: skip
        self.effects = MemoryEffects(self.shop)
        self.restart()

    def restart(self) -> None:
        self.refreshes = Refreshes(cast(Parts, self.parts), [0], cast(Effects, self.effects), lambda _: START_MS)
        self.refreshes.begin()

    def serve(self, version: str) -> None:
        self.shop.users.serve(small_model(1, self.shop.items, version=version))

    def pieces(self, most: int = 100) -> int:
        """Run until nothing is left; return how many lists that gave."""
        before, self.refreshes._due_s = self.effects.lists, 0.0
        for _ in range(most):
            asyncio.run(self.refreshes.run_if_due())
        return self.effects.lists - before


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_without_a_model_there_is_nothing_to_do(worker: Worker) -> None:
    assert worker.pieces() == 0
    assert worker.refreshes.pause_s() == float("inf")


def test_every_user_gets_a_list_of_another_version_once(worker: Worker) -> None:
    worker.serve("v0001")
    assert worker.pieces() == USERS
    assert worker.pieces() == 0
    worker.serve("v0002")
    assert worker.pieces() == USERS


def test_a_restart_goes_on_where_the_walk_was(worker: Worker) -> None:
    worker.serve("v0001")
    first = worker.pieces(most=1)
    assert first == PIECE_USERS
    worker.restart()
    assert worker.pieces() == USERS - first
    worker.restart()
    assert worker.pieces() == 0
    assert worker.shop.store.get_many([REFRESH_KEY])[0] is not None


def test_what_is_left_is_measured(worker: Worker) -> None:
    def left() -> float | None:
        return worker.metrics.registry.get_sample_value("stream_rec_refresh_partitions_left")

    worker.serve("v0001")
    worker.pieces(most=1)
    assert left() == 1.0
    worker.pieces()
    assert left() == 0.0


def test_another_share_of_the_users_is_a_reason(worker: Worker) -> None:
    worker.serve("v0001")
    assert worker.pieces() == USERS
    worker.shop.users._publisher.model_share = 0.5
    worker.restart()
    assert worker.pieces() == USERS, "of both arms"
    assert worker.pieces() == 0


def test_a_model_that_learns_of_many_items_is_a_reason_and_one_item_is_none(worker: Worker) -> None:
    items: ItemTable = worker.shop.items
    for number in range(40):
        items.intern(f"item-{number}")
    worker.serve("v0001")
    worker.shop.view("user-000", "AB", 5_000)
    assert worker.pieces() == USERS
    for number in range(40, 60):
        items.intern(f"item-{number}")
    worker.shop.view("user-000", "AB", 10_000)  # the model learns of new rows of the table when it is asked
    assert worker.pieces() > 0


def test_a_catalogue_that_grows_meanwhile_lets_nobody_wait_for_ever(worker: Worker) -> None:
    worker.serve("v0001")
    first = worker.pieces(most=1)
    for number in range(60):
        worker.shop.items.intern(f"item-{number}")
    worker.shop.view("user-000", "AB", 10_000)
    rest = math.ceil(USERS / PIECE_USERS) - 1
    assert worker.pieces(most=rest) == USERS - first, "on behind the first, not from there again"
    assert worker.pieces() > 0, "and then once more"
