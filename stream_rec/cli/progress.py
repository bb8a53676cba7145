"""A progress bar around a sequence, on stderr; a plain line now and then where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
STEPS = 200


def silent(values: Sequence[T]) -> Iterable[T]:
    """Return the values as they are."""
    return values


def bar(values: Sequence[T]) -> Iterator[T]:
    """Yield the values while a bar fills."""
    console = Console(stderr=True)
    step = max(1, len(values) // STEPS)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("events", total=len(values))
        for index, value in enumerate(values, 1):
            yield value
            if index % step == 0 or index == len(values):
                progress.update(task, completed=index)
                if not console.is_terminal and index % (20 * step) == 0:
                    console.print(f"{index:,} of {len(values):,} events")
