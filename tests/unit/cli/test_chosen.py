"""What a backtest ranks with: the file a worker takes, and the options over it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream_rec import config
from stream_rec.backtest.run import BacktestRequest, run_backtest
from stream_rec.cli.chosen import chosen
from stream_rec.core.parameters import parameters_of
from stream_rec.core.presets import PRESETS
from stream_rec.errors import ConfigError
from stream_rec.shop import Shop

TUNED = '[ranking]\npreset = "clicks"\n[ranking.parameters]\ncooc.window = 7\nhop.items = 0\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in list(os.environ):
        if variable.startswith(config.ENV_PREFIX):
            monkeypatch.delenv(variable)
    monkeypatch.setenv(config.CONFIG_VARIABLE, "")  # restored even where load() sets it
    path = tmp_path / "tuned.toml"
    path.write_text(TUNED)
    return path


def test_options_win_over_the_file_and_add_to_it(file: Path) -> None:
    assert chosen(None, None, "") == ("auto", {})
    assert chosen(None, file, "") == ("clicks", {"cooc.window": 7, "hop.items": 0})
    assert chosen("movies", file, "cooc.window=9,own.ahead=2") == (
        "movies",
        {"cooc.window": 9, "hop.items": 0, "own.ahead": 2},
    )


def test_without_a_file_the_environment_plays_no_part(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_REC_RANKING__PRESET", "movies")
    assert chosen(None, None, "")[0] == "auto"
    assert chosen(None, file, "")[0] == "movies"


def test_a_wrong_option_names_the_option() -> None:
    with pytest.raises(ConfigError, match=r"^--set: need a parameter such as cooc\.window"):
        chosen(None, None, "cooc.windw=3")


def test_a_backtest_ranks_with_the_parameters_it_was_given(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event}" for e in Shop(users=20, items=30).events(300)]
    log.write_text("\n".join(["timestamp_ms,user_id,item_id,event", *rows]))

    def fresh(preset: str, **parameters: float) -> object:
        return run_backtest(BacktestRequest(log, preset=preset, parameters=parameters), lambda values: values)["fresh"]

    clicks = fresh("clicks")
    assert fresh("retail", **parameters_of(PRESETS["clicks"])) == clicks
    assert fresh("retail") != clicks
