"""Which code is running: `git describe` in a checkout, the package's version elsewhere."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_TIMEOUT_S = 10


def code_version() -> str:
    """Return what names this code best; "unknown" where nothing does."""
    command = ["git", "-C", str(_PACKAGE), "describe", "--always", "--dirty", "--tags"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is not None and done.returncode == 0 and done.stdout.strip():
        return done.stdout.strip()
    try:
        return version("stream-rec")
    except PackageNotFoundError:
        return "unknown"
