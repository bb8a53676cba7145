"""Show a download: bars on a terminal, two plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from stream_rec.adapters.kafka_artifacts import ByteProgress


@contextmanager
def shown(title: str) -> Iterator[ByteProgress]:
    """Yield what `kafka_artifacts.fetch` reports to; nothing is printed while nothing is downloaded."""
    console = Console(file=sys.stderr)
    with _bar(console, title) if console.is_terminal else _lines(console, title) as progress:
        yield progress


@contextmanager
def _bar(console: Console, title: str) -> Iterator[ByteProgress]:
    columns = (
        TextColumn(title),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[file]}"),
    )
    bar = Progress(*columns, console=console, transient=True)
    lock = Lock()  # files come in from several threads
    started = False

    @contextmanager
    def one_file(name: str, size: int) -> Iterator[Callable[[int], None]]:
        nonlocal started
        with lock:
            if not started:
                bar.start()
                bar.add_task(title, total=0, file=name)
                started = True
            task = bar.tasks[0]
            bar.update(task.id, total=(task.total or 0) + size, file=name)
        yield lambda count: bar.advance(task.id, count)

    try:
        yield one_file
    finally:
        bar.stop()


@contextmanager
def _lines(console: Console, title: str) -> Iterator[ByteProgress]:
    begin = time.monotonic()
    files, received = 0, 0
    lock = Lock()

    def count(size: int) -> None:
        nonlocal received
        with lock:
            received += size

    @contextmanager
    def one_file(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        nonlocal files
        with lock:
            if files == 0:
                console.print(f"{title}: downloading", highlight=False)
            files += 1
        yield count

    yield one_file
    if files:
        seconds = time.monotonic() - begin
        console.print(f"{title}: {files} files, {received / 1e6:.0f} MB in {seconds:.0f} s", highlight=False)
