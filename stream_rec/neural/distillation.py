"""What the student learns from the teacher: the teacher's hidden states, kept in half precision.

    loss = (1 − s) · CE(next item) + s · KL(softmax(teacher) ‖ softmax(student)),   temperature 1, all items

A hidden state is 128 numbers where the logits would be one per item; they are made of it again in every step.

References
----------
Hinton, Vinyals, Dean (2015), "Distilling the knowledge in a neural network". https://arxiv.org/abs/1503.02531
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stream_rec.core.types import Int64Array
from stream_rec.neural.interactions import Interactions
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.windows import NO_TARGET, batch_of, windows_with

SHUT_OUT = -1e4
"""Added to the score of an item without training events: it takes no part in the softmax, so nothing pushes it down."""

WINDOWS_PER_PASS = 128


@dataclass(frozen=True, slots=True)
class TeacherStates:
    """float16[events, d] hidden state before each place, float32[items, d] table, float32[items] bias."""

    hidden: Tensor
    table: Tensor
    bias: Tensor

    def shares(self, places: Tensor) -> Tensor:
        """Return float32[n, items]: what the teacher expects at the places, as shares."""
        return torch.softmax(self.hidden[places].float() @ self.table.T + self.bias, dim=1)


@torch.inference_mode()
def teacher_states(
    log: Interactions,
    lengths: Int64Array,
    learned: Tensor,
    trained: Tensor,
    model: SequenceModel,
    report: Callable[[int, int], None],
) -> TeacherStates:
    """Return the teacher's hidden state before every event to be learned; `learned` is bool[events].

    Windows overlap by half, so that an event past the first one has at least length / 2 events before it.
    """
    model.eval()
    table = model.items()
    hidden = torch.zeros(len(log), model.shape.width, dtype=torch.float16)
    windows = windows_with(learned.numpy(), _overlapping_windows(log.starts[:-1], lengths, model.shape.length))
    windows = windows[np.argsort(windows[:, 1] - windows[:, 0], kind="stable")]
    for first in range(0, len(windows), WINDOWS_PER_PASS):
        part = windows[first : first + WINDOWS_PER_PASS]
        batch = batch_of(log, part[:, :2])
        fresh = torch.arange(batch.items.shape[1])[None, :] >= torch.from_numpy(part[:, 2:])
        keep = (batch.targets != NO_TARGET) & fresh
        hidden[batch.places[keep]] = model(batch.items, table, batch.context)[keep].half()
        report(min(first + WINDOWS_PER_PASS, len(windows)), len(windows))
    bias = model.bias.detach() + shut_out(trained)
    return TeacherStates(hidden, table.clone(), bias)


def shut_out(trained: Tensor) -> Tensor:
    """Return float32[items]: 0 for trained items, `SHUT_OUT` for the others."""
    return torch.where(trained, 0.0, SHUT_OUT)


def _overlapping_windows(starts: Int64Array, lengths: Int64Array, length: int) -> Int64Array:
    """Return int64[windows, 3]: places [from, to), and how many inputs at the start an earlier window has covered."""
    windows = []
    for start, n in zip(starts.tolist(), lengths.tolist(), strict=True):
        for first in range(0, max(n - 1, 0), length // 2):
            end = min(first + length + 1, n)
            windows.append((start + first, start + end, length // 2 if first else 0))
            if end == n:
                break
    return np.array(windows, np.int64).reshape(-1, 3)
