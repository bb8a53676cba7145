"""The fuzzed messages against the decoder alone: no crash, every reason a message can have is met, some are valid."""

from __future__ import annotations

from collections import Counter

from stream_rec.core.contract import REASONS
from stream_rec.core.events import decode_event
from stream_rec.errors import ContractError
from tests.fuzz.mutations import HUGE_BYTES, START_MS, mutations

NOW_MS = START_MS + 86_400_000
N = 6_000
BY_THE_WORKER_ONLY = {"foreign-partition", "hash-clash"}


def test_every_reason_is_met_and_nothing_else_is_raised() -> None:
    met: Counter[str] = Counter()
    for _topic, key, value in mutations(7, N):
        try:
            decode_event(value, key, NOW_MS)
            met["valid"] += 1
        except ContractError as error:
            met[error.reason] += 1
    assert set(met) == set(REASONS) - BY_THE_WORKER_ONLY | {"valid"}
    assert met["valid"] > N / 4


def test_the_same_seed_gives_the_same_messages() -> None:
    assert list(mutations(3, 300)) == list(mutations(3, 300)) != list(mutations(4, 300))


def test_ten_megabytes_and_repeats_are_among_them() -> None:
    messages = [(key, value) for _, key, value in mutations(7, N)]
    assert any(value is not None and len(value) > HUGE_BYTES for _, value in messages)
    valid = [value for _, value in messages if value is not None and value.startswith(b'{"event": "view_item"')]
    assert len(valid) > len(set(valid))
