"""`stream-rec encoder`: run the encoder until it is stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile


def command(
    config: ConfigFile = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log JSON lines instead of key=value.")] = False,
) -> None:
    """Run the encoder: rows of the announced model for every item of the catalogue, as items and models come.

    It needs the registry the model was announced from (`encoder.models`), and the extra `neural` once there are items
    the model was not trained with: without it they are left out, and the log says so. Exit codes: 0 stopped,
    2 a setting or the surroundings are wrong, 70 start it again.
    """
    import signal
    import threading

    from stream_rec.adapters.logs import setup_logs
    from stream_rec.config import load
    from stream_rec.roles.encoder import open_encoder

    setup_logs(log_level, as_json=json_logs)
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    encoder = open_encoder(load(config))
    try:
        encoder.run(stopped.is_set)
    finally:
        encoder.close()
