"""Tuning takes what wins by more than noise, in time, and knows nothing of the second half of a log."""

from __future__ import annotations

import tomllib
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_rec import config
from stream_rec.backtest.log_rows import LogEvent
from stream_rec.backtest.tuning import Tuning, TuningRequest
from stream_rec.backtest.tuning_moves import LADDERS, moves
from stream_rec.backtest.tuning_report import as_dict, settings_text, table_of_trials
from stream_rec.backtest.tuning_trial import evaluate, first_half, gain, scores
from stream_rec.core.parameters import checked, parameters_of, with_parameters
from stream_rec.core.presets import PRESETS, Preset
from stream_rec.core.types import Float64Array
from stream_rec.errors import ConfigError
from stream_rec.shop import Shop

LOG = [LogEvent(n, n, f"user{n % 40}", f"item{n % 7}", "view_item") for n in range(1200)]
REQUEST = TuningRequest(default="retail", events=400, presets=("retail", "clicks", "movies"))


def no_clock() -> float:
    return 0.0


def shop_log(seed: int) -> list[LogEvent]:
    events = Shop(users=30, items=40, seed=seed).events(600)
    return [LogEvent(n, e.timestamp_ms, e.user_id, e.item_id, e.event) for n, e in enumerate(events)]


class Bowl:
    """Scores fall with the distance from `best`, in steps of the ladder; `noise` is luck of each user and preset."""

    def __init__(self, noise: float = 0.0, preset: str = "", **best: float) -> None:
        self.noise, self.preset, self.best = noise, preset, best
        self.seen: list[Sequence[LogEvent]] = []

    def __call__(self, events: Sequence[LogEvent], preset: Preset) -> Float64Array:
        self.seen.append(events)
        values = parameters_of(preset)
        steps = sum(
            abs(bisect_left(LADDERS[name], values[name]) - LADDERS[name].index(best))
            for name, best in self.best.items()
        )
        users = np.array([int(event.user_id.removeprefix("user")) for event in events])
        usual = parameters_of(PRESETS["retail"])
        seed = zlib.crc32(repr([(name, value) for name, value in values.items() if value != usual[name]]).encode())
        luck = np.random.default_rng(seed).normal(0.0, self.noise, 40) if self.noise else np.zeros(40)
        level = 1.0 - 0.05 * steps + 0.2 * (preset.name == self.preset)
        return np.where(np.arange(len(events)) >= len(events) // 2, level + luck[users], np.nan)


def tuned(bowl: Bowl, log: Sequence[LogEvent] = LOG, request: TuningRequest = REQUEST) -> Tuning:
    tuning = Tuning(log, request, no_clock, bowl)
    list(tuning.run())
    return tuning


def test_the_better_preset_is_taken_and_then_its_parameters_step_by_step() -> None:
    tuning = tuned(Bowl(preset="clicks", **{"cooc.window": 20, "cooc.history_power": 1.0}))
    assert (tuning.preset, tuning.parameters) == ("clicks", {"cooc.window": 20, "cooc.history_power": 1.0})
    taken = [trial.what for trial in tuning.trials if trial.taken]
    assert taken[0] == "clicks"
    assert [what for what in taken if "history" in what] == [f"cooc.history_power={v}" for v in (1.5, 1.25, 1.0)]
    assert tuning.finished
    away = 3 + 2  # steps from retail's window of 5 to 20, and from its power of 1.5 to 1.0
    assert tuning.total().mean == pytest.approx(0.2 + 0.05 * away)


def test_differences_within_their_noise_change_nothing() -> None:
    tuning = tuned(
        Bowl(noise=0.5, **{"cooc.window": 8})
    )  # .05 to be gained, with a standard error of .5 √2 / √40 = .11
    assert (tuning.preset, tuning.parameters) == ("retail", {})
    assert any(trial.step == "tried" and trial.gain.mean > 0 for trial in tuning.trials)
    assert tuning.total() == (0.0, 0.0)


def test_only_the_better_half_of_the_moves_goes_through_the_whole_stretch() -> None:
    bowl = Bowl(**{"cooc.window": 8})
    trials = tuned(bowl).trials
    screened = [trial.what for trial in trials if trial.step == "screened"]
    assert sorted(screened) == sorted(map(str, moves(parameters_of(PRESETS["retail"]))))
    assert [trial.what for trial in trials if trial.step == "tried"] == ["cooc.window=8", "cooc.window=12"]
    assert {len(events) for events in bowl.seen} == {400, 134}


def test_the_stretch_ends_at_the_middle_of_the_log() -> None:
    bowl = Bowl()
    tuned(bowl)
    assert {events[-1].timestamp_ms for events in bowl.seen} == {LOG[599].timestamp_ms}
    assert [event.index for event in bowl.seen[0]] == list(range(400))


def test_no_trial_is_begun_that_would_not_end_in_time() -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock, bowl = Clock(), Bowl(preset="clicks")

    def slow(events: Sequence[LogEvent], preset: Preset) -> Float64Array:
        clock.now += 0.01 * len(events)  # 4 s for the stretch, 1.34 s for its third
        return bowl(events, preset)

    tuning = Tuning(LOG, replace(REQUEST, seconds=15.0), clock, slow)
    steps = [trial.step for trial in tuning.run()]
    assert steps == ["preset", "preset", "screened"]
    assert clock.now <= 15.0
    assert (tuning.preset, tuning.finished) == ("clicks", False)


def test_the_seed_orders_the_moves() -> None:
    def screened(seed: int) -> list[str]:
        trials = tuned(Bowl(), request=replace(REQUEST, seed=seed)).trials
        return [trial.what for trial in trials if trial.step == "screened"]

    assert screened(1) == screened(1) != screened(2)
    assert sorted(screened(1)) == sorted(screened(2))


def test_a_log_that_can_tell_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="need a log of 200 events or more; got 199"):
        Tuning(LOG[:199], REQUEST, no_clock)


def test_every_value_that_is_tried_is_one_a_parameter_can_have() -> None:
    assert [
        name for name, ladder in LADDERS.items() for value in ladder if checked(name, value, "ladder") != value
    ] == []
    assert [name for name, ladder in LADDERS.items() if list(ladder) != sorted(set(ladder))] == []


def test_the_error_of_a_gain_counts_users_not_events() -> None:
    old, users = np.zeros(400), np.repeat(np.arange(4, dtype=np.int32), 100)
    new = np.repeat([1.0, 1.0, 0.0, 0.0], 100)
    assert gain(new, old, users) == (0.5, 0.25)  # four draws of .5, each .5 away: .5 / √4
    new[:100] = np.nan
    assert gain(new, old, users).mean == pytest.approx(1 / 3)


def test_the_file_is_what_a_worker_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(config.CONFIG_VARIABLE, "")  # restored even where load() sets it
    tuning = tuned(Bowl(preset="clicks", **{"cooc.window": 20, "hop.items": 0}))
    file = tmp_path / "tuned.toml"
    file.write_text(settings_text(tuning, "log.csv", "retail"))
    chosen = config.load(file).ranking.chosen_preset()
    assert chosen == with_parameters(PRESETS["clicks"], {"cooc.window": 20, "hop.items": 0})
    assert tomllib.loads(file.read_text())["ranking"]["parameters"] == {"cooc": {"window": 20}, "hop": {"items": 0}}
    assert table_of_trials(tuning, "retail").row_count == len(tuning.trials) + 1


def test_the_second_half_of_a_log_changes_nothing() -> None:
    first, other = shop_log(1), shop_log(2)
    mixed = first[:300] + [event._replace(index=300 + n) for n, event in enumerate(other[:300])]
    request = replace(REQUEST, presets=("retail", "clicks"), ladders={"cooc.window": (3, 5, 8), "hop.items": (0, 2)})
    results = []
    for events in (first, mixed):
        tuning = Tuning(events, request, no_clock)
        list(tuning.run())
        results.append((as_dict(tuning, "retail"), settings_text(tuning, "log.csv", "retail")))
    assert first != mixed
    assert results[0] == results[1]
    assert results[0][0]["scored"] > 10


def test_only_the_last_half_of_the_stretch_is_scored() -> None:
    events = first_half(shop_log(1))
    found = evaluate(events, PRESETS["retail"])
    assert np.isnan(found[:150]).all()
    assert 10 < (~np.isnan(found[150:])).sum() < 150
    assert scores(np.array([1, 20, 0], np.int8)).tolist() == [2.0, 1.05, 0.0]
