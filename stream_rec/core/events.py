"""The event on the wire and the one way in: `decode_event` makes raw bytes an `Event` or raises a `ContractError`."""

from __future__ import annotations

from typing import Annotated, Never

import msgspec

from stream_rec.core.contract import (
    ANYBODY,
    MAX_AHEAD_MS,
    MAX_ITEMS,
    MAX_TIMESTAMP_MS,
    MAX_VALUE_BYTES,
    Amount,
    Id,
    Position,
    TimestampMs,
    UserId,
    check_id,
    refuse,
    refuse_undecodable,
)
from stream_rec.core.types import EventKind

KINDS: dict[str, EventKind] = {kind.name.lower(): kind for kind in EventKind}
"""GA4 name -> kind."""

EventName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(KINDS)})]


class ItemLine(msgspec.Struct, frozen=True, gc=False):
    """One item of an event; `quantity` and `price` (of one piece) are `None` where not said."""

    item_id: Id
    quantity: Amount | None = None
    price: Amount | None = None


Lines = Annotated[tuple[ItemLine, ...], msgspec.Meta(extra_json_schema={"maxItems": MAX_ITEMS})]


class WireEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing a user did, as a shop writes it to `clicks` or `purchases`; fields not named here do no harm.

    The record's key is `user_id` in UTF-8. `items` (a whole basket) wins over `item_id`, whose `quantity` and `price`
    are those of the event.
    """

    event: EventName
    event_id: Id
    user_id: UserId
    timestamp_ms: TimestampMs
    item_id: Id | None = None
    items: Lines | None = None
    quantity: Amount | None = None
    price: Amount | None = None
    currency: Id | None = None
    session_id: Id | None = None
    list_id: Id | None = None
    position: Position | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event. `lines` holds at least one item unless `kind` is `IDENTIFY`."""

    kind: EventKind
    event: str
    event_id: str
    user_id: str
    timestamp_ms: int
    lines: tuple[ItemLine, ...]
    session_id: str | None = None
    list_id: str | None = None
    position: int | None = None
    currency: str | None = None


_decode_wire = msgspec.json.Decoder(WireEvent).decode
_kind_of = KINDS.get


def decode_event(value: bytes | None, key: bytes | None, now_ms: int | None) -> Event:
    """Decode one record of `clicks` or `purchases` and check it against the contract.

    Parameters
    ----------
    value, key
        As they lie in Kafka.
    now_ms
        The clock, milliseconds; `None` (a backtest has no clock) lets any future timestamp pass.

    Raises
    ------
    ContractError
        For every record that is no valid event; `reason` is a key of `REASONS`. Nothing else is ever raised.

    Notes
    -----
    About 2.4 µs for a one-item event.
    """
    if value is None or key is None or len(value) > MAX_VALUE_BYTES:
        _refuse_raw(value, key)
    try:
        if not value.isascii():
            value.decode()  # msgspec does not look into the strings it skips
        wire = _decode_wire(value)
    except (ValueError, RecursionError) as error:  # DecodeError and UnicodeError are ValueErrors
        refuse_undecodable(value, error, "event")
    kind = _kind_of(wire.event)
    if kind is None:
        refuse("unknown-event", "event", "one of " + ", ".join(KINDS), wire.event)
    user_id = wire.user_id
    check_id("user_id", user_id)
    check_id("event_id", wire.event_id)
    if key != user_id.encode():
        refuse("key-mismatch", "key", f"the event's user_id {user_id[:80]!r}", key)
    if user_id == ANYBODY:
        refuse("reserved-id", "user_id", "an id other than '*'", user_id)
    _check_time(wire.timestamp_ms, now_ms)
    lines = wire.items
    if not lines:
        lines = _only_line(wire, kind)
    _check_lines(lines)
    if wire.session_id is not None:
        check_id("session_id", wire.session_id)
    if wire.list_id is not None or wire.currency is not None or wire.position is not None or wire.items:
        _check_seldom(wire)
    return Event(
        kind, wire.event, wire.event_id, user_id, wire.timestamp_ms, lines,
        wire.session_id, wire.list_id, wire.position, wire.currency,
    )  # fmt: skip


def _check_time(timestamp_ms: int, now_ms: int | None) -> None:
    if not 0 <= timestamp_ms <= MAX_TIMESTAMP_MS:
        refuse("bad-timestamp", "timestamp_ms", "milliseconds since 1970, below 2^48", hex(timestamp_ms))
    if now_ms is not None and timestamp_ms > now_ms + MAX_AHEAD_MS:
        refuse("future-timestamp", "timestamp_ms", f"at most {now_ms + MAX_AHEAD_MS}", timestamp_ms)


def _only_line(wire: WireEvent, kind: EventKind) -> tuple[ItemLine, ...]:
    if wire.item_id is not None:
        return (ItemLine(wire.item_id, wire.quantity, wire.price),)
    if kind is not EventKind.IDENTIFY:
        refuse("no-item", "item_id", f"item_id or a non-empty items[] in a {wire.event}", "neither")
    return ()


def _check_lines(lines: tuple[ItemLine, ...]) -> None:
    if len(lines) > MAX_ITEMS:
        refuse("too-many-items", "items", f"at most {MAX_ITEMS} items", len(lines))
    for line in lines:
        check_id("item_id", line.item_id)
        if line.quantity is not None and line.quantity < 0:
            refuse("negative-number", "quantity", "0 or more", line.quantity)
        if line.price is not None and line.price < 0:
            refuse("negative-number", "price", "0 or more", line.price)


def _check_seldom(wire: WireEvent) -> None:
    if wire.list_id is not None:
        check_id("list_id", wire.list_id)
    if wire.currency is not None:
        check_id("currency", wire.currency)
    if wire.items:  # else the only line has been checked
        for where, number in (("quantity", wire.quantity), ("price", wire.price)):
            if number is not None and number < 0:
                refuse("negative-number", where, "0 or more", number)
        if wire.item_id is not None:
            check_id("item_id", wire.item_id)
    if wire.position is not None and not 0 <= wire.position <= MAX_TIMESTAMP_MS:
        refuse("negative-number", "position", "0 to 2^48", hex(wire.position))


def _refuse_raw(value: bytes | None, key: bytes | None) -> Never:
    if value is None:
        refuse("null-value", "value", "a JSON object", None)
    if key is None:
        refuse("null-key", "key", "the event's user_id in UTF-8", None)
    refuse("oversized-value", "value", f"at most {MAX_VALUE_BYTES} bytes", f"{len(value)} bytes")
