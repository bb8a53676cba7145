"""The documentation names everything there is: settings, commands, options."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.cli import settings
from stream_rec.cli.app import COMMANDS
from stream_rec.cli.pages import commands_page
from stream_rec.config import setting_rows

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("name", "made"), [("settings.md", settings.page), ("commands.md", commands_page)])
def test_a_page_made_from_the_code_is_up_to_date(name: str, made: object) -> None:
    assert callable(made)
    assert (DOCS / name).read_text(encoding="utf-8") == made(), "run make docs"


def test_every_setting_has_a_meaning_and_a_row() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    for row in setting_rows():
        assert row.meaning.endswith("."), row
        assert f"`{row.section}.{row.name}` | `{row.env}`" in page


def test_every_command_has_a_chapter() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"## stream-rec {name}" not in page] == []
