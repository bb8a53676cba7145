"""Write the pages of docs/ that are made from the code: settings, commands, metrics. Usage: python .ci/docs.py"""

from __future__ import annotations

from pathlib import Path

from stream_rec.adapters.metrics import metrics_page
from stream_rec.cli import settings
from stream_rec.cli.pages import commands_page

DOCS = Path(__file__).parents[1] / "docs"

if __name__ == "__main__":
    (DOCS / "settings.md").write_text(settings.page(), encoding="utf-8")
    (DOCS / "commands.md").write_text(commands_page(), encoding="utf-8")
    (DOCS / "metrics.md").write_text(metrics_page(), encoding="utf-8")
