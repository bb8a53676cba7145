"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file of settings; the environment wins over it."),
]

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", help="auto | retail | clicks | next-click | movies; default: that of --settings, else auto."
    ),
]

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings", metavar="FILE", help="TOML file of settings, as a worker takes it: preset and parameters."
    ),
]

Parameters = Annotated[
    str,
    typer.Option(
        "--set", metavar="NAME=NUMBER,…", help="Parameters instead of the preset's: cooc.window=12,hop.items=2."
    ),
]

MODELS_HELP = "Folder of the registry of models; else the setting encoder.models."

Models = Annotated[Path | None, typer.Option("--models", "--out", metavar="DIR", help=MODELS_HELP)]

Announce = Annotated[
    bool, typer.Option("--announce/--no-announce", help="Tell the workers, by the topic `models`, what is live now.")
]


def models_folder(given: Path | None, config: Path | None) -> Path:
    """Return the registry's folder: what an option says, else the setting an encoder reads; raises ConfigError."""
    from stream_rec.config import load

    return load(config).encoder.models if given is None else given
