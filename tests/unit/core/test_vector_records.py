"""Item vectors as records: they come back as they went, and what is not whole is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_rec.core.sequence_codec import ENCODINGS, Encoding
from stream_rec.core.sequence_tables import row_width
from stream_rec.core.vector_records import (
    VectorRows,
    decode_end,
    decode_vectors,
    encode_end,
    encode_vectors,
    parse_vector_key,
    stored_text_hash,
    text_hash,
    vector_key,
)
from stream_rec.errors import CorruptStateError

WIDTH, VERSION = 4, "v0003"


def some_rows(n: int, content_width: int, seed: int = 0) -> VectorRows:
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(n, content_width)).astype(np.float32)
    content /= np.maximum(np.linalg.norm(content, axis=1, keepdims=True), 1e-9)
    rows = rng.normal(size=(n, row_width(WIDTH))).astype(np.float32)
    return VectorRows([f"item {i}" for i in range(n)], [text_hash(f"text {i}") for i in range(n)], rows, content)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("content_width", [0, 8])
def test_rows_come_back_as_far_as_the_encoding_goes(encoding: Encoding, content_width: int) -> None:
    sent = some_rows(5, content_width)
    got = decode_vectors(list(encode_vectors(VERSION, sent, encoding)))
    assert (got.item_ids, got.text_hashes) == (sent.item_ids, sent.text_hashes)
    np.testing.assert_allclose(got.rows, sent.rows, atol=0.02)
    np.testing.assert_allclose(got.content, sent.content, atol=0.01)
    assert got.content.shape == (5, content_width)


def test_an_item_without_a_text_has_zeros_and_no_hash() -> None:
    sent = some_rows(2, 8)
    sent.content[1] = 0.0
    got = decode_vectors(list(encode_vectors(VERSION, sent, "int8")))
    assert not got.content[1].any()
    assert text_hash("") == text_hash(" \n") == 0


def test_an_end_marker_counts_and_lies_under_a_key_no_item_has() -> None:
    key, value = encode_end(VERSION, 12)
    assert parse_vector_key(key) == (VERSION, None)
    assert decode_end(key, value) == 12


def test_the_hash_of_a_rows_text_is_read_without_the_row() -> None:
    ((key, value), *_) = encode_vectors(VERSION, some_rows(1, 8), "fp16")
    assert stored_text_hash(key, value) == text_hash("text 0")


@given(st.data())
def test_any_altered_bytes_are_refused(data: st.DataObject) -> None:
    ((key, value), *_) = encode_vectors(VERSION, some_rows(1, 8), "int8")
    at = data.draw(st.integers(0, len(value) - 1))
    cut = data.draw(st.booleans())
    altered = value[:at] if cut else value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
    for read in (lambda: decode_vectors([(key, altered)]), lambda: stored_text_hash(key, altered)):
        with pytest.raises(CorruptStateError):
            read()


def test_a_record_under_another_key_is_refused() -> None:
    ((_, value), *_) = encode_vectors(VERSION, some_rows(1, 0), "int8")
    with pytest.raises(CorruptStateError):
        decode_vectors([(vector_key(VERSION, "another"), value)])


def test_rows_of_several_shapes_are_not_read_together() -> None:
    records = [*encode_vectors(VERSION, some_rows(1, 0), "int8"), *encode_vectors(VERSION, some_rows(1, 8), "int8")]
    with pytest.raises(CorruptStateError, match="like the version's others"):
        decode_vectors(records)


@pytest.mark.parametrize("key", [b"", b"v1", b"\0item", b"v1\0", b"v1\0\xff"])
def test_keys_of_another_form_are_refused(key: bytes) -> None:
    with pytest.raises(CorruptStateError):
        parse_vector_key(key)
