"""Whatever bytes arrive, decode_event gives a valid Event or a ContractError with a known reason; nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.contract import MAX_ID_BYTES, MAX_ITEMS, MAX_TIMESTAMP_MS, REASONS
from stream_rec.core.events import KINDS, decode_event
from stream_rec.core.types import EventKind
from stream_rec.errors import ContractError

FIELDS = [
    "event",
    "event_id",
    "user_id",
    "timestamp_ms",
    "item_id",
    "items",
    "quantity",
    "price",
    "session_id",
    "position",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.text()
    | st.sampled_from([*KINDS, "*"])
)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner), max_leaves=8
)
VALID: dict[str, Any] = {
    "event": "purchase",
    "event_id": "e",
    "user_id": "u",
    "timestamp_ms": 5,
    "items": [{"item_id": "a"}],
}
TOKENS = [
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    b"9" * 5000,
    b"[" * 3000,
    b'{"a":' * 3000,
    rb'"\ud800"',
    rb'"\u0000"',
    b"\xff",
]


def check(value: bytes | None, key: bytes | None, now_ms: int | None = None) -> None:
    try:
        event = decode_event(value, key, now_ms)
    except ContractError as error:
        assert error.reason in REASONS
        error.detail.encode()
        return
    assert event.user_id.encode() == key != b"*"
    assert 0 <= event.timestamp_ms <= MAX_TIMESTAMP_MS
    assert len(event.lines) <= MAX_ITEMS
    assert event.lines or event.kind is EventKind.IDENTIFY
    for text in (event.user_id, event.event_id, *(line.item_id for line in event.lines)):
        assert 1 <= len(text.encode()) <= MAX_ID_BYTES
        assert not text.startswith("\0")
    for line in event.lines:
        for number in (line.quantity, line.price):
            assert number is None or 0 <= number < float("inf")


@settings(deadline=None, max_examples=300)
@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=20))
def test_random_bytes(value: bytes | None, key: bytes | None) -> None:
    check(value, key)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_any_json_in_any_field(changes: dict[str, Any]) -> None:
    check(msgspec.json.encode({**VALID, **changes}), b"u", 10)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_valid_events_with_bytes_changed(data: st.DataObject) -> None:
    raw = bytearray(msgspec.json.encode(VALID))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 5))] = data.draw(st.sampled_from(TOKENS) | st.binary(max_size=3))
    check(bytes(raw), b"u")


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(FIELDS), st.sampled_from(TOKENS))
def test_hard_tokens_in_every_field(field: str, token: bytes) -> None:
    check(msgspec.json.encode({**VALID, field: "HERE"}).replace(b'"HERE"', token), b"u")
    check(b'{"unknown":' + token + b"," + msgspec.json.encode(VALID)[1:], b"u")


@settings(deadline=None, max_examples=200)
@given(st.text(min_size=1, max_size=300))
def test_any_text_as_user_id(user_id: str) -> None:
    check(msgspec.json.encode({**VALID, "user_id": user_id}), user_id.encode())
