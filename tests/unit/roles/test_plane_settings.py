"""What a shop sets about its lists reaches the user plane of a worker."""

from __future__ import annotations

from typing import Any, cast

import pytest

from stream_rec import config
from stream_rec.core.presets import DAY_MS
from stream_rec.core.ranking.mixing import RERANK, Mix
from stream_rec.core.user_plane import PlaneSettings
from stream_rec.roles.edge import FaustSource
from stream_rec.roles.parts import Parts
from stream_rec.roles.preflight import Surroundings
from stream_rec.roles.worker import build_parts, plane_settings


def planes(**ranking: Any) -> PlaneSettings:
    return plane_settings(config.load(ranking=ranking), partitions=4)


def test_without_settings_a_worker_does_as_the_plane_would_alone() -> None:
    assert planes() == PlaneSettings(partitions=4)


@pytest.mark.parametrize(
    ("setting", "value", "field", "reaches"),
    [
        ("sample_every", 7, "fresh_every", 7),
        ("sample_every", 0, "fresh_every", 0),
        ("cascade_users", 9, "thorough_users", 9),
        ("cascade_users", 0, "thorough_users", 0),
        ("refresh_days", 3, "refresh_ms", 3 * DAY_MS),
        ("refresh_days", 0, "refresh_ms", 0),
        ("model_share", 0.5, "model_share", 0.5),
        ("list_size", 5, "list_size", 5),
        ("exclude", "current", "exclude", "current"),
        ("pinned", "cooc=0.7,own=0.3", "pinned", (("cooc", 0.7), ("own", 0.3))),
        ("pinned", "blend=0.7,sequence=0.3", "mix", Mix(0.7, 0.3)),
        ("sequence", "rerank", "mix", RERANK),
    ],
)
def test_a_setting_of_ranking_reaches_the_plane(setting: str, value: object, field: str, reaches: object) -> None:
    found, default = planes(**{setting: value}), planes()
    assert getattr(found, field) == reaches
    others = [name for name in PlaneSettings.__dataclass_fields__ if name != field]
    assert [getattr(found, name) for name in others] == [getattr(default, name) for name in others]


def parts(**ranking: Any) -> Parts:
    settings = config.load(ranking=ranking, worker={"drift_lines": 0})
    plane = plane_settings(settings, partitions=4)
    return build_parts(settings, Surroundings("cluster", 4), plane, cast(FaustSource, None))


def test_the_cascade_is_the_second_stage_of_the_workers_plane() -> None:
    worker = parts()
    assert worker.cascade is not None
    assert worker.users._publisher._recommender.second is worker.cascade


@pytest.mark.parametrize("ranking", [{"cascade": False}, {"pinned": "cooc=1"}], ids=["switched off", "pinned"])
def test_there_is_none_where_it_is_switched_off_or_weights_are_pinned(ranking: dict[str, Any]) -> None:
    worker = parts(**ranking)
    assert worker.cascade is None
    assert worker.users._publisher._recommender.second is None
