"""`stream-rec reset`: delete local state, so that the next start rebuilds it from Kafka."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from stream_rec.cli.options import ConfigFile
from stream_rec.errors import ConfigError


def command(
    kafka: Annotated[bool, typer.Option("--kafka", help="Also delete the embedded broker's data: all events.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigFile = None,
) -> None:
    """Delete the worker's stores; they come back from Kafka at the next start."""
    from stream_rec.config import load

    settings = load(config)
    folders = [settings.worker.data_dir]
    if kafka:
        _need_stopped_broker(settings.kafka_embedded.folder)
        folders.append(settings.kafka_embedded.folder)
    present = [folder for folder in folders if folder.exists()]
    if not present:
        typer.echo("nothing to delete")
        return
    for folder in present:
        if not yes and not typer.confirm(f"Delete {folder.absolute()}?"):
            raise typer.Exit(1)
        shutil.rmtree(folder)
        typer.echo(f"deleted {folder}")


def _need_stopped_broker(folder: Path) -> None:
    from stream_rec.adapters import embedded_kafka

    if (broker := embedded_kafka.find(folder)) is not None:
        raise ConfigError(
            f"stream-rec reset: need the broker of {folder} stopped; got pid {broker.pid}. Run stream-rec kafka stop."
        )
