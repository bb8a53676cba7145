"""`stream-rec shop`: write a generated shop's event log, and its catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option(help="Event log to write: .csv or .jsonl, with .gz packed.")],
    events: Annotated[int, typer.Option(min=1, help="Events to write.")] = 100_000,
    users: Annotated[int, typer.Option(min=1, help="Users the shop has in the end.")] = 2_000,
    items: Annotated[int, typer.Option(min=1, help="Items the shop has in the end.")] = 3_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same shop.")] = 1,
    catalogue_out: Annotated[
        Path | None, typer.Option(help="Catalogue to write: item_id,title,category,price.")
    ] = None,
) -> None:
    """Write the first EVENTS events of a generated shop as a canonical log."""
    from stream_rec.shop import Shop
    from stream_rec.shop.files import write_catalogue, write_events

    shop = Shop(users, items, seed)
    write_events(out, shop, shop.first(events))
    typer.echo(f"{out}: {events:,} events")
    if catalogue_out is not None:
        write_catalogue(catalogue_out, shop.catalogue)
        typer.echo(f"{catalogue_out}: {items:,} items")
