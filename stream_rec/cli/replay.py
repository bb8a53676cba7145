"""`stream-rec replay LOG`: produce a log's events to Kafka, as a shop would."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stream_rec.adapters.log_replay import Pace, ReplayReport


def command(
    log: Annotated[Path, typer.Argument(help="Event log: CSV or JSONL, gzipped or not.")],
    rate: Annotated[float | None, typer.Option(help="Events per second.")] = None,
    speed: Annotated[float | None, typer.Option(help="Times the log's own speed: 60 = a minute per second.")] = None,
    fastest: Annotated[bool, typer.Option("--max", help="As fast as it goes; so it is without a pace.")] = False,
    columns: Annotated[
        str | None, typer.Option(help="Names in a foreign log: user_id=CustomerID,item_id=StockCode,timestamp=…")
    ] = None,
    drop_prefix: Annotated[
        str | None, typer.Option(help="Leave out rows whose COLUMN starts with PREFIX: InvoiceNo=C.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort by time first (stable, in memory).")] = False,
    event: Annotated[str | None, typer.Option(help="Event of rows that name none; by default purchase.")] = None,
    minimum: Annotated[
        str | None, typer.Option("--min", help="Leave out rows whose COLUMN is below NUMBER: Rating=4.")
    ] = None,
    skip: Annotated[int, typer.Option(min=0, help="Leave out the first events.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Produce no more events than this.")] = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers, HOST:PORT,HOST:PORT; else the setting.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for a machine.")] = False,
) -> None:
    """Produce the events of LOG to the source topics; event times stay those of the log."""
    from itertools import islice

    from stream_rec.adapters.log_replay import LINGER_MS, LogReplay, ReplayRecord, check_topics, open_producer
    from stream_rec.backtest.event_log import count_rows, read_log, source_topic, to_event_json
    from stream_rec.backtest.log_format import parse_log_format
    from stream_rec.backtest.log_rows import CLICKS, PURCHASES
    from stream_rec.cli.replay_progress import ReplayProgress
    from stream_rec.config import load

    pace = pace_of(rate, speed, fastest)
    log_format = parse_log_format(columns, drop_prefix, sort, event, minimum)
    settings = load(config, **({"kafka": {"bootstrap": kafka}} if kafka else {}))
    topics = {CLICKS: settings.topics.clicks, PURCHASES: settings.topics.purchases}
    dropped: Counter[str] = Counter()
    rows = count_rows(log)
    events = islice(read_log(log, log_format, dropped), skip, None if limit is None else skip + limit)
    records = (
        ReplayRecord(topics[source_topic(event)], event.user_id.encode(), to_event_json(event), event.timestamp_ms)
        for event in events
    )
    producer = open_producer(settings.kafka.bootstrap, settings.kafka.client_id, LINGER_MS if pace.unbound else 0)
    try:
        check_topics(producer, topics.values())
        with ReplayProgress(lambda: min(max(0, rows - dropped.total() - skip), limit or rows)) as progress:
            report = LogReplay(producer, pace).run(records, progress.update)
    finally:
        producer.close()
    show(report, dropped, as_json)
    if report.failed or report.interrupted:
        raise typer.Exit(130 if report.interrupted else 1)


def pace_of(rate: float | None, speed: float | None, fastest: bool) -> Pace:
    """Return the pace the options ask for; raises ConfigError when they contradict each other."""
    from stream_rec.adapters.log_replay import Pace
    from stream_rec.errors import ConfigError

    if (rate is not None) + (speed is not None) + fastest > 1:
        raise ConfigError("replay: need one of --rate, --speed and --max; got several. Choose one.")
    for name, value in (("--rate", rate), ("--speed", speed)):
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{name}: need a number above 0; got {value}. Correct it.")
    return Pace(rate, speed)


def show(report: ReplayReport, dropped: Counter[str], as_json: bool) -> None:
    """Print one line about the replay."""
    if as_json:
        import json

        figures = {name: getattr(report, name) for name in report.__slots__}
        typer.echo(json.dumps({**figures, "dropped": dropped}))
        return
    outcome = "all acknowledged" if not report.failed else f"{report.failed:,} refused ({report.first_error})"
    parts = [
        f"{report.sent:,} events sent, {outcome}, in {report.seconds:.1f} s "
        f"({report.sent / max(report.seconds, 1e-9):,.0f}/s)",
        *[f"{topic} {n:,}" for topic, n in sorted(report.by_topic.items())],
        *[f"left out {n:,} ({why})" for why, n in sorted(dropped.items())],
    ]
    typer.echo("; ".join(parts) + (". Interrupted." if report.interrupted else "."))
