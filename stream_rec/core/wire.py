"""The other messages on the wire: the published list, the catalogue record, the announcement of a model.

Lists are written by `core/lists.py` from cached fragments; the struct here is the shape they keep, for readers, for
`schemas/` and for the tests. Fields are only ever added, so readers skip what they do not know.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from stream_rec.core.contract import (
    MAX_ITEMS,
    MAX_VALUE_BYTES,
    Amount,
    Id,
    TimestampMs,
    check_id,
    refuse,
    refuse_undecodable,
)

Count = Annotated[int, msgspec.Meta(ge=0)]


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why an item is listed: the `kind` of evidence that weighed most, and the user's own items it rests on."""

    kind: Annotated[str, msgspec.Meta(min_length=1)]
    because: tuple[Id, ...] = ()


class ListedItem(msgspec.Struct, frozen=True, gc=False):
    """One item of a list. Scores compare within one list only."""

    item_id: Id
    score: float
    reason: Reason


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """The record whose event made the list: look there for what the shop knew."""

    topic: str
    partition: Count
    offset: Count


class RecommendationList(msgspec.Struct, frozen=True, gc=False):
    """The newest list of one user, best item first, as it lies in `recommendations` under the key `user_id`.

    `user_id` `*` is the list for a visitor nobody knows yet. `as_of_ms` is the time of the last event the list knows,
    `lag_ms` how long after the trigger's arrival in Kafka it was made. `trigger` is null where no event made the list
    (the session ended). `model` maps the name of each model that took part to its version. `new_items` are a list of
    their own: up to five items nobody had yet, none of which is in `items`; only where a model knows texts.
    """

    list_id: Id
    user_id: Id
    generated_at_ms: TimestampMs
    as_of_ms: TimestampMs
    lag_ms: Count
    model: dict[str, str]
    trigger: Trigger | None
    items: tuple[ListedItem, ...]
    new_items: tuple[ListedItem, ...] = ()


class CatalogueItem(msgspec.Struct, frozen=True, gc=False):
    """What the shop knows of one item, as it lies in `items` under the key `item_id`; the newest record wins.

    `available` false keeps an item out of every list. `image` is an address; `text` is whatever describes the item.
    """

    item_id: Id
    title: str | None = None
    category: str | None = None
    categories: Annotated[tuple[str, ...], msgspec.Meta(extra_json_schema={"maxItems": MAX_ITEMS})] = ()
    price: Amount | None = None
    currency: str | None = None
    available: bool = True
    image: str | None = None
    text: str | None = None

    def words(self) -> str:
        """Return all that is written of the item, as models read it; empty where nothing is."""
        return " ".join(filter(None, (self.title, self.category, *self.categories, self.text)))


class AnnouncedVersion(msgspec.Struct, frozen=True, gc=False):
    """One version of a model.

    Its rows lie on `item-vectors` under `vectors`: the version and the start of its tables' checksum, so that two
    registries' first versions are never mixed up. `weights` (base64) is a safetensors file of what all items share.
    `facts` are figures of its manifest: what it learned until, how much of its teacher is left.
    """

    version: Id
    vectors: Id
    weights: bytes
    facts: dict[str, float] = {}


class ModelAnnouncement(msgspec.Struct, frozen=True, gc=False):
    """The version of a model that is to serve, as it lies in `models` under the key `name`; the newest record wins.

    A worker takes `live` over once it has all its rows of `item-vectors`. `before` is the version that was live before:
    its rows stay, for a rollback, and for workers that start while those of `live` are not complete.
    """

    name: Id
    announced_at_ms: TimestampMs
    reason: str
    live: AnnouncedVersion
    before: AnnouncedVersion | None = None


SEQUENCE = "sequence"
"""Name of the sequence model in `models`, and in a list's `model`."""


_decode_list = msgspec.json.Decoder(RecommendationList).decode
_decode_item = msgspec.json.Decoder(CatalogueItem).decode
_decode_announcement = msgspec.json.Decoder(ModelAnnouncement).decode


def decode_list(value: bytes) -> RecommendationList:
    """Decode a published list; for readers and tests. Raises ContractError."""
    try:
        value.decode()
        published = _decode_list(value)
    except (ValueError, RecursionError) as error:
        refuse_undecodable(value, error, "recommendation_list")
    check_id("list_id", published.list_id)
    check_id("user_id", published.user_id)
    for name in ("generated_at_ms", "as_of_ms"):
        if getattr(published, name) < 0:
            refuse("bad-timestamp", name, "milliseconds since 1970", getattr(published, name))
    for item in (*published.items, *published.new_items):
        check_id("item_id", item.item_id)
        for item_id in item.reason.because:
            check_id("because", item_id)
    return published


def decode_item(value: bytes, key: bytes | None) -> CatalogueItem:
    """Decode one record of `items` (a tombstone is the caller's business). Raises ContractError and nothing else."""
    if len(value) > MAX_VALUE_BYTES:
        refuse("oversized-value", "value", f"at most {MAX_VALUE_BYTES} bytes", f"{len(value)} bytes")
    if key is None:
        refuse("null-key", "key", "the item_id in UTF-8", None)
    try:
        value.decode()
        item = _decode_item(value)
    except (ValueError, RecursionError) as error:
        refuse_undecodable(value, error, "catalogue_item")
    check_id("item_id", item.item_id)
    if key != item.item_id.encode():
        refuse("key-mismatch", "key", f"the record's item_id {item.item_id[:80]!r}", key)
    if item.price is not None and item.price < 0:
        refuse("negative-number", "price", "0 or more", item.price)
    if len(item.categories) > MAX_ITEMS:
        refuse("too-many-items", "categories", f"at most {MAX_ITEMS}", len(item.categories))
    return item


def decode_announcement(value: bytes) -> ModelAnnouncement:
    """Decode one record of `models` (a tombstone is the caller's business). Raises ContractError and nothing else."""
    try:
        value.decode()
        announcement = _decode_announcement(value)
    except (ValueError, RecursionError) as error:
        refuse_undecodable(value, error, "model_announcement")
    check_id("name", announcement.name)
    for one in filter(None, (announcement.live, announcement.before)):
        check_id("version", one.version)
        check_id("vectors", one.vectors)
    if announcement.announced_at_ms < 0:
        refuse("bad-timestamp", "announced_at_ms", "milliseconds since 1970", announcement.announced_at_ms)
    return announcement
