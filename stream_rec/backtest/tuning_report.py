"""What tuning found: a table for a person, a settings file for a worker and for `backtest --settings`."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rich.table import Table

from stream_rec.backtest.tuning import Trial, Tuning
from stream_rec.backtest.tuning_trial import Gain


def settings_text(tuning: Tuning, log: str, default: str) -> str:
    """Return the choice as TOML, with what it was chosen on."""
    total = tuning.total()
    lines = [
        f"# Chosen by `stream-rec tune` on the first half of {log}: the last {tuning.events:,} events of it,",
        f"# {tuning.scored:,} of them scored. HR@20 + MRR@20 there: {tuning.level():.4f} with the preset {default},",
        f"# {_signed(total)} with this choice, on the events it was chosen on.",
        "[ranking]",
        f'preset = "{tuning.preset}"',
    ]
    parts = groupby(sorted(tuning.parameters.items()), key=lambda one: one[0].rpartition(".")[0])
    for part, values in parts:
        lines += ["", f"[ranking.parameters{'.' * bool(part)}{part}]"]
        lines += [f"{name.rpartition('.')[2]} = {value}" for name, value in values]
    return "\n".join(lines) + "\n"


def table_of_trials(tuning: Tuning, default: str) -> Table:
    """Return every trial and the choice as a table a person reads."""
    ended = "" if tuning.finished else " (out of time: not everything was tried)"
    table = Table(title=f"{tuning.events:,} events of the first half, {tuning.scored:,} scored{ended}")
    table.add_column("step")
    table.add_column("what was tried")
    table.add_column("HR@20 + MRR@20 against the best before", justify="right")
    table.add_column("taken")
    for trial in tuning.trials:
        table.add_row(trial.step, trial.what, _signed(trial.gain), "yes" if trial.taken else "")
    table.add_section()
    chosen = ", ".join([tuning.preset, *(f"{name}={value}" for name, value in sorted(tuning.parameters.items()))])
    table.add_row("chosen", chosen, f"{_signed(tuning.total())} over {default}'s {tuning.level():.4f}", "")
    return table


def as_dict(tuning: Tuning, default: str) -> dict[str, Any]:
    """Return the choice and every trial for a machine."""
    return {
        "default": default,
        "events": tuning.events,
        "scored": tuning.scored,
        "finished": tuning.finished,
        "preset": tuning.preset,
        "parameters": tuning.parameters,
        "level": tuning.level(),
        "gain": tuning.total()._asdict(),
        "trials": [{**trial._asdict(), "gain": trial.gain._asdict()} for trial in tuning.trials],
    }


def line_of(trial: Trial) -> str:
    """Return a trial as one line.

    Examples
    --------
    >>> line_of(Trial("tried", "cooc.window=8", Gain(0.012, 0.003), taken=True))
    'cooc.window=8: +0.0120 ± 0.0030, taken'
    """
    return f"{trial.what}: {_signed(trial.gain)}{', taken' * trial.taken}"


def _signed(gain: Gain) -> str:
    return f"{gain.mean:+.4f} ± {gain.error:.4f}"
