"""`stream-rec worker`: run one worker until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile


def command(
    config: ConfigFile = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log JSON lines instead of key=value.")] = False,
) -> None:
    """Run a worker: reads events, publishes lists, learns. Stops cleanly on SIGTERM and Ctrl-C.

    Exit codes: 0 stopped, 2 a setting or the surroundings are wrong, 70 stopped at once and to be restarted.
    """
    from stream_rec.adapters.logs import setup_logs
    from stream_rec.config import load
    from stream_rec.roles.worker import run

    setup_logs(log_level, as_json=json_logs)
    run(load(config))
