"""Fail when a Python file has grown too long to read in one sitting."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

MOST_LINES = 400
MEDIAN_LINES = 150


def main() -> int:
    """Print every file over the limit; return the exit code."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = {path: len(Path(path).read_bytes().splitlines()) for path in listed.stdout.split() if Path(path).exists()}
    too_long = {path: n for path, n in lines.items() if n > MOST_LINES}
    for path, n in sorted(too_long.items()):
        print(f"{path}: need at most {MOST_LINES} lines; got {n}. Split it by what its parts are about.")
    median = statistics.median(lines.values())
    print(f"{len(lines)} files, median {median:.0f} lines, longest {max(lines.values())}")
    return 1 if too_long or median > MEDIAN_LINES else 0


if __name__ == "__main__":
    sys.exit(main())
