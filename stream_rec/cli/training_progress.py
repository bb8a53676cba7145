"""Progress of a training run on stderr: one bar per stage; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINES_PER_STAGE = 10

Report = Callable[[str, int, int, str], None]


@contextmanager
def training_bars(quiet: bool) -> Iterator[Report]:
    """Yield the function a run reports to: stage, steps done, steps in all, a note."""
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description:20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}
        printed: dict[str, int] = {}

        def report(stage: str, done: int, of: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=of, note=note)
            progress.update(tasks[stage], completed=done, note=note)
            tenth = LINES_PER_STAGE * done // max(1, of)
            if not console.is_terminal and tenth > printed.get(stage, 0):
                printed[stage] = tenth
                console.print(f"{stage}: {done:,} of {of:,} {note}".rstrip(), highlight=False)

        yield report
