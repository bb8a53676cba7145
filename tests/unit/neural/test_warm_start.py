"""A fine-tune goes on from a version: it learns what came since, takes new items in, and forgets no old ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.errors import ConfigError
from stream_rec.neural.item_encoder import STUDENT_FILE, warm_start
from stream_rec.neural.item_tower import ItemTower
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.text_cache import encode_new_texts
from stream_rec.neural.text_encoder import encode_texts
from stream_rec.neural.warm_start import WarmStart, put_weights
from stream_rec.roles.trainer import TrainOutcome, TrainRequest, train
from tests.unit.neural.small_shop import TEXTS, TINY, Line, chain_log

NEW = {"item-new-0": "golden cup", "item-new-1": "golden plate", "item-rare": "golden lamp"}
DAY = 500
"""Events since the version."""


def later_log() -> list[Line]:
    """The log the version learned from, then a day on which everybody goes from one new item to the other."""
    lines = chain_log()
    rng = np.random.default_rng(1)
    for index in range(DAY // 2):
        user, time_ms = f"user-{rng.integers(40)}", lines[-1].timestamp_ms + 1_000
        lines += [Line(time_ms, user, "item-new-0"), Line(time_ms, user, "item-new-1")]
        if index == 0:
            lines.append(Line(time_ms, user, "item-rare"))
    return lines


def run(folder: Path, events: list[Line], texts: dict[str, str], **changes: object) -> TrainOutcome:
    request = replace(TrainRequest(folder, "chains", TINY, test_events=200), **changes)
    return train(events, texts, request, lambda stage, done, of, note: None)


def stored(folder: Path, version: str) -> WarmStart:
    registry = ModelRegistry(folder)
    raw, ids = registry.read_file(version, STUDENT_FILE), registry.tables(version).item_ids
    return warm_start(raw, ids, registry.manifest(version).settings, version, folder)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainOutcome]:
    """A version of the first days, and one that went on from it; an item needs two events for an id vector."""
    folder = tmp_path_factory.mktemp("models")
    run(folder, chain_log(), TEXTS, recipe=replace(TINY, least_id_events=2))
    return folder, run(folder, later_log(), TEXTS | NEW, warm_from="v0001")


def test_it_learns_what_came_since_and_wins_by_it(tuned: tuple[Path, TrainOutcome]) -> None:
    _, outcome = tuned
    manifest, decision = outcome.manifest, outcome.decision
    assert (manifest.version, manifest.data["warm_from"]) == ("v0002", "v0001")
    assert manifest.data["learned_from_ms"] == 1_899_000, "where the first version stopped learning"
    assert manifest.data["learned"] + manifest.data["held_out"] == pytest.approx(100 + DAY, abs=2)
    assert decision is not None and decision.action == "promote"
    assert decision.numbers["new"] > decision.numbers["running"] + 0.1
    assert manifest.facts == {"learned_until_ms": manifest.learned_until_ms}, "without a teacher nothing is left of one"
    assert "teacher" not in manifest.metrics and list(manifest.metrics["epochs"]) == ["student"]
    assert manifest.settings["student"] == ModelRegistry(tuned[0]).manifest("v0001").settings["student"]


def test_a_new_item_lives_on_its_text_until_it_has_events_enough(tuned: tuple[Path, TrainOutcome]) -> None:
    has_id = dict(zip((after := stored(tuned[0], "v0002")).item_ids, after.has_id.tolist(), strict=True))
    assert {name: has_id[name] for name in NEW} == {"item-new-0": True, "item-new-1": True, "item-rare": False}
    before = stored(tuned[0], "v0001")
    assert list(after.item_ids)[: len(before.item_ids)] == list(before.item_ids)
    assert not torch.equal(after.weights["items.id.weight"][0], before.weights["items.id.weight"][0])


def test_an_id_vector_begins_where_the_text_alone_has_the_item() -> None:
    text, few, more = torch.randn(6, 20), torch.tensor([True] * 3), torch.tensor([True] * 3 + [True, False, True])
    old = SequenceModel(TINY.student, ItemTower(text[:3], few, 16, 0.1))
    with torch.no_grad():
        for parameter in old.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    on_text = SequenceModel(TINY.student, ItemTower(text, torch.tensor([True] * 3 + [False] * 3), 16, 0.1))
    new = SequenceModel(TINY.student, ItemTower(text, more, 16, 0.1))
    for model in (on_text, new):
        put_weights(model, old.state_dict(), few)
    with torch.inference_mode():
        torch.testing.assert_close(new.eval().items(), on_text.eval().items())
        torch.testing.assert_close(new.items()[:3], old.eval().items())


def test_items_that_left_log_and_catalogue_stay_as_if_they_were_there(tmp_path: Path) -> None:
    gone = [item_id for item_id in TEXTS if item_id.startswith("item-3")]
    left = {item_id: text for item_id, text in TEXTS.items() if item_id not in gone}
    here, there = tmp_path / "named", tmp_path / "unnamed"
    run(here, chain_log(), TEXTS)
    shutil.copytree(here, there)
    run(here, later_log()[-DAY:], TEXTS | NEW, warm_from="v0001", since=0.0)
    run(there, later_log()[-DAY:], left | NEW, warm_from="v0001", since=0.0)
    before = ModelRegistry(here).tables("v0001")
    named, unnamed = (ModelRegistry(folder).tables("v0002") for folder in (here, there))
    assert list(unnamed.item_ids) == list(named.item_ids) == [*before.item_ids, *NEW]
    np.testing.assert_array_equal(unnamed.rows, named.rows)
    places = [before.item_ids.index(item_id) for item_id in gone]
    assert before.content[places].any(axis=1).all()
    np.testing.assert_array_equal(unnamed.content[places], before.content[places])
    np.testing.assert_array_equal(unnamed.text_hashes[places], before.text_hashes[places])
    assert stored(there, "v0002").has_id.sum() == len(TEXTS) + len(NEW)
    assert stored(there, "v0002").item_texts == TEXTS | NEW, "what goes on from it keeps them as well"


def test_another_student_under_the_same_name_is_another_run(tmp_path: Path) -> None:
    prints = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        run(folder, chain_log(), {}, recipe=replace(TINY, seed=seed))
        tuned = run(folder, later_log(), {}, recipe=TINY, warm_from="v0001").manifest
        prints.append((tuned.fingerprint, stored(folder, "v0001").sha256, tuned.settings))
        assert prints[-1][1] == ModelRegistry(folder).manifest("v0001").files[STUDENT_FILE].sha256
    assert prints[0][2] == prints[1][2], "nothing else is another"
    assert prints[0][0] != prints[1][0]


def test_a_text_that_the_catalogue_has_changed_wins(tmp_path: Path) -> None:
    run(tmp_path, chain_log(), TEXTS)
    run(tmp_path, later_log(), TEXTS | NEW | {"item-0-0": "wooden spoon", "item-0-1": ""}, warm_from="v0001")
    texts = stored(tmp_path, "v0002").item_texts
    assert texts["item-0-0"] == "wooden spoon" and "item-0-1" not in texts


def test_ids_alone_go_on_too_and_since_says_where_to_begin(tmp_path: Path) -> None:
    run(tmp_path, chain_log(), {})
    share = run(tmp_path, later_log(), {}, warm_from="v0001", since=0.9)
    time = run(tmp_path, later_log(), {}, warm_from="v0001", since=float(later_log()[2_250].timestamp_ms))
    assert share.manifest.data["learned_from_ms"] == time.manifest.data["learned_from_ms"]
    assert share.manifest.files["tables.safetensors"] == time.manifest.files["tables.safetensors"]


@pytest.mark.parametrize(
    ("changes", "texts", "message"),
    [
        ({"warm_from": "v0009"}, TEXTS, "need a version of this registry"),
        ({"warm_from": "v0001"}, {}, "--items: need the catalogue"),
        ({"warm_from": "v0001", "ablation": True}, TEXTS, "need a run with a teacher"),
        ({"warm_from": "v0001", "since": 9e12}, TEXTS, "need shares that do not overlap"),
    ],
)
def test_what_cannot_go_on_is_refused(
    tuned: tuple[Path, TrainOutcome], changes: dict[str, object], texts: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(tuned[0], later_log(), texts, **changes)


def test_only_texts_that_are_new_are_encoded(tmp_path: Path) -> None:
    path, encoded = tmp_path / "texts.safetensors", []

    def report(done: int, of: int) -> None:
        encoded.append(of)

    first = encode_new_texts(path, ["red cup", "", "blue cup"], report)
    second = encode_new_texts(path, ["blue cup", "gold cup", "gold cup"], report)
    assert encoded == [2, 1]
    np.testing.assert_array_equal(second[0], first[2])
    np.testing.assert_allclose(first, encode_texts(["red cup", "", "blue cup"]), atol=1e-6)
    assert not first[1].any()
    assert encode_new_texts(path, ["gold cup"], report) == pytest.approx(second[1:2])
    assert encoded == [2, 1]
