"""`stream-rec backtest LOG`: run a log through the planes that serve and print prequential metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_rec.cli.options import MODELS_HELP, Parameters, Preset, SettingsFile, models_folder


def command(
    log: Annotated[Path, typer.Argument(help="Event log: CSV or JSONL, gzipped or not.")],
    repeats: Annotated[
        str, typer.Option(help="allowed | excluded: whether items the user already had may be listed.")
    ] = "allowed",
    preset: Preset = None,
    settings: SettingsFile = None,
    parameters: Parameters = "",
    batch: Annotated[int, typer.Option(min=1, help="Events per round.")] = 1,
    batch_ms: Annotated[int, typer.Option(min=0, help="Rounds of so much event time instead; 0 = by --batch.")] = 0,
    replica_lag_events: Annotated[int, typer.Option(min=0, help="Item counts are seen this many events later.")] = 0,
    columns: Annotated[
        str | None, typer.Option(help="Names in a foreign log: user_id=CustomerID,item_id=StockCode,…")
    ] = None,
    drop_prefix: Annotated[
        str | None, typer.Option(help="Drop lines whose COLUMN starts with PREFIX: InvoiceNo=C.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort by time first (stable).")] = False,
    event: Annotated[
        str | None, typer.Option(help="The event of every line, where the log has no such column.")
    ] = None,
    minimum: Annotated[
        str | None, typer.Option("--min", help="Drop lines whose COLUMN is below NUMBER: Rating=4.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(help="Catalogue: CSV or JSONL with item_id, title, category, price; read first.")
    ] = None,
    items_columns: Annotated[
        str | None, typer.Option(help="Names in a foreign catalogue: item_id=StockCode,title=Name+Brand,…")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first events.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write one JSON line per scored event.")] = None,
    trace_source: Annotated[
        str,
        typer.Option(help="Whose order: list | linear | fusion | cooc | own | factors | hop | popularity."),
    ] = "list",
    lists: Annotated[Path | None, typer.Option(help="Write the list every event made, one JSON line each.")] = None,
    cascade: Annotated[bool, typer.Option(help="Order the best candidates anew with a forest.")] = True,
    refresh_days: Annotated[
        int, typer.Option(min=0, help="Make the lists of users who are away anew so often; 0 = never.")
    ] = 7,
    pin: Annotated[
        str,
        typer.Option(
            help="Weights of sources instead of learned ones: cooc=0.7,own=0.3; with --model, "
            "those of the pinned list: blend=0.9,sequence=0.1."
        ),
    ] = "",
    explain: Annotated[
        Path | None, typer.Option(help="Write what each source added to each item's score, one JSON line per event.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Rank afresh at every n-th event of a topic only; all are learned from.")
    ] = 1,
    compare: Annotated[bool, typer.Option("--compare", help="Run baselines from papers over the same log.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the comparison as one HTML page with charts; implies --compare.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Learn from LOG, freeze the items, and predict every next item of TEST's sessions."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Version of a sequence model; LOG is replayed without it, too: v0001.")
    ] = None,
    models: Annotated[Path | None, typer.Option(metavar="DIR", help=MODELS_HELP)] = None,
    model_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the users that get the model; both are counted.")
    ] = 1.0,
    exposure: Annotated[
        float, typer.Option(min=0, help="Items nobody had yet per list, with a model that knows texts; 0 = none.")
    ] = 0.25,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for a machine.")] = False,
) -> None:
    """Replay LOG through the planes that serve and print how good their lists were."""
    from stream_rec.backtest.catalogue import parse_items_columns
    from stream_rec.backtest.log_format import parse_log_format
    from stream_rec.backtest.run import BacktestRequest, run_backtest
    from stream_rec.backtest.sequence import ChosenModel
    from stream_rec.cli.chosen import chosen
    from stream_rec.cli.progress import bar, silent
    from stream_rec.config import parse_weights

    preset, given = chosen(preset, settings, parameters)
    request = BacktestRequest(
        log=log,
        repeats=repeats,
        preset=preset,
        parameters=given,
        batch=batch,
        batch_ms=batch_ms,
        cascade=cascade,
        refresh_days=refresh_days,
        pin=parse_weights(pin, "--pin"),
        explain=explain,
        replica_lag_events=replica_lag_events,
        log_format=parse_log_format(columns, drop_prefix, sort, event, minimum),
        limit=limit,
        trace=trace,
        trace_source=trace_source,
        lists=lists,
        items=items,
        items_columns=parse_items_columns(items_columns),
        every=every,
        compare=compare,
        report=report,
        test=test,
        model=ChosenModel(model, models_folder(models, settings)) if model else None,
        model_share=model_share,
        exposure=exposure,
    )
    figures = run_backtest(request, silent if as_json else bar)
    if as_json:
        import json

        typer.echo(json.dumps(figures))
    else:
        from rich.console import Console

        from stream_rec.backtest.report import tables_of

        for table in tables_of(figures):
            Console().print(table)
