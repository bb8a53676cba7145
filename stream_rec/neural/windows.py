"""Cutting histories into windows, and windows into batches of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stream_rec.core.types import Int64Array
from stream_rec.neural.interactions import BoolArray, Interactions

NO_TARGET = -1


class Batch(NamedTuple):
    """Windows as tensors, padded at the right: inputs, the item after each (or `NO_TARGET`), and its place."""

    items: Tensor
    context: Tensor
    targets: Tensor
    places: Tensor


def training_windows(starts: Int64Array, lengths: Int64Array, length: int, rng: np.random.Generator) -> Int64Array:
    """Return int64[windows, 2]: the places [from, to) of windows of up to length + 1 events.

    A long history is cut at a random offset, another one each epoch, so that every event is predicted from early and
    from late in a window.
    """
    windows: list[tuple[int, int]] = []
    for start, n in zip(starts.tolist(), lengths.tolist(), strict=True):
        short = n <= length + 1
        cuts = [0] if short else range(-int(rng.integers(0, length)), n - 1, length)
        bounds = ((max(cut, 0), min(cut + length + 1, n)) for cut in cuts)
        windows.extend((start + first, start + end) for first, end in bounds if end - first >= 2)
    return np.array(windows, np.int64).reshape(-1, 2)


def windows_with(learned: BoolArray, windows: Int64Array) -> Int64Array:
    """Return the windows that predict the item of a place to be learned; `learned` is bool[events].

    Examples
    --------
    >>> windows_with(np.array([True, False, False, True]), np.array([[0, 3], [1, 4]])).tolist()
    [[1, 4]]
    """
    before = np.concatenate(([0], np.cumsum(learned)))
    return windows[before[windows[:, 1]] > before[windows[:, 0] + 1]]


def batches_by_length(windows: Int64Array, tokens: int, rng: np.random.Generator) -> list[Int64Array]:
    """Return batches of windows of similar length, about `tokens` events each with padding, in random order."""
    lengths = windows[:, 1] - windows[:, 0] - 1
    batches: list[list[int]] = [[]]
    longest = 0
    for index in np.argsort(lengths + 4 * rng.random(len(lengths))).tolist():
        longest = max(longest, int(lengths[index]))
        if batches[-1] and longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = int(lengths[index])
        batches[-1].append(index)
    return [windows[batches[number]] for number in rng.permutation(len(batches)) if batches[number]]


def batch_of(log: Interactions, windows: Int64Array | Sequence[tuple[int, int]]) -> Batch:
    """Return the windows [from, to) as tensors: inputs from … to − 2, targets from + 1 … to − 1."""
    bounds = np.asarray(windows, np.int64)
    width = int((bounds[:, 1] - bounds[:, 0]).max()) - 1
    places = bounds[:, :1] + np.arange(width)
    real = places < bounds[:, 1:] - 1
    places = np.where(real, places, 0)
    return Batch(
        torch.from_numpy(np.where(real, log.items[places], 0)),
        torch.from_numpy(np.where(real[..., None], log.context[places], 0)),
        torch.from_numpy(np.where(real, log.items[places + real], NO_TARGET)),
        torch.from_numpy(np.where(real, places + 1, NO_TARGET)),
    )
