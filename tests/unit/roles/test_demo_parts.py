"""The demo's parts that need no broker: reading metrics, feeds that go on, titles."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from stream_rec.adapters.metrics import Metrics
from stream_rec.cli.demo import fresh
from stream_rec.config import TopicSettings
from stream_rec.core.events import WireEvent
from stream_rec.core.rounds import RoundStats
from stream_rec.core.wire import CatalogueItem
from stream_rec.errors import ConfigError
from stream_rec.roles.demo_feed import ShopFeed, resumes_at, titles_in
from stream_rec.roles.demo_watch import Scrape, percentile, processed


def shop_feed(folder: Path, history: int = 100) -> ShopFeed:
    return ShopFeed(folder, TopicSettings(), users=40, items=80, seed=3, history=history)


def test_counters_are_read_from_the_worker_s_page_and_outlive_its_restart() -> None:
    first, second = Metrics(), Metrics()
    port = first.serve("127.0.0.1", 0)
    scrape = Scrape(f"http://127.0.0.1:{port}/metrics")
    first.round_done(RoundStats(read=5, applied=3, duplicates=1, dead=1, looks=2, hits=1))
    assert scrape.refresh()
    assert (processed(scrape), scrape.total("events_total|applied"), scrape.total("hits_total|served")) == (5, 3, 1)
    scrape.url = f"http://127.0.0.1:{second.serve('127.0.0.1', 0)}/metrics"  # a worker that was started again
    second.round_done(RoundStats(read=2, applied=2))
    assert scrape.refresh()
    assert (processed(scrape), scrape.total("events_total|applied")) == (7, 5)


def test_a_worker_that_does_not_answer_is_no_error() -> None:
    assert not Scrape("http://127.0.0.1:1/metrics").refresh()


@pytest.mark.parametrize(("share", "value"), [(0.0, 0.0), (0.25, 1.0), (0.5, 1.5), (0.75, 2.0), (1.0, 2.0)])
def test_percentiles_are_linear_within_a_bucket(share: float, value: float) -> None:
    assert percentile({1.0: 1, 2.0: 3, float("inf"): 4}, share) == pytest.approx(value)


def test_a_shop_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = list(islice(shop_feed(tmp_path).events(lambda _: None), 60))
    shop_feed(tmp_path).save(20)
    later = shop_feed(tmp_path)
    assert list(islice(later.events(lambda _: None), 40))[:5] == whole[20:25]
    assert later.history == 80  # 20 of its past are known already
    later.save(40)
    assert resumes_at(tmp_path, {"users": 40, "items": 80, "seed": 3}) == 60
    assert resumes_at(tmp_path, {"users": 41, "items": 80, "seed": 3}) is None


def test_items_are_published_before_their_first_event(tmp_path: Path) -> None:
    published: dict[str, CatalogueItem] = {}

    def publish(item: CatalogueItem) -> None:
        assert item.item_id not in published
        published[item.item_id] = item

    feed = shop_feed(tmp_path)
    for event in islice(feed.events(publish), 500):
        assert published[event.item_id].title == feed.title(event.item_id)
        wire = msgspec.json.decode(event.record.value, type=WireEvent)
        assert (wire.user_id.encode(), wire.item_id, wire.event) == (event.record.key, event.item_id, event.event)
        assert event.record.topic == ("purchases" if event.event in ("purchase", "refund") else "clicks")


def test_titles_come_from_a_catalogue_or_from_the_log_itself(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "log.csv.gz", "wt", encoding="utf-8") as log:
        log.write('InvoiceNo,StockCode,Description\n1,A,\n1,A,"MUG, RED "\n2,A,OTHER\n2,B,LAMP\n')
    assert titles_in(tmp_path / "log.csv.gz") == {"A": "MUG, RED", "B": "LAMP"}
    (tmp_path / "plain.csv").write_text("timestamp_ms,user_id,item_id,event\n1,u,A,purchase\n")
    assert titles_in(tmp_path / "plain.csv") == {}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds other files"):
        fresh(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_folder_a_demo_made_is_emptied(tmp_path: Path) -> None:
    folder = fresh(tmp_path / "log")
    (folder / "worker.log").touch()
    assert not (fresh(folder) / "worker.log").exists()
