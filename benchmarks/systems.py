"""The two systems: how each is started on topics of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import msgspec

from benchmarks.naive_agent_settings import NaiveSettings
from stream_rec.adapters.supervisor import spawn
from stream_rec.config import ENV_PREFIX, TopicSettings, env_name

CHECKOUT = Path(__file__).parents[1]
BATCHED, NAIVE = "batched", "naive"
CASCADE_ON, CASCADE_OFF = "batched, cascade on", "batched, cascade off"
CASCADE = {CASCADE_ON: {"cascade": "true", "cascade_users": "1000000"}, CASCADE_OFF: {"cascade": "false"}}
"""Settings of the worker that orders every list by the second stage, however many users a round has, and that none."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one run happens: a broker, a name no other run has, a folder for stores and logs."""

    bootstrap: str
    name: str
    folder: Path
    partitions: int
    topics: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        names = {setting: f"{info.default}-{self.name}" for setting, info in TopicSettings.model_fields.items()}
        object.__setattr__(self, "topics", names)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def sources(self) -> tuple[str, str]:
        """Names of the clicks and the purchases topic."""
        return self.topics["clicks"], self.topics["purchases"]

    @property
    def group(self) -> str:
        """The consumer group: its committed offsets say what is done."""
        return f"bench-{self.name}"

    @property
    def log(self) -> Path:
        """What the system printed."""
        return self.folder / "log.txt"

    @property
    def encoder_log(self) -> Path:
        """What its encoder printed, where it has one."""
        return self.folder / "encoder.txt"


def start_batched(site: Site, ranking: Mapping[str, str] = MappingProxyType({})) -> subprocess.Popen[bytes]:
    """Start the worker, with its default settings but those of `ranking`."""
    (site.folder / "worker").mkdir(exist_ok=True)
    settings = {
        **_where(site),
        env_name("kafka", "group"): site.group,
        env_name("worker", "data_dir"): str(site.folder / "worker"),
        env_name("worker", "metrics_port"): "0",
        **{env_name("ranking", setting): value for setting, value in ranking.items()},
    }
    return _spawn([sys.executable, "-m", "stream_rec", "worker"], site.log, settings)


def start_encoder(site: Site, models: Path) -> subprocess.Popen[bytes]:
    """Start the encoder of a registry."""
    settings = {**_where(site), env_name("encoder", "models"): str(models)}
    return _spawn([sys.executable, "-m", "stream_rec", "encoder"], site.encoder_log, settings)


def _where(site: Site) -> dict[str, str]:
    """Return the settings of a site that every process shares."""
    return {
        env_name("kafka", "bootstrap"): site.bootstrap,
        env_name("kafka", "partitions"): str(site.partitions),
        **{env_name("topics", setting): name for setting, name in site.topics.items()},
    }


def start_naive(site: Site) -> subprocess.Popen[bytes]:
    """Start the naive agent."""
    settings = NaiveSettings(
        app_id=site.group,
        bootstrap_servers=site.bootstrap,
        datadir=str(site.folder / "naive"),
        clicks=site.topics["clicks"],
        purchases=site.topics["purchases"],
        recommendations=site.topics["recommendations"],
        item_deltas=site.topics["item_deltas"],
        partitions=site.partitions,
    )
    argv = [sys.executable, "-m", "benchmarks.naive_agent", msgspec.json.encode(settings).decode()]
    return _spawn(argv, site.log, {})


START: dict[str, Callable[[Site], subprocess.Popen[bytes]]] = {
    BATCHED: start_batched,
    NAIVE: start_naive,
    **{system: partial(start_batched, ranking=ranking) for system, ranking in CASCADE.items()},
}


def start_tool(module: str, settings: object, log: Path) -> subprocess.Popen[bytes]:
    """Start a module of this folder as a process of its own, its settings as JSON in its one argument."""
    argv = [sys.executable, "-m", f"benchmarks.{module}", msgspec.json.encode(settings).decode()]
    return _spawn(argv, log, {})


def _spawn(argv: list[str], log: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a child that sees this checkout and none of this process's stream-rec settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    paths = [str(CHECKOUT), *filter(None, [env.get("PYTHONPATH")])]
    return spawn(argv, log=log, env={**env, "PYTHONPATH": os.pathsep.join(paths), **settings})
