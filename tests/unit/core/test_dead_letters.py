"""A dead letter travels as key, start of the value, and headers."""

from __future__ import annotations

import pytest

from stream_rec.core.dead_letters import KEPT_BYTES, dead_letter_headers, kept_value, read_dead_letter
from stream_rec.core.rounds import DeadLetter
from stream_rec.errors import ContractError

LETTER = DeadLetter("clicks", 3, 17, 1_700_000_000_000, b"anna", b"{not json", "not-json", "value: need JSON; got {not")


@pytest.mark.parametrize("value", [b"{not json", b"", None, b"\xff\xfe"])
def test_what_was_written_is_read_back_whole(value: bytes | None) -> None:
    letter = LETTER._replace(value=value)
    assert read_dead_letter(letter.key, kept_value(value), dead_letter_headers(letter)) == (letter, True)


def test_a_huge_value_keeps_its_start_its_length_and_its_checksum() -> None:
    letter = LETTER._replace(value=b"x" * (KEPT_BYTES + 1))
    headers = dict(dead_letter_headers(letter))
    assert headers["length"] == b"65537"
    assert len(headers["sha256"]) == 64
    read, whole = read_dead_letter(letter.key, kept_value(letter.value), list(headers.items()))
    assert (len(read.value or b""), whole) == (KEPT_BYTES, False)


def test_a_record_of_somebody_else_is_refused() -> None:
    with pytest.raises(ContractError, match="need the headers"):
        read_dead_letter(b"k", b"v", [("reason", b"x")])
