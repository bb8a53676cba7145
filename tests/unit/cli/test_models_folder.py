"""Where models are is said once, by the setting an encoder reads; an option wins over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.cli.app import build_app
from stream_rec.cli.options import models_folder


def run(*words: str | Path) -> Any:
    done = CliRunner().invoke(build_app("models"), ["models", *map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def versions(*words: str | Path) -> list[str]:
    return [one["version"] for one in run("list", *words)["versions"]]


def test_the_environment_the_file_and_the_option_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("environment", "file", "option"):
        ModelRegistry(tmp_path / name).publish({}, code="", data={"log": name}, settings={}, metrics={})
    monkeypatch.setenv("STREAM_REC_CONFIG", "")  # what `--config` leaves behind is taken back
    file = tmp_path / "settings.toml"
    file.write_text(f'[encoder]\nmodels = "{tmp_path / "file"}"\n')
    assert run("show", "v0001", "--config", file)["data"]["log"] == "file"
    monkeypatch.setenv("STREAM_REC_ENCODER__MODELS", str(tmp_path / "environment"))
    assert run("show", "v0001")["data"]["log"] == "environment"
    for option in ("--models", "--out"):
        assert run("show", "v0001", option, tmp_path / "option")["data"]["log"] == "option"
    assert versions("--models", tmp_path) == []


def test_without_anything_it_is_the_default_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAM_REC_ENCODER__MODELS", raising=False)
    assert models_folder(None, None) == Path("data/models")
    assert models_folder(Path("elsewhere"), None) == Path("elsewhere")


def test_a_damaged_version_does_not_hide_the_others(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    for _ in range(2):
        registry.publish({}, code="", data={}, settings={}, metrics={})
    (tmp_path / "v0001" / "manifest.json").write_text("{")
    listed = run("list", "--models", tmp_path)
    assert [one["version"] for one in listed["versions"]] == ["v0002"]
    assert len(listed["damaged"]) == 1 and listed["damaged"][0].startswith("v0001 is damaged: ")


@pytest.mark.parametrize("name", ["train", "backtest"])
def test_no_command_has_a_default_of_its_own(name: str) -> None:
    group: Any = typer.main.get_command(build_app(name))
    (option,) = [one for one in group.commands[name].params if "--models" in one.opts]
    assert option.default is None
