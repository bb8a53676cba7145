"""A backtest with a sequence model: what is refused, and that the two replays are compared event by event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, tables_bytes
from stream_rec.backtest.event_log import LogEvent
from stream_rec.backtest.sequence import difference_of, events_before
from stream_rec.backtest.walk import NOT_SCORED
from stream_rec.cli.app import build_app
from stream_rec.core.sequence_tables import row_width
from stream_rec.errors import ConfigError
from stream_rec.shop import Shop
from tests.twins.small_model import WIDTH, small_weights

EVENTS = list(Shop(users=10, items=20).events(300))


@pytest.fixture
def log(tmp_path: Path) -> str:
    rows = [f"{e.timestamp_ms},{e.user_id},{e.item_id},{e.event}" for e in EVENTS]
    (tmp_path / "log.csv").write_text("\n".join(["timestamp_ms,user_id,item_id,event", *rows]))
    return str(tmp_path / "log.csv")


def published(folder: Path, learned_until_ms: int, outputs: float = 1.0) -> str:
    """A version with random rows; `outputs` scales what candidates are scored with."""
    ids = sorted({event.item_id for event in EVENTS})
    rows = np.random.default_rng(1).normal(0.0, 1.0, (len(ids), row_width(WIDTH))).astype(np.float32)
    rows[:, 4 * WIDTH :] *= outputs
    files = {TABLES_FILE: tables_bytes(ModelTables(ids, rows, small_weights(1)))}
    data = {"learned_until_ms": learned_until_ms}
    return ModelRegistry(folder).publish(files, code="test", data=data, settings={}, metrics={}).version


def run(log: str, *arguments: str) -> object:
    done = CliRunner().invoke(build_app("backtest"), ["backtest", log, "--no-cascade", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_the_same_log_with_and_without(log: str, tmp_path: Path) -> None:
    version = published(tmp_path, EVENTS[len(EVENTS) // 2].timestamp_ms)
    figures = json.loads(str(run(log, "--model", version, "--models", str(tmp_path), "--json")))
    plain = json.loads(str(run(log, "--json")))
    found = figures["model"]["last_half"]["all"]["hr@20"]
    assert found["with"] == pytest.approx(figures["fresh"]["last_half"]["hr@20"])
    assert found["without"] == pytest.approx(plain["fresh"]["last_half"]["hr@20"])
    assert found["difference"]["mean"] == pytest.approx(found["with"] - found["without"])
    assert figures["sources"]["sequence"]["last_half"]["hr@20"] > 0
    assert plain["sources"]["sequence"]["last_half"]["hr@20"] == 0
    assert "with model v0001" in str(run(log, "--model", version, "--models", str(tmp_path)))


def test_every_list_of_a_version_is_held_against_the_one_without_it(log: str, tmp_path: Path) -> None:
    version = published(tmp_path, EVENTS[len(EVENTS) // 2].timestamp_ms)
    words = ("--model", version, "--models", str(tmp_path), "--json")
    mixed, alone, sources = (
        json.loads(str(run(log, *words, *pin)))["model"]["lists"]
        for pin in ((), ("--pin", "blend=0,sequence=1"), ("--pin", "cooc=0.7,sequence=0.3"))
    )
    assert list(mixed) == ["learned", "pinned", "rerank", "the model's own", "without the model"]
    assert len({figures["n"] for figures in mixed.values()}) == 1
    assert alone["pinned"] == alone["rerank"] == mixed["rerank"] != mixed["pinned"]
    assert mixed["without the model"]["hr@20"]["difference"]["mean"] == 0.0
    others = {name: figures for name, figures in sources.items() if name != "pinned"}
    assert others == {name: figures for name, figures in mixed.items() if name != "pinned"}
    assert sources["pinned"] != mixed["pinned"]
    assert "lists of v0001" in str(run(log, *words[:-1]))


def test_a_blend_without_a_model_is_refused(log: str) -> None:
    with pytest.raises(ConfigError, match="--pin: need --model where blend is named"):
        run(log, "--pin", "blend=0.7,sequence=0.3")


def test_a_share_of_the_users_can_have_it(log: str, tmp_path: Path) -> None:
    version = published(tmp_path, EVENTS[len(EVENTS) // 2].timestamp_ms)
    arguments = ("--model", version, "--models", str(tmp_path), "--json", "--model-share")
    half, all_of_them, none = (json.loads(str(run(log, *arguments, share))) for share in ("0.5", "1", "0"))
    looks = {arm: figures["n"] for arm, figures in half["model"]["arms"].items()}
    assert min(looks.values()) > 0
    assert all_of_them["model"]["arms"]["with"]["n"] == none["model"]["arms"]["without"]["n"] == sum(looks.values())
    assert none["model"]["last_half"]["all"]["hr@20"]["difference"]["mean"] == 0.0


def test_a_model_that_has_seen_what_is_reported_is_refused(log: str, tmp_path: Path) -> None:
    version = published(tmp_path, EVENTS[len(EVENTS) // 2].timestamp_ms + 1)
    with pytest.raises(ConfigError, match=r"--model v0001: need one that learned from nothing after .* --until 0\.5"):
        run(log, "--model", version, "--models", str(tmp_path))


def test_a_version_nobody_has_trained_is_refused(log: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need a version of this registry; got 'v0009'"):
        run(log, "--model", "v0009", "--models", str(tmp_path))


def test_groups_by_what_was_known_of_the_item() -> None:
    def log_of(items: Sequence[str]) -> list[LogEvent]:
        return [LogEvent(n, n, f"u{n % 2}", item, "view_item") for n, item in enumerate(items)]

    events = log_of("aaaaaaaaabac")
    assert events_before(events) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0]
    ours = np.array([1] * 6 + [1, 0, 2, 4, NOT_SCORED, 0], np.int8)
    others = np.array([0] * 6 + [1, 1, 0, 0, 1, 0], np.int8)
    found = difference_of(events, ours, others, events_before(events))
    assert {name: group["n"] for name, group in found.items()} == {
        "all": 5, "items with 0 earlier events": 2, "items with 1 to 4": 0, "items with 5 to 19": 3,
        "items with 20 and more": 0,
    }  # fmt: skip
    assert found["all"]["hr@20"]["with"] == pytest.approx(3 / 5)
    assert found["all"]["hr@20"]["without"] == pytest.approx(2 / 5)
    assert found["all"]["mrr@20"]["with"] == pytest.approx((1 + 1 / 2 + 1 / 4) / 5)
    assert found["items with 0 earlier events"]["hr@20"]["difference"]["mean"] == pytest.approx(1 / 2)
