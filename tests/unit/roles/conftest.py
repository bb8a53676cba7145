"""What tests of the encoder stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.roles.encoder_desk import Desk, Student, student_in_place


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path / "models", monkeypatch)


@pytest.fixture
def student(monkeypatch: pytest.MonkeyPatch) -> Student:
    return student_in_place(monkeypatch)
