"""What is deployed fits the Compose schema and the settings; no Docker engine is needed to know."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from stream_rec.adapters import kafka_artifacts
from stream_rec.adapters.topics import VALUE_BYTES
from stream_rec.config import WorkerSettings, setting_rows

TOP = Path(__file__).parents[2]
COMPOSE = TOP / "docker-compose.yml"
DOCKERFILE = (TOP / "deploy" / "Dockerfile").read_text()


def yaml(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return loaded


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml(COMPOSE)["services"]
    return found


def test_the_compose_file_fits_the_compose_schema() -> None:
    # the schema comes with check-jsonschema, read as a file: its code wants a newer click than faust allows
    path = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    schema = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(yaml(COMPOSE))] == []
    assert not validator.is_valid({"services": {"worker": {"imagine": "x"}}})


def test_every_setting_in_it_exists(services: dict[str, Any]) -> None:
    known = {row.env for row in setting_rows()}
    used = {name for service in services.values() for name in service.get("environment", {}) if "STREAM_REC" in name}
    used |= {word.split("=")[0] for word in DOCKERFILE.split() if word.startswith("STREAM_REC_")}
    assert used
    assert used <= known


def test_the_same_kafka_serves_laptop_and_deployment(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{kafka_artifacts.kafka_version()}"
    assert services["kafka"]["environment"]["KAFKA_MESSAGE_MAX_BYTES"] > VALUE_BYTES


def test_the_worker_waits_for_its_topics(services: dict[str, Any]) -> None:
    assert services["worker"]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}
    assert services["topics"]["command"] == ["topics", "create"]
    assert services["worker"]["restart"] == "unless-stopped"


def test_prometheus_scrapes_the_workers_port(services: dict[str, Any]) -> None:
    port = WorkerSettings().metrics_port
    (job,) = yaml(TOP / "deploy" / "prometheus.yml")["scrape_configs"]
    assert [(d["names"], d["port"]) for d in job["dns_sd_configs"]] == [(["worker"], port)]
    assert services["worker"]["expose"] == [str(port)]
    assert f"EXPOSE {port}\n" in DOCKERFILE


def test_the_image_is_locked_not_root_and_has_a_place_for_kernels() -> None:
    _, build, image = DOCKERFILE.split("\nFROM ")
    assert "ARG LOCK=base\n" in build and "--require-hashes -r .ci/lock/${LOCK}.txt" in build
    assert "\nUSER stream-rec\n" in image
    assert "NUMBA_CACHE_DIR=" in image
    assert all((TOP / ".ci" / "lock" / name).exists() for name in ("base.txt", "neural.txt", "uv.txt"))


def test_encoder_and_trainer_are_asked_for_and_share_a_registry_they_may_write_to(services: dict[str, Any]) -> None:
    encoder, trainer = services["encoder"], services["trainer"]
    assert (encoder["profiles"], trainer["profiles"]) == (["neural"], ["train"]), "nobody is trained by an `up`"
    assert (encoder["command"], trainer["command"]) == (["encoder"], ["train", "--from-topic", "--announce"])
    folder = "/var/lib/stream-rec/models"
    for service in (encoder, trainer):
        assert service["build"]["args"] == {"LOCK": "neural"}
        assert service["volumes"] == [f"models:{folder}"]
    assert f"STREAM_REC_ENCODER__MODELS={folder}" in DOCKERFILE
    (made,) = [line for line in DOCKERFILE.replace("\\\n", "").splitlines() if "install -d" in line]
    assert folder in made.split() and "install -d -o stream-rec -g stream-rec" in made
    assert DOCKERFILE.index("install -d") < DOCKERFILE.index("VOLUME"), "what comes behind is not in the volume"
