"""`stream-rec schemas`: write the wire contract as JSON Schema files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "schemas"


def command(
    folder: Annotated[Path, typer.Argument(help="Where to write NAME.json files.")] = Path("schemas"),
) -> None:
    """Write the JSON Schemas of the events, lists and catalogue records."""
    import json

    from stream_rec.core.schemas import render

    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in render().items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        typer.echo(f"wrote {path}")
