"""decode_event: what passes, and the reason given for each way of breaking the contract."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream_rec.core.contract import ANYBODY, MAX_AHEAD_MS, MAX_TIMESTAMP_MS, REASONS
from stream_rec.core.events import KINDS, ItemLine, decode_event
from stream_rec.core.types import EventKind
from stream_rec.errors import ContractError

MAX_DETAIL = 1000
NOW_MS = 1_700_000_000_000
VIEW: dict[str, Any] = {
    "event": "view_item",
    "event_id": "e-1",
    "user_id": "anna",
    "item_id": "mug",
    "timestamp_ms": NOW_MS,
}


def view(**changes: Any) -> bytes:
    """A valid view_item with some fields changed; `...` takes a field away."""
    return msgspec.json.encode({name: value for name, value in {**VIEW, **changes}.items() if value is not ...})


def reason_of(value: bytes | None, key: bytes | None = b"anna", now_ms: int | None = NOW_MS) -> str:
    with pytest.raises(ContractError) as caught:
        decode_event(value, key, now_ms)
    assert caught.value.reason in REASONS
    assert ": need " in caught.value.detail and "; got " in caught.value.detail
    assert len(caught.value.detail) < MAX_DETAIL
    return caught.value.reason


def test_one_item_becomes_one_line_with_the_event_s_quantity_and_price() -> None:
    event = decode_event(view(quantity=2, price=3.5, session_id="s", list_id="l", position=4), b"anna", NOW_MS)
    assert event.kind is EventKind.VIEW_ITEM
    assert (event.event_id, event.user_id, event.timestamp_ms) == ("e-1", "anna", NOW_MS)
    assert (event.session_id, event.list_id, event.position) == ("s", "l", 4)
    assert event.lines == (ItemLine("mug", 2.0, 3.5),)


def test_a_basket_wins_over_item_id() -> None:
    event = decode_event(
        view(event="purchase", items=[{"item_id": "a", "quantity": 2}, {"item_id": "b"}]), b"anna", 0x1 << 60
    )
    assert event.lines == (ItemLine("a", 2.0), ItemLine("b"))


def test_an_empty_basket_is_no_basket() -> None:
    assert decode_event(view(items=[]), b"anna", NOW_MS).lines == (ItemLine("mug"),)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_known_by_its_ga4_name(name: str) -> None:
    assert decode_event(view(event=name), b"anna", NOW_MS).kind.name == name.upper()


def test_identify_needs_no_item() -> None:
    assert decode_event(view(event="identify", item_id=...), b"anna", NOW_MS).lines == ()


def test_unknown_fields_and_nulls_in_optional_ones_do_no_harm() -> None:
    assert decode_event(view(colour={"deep": [1]}, price=None, items=None), b"anna", NOW_MS).lines == (ItemLine("mug"),)


def test_ids_are_any_printable_unicode_up_to_256_bytes() -> None:
    user_id = "ä" * 128
    assert decode_event(view(user_id=user_id, item_id="日本 ☕"), user_id.encode(), NOW_MS).user_id == user_id


def test_the_future_begins_five_minutes_ahead_and_only_where_there_is_a_clock() -> None:
    at_the_edge, beyond = NOW_MS + MAX_AHEAD_MS, NOW_MS + MAX_AHEAD_MS + 1
    assert decode_event(view(timestamp_ms=at_the_edge), b"anna", NOW_MS).timestamp_ms == at_the_edge
    assert reason_of(view(timestamp_ms=beyond)) == "future-timestamp"
    assert decode_event(view(timestamp_ms=MAX_TIMESTAMP_MS), b"anna", None).timestamp_ms == MAX_TIMESTAMP_MS


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("null-value", None),
        ("oversized-value", view(note="x" * (1 << 20))),
        ("not-utf8", view(note="caf").replace(b"caf", b"caf\xe9")),
        ("not-utf8", view(item_id="caf").replace(b"caf", b"caf\xe9")),
        ("not-json", b""),
        ("not-json", b"view_item"),
        ("not-json", view()[:-1]),
        ("not-json", view() + b"x"),
        ("not-json", view(item_id="X").replace(b"X", rb"\ud800")),
        ("too-deep", view(note="DEEP").replace(b'"DEEP"', b"[" * 5000 + b"]" * 5000)),
        ("wrong-type", b"[]"),
        ("wrong-type", b"null"),
        ("wrong-type", view(item_id=85123)),
        ("wrong-type", view(user_id=None)),
        ("wrong-type", view(timestamp_ms="2024-01-01")),
        ("wrong-type", view(timestamp_ms=1.5)),
        ("wrong-type", view(quantity=True)),
        ("wrong-type", view(items=[{"item_id": ["a"]}])),
        ("missing-field", b"{}"),
        *[("missing-field", view(**{name: ...})) for name in ("event", "event_id", "user_id", "timestamp_ms")],
        ("missing-field", view(items=[{"quantity": 1}])),
        ("unknown-event", view(event="viewed")),
        *[("empty-id", view(**{name: ""})) for name in ("user_id", "item_id", "event_id", "session_id", "list_id")],
        ("empty-id", view(items=[{"item_id": ""}])),
        *[("oversized-id", view(**{name: "é" * 129})) for name in ("user_id", "item_id", "event_id", "session_id")],
        *[("control-character", view(**{name: "\0x"})) for name in ("user_id", "item_id", "event_id")],
        ("control-character", view(items=[{"item_id": "a\nb"}])),
        ("no-item", view(item_id=...)),
        ("no-item", view(item_id=..., items=[])),
        ("too-many-items", view(items=[{"item_id": "a"}] * 501)),
        ("not-finite", view(price=7).replace(b"7,", b"NaN,").replace(b":7}", b":NaN}")),
        ("not-finite", view(price=7).replace(b":7}", b":-Infinity}")),
        ("not-finite", view(price=7).replace(b":7}", b":1e999}")),
        ("negative-number", view(price=-1)),
        ("negative-number", view(quantity=-0.5)),
        ("negative-number", view(items=[{"item_id": "a", "quantity": -6}])),
        ("negative-number", view(items=[{"item_id": "a"}], price=-1)),
        ("negative-number", view(position=-1)),
        ("bad-timestamp", view(timestamp_ms=-1)),
        ("bad-timestamp", view(timestamp_ms=MAX_TIMESTAMP_MS + 1)),
        ("bad-timestamp", view(timestamp_ms=7).replace(b":7}", b":" + b"9" * 5000 + b"}").replace(b":7,", b":1e999,")),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_breaks_the_contract_names_its_reason(reason: str, value: bytes | None) -> None:
    assert reason_of(value) == reason


def test_the_key_is_the_user_id() -> None:
    assert reason_of(view(), None) == "null-key"
    assert reason_of(view(), b"bert") == "key-mismatch"
    assert reason_of(view(), b"\xff") == "key-mismatch"
    assert reason_of(view(user_id=ANYBODY), b"*") == "reserved-id"
