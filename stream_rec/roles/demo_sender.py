"""The demo's replay: a thread that sends the past as fast as it goes, then the present at its pace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

import msgspec

from stream_rec.adapters.log_replay import LogReplay, Pace, ReplayRecord, open_producer
from stream_rec.config import Settings
from stream_rec.core.wire import CatalogueItem
from stream_rec.errors import StreamRecError
from stream_rec.roles.demo_feed import DemoEvent, Feed

END_TIMEOUT_S = 20.0
IN_WORDS = {
    "view_item": "looked at",
    "select_item": "chose",
    "add_to_cart": "put into the cart",
    "remove_from_cart": "took out of the cart",
    "add_to_wishlist": "wishes for",
    "purchase": "bought",
    "refund": "sent back",
}


class Sender(threading.Thread):
    """Sends a feed's events.

    Attributes
    ----------
    sent
        Events sent so far.
    users
        Keys of all users with an event.
    doing
        User id -> the user's newest event in words.
    oracle_asked, oracle_hits
        Of the events sent since `go_live`.
    past_sent
        Set when the history is out; the present waits for `go_live`.
    """

    def __init__(self, settings: Settings, feed: Feed, rate: float | None) -> None:
        super().__init__(name="replay", daemon=True)
        self._settings, self._feed, self._rate = settings, feed, rate
        self._ended = threading.Event()
        self.go_live, self.past_sent = threading.Event(), threading.Event()
        self.sent = self.oracle_asked = self.oracle_hits = 0
        self.users: set[bytes] = set()
        self.doing: dict[str, str] = {}
        self._newest_ms: dict[bytes, int] = {}
        self.failure: str | None = None

    def finish(self) -> None:
        """Send nothing more; the thread ends when all that was sent is acknowledged."""
        self._ended.set()
        self.go_live.set()

    def end(self) -> None:
        """Send nothing more and wait for the thread."""
        self.finish()
        self.join(END_TIMEOUT_S)

    def run(self) -> None:
        """Send until the feed ends or `finish` or `end` is called."""
        try:
            self._send_all()
        except StreamRecError as error:
            self.failure = str(error)

    def _send_all(self) -> None:
        kafka = self._settings.kafka
        producer = open_producer(kafka.bootstrap, kafka.client_id, 0 if self._rate else 10)

        def publish(item: CatalogueItem) -> None:
            producer.send(self._settings.topics.items, value=msgspec.json.encode(item), key=item.item_id.encode())

        try:
            events = self._feed.events(publish)
            self._replay(producer, Pace(), islice(events, self._feed.history))
            self.past_sent.set()
            self.go_live.wait()
            self._replay(producer, Pace(rate=self._rate), events)
        finally:
            producer.close()

    def _replay(self, producer: object, pace: Pace, events: Iterator[DemoEvent]) -> None:
        def sleep(seconds: float) -> None:
            self._ended.wait(seconds)

        report = LogReplay(producer, pace, sleep=sleep).run(self._records(events), lambda _: None)
        if report.failed:
            self.failure = f"replay: need every event acknowledged; got {report.first_error}. See broker.log."

    def _records(self, events: Iterator[DemoEvent]) -> Iterator[ReplayRecord]:
        for event in events:
            if self._ended.is_set():
                return
            self._note(event)
            yield event.record

    def _note(self, event: DemoEvent) -> None:
        self.sent += 1
        self.users.add(event.record.key)
        basket_line = self._newest_ms.get(event.record.key) == event.record.event_ms
        self._newest_ms[event.record.key] = event.record.event_ms
        words = IN_WORDS.get(event.event, event.event)
        self.doing[event.record.key.decode()] = f"{words}\n{event.item_id}"
        # the worker looks up a basket's first line only: the others come before a list could
        if event.oracle_rank >= 0 and self.go_live.is_set() and not basket_line:
            self.oracle_asked += 1
            self.oracle_hits += event.oracle_rank > 0
