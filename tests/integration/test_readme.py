"""The README's example does what the README says: run as it stands, against a real broker and worker."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stream_rec import config
from stream_rec.adapters import topics
from tests.integration.worker_process import running

pytestmark = pytest.mark.kafka

README = Path(__file__).parents[2] / "README.md"
EXAMPLE = re.compile(r"<!-- example: begin -->\n```python\n(.*?)```\n<!-- example: end -->", re.DOTALL)
BROKER = re.compile(r'^BROKER = "(.*)"$', re.MULTILINE)


def example() -> str:
    found = EXAMPLE.findall(README.read_text(encoding="utf-8"))
    assert len(found) == 1
    return str(found[0])


def test_the_example_asks_the_broker_that_the_commands_beside_it_start() -> None:
    assert BROKER.findall(example()) == [config.KafkaSettings.model_fields["bootstrap"].default]


def test_bob_is_shown_the_cup_because_ann_went_on_to_it_from_her_teapot(kafka: str, tmp_path: Path) -> None:
    settings = config.load(
        kafka={"bootstrap": kafka, "group": "readme"},
        worker={"data_dir": tmp_path / "worker", "metrics_port": 0, "session_timeout_s": 6},
    )
    topics.create(settings)
    code = BROKER.sub(f'BROKER = "{kafka}"', example())
    with running(settings, tmp_path / "worker.log"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lists = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert set(lists) >= {"ann", "bob"}
    assert ("cup", "co_occurrence") in ast.literal_eval(lists["bob"])
