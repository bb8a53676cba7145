"""`stream-rec demo [LOG]`: a real broker, a worker, a shop's day and a live page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stream_rec.config import Settings
    from stream_rec.roles.demo_feed import Feed

SHOP_RATE = 300.0
MODEL_SHARE = 0.5
LONGEST_SHOP_EVENTS = 1_500_000
"""A shop that has gone on for so long starts anew: passing over its past would take longer than a fresh start."""

MARKER = ".stream-rec-demo"
"""Lies in every folder a demo made: only such a folder is emptied."""


def command(
    log: Annotated[Path | None, typer.Argument(help="Event log to replay; without one a generated shop.")] = None,
    rate: Annotated[float | None, typer.Option(help="Events per second; 300 for the shop, else no limit.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="End after so long; else the shop goes on until Ctrl-C.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Users of the generated shop.")] = 2_000,
    items: Annotated[int, typer.Option(min=1, help="Items of the generated shop.")] = 3_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another shop.")] = 1,
    history: Annotated[int, typer.Option(min=0, help="Events of the shop's past, learned before it is live.")] = 15_000,
    columns: Annotated[str | None, typer.Option(help="Names in a foreign log, as for replay.")] = None,
    drop_prefix: Annotated[str | None, typer.Option(help="COLUMN=PREFIX of rows to leave out.")] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Sort the log by time first.")] = False,
    event: Annotated[str | None, typer.Option(help="Event of rows that name none.")] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="CSV item_id,title,… with the titles of a log's items.")
    ] = None,
    model: Annotated[
        bool, typer.Option(help="Train a sequence model on the shop's past, and let half of the users have it.")
    ] = True,
    install: Annotated[
        str, typer.Option(metavar="COMMAND", help="What installs the extra `neural`, run behind the demo.")
    ] = "",
    data_dir: Annotated[Path | None, typer.Option(help="Broker and stores; else in the user's cache folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
) -> None:
    """Show stream-rec at work: start Kafka and a worker, replay, show lists and hit rates; Ctrl-C ends it all."""
    from rich.console import Console

    from stream_rec.backtest.log_format import parse_log_format
    from stream_rec.config import user_cache_folder
    from stream_rec.errors import ConfigError
    from stream_rec.roles.demo import Demo, DemoPlan
    from stream_rec.roles.demo_feed import ShopFeed, resumes_at
    from stream_rec.roles.demo_model import ModelPlan

    if rate is not None and not 0 < rate < float("inf"):
        raise ConfigError(f"--rate: need a number above 0; got {rate}. Correct it.")
    root = data_dir or user_cache_folder() / "demo"
    feed: Feed
    behind: ModelPlan | None = None
    if log is not None:
        folder = fresh(root / "log")
        settings = demo_settings(folder, config, preset=None)
        log_format = parse_log_format(columns, drop_prefix, sort, event)
        feed = log_feed(log, log_format, catalogue or log, settings)
    else:
        folder = root / "shop"
        passed = resumes_at(folder, {"users": users, "items": items, "seed": seed})
        if passed is None or passed > LONGEST_SHOP_EVENTS:
            passed = 0
            fresh(folder)
        settings = demo_settings(folder, config, preset="clicks")
        feed = ShopFeed(folder, settings.topics, users, items, seed, history)
        rate = rate or SHOP_RATE
        if model and history:
            behind = ModelPlan(users, items, seed, history, max(history, passed), install)
    raise typer.Exit(Demo(settings, feed, DemoPlan(rate, seconds, folder, behind), Console()).run())


def fresh(folder: Path) -> Path:
    """Return the folder, empty; raises ConfigError if a broker still runs there or files that are not a demo's."""
    import shutil

    from stream_rec.adapters import embedded_kafka
    from stream_rec.errors import ConfigError

    if (running := embedded_kafka.find(folder / "kafka")) is not None:
        raise ConfigError(f"demo: need no other demo running in {folder}; got one, pid {running.pid}. Stop it first.")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise ConfigError(
            f"demo: need an empty folder or one of an earlier demo; got {folder}, which holds other files. "
            "Name another with --data-dir."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()
    return folder


def demo_settings(folder: Path, config: Path | None, preset: str | None) -> Settings:
    """Return settings with everything in one folder and free ports; `preset` and `MODEL_SHARE` where none is set."""
    from stream_rec.adapters.embedded_kafka import HOST, free_port
    from stream_rec.config import load

    port = free_port()
    usual = {"model_share": MODEL_SHARE} | ({"preset": preset} if preset else {})
    ranking = {name: value for name, value in usual.items() if name not in load(config).ranking.model_fields_set}
    return load(
        config,
        kafka={"bootstrap": f"{HOST}:{port}", "replication": 1},
        kafka_embedded={"folder": folder / "kafka", "port": port},
        encoder={"models": folder / "models"},
        worker={"data_dir": folder / "worker", "metrics_host": HOST, "metrics_port": free_port()},
        ranking=ranking,
    )


def log_feed(log: Path, log_format: object, titles: Path, settings: Settings) -> Feed:
    """Return the log as the demo's events."""
    from collections.abc import Iterator

    from stream_rec.adapters.log_replay import ReplayRecord
    from stream_rec.backtest.event_log import LogFormat, read_log, source_topic, to_event_json
    from stream_rec.backtest.log_rows import CLICKS, PURCHASES
    from stream_rec.roles.demo_feed import DemoEvent, LogFeed, titles_in

    assert isinstance(log_format, LogFormat)
    topics = {CLICKS: settings.topics.clicks, PURCHASES: settings.topics.purchases}
    total = sum(1 for _ in read_log(log, log_format))

    def events() -> Iterator[DemoEvent]:
        for event in read_log(log, log_format):
            topic, value = topics[source_topic(event)], to_event_json(event)
            record = ReplayRecord(topic, event.user_id.encode(), value, event.timestamp_ms)
            yield DemoEvent(record, event.event, event.item_id, -1)

    return LogFeed(events(), total, titles_in(titles))
