"""How a record nothing could be learned from lies in `dead-letter`: its own key, the start of its value, why in headers.

========== =================================================================
reason     machine-readable, e.g. ``not-json``: a label of the metrics
detail     the sentence for a person
topic, partition, offset, timestamp_ms   where the record came from and when
length     bytes of the whole value, ``-1`` if it was null
sha256     of the whole value, in hex; empty if it was null
========== =================================================================

All headers are UTF-8 text.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from stream_rec.core.rounds import DeadLetter
from stream_rec.errors import ContractError

KEPT_BYTES = 64 << 10


def dead_letter_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Return the headers of a dead letter, in the order of the table above."""
    value = letter.value
    fields = {
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "timestamp_ms": str(letter.timestamp_ms),
        "length": "-1" if value is None else str(len(value)),
        "sha256": "" if value is None else sha256(value).hexdigest(),
    }
    return [(name, text.encode()) for name, text in fields.items()]


def kept_value(value: bytes | None) -> bytes | None:
    """Return what `dead-letter` keeps of a raw value: its first 64 KiB."""
    return None if value is None else value[:KEPT_BYTES]


def read_dead_letter(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> tuple[DeadLetter, bool]:
    """Return a record of `dead-letter` as it was written, and whether its value is whole (so that it can be retried).

    Raises
    ------
    ContractError
        Headers are missing: somebody else wrote the record.
    """
    fields = {name: (text or b"").decode("utf-8", "replace") for name, text in headers}
    try:
        letter = DeadLetter(
            fields["topic"],
            int(fields["partition"]),
            int(fields["offset"]),
            int(fields["timestamp_ms"]),
            key,
            value,
            fields["reason"],
            fields["detail"],
        )
        length = int(fields["length"])
    except (KeyError, ValueError) as error:
        raise ContractError("bad-headers", f"dead letter: need the headers of a dead letter; got {fields}.") from error
    return letter, length == (-1 if value is None else len(value))
