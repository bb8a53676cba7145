"""What `stream-rec train` learns from: a log and a catalogue as files, or what the topics hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from stream_rec.backtest.log_format import LogFormat
    from stream_rec.config import Settings
    from stream_rec.neural.interactions import Interaction
    from stream_rec.neural.training import Report


@dataclass(frozen=True, slots=True)
class TrainingInput:
    """`name` stands in manifest and report; `texts`: item id → what is written of it, of the whole catalogue."""

    name: str
    events: Sequence[Interaction]
    texts: dict[str, str]


def from_files(log: Path, log_format: LogFormat, items: Path | None, items_columns: str | None) -> TrainingInput:
    """Read a log and, where there is one, a catalogue; raises ConfigError."""
    from stream_rec.backtest.event_log import read_log

    return TrainingInput(log.name, list(read_log(log, log_format)), catalogue_texts(items, items_columns))


def from_topics(settings: Settings, items: Path | None, items_columns: str | None, report: Report) -> TrainingInput:
    """Read the topics of the settings to their present end; a catalogue in a file wins over theirs. Raises ConfigError.

    What was passed over is said on stderr.
    """
    from stream_rec.adapters.topic_log import read_topics

    log = read_topics(settings.kafka.bootstrap, settings.topics, report)
    if log.passed_over:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in log.passed_over.most_common())
        typer.echo(f"passed over: {reasons}", err=True)
    texts = catalogue_texts(items, items_columns) if items else log.texts
    return TrainingInput(f"{settings.topics.clicks}+{settings.topics.purchases}", log.events, texts)


def catalogue_texts(items: Path | None, items_columns: str | None) -> dict[str, str]:
    """Return item id → all that is written of it in a catalogue's file; raises ConfigError."""
    from stream_rec.backtest.catalogue import parse_items_columns, read_catalogue

    catalogue = read_catalogue(items, parse_items_columns(items_columns)) if items else []
    return {item.item_id: item.words() for item in catalogue}


def since_of(text: str | None) -> float | None:
    """Return `--since` as a share of the log (0 to 1) or a time in milliseconds.

    Raises
    ------
    ConfigError
        It is neither.

    Examples
    --------
    >>> since_of("0.5"), since_of("1970-01-02"), since_of("86400")
    (0.5, 86400000.0, 86400000.0)
    """
    from stream_rec.backtest.log_rows import parse_time_ms
    from stream_rec.errors import ConfigError

    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 <= number <= 1:
        return number
    try:
        return float(parse_time_ms(text))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"--since: need a share of the log, 0 to 1, or a time (ISO, or seconds or milliseconds); got {text!r}."
        ) from None
