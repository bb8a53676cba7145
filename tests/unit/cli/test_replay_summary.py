"""What `replay` and `dead-letters` print."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from stream_rec.adapters.log_replay import ReplayReport
from stream_rec.cli.dead_letters import as_dict
from stream_rec.cli.replay import show
from stream_rec.core.dead_letters import decode, encode
from stream_rec.core.rounds import DeadLetter

REPORT = ReplayReport(sent=1500, delivered=1500, by_topic=Counter(clicks=1000, purchases=500), seconds=2.0)


def test_a_replay_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(REPORT, Counter({"no user_id": 7}), as_json=False)
    assert capsys.readouterr().out == (
        "1,500 events sent, all acknowledged, in 2.0 s (750/s); clicks 1,000; purchases 500; left out 7 (no user_id).\n"
    )


def test_or_with_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    show(REPORT, Counter({"no user_id": 7}), as_json=True)
    figures = json.loads(capsys.readouterr().out)
    assert figures["by_topic"] == {"clicks": 1000, "purchases": 500}
    assert (figures["sent"], figures["delivered"], figures["failed"], figures["dropped"]) == (
        1500,
        1500,
        0,
        {"no user_id": 7},
    )


def test_a_dead_letter_of_any_bytes_is_json() -> None:
    letter = DeadLetter("clicks", 0, 1, 2, b"\xff", b"\x00\xff{", "not-utf8", "value: …")
    shown = json.loads(json.dumps(as_dict(decode(*encode(letter)))))
    assert (shown["key"], shown["value"], shown["value_bytes"], shown["truncated"]) == ("\\xff", "\x00\\xff{", 3, False)
