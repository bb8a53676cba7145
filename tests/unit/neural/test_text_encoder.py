"""Texts as vectors: the model is loaded once, and only when there is a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transformers import AutoModel

from stream_rec.neural import text_encoder
from stream_rec.neural.text_encoder import encode_texts


def test_batch_after_batch_the_model_is_loaded_once_and_for_no_text_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, load = [], AutoModel.from_pretrained

    def counted(*args: Any, **options: Any) -> Any:
        loads.append(args)
        return load(*args, **options)

    text_encoder._loaded.cache_clear()
    monkeypatch.setattr(AutoModel, "from_pretrained", counted)
    assert not encode_texts(["", " "]).any()
    assert loads == []
    first, second = encode_texts(["red cup", ""]), encode_texts(["red cup"])
    assert len(loads) == 1
    np.testing.assert_array_equal(first[0], second[0])
    assert np.linalg.norm(first, axis=1) == pytest.approx([1.0, 0.0], abs=1e-5)
