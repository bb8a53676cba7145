"""A run killed in the middle of an epoch goes on, and ends with the same bits as one that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.errors import ConfigError
from stream_rec.neural.checkpoint import read_tensors
from stream_rec.roles.trainer import TrainRequest, train
from tests.unit.neural.small_shop import TINY, chain_log

ROOT = Path(__file__).parents[3]
RUN = """
import sys, time
from pathlib import Path
import torch
from stream_rec.neural import training
from stream_rec.roles.trainer import TrainRequest, train
from tests.unit.neural.small_shop import TINY, chain_log

torch.set_num_threads(1)
training.CHECKPOINT_S = 0.0
seconds_per_step = float(sys.argv[2])

def report(stage, done, of, note):
    time.sleep(seconds_per_step)

train(chain_log(), {}, TrainRequest(Path(sys.argv[1]), "chains", TINY, train=0.8, test=0.15, test_events=200), report)
"""


def start(folder: Path, seconds_per_step: float) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder), str(seconds_per_step)], env=environment, cwd=ROOT)


def run_through(folder: Path) -> None:
    torch.set_num_threads(1)
    request = TrainRequest(folder, "chains", TINY, train=0.8, test=0.15, test_events=200)
    train(chain_log(), {}, request, lambda stage, done, of, note: None)


def wait_for_step(folder: Path, stage: str, step: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "it ended before it could be killed"
        for path in (folder / ".runs").glob(f"*/{stage}.safetensors"):
            _, progress = read_tensors(path)
            if progress["epoch"] == 1 and progress["step"] >= step:
                return
        time.sleep(0.1)
    raise AssertionError(f"no checkpoint of {stage} in the middle of its second epoch")


def test_killed_in_teacher_and_student_it_ends_with_the_same_tables(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run_through(whole)
    for stage in ("teacher", "student"):
        process = start(stopped, 0.05)
        try:
            wait_for_step(stopped, stage, 2, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert ModelRegistry(stopped).versions() == []
    run_through(stopped)
    tables = [ModelRegistry(folder).manifest("v0001").files["tables.safetensors"] for folder in (whole, stopped)]
    assert tables[0] == tables[1]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{not json at all")
    with pytest.raises(ConfigError, match=r"teacher\.safetensors: need a checkpoint in one piece"):
        read_tensors(path)
