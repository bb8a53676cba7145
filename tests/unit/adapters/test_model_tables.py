"""The tables' file: what it may lack in older versions, and what is served of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_rec.adapters.model_tables import ModelTables, parse_tables, tables_bytes
from stream_rec.core.content_vectors import no_content
from stream_rec.core.sequence_tables import row_width
from stream_rec.errors import ConfigError
from tests.twins.small_model import WIDTH, small_weights

PATH = Path("tables.safetensors")
HASHES = np.array([7, 0, 9], np.uint64)


def tables(known: list[bool]) -> ModelTables:
    rows = np.arange(3 * row_width(WIDTH), dtype=np.float32).reshape(3, -1)
    return ModelTables(["A", "B", "C"], rows, small_weights(1), no_content(3), HASHES, np.array(known, np.bool_))


def test_items_that_nothing_is_known_of_are_not_served() -> None:
    read = parse_tables(tables_bytes(tables([True, False, True])), PATH)
    assert list(read.item_ids) == ["A", "B", "C"]
    served = read.of_known_items()
    assert list(served.item_ids) == ["A", "C"] and served.text_hashes.tolist() == [7, 9]
    np.testing.assert_array_equal(served.rows, read.rows[[0, 2]])
    assert served.content.shape == (2, 0)


def test_a_file_that_does_not_say_what_is_known_serves_all() -> None:
    read = parse_tables(tables_bytes(tables([])), PATH)
    assert read.of_known_items() is read


def test_marks_of_another_number_of_items_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"known bool\[2\] for 3 items"):
        parse_tables(tables_bytes(tables([True, False])), PATH)
