"""The catalogue: items in sets of one style, with titles, categories, prices, appeal and a release time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stream_rec.shop.words import COLOURS, DEPARTMENTS, MOTIFS, QUALITIES, STYLES

SET_SIZE = 6
"""Items of one set (row // SET_SIZE) go together: they complement each other."""

ITEMS_PER_SHELF = 100
"""Small shops have fewer categories and styles, so that a shelf (category x style) has about this many items."""

APPEAL_SIGMA, HEAD, HEAD_POWER = 1.6, 1.3, 0.6  # a log-normal with a lighter head gives Online Retail's skew
SET_SHARE = 0.45  # share of the log-appeal's variance that the members of a set have in common
KNOWN_AT_START = 0.66  # Online Retail: 2,411 of 3,665 items are sold in its first month
ARRIVAL_DAYS = 365.0  # the rest arrives evenly over this time
NAMES_PER_STYLE = len(QUALITIES) * len(MOTIFS) * len(COLOURS)


class CatalogueRow(NamedTuple):
    """What the shop publishes of one item on the topic `items`."""

    item_id: str
    title: str
    category: str
    price: float


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Arrays over item rows, 0-based, all of length `items`; about 30 bytes per item.

    `category`, `style`: int16. `shelf` = category * n_styles + style: int16. `appeal`: float32, popularity before
    season and novelty. `price`: float32. `consumable`: bool. `release_day`: float32, 0 for the opening stock.
    `style_serial`: int32 per set, its number within the style (names it).
    """

    items: int
    n_categories: int
    n_styles: int
    category: npt.NDArray[np.int16]
    style: npt.NDArray[np.int16]
    appeal: npt.NDArray[np.float32]
    price: npt.NDArray[np.float32]
    consumable: npt.NDArray[np.bool_]
    release_day: npt.NDArray[np.float32]
    style_serial: npt.NDArray[np.int32]

    @property
    def n_shelves(self) -> int:
        """Number of (category, style) pairs."""
        return self.n_categories * self.n_styles

    def shelf(self) -> npt.NDArray[np.int16]:
        """Return the shelf of every item."""
        return (self.category * np.int16(self.n_styles) + self.style).astype(np.int16)

    def item_id(self, item: int) -> str:
        """Return the id events carry."""
        return f"P{item:07d}"

    def title(self, item: int) -> str:
        """Return the item's name; no two items share one.

        Examples
        --------
        >>> build_catalogue(600, seed=1).title(0).count(" ") >= 3
        True
        """
        item_set, slot = divmod(item, SET_SIZE)
        serial, style = int(self.style_serial[item_set]), int(self.style[item])
        edition, name = divmod(serial, NAMES_PER_STYLE)
        name = (name * 9_973 + style * 7_919) % NAMES_PER_STYLE  # 9,973 is prime to it: neighbours get unlike names
        name, colour = divmod(name, len(COLOURS))
        quality, motif = divmod(name, len(MOTIFS))
        department = DEPARTMENTS[self.category[item]]
        noun = department.nouns[(item_set * 5 + slot) % len(department.nouns)]
        material = department.materials[(item_set + slot) % len(department.materials)]
        text = f"{STYLES[style]} {QUALITIES[quality]} {MOTIFS[motif]} {material} {noun}, {COLOURS[colour]}"
        return text if edition == 0 else f"{text} (No. {edition + 1})"

    def row(self, item: int) -> CatalogueRow:
        """Return what the shop publishes of the item."""
        name = DEPARTMENTS[self.category[item]].name
        return CatalogueRow(self.item_id(item), self.title(item), name, round(float(self.price[item]), 2))

    def rows(self) -> Iterator[CatalogueRow]:
        """Yield every item's row, in order."""
        return (self.row(item) for item in range(self.items))


def build_catalogue(items: int, seed: int) -> Catalogue:
    """Return the catalogue of `items` items that `seed` stands for.

    Raises
    ------
    ValueError
        If `items` is below 1.
    """
    if items < 1:
        raise ValueError(f"shop: need at least 1 item; got {items}. Pass --items 2000.")
    rng = np.random.default_rng([seed, 1])
    side = (items / ITEMS_PER_SHELF) ** 0.5
    n_categories = int(np.clip(round(side * 1.25), 2, len(DEPARTMENTS)))
    n_styles = int(np.clip(round(side * 0.8), 2, len(STYLES)))
    n_sets = -(-items // SET_SIZE)
    item_set = np.arange(items) // SET_SIZE
    set_style = rng.choice(n_styles, n_sets, p=_shares(n_styles)).astype(np.int16)
    category = rng.choice(n_categories, items, p=_shares(n_categories)).astype(np.int16)
    common = rng.standard_normal(n_sets) * SET_SHARE**0.5
    own = rng.standard_normal(items) * (1 - SET_SHARE) ** 0.5
    median = np.array([d.price for d in DEPARTMENTS])[category]
    consumable = np.array([d.consumable for d in DEPARTMENTS])[category]
    return Catalogue(
        items=items,
        n_categories=n_categories,
        n_styles=n_styles,
        category=category,
        style=set_style[item_set],
        appeal=_appeal(common[item_set] + own),
        price=_prices(median * np.exp(0.6 * rng.standard_normal(items))),
        consumable=rng.random(items) < consumable,
        release_day=_release_days(rng, n_sets, item_set),
        style_serial=_serials(set_style, n_styles),
    )


def _appeal(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return exp(σ·z), with what lies above `HEAD` standard deviations shrunk by `HEAD_POWER`."""
    z = np.where(z > HEAD, HEAD + HEAD_POWER * (z - HEAD), z)
    return np.exp(APPEAL_SIGMA * z).astype(np.float32)


def _prices(price: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return prices in steps of 5 pence, 25 pence at least."""
    return np.maximum(0.25, np.round(price * 20) / 20).astype(np.float32)


def _shares(n: int) -> npt.NDArray[np.float64]:
    share = 1.0 / np.sqrt(np.arange(n) + 3.0)
    return np.asarray(share / share.sum(), dtype=np.float64)


def _release_days(rng: np.random.Generator, n_sets: int, item_set: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """A set comes out at once; one item in five follows later."""
    late_set = rng.random(n_sets) >= KNOWN_AT_START + 0.12
    day = np.where(late_set, rng.random(n_sets) * ARRIVAL_DAYS, 0.0)[item_set]
    follows = rng.random(len(item_set)) < 0.18
    return (day + np.where(follows, rng.random(len(item_set)) * ARRIVAL_DAYS, 0.0)).astype(np.float32)


def _serials(set_style: npt.NDArray[np.int16], n_styles: int) -> npt.NDArray[np.int32]:
    serial = np.empty(len(set_style), np.int32)
    for style in range(n_styles):
        mine = set_style == style
        serial[mine] = np.arange(mine.sum())
    return serial
