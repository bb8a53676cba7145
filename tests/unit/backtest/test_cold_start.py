"""Items nobody had yet in a backtest: counted where they come, beside what a random order would find."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.cli.app import build_app
from stream_rec.core.sequence_tables import row_width
from stream_rec.shop import Shop
from tests.twins.small_model import WIDTH, small_content, small_weights

EVENTS = list(Shop(users=20, items=300).events(400))
HALF = len(EVENTS) // 2
IDS = sorted({event.item_id for event in EVENTS})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event}" for e in EVENTS]
    (tmp_path / "log.csv").write_text("\n".join(["timestamp_ms,user_id,item_id,event", *rows]))
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title", *(f"{item},a thing" for item in IDS)]))
    tables = ModelTables(
        IDS, np.zeros((len(IDS), row_width(WIDTH)), np.float32), small_weights(1), small_content(1, len(IDS))
    )
    data = {"learned_until_ms": EVENTS[HALF].timestamp_ms - 1}
    ModelRegistry(tmp_path).publish({TABLES_FILE: tables_bytes(tables)}, code="", data=data, settings={}, metrics={})
    return tmp_path


def run(files: Path, *options: str) -> str:
    words = ["backtest", str(files / "log.csv"), "--no-cascade", "--items", str(files / "items.csv")]
    done = CliRunner().invoke(build_app("backtest"), [*words, "--model", "v0001", "--models", str(files), *options])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_events_of_items_nobody_had_yet_are_told_apart(files: Path) -> None:
    model = json.loads(run(files, "--json"))["model"]
    users, seen, places = set(), set(), []
    for at, event in enumerate(EVENTS):
        if at >= HALF and event.user_id in users and event.item_id not in seen:
            places.append(min(1.0, 5 / (len(IDS) - len(seen))))
        users.add(event.user_id)
        seen.add(event.item_id)
    new = model["new_items"]
    assert new["n"] == len(places) == model["last_half"]["items with 0 earlier events"]["n"] > 5
    assert new["random"] == pytest.approx(np.mean(places))
    assert new["hr@5"]["low"] <= new["hr@5"]["mean"] <= new["hr@5"]["high"]
    assert model["exposure"]["target"] == 0.25
    report = run(files)
    assert "new items beside the list: HR@5" in report
    assert "only for their boost" in report


def test_without_exposure_no_such_item_is_listed(files: Path) -> None:
    model = json.loads(run(files, "--exposure", "0", "--json"))["model"]
    assert model["exposure"] == {
        "target": 0.0, "published": 0.0, "boosts": [0.0, 0.0], "brought": 0.0, "few_boosts": [0.0, 0.0],
    }  # fmt: skip
    assert model["new_items"]["listed"] == 0.0
    assert model["last_half"]["items with 0 earlier events"]["hr@20"]["with"] == 0.0
