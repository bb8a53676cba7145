"""Files of rows: CSV (comma, semicolon or tab) or JSON lines, gzipped or not, told by their first bytes."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO, cast

import msgspec

from stream_rec.errors import ConfigError

_GZIP_MAGIC = b"\x1f\x8b"


class Table(NamedTuple):
    """An open file: the columns (of JSON lines: those of the first), and the rows with their line numbers, read once.

    `open_ended`: JSON lines, whose later rows may have fields that the first one lacks.
    """

    columns: list[str]
    rows: Iterator[tuple[int, Mapping[str, Any]]]
    open_ended: bool


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a file of rows; constant memory.

    Raises
    ------
    ConfigError
        The file cannot be read, now or while its rows are; the message names the line where there is one.
    """
    with unpacked(path) as text:
        first = text.readline()
        if not first.strip():
            raise ConfigError(f"{path}, line 1: need a header or a JSON object; got an empty line.")
        yield _json_lines(first, text, path) if first.lstrip().startswith("{") else _csv(first, text)


@contextmanager
def unpacked(path: Path) -> Iterator[TextIO]:
    """Open a text file, gzipped or not. Raises ConfigError, also for what goes wrong while it is read."""
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == _GZIP_MAGIC
            # Descriptions in old code pages are common and harmless; ids that are no UTF-8 are refused further down.
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw) if packed else raw)
            with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="") as text:
                yield text
    except (OSError, EOFError, csv.Error, zlib.error) as error:  # BadGzipFile is an OSError
        raise ConfigError(f"{path}: need a readable CSV or JSONL file; got {error}.") from error


def _csv(first: str, text: TextIO) -> Table:
    delimiter = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=delimiter))
    reader = csv.reader(text, delimiter=delimiter)
    rows = ((reader.line_num + 1, dict(zip(header, row, strict=False))) for row in reader if row)
    return Table(header, rows, open_ended=False)


def _json_lines(first: str, text: TextIO, path: Path) -> Table:
    lines = enumerate(chain([first], text), 1)
    rows = ((line, _json_row(row, path, line)) for line, row in lines if row.strip())
    return Table(list(_json_row(first, path, 1)), rows, open_ended=True)


def _json_row(text: str, path: Path, line: int) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}, line {line}: need a JSON object; got {text.strip()[:80]!r} ({error}).") from error
