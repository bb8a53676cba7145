"""The documentation names everything there is, and nothing that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from stream_rec import config
from stream_rec.adapters import topics
from stream_rec.adapters.metrics import METRICS, PREFIX
from stream_rec.cli import settings
from stream_rec.cli.app import COMMANDS, build_app
from stream_rec.cli.pages import commands_page
from stream_rec.config import setting_rows
from stream_rec.core.contract import REASONS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "stream_rec"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MENTIONED_FILE = re.compile(r"^[\w./-]+\.(py|md|json|toml|yml|txt)$")
MENTIONED_SETTING = re.compile(rf"^({'|'.join(config.Settings.model_fields)})\.(\w+)$")
MENTIONED_VARIABLE = re.compile(rf"\b{config.ENV_PREFIX}[A-Z_]*[A-Z]\b")
MENTIONED_METRIC = re.compile(rf"\b{PREFIX}[a-z_]+[a-z](?![a-z_/.])")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def spans(page: Path) -> list[str]:
    """What stands in backticks, fenced code left out."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text_of(page)))]


def typed(page: Path, word: str) -> Iterator[list[str]]:
    """The command lines that begin with `word`, in backticks or in fenced code, as words."""
    fenced = [line for block in FENCE.findall(text_of(page)) for line in block.splitlines()]
    for line in (*spans(page), *fenced):
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] == word:
            yield words[1:]


def rows(page: Path, columns: int) -> list[list[str]]:
    """The cells of every table row of so many columns, heads and rules left out."""
    cells = [line.strip("| ").split(" | ") for line in text_of(page).splitlines() if line.startswith("| `")]
    return [row for row in cells if len(row) == columns]


def metric_names() -> set[str]:
    """Every sample name /metrics can show."""
    ends = {"counter": ["_total"], "gauge": [""]}
    return {PREFIX + m.name + end for m in METRICS for end in ends.get(m.kind, ["", "_bucket", "_count", "_sum"])}


@cache
def command_of(name: str) -> Any:
    """The command, or group of commands, as typer builds it."""
    group: Any = typer.main.get_command(build_app(name))
    return group.commands[name]


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize(("name", "made"), [("settings.md", settings.page), ("commands.md", commands_page)])
def test_a_page_made_from_the_code_is_up_to_date(name: str, made: object) -> None:
    assert callable(made)
    assert text_of(DOCS / name) == made(), "run make docs"


def test_every_setting_has_a_meaning_and_a_row() -> None:
    page = text_of(DOCS / "settings.md")
    for row in setting_rows():
        assert row.meaning.endswith("."), row
        assert f"`{row.section}.{row.name}` | `{row.env}`" in page


def test_every_command_has_a_chapter_and_a_word_in_the_changelog() -> None:
    page, changelog = text_of(DOCS / "commands.md"), text_of(ROOT / "CHANGELOG.md")
    assert [name for name in COMMANDS if f"## stream-rec {name}" not in page] == []
    assert [name for name in COMMANDS if f"`{name}`" not in changelog] == []


def test_every_module_is_on_the_package_map_and_no_other() -> None:
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    mapped = [row[0].strip("`") for row in rows(DOCS / "architecture.md", 2)]
    assert sorted(mapped) == sorted(modules)


def test_every_topic_is_described_as_it_is_created() -> None:
    loaded = config.Settings()
    described = {row[0].strip("`"): row[2] for row in rows(DOCS / "topics.md", 6)}
    configured: dict[str, set[str]] = {}
    for names, pairs in rows(DOCS / "topics.md", 2):
        if "=" in pairs:
            configured |= {name: set(SPAN.findall(pairs)) for name in SPAN.findall(names)}
    for plan in topics.plans(loaded):
        assert described.pop(plan.name) == plan.config.get("cleanup.policy", "delete")
        assert configured.pop(plan.name) == {f"{key}={value}" for key, value in plan.config.items()}
    assert (described, configured) == ({}, {})
    together = re.search(r"\n\n(`clicks`.*?) must have the same number\b", text_of(DOCS / "topics.md"), re.DOTALL)
    assert together is not None
    assert set(SPAN.findall(together[1])) == {plan.name for plan in topics.plans(loaded) if plan.co_partitioned}


def test_every_dead_letter_reason_is_explained_and_no_other() -> None:
    explained = [tuple(row) for row in rows(DOCS / "topics.md", 2) if "=" not in row[1]]
    assert explained == [(f"`{reason}`", meaning) for reason, meaning in REASONS.items()]


def test_every_reason_the_code_gives_is_in_the_table_of_reasons() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    assert set(re.findall(r'(?:refuse|ContractError)\(\s*"([a-z0-9-]+)"', code)) <= set(REASONS)


@EVERY_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", text_of(page))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), target
        titles = re.findall(r"^#+ (.*)$", text_of(linked), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@EVERY_PAGE
def test_the_files_a_page_names_exist(page: Path) -> None:
    named = [span for span in spans(page) if MENTIONED_FILE.match(span) and "NAME" not in span]
    folders = (ROOT, PACKAGE, DOCS, ROOT / "schemas")
    assert [name for name in named if not any((folder / name).exists() for folder in folders)] == []


@EVERY_PAGE
def test_the_settings_and_variables_a_page_names_exist(page: Path) -> None:
    known = {f"{row.section}.{row.name}" for row in setting_rows()}
    named = {span.partition("=")[0] for span in spans(page)}
    assert {name for name in named if MENTIONED_SETTING.match(name)} - known == set()
    variables = {row.env for row in setting_rows()} | config._OTHER_VARIABLES
    assert set(MENTIONED_VARIABLE.findall(text_of(page))) - variables == set()


@EVERY_PAGE
def test_the_metrics_a_page_names_exist(page: Path) -> None:
    assert set(MENTIONED_METRIC.findall(text_of(page))) - metric_names() == set()


@EVERY_PAGE
def test_the_commands_and_options_a_page_names_exist(page: Path) -> None:
    for name, *words in typed(page, "stream-rec"):
        command = command_of(name)
        children = getattr(command, "commands", {})
        if children and words:
            assert set(words[0].split("|")) <= set(children), f"stream-rec {name} {words[0]}"
            command = children[words[0].split("|")[0]]
        assert {word for word in words if word.startswith("--")} <= options_of(command), f"stream-rec {name} {words}"
    targets = set(re.findall(r"^([a-z]+):.*##", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert {words[0] for words in typed(page, "make")} <= targets


@EVERY_PAGE
def test_the_options_a_page_names_by_themselves_belong_to_some_command(page: Path) -> None:
    commands = [command_of(name) for name in COMMANDS]
    leaves = [leaf for one in commands for leaf in getattr(one, "commands", {"": one}).values()]
    known = {option for leaf in leaves for option in options_of(leaf)}
    known |= set(re.findall(r'addoption\("(--[a-z-]+)"', text_of(ROOT / "tests" / "conftest.py")))
    assert {span.split()[0] for span in spans(page) if span.startswith("--")} - known == set()


def test_the_readme_leads_to_every_page() -> None:
    readme = text_of(ROOT / "README.md")
    assert [page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in readme] == []
