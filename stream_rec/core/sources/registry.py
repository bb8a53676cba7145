"""What a source and a ranker are, and which sources a preset has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream_rec.core.presets import Preset
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.cooc import Cooccurrence
from stream_rec.core.sources.own import OwnContinuation
from stream_rec.core.sources.popularity import Popularity
from stream_rec.core.state.items import ItemTable
from stream_rec.core.types import Proposal, Ranked, UserView


class Source(Protocol):
    """Proposes candidates.

    A new source passes `tests/contracts/test_sources.py` and is added to `build_sources` and to `ranking/one_pass.py`,
    which a property test holds to be the same.
    """

    name: str

    def propose(self, items: ItemTable, user: UserView, scratch: Scratch) -> Proposal:
        """Return up to `CANDIDATES_PER_SOURCE` candidates, best first, ties to the lower row.

        Parameters
        ----------
        items
            Read, never changed.
        user
            Without history (h = 0) the proposal is empty or the same for everybody.
        scratch
            Fitted to `items.capacity`, clean, and clean again afterwards. Rows with `excluded` set, and rows that
            are not `items.listable`, are never proposed.

        Returns
        -------
        Proposal
            New arrays that later calls leave alone. The same state gives the same proposal.
        """
        ...


class Ranker(Protocol):
    """Makes one order of the sources' proposals. A new ranker passes `tests/contracts/test_rankers.py`."""

    def rank(self, proposals: Sequence[Proposal], scratch: Scratch, k: int) -> Ranked:
        """Return the best `k` of the union of `proposals`, best first, each row once.

        Parameters
        ----------
        proposals
            One per source, in the order of `build_sources`; empty where a source has nothing to say.
        scratch
            As for sources; only `slot` is of use here, and it is clean again afterwards.
        """
        ...


def build_sources(preset: Preset) -> tuple[Source, ...]:
    """Return the preset's sources in `SOURCE_NAMES` order.

    Examples
    --------
    >>> [source.name for source in build_sources(Preset())]
    ['cooc', 'own', 'popularity']
    """
    return (Cooccurrence(preset.cooc), OwnContinuation(preset.own), Popularity())
