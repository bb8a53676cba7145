"""`stream-rec train LOG`: train the sequence model on a log and put it into the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import Announce, ConfigFile, Models
from stream_rec.cli.training_input import from_files, from_topics, since_of

if TYPE_CHECKING:
    from stream_rec.roles.trainer import TrainOutcome


def command(
    log: Annotated[Path | None, typer.Argument(help="Event log: CSV or JSONL, gzipped or not.")] = None,
    from_topic: Annotated[
        bool, typer.Option("--from-topic", help="Read the topics instead of LOG: all they hold.")
    ] = False,
    items: Annotated[
        Path | None, typer.Option(help="Catalogue: CSV or JSONL with item_id, title, category, text; else ids only.")
    ] = None,
    items_columns: Annotated[
        str | None, typer.Option(help="Names in a foreign catalogue: item_id=StockCode,title=Name+Brand,…")
    ] = None,
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
    out: Models = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|SHARE",
            help="Learn from events since then only: 2026-03-01, ms, or a share of the log. "
            "With --warm-from, by default since what that version learned last.",
        ),
    ] = None,
    warm_from: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Go on from this version: a fine-tune of the student.")
    ] = None,
    until: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the log that exists; the rest is not looked at.")
    ] = 1.0,
    train: Annotated[
        float | None,
        typer.Option("--train", min=0.0, max=1.0, help="Share to learn from, the oldest: 0.95; 0.8 of a fine-tune."),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(
            "--test", min=0.0, max=1.0, help="Share behind the figures, the newest: 0.05; 0.2 of a fine-tune's."
        ),
    ] = None,
    test_events: Annotated[int, typer.Option(min=1, help="Events sampled from it.")] = 15_000,
    quick: Annotated[bool, typer.Option("--quick", help="Two epochs for each model.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model, on one thread.")] = 0,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Train a student without a teacher too, for the report.")
    ] = False,
    promote: Annotated[bool, typer.Option(help="Make it live if it does not lose to the live version.")] = True,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads of torch; 0 = one per core, for a machine that does nothing else.")
    ] = 1,
    tell: Announce = False,
    kafka: Annotated[str | None, typer.Option(help="Brokers, HOST:PORT,HOST:PORT; else the setting.")] = None,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures for a machine.")] = False,
) -> None:
    """Train the sequence model on LOG or the topics; put teacher, student, tables into the registry as a new version.

    Stopped at any moment, the same command goes on where it was. The version's folder has the report.
    """
    import json
    from dataclasses import replace

    from stream_rec.adapters.model_announcements import announce, check_announcing
    from stream_rec.adapters.model_registry import ModelRegistry
    from stream_rec.backtest.log_format import parse_log_format
    from stream_rec.config import load
    from stream_rec.errors import ConfigError
    from stream_rec.neural.extra import need_neural_extra

    if (log is None) != from_topic:
        raise ConfigError("train: need a LOG or --from-topic; got " + ("none. Name one." if log is None else "both."))
    log_format = parse_log_format(columns, drop_prefix, sort, event, minimum)
    learned_since, settings = since_of(since), load(config, **({"kafka": {"bootstrap": kafka}} if kafka else {}))
    folder = settings.encoder.models if out is None else out
    need_neural_extra("train")
    if tell:
        check_announcing(settings)  # now, not after hours of training
    import torch

    from stream_rec.cli.training_progress import training_bars
    from stream_rec.neural import recipe as recipes
    from stream_rec.roles import trainer

    torch.set_num_threads(threads or torch.get_num_threads())
    recipe = replace(recipes.Recipe(), seed=seed)
    with training_bars(quiet=as_json) as report:
        if log is None:
            source = from_topics(settings, items, items_columns, report)
        else:
            source = from_files(log, log_format, items, items_columns)
        request = trainer.TrainRequest(
            folder=folder,
            log_name=source.name,
            recipe=recipes.quick(recipe) if quick else recipe,
            until=until,
            since=learned_since,
            warm_from=warm_from,
            train=train,
            test=test,
            test_events=test_events,
            ablation=ablation,
            promote=promote,
        )
        outcome = trainer.train(source.events, source.texts, request, report)
    if as_json:
        typer.echo(json.dumps(outcome.as_dict()))
    else:
        _print(outcome)
    if tell and outcome.is_promoted:
        announce(settings, ModelRegistry(folder))


def _print(outcome: TrainOutcome) -> None:
    from stream_rec.cli.model_tables import compression_table, figures_table, wide_console

    console = wide_console()
    console.print(figures_table(outcome.manifest))
    console.print(compression_table(outcome.manifest))
    decided = "not decided" if outcome.decision is None else f"{outcome.decision.action}: {outcome.decision.reason}"
    before = ", made by an earlier run of the same log and settings" if outcome.trained_before else ""
    console.print(f"{outcome.manifest.version}{before}, {decided}", highlight=False)
    console.print(f"live now: {outcome.live or 'none'}", highlight=False)
    console.print(f"report: {outcome.report}", highlight=False, soft_wrap=True)
