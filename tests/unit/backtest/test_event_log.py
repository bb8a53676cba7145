"""Reading logs: canonical and foreign, CSV and JSONL, packed or not; errors name the line."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from stream_rec.backtest.event_log import LogEvent, read_log, source_topic, to_event_json
from stream_rec.backtest.log_format import LogFormat, parse_log_format
from stream_rec.backtest.log_rows import parse_time_ms
from stream_rec.core.events import ItemLine, decode_event
from stream_rec.errors import ConfigError

RETAIL = Path(__file__).parents[3].parent / "shared" / "data" / "online_retail" / "online_retail.csv.gz"
RETAIL_EVENTS = 397_924
CANONICAL = "timestamp_ms,user_id,item_id,event\n1000,anna,mug,view_item\n2000,bert,cup,purchase\n"
EVENTS = [LogEvent(0, 1000, "anna", "mug", "view_item"), LogEvent(1, 2000, "bert", "cup", "purchase")]
JSONL = (
    '{"timestamp_ms":1000,"user_id":"anna","item_id":"mug","event":"view_item"}\n\n'
    '{"event":"purchase","timestamp_ms":2000,"item_id":"cup","user_id":"bert"}\n'
)
INVOICES = (
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    '1,B,"SIGN, METAL",6,2010-12-01 08:27:00,2.5,17850.0,UK\n'
    "2,A,MUG,1,2010-12-01 08:26:00,2.5,17850.0,UK\n"
    "C3,A,MUG,-1,2010-12-01 08:26:00,2.5,17850.0,UK\n"
    "4,A,MUG,1,2010-12-01 08:26:00,2.5,,UK\n"
    "5,C,CUP,1,2010-12-01 08:26:00,2.5,12345.0,UK\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def written(path: Path, text: str, packed: bool = False) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("text", [CANONICAL, CANONICAL.replace(",", "\t"), JSONL, "\ufeff" + CANONICAL])
def test_the_same_events_whatever_the_packing(log: Path, text: str, packed: bool) -> None:
    assert list(read_log(written(log, text, packed))) == EVENTS


def test_optional_columns(log: Path) -> None:
    written(log, "timestamp_ms,user_id,item_id,event,event_id,quantity,price,session_id\n5,u,i,refund,e7,2,,s1\n")
    assert list(read_log(log)) == [LogEvent(0, 5, "u", "i", "refund", "e7", 2.0, None, "s1")]


def test_a_foreign_log_with_everything_said_by_hand(log: Path) -> None:
    foreign = parse_log_format(
        "user_id=who,item_id=what,timestamp=at,event=verb", drop_prefix="what=X", sort=True, event="view_item"
    )
    written(log, "at;who;what;verb\n20;7.0;b;\n10;8.0;a;hide\n15;8.0;Xa;hide\n10;v1.0;c;purchase\n")
    dropped: Counter[str] = Counter()
    assert list(read_log(log, foreign, dropped)) == [
        LogEvent(0, 10_000, "8", "a", "hide"),
        LogEvent(1, 10_000, "v1.0", "c", "purchase"),
        LogEvent(2, 20_000, "7", "b", "view_item"),
    ]
    assert dropped == {"what=X": 1}


@pytest.mark.parametrize("columns", [None, "user_id=CustomerID,item_id=StockCode,timestamp=InvoiceDate"])
def test_online_retail_is_known_by_its_header(log: Path, columns: str | None) -> None:
    dropped: Counter[str] = Counter()
    at_ms = 1_291_191_960_000
    assert list(read_log(written(log, INVOICES), parse_log_format(columns), dropped)) == [
        LogEvent(0, at_ms, "17850", "A", "purchase"),
        LogEvent(1, at_ms, "12345", "C", "purchase"),
        LogEvent(2, at_ms + 60_000, "17850", "B", "purchase"),
    ]
    assert dropped == {"InvoiceNo=C": 1, "no user_id": 1}


def test_x_wines_is_known_by_its_header_and_bad_ratings_are_left_out(log: Path) -> None:
    ratings = (
        "RatingID,UserID,WineID,Vintage,Rating,Date\n"
        "1,anna,7,1950,4.0,2010-12-01 08:26:00\n"
        "2,anna,8,1950,3.5,2010-12-01 08:25:00\n"
        "3,bert,7,N.V.,5.0,2010-12-01 08:25:00\n"
        "4,bert,9,1950,,2010-12-01 08:25:00\n"
    )
    at_ms = 1_291_191_960_000
    dropped: Counter[str] = Counter()
    assert list(read_log(written(log, ratings), None, dropped)) == [
        LogEvent(0, at_ms - 60_000, "bert", "7", "view_item"),
        LogEvent(1, at_ms, "anna", "7", "view_item"),
    ]
    assert dropped == {"Rating<4": 2}
    assert [event.item_id for event in read_log(log, parse_log_format(minimum="Rating=4.5"))] == ["7"]


@pytest.mark.parametrize(("least", "kept"), [("0", ["a", "b"]), ("0.5", ["b"]), ("2", [])])
def test_rows_below_a_minimum_are_left_out(log: Path, least: str, kept: list[str]) -> None:
    written(log, "timestamp_ms,user_id,item_id,stars\n1,u,a,0\n2,u,b,1\n3,u,c,\n4,u,d,nan\n")
    assert [event.item_id for event in read_log(log, parse_log_format(minimum=f"stars={least}"))] == kept


def test_a_minimum_needs_numbers(log: Path) -> None:
    written(log, "timestamp_ms,user_id,item_id,stars\n1,u,a,many\n")
    with pytest.raises(ConfigError, match="line 2: stars: need a number"):
        list(read_log(log, parse_log_format(minimum="stars=1")))
    with pytest.raises(ConfigError, match="need a column 'moons' for --min"):
        list(read_log(log, parse_log_format(minimum="moons=1")))


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2010-12-01 08:26:00", 1_291_191_960_000),
        ("2010-12-01T09:26:00+01:00", 1_291_191_960_000),
        ("2010-12-01T08:26:00.250Z", 1_291_191_960_250),
        ("1291191960", 1_291_191_960_000),
        ("1291191960.5", 1_291_191_960_500),
        ("1291191960250", 1_291_191_960_250),
    ],
)
def test_times(text: str, time_ms: int) -> None:
    assert parse_time_ms(text) == time_ms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: need a header"),
        ("a,b\n", "line 1: need a column 'timestamp_ms'"),
        (CANONICAL + "x,u,i,purchase\n", "line 4: timestamp_ms: need a time"),
        (CANONICAL + "-5,u,i,purchase\n", "line 4: timestamp_ms: need a time"),
        (CANONICAL + "5\n", "no user_id"),
        (CANONICAL + "5,u,i,bought\n", "line 4: event: need one of view_item"),
        (JSONL + "{\n", "line 4: need a JSON object"),
        (JSONL + '{"timestamp_ms":5,"user_id":["u"],"item_id":"i"}\n', "line 4: user_id: need text"),
        ("timestamp_ms,user_id,item_id,quantity\n5,u,i,two\n", "line 2: quantity: need a number"),
    ],
)
def test_errors_name_the_line(log: Path, text: str, words: str) -> None:
    dropped: Counter[str] = Counter()
    try:
        list(read_log(written(log, text), None, dropped))
    except ConfigError as error:
        assert words in str(error)
    else:
        assert words in dropped


def test_ids_that_are_no_utf8_and_cut_archives_are_errors(log: Path) -> None:
    log.write_bytes(CANONICAL.encode() + b"5,caf\xe9,i,purchase\n")
    with pytest.raises(ConfigError, match="line 4: user_id: need UTF-8"):
        list(read_log(log))
    log.write_bytes(gzip.compress(CANONICAL.encode())[:-9])
    with pytest.raises(ConfigError, match="need a readable CSV or JSONL file"):
        list(read_log(log))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("user=A",), "need fields among"),
        (("user_id",), "need NAME=VALUE"),
        ((None, None, False, "bought"), "need one of"),
        ((None, None, False, None, "Rating=good"), "need COLUMN=NUMBER"),
    ],
)
def test_options_that_make_no_sense(options: tuple[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_log_format(*options)


def test_on_the_wire_an_event_without_an_id_gets_its_place_as_id() -> None:
    event = LogEvent(7, 1000, "anna", "mug", "add_to_cart", quantity=2.0, session_id="s")
    decoded = decode_event(to_event_json(event), b"anna", None)
    assert (decoded.event_id, decoded.timestamp_ms, decoded.session_id) == ("log-7", 1000, "s")
    assert decoded.lines == (ItemLine("mug", 2.0),)
    assert decode_event(to_event_json(event._replace(event_id="e")), b"anna", None).event_id == "e"


@pytest.mark.parametrize(("name", "topic"), [("purchase", "purchases"), ("refund", "purchases"), ("hide", "clicks")])
def test_purchases_and_refunds_go_to_their_own_topic(name: str, topic: str) -> None:
    assert source_topic(EVENTS[0]._replace(event=name)) == topic


def canonical_retail() -> Iterator[LogEvent]:
    """The protocol of the canonical log, written down once more in the plainest way."""
    with gzip.open(RETAIL, "rt", encoding="utf-8", errors="replace", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["CustomerID"] and not row["InvoiceNo"].startswith("C")]
    rows.sort(key=lambda row: row["InvoiceDate"])
    for index, row in enumerate(rows):
        at_ms = int(datetime.fromisoformat(row["InvoiceDate"] + "+00:00").timestamp()) * 1000
        yield LogEvent(index, at_ms, row["CustomerID"].removesuffix(".0"), row["StockCode"], "purchase")


@pytest.mark.skipif(not RETAIL.exists(), reason="needs the Online Retail file in ../shared/data")
def test_raw_online_retail_is_read_as_its_canonical_log() -> None:
    by_hand = LogFormat(
        {"user_id": "CustomerID", "item_id": "StockCode", "timestamp_ms": "InvoiceDate"}, {"InvoiceNo": "C"}, True
    )
    pairs = list(zip(read_log(RETAIL, by_hand), canonical_retail(), strict=True))
    assert [(ours, theirs) for ours, theirs in pairs if ours != theirs] == []
    assert len(pairs) == RETAIL_EVENTS
