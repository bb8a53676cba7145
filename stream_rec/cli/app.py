"""The `stream-rec` command: a table of commands, of which only the one asked for is imported.

Errors become exit codes here and nowhere else: ConfigError 2 (nothing was started), StateError 70 (restart and replay).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import typer

from stream_rec.errors import ConfigError, ContractError, StateError

EXIT_CONFIG = 2
EXIT_STATE = 70

COMMANDS = {
    "kafka": "Start, stop or look at the embedded Kafka broker.",
    "topics": "Create or check the topics.",
    "worker": "Run a worker: learn from every event, publish lists.",
    "demo": "A real broker, a worker, a shop's day and a live page.",
    "replay": "Produce a log's events to Kafka.",
    "backtest": "Run a log through the planes that serve and print how good their lists were.",
    "tune": "Find the preset and the parameters that suit a log, on its first half only.",
    "train": "Train the sequence model on a log and put it into the registry.",
    "models": "List, show, promote or roll back trained models.",
    "encoder": "Write the live model's rows of all items to Kafka, for the workers.",
    "shop": "Write a generated shop's log to a file.",
    "dead-letters": "List the records that broke the contract, or send them again.",
    "bench": "Measure the worker against a plain Faust agent, or the kernels alone.",
    "schemas": "Write the wire contract as JSON Schema files.",
    "settings": "Print every setting with the value it has now.",
    "reset": "Delete the worker's stores; they come back from Kafka at the next start.",
}
"""Name → one line of help. The code of `a-b` is the function `command`, or the group `app`, of `cli/a_b.py`."""


def build_app(wanted: str | None) -> typer.Typer:
    """Return the command line with the module of `wanted` loaded and all others standing in by their line of help."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(root)
    for name, line in COMMANDS.items():
        if name != wanted:
            app.command(name, help=line)(_not_loaded)
            continue
        module = import_module(f"stream_rec.cli.{name.replace('-', '_')}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=line)
        else:
            app.command(name)(module.command)
    return app


def root() -> None:
    """Real-time recommendations over Kafka: one event in, one fresh list out."""


def _not_loaded() -> None:
    raise AssertionError("build_app loads the command that runs")


def wanted_command(words: Sequence[str]) -> str | None:
    """Return the command named by the words of the command line.

    Examples
    --------
    >>> wanted_command(["backtest", "log.csv"]), wanted_command(["--help"])
    ('backtest', None)
    """
    return next((word for word in words if not word.startswith("-")), None)


def main() -> NoReturn:
    """Run the command line; every expected error is one line on stderr."""
    try:
        build_app(wanted_command(sys.argv[1:]))()
    except (ConfigError, ContractError) as error:
        fail(str(error), EXIT_CONFIG)
    except StateError as error:
        fail(str(error), EXIT_STATE)
    sys.exit(0)


def fail(message: str, code: int) -> NoReturn:
    """Print one line on stderr and exit."""
    print(message, file=sys.stderr)
    sys.exit(code)
