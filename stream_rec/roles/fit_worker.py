"""The child of `adapters/fit_process.py`: reads a training set, fits a forest, writes it, ends.

`python -m stream_rec.roles.fit_worker FOLDER SEED PARAMS`, PARAMS as JSON. Whatever goes wrong ends it with a code
other than 0 and the reason on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from stream_rec.adapters.fit_process import FOREST_FILE, TRAINING_FILE, read_training
from stream_rec.core.presets import FitParams
from stream_rec.core.ranking.forest_codec import encode_forest
from stream_rec.core.ranking.tree_fit import fit_forest

NICENESS = 15
"""Serving goes first: the child gets the processor's idle time and little more."""


def main(arguments: Sequence[str]) -> None:
    """Fit once."""
    os.nice(NICENESS)
    folder, seed, params = Path(arguments[0]), int(arguments[1]), FitParams(**json.loads(arguments[2]))
    forest = fit_forest(read_training(folder / TRAINING_FILE), params, seed)
    (folder / FOREST_FILE).write_bytes(encode_forest(forest, ()))  # whose features these are, the cascade knows


if __name__ == "__main__":
    main(sys.argv[1:])
