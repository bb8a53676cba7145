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

warm = {"warm_from": sys.argv[3], "since": 0.0} if len(sys.argv) > 3 else {}
request = TrainRequest(Path(sys.argv[1]), "chains", TINY, train=0.8, test=0.15, test_events=200, **warm)
train(chain_log(), {}, request, report)
"""


def start(folder: Path, seconds_per_step: float, *warm_from: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, str(folder), str(seconds_per_step), *warm_from]
    return subprocess.Popen(command, env=environment, cwd=ROOT)


def run_through(folder: Path, warm_from: str | None = None) -> None:
    torch.set_num_threads(1)
    since = None if warm_from is None else 0.0
    request = TrainRequest(
        folder, "chains", TINY, train=0.8, test=0.15, test_events=200, warm_from=warm_from, since=since
    )
    train(chain_log(), {}, request, lambda stage, done, of, note: None)


def kill_in_the_middle(folder: Path, stage: str, *warm_from: str) -> None:
    process = start(folder, 0.05, *warm_from)
    try:
        wait_for_step(folder, stage, 2, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


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


def test_killed_in_teacher_student_and_fine_tune_it_ends_with_the_same_tables(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run_through(whole)
    for stage in ("teacher", "student"):
        kill_in_the_middle(stopped, stage)
    assert ModelRegistry(stopped).versions() == []
    run_through(stopped)
    tables = [ModelRegistry(folder).manifest("v0001").files["tables.safetensors"] for folder in (whole, stopped)]
    assert tables[0] == tables[1]
    # the same for a run that goes on from this version
    run_through(whole, "v0001")
    kill_in_the_middle(stopped, "student", "v0001")
    assert ModelRegistry(stopped).versions() == ["v0001"]
    run_through(stopped, "v0001")
    tables = [ModelRegistry(folder).manifest("v0002").files["tables.safetensors"] for folder in (whole, stopped)]
    assert tables[0] == tables[1]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{not json at all")
    with pytest.raises(ConfigError, match=r"teacher\.safetensors: need a checkpoint in one piece"):
        read_tensors(path)
