"""What every ranker promises, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.core.presets import PRESETS, FusionParams
from stream_rec.core.ranking.fusion import ReciprocalRankFusion
from stream_rec.core.ranking.select import Scratch
from stream_rec.core.sources.registry import Ranker, build_sources
from stream_rec.core.types import Proposal
from stream_rec.errors import ConfigError
from tests.twins.small_shop import small_shop, some_user

RANKERS: dict[str, Ranker] = {"rrf": ReciprocalRankFusion(PRESETS["retail"].fusion)}
SEEDS = range(4)


@pytest.fixture(params=list(RANKERS.values()), ids=list(RANKERS))
def ranker(request: pytest.FixtureRequest) -> Ranker:
    chosen: Ranker = request.param
    return chosen


def proposals_for(seed: int, scratch: Scratch) -> list[Proposal]:
    items = small_shop(seed)
    scratch.fit(items.capacity)
    user = some_user(seed, items)
    return [source.propose(items, user, scratch) for source in build_sources(PRESETS["retail"])]


def proposal(*rows: int) -> Proposal:
    return Proposal(np.array(rows, np.int32), np.arange(len(rows), 0, -1, dtype=np.float64))


@pytest.mark.parametrize("seed", SEEDS)
def test_each_row_once_best_first_and_out_of_the_union(ranker: Ranker, seed: int) -> None:
    scratch = Scratch()
    proposals = proposals_for(seed, scratch)
    ranked = ranker.rank(proposals, scratch, 20)
    rows = ranked.rows.tolist()
    assert len(rows) == len(set(rows)) == 20
    assert (np.diff(ranked.scores) <= 0).all()
    for row, source in zip(rows, ranked.sources.tolist(), strict=True):
        assert row in proposals[source].rows


def test_types_are_the_promised_ones(ranker: Ranker) -> None:
    scratch = Scratch()
    ranked = ranker.rank(proposals_for(1, scratch), scratch, 20)
    assert [column.dtype.name for column in ranked] == ["int32", "float64", "uint8"]


def test_a_short_union_is_ranked_whole(ranker: Ranker) -> None:
    ranked = ranker.rank([proposal(3), proposal(), proposal(5, 3)], Scratch(8), 20)
    assert sorted(ranked.rows.tolist()) == [3, 5]


def test_nothing_proposed_nothing_ranked(ranker: Ranker) -> None:
    ranked = ranker.rank([proposal()] * 3, Scratch(8), 20)
    assert [len(column) for column in ranked] == [0, 0, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_scratch_is_left_clean_and_the_answer_repeats(ranker: Ranker, seed: int) -> None:
    scratch = Scratch()
    proposals = proposals_for(seed, scratch)
    first = [column.tobytes() for column in ranker.rank(proposals, scratch, 20)]
    assert (scratch.slot == -1).all()
    assert not scratch.score.any()
    assert [column.tobytes() for column in ranker.rank(proposals, scratch, 20)] == first


def test_a_tie_goes_to_the_candidate_named_first() -> None:
    fusion = ReciprocalRankFusion(FusionParams(weights=(1.0, 1.0)))
    ranked = fusion.rank([proposal(9, 4), proposal(2, 7)], Scratch(10), 20)
    assert ranked.rows.tolist() == [9, 2, 4, 7]


def test_a_source_of_weight_zero_is_left_out() -> None:
    fusion = ReciprocalRankFusion(FusionParams(weights=(1.0, 0.0)))
    assert fusion.rank([proposal(9), proposal(2)], Scratch(10), 20).rows.tolist() == [9]


@pytest.mark.parametrize(
    "params",
    [FusionParams(weights=(1.0, -0.5)), FusionParams(weights=(float("nan"),)), FusionParams(rank_offset=-1.0)],
)
def test_meaningless_parameters_are_refused(params: FusionParams) -> None:
    with pytest.raises(ConfigError, match="fusion: need finite weights >= 0"):
        ReciprocalRankFusion(params)


def test_a_source_without_a_weight_is_refused() -> None:
    fusion = ReciprocalRankFusion(FusionParams(weights=(1.0, 1.0)))
    with pytest.raises(ConfigError, match="got 2 weights for 1 sources"):
        fusion.rank([proposal(1)], Scratch(10), 20)
