"""`stream-rec models`: the trained versions of a registry, which one is live, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import Announce, ConfigFile, Models, models_folder

if TYPE_CHECKING:
    from stream_rec.adapters.model_registry import Decision, Manifest

app = typer.Typer(no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="Version: v0001.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print for a machine.")]
Reason = Annotated[str, typer.Option(help="Why, for the log of decisions.")]


@app.command("list")
def list_versions(out: Models = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the versions, oldest first, and the last decisions about them."""
    import json

    import msgspec

    from stream_rec.adapters.model_registry import ModelRegistry
    from stream_rec.errors import ConfigError

    registry = ModelRegistry(models_folder(out, config))
    state, damaged = registry.state(), []
    manifests: list[Manifest] = []
    for version in registry.versions():
        try:
            manifests.append(registry.manifest(version))
        except ConfigError as error:
            damaged.append(f"{version} is damaged: {error}")
    if as_json:
        listed = {"live": state.live, "versions": manifests, "damaged": damaged, "decisions": state.decisions}
        typer.echo(json.dumps(msgspec.to_builtins(listed)))
        return
    from stream_rec.cli.model_tables import decisions_table, versions_table, wide_console

    console = wide_console()
    console.print(versions_table(manifests, state.live))
    for line in damaged:
        console.print(line, highlight=False, soft_wrap=True)
    if state.decisions:
        console.print(decisions_table(state.decisions[-10:]))


@app.command()
def show(version: Version, out: Models = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show what a version was trained on, how good it is, and whether its files are whole."""
    import json

    import msgspec

    from stream_rec.adapters.model_registry import ModelRegistry

    registry = ModelRegistry(models_folder(out, config))
    manifest = registry.manifest(version)
    registry.check(version)
    if as_json:
        typer.echo(json.dumps({**msgspec.to_builtins(manifest), "live": registry.state().live == version}))
        return
    from stream_rec.cli.model_tables import compression_table, figures_table, versions_table, wide_console

    console = wide_console()
    console.print(versions_table([manifest], registry.state().live))
    console.print(figures_table(manifest))
    console.print(compression_table(manifest))
    console.print(f"{len(manifest.files)} files, all whole: {', '.join(manifest.files)}", highlight=False)


@app.command()
def promote(
    version: Version,
    out: Models = None,
    reason: Reason = "asked for",
    tell: Announce = True,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a version live, whatever its figures say; the decision keeps those of both. Workers are told."""
    from contextlib import suppress

    from stream_rec.adapters.model_registry import ModelRegistry
    from stream_rec.errors import ConfigError

    registry = ModelRegistry(models_folder(out, config))
    live = registry.state().live
    numbers = _hit_rate("new", registry.manifest(version))
    if live is not None:
        with suppress(ConfigError):  # a damaged live version is what another one is promoted for
            numbers |= _hit_rate("running", registry.manifest(live))
    _say(registry.promote(version, numbers, reason), as_json)
    if tell:
        _tell(out, config)


@app.command()
def rollback(
    out: Models = None,
    reason: Reason = "asked for",
    tell: Announce = True,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the version live that was so before the live one. Workers are told, and have its rows still."""
    from stream_rec.adapters.model_registry import ModelRegistry

    _say(ModelRegistry(models_folder(out, config)).rollback(reason), as_json)
    if tell:
        _tell(out, config)


@app.command("announce")
def announce(out: Models = None, config: ConfigFile = None) -> None:
    """Tell workers and encoder which version is live: after a promotion that could not, or a new cluster."""
    from stream_rec.adapters.model_announcements import announce as send
    from stream_rec.adapters.model_registry import ModelRegistry
    from stream_rec.config import load

    announcement = send(load(config), ModelRegistry(models_folder(out, config)))
    typer.echo(f"announced {announcement.live.vectors}", err=True)


def _tell(out: Path | None, config: Path | None) -> None:
    from stream_rec.errors import ConfigError

    try:
        announce(out, config)
    except ConfigError as error:
        raise ConfigError(
            f"{error} In the registry it is live: `stream-rec models announce` tells them then."
        ) from error


def _hit_rate(name: str, manifest: Manifest) -> dict[str, float]:
    value = manifest.metrics.get("student", {}).get("hr20")
    return {} if value is None else {name: float(value)}


def _say(decision: Decision, as_json: bool) -> None:
    import json

    import msgspec

    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(decision)))
    else:
        numbers = "".join(f", {name} {value:.4f}" for name, value in decision.numbers.items())
        typer.echo(f"{decision.version} is live, before it {decision.other or 'none'}{numbers}")
