"""Parameters of a preset by name: `cooc.window=12` in a setting, an option or a tuned file, checked before it is used.

Names are those of the fields in `core/presets.py`, with a dot between the part and its field. `name` and the fusion's
weights are no numbers and stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any

from stream_rec.core.presets import DAY_MS, PRESETS, Preset
from stream_rec.errors import ConfigError

Parameters = Mapping[str, int | float]
"""Dotted name -> value."""

_POWER, _SHARE, _TIME_MS = (0.0, 5.0), (0.0, 1.0), (60_000, 3650 * DAY_MS)

LIMITS: dict[str, tuple[float, float]] = {
    "session_gap_ms": (1_000, 30 * DAY_MS),
    "history_events": (1, 65_535),
    "cooc.decay_ms": _TIME_MS,
    "cooc.window": (1, 100),
    "cooc.distance_power": _POWER,
    "cooc.backward_weight": (0.0, 10.0),
    "cooc.neighbours": (1, 1_000),
    "cooc.history": (1, 1_000),
    "cooc.history_power": _POWER,
    "cooc.other_session": (0.0, 10.0),
    "cooc.other_power": _POWER,
    "cooc.mass_power": _POWER,
    "cooc.candidate_power": _POWER,
    "cooc.in_session": (0.0, 10.0),
    "own.recent": (1, 100),
    "own.ahead": (1, 100),
    "own.behind": (0, 100),
    "own.behind_weight": (0.0, 10.0),
    "own.base": _SHARE,
    "own.in_session": (0.0, 10.0),
    "popularity.decay_ms": _TIME_MS,
    "factors.dimensions": (0, 256),
    "factors.history": (1, 100),
    "factors.history_power": _POWER,
    "factors.other_session": (0.0, 10.0),
    "factors.other_power": _POWER,
    "factors.learning_rate": (0.0, 10.0),
    "factors.negatives": (1, 1_000),
    "factors.negligible": _SHARE,
    "factors.session_cost": (-20.0, 20.0),
    "factors.initial": _SHARE,
    "hop.items": (0, 10),
    "hop.most_near": (1, 10_000),
    "sequence.last": (1, 50),
    "sequence.proposed": (0, 50),
    "sequence.reranked": (1, 60),
    "sequence.most_items": (0, 10_000_000),
    "content.history": (1, 50),
    "content.other_session": (0.0, 1.0),
    "content.unsold": (0, 20),
    "content.few": (0, 20),
    "content.most_cold": (0, 100_000),
    "ranker.learning_rate": (0.0, 1.0),
    "ranker.initial": (0.0, 100.0),
    "ranker.visit_examples": (0, 1_000),
    "fusion.rank_offset": (0.0, 1_000.0),
    "cascade.past_lists": (100, 1_000_000),
    "cascade.least_lists": (10, 1_000_000),
    "cascade.negative_floor": (0.001, 1.0),
    "cascade.negative_share": (0.0, 1e6),
    "cascade.refit_ms": _TIME_MS,
    "cascade.refit_lists": (100, 100_000_000),
    "cascade.trial_lists": (10, 1_000_000),
    "cascade.leaf_rate": _SHARE,
    "cascade.average_lists": (1.0, 1e6),
    "fit.trees": (1, 1_000),
    "fit.depth": (1, 6),
    "fit.learning_rate": (0.0, 1.0),
    "fit.l2": (0.001, 1e6),
    "fit.least_hessian": (0.0, 1e6),
    "fit.feature_fraction": (0.01, 1.0),
    "fit.list_fraction": (0.01, 1.0),
    "signals.view_item": (0.001, 1e3),
    "signals.select_item": (0.001, 1e3),
    "signals.add_to_wishlist": (0.001, 1e3),
    "signals.add_to_cart": (0.001, 1e3),
    "signals.purchase": (0.001, 1e3),
    "signals.near_hidden": (0.0, 100.0),
}
"""Dotted name -> least and greatest value, both allowed; also the list of what can be set."""


def preset_named(name: str, where: str) -> Preset:
    """Return a preset that ships.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"{where}: need one of {', '.join(sorted(PRESETS))}; got {name!r}. See docs/settings.md.")
    return PRESETS[name]


def parameters_of(preset: Preset) -> dict[str, int | float]:
    """Return every parameter that can be set, with its value in `preset`.

    Examples
    --------
    >>> parameters_of(PRESETS["clicks"])["cooc.window"]
    12
    """
    return dict(_numbers(preset, ""))


def parse_parameters(text: str, where: str) -> dict[str, int | float]:
    """Return the parameters in `name=number,…`, checked.

    Raises
    ------
    ConfigError
        Not of that form, no such parameter, or a value that it cannot have.

    Examples
    --------
    >>> parse_parameters("cooc.window=12, cooc.history_power=1.8", "--set")
    {'cooc.window': 12, 'cooc.history_power': 1.8}
    """
    given = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not name or not value:
            raise ConfigError(f"{where}: need name=number,…; got {part!r}. Correct it.")
        given[name] = checked(name, value, where)
    return given


def format_parameters(parameters: Mapping[str, object]) -> str:
    """Return `name=number,…`, which `parse_parameters` reads back to the same numbers.

    Examples
    --------
    >>> format_parameters({"cooc.window": 12, "hop.items": 2})
    'cooc.window=12,hop.items=2'
    """
    return ",".join(f"{name}={value}" for name, value in parameters.items())


def checked(name: str, value: object, where: str) -> int | float:
    """Return the value of one parameter as its type.

    Raises
    ------
    ConfigError
        No such parameter, not a number, not a whole one where one is needed, or out of range.
    """
    kinds = {known: type(default) for known, default in parameters_of(PRESETS["retail"]).items()}
    if name not in kinds:
        near = get_close_matches(name, kinds, n=3, cutoff=0.5) or sorted({known.split(".")[0] for known in kinds})
        raise ConfigError(f"{where}: need a parameter such as {', '.join(near)}; got {name!r}. See docs/settings.md.")
    least, most = LIMITS[name]
    number = _number(value)
    if kinds[name] is int and number.is_integer():
        number = int(number)
    if not isinstance(number, kinds[name]) or not least <= number <= most:
        kind = "a whole number" if kinds[name] is int else "a number"
        raise ConfigError(f"{where}: need {kind} from {least:g} to {most:g} for {name}; got {value!r}. Correct it.")
    return number


def with_parameters(preset: Preset, parameters: Parameters) -> Preset:
    """Return `preset` with checked parameters in place of its own.

    Examples
    --------
    >>> with_parameters(PRESETS["retail"], {"cooc.window": 12}).cooc.window
    12
    """
    parts: dict[str, dict[str, int | float]] = {}
    for name, value in parameters.items():
        part, _, field = name.rpartition(".")
        parts.setdefault(part, {})[field] = value
    changed: dict[str, Any] = dict(parts.pop("", {}))
    for part, values in parts.items():
        changed[part] = replace(getattr(preset, part), **values)
    return replace(preset, **changed)


def flattened(table: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted name and value of a nested table, as TOML has it.

    Examples
    --------
    >>> list(flattened({"cooc": {"window": 12}, "session_gap_ms": 7_200_000}))
    [('cooc.window', 12), ('session_gap_ms', 7200000)]
    """
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _numbers(part: Any, before: str) -> Iterator[tuple[str, int | float]]:
    for field in fields(part):
        value = getattr(part, field.name)
        if is_dataclass(value):
            yield from _numbers(value, f"{before}{field.name}.")
        elif isinstance(value, int | float):
            yield before + field.name, value


def _number(value: object) -> float:
    """Return the number a value stands for, NaN where it stands for none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan
