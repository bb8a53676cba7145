"""The demo's sequence model comes about behind it: step by step, without ever stopping it, and ends with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from stream_rec import config
from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.core.sequence_tables import row_width
from stream_rec.roles import demo_model
from stream_rec.roles.demo_model import NICENESS, STAGES, DemoModel, ModelPlan, _Step, progress_of
from tests.twins.small_model import WIDTH, small_weights

PLAN = ModelPlan(users=30, items=40, seed=1, events=500, passed=500, install="make .venv/.neural")


def model_of(folder: Path, plan: ModelPlan = PLAN) -> DemoModel:
    return DemoModel(config.load(encoder={"models": folder / "models"}), plan, folder)


def runs(name: str, code: str) -> _Step:
    return _Step(name, f"{name} is under way", [sys.executable, "-c", code])


def advance_until(model: DemoModel, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, model.state()
        model.advance()
        time.sleep(0.02)


def names(model: DemoModel) -> list[str]:
    return [step.name for step in model._steps]


def test_what_has_to_be_done_depends_on_what_there_is(tmp_path: Path) -> None:
    assert names(model_of(tmp_path)) == ["install", "past", "train", "encoder"]
    assert names(model_of(tmp_path, replace(PLAN, install=""))) == ["past", "train", "encoder"]
    registry = ModelRegistry(tmp_path / "models")
    tables = ModelTables(["A"], np.ones((1, row_width(WIDTH)), np.float32), small_weights(1))
    files = {TABLES_FILE: tables_bytes(tables)}
    registry.promote(registry.publish(files, code="test", data={}, settings={}, metrics={}).version, {}, "test")
    assert names(model_of(tmp_path)) == ["install", "announce", "encoder"]


def test_of_a_long_past_the_newest_events_are_learned_from(tmp_path: Path) -> None:
    past, train = (step.command for step in model_of(tmp_path, replace(PLAN, passed=2_000))._steps[1:3])
    assert past[past.index("--events") + 1] == "2000"
    assert train[train.index("--since") + 1] == "0.7500"
    assert "--since" not in model_of(tmp_path)._steps[2].command


def test_training_that_was_cut_short_goes_on_over_the_same_past(tmp_path: Path) -> None:
    first = model_of(tmp_path)
    commands = [step.command for step in first._steps[1:3]]
    assert [step.command for step in model_of(tmp_path, replace(PLAN, passed=600))._steps[1:3]] != commands
    first._steps[0] = runs("install", "")
    first.advance()
    first.stop()
    later = model_of(tmp_path, replace(PLAN, passed=2_000, install=""))
    assert [step.command for step in later._steps[:2]] == commands
    another = model_of(tmp_path, replace(PLAN, passed=2_000, events=400))
    assert [step.command for step in another._steps[1:3]] != commands


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"passed": 3}', "\x00"])
def test_what_cannot_be_read_of_an_earlier_start_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / demo_model.BEGINS_FILE).write_text(text)
    assert names(model_of(tmp_path)) == ["install", "past", "train", "encoder"]


def test_it_waits_to_be_told_and_then_goes_from_step_to_step(tmp_path: Path) -> None:
    model, order = model_of(tmp_path), tmp_path / "order"
    model._steps = [runs(name, f"open({str(order)!r}, 'a').write('{name} ')") for name in ("install", "train")]
    assert model.state() == "waits until the past is learned"
    assert not order.exists()
    advance_until(model, lambda: not model._steps)
    assert (order.read_text(), model.state()) == ("install train ", "")


def test_a_step_that_fails_ends_it_and_is_named_with_what_it_said(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    model._steps = [runs("train", "raise SystemExit('train: need the packages')"), runs("encoder", "1 / 0")]
    advance_until(model, lambda: model._failure)
    for _ in range(3):
        model.advance()
    assert model.state() == "none: train ended with 1: train: need the packages"


def test_an_encoder_that_asks_for_it_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_model, "RESTART_PAUSE_S", 0.1)
    model, starts = model_of(tmp_path), tmp_path / "starts"
    code = f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(70)"
    model._steps = [runs("encoder", code)]
    advance_until(model, lambda: starts.exists() and len(starts.read_text()) >= 3)
    model.stop()
    model.advance()
    assert model.state() == ""


def test_the_step_that_runs_stands_back_and_ends_with_the_demo(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    model._steps = [runs("train", "import time; print('teacher: 1 of 2', flush=True); time.sleep(60)")]
    advance_until(model, lambda: "teacher" in model._text(model._steps[0]))
    assert model.state() == f"train is under way, {STAGES['texts'] + STAGES['teacher'] / 2:.0%}"
    child = model._child
    assert child is not None
    assert psutil.Process(child.pid).nice() == NICENESS
    model.stop()
    assert child.poll() is not None


def test_progress_grows_from_stage_to_stage_and_passes_over_other_lines() -> None:
    assert sum(STAGES.values()) == pytest.approx(1.0)
    lines = ["a warning: of nothing", *(f"{stage}: {n} of 10 loss 1.0" for stage in STAGES for n in (5, 10))]
    shares = [progress_of("\n".join(lines[:n])) for n in range(len(lines) + 1)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, pytest.approx(1.0))
    assert progress_of("teacher: measured: 0 of 1") == 0.0
