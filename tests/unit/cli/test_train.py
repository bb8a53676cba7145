"""`stream-rec train`: a log and its catalogue become a version that is live, for a person and for a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_rec.cli.app import build_app
from stream_rec.errors import ConfigError
from stream_rec.shop import Shop
from stream_rec.shop.files import write_catalogue, write_events


@pytest.fixture
def log(tmp_path: Path) -> Path:
    shop = Shop(30, 40, 1)
    write_events(tmp_path / "log.csv", shop, shop.first(1_200))
    write_catalogue(tmp_path / "items.csv", shop.catalogue)
    return tmp_path / "log.csv"


def printed(*arguments: str | Path) -> str:
    done = CliRunner().invoke(build_app("train"), ["train", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_log_with_a_catalogue_becomes_a_version(log: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    words = (log, "--items", tmp_path / "items.csv", "--quick", "--test", "0.1", "--train", "0.8", "--out", models)
    figures = json.loads(printed(*words, "--json"))
    assert (figures["version"], figures["decision"]["action"]) == ("v0001", "promote")
    assert figures["data"]["texts"] == 40
    assert 0 <= figures["metrics"]["student"]["hr20"] <= 1
    assert Path(figures["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_ids_only_for_a_person(log: Path, tmp_path: Path) -> None:
    text = printed(log, "--quick", "--no-promote", "--out", tmp_path / "models")
    assert "tables, int8" in text
    assert "v0001, not decided" in text


def test_shares_that_overlap_are_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need shares that do not overlap"):
        printed(log, "--train", "0.9", "--test", "0.2", "--out", tmp_path)
