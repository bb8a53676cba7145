"""Lists and catalogue records: what cannot be said by an example file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_rec.core.contract import MAX_VALUE_BYTES, REASONS
from stream_rec.core.wire import CatalogueItem, decode_item, decode_list
from stream_rec.errors import ContractError


def test_a_catalogue_record_may_hold_nothing_but_its_id() -> None:
    assert decode_item(b'{"item_id":"mug"}', b"mug") == CatalogueItem("mug", available=True)


@pytest.mark.parametrize(
    ("reason", "value", "key"),
    [
        ("null-key", b'{"item_id":"mug"}', None),
        ("key-mismatch", b'{"item_id":"mug"}', b"cup"),
        ("oversized-value", b" " * (MAX_VALUE_BYTES + 1), b"mug"),
        ("not-utf8", b'{"item_id":"mug","title":"\xff"}', b"mug"),
        ("not-finite", b'{"item_id":"mug","price":NaN}', b"mug"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_bad_catalogue_record_names_its_reason(reason: str, value: bytes, key: bytes | None) -> None:
    with pytest.raises(ContractError) as caught:
        decode_item(value, key)
    assert caught.value.reason == reason


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_contract_error(value: bytes) -> None:
    for decode in (decode_list, lambda raw: decode_item(raw, b"k")):
        with pytest.raises(ContractError) as caught:
            decode(value)
        assert caught.value.reason in REASONS
