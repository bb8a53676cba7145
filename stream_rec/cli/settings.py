"""`stream-rec settings`: every setting, its variable, its value, its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile

if TYPE_CHECKING:
    from stream_rec.config import Settings


def command(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md, with the defaults.")] = False,
    config: ConfigFile = None,
) -> None:
    """Print every setting with the value it has now."""
    from stream_rec.config import load

    if markdown:
        typer.echo(page(), nl=False)
    else:
        _print_values(load(config))


def page() -> str:
    """Return the text of docs/settings.md."""
    from stream_rec.config import Settings, setting_rows

    rows = list(setting_rows())
    lines = [
        "# Settings",
        "",
        "Every setting has an environment variable and a place in a TOML file: `kafka.bootstrap` is",
        "`STREAM_REC_KAFKA__BOOTSTRAP`, or `bootstrap` under `[kafka]` in the file named by `--config` or",
        "`STREAM_REC_CONFIG`. The environment wins over the file, the file over the default. A wrong or unknown",
        "setting is one line on stderr and exit code 2, before anything starts. `stream-rec settings` prints the",
        "values in force; this page is `stream-rec settings --markdown`.",
    ]
    for section, field in Settings.model_fields.items():
        lines += ["", f"## {section}", "", (type(field.default).__doc__ or "").strip(), ""]
        lines += ["| setting | variable | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{r.section}.{r.name}` | `{r.env}` | `{r.default}` | {r.meaning} |"
            for r in rows
            if r.section == section
        ]
    return "\n".join([*lines, *_parameters()]) + "\n"


def _parameters() -> list[str]:
    from stream_rec.core.parameters import LIMITS, parameters_of
    from stream_rec.core.presets import PRESETS

    values = {name: parameters_of(preset) for name, preset in PRESETS.items()}
    lines = [
        "",
        "## Parameters of the algorithms",
        "",
        "What `ranking.parameters` and `--set` of `backtest` can name; what each means stands beside it in",
        "`core/presets.py`. In a file a table does as well: `window = 12` under `[ranking.parameters.cooc]`. The decay",
        "times `cooc.decay_ms` and `popularity.decay_ms` are stored with the items: a worker refuses to start with",
        "others (operations.md says how to begin again). [tuning.md](tuning.md) finds values for a log.",
        "",
        f"| parameter | range | {' | '.join(PRESETS)} |",
        "|---|---|" + "---|" * len(PRESETS),
    ]
    for name, (least, most) in LIMITS.items():
        shown = " | ".join(f"{values[preset][name]:.15g}" for preset in PRESETS)
        lines.append(f"| `{name}` | {least:.15g} to {most:.15g} | {shown} |")
    return lines


def _print_values(settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table

    from stream_rec.config import setting_rows

    table = Table("variable", "value", "meaning", box=None)
    defaults = {row.env: row.default for row in setting_rows()}
    for row in setting_rows(settings):
        style = None if row.default == defaults[row.env] else "bold"
        table.add_row(row.env, row.default, row.meaning, style=style)
    Console().print(table)
