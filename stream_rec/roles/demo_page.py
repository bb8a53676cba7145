"""What `make demo` shows: one snapshot as a terminal page, as a plain line, or as the closing summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream_rec.core.evaluate import wilson_interval

LINES_PER_LIST = 3
EXTRA_LINES = 2  # what a sequence model adds to the page


class ShownItem(NamedTuple):
    """One listed item in words: its title and why it is listed."""

    title: str
    reason: str


class ShownList(NamedTuple):
    """One user's newest list and the event that made it, in words ("looked at …")."""

    user_id: str
    event: str
    items: tuple[ShownItem, ...]


class HitRates(NamedTuple):
    """Share of looked-at items that stood in the list before, and mean of 1/rank; `of`: how many were looked up."""

    hit: float
    mrr: float
    popular_hit: float
    popular_mrr: float
    of: int
    oracle_hit: float | None = None
    oracle_of: int = 0


class Arm(NamedTuple):
    """Of the users of one arm ("with" the sequence model, "without"): lines looked up, and found in the list before."""

    name: str
    looks: int
    hits: int

    def in_words(self) -> tuple[str, str, str]:
        """Return the hit rate, its 95 % interval, and the number of looks."""
        low, high = wilson_interval(self.hits, self.looks)
        return f"{self.hits / self.looks:.1%}", f"{100 * low:.1f}\N{EN DASH}{100 * high:.1f}", f"{self.looks:,}"


@dataclass(frozen=True)
class DemoSnapshot:
    """Everything the page shows at one moment; plain values only.

    `total` is `None` where the stream has no end. `list_ms` holds p50 and p99 of the last seconds, `None` before the
    first list. `rates` is `None` while the past is learned. `model` says how far the sequence model is, empty where
    there is to be none; `arms` what it adds once it serves.
    """

    phase: str
    kafka: str
    metrics: str
    elapsed_s: float
    sent: int
    total: int | None
    events_per_s: float
    applied: int
    duplicates: int
    dead: int
    lists: int
    users_with_list: int
    list_ms: tuple[float, float] | None
    rates: HitRates | None
    newest: Sequence[ShownList] = ()
    model: str = ""
    arms: Sequence[Arm] = ()

    @property
    def processed(self) -> int:
        """Events the worker has accounted for."""
        return self.applied + self.duplicates + self.dead


def page(shot: DemoSnapshot, height: int = 40) -> RenderableType:
    """Return the page; as many of the newest lists as fit into `height` lines."""
    top = Table.grid(expand=True, padding=(0, 1))
    top.add_column(ratio=1)
    top.add_column(ratio=1)
    top.add_row(
        Panel(_stream(shot), title="events", title_align="left", border_style="cyan"),
        Panel(_rates(shot), title="is the next item in the list of 20?", title_align="left", border_style="green"),
    )
    room = max(1, (height - 17 - EXTRA_LINES * bool(shot.model)) // (LINES_PER_LIST + 2))
    lists = Panel(_lists(shot.newest[:room]), title="newest lists", title_align="left", border_style="magenta")
    foot = Text(f"Kafka {shot.kafka} · metrics {shot.metrics} · Ctrl-C ends everything", style="dim", no_wrap=True)
    return Group(_head(shot), top, lists, foot)


def _head(shot: DemoSnapshot) -> RenderableType:
    line = Text.assemble(("stream-rec ", "bold"), (shot.phase, "yellow"), f"   {clock(shot.elapsed_s)}")
    if shot.model:
        line = Text.assemble(
            line, ("   sequence model ", "bold"), (shot.model, "yellow"), no_wrap=True, overflow="ellipsis"
        )
    if not shot.total:
        return line
    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column()
    row.add_column(ratio=1)
    row.add_row(line, ProgressBar(total=shot.total, completed=min(shot.sent, shot.total)))
    return row


def _stream(shot: DemoSnapshot) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    of = f" of {shot.total:,}" if shot.total else ""
    p50, p99 = (f"{value:,.1f} ms" for value in shot.list_ms) if shot.list_ms else ("–", "–")
    for name, value in (
        ("events/s", f"{shot.events_per_s:,.0f}"),
        ("event→list p50", p50),
        ("event→list p99", p99),
        ("events in", f"{shot.sent:,}{of}"),
        ("= applied", f"{shot.applied:,}"),
        ("+ duplicates", f"{shot.duplicates:,}"),
        ("+ dead letters", f"{shot.dead:,}"),
        ("+ on their way", f"{max(0, shot.sent - shot.processed):,}"),
        ("lists / users", f"{shot.lists:,} / {shot.users_with_list:,}"),
    ):
        table.add_row(name, value)
    return table


def _rates(shot: DemoSnapshot) -> RenderableType:
    rates = shot.rates
    if rates is None or not rates.of:
        return Text("counted once the shop's past is learned" if rates is None else "waiting for the first looks")
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_row("", "hit@20", "", "MRR@20", style="dim")
    table.add_row("popularity", f"{rates.popular_hit:.1%}", _bar(rates.popular_hit, "red"), f"{rates.popular_mrr:.3f}")
    table.add_row("ours", f"{rates.hit:.1%}", _bar(rates.hit, "green"), f"{rates.mrr:.3f}")
    if rates.oracle_hit is not None:
        table.add_row("oracle", f"{rates.oracle_hit:.1%}", _bar(rates.oracle_hit, "blue"), "")
    notes = [f"{rates.of:,} looks at the list published before"]
    if rates.oracle_hit is not None:
        notes.append(f"oracle: knows every taste ({rates.oracle_of:,} asked)")
        notes.append(f"ours is {rates.hit / max(rates.oracle_hit, 1e-9):.0%} of what is possible")
    return Group(table, *_arms(shot.arms), *(Text(note, style="dim") for note in notes))


def _arms(arms: Sequence[Arm]) -> list[RenderableType]:
    """Return the hit rates of users with the sequence model and without, beside each other."""
    if not arms:
        return []
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    table.add_row("the model", "hit@20", "95 %", "looks", style="dim")
    for arm in arms:
        table.add_row(f"  {arm.name}", *arm.in_words())
    return [table]


def _bar(share: float, colour: str) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, complete_style=colour, finished_style=colour)


def _lists(newest: Sequence[ShownList]) -> RenderableType:
    if not newest:
        return Text("none yet", style="dim")
    parts: list[RenderableType] = []
    for shown in newest:
        parts.append(Text.assemble((shown.user_id, "bold"), f" {shown.event}", no_wrap=True, overflow="ellipsis"))
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
        for place, item in enumerate(shown.items[:LINES_PER_LIST], 1):
            table.add_row(f" {place}. {item.title}", item.reason)
        parts.append(table)
    return Group(*parts)


def plain_line(shot: DemoSnapshot) -> str:
    """Return the snapshot as one line, for a pipe or a log file."""
    parts = [
        f"{clock(shot.elapsed_s)} {shot.phase}: {shot.sent:,} in",
        f"{shot.applied:,} applied + {shot.duplicates:,} duplicates + {shot.dead:,} dead",
        f"{shot.events_per_s:,.0f}/s",
        f"{shot.lists:,} lists for {shot.users_with_list:,} users",
    ]
    if shot.list_ms:
        parts.append("event→list p50 {:.1f} p99 {:.1f} ms".format(*shot.list_ms))
    if shot.rates and shot.rates.of:
        rates = shot.rates
        oracle = "" if rates.oracle_hit is None else f", oracle {rates.oracle_hit:.3f}"
        parts.append(
            f"hit@20 {rates.hit:.3f} (popularity {rates.popular_hit:.3f}{oracle}), "
            f"MRR@20 {rates.mrr:.3f} (popularity {rates.popular_mrr:.3f})"
        )
    if shot.model:
        parts.append(f"sequence model {shot.model}" + _arms_in_words(shot.arms))
    return " | ".join(parts)


def _arms_in_words(arms: Sequence[Arm]) -> str:
    said = (
        f"{arm.name} it {rate} ({interval} of {looks})" for arm in arms for rate, interval, looks in [arm.in_words()]
    )
    return "".join(f", {words}" for words in said)


def plain_list(shown: ShownList) -> str:
    """Return one list as a line, and a line for each of its first items."""
    items = [f"     {item.title} – {item.reason}" for item in shown.items[:LINES_PER_LIST]]
    return "\n".join([f"  {shown.user_id} {shown.event} →", *items])


def summary(shot: DemoSnapshot, users: int, missing: int, seconds: float) -> str:
    """Return the closing lines; `missing` of `users` with events have no list."""
    sums = "=" if shot.sent == shot.processed else "≠"
    lines = [
        f"events in {shot.sent:,} {sums} "
        f"applied {shot.applied:,} + duplicates {shot.duplicates:,} + dead {shot.dead:,}",
        f"users with events {users:,}, with a list in recommendations {users - missing:,}"
        + (f": {missing:,} WITHOUT" if missing else ": every one"),
        f"{seconds:.1f} s, {shot.processed / max(seconds, 1e-9):,.0f} events/s, {shot.lists:,} lists",
    ]
    if shot.rates and shot.rates.of:
        rates = shot.rates
        lines.append(
            f"hit@20 {rates.hit:.4f}, MRR@20 {rates.mrr:.4f}; popularity {rates.popular_hit:.4f}, "
            f"{rates.popular_mrr:.4f}; oracle's hit@20 "
            + ("unknown" if rates.oracle_hit is None else f"{rates.oracle_hit:.4f}")
        )
    if shot.model:
        lines.append(f"sequence model {shot.model}" + _arms_in_words(shot.arms))
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds: 2:05."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
