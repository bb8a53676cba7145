"""Tuning: which preset suits a log, and which parameters in place of its own, found on the first half of it.

1. Every preset goes through the stretch: the last events of the first half. One takes the place of the default only if
   it wins by more than its noise, three standard errors with users as clusters.
2. Halving: each parameter one step up and one step down, on the last third of the stretch. The better half of these
   moves goes on.
3. Coordinate search: what is left goes through the whole stretch, the most promising move first, each against the best
   so far, and is taken only if it wins by more than its noise. Where one was taken, the next step that way is tried.

The second half of the log is never replayed, so it stays good for a backtest that reports.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stream_rec.backtest.log_rows import LogEvent
from stream_rec.backtest.tuning_moves import LADDERS, Ladders, Move, moves, next_move
from stream_rec.backtest.tuning_trial import Evaluate, Gain, evaluate, first_half, gain, last_of, users_of
from stream_rec.core.parameters import checked, parameters_of, with_parameters
from stream_rec.core.presets import PRESETS, Preset
from stream_rec.core.types import Float64Array
from stream_rec.errors import ConfigError

NOISE = 3.0
"""Standard errors a change has to win by."""

FEWEST_EVENTS = 100
SHORTER = 3  # the stretch is so many times as long as what moves are screened on


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """What may be tried: `events` of the stretch, `default` preset, `seconds` in all; `seed` orders the moves."""

    default: str
    events: int = 30_000
    seconds: float = 300.0
    seed: int = 1
    presets: Sequence[str] = tuple(PRESETS)
    ladders: Ladders = field(default_factory=lambda: LADDERS)


class Trial(NamedTuple):
    """One trial: what was tried in which step, against what was best then, and whether it was taken."""

    step: str  # "preset", "screened" or "tried"
    what: str
    gain: Gain
    taken: bool


class Tuning:
    """A search over one log; `run` makes the trials one by one.

    Parameters
    ----------
    log
        All events of the log; the second half is let go of at once.
    clock
        Seconds; a trial that would not end in time is not begun.
    evaluate
        How a preset is scored on a stretch.

    Attributes
    ----------
    preset, parameters
        The choice so far: a preset's name, and the parameters in place of its own.
    trials
        What was done.
    finished
        Whether everything was tried that was to be tried.

    Raises
    ------
    ConfigError
        The log is too short to tell anything.
    """

    def __init__(
        self,
        log: Sequence[LogEvent],
        request: TuningRequest,
        clock: Callable[[], float],
        evaluate: Evaluate = evaluate,
    ) -> None:
        half = first_half(log)
        if len(half) < FEWEST_EVENTS:
            raise ConfigError(
                f"tune: need a log of {2 * FEWEST_EVENTS} events or more; got {len(log)}. Name a longer one."
            )
        self._request, self._clock, self._evaluate = request, clock, evaluate
        self._until = clock() + request.seconds
        self._stretch = last_of(half, request.events)
        self._part = last_of(self._stretch, -(-len(self._stretch) // SHORTER))
        self._users, self._part_users = users_of(self._stretch), users_of(self._part)
        self._seconds_an_event = 0.0
        self._default_scores: Float64Array = np.empty(0)
        self._scores: Float64Array = np.empty(0)
        self.preset = request.default
        self.parameters: dict[str, int | float] = {}
        self.trials: list[Trial] = []
        self.finished = False

    @property
    def events(self) -> int:
        """Length of the stretch."""
        return len(self._stretch)

    @property
    def scored(self) -> int:
        """Events that were scored."""
        return int((~np.isnan(self._default_scores)).sum())

    def total(self) -> Gain:
        """Return what the choice gains over the default preset, on the events it was chosen on."""
        return gain(self._scores, self._default_scores, self._users)

    def level(self) -> float:
        """Return the default preset's HR@20 + MRR@20."""
        return float(np.nanmean(self._default_scores)) if self.scored else 0.0

    def run(self) -> Iterator[Trial]:
        """Make one trial after the other; between them the choice so far stands."""
        for trial in self._steps():
            self.trials.append(trial)
            yield trial

    def _steps(self) -> Iterator[Trial]:
        self._default_scores = self._scores = self._score(self._chosen(), self._stretch)
        for name in self._request.presets:
            if name == self._request.default:
                continue
            if not self._time_for(self._stretch):
                return
            yield self._try_preset(name)
        screened = []
        for move, won in self._screened():
            screened.append((won.mean, move))
            yield Trial("screened", str(move), won, taken=False)
        if self._time_for(self._stretch):
            yield from self._climb(screened)

    def _try_preset(self, name: str) -> Trial:
        found = self._score(PRESETS[name], self._stretch)
        won = gain(found, self._scores, self._users)
        taken = won.mean > NOISE * won.error
        if taken:
            self.preset, self._scores = name, found
        return Trial("preset", name, won, taken)

    def _screened(self) -> Iterator[tuple[Move, Gain]]:
        """Yield every move from the preset with what it gains on the shorter stretch, in the seed's order."""
        if not self._time_for(self._part):
            return
        base = self._score(self._chosen(), self._part)
        waiting = list(moves(parameters_of(self._chosen()), self._request.ladders))
        random.Random(self._request.seed).shuffle(waiting)
        for move in waiting:
            if not self._time_for(self._part):
                return
            yield move, gain(self._score(self._with(move), self._part), base, self._part_users)

    def _climb(self, screened: list[tuple[float, Move]]) -> Iterator[Trial]:
        """Try the better half of the screened moves on the whole stretch, and go on where one was taken."""
        screened.sort(key=lambda one: -one[0])
        waiting = [move for won, move in screened[: -(-len(screened) // 2)] if won > 0]
        while waiting:
            if not self._time_for(self._stretch):
                return
            move = waiting.pop(0)
            found = self._score(self._with(move), self._stretch)
            won = gain(found, self._scores, self._users)
            taken = won.mean > NOISE * won.error
            if taken:
                self.parameters[move.name], self._scores = checked(move.name, move.value, "tune"), found
                waiting = [other for other in waiting if other.name != move.name]  # the other way was the worse one
                further = next_move(move.name, move.way, parameters_of(self._chosen()), self._request.ladders)
                waiting[:0] = [further] if further is not None else []
            yield Trial("tried", str(move), won, taken)
        self.finished = True

    def _chosen(self) -> Preset:
        return with_parameters(PRESETS[self.preset], self.parameters)

    def _with(self, move: Move) -> Preset:
        return with_parameters(self._chosen(), {move.name: move.value})

    def _score(self, preset: Preset, events: Sequence[LogEvent]) -> Float64Array:
        started = self._clock()
        found = self._evaluate(events, preset)
        self._seconds_an_event = (self._clock() - started) / len(events)
        return found

    def _time_for(self, events: Sequence[LogEvent]) -> bool:
        """Whether another trial on `events` would end in time, if it is as quick as the one before."""
        return self._clock() + self._seconds_an_event * len(events) <= self._until
