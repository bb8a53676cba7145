"""What every message on the wire has to keep: limits, the reasons for refusing one, and the checks types cannot say.

Types and required fields are checked by msgspec while it parses; the `Annotated` types below carry the rest into the
JSON Schemas, and the functions check it once per message. Only the error path looks for words a person can act on.
"""

from __future__ import annotations

from typing import Annotated, Never

import msgspec

from stream_rec.errors import ContractError

MAX_VALUE_BYTES = 1 << 20
MAX_ID_BYTES = 256
MAX_ITEMS = 500
MAX_TIMESTAMP_MS = (1 << 48) - 1
"""What a stored history line can hold, six bytes: the year 10889."""
MAX_AHEAD_MS = 5 * 60_000
"""A source's clock may run this far ahead of ours."""
ANYBODY = "*"
"""The user id that stands for a visitor nobody knows yet: a key of `recommendations`, never of an event."""

REASONS: dict[str, str] = {
    "null-key": "the record has no key; the key must be the user_id",
    "null-value": "the record has no value (a tombstone)",
    "oversized-value": "the value is larger than 1 MiB",
    "not-utf8": "the value is not valid UTF-8",
    "not-json": "the value is not one JSON document",
    "too-deep": "the value nests deeper than any event does",
    "wrong-type": "a field, or the whole value, has another JSON type than the schema says",
    "missing-field": "a required field is absent",
    "unknown-event": "`event` is no event name of the contract",
    "empty-id": "an id is the empty string",
    "oversized-id": "an id is longer than 256 bytes of UTF-8",
    "control-character": "an id contains a control character, NUL included",
    "reserved-id": "user_id is `*`, which stands for the visitor nobody knows",
    "key-mismatch": "the record's key is not the event's user_id",
    "no-item": "the event names no item, but its kind needs one",
    "too-many-items": "the event has more than 500 items",
    "not-finite": "a number is NaN, infinite or too large for a double",
    "negative-number": "a quantity, price or position is below zero",
    "bad-timestamp": "timestamp_ms is negative or beyond 2^48",
    "future-timestamp": "timestamp_ms is more than 5 minutes ahead of the worker's clock",
    "hash-clash": "an item id has the same 64-bit hash as another item's id",
    "foreign-partition": "the record lies in another partition than murmur2(key) says (only where set to be refused)",
}
"""Why a record is refused: the `reason` header of a dead letter and a label of the metric. Add, never rename."""

_ID_SCHEMA = {
    "description": "At most 256 bytes of UTF-8, no control characters.",
    "minLength": 1,
    "maxLength": MAX_ID_BYTES,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
}
UserId = Annotated[str, msgspec.Meta(extra_json_schema={**_ID_SCHEMA, "not": {"const": ANYBODY}})]
Id = Annotated[str, msgspec.Meta(extra_json_schema=_ID_SCHEMA)]
Amount = Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0})]
Position = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": MAX_TIMESTAMP_MS})]
TimestampMs = Annotated[
    int,
    msgspec.Meta(
        description="Milliseconds since 1970-01-01 UTC.", extra_json_schema={"minimum": 0, "maximum": MAX_TIMESTAMP_MS}
    ),
]


def check_id(where: str, text: str) -> None:
    """Raise ContractError unless `text` is 1 to 256 bytes of UTF-8 without control characters."""
    # The first test settles nearly every id: 64 characters are at most 256 bytes.
    if 0 < len(text) <= MAX_ID_BYTES // 4 and text.isprintable():
        return
    if not text:
        refuse("empty-id", where, f"1 to {MAX_ID_BYTES} bytes", text)
    if any(char < " " or "\x7f" <= char <= "\x9f" for char in text):
        refuse("control-character", where, "no control characters", text)
    size_bytes = len(text.encode())
    if size_bytes > MAX_ID_BYTES:
        refuse("oversized-id", where, f"at most {MAX_ID_BYTES} bytes of UTF-8", f"{size_bytes} bytes: {text}")


def refuse_undecodable(value: bytes, error: Exception, schema: str) -> Never:
    """Raise the ContractError for what msgspec (or UTF-8) said about `value`, a message of `schemas/<schema>.json`."""
    text = str(error)
    if isinstance(error, UnicodeError):
        refuse("not-utf8", "value", "valid UTF-8", text)
    if isinstance(error, RecursionError):
        refuse("too-deep", "value", f"a message as in schemas/{schema}.json", "too many nested brackets")
    if "out of range" in text:
        reason = "bad-timestamp" if "timestamp_ms" in text else "not-finite"
        refuse(reason, "value", "numbers a double can hold", text)
    if isinstance(error, msgspec.ValidationError):
        reason = "missing-field" if "missing required" in text else "wrong-type"
        refuse(reason, "value", f"a message as in schemas/{schema}.json", text)
    if _has_bare_nan(value):
        refuse("not-finite", "value", "finite numbers", "NaN or Infinity, which JSON does not have")
    refuse("not-json", "value", "one JSON object", text)


def _has_bare_nan(value: bytes) -> bool:
    """Tell whether the first thing that is not JSON is the word NaN or Infinity, as Python's and other writers emit."""
    if b"NaN" not in value and b"Infinity" not in value:
        return False
    mended = value.replace(b"-Infinity", b"0").replace(b"Infinity", b"0").replace(b"NaN", b"0")
    try:
        msgspec.json.decode(mended, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return False
    return True


def _shown(actual: object) -> str:
    return repr(actual[:80] if isinstance(actual, str | bytes) else actual)[:200]


def refuse(reason: str, where: str, need: str, actual: object) -> Never:
    """Raise the ContractError with `reason`, a key of `REASONS`, and one line for a person."""
    raise ContractError(reason, f"{where}: need {need}; got {_shown(actual)}. Mend the producer, then send it again.")
