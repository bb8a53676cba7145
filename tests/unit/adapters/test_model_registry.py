"""The registry: versions never change, one is live, every decision is kept, and damage is named."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from stream_rec.adapters.model_registry import MANIFEST, REGISTRY, ModelRegistry, RegistryChangedError
from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, parse_tables, tables_bytes
from stream_rec.cli.app import build_app
from stream_rec.core.sequence_tables import StudentWeights, row_width
from stream_rec.errors import ConfigError

WIDTH = 8
STUDENT_FILE = "student.safetensors"


def some_tables(seed: int = 0) -> ModelTables:
    rng = np.random.default_rng(seed)
    shapes = ((2, 5), (WIDTH, WIDTH), (WIDTH, 32), (32,), (32, WIDTH), (WIDTH,), (WIDTH, WIDTH), (WIDTH,))
    weights = StudentWeights(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))
    return ModelTables(["A", "Bé", "C,1"], rng.normal(size=(3, row_width(WIDTH))).astype(np.float32), weights)


def publish(registry: ModelRegistry, hr20: float = 0.3, seed: int = 0) -> str:
    files = {TABLES_FILE: tables_bytes(some_tables(seed)), STUDENT_FILE: b"weights", "report.html": b"<html>"}
    names = ("n", "hr10", "hr20", "mrr20", "n_discovery", "hr20_discovery", "n_cold", "hr20_cold")
    metrics = {"student": dict.fromkeys(names, 0) | {"hr20": hr20}}
    return registry.publish(files, code="abc", data={"log": "shop"}, settings={"seed": seed}, metrics=metrics).version


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    registry, expected = ModelRegistry(tmp_path / "models"), some_tables()
    version = publish(registry)
    found = ModelRegistry(tmp_path / "models").tables(version)
    assert list(found.item_ids) == list(expected.item_ids)
    np.testing.assert_array_equal(found.rows, expected.rows)
    for mine, theirs in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_content_comes_back_as_near_as_bytes_go(tmp_path: Path) -> None:
    tables, rng = some_tables(), np.random.default_rng(0)
    vectors = rng.normal(size=(3, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[1] = 0
    found = parse_tables(tables_bytes(replace(tables, content=vectors)), tmp_path).content
    np.testing.assert_allclose(found @ found.T, vectors @ vectors.T, atol=0.01)
    assert not found[1].any()


def test_a_version_without_content_has_vectors_of_width_0(tmp_path: Path) -> None:
    assert parse_tables(tables_bytes(some_tables()), tmp_path).content.shape == (3, 0)


def test_versions_count_up_and_nothing_is_live_by_itself(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    assert (registry.versions(), registry.state().live) == ([], None)
    assert [publish(registry) for _ in range(3)] == ["v0001", "v0002", "v0003"]
    assert registry.state().live is None
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["v0001", "v0002", "v0003"]


def test_the_number_of_a_version_whose_folder_is_gone_is_not_given_again(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    registry.promote(publish(registry), {}, "first")
    (tmp_path / "v0001").rename(tmp_path / "away")
    assert publish(registry) == "v0002", "else it would be live without having been promoted"
    (tmp_path / "v0002").rename(tmp_path / "away, too")
    assert publish(registry) == "v0003", "else a fine-tune could name the one that nothing was decided about"
    registry.keep("v0003", {}, "")
    (tmp_path / "v0003").rename(tmp_path / "away as well")
    assert publish(registry) == "v0004"


def test_numbers_of_a_registry_file_without_the_highest_go_on(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    registry.promote(publish(registry), {}, "first")
    older = json.loads((tmp_path / REGISTRY).read_bytes())
    del older["highest"]
    (tmp_path / REGISTRY).write_text(json.dumps(older))
    assert publish(registry) == "v0002"


def test_trainers_at_once_get_a_number_each(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stream_rec.adapters.model_registry import ModelRegistry\n"
        "for _ in range(5):\n"
        "    ModelRegistry(Path(sys.argv[1])).publish({}, code='', data={}, settings={}, metrics={})"
    )
    trainers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [trainer.wait() for trainer in trainers] == [0, 0, 0]
    assert ModelRegistry(tmp_path).versions() == [f"v{number:04d}" for number in range(1, 16)]


def test_rolling_back_walks_down_the_promotions(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first, second, third = (publish(registry, seed=seed) for seed in range(3))
    registry.promote(first, {"new": 0.3}, "first")
    registry.promote(second, {"new": 0.31, "running": 0.3}, "better")
    registry.keep(third, {"new": 0.2, "running": 0.31}, "worse")
    assert registry.state().live == second
    assert registry.rollback("it was worse").version == first
    with pytest.raises(ConfigError, match="need a version before the live one; got v0001"):
        registry.rollback("again")
    registry.promote(third, {}, "after all")
    assert registry.rollback("no").version == first
    assert [decision.action for decision in registry.state().decisions] == [
        "promote", "promote", "keep", "rollback", "promote", "rollback",
    ]  # fmt: skip
    assert registry.state().decisions[1].numbers == {"new": 0.31, "running": 0.3}


def test_a_decision_upon_a_state_that_is_over_is_refused(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first, second, third = (publish(registry, seed=seed) for seed in range(3))
    registry.promote(first, {}, "")
    registry.promote(second, {}, "")
    seen = registry.state()
    registry.promote(third, {}, "by hand")
    registry.rollback("by hand")
    assert registry.state().live == seen.live, "and yet somebody has decided"
    for decide in (registry.promote, registry.keep):
        with pytest.raises(RegistryChangedError, match=r"need the 2 decisions .* got 4, the last rollback v0002"):
            decide(third, {}, "", seen)
    assert len(registry.state().decisions) == 4
    assert registry.promote(third, {}, "", registry.state()).other == second


def test_decisions_at_once_are_all_kept(tmp_path: Path) -> None:
    version = publish(ModelRegistry(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ModelRegistry(tmp_path).keep(version, {}, str(number)), range(40)))
    assert {int(one.reason) for one in ModelRegistry(tmp_path).state().decisions} == set(range(40))


@pytest.mark.parametrize("name", [TABLES_FILE, STUDENT_FILE])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_named_and_never_goes_live(tmp_path: Path, damage: str, name: str) -> None:
    registry = ModelRegistry(tmp_path)
    version, second = publish(registry), publish(registry)
    registry.promote(version, {}, "")
    registry.promote(second, {}, "")
    path = tmp_path / version / name
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(raw) if damage == "flip" else bytes(raw[:-3]))
    with pytest.raises(ConfigError, match=rf"{version}/{name}: need "):
        registry.promote(version, {}, "")
    with pytest.raises(ConfigError, match=rf"{version}/{name}: need "):
        registry.rollback("")
    assert registry.state().live == second


@pytest.mark.parametrize("text", ["", "{", '{"version": "v0001"}', "\udcff"])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    registry = ModelRegistry(tmp_path)
    version = publish(registry)
    (tmp_path / version / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=rf"{version}/{MANIFEST}: need the JSON"):
        registry.manifest(version)


def test_a_version_under_another_name_is_refused(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    (tmp_path / publish(registry)).rename(tmp_path / "v0007")
    with pytest.raises(ConfigError, match="need format 1 of v0007; got format 1 of v0001"):
        registry.manifest("v0007")
    with pytest.raises(ConfigError, match=r"need a version of this registry; got 'v0001'\. There are: v0007\."):
        registry.manifest("v0001")


def test_tables_that_do_not_fit_together_are_refused() -> None:
    tables = some_tables()
    raw = tables_bytes(ModelTables(tables.item_ids[:2], tables.rows, tables.weights))
    with pytest.raises(ConfigError, match=r"x\.safetensors: need the tables of a model"):
        parse_tables(raw, Path("x.safetensors"))
    with pytest.raises(ConfigError, match=r"content int8.* for 3 items"):
        parse_tables(tables_bytes(replace(tables, content=np.ones((2, 128), np.float32))), Path("x.safetensors"))


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(build_app("models"), ["models", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_lists_shows_promotes_and_rolls_back(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first, second = publish(registry, 0.3), publish(registry, 0.35)

    def asked(*words: str) -> Any:
        return json.loads(run(*words, "--out", tmp_path, "--json"))

    asked("promote", first, "--no-announce")
    assert asked("promote", second, "--no-announce", "--reason", "looks good")["numbers"] == {
        "new": 0.35,
        "running": 0.3,
    }
    listed = asked("list")
    assert (listed["live"], [one["version"] for one in listed["versions"]]) == (second, [first, second])
    assert listed["decisions"][-1]["reason"] == "looks good"
    assert asked("rollback", "--no-announce")["version"] == first
    assert asked("show", first)["live"] is True
    assert "v0002" in run("list", "--out", tmp_path)
    assert "3 files, all whole" in run("show", second, "--out", tmp_path)
    assert "v0002 is live, before it v0001" in run("promote", second, "--no-announce", "--out", tmp_path)


def test_another_version_can_be_promoted_when_the_live_one_is_damaged(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first, second = publish(registry, 0.3), publish(registry, 0.35)
    registry.promote(first, {}, "")
    (tmp_path / first / MANIFEST).write_bytes(b"{")
    said = json.loads(run("promote", second, "--no-announce", "--out", tmp_path, "--json"))
    assert (said["other"], said["numbers"]) == (first, {"new": 0.35})
