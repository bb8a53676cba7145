"""The measurement: one student with random weights, as tables, in ONNX Runtime (float32 and int8) and in torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.embedding.student_onnx import ITEMS, write_student
from benchmarks.kernels.timing import least_us
from stream_rec.core.embedding import embed
from stream_rec.core.sequence_tables import vectors_of_rows
from stream_rec.neural.export import item_rows, student_weights
from stream_rec.neural.item_tower import ItemTower
from stream_rec.neural.recipe import STUDENT
from stream_rec.neural.sequence_model import SequenceModel

CATALOGUES = (3_700, 100_000)
BATCHES = (1, 8, 32, 128, 512)
BATCH = 32
HISTORY = 50
ROUNDS = 20
SECONDS = 1.0
CLOSE = 1e-3

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """What one core does; users have `HISTORY` items each."""

    batched_users_per_s: float
    single_us: float
    vs_onnxruntime_int8: float
    onnxruntime_int8_users_per_s: float
    onnxruntime_users_per_s: float
    torch_users_per_s: float
    users_per_s: dict[int, dict[int, float]]

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "batch": BATCH, "history": HISTORY, "catalogue": CATALOGUES[0]}


def measure() -> Figures:
    """Return the figures; takes about half a minute."""
    torch.set_num_threads(1)
    by_size = {items: _by_batch(items) for items in CATALOGUES}
    model, table = _student(CATALOGUES[0])
    histories = [_histories(CATALOGUES[0], BATCH, seed) for seed in range(ROUNDS)]
    context = torch.zeros(BATCH, HISTORY, 3, dtype=torch.int64)

    def in_torch(items: Rows) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return model(torch.from_numpy(items), table, context)[:, -1].numpy()

    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantized = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        write_student(model, table, HISTORY, plain)
        quant_pre_process(plain, prepared)
        quantize_dynamic(prepared, quantized, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
        runs = [_session(path) for path in (plain, quantized)]
        _check_same(model, table, histories[0], in_torch, runs[0])
        rates = [1e6 * BATCH / least_us(run, histories, SECONDS) for run in (*runs, in_torch)]
    batched = by_size[CATALOGUES[0]][BATCH]
    return Figures(
        batched_users_per_s=batched,
        single_us=1e6 / by_size[CATALOGUES[0]][1],
        vs_onnxruntime_int8=batched / rates[1],
        onnxruntime_int8_users_per_s=rates[1],
        onnxruntime_users_per_s=rates[0],
        torch_users_per_s=rates[2],
        users_per_s=by_size,
    )


def _student(items: int) -> tuple[SequenceModel, torch.Tensor]:
    torch.manual_seed(0)
    model = SequenceModel(STUDENT, ItemTower(None, torch.ones(items, dtype=torch.bool), STUDENT.width, 0.0)).eval()
    with torch.inference_mode():
        return model, 10 * model.items()


def _histories(items: int, users: int, seed: int) -> Rows:
    return np.random.default_rng(seed).integers(0, items, (users, HISTORY))


def _by_batch(items: int) -> dict[int, float]:
    """Return batch → users a second by the tables."""
    model, table = _student(items)
    vectors, weights = vectors_of_rows(item_rows(model, table, model.bias)), student_weights(model)
    rates = {}
    for users in BATCHES:
        ends = HISTORY * np.arange(1, users + 1)
        rounds = [_histories(items, users, seed).astype(np.int32).ravel() for seed in range(ROUNDS)]
        us = least_us(lambda rows, ends=ends: embed(rows, ends, vectors, weights), rounds, SECONDS)
        rates[users] = 1e6 * users / us
    return rates


def _session(path: Path) -> Callable[[Rows], npt.NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda items: session.run(None, {ITEMS: items})[0]


def _check_same(
    model: SequenceModel,
    table: torch.Tensor,
    histories: Rows,
    in_torch: Callable[[Rows], npt.NDArray[np.float32]],
    in_onnx: Callable[[Rows], npt.NDArray[np.float32]],
) -> None:
    """Raise AssertionError unless all three give the same user vectors: else the times compare different things."""
    vectors, weights = vectors_of_rows(item_rows(model, table, model.bias)), student_weights(model)
    ends = histories.shape[1] * np.arange(1, len(histories) + 1)
    mine, _ = embed(histories.astype(np.int32).ravel(), ends, vectors, weights)
    for theirs in (in_torch(histories), in_onnx(histories)):
        np.testing.assert_allclose(mine, theirs, atol=CLOSE)
