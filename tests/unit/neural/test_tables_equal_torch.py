"""What a worker computes from the tables is what the trained student computes in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.embedding import embed
from stream_rec.core.sequence_codec import ENCODINGS, Encoding, pack_rows, row_bytes, unpack_rows
from stream_rec.core.sequence_tables import vectors_of_rows
from stream_rec.errors import CorruptStateError
from stream_rec.neural.export import item_rows, student_weights
from stream_rec.neural.item_tower import ItemTower
from stream_rec.neural.recipe import ModelShape
from stream_rec.neural.sequence_model import SequenceModel

ITEMS, SHAPE = 40, ModelShape(width=32, layers=1, heads=2, length=15, dropout=0.0, per_item=True)


def random_model(seed: int, text: bool = True) -> SequenceModel:
    """A student whose every parameter is far from where it starts."""
    torch.manual_seed(seed)
    texts = torch.randn(ITEMS, 20) if text else None
    model = SequenceModel(SHAPE, ItemTower(texts, torch.rand(ITEMS) > 0.3, SHAPE.width, 0.1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


@settings(max_examples=25, deadline=None)
@given(
    histories=st.lists(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=25), min_size=1, max_size=40),
    seed=st.integers(0, 3),
    text=st.booleans(),
)
def test_the_kernel_equals_the_model(histories: list[list[int]], seed: int, text: bool) -> None:
    model = random_model(seed, text)
    with torch.inference_mode():
        table = model.items()
        vectors = vectors_of_rows(item_rows(model, table, model.bias))
        weights = student_weights(model)
        found, _ = embed(
            np.array([item for history in histories for item in history], np.int32),
            np.cumsum([len(history) for history in histories]),
            vectors,
            weights,
            SHAPE.length,
        )
        for user, history in enumerate(histories):
            window = torch.tensor([history[-SHAPE.length :]])
            expected = model(window, table, torch.zeros(*window.shape, 3, dtype=torch.int64))[0, -1]
            np.testing.assert_allclose(found[user], expected.numpy(), atol=1e-4)
            scores = vectors.outputs @ found[user] + vectors.bias
            np.testing.assert_allclose(scores, (table @ expected + model.bias).numpy(), atol=1e-3)


@pytest.mark.parametrize(("encoding", "most"), [("fp16", 2e-3), ("int8", 2e-2)])
def test_packed_rows_come_back_within_their_precision(encoding: Encoding, most: float) -> None:
    model = random_model(0)
    with torch.inference_mode():
        rows = item_rows(model, model.items(), model.bias)
    packed = pack_rows(rows, encoding)
    assert packed.shape == (ITEMS, row_bytes(SHAPE.width, encoding))
    again = unpack_rows(packed, SHAPE.width, encoding)
    np.testing.assert_allclose(again, rows, atol=most * np.abs(rows).max())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_rows_of_another_model_are_refused(encoding: Encoding) -> None:
    packed = pack_rows(np.zeros((2, 5 * 8 + 1), np.float32), encoding)
    with pytest.raises(CorruptStateError, match="need rows of"):
        unpack_rows(packed, 16, encoding)


def test_a_row_that_is_no_number_is_refused() -> None:
    packed = pack_rows(np.full((1, 41), np.nan, np.float32), "fp16")
    with pytest.raises(CorruptStateError, match="need finite numbers"):
        unpack_rows(packed, 8, "fp16")
