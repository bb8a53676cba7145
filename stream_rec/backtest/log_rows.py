"""One row of a log as a `LogEvent`, and that as the JSON a shop would send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from stream_rec.backtest.log_format import DEFAULT_EVENT, LogFormat
from stream_rec.core.contract import MAX_TIMESTAMP_MS
from stream_rec.core.events import KINDS, WireEvent

CLICKS, PURCHASES = "clicks", "purchases"
_SECONDS_BELOW = 10**11
"""A number below is seconds (until the year 5138), one above milliseconds (since 1973)."""
_WHOLE_WITH_DECIMAL = re.compile(r"\d+\.0")
_encode = msgspec.json.Encoder().encode


class LogEvent(NamedTuple):
    """One event of a log; `index` is its 0-based place among the events that were kept, in reading order."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    timestamp_ms: int
    user_id: str
    item_id: str
    event: str
    event_id: str | None = None
    quantity: float | None = None
    price: float | None = None
    session_id: str | None = None


def source_topic(event: LogEvent) -> str:
    """Return which source topic the event belongs to: "purchases" (with refunds) or "clicks"."""
    return PURCHASES if event.event in ("purchase", "refund") else CLICKS


def to_event_json(event: LogEvent) -> bytes:
    """Return the event as a shop would send it; without an `event_id` of its own it is ``log-<index>``."""
    return _encode(
        WireEvent(
            event.event,
            event.event_id or f"log-{event.index}",
            event.user_id,
            event.timestamp_ms,
            event.item_id or None,
            quantity=event.quantity,
            price=event.price,
            session_id=event.session_id,
        )
    )


def parse_time_ms(text: str) -> int:
    """Return milliseconds since 1970 of a number (seconds or milliseconds) or an ISO time (UTC unless it says).

    Examples
    --------
    >>> parse_time_ms("1970-01-02"), parse_time_ms("86400"), parse_time_ms("1592337718.0")
    (86400000, 86400000, 1592337718000)
    """
    try:
        number = float(text)
    except ValueError:
        when = datetime.fromisoformat(text)
        return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
    if abs(number) < _SECONDS_BELOW:
        return round(number * 1000)
    return int(text) if text.isdecimal() else round(number)


class RowReader:
    """Makes an event of a row, with the columns looked up once."""

    def __init__(self, fitted: LogFormat) -> None:
        self._columns = fitted.columns
        self._drop_prefix = tuple(fitted.drop_prefix.items())
        self._minimum = tuple(fitted.minimum.items())
        self._default_event = fitted.event or DEFAULT_EVENT
        self._trim_user = fitted.columns["user_id"] != "user_id"
        self._optional = [name for name in LogEvent._fields[5:] if name in fitted.columns]

    def why_dropped(self, row: Mapping[str, Any]) -> str | None:
        """Return why the row is left out, or `None`; raises ValueError in words for a person."""
        if row.get(self._columns["user_id"]) in (None, ""):
            return "no user_id"
        if row.get(self._columns["item_id"]) in (None, "") and self._event_name(row) != "identify":
            return "no item_id"
        for column, prefix in self._drop_prefix:
            if str(row.get(column) or "").startswith(prefix):
                return f"{column}={prefix}"
        for column, least in self._minimum:
            number = number_of(column, row.get(column))
            if number is None or not number >= least:  # NaN is not
                return f"{column}<{least:g}"
        return None

    def event(self, index: int, row: Mapping[str, Any]) -> LogEvent:
        """Return the row as the event at `index`; raises ValueError in words for a person."""
        columns = self._columns
        user_id, item_id = id_of("user_id", row[columns["user_id"]]), id_of("item_id", row.get(columns["item_id"], ""))
        if self._trim_user and _WHOLE_WITH_DECIMAL.fullmatch(user_id):
            user_id = user_id[:-2]
        timestamp_ms = _time(columns["timestamp_ms"], row.get(columns["timestamp_ms"]))
        name = self._event_name(row)
        if name not in KINDS:
            raise ValueError(f"event: need one of {', '.join(KINDS)}; got {name!r}")
        extras = {name: _extra(name, row.get(columns[name])) for name in self._optional} if self._optional else {}
        return LogEvent(index, timestamp_ms, user_id, item_id, name, **extras)

    def _event_name(self, row: Mapping[str, Any]) -> str:
        column = self._columns.get("event")
        return (row.get(column) if column else None) or self._default_event


def id_of(name: str, value: object) -> str:
    """Return an id of a row as text, empty if there is none; raises ValueError in words for a person."""
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"{name}: need text or a whole number; got {value!r}")
    text = str(value)
    if "\ufffd" in text:
        raise ValueError(f"{name}: need UTF-8; got {text!r}")
    return text


def _time(column: str, value: object) -> int:
    try:
        timestamp_ms = int(str(value)) if column == "timestamp_ms" else parse_time_ms(str(value).strip())
    except (ValueError, OverflowError):
        timestamp_ms = -1
    if not 0 <= timestamp_ms <= MAX_TIMESTAMP_MS:
        raise ValueError(f"{column}: need a time since 1970 (ISO, seconds or milliseconds); got {value!r}")
    return timestamp_ms


def number_of(name: str, value: Any) -> float | None:
    """Return a number of a row, `None` if there is none; raises ValueError in words for a person."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (ValueError, TypeError):
        raise ValueError(f"{name}: need a number; got {value!r}") from None


def _extra(name: str, value: Any) -> Any:
    if name in ("quantity", "price"):
        return number_of(name, value)
    return None if value is None or value == "" else id_of(name, value)
