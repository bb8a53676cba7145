"""Settings come from defaults, file, environment and options, in that order; a wrong one is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec import config
from stream_rec.core.ranking.mixing import RERANK, Mix
from stream_rec.errors import ConfigError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for variable in list(os.environ):
        if variable.startswith(config.ENV_PREFIX):
            monkeypatch.delenv(variable)
    monkeypatch.setenv(config.CONFIG_VARIABLE, "")  # restored even where load() sets it


def toml(folder: Path, text: str) -> Path:
    path = folder / "stream-rec.toml"
    path.write_text(text)
    return path


def test_options_beat_environment_beats_file_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toml(tmp_path, '[kafka]\nbootstrap = "file:1"\ngroup = "file"\nclient_id = "file"\n')
    monkeypatch.setenv("STREAM_REC_KAFKA__GROUP", "environment")
    monkeypatch.setenv("STREAM_REC_KAFKA__CLIENT_ID", "environment")
    kafka = config.load(file, kafka={"client_id": "option"}).kafka
    assert (kafka.bootstrap, kafka.group, kafka.client_id, kafka.partitions) == ("file:1", "environment", "option", 4)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.load().kafka.partitions = 5  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("STREAM_REC_KAFKA__PARTITIONS", "many", "STREAM_REC_KAFKA__PARTITIONS: need a valid integer"),
        ("STREAM_REC_KAFKA__PARTITIONS", "0", "need greater than or equal to 1; got '0'"),
        ("STREAM_REC_KAFKA__PARTITION", "4", "STREAM_REC_KAFKA__PARTITION: need a setting of docs/settings.md"),
        ("STREAM_REC_KAFAK__GROUP", "x", "STREAM_REC_KAFAK__GROUP: need a setting of docs/settings.md"),
        (
            "STREAM_REC_RANKING__PRESET",
            "shoes",
            "RANKING__PRESET: need one of auto, clicks, movies, next-click",
        ),
        ("STREAM_REC_RANKING__PARAMETERS", "cooc.windw=3", "RANKING__PARAMETERS: need a parameter such as cooc.window"),
        ("STREAM_REC_RANKING__PARAMETERS", "cooc.window=-1", "RANKING__PARAMETERS: need a whole number from 1 to 100"),
        ("STREAM_REC_RANKING__EXCLUDE", "all", "need 'nothing', 'current', 'bought' or 'had'; got 'all'"),
        ("STREAM_REC_CONFIG", "/no/such.toml", "STREAM_REC_CONFIG: need a TOML file; got '/no/such.toml'"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as error:
        config.load()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[kafka\n", "[kafka]\ngroups = 1\n", "[shop]\n", "kafka = 3\n"])
def test_a_wrong_file_is_one_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need") as error:
        config.load(toml(tmp_path, text))
    assert "\n" not in str(error.value)


def test_pinned_weights_are_names_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.load().ranking.fusion() == ((), None)
    monkeypatch.setenv("STREAM_REC_RANKING__PINNED", " cooc=0.7, own = 0.25,popularity=0,")
    assert config.load().ranking.fusion() == ((("cooc", 0.7), ("own", 0.25), ("popularity", 0.0)), None)


NEEDED = "need finite weights >= 0 of cooc, own, factors, hop, sequence, content, popularity"


@pytest.mark.parametrize(
    ("pinned", "message"),
    [
        ("cooc", "STREAM_REC_RANKING__PINNED: need source=number,…; got 'cooc'. Correct it."),
        ("cooc=0.7,own=much", "STREAM_REC_RANKING__PINNED: need source=number,…; got 'own=much'. Correct it."),
        ("cooc=", "STREAM_REC_RANKING__PINNED: need source=number,…; got 'cooc='. Correct it."),
        ("cooc:0.7", "STREAM_REC_RANKING__PINNED: need source=number,…; got 'cooc:0.7'. Correct it."),
        ("colour=1", f"{NEEDED}; got colour 1.0."),
        ("=1", f"{NEEDED}; got  1.0."),
        ("own=-0.1", f"{NEEDED}; got own -0.1."),
        ("own=nan", f"{NEEDED}; got own nan."),
        ("own=inf", f"{NEEDED}; got own inf."),
        ("blend=1", "need blend and sequence, both finite and >= 0, where blend is named; got blend 1.0."),
        ("blend=1,cooc=1", "need blend and sequence, both finite and >= 0, where blend is named; got blend 1.0, cooc"),
        ("blend=-1,sequence=1", "where blend is named; got blend -1.0, sequence 1.0. Leave one of them out."),
    ],
)
def test_pinned_weights_that_mean_nothing_are_refused_before_anything_starts(
    pinned: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM_REC_RANKING__PINNED", pinned)
    with pytest.raises(ConfigError) as error:
        config.load()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_is_mixed_in_by_weights_or_orders_alone() -> None:
    both = {"pinned": "blend=0.7,sequence=0.3"}
    assert config.load(ranking=both).ranking.fusion() == ((), Mix(0.7, 0.3))
    assert config.load(ranking={"sequence": "rerank"}).ranking.fusion() == ((), RERANK)
    pinned = {"sequence": "rerank", "pinned": "cooc=1"}
    assert config.load(ranking=pinned).ranking.fusion() == ((("cooc", 1.0),), RERANK)
    with pytest.raises(ConfigError, match=r"got blend 0\.7, sequence 0\.3, and rerank"):
        config.load(ranking=both | {"sequence": "rerank"})


@pytest.mark.parametrize("name", ["sample_every", "cascade_users", "refresh_days"])
def test_how_often_is_never_negative(name: str) -> None:
    assert getattr(config.load(ranking={name: 0}).ranking, name) == 0
    with pytest.raises(ConfigError, match=f"STREAM_REC_RANKING__{name.upper()}: need greater than or equal to 0"):
        config.load(ranking={name: -1})


def test_parameters_come_as_text_or_as_a_table_and_reach_children_as_text(tmp_path: Path) -> None:
    table = '[ranking]\npreset = "clicks"\n[ranking.parameters]\nsession_gap_ms = 5000\ncooc.window = 7\n'
    text = '[ranking]\npreset = "clicks"\nparameters = "session_gap_ms=5000,cooc.window=7"\n'
    loaded = config.load(toml(tmp_path, table))
    assert loaded.ranking == config.load(toml(tmp_path, text)).ranking
    chosen = loaded.ranking.chosen_preset()
    assert (chosen.session_gap_ms, chosen.cooc.window, chosen.cooc.history_power) == (5000, 7, 1.8)
    assert config.environment_of(loaded)["STREAM_REC_RANKING__PARAMETERS"] == "session_gap_ms=5000,cooc.window=7"


def test_a_wrong_parameter_of_a_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"RANKING__PARAMETERS: need a whole number .* for cooc\.window; got 'wide'"):
        config.load(toml(tmp_path, '[ranking.parameters.cooc]\nwindow = "wide"\n'))
