"""`stream-rec kafka start|stop|status`: the embedded broker."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile

if TYPE_CHECKING:
    from stream_rec.adapters.embedded_kafka import Broker
    from stream_rec.config import KafkaEmbeddedSettings

NOT_RUNNING = 3
"""Exit code of `status` when no broker runs, as init scripts have it."""

app = typer.Typer(no_args_is_help=True)


@app.command()
def start(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C instead of a daemon.")] = False,
    config: ConfigFile = None,
) -> None:
    """Fetch Kafka if needed, start one broker on this machine and wait until it answers."""
    from stream_rec.config import load

    settings = load(config).kafka_embedded
    broker = _start(settings, daemon=not foreground)
    asked_to_stop = _signals() if foreground else None
    typer.echo(f"Kafka runs at {broker.bootstrap}, pid {broker.pid}, folder {broker.folder}")
    if asked_to_stop is not None:
        while broker.running() and not asked_to_stop.wait(0.2):
            pass
        broker.stop()


@app.command()
def stop(config: ConfigFile = None) -> None:
    """Stop the broker cleanly; its data stays."""
    from stream_rec.adapters import embedded_kafka
    from stream_rec.config import load

    folder = load(config).kafka_embedded.folder
    broker = embedded_kafka.find(folder)
    if broker is None:
        typer.echo(f"no broker runs in {folder}")
        return
    broker.stop()
    typer.echo(f"stopped pid {broker.pid}")


@app.command()
def status(config: ConfigFile = None) -> None:
    """Say whether the broker runs and answers (exit code 3 if not)."""
    from stream_rec.adapters import embedded_kafka
    from stream_rec.config import load

    folder = load(config).kafka_embedded.folder
    broker = embedded_kafka.find(folder)
    if broker is None:
        typer.echo(f"no broker runs in {folder}")
        raise typer.Exit(NOT_RUNNING)
    state = "answers" if embedded_kafka.answers(broker.bootstrap) else "does not answer"
    typer.echo(f"Kafka at {broker.bootstrap}, pid {broker.pid}, {state}, folder {broker.folder}")
    if state != "answers":
        raise typer.Exit(NOT_RUNNING)


def _start(settings: KafkaEmbeddedSettings, *, daemon: bool) -> Broker:
    from stream_rec.adapters import embedded_kafka, kafka_artifacts
    from stream_rec.adapters.download_progress import shown
    from stream_rec.config import user_cache_folder

    with shown(f"Kafka {kafka_artifacts.kafka_version()}") as progress:
        return embedded_kafka.start(
            settings.folder,
            port=settings.port,
            heap_mb=settings.heap_mb,
            timeout_s=settings.start_timeout_s,
            cache=user_cache_folder(),
            mirror=settings.maven_mirror,
            progress=progress,
            outlives_parent=daemon,
        )


def _signals() -> threading.Event:
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    return asked_to_stop
