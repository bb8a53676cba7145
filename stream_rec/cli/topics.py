"""`stream-rec topics create|check`."""

from __future__ import annotations

import typer

from stream_rec.cli.options import ConfigFile

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(config: ConfigFile = None) -> None:
    """Create the topics that are missing; existing ones stay as they are."""
    from stream_rec.adapters import topics
    from stream_rec.config import load

    settings = load(config)
    created = topics.create(settings)
    for name in created:
        typer.echo(f"created {name}")
    count = topics.check(settings)
    typer.echo(f"{len(topics.plans(settings))} topics fit together, {count} partitions")


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check that the topics exist and have equal partition counts (exit code 2 if not)."""
    from stream_rec.adapters import topics
    from stream_rec.config import load

    settings = load(config)
    count = topics.check(settings)
    typer.echo(f"{len(topics.plans(settings))} topics fit together, {count} partitions")
