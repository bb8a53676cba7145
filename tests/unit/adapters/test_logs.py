"""One line per message, and few of them in an outage."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from stream_rec.adapters.logs import BURST, WINDOW_S, LineFormatter, RateLimit, setup_logs


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("stream_rec.x", level, "x.py", 1, message, args, None)


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_is_key_value_pairs_and_quotes_what_needs_it() -> None:
    line = LineFormatter(as_json=False).format(record("two\nlines of %s", "anna"))
    assert "\n" not in line
    assert line.endswith('level=info logger=stream_rec.x message="two\\nlines of anna"')


def test_json_lines_carry_the_same_fields() -> None:
    fields = json.loads(LineFormatter(as_json=True).format(record("ready")))
    assert set(fields) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_message_may_bring_fields_of_its_own(as_json: bool) -> None:
    changed = record("changed")
    changed.fields = {"signal": "hit_rate"}
    line = LineFormatter(as_json=as_json).format(changed)
    assert ('"signal": "hit_rate"' if as_json else "signal=hit_rate") in line


def test_an_outage_repeats_itself_only_a_few_times_and_then_says_how_often() -> None:
    now = [0.0]
    limit = RateLimit(clock=lambda: now[0])
    passed = sum(limit.filter(record("broker %d is gone", i)) for i in range(1000))
    assert passed == BURST
    now[0] = WINDOW_S
    late = record("broker %d is gone", 0)
    assert limit.filter(late)
    assert late.suppressed == 1000 - BURST  # type: ignore[attr-defined]


def test_other_messages_are_not_held_back() -> None:
    limit = RateLimit(clock=lambda: 0.0)
    assert all(limit.filter(record(f"message {i}")) for i in range(100))


def test_libraries_speak_from_warning_on() -> None:
    stream = io.StringIO()
    setup_logs("debug", stream=stream)
    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("stream_rec").debug("ours")
    assert [line.split("message=")[1] for line in stream.getvalue().splitlines()] == ["ours"]
