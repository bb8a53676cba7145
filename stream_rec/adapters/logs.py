"""Logs: one line per message on stderr, as key=value pairs or JSON, quiet enough to be read in an outage."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

LIBRARIES = ("aiokafka", "faust", "mode", "asyncio", "numba")
SUBCLASSES = ("stream_rec.adapters.faust_app", "stream_rec.adapters.faust_consumer")
"""Faust's base classes log each start and stop under the module of the subclass."""
SILENT = ("kafka",)  # kafka-python is used for checks only, which say themselves what failed
BURST = 5
WINDOW_S = 10.0


def setup_logs(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Send every logger to `stream` (the real stderr) in one format; libraries speak from WARNING on.

    Safe to call again: Faust rebuilds the root logger when it starts.
    """
    handler = logging.StreamHandler(stream or sys.__stderr__)
    handler.setFormatter(LineFormatter(as_json=as_json))
    handler.addFilter(RateLimit())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in (*LIBRARIES, *SUBCLASSES):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


class LineFormatter(logging.Formatter):
    """One line: time, level, logger, message, and the error if there is one. Line breaks are escaped.

    A message may bring fields of its own: ``log.info("…", extra={"fields": {"name": "text"}})``.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        if suppressed := getattr(record, "suppressed", 0):
            fields["suppressed"] = str(suppressed)
        if self._as_json:
            return json.dumps(fields, ensure_ascii=False)
        return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if " " in value or '"' in value or "\n" in value else value


class RateLimit(logging.Filter):
    """At most `BURST` lines per message template and 10 s; the next line let through says how many were held back.

    In an outage aiokafka alone logs thousands of lines a minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, or count it."""
        place = (record.name, str(record.msg))
        now = self._clock()
        start, n = self._seen.get(place, (now, 0))
        if now - start >= WINDOW_S:
            record.suppressed = max(0, n - BURST)
            start, n = now, 0
        self._seen[place] = (start, n + 1)
        return n < BURST
