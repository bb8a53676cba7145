"""Windows hold every event of a history, and nothing of another user or of the future."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_rec.neural.interactions import interactions_of, split_by_share
from stream_rec.neural.windows import NO_TARGET, batch_of, batches_by_length, training_windows
from tests.unit.neural.small_shop import Line, chain_log


@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=20), length=st.integers(2, 20), seed=st.integers(0, 99)
)
def test_every_event_but_the_first_is_a_target_once(lengths: list[int], length: int, seed: int) -> None:
    starts = np.cumsum([0, *lengths])
    rng = np.random.default_rng(seed)
    windows = training_windows(starts[:-1], np.array(lengths), length, rng)
    targets = [place for first, end in windows.tolist() for place in range(first + 1, end)]
    wanted = {start + k for start, n in zip(starts[:-1].tolist(), lengths, strict=True) for k in range(1, n)}
    assert len(targets) == len(set(targets))
    missed = wanted - set(targets)
    assert set(targets) <= wanted
    assert all((windows[:, 1] - windows[:, 0]) <= length + 1)
    longer = sum(n > length + 1 for n in lengths)
    assert len(missed) <= longer  # a random offset can leave the very first step of a long history alone
    together = np.concatenate([np.zeros((0, 2), np.int64), *batches_by_length(windows, 64, rng)])
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, windows.tolist()))


def test_a_batch_is_padded_at_the_right_and_each_target_is_the_next_item() -> None:
    log = interactions_of(chain_log(200, 5))
    batch = batch_of(log, [(0, 4), (10, 12)])
    assert batch.items.shape == (2, 3)
    assert batch.items[0].tolist() == log.items[:3].tolist()
    assert batch.targets[0].tolist() == log.items[1:4].tolist()
    assert batch.targets[1].tolist() == [log.items[11], NO_TARGET, NO_TARGET]
    assert batch.places[1].tolist() == [11, NO_TARGET, NO_TARGET]


def test_context_tells_pauses_quantities_and_baskets() -> None:
    minute = 60_000
    lines = [
        Line(0, "u", "A", "purchase", 5, "first"),
        Line(minute, "u", "B", "purchase", None, "first"),
        Line(2 * minute, "v", "A"),
        Line(3 * minute, "u", "C", "purchase", 1, "second"),
        Line(33 * minute, "v", "B"),
        Line(34 * minute, "v", "B", "hide"),
    ]
    log = interactions_of(lines)
    assert log.context.tolist() == [[0, 2, 1], [5, 0, 0], [6, 0, 1], [0, 0, 1], [10, 0, 1]]
    assert log.first.tolist() == [True] * 5
    assert log.places.tolist() == [0, 1, 3, 2, 4]


def test_a_split_learns_from_the_oldest_events_only() -> None:
    log = interactions_of(chain_log(1_000))
    split = split_by_share(log, 0.8, 0.15)
    assert (split.train, split.test, split.end) == (800, 850, 1000)
    lengths = split.train_lengths(log)
    learned = [place for start, n in zip(log.starts, lengths, strict=False) for place in range(start, start + n)]
    assert sorted(learned) == sorted(log.places[:800].tolist())
    assert split.item_events(log).sum() == 800
