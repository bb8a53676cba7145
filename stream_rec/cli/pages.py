"""The page docs/commands.md, made from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from stream_rec.cli.app import COMMANDS, build_app


def commands_page() -> str:
    """Return the text of docs/commands.md."""
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 done, 2 a setting, an argument or the surroundings are wrong and nothing was started, 70",
        "state cannot be trusted (a supervisor restarts the worker). Expected errors are one line on stderr. This page",
        "is made from the commands by `make docs`.",
    ]
    for name in COMMANDS:
        group: Any = typer.main.get_command(build_app(name))  # typer publishes no types for what it builds
        for path, command in _leaves(name, group.commands[name]):
            lines += ["", f"## stream-rec {path}", "", inspect.cleandoc(command.help or ""), ""]
            lines += _parameters(command)
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None or command.invoke_without_command:
        yield path, command
    if children is None:
        return
    for name, child in children.items():
        yield from _leaves(f"{path} {name}", child)


def _parameters(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        shown = parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)
        default = "" if parameter.default in (None, False) or callable(parameter.default) else f"`{parameter.default}`"
        need = "required" if parameter.required else default
        rows.append(f"| `{shown}` | {need} | {parameter.help or ''} |")
    return ["| argument or option | default | meaning |", "|---|---|---|", *rows] if rows else []
