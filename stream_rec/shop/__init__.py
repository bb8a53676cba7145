"""A generated shop: seeded, realistic, streamable, with an oracle that knows the best list possible."""

from __future__ import annotations

from stream_rec.shop.catalogue import Catalogue
from stream_rec.shop.stream import EventBlock, Shop, ShopEvent

__all__ = ["Catalogue", "EventBlock", "Shop", "ShopEvent"]
