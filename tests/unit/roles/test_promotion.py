"""From training to decision: a kill at any point loses nothing, and a damaged live version is no reason to crash."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stream_rec.adapters.code_version import code_version
from stream_rec.adapters.model_registry import MANIFEST, ModelRegistry
from stream_rec.adapters.model_tables import TABLES_FILE
from stream_rec.roles import promotion, trainer
from stream_rec.roles.trainer import RUNS, TrainOutcome, TrainRequest, train
from tests.unit.neural.small_shop import TINY, chain_log


class Killed(BaseException):
    """Stands for a SIGKILL: nothing in the trainer catches it."""


def run(folder: Path, stages: list[str] | None = None, **changes: Any) -> TrainOutcome:
    request = TrainRequest(folder, "chains", TINY, train=0.8, test_events=200, **{"test": 0.15, **changes})
    seen = [] if stages is None else stages
    return train(chain_log(), {}, request, lambda stage, done, of, note: seen.append(stage))


def killed_before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, folder: Path) -> None:
    def kill(*_args: object, **_options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, SimpleNamespace(rmtree=kill) if name == "shutil" else kill)
        with pytest.raises(Killed):
            run(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


@pytest.mark.parametrize(
    ("owner", "name", "published", "decided"),
    [
        (ModelRegistry, "publish", False, False),
        (trainer, "decide", True, False),
        (promotion, "_figures", True, False),
        (ModelRegistry, "promote", True, False),
        (trainer, "shutil", True, True),
    ],
    ids=["publication", "contest", "figures", "decision", "clearing"],
)
def test_killed_before_it_goes_on_and_nothing_is_there_twice(
    owner: Any, name: str, published: bool, decided: bool, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before(monkeypatch, owner, name, tmp_path)
    registry, stages = ModelRegistry(tmp_path), list[str]()
    assert registry.versions() == (["v0001"] if published else [])
    assert (registry.state().live is not None) == decided
    outcome = run(tmp_path, stages)
    assert outcome.trained_before == published
    assert "teacher" not in stages, "what was trained is not trained again"
    assert (stages == []) == published
    assert registry.versions() == ["v0001"]
    assert [one.action for one in registry.state().decisions] == ["promote"]
    assert not list((tmp_path / RUNS).iterdir())
    tables = [ModelRegistry(folder).manifest("v0001").files[TABLES_FILE] for folder in (whole, tmp_path)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("lost", [TABLES_FILE, MANIFEST, None], ids=["tables", "manifest", "folder"])
def test_a_live_version_that_cannot_be_read_stays_live_with_the_reason(
    lost: str | None, whole: Path, tmp_path: Path
) -> None:
    folder, registry = tmp_path / "models", ModelRegistry(tmp_path / "models")
    shutil.copytree(whole, folder)
    before = registry.manifest("v0001")
    if lost is None:
        (folder / "v0001").rename(tmp_path / "away")
        outcome = run(folder, test=0.1)
    else:
        raw = (folder / "v0001" / lost).read_bytes()
        (folder / "v0001" / lost).write_bytes(raw[:-9] + b"\0" * 9)
        outcome = run(folder, test=0.1)
    assert outcome.decision is not None
    assert (outcome.decision.action, outcome.decision.other) == ("keep", "v0001")
    assert outcome.decision.reason.startswith("There is nothing to compare it with: v0001 is live and cannot be read: ")
    assert list(outcome.decision.numbers) == ["new"]
    assert registry.state().live == "v0001"
    # put back in place, it is compared after all
    if lost is not None:
        (folder / "v0001" / lost).write_bytes(raw)
        again = run(folder, test=0.1)
        assert again.trained_before and again.decision is not None
        assert "running" in again.decision.numbers
        assert registry.manifest("v0001") == before


def test_a_damaged_version_of_the_same_run_is_made_anew(whole: Path, tmp_path: Path) -> None:
    folder, registry = tmp_path / "models", ModelRegistry(tmp_path / "models")
    shutil.copytree(whole, folder)
    fingerprint = registry.manifest("v0001").fingerprint
    found = registry.published(fingerprint, code_version())
    assert found is not None and found.version == "v0001"
    assert registry.published(fingerprint, "other code") is None
    (folder / "v0001" / TABLES_FILE).write_bytes(b"")
    assert registry.published(fingerprint, code_version()) is None
    assert run(folder).manifest.version == "v0002"


def test_what_is_decided_by_hand_during_a_contest_is_not_undone(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, registry = tmp_path / "models", ModelRegistry(tmp_path / "models")
    shutil.copytree(whole, folder)
    run(folder, test=0.1, promote=False)
    registry.promote("v0002", {}, "by hand")
    figures, compared = promotion._figures, list[str]()

    def rolled_back_meanwhile(registry: ModelRegistry, version: str, *rest: Any) -> Any:
        compared.append(version)
        if len(compared) == 2:
            registry.rollback("by hand")
        return figures(registry, version, *rest)

    monkeypatch.setattr(promotion, "_figures", rolled_back_meanwhile)
    outcome = run(folder, test=0.12)
    assert compared == ["v0003", "v0002", "v0003", "v0001"], "held again, with what is live by then"
    assert outcome.decision is not None and outcome.decision.other == "v0001"
    assert "of v0001" in outcome.decision.reason
    actions = [(one.action, one.version) for one in registry.state().decisions]
    assert actions[:3] == [("promote", "v0001"), ("promote", "v0002"), ("rollback", "v0001")]
    assert len(actions) == 4 and actions[3] == (outcome.decision.action, "v0003")


def test_after_a_rollback_the_same_run_says_what_is_live(whole: Path, tmp_path: Path) -> None:
    folder, registry = tmp_path / "models", ModelRegistry(tmp_path / "models")
    shutil.copytree(whole, folder)
    run(folder, test=0.1, promote=False)
    promoted = registry.promote("v0002", {"new": 1.0, "running": 0.0}, "It does not lose.")
    assert run(folder, test=0.1).is_promoted
    registry.rollback("by hand")
    again = run(folder, test=0.1)
    assert (again.decision, again.live, again.is_promoted) == (promoted, "v0001", False)
    assert again.as_dict()["live"] == "v0001"
