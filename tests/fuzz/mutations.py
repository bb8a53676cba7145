"""Seeded bad messages: valid events and what can go wrong with them on the way. Shares no code with stream_rec.

`mutations(seed, n)` yields (topic, key, value); the same seed gives the same messages. About three in ten are valid and
fresh, so that a live worker has something to do between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Message = tuple[str, bytes | None, bytes | None]
Fields = dict[str, Any]

CLICKS, PURCHASES = "clicks", "purchases"
START_MS = 1_700_000_000_000
VALID_SHARE = 0.3
HUGE_EVERY = 5_000
"""One 10 MB value in so many: 20 in 100,000. The topic and the producer must allow them."""
HUGE_BYTES = 10_000_000
CLICK_EVENTS = ["view_item", "select_item", "add_to_cart", "remove_from_cart", "add_to_wishlist", "dislike", "hide"]
USERS, ITEMS = 500, 300


def valid_event(random: Random, number: int) -> Fields:
    """An event a shop would send."""
    user, item = f"user-{random.randrange(USERS)}", f"item-{int(ITEMS * random.random() ** 2)}"
    fields: Fields = {"event_id": f"f-{number}", "user_id": user, "timestamp_ms": START_MS + number * 50}
    kind = random.random()
    if kind < 0.02:
        return {"event": "identify", **fields}
    if kind < 0.8:
        return {"event": random.choice(CLICK_EVENTS), **fields, "item_id": item, "session_id": f"s-{user}"}
    lines = [
        {"item_id": f"item-{random.randrange(ITEMS)}", "quantity": 1 + k, "price": 2.5}
        for k in range(random.randint(1, 5))
    ]
    return {"event": random.choice(["purchase"] * 9 + ["refund"]), **fields, "currency": "GBP", "items": lines}


def message(event: Fields) -> Message:
    """The event as its record."""
    topic = PURCHASES if event.get("event") in ("purchase", "refund") else CLICKS
    user = event.get("user_id")
    key = user.encode(errors="replace") if isinstance(user, str) else b"user-0"
    return topic, key, json.dumps(event).encode()


# Each changes one thing. Names are those of what goes wrong, so that a failing run can say which.
def not_json(random: Random, event: Fields) -> Message:
    topic, key, value = message(event)
    assert value
    broken = [
        b"",
        b"garbage",
        b"<xml/>",
        value[: random.randrange(len(value))],
        value + b"}",
        value.replace(b":", b"", 1),
    ]
    return topic, key, random.choice(broken)


def random_bytes(random: Random, event: Fields) -> Message:
    return message(event)[0], message(event)[1], random.randbytes(random.randrange(300))


def flipped_bytes(random: Random, event: Fields) -> Message:
    topic, key, value = message(event)
    raw = bytearray(value or b"")
    for _ in range(random.randint(1, 5)):
        raw[random.randrange(len(raw))] = random.randrange(256)
    return topic, key, bytes(raw)


def not_an_object(random: Random, event: Fields) -> Message:
    return message(event)[0], message(event)[1], random.choice([b"[]", b"null", b"7", b'"text"', b"true", b"[[[{}]]]"])


def wrong_type(random: Random, event: Fields) -> Message:
    field = random.choice(list(event))
    return message({**event, field: random.choice([None, True, 7, -1.5, [], {}, "x", [{"item_id": 7}], {"a": [1]}])})


def missing_field(random: Random, event: Fields) -> Message:
    gone = random.choice(["event", "event_id", "user_id", "timestamp_ms", "item_id", "items"])
    return message({name: value for name, value in event.items() if name != gone})


def bad_id(random: Random, event: Fields) -> Message:
    field = random.choice(["user_id", "item_id", "event_id", "session_id"])
    bad = random.choice(["", "x" * 257, "é" * 129, "x" * 100_000, "\0watermark", "a\nb", "*", "\ud800", "\x7f"])
    return message({**event, field: bad})


def bad_number(random: Random, event: Fields) -> Message:
    field = random.choice(["quantity", "price", "position"])
    bad = random.choice([float("nan"), float("inf"), float("-inf"), -1, -0.5, 10**400, -(10**400), 10**4000])
    return message({**event, field: bad})


def bad_time(random: Random, event: Fields) -> Message:
    far = [-1, 2**53 + 1, 2**63, 10**30, 4_102_444_800_000, 9_000_000_000_000_000, 1.5, "2024-01-01"]
    return message({**event, "timestamp_ms": random.choice(far)})


def wrong_utf8(random: Random, event: Fields) -> Message:
    topic, key, value = message(event)
    assert value
    at = random.randrange(1, len(value))
    return (
        topic,
        key,
        value[:at] + random.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"]) + value[at:],
    )


def null_value(_random: Random, event: Fields) -> Message:
    return message(event)[0], message(event)[1], None


def null_key(_random: Random, event: Fields) -> Message:
    return message(event)[0], None, message(event)[2]


def wrong_key(random: Random, event: Fields) -> Message:
    topic, key, value = message(event)
    wrong = [b"", b"*", b"\xff\xfe", b"\0", (key or b"") + b" ", b"user-0x", b"k" * 2000]
    return topic, random.choice(wrong), value


def unknown_event(random: Random, event: Fields) -> Message:
    return message({**event, "event": random.choice(["", "viewed", "PURCHASE", "view_item ", "x" * 1000])})


def no_item(_random: Random, event: Fields) -> Message:
    return message({**event, "event": "view_item", "item_id": None, "items": []})


def bad_lines(random: Random, event: Fields) -> Message:
    lines: list[Any] = [{"item_id": "a"}] * random.choice([1, 501, 3000])
    bad = random.choice(
        [{"item_id": ""}, {}, None, [], {"item_id": "a", "quantity": -6}, {"item_id": "a", "price": "2"}]
    )
    return message({**event, "items": [*lines, bad]})


def deep_nesting(random: Random, event: Fields) -> Message:
    depth = random.choice([100, 2_000, 100_000])
    topic, key, value = message({**event, "note": "HERE"})
    opened, closed = random.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return topic, key, (value or b"").replace(b'"HERE"', opened * depth + b"1" + closed * depth)


def over_a_mebibyte(_random: Random, event: Fields) -> Message:
    return message({**event, "note": "x" * (1 << 20)})


def ten_megabytes(_random: Random, event: Fields) -> Message:
    return message({**event, "note": "x" * HUGE_BYTES})


def unknown_fields(random: Random, event: Fields) -> Message:
    """Valid: readers skip what they do not know."""
    return message({**event, "page": {"url": "/" + "x" * random.randrange(200)}, "version": 9, "Ünïcode": [None]})


MUTATIONS: list[Callable[[Random, Fields], Message]] = [
    not_json, random_bytes, flipped_bytes, not_an_object, wrong_type, missing_field, bad_id, bad_number, bad_time,
    wrong_utf8, null_value, null_key, wrong_key, unknown_event, no_item, bad_lines, deep_nesting, unknown_fields,
]  # fmt: skip
LARGE_SHARE = 0.002
"""Of the mutated: just over 1 MiB."""


def mutations(seed: int, n: int) -> Iterator[Message]:
    """Yield `n` messages: fresh valid ones, repeats (the same `event_id` again), and one of each kind of bad one."""
    random = Random(seed)
    sent: list[Message] = []
    for number in range(n):
        event = valid_event(random, number)
        draw = random.random()
        if number % HUGE_EVERY == HUGE_EVERY - 1:
            yield ten_megabytes(random, event)
        elif draw < VALID_SHARE:
            sent = [*sent[-19:], message(event)]
            yield sent[-1]
        elif draw < VALID_SHARE + 0.05 and sent:
            yield random.choice(sent)
        elif random.random() < LARGE_SHARE:
            yield over_a_mebibyte(random, event)
        else:
            yield random.choice(MUTATIONS)(random, event)
