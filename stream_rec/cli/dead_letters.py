"""`stream-rec dead-letters`: list the records that broke the contract, or send them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stream_rec.config import Settings
    from stream_rec.core.dead_letters import StoredDeadLetter

LISTED = 50
SHOWN_CHARS = 40


def command(
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the newest; by default 50 are listed and all sent again.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only those of this reason, as not-json.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Send them to their topics again.")] = False,
    kafka: Annotated[str | None, typer.Option(help="Brokers, HOST:PORT,HOST:PORT; else the setting.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line each.")] = False,
) -> None:
    """List dead letters, oldest first (--json says more); with --retry, send the raw records again."""
    from stream_rec.adapters.dead_letter_box import read_letters
    from stream_rec.config import load
    from stream_rec.core.contract import REASONS
    from stream_rec.errors import ConfigError

    if reason is not None and reason not in REASONS:
        raise ConfigError(f"--reason: need one of {', '.join(REASONS)}; got {reason!r}.")
    settings = load(config, **({"kafka": {"bootstrap": kafka}} if kafka else {}))
    newest = LISTED if limit is None and not retry else limit
    # The newest of one reason may lie anywhere: then read all and choose.
    letters = read_letters(settings.kafka.bootstrap, settings.topics.dead_letter, newest if reason is None else None)
    chosen = [stored for stored in letters if reason in (None, stored.letter.reason)]
    chosen = chosen[-newest:] if newest is not None else chosen
    if retry:
        _retry(chosen, settings, as_json)
    elif as_json:
        _print_json(chosen)
    else:
        _print_table(chosen)


def _retry(letters: list[StoredDeadLetter], settings: Settings, as_json: bool) -> None:
    from dataclasses import asdict

    from stream_rec.adapters.dead_letter_box import send_again
    from stream_rec.adapters.log_replay import open_producer

    producer = open_producer(settings.kafka.bootstrap, settings.kafka.client_id)
    try:
        report = send_again(producer, letters)
    finally:
        producer.close()
    if as_json:
        import json

        typer.echo(json.dumps(asdict(report)))
    else:
        typer.echo(
            f"{report.sent:,} of {report.read:,} dead letters sent again; not sent: "
            f"{report.truncated:,} cut to 64 KiB, {report.unsendable:,} without key and value, "
            f"{report.failed:,} refused" + (f" ({report.first_error})." if report.first_error else ".")
        )
    if report.failed:
        raise typer.Exit(1)


def as_dict(stored: StoredDeadLetter) -> dict[str, Any]:
    """Return one dead letter for a machine; bytes that are no text are written with backslashes."""
    letter = stored.letter
    return {
        **{
            name: getattr(letter, name) for name in ("topic", "partition", "offset", "timestamp_ms", "reason", "detail")
        },
        "key": _text(letter.key),
        "value": _text(letter.value),
        "value_bytes": stored.value_bytes,
        "value_sha256": stored.value_sha256,
        "truncated": stored.truncated,
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")


def _print_json(letters: list[StoredDeadLetter]) -> None:
    import json

    for stored in letters:
        typer.echo(json.dumps(as_dict(stored)))


def _print_table(letters: list[StoredDeadLetter]) -> None:
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{len(letters):,} dead letters")
    for column in ("time (UTC)", "from", "reason"):
        table.add_column(column, no_wrap=True)
    for column in ("key", "value (its start)", "bytes"):
        table.add_column(column, overflow="fold")
    for stored in letters:
        letter = stored.letter
        when = datetime.fromtimestamp(max(0, letter.timestamp_ms) / 1000, UTC)
        table.add_row(
            f"{when:%m-%d %H:%M:%S}",
            escape(f"{letter.topic}/{letter.partition}@{letter.offset}"),
            escape(letter.reason),
            escape(repr(_text(letter.key))[:SHOWN_CHARS]),
            escape(repr(_text(letter.value))[:SHOWN_CHARS]),
            "null" if stored.value_bytes is None else f"{stored.value_bytes:,}",
        )
    Console().print(table)
