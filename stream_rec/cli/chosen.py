"""Which preset and parameters a command's options choose: `--preset` and `--set` win over the file of `--settings`."""

from __future__ import annotations

from pathlib import Path

from stream_rec.config import RankingSettings, load
from stream_rec.core.parameters import parse_parameters


def chosen(preset: str | None, settings: Path | None, parameters: str) -> tuple[str, dict[str, int | float]]:
    """Return the name of the preset and the parameters to put in place of its own.

    Without `settings` the environment plays no part, so that a backtest says the same everywhere. With it settings are
    read as a worker reads them: the environment wins over the file.

    Raises
    ------
    ConfigError
        The file is none or has a wrong setting, or a parameter is wrong.

    Examples
    --------
    >>> chosen("clicks", None, "cooc.window=9")
    ('clicks', {'cooc.window': 9})
    """
    ranking = load(settings).ranking if settings else RankingSettings()
    of_file = parse_parameters(ranking.parameters, "ranking.parameters")
    return preset or ranking.preset, {**of_file, **parse_parameters(parameters, "--set")}
