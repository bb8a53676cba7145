"""`python -m stream_rec` is `stream-rec`."""

from __future__ import annotations

from stream_rec.cli.app import main

if __name__ == "__main__":
    main()
