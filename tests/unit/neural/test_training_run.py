"""A run learns what there is to learn, with texts and without, and a new item lives on its text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_rec.adapters.model_registry import ModelRegistry
from stream_rec.core.embedding import embed
from stream_rec.core.sequence_tables import vectors_of_rows
from stream_rec.errors import ConfigError
from stream_rec.neural.item_encoder import STUDENT_FILE, ItemEncoder
from stream_rec.neural.recipe import recipe_from
from stream_rec.roles.trainer import REPORT_FILE, RUNS, TrainOutcome, TrainRequest, train
from tests.unit.neural.small_shop import TEXTS, TINY, chain_log


def trained(folder: Path, texts: dict[str, str], **changes: object) -> TrainOutcome:
    request = replace(TrainRequest(folder, "chains", TINY, train=0.8, test=0.15, test_events=200), **changes)
    return train(chain_log(), texts, request, lambda stage, done, of, note: None)


@pytest.fixture(scope="module")
def with_texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainOutcome]:
    folder = tmp_path_factory.mktemp("models")
    unsold = {"item-new": "red clock"}
    return folder, trained(folder, TEXTS | unsold, ablation=True)


def test_the_models_find_the_next_item_of_a_chain(with_texts: tuple[Path, TrainOutcome]) -> None:
    _, outcome = with_texts
    by_chance = 1 / len(TEXTS)
    for kind in ("teacher", "student", "plain"):
        assert outcome.manifest.metrics[kind]["mrr20"] > 8 * by_chance, kind
    losses = [epoch["loss"] for epoch in outcome.manifest.metrics["epochs"]["teacher"]]
    assert losses == sorted(losses, reverse=True)


def test_the_first_version_goes_live_and_its_run_leaves_nothing_else(with_texts: tuple[Path, TrainOutcome]) -> None:
    folder, outcome = with_texts
    registry = ModelRegistry(folder)
    assert registry.state().live == outcome.manifest.version == "v0001"
    assert [path.name for path in (folder / RUNS).iterdir()] == ["texts.safetensors"], "which the next run wants"
    assert recipe_from(outcome.manifest.settings) == TINY
    assert outcome.manifest.data["learned"] == 1600
    assert outcome.manifest.data["held_out"] == 300


def test_the_tables_of_the_report_are_as_good_as_the_student(with_texts: tuple[Path, TrainOutcome]) -> None:
    _, outcome = with_texts
    steps = {step["name"]: step for step in outcome.manifest.metrics["compression"]}
    assert list(steps) == [
        "teacher", "student without a teacher", "student", "tables, last 8", "tables, last 3", "tables, fp16",
        "tables, int8",
    ]  # fmt: skip
    assert steps["tables, last 8"]["hr20"] == pytest.approx(steps["student"]["hr20"], abs=0.006)
    assert steps["tables, int8"]["hr20"] == pytest.approx(steps["student"]["hr20"], abs=0.03)
    assert steps["tables, int8"]["bytes"] < steps["tables, fp16"]["bytes"] < steps["tables, last 8"]["bytes"]


def test_the_student_lists_most_of_what_its_teacher_lists(with_texts: tuple[Path, TrainOutcome]) -> None:
    _, outcome = with_texts
    by_chance = min(1.0, 20 / len(TEXTS))
    assert by_chance < outcome.manifest.facts["agreement"] <= 1.0


def test_the_report_stands_alone(with_texts: tuple[Path, TrainOutcome]) -> None:
    folder, _ = with_texts
    page = ModelRegistry(folder).read_file("v0001", REPORT_FILE).decode()
    assert page.count("<svg") == 2 and "tables, int8" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_encoder_gives_trained_items_their_rows_and_new_ones_a_row_like_their_text(
    with_texts: tuple[Path, TrainOutcome],
) -> None:
    folder, outcome = with_texts
    registry = ModelRegistry(folder)
    tables = registry.tables("v0001")
    raw = registry.read_file("v0001", STUDENT_FILE)
    encoder = ItemEncoder(raw, tables.item_ids, outcome.manifest.settings, folder / "v0001" / STUDENT_FILE)
    known = [(item_id, TEXTS.get(item_id, "red clock")) for item_id in tables.item_ids]
    rows, is_known, content = encoder.rows([*known, ("never-seen", "red clock"), ("nothing", "")])
    assert is_known.tolist() == [True] * (len(known) + 1) + [False]
    np.testing.assert_allclose(rows[: len(known)], tables.rows, atol=1e-4)
    unsold = tables.item_ids.index("item-new")
    np.testing.assert_allclose(rows[len(known)], tables.rows[unsold], atol=1e-4)
    np.testing.assert_allclose(content[: len(known)], tables.content, atol=0.005)
    np.testing.assert_allclose(content[len(known)], content[unsold], atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(content, axis=1), [1.0] * (len(known) + 1) + [0.0], atol=1e-5)


def test_content_vectors_are_as_like_as_the_texts(with_texts: tuple[Path, TrainOutcome]) -> None:
    folder, _ = with_texts
    tables = ModelRegistry(folder).tables("v0001")
    likeness = tables.content @ tables.content[tables.item_ids.index("item-new")]
    red_clocks = {tables.item_ids[row] for row in np.argsort(-likeness)[:2]}
    assert red_clocks == {"item-new", "item-0-4"}


def test_a_second_version_is_compared_with_the_live_one(with_texts: tuple[Path, TrainOutcome], tmp_path: Path) -> None:
    worse = replace(TINY, teacher_schedule=replace(TINY.teacher_schedule, epochs=0), student_schedule=replace(
        TINY.student_schedule, epochs=0))  # fmt: skip
    trained(tmp_path, {})
    second = trained(tmp_path, {}, recipe=worse)
    assert second.decision is not None
    assert (second.decision.action, second.decision.other) == ("keep", "v0001")
    assert second.decision.numbers["new"] < second.decision.numbers["running"]
    assert ModelRegistry(tmp_path).state().live == "v0001"
    third = trained(tmp_path, {}, recipe=replace(TINY, seed=1))
    assert third.manifest.version == "v0003"


def test_ids_are_enough_and_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    first, second = trained(tmp_path / "a", {}), trained(tmp_path / "b", {})
    assert first.manifest.metrics["student"]["mrr20"] > 0.25
    assert ModelRegistry(tmp_path / "a").tables("v0001").content.shape == (len(TEXTS), 0)
    assert first.manifest.files["tables.safetensors"] == second.manifest.files["tables.safetensors"]
    json.dumps(first.as_dict())


def test_tables_say_of_which_items_nothing_is_known(with_texts: tuple[Path, TrainOutcome], tmp_path: Path) -> None:
    assert ModelRegistry(with_texts[0]).tables("v0001").known.all()  # item-new by its text
    trained(tmp_path, {"item-new": ""})
    tables = ModelRegistry(tmp_path).tables("v0001")
    assert set(tables.item_ids) - set(tables.of_known_items().item_ids) == {"item-new"}
    assert not tables.knows_texts


def test_a_finished_run_is_not_run_again_and_its_decision_stands(tmp_path: Path) -> None:
    first, second = trained(tmp_path, {}), trained(tmp_path, {})
    assert (first.trained_before, second.trained_before) == (False, True)
    assert second.manifest == first.manifest
    assert second.decision == first.decision
    assert trained(tmp_path, {}, test=0.1).manifest.version == "v0002", "other held-out events are another run"


def test_until_hides_what_comes_later(tmp_path: Path) -> None:
    half = trained(tmp_path, {}, until=0.5)
    assert half.manifest.data["held_out_until_ms"] == 999_000


def test_users_of_a_version_are_embedded_without_torch(with_texts: tuple[Path, TrainOutcome]) -> None:
    folder, _ = with_texts
    tables = ModelRegistry(folder).tables("v0001")
    row_of = {item_id: row for row, item_id in enumerate(tables.item_ids)}
    vectors = vectors_of_rows(tables.rows)
    history = np.array([row_of["item-2-0"], row_of["item-2-1"]], np.int32)
    users, used = embed(history, np.array([2]), vectors, tables.weights, 20)
    scores = vectors.outputs @ users[0] + vectors.bias
    assert used.tolist() == [2]
    assert int((scores > scores[row_of["item-2-2"]]).sum()) < 5


def test_a_log_without_a_held_out_event_is_refused(tmp_path: Path) -> None:
    request = TrainRequest(tmp_path, "short", TINY, test=0.5, train=0.6)
    with pytest.raises(ConfigError, match="need shares that do not overlap"):
        train(chain_log(100), {}, request, lambda stage, done, of, note: None)
