"""Every number of a preset can be set by its name, within its range, and a wrong one is one clear line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_rec.core.parameters import (
    LIMITS,
    checked,
    format_parameters,
    parameters_of,
    parse_parameters,
    with_parameters,
)
from stream_rec.core.presets import PRESETS, CoocParams, HopParams, Preset
from stream_rec.errors import ConfigError

EVERY_PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())


@EVERY_PRESET
def test_every_number_of_a_preset_has_limits_and_keeps_to_them(preset: Preset) -> None:
    values = parameters_of(preset)
    assert values.keys() == LIMITS.keys()
    assert {name: value for name, value in values.items() if checked(name, value, "preset") != value} == {}


@EVERY_PRESET
def test_one_preset_becomes_another_by_its_parameters(preset: Preset) -> None:
    text = format_parameters(parameters_of(preset))
    assert replace(with_parameters(Preset(), parse_parameters(text, "text")), name=preset.name) == preset


def test_what_is_not_named_stays_as_the_preset_has_it() -> None:
    changed = with_parameters(PRESETS["retail"], parse_parameters("hop.items=2, cooc.window=7,session_gap_ms=5e3", "-"))
    expected = replace(PRESETS["retail"], session_gap_ms=5000, cooc=CoocParams(window=7), hop=HopParams(items=2))
    assert changed == expected
    assert isinstance(changed.session_gap_ms, int)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cooc.windw=3", "need a parameter such as cooc.window"),
        ("window=3", "cooc.window"),
        ("name=3", "got 'name'"),
        ("cooc=3", "got 'cooc'"),
        ("cooc.window=-1", "need a whole number from 1 to 100 for cooc.window; got '-1'"),
        ("cooc.window=2.5", "need a whole number from 1 to 100 for cooc.window; got '2.5'"),
        ("cooc.window=inf", "need a whole number"),
        ("cooc.history_power=nan", "need a number from 0 to 5 for cooc.history_power; got 'nan'"),
        ("cooc.decay_ms=0", "for cooc.decay_ms; got '0'"),
        ("cooc.window=many", "got 'many'"),
        ("cooc.window", "need name=number,…; got 'cooc.window'"),
        ("cooc.window=", "need name=number,…; got 'cooc.window='"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_needed(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_parameters(text, "--set")
    assert str(error.value).startswith("--set: need ")
    assert message in str(error.value)
