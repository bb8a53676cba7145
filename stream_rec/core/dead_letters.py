"""A dead letter as a Kafka record and back: the start of the raw value; in headers what is wrong and where it was.

Headers (all text): reason, detail, topic, partition, offset, timestamp_ms, value_bytes ("null" where the record had no
value), value_sha256 (of the whole value), and key_bytes where the key was cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from stream_rec.core.rounds import DeadLetter

KEPT_BYTES = 64 * 1024
"""How much of the raw value is kept."""
KEPT_KEY_BYTES = 64 * 1024
"""How much of the key is kept; ids have 256 bytes at most."""
_NULL = b"null"


class DeadLetterRecord(NamedTuple):
    """What is produced to `dead-letter`."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class StoredDeadLetter(NamedTuple):
    """A dead letter as read back; `value` is the raw value, or its start where `truncated`."""

    letter: DeadLetter
    value_bytes: int | None
    value_sha256: str
    key_cut: bool = False

    @property
    def truncated(self) -> bool:
        """Whether only the start of the raw value or of the key was kept."""
        return self.key_cut or (self.value_bytes is not None and self.value_bytes > len(self.letter.value or b""))

    @property
    def retryable(self) -> bool:
        """Whether the record can be sent again as it was; one with neither key nor value no producer takes."""
        has_any = self.letter.key is not None or self.letter.value is not None
        return bool(self.letter.topic) and has_any and not self.truncated


def encode(dead: DeadLetter) -> DeadLetterRecord:
    """Return the record to produce for `dead`.

    Examples
    --------
    >>> encode(DeadLetter("clicks", 0, 7, 1000, b"anna", b"{", "not-json", "value: need JSON")).headers[0]
    ('reason', b'not-json')
    """
    value = dead.value if dead.value is not None else b""
    headers = [
        ("reason", dead.reason.encode()),
        ("detail", dead.detail.encode(errors="backslashreplace")),
        ("topic", dead.topic.encode()),
        ("partition", b"%d" % dead.partition),
        ("offset", b"%d" % dead.offset),
        ("timestamp_ms", b"%d" % dead.timestamp_ms),
        ("value_bytes", _NULL if dead.value is None else b"%d" % len(value)),
        ("value_sha256", sha256(value).hexdigest().encode()),
    ]
    key = dead.key
    if key is not None and len(key) > KEPT_KEY_BYTES:
        headers.append(("key_bytes", b"%d" % len(key)))
        key = key[:KEPT_KEY_BYTES]
    return DeadLetterRecord(key, value[:KEPT_BYTES], headers)


def decode(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> StoredDeadLetter:
    """Return the dead letter of a record of `dead-letter`; what somebody else wrote there gets the reason "unknown"."""
    said = {name: text for name, text in headers if isinstance(text, bytes)}
    size = said.get("value_bytes", b"")
    letter = DeadLetter(
        _text(said, "topic"),
        _number(said, "partition"),
        _number(said, "offset"),
        _number(said, "timestamp_ms"),
        key,
        None if size == _NULL else value,
        _text(said, "reason") or "unknown",
        _text(said, "detail"),
    )
    value_bytes = None if letter.value is None else _number(said, "value_bytes")
    return StoredDeadLetter(letter, value_bytes, _text(said, "value_sha256"), "key_bytes" in said)


def _text(said: dict[str, bytes], name: str) -> str:
    return said.get(name, b"").decode(errors="replace")


def _number(said: dict[str, bytes], name: str) -> int:
    text = said.get(name, b"")
    return int(text) if text.removeprefix(b"-").isdigit() and len(text) < 20 else -1
