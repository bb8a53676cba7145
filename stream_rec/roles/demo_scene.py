"""Puts what the demo knows of its parts into one snapshot, and a list into words."""

from __future__ import annotations

import time
from collections import deque

from stream_rec.config import Settings
from stream_rec.core.arms import ARMS
from stream_rec.core.wire import ListedItem, RecommendationList
from stream_rec.roles.demo_feed import Feed
from stream_rec.roles.demo_model import DemoModel
from stream_rec.roles.demo_page import Arm, DemoSnapshot, HitRates, ShownItem, ShownList, clock
from stream_rec.roles.demo_sender import Sender
from stream_rec.roles.demo_watch import ListReader, Scrape, processed

NEWEST = 6
REASONS = {
    "co_occurrence": "because you looked at {}",
    "own_continuation": "as the last time you had {}",
    "popular": "popular now",
    "taste": "to your taste",
    "last_items": "goes with your last items",
}
WITHOUT_AN_ITEM = {"co_occurrence": "goes with what you looked at", "own_continuation": "as in an earlier visit"}
LOOKS, HITS, POPULAR_HITS = "looks_total", "hits_total|served", "hits_total|popular"
ARM_COUNTS = tuple(f"model_{name}_total|{arm}" for arm in ARMS for name in ("looks", "hits"))
RANKS, POPULAR_RANKS = "reciprocal_ranks_total|served", "reciprocal_ranks_total|popular"


class Scene:
    """The demo's parts, seen together."""

    def __init__(self, settings: Settings, feed: Feed, rate: float | None, model: DemoModel | None = None) -> None:
        self._model = model
        worker, self._settings, self._feed = settings.worker, settings, feed
        self.scrape = Scrape(f"http://{worker.metrics_host}:{worker.metrics_port}/metrics")
        self.sender = Sender(settings, feed, rate)
        self.reader = ListReader(settings.kafka.bootstrap, settings.topics.recommendations, self._show)
        self.phase = "starting"
        self._newest: deque[ShownList] = deque(maxlen=NEWEST)
        self._started = time.monotonic()
        self._serves: dict[str, float] = {}
        self._at_live: dict[str, float] | None = None

    @property
    def live(self) -> bool:
        """Whether the past is learned."""
        return self._at_live is not None

    def advance(self) -> None:
        """Go live once the past is learned; hit rates count from there."""
        if self._at_live is not None:
            return
        self.phase = "learning the shop's past" if self._feed.history else "starting the replay"
        if self.sender.past_sent.is_set() and self.caught_up():
            self._at_live = self._looks()
            self.sender.go_live.set()
            self.phase = "live" if self._feed.total is None else "replaying"

    def caught_up(self) -> bool:
        """Return whether the worker has accounted for every event sent."""
        return processed(self.scrape) >= self.sender.sent

    def without_list(self) -> int:
        """Return how many users with an event have no list."""
        return len(self.sender.users.copy() - self.reader.users)

    def model_state(self) -> str:
        """Return how far the sequence model is, in words; empty where there is to be none."""
        if (version := self.scrape.label_of("sequence_model")) is None:
            return "" if self._model is None else self._model.state()
        since = self._serves.setdefault(version, time.monotonic() - self._started)
        return f"{version} serves since {clock(since)}"

    def arms(self) -> tuple[Arm, ...]:
        """Return what users with the model and without it found in their lists, since it serves."""
        if self._at_live is None or self.scrape.label_of("sequence_model") is None:
            return ()
        grown = [self.scrape.total(name) - self._at_live[name] for name in ARM_COUNTS]
        looks, hits = grown[::2], grown[1::2]
        return tuple(Arm(name, int(n), int(found)) for name, n, found in zip(ARMS, looks, hits, strict=True) if n)

    def snapshot(self) -> DemoSnapshot:
        """Return everything the page shows at this moment."""
        scrape, feed = self.scrape, self._feed
        applied, duplicates, dead = (
            int(scrape.total(f"events_total|{outcome}")) for outcome in ("applied", "duplicate", "dead")
        )
        return DemoSnapshot(
            phase=self.phase,
            kafka=self._settings.kafka.bootstrap,
            metrics=scrape.url,
            elapsed_s=time.monotonic() - self._started,
            sent=self.sender.sent,
            total=feed.total or (feed.history if self._at_live is None else None),
            events_per_s=scrape.per_second(),
            applied=applied,
            duplicates=duplicates,
            dead=dead,
            lists=int(scrape.total("lists_total")),
            users_with_list=len(self.reader.users),
            list_ms=scrape.list_ms(),
            rates=self._rates(),
            newest=tuple(reversed(self._newest)),
            model=self.model_state(),
            arms=self.arms(),
        )

    def _looks(self) -> dict[str, float]:
        names = (LOOKS, HITS, POPULAR_HITS, RANKS, POPULAR_RANKS, *ARM_COUNTS)
        return {name: self.scrape.total(name) for name in names}

    def _rates(self) -> HitRates | None:
        if self._at_live is None:
            return None
        grown = {name: value - self._at_live[name] for name, value in self._looks().items()}
        share = {name: value / max(grown[LOOKS], 1.0) for name, value in grown.items()}
        asked, hits = self.sender.oracle_asked, self.sender.oracle_hits
        oracle = hits / asked if asked else None
        looks = int(grown[LOOKS])
        return HitRates(share[HITS], share[RANKS], share[POPULAR_HITS], share[POPULAR_RANKS], looks, oracle, asked)

    def _show(self, published: RecommendationList) -> None:
        doing, _, item_id = self.sender.doing.get(published.user_id, "").partition("\n")
        event = f"{doing} {self._feed.title(item_id)}" if item_id else ""
        self._newest.append(ShownList(published.user_id, event, tuple(map(self._in_words, published.items[:5]))))

    def _in_words(self, item: ListedItem) -> ShownItem:
        kind, because = item.reason.kind, item.reason.because
        words = REASONS.get(kind, kind).format(*map(self._feed.title, because[:1])) if because else ""
        return ShownItem(self._feed.title(item.item_id), words or WITHOUT_AN_ITEM.get(kind, REASONS.get(kind, kind)))
