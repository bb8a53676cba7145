"""How far a replay is: a bar on a terminal, a plain line now and then elsewhere; on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

BAR_INTERVAL_S = 0.1
LINE_INTERVAL_S = 5.0


class ReplayProgress:
    """Shows events sent of `total()`, which may still change while rows are left out."""

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("replay"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:,.0f}/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("replay", total=total(), speed=0.0)
        self._interval_s = BAR_INTERVAL_S if self._console.is_terminal else LINE_INTERVAL_S
        self._started = self._shown = time.monotonic()
        self._sent = 0

    def update(self, sent: int) -> None:
        """Note that `sent` events have been sent; shown at most every interval."""
        self._sent = sent
        if time.monotonic() - self._shown >= self._interval_s:
            self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        speed = self._sent / max(self._shown - self._started, 1e-9)
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._sent, total=max(self._sent, self._total()), speed=speed)
        else:
            self._console.print(f"{self._sent:,} of {self._total():,} events, {speed:,.0f}/s", highlight=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._show()
        self._bar.stop()
