"""`stream-rec tune LOG`: find the preset and the parameters that suit a log, on its first half only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stream_rec.backtest.tuning import Tuning


def command(
    log: Annotated[Path, typer.Argument(help="Event log: CSV or JSONL, gzipped or not.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the choice as a TOML settings file.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to search; the best so far is the result.")] = 5.0,
    events: Annotated[int, typer.Option(min=100, help="Length of the stretch before the middle that is replayed.")] = (
        30_000
    ),
    seed: Annotated[int, typer.Option(help="Order of the moves: with little time not all are tried.")] = 1,
    columns: Annotated[
        str | None, typer.Option(help="Names in a foreign log: user_id=CustomerID,item_id=StockCode,…")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort by time first (stable).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the choice and every trial for a machine.")] = False,
) -> None:
    """Find the preset and the parameters that suit LOG, on its first half only.

    The second half is never replayed: `stream-rec backtest LOG --settings FILE` reports on it.
    """
    import json
    from time import monotonic

    from rich.console import Console

    from stream_rec.backtest.event_log import read_log
    from stream_rec.backtest.log_format import parse_log_format
    from stream_rec.backtest.tuning import Tuning, TuningRequest
    from stream_rec.backtest.tuning_report import as_dict, settings_text, table_of_trials
    from stream_rec.config import RankingSettings
    from stream_rec.errors import ConfigError

    if out is not None and (out.is_dir() or not out.resolve().parent.is_dir()):
        raise ConfigError(f"--out: need a file in a folder that exists; got {str(out)!r}. Name another one.")
    default = RankingSettings().preset
    request = TuningRequest(default, events, 60 * minutes, seed)
    tuning = Tuning(list(read_log(log, parse_log_format(columns, sort=sort))), request, monotonic)
    _run(tuning, 60 * minutes, quiet=as_json)
    if out is not None:
        out.write_text(settings_text(tuning, log.name, default), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(as_dict(tuning, default)))
    else:
        Console().print(table_of_trials(tuning, default))


def _run(tuning: Tuning, seconds: float, quiet: bool) -> None:
    """Run the search; a bar of the time fills on stderr, or a line per trial where there is no terminal."""
    from time import monotonic

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from stream_rec.backtest.tuning_report import line_of

    console, started = Console(stderr=True, quiet=quiet), monotonic()
    columns = (TextColumn("{task.fields[last]}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("tune", total=seconds, last="the default preset")
        for trial in tuning.run():
            progress.update(task, completed=monotonic() - started, last=line_of(trial))
            if not console.is_terminal:
                console.print(line_of(trial), highlight=False)
        progress.update(task, completed=seconds)
