"""Dead letters: what is kept of a bad record, and which can be sent again."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from stream_rec.core.dead_letters import KEPT_BYTES, KEPT_KEY_BYTES, decode, encode
from stream_rec.core.rounds import DeadLetter

LETTER = DeadLetter(
    "clicks", 3, 1042, 1_700_000_000_000, b"anna", b"{", "not-json", "value: need one JSON object; got …"
)
maybe_bytes = st.none() | st.binary(max_size=50)


def test_headers_say_what_is_wrong_and_where_it_was() -> None:
    record = encode(LETTER)
    assert (record.key, record.value) == (b"anna", b"{")
    assert {name: text.decode() for name, text in record.headers} == {
        "reason": "not-json",
        "detail": "value: need one JSON object; got …",
        "topic": "clicks",
        "partition": "3",
        "offset": "1042",
        "timestamp_ms": "1700000000000",
        "value_bytes": "1",
        "value_sha256": sha256(b"{").hexdigest(),
    }


@given(maybe_bytes, maybe_bytes, st.text(max_size=20))
def test_a_small_record_comes_back_as_it_was(key: bytes | None, value: bytes | None, detail: str) -> None:
    letter = LETTER._replace(key=key, value=value, detail=detail)
    stored = decode(*encode(letter))
    assert stored.letter._replace(detail=detail) == letter
    assert not stored.truncated
    assert stored.retryable == (key is not None or value is not None)


def test_of_a_large_value_the_start_the_size_and_the_digest_are_kept() -> None:
    value = b"x" * (KEPT_BYTES + 1)
    stored = decode(*encode(LETTER._replace(value=value)))
    assert stored.letter.value == value[:KEPT_BYTES]
    assert (stored.value_bytes, stored.value_sha256) == (len(value), sha256(value).hexdigest())
    assert stored.truncated
    assert not stored.retryable


def test_a_key_no_id_can_be_is_cut_and_not_sent_again() -> None:
    stored = decode(*encode(LETTER._replace(key=b"k" * (KEPT_KEY_BYTES + 1))))
    assert stored.letter.key == b"k" * KEPT_KEY_BYTES
    assert stored.truncated
    assert not stored.retryable


@given(maybe_bytes, maybe_bytes, st.lists(st.tuples(st.sampled_from(["topic", "offset", "value_bytes"]), st.binary())))
def test_whatever_lies_in_the_topic_can_be_read(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    assert decode(key, value, headers).letter.reason == "unknown"
