"""The queue between Faust and a lane."""

from __future__ import annotations

import asyncio

from stream_rec.roles.batch_queue import BatchQueue


def test_a_full_queue_holds_its_producer_back_until_something_is_taken() -> None:
    async def scenario() -> list[bool]:
        queue = BatchQueue(2)
        await queue.put("a")
        await queue.put("b")
        third = asyncio.create_task(queue.put("c"))
        await asyncio.sleep(0)
        held_back = not third.done()
        taken = queue.take(1) == ["a"]
        await third
        return [held_back, taken, queue.take(9) == ["b", "c"]]

    assert asyncio.run(scenario()) == [True, True, True]


def test_closing_returns_what_waits_and_refuses_the_rest() -> None:
    async def scenario() -> tuple[list[object], bool, bool]:
        queue = BatchQueue(1)
        await queue.put("a")
        blocked = asyncio.create_task(queue.put("b"))
        await asyncio.sleep(0)
        waiting = queue.close()
        return waiting, await blocked, await queue.put("c")

    assert asyncio.run(scenario()) == (["a"], False, False)


def test_waiting_ends_with_an_event_a_timeout_or_the_closing() -> None:
    async def scenario() -> None:
        queue = BatchQueue(1)
        await queue.wait(0.001)
        asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(queue.put("a")))
        await queue.wait(60)
        queue.close()
        await queue.wait(60)

    asyncio.run(asyncio.wait_for(scenario(), 5))
