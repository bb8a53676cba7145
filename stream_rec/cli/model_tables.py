"""Tables of the registry's models for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from stream_rec.adapters.model_registry import Decision, Manifest

WIDTH_WITHOUT_TERMINAL = 160
_KINDS = ("teacher", "student", "plain")


def wide_console() -> Console:
    """Return a console on stdout that is wide enough for a table where there is no terminal to fit into."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def versions_table(manifests: Sequence[Manifest], live: str | None) -> Table:
    """Return one line per version; the live one is marked."""
    table = Table(
        "version", "live", "created", "from", "log", "learned", "until", "items", "HR@20", "discovery", "code"
    )
    for one in manifests:
        figures = one.metrics.get("student", {})
        table.add_row(
            one.version,
            "yes" if one.version == live else "",
            one.created,
            str(one.data.get("warm_from") or ""),
            str(one.data.get("log", "")),
            f"{one.data.get('learned', 0):,}",
            _day(one.data.get("learned_until_ms")),
            f"{one.data.get('items', 0):,}",
            f"{figures.get('hr20', 0):.4f}",
            f"{figures.get('hr20_discovery', 0):.4f}",
            one.code,
        )
    return table


def figures_table(manifest: Manifest) -> Table:
    """Return the figures of a version's models on its held-out events."""
    table = Table("model", "events", "HR@10", "HR@20", "MRR@20", "HR@20 discovery", "HR@20 never learned")
    for kind in _KINDS:
        if figures := manifest.metrics.get(kind):
            table.add_row(
                "student without a teacher" if kind == "plain" else kind,
                f"{figures['n']:,}",
                f"{figures['hr10']:.4f}",
                f"{figures['hr20']:.4f}",
                f"{figures['mrr20']:.4f}",
                f"{figures['hr20_discovery']:.4f} ({figures['n_discovery']:,})",
                f"{figures['hr20_cold']:.4f} ({figures['n_cold']:,})",
            )
    if "agreement" in manifest.metrics:
        table.caption = f"{manifest.metrics['agreement']:.1%} of the teacher's 20 best items are the student's, too"
    return table


def compression_table(manifest: Manifest) -> Table:
    """Return what each step of compression costs."""
    table = Table("step", "size", "HR@20", "HR@20 discovery", "µs per user alone", "µs per user, 32 together")
    for step in manifest.metrics.get("compression", []):
        table.add_row(
            step["name"],
            f"{step['bytes'] / 1e6:.2f} MB",
            f"{step['hr20']:.4f}",
            f"{step['hr20_discovery']:.4f}",
            f"{step['us_alone']:,.1f}",
            f"{step['us_batched']:,.1f}",
        )
    return table


def decisions_table(decisions: Sequence[Decision]) -> Table:
    """Return the decisions, oldest first."""
    table = Table("at", "what", "version", "live before", "why")
    for one in decisions:
        table.add_row(one.at, one.action, one.version, one.other or "", one.reason)
    return table


def _day(time_ms: int | None) -> str:
    return "" if time_ms is None else f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d}"
