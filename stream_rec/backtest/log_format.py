"""How a log names its columns and what is left out of it; the formats that are known by their header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stream_rec.core.events import KINDS
from stream_rec.errors import ConfigError

REQUIRED = ("timestamp_ms", "user_id", "item_id")
OPTIONAL = ("event", "event_id", "quantity", "price", "session_id")
FIELDS = (*REQUIRED, *OPTIONAL)
"""The canonical column names."""

DEFAULT_EVENT = "purchase"


@dataclass(frozen=True)
class LogFormat:
    """How to read a log.

    Parameters
    ----------
    columns
        Field -> name of its column, where they differ. Ids of a renamed `user_id` column lose a trailing ``.0``
        (spreadsheets write customer 17850 as ``17850.0``).
    drop_prefix
        Column -> prefix: rows whose column starts with it are left out (cancelled invoices, say).
    sort
        Sort by time first; stable, so rows of the same time keep their order. Reads the whole log into memory.
    event
        The event of a row that does not name one.
    minimum
        Column -> number: rows whose column is empty or below it are left out (ratings that say no, say).
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    drop_prefix: Mapping[str, str] = field(default_factory=dict)
    sort: bool = False
    event: str | None = None
    minimum: Mapping[str, float] = field(default_factory=dict)


KNOWN_FORMATS: dict[frozenset[str], LogFormat] = {
    frozenset({"InvoiceNo", "StockCode", "InvoiceDate", "CustomerID"}): LogFormat(
        columns={"user_id": "CustomerID", "item_id": "StockCode", "timestamp_ms": "InvoiceDate"},
        drop_prefix={"InvoiceNo": "C"},
        sort=True,
        event="purchase",
    ),
    frozenset({"SessionId", "ItemId", "Time"}): LogFormat(
        columns={"user_id": "SessionId", "item_id": "ItemId", "timestamp_ms": "Time"}, sort=True, event="view_item"
    ),
    frozenset({"UserID", "WineID", "Rating", "Date"}): LogFormat(
        columns={"user_id": "UserID", "item_id": "WineID", "timestamp_ms": "Date"},
        minimum={"Rating": 4.0},
        sort=True,
        event="view_item",
    ),
}
"""Columns of the header -> format, unless other columns are named: UCI Online Retail, Serenade's click sessions,
X-Wines' ratings.

Naming the same columns by hand changes nothing: what is left out and the order by time come with the header.
"""


def parse_log_format(
    columns: str | None = None,
    drop_prefix: str | None = None,
    sort: bool = False,
    event: str | None = None,
    minimum: str | None = None,
) -> LogFormat:
    """Return the format that the options `--columns`, `--drop-prefix`, `--sort`, `--event` and `--min` describe.

    Raises
    ------
    ConfigError
        A field or an event has no such name, or a minimum is no number.

    Examples
    --------
    >>> parse_log_format("user_id=CustomerID,timestamp=InvoiceDate").columns
    {'user_id': 'CustomerID', 'timestamp_ms': 'InvoiceDate'}
    """
    named = pairs("--columns", columns)
    if "timestamp" in named:
        named["timestamp_ms"] = named.pop("timestamp")
    for name in named:
        if name not in FIELDS:
            raise ConfigError(f"--columns: need fields among timestamp, {', '.join(FIELDS)}; got {name!r}.")
    if event is not None and event not in KINDS:
        raise ConfigError(f"--event: need one of {', '.join(KINDS)}; got {event!r}.")
    return LogFormat(named, pairs("--drop-prefix", drop_prefix), sort, event, _minimum(minimum))


def fit_to_header(log_format: LogFormat, header: Sequence[str], where: str) -> LogFormat:
    """Return `log_format` with the columns that `header` has, after recognising a known one.

    Raises
    ------
    ConfigError
        A column that was named, or that every log needs, is missing.
    """
    if not set(REQUIRED) <= set(header):
        log_format = _recognised(log_format, frozenset(header))
    columns = {name: log_format.columns.get(name, name) for name in FIELDS}
    if columns["timestamp_ms"] not in header and "timestamp_ms" not in log_format.columns and "timestamp" in header:
        columns["timestamp_ms"] = "timestamp"
    for name, column in columns.items():
        if column not in header and (name in REQUIRED or name in log_format.columns):
            raise ConfigError(
                f"{where}: need a column {column!r} for {name}; got {', '.join(header)[:200]}. "
                f"Name it with --columns {name.removesuffix('_ms')}=COLUMN."
            )
    for option, filtered in (("--drop-prefix", log_format.drop_prefix), ("--min", log_format.minimum)):
        for column in filtered:
            if column not in header:
                raise ConfigError(f"{where}: need a column {column!r} for {option}; got {', '.join(header)[:200]}.")
    return replace(log_format, columns={name: column for name, column in columns.items() if column in header})


def _recognised(log_format: LogFormat, header: frozenset[str]) -> LogFormat:
    for names, known in KNOWN_FORMATS.items():
        agrees = all(log_format.columns.get(name, column) == column for name, column in known.columns.items())
        if names <= header and agrees:
            return replace(
                known,
                columns={**known.columns, **log_format.columns},
                drop_prefix={**known.drop_prefix, **log_format.drop_prefix},
                minimum={**known.minimum, **log_format.minimum},
                event=log_format.event or known.event,
            )
    return log_format


def _minimum(text: str | None) -> dict[str, float]:
    try:
        return {column: float(value) for column, value in pairs("--min", text).items()}
    except ValueError:
        raise ConfigError(f"--min: need COLUMN=NUMBER,COLUMN=NUMBER; got {text!r}.") from None


def pairs(option: str, text: str | None) -> dict[str, str]:
    """Return what an option of the form ``NAME=VALUE,NAME=VALUE`` says. Raises ConfigError.

    Examples
    --------
    >>> pairs("--columns", "item_id=StockCode, price=UnitPrice")
    {'item_id': 'StockCode', 'price': 'UnitPrice'}
    """
    named = {}
    for part in (text or "").split(","):
        name, equals, value = part.strip().partition("=")
        if name and equals and value:
            named[name] = value
        elif part.strip():
            raise ConfigError(f"{option}: need NAME=VALUE,NAME=VALUE; got {part.strip()!r}.")
    return named
