"""`stream-rec backtest`: the options reach the backtest, and its figures reach a person or a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_rec.cli.app import build_app
from stream_rec.errors import ConfigError
from stream_rec.shop import Shop


@pytest.fixture
def log(tmp_path: Path) -> str:
    events = Shop(users=10, items=20).events(200)
    rows = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event}" for e in events]
    (tmp_path / "log.csv").write_text("\n".join(["timestamp_ms,user_id,item_id,event", *rows]))
    return str(tmp_path / "log.csv")


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(build_app("backtest"), ["backtest", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_comparison_for_a_machine_and_as_a_page(log: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    figures = json.loads(printed(log, "--report", str(page), "--every", "3", "--json"))
    assert figures["comparison"]["methods"][0]["whole"]["n"] == figures["scored"] < 100
    assert "vmis-knn" in page.read_text(encoding="utf-8")


def test_a_comparison_for_a_person(log: str) -> None:
    text = printed(log, "--compare")
    assert "stream-rec minus" in " ".join(text.split())
    assert "vmis-knn" in text


def test_the_published_protocol(log: str) -> None:
    figures = json.loads(printed(log, "--test", log, "--json"))
    assert [method["name"] for method in figures["methods"]] == ["stream-rec"]
    assert 0 <= figures["methods"][0]["mrr@20"] <= figures["methods"][0]["hr@20"] <= 1


def test_what_is_not_known_yet_is_null_and_no_nan(log: str) -> None:
    text = printed(log, "--json")
    assert json.loads(text)["second_stage"]["forest"] is None
    assert "NaN" not in text


def test_a_page_that_cannot_be_written_is_said_before_the_replay(log: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(build_app("backtest"), ["backtest", log, "--report", str(tmp_path / "no" / "page.html")])
    assert isinstance(done.exception, ConfigError)
    assert "need a file that can be written" in str(done.exception)
