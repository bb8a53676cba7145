"""The demo's sequence model: installed, trained on the shop's past and encoded, one step after the other, behind it.

It begins when the past is learned and lists flow, and stands back for all others: the demo never waits for it. A step
that fails ends it, and the page says why; the demo goes on without a model. The past is written down as a file, and how
long it was when training began is kept: topics and shop grow, and training that was cut short could not go on.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.supervisor import spawn, stop
from stream_rec.config import Settings, environment_of

BEGINS_FILE = "model.json"
NICENESS = 5  # a third of what others get where all cores are busy; at 19 it would never come to its end there
STOP_S = 5.0
RESTART_CODE, RESTART_PAUSE_S = 70, 2.0

STAGES = {"texts": 0.25, "teacher": 0.45, "teacher's states": 0.03, "student": 0.22, "compression": 0.05}
"""Stages of a training run, and about which share of its time each takes."""


@dataclass(frozen=True)
class ModelPlan:
    """How the model comes about.

    Parameters
    ----------
    users, items, seed
        The generated shop.
    events, passed
        How many of its events to learn from: the newest of those that it has behind it.
    install
        Command that installs the extra `neural`; empty: it is there, or there will be no model.
    """

    users: int
    items: int
    seed: int
    events: int
    passed: int
    install: str = ""


@dataclass(frozen=True)
class _Step:
    """One child after another: its name for log file and page, and its command."""

    name: str
    words: str
    command: Sequence[str]


class DemoModel:
    """Drives the steps; `advance` is called now and then, `stop` at the end.

    Parameters
    ----------
    settings
        The demo's; the registry is `encoder.models`.
    plan
        What to train.
    folder
        Gets the past, what is learned of it, and the logs of the steps.
    """

    def __init__(self, settings: Settings, plan: ModelPlan, folder: Path) -> None:
        self._environment, self._folder = environment_of(settings), folder
        self._registry = ModelRegistry(settings.encoder.models)
        self._begins = folder / BEGINS_FILE
        self._plan = self._kept(plan)
        self._steps = self._planned(self._plan)
        self._child: subprocess.Popen[bytes] | None = None
        self._begun = False
        self._again_at = 0.0
        self._failure = ""

    def advance(self) -> None:
        """Start the next step if the one before is done."""
        if self._failure or not self._steps or time.monotonic() < self._again_at:
            return
        if not self._begun:
            self._begun = True
            self._begins.write_text(json.dumps(asdict(self._plan)))
        step = self._steps[0]
        if self._child is None:
            self._child = spawn(step.command, log=self._log(step), env=self._environment, niceness=NICENESS)
            return
        code = self._child.poll()
        if code is None:
            return
        self._child = None
        if step.name == "encoder" and code == RESTART_CODE:
            self._again_at = time.monotonic() + RESTART_PAUSE_S
        elif code or step.name == "encoder":
            self._failure = f"none: {step.name} ended with {code}: {self._last_line(step) or 'no output'}"
        else:
            self._steps.pop(0)

    def state(self) -> str:
        """Return how far it is, in words."""
        if self._failure or not self._steps:
            return self._failure
        step = self._steps[0]
        if not self._begun:
            return "waits until the past is learned"
        if step.name == "train":
            return f"{step.words}, {progress_of(self._text(step)):.0%}"
        return step.words

    def stop(self) -> None:
        """End the step that runs."""
        self._steps = []
        if self._child is not None:
            stop(self._child, STOP_S)
            self._child = None

    def _kept(self, plan: ModelPlan) -> ModelPlan:
        """Return the plan with the past of the start at which training of this very plan began, if one did."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            began = ModelPlan(**json.loads(self._begins.read_text()))
            if replace(began, passed=plan.passed, install=plan.install) == plan:
                return replace(plan, passed=int(began.passed))
        return plan

    def _planned(self, plan: ModelPlan) -> list[_Step]:
        """Return what is left to do: a version from an earlier start is only announced again."""
        us, models = [sys.executable, "-m", "stream_rec"], ["--out", str(self._registry.folder)]
        log, catalogue = str(self._folder / "past.csv"), str(self._folder / "past-items.csv")
        shop = ["--users", str(plan.users), "--items", str(plan.items), "--seed", str(plan.seed)]
        past = [*us, "shop", "--out", log, "--catalogue-out", catalogue, "--events", str(plan.passed), *shop]
        train = [*us, "train", log, "--items", catalogue, "--announce", *models]
        if plan.passed > plan.events:
            train += ["--since", f"{1.0 - plan.events / plan.passed:.4f}"]
        if self._registry.state().live is None:
            making = [_Step("past", "writing the shop's past down", past), _Step("train", "training", train)]
        else:
            making = [_Step("announce", "trained, being announced", [*us, "models", "announce", *models])]
        encoder = _Step("encoder", "trained, its rows are on their way", [*us, "encoder"])
        install = [_Step("install", "installing what training needs", shlex.split(plan.install))]
        return [*(install if plan.install else []), *making, encoder]

    def _log(self, step: _Step) -> Path:
        return self._folder / f"model-{step.name}.log"

    def _text(self, step: _Step) -> str:
        log = self._log(step)
        return log.read_text(errors="replace") if log.exists() else ""

    def _last_line(self, step: _Step) -> str:
        return self._text(step).strip().rpartition("\n")[2][-200:]


def progress_of(log: str, stages: Mapping[str, float] = STAGES) -> float:
    """Return which share of a training run is done, from the lines it has printed (`cli/training_progress.py`).

    Examples
    --------
    >>> progress_of("texts: 3,000 of 3,000\\nteacher: 500 of 1,000 loss 5.1\\n")
    0.475
    """
    done = 0.0
    for line in log.splitlines():
        stage, _, rest = line.partition(": ")
        numbers = rest.replace(",", "").split(" ", 3)
        if (
            stage in stages
            and len(numbers) >= 3
            and numbers[1] == "of"
            and numbers[0].isdigit()
            and numbers[2].isdigit()
        ):
            before = sum(share for name, share in list(stages.items())[: list(stages).index(stage)])
            done = max(done, before + stages[stage] * int(numbers[0]) / max(1, int(numbers[2])))
    return done
