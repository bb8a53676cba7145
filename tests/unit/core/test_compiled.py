"""What numba keeps of kernels is good for one state of all sources; who may call which kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from stream_rec.core.compiled import from_python, inner

INNER = """
from stream_rec.core.compiled import inner

@inner()
def amount() -> int:
    return {amount}
"""
OUTER = """
import numpy as np
from stream_rec.core.compiled import entry
from stream_rec.core.kept_inner import amount

@entry()
def total(times: int) -> int:
    return times * amount()
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")  # type: ignore[attr-defined]  # set at run time
def test_a_changed_inner_kernel_changes_what_calls_it_from_another_file(tmp_path: Path) -> None:
    """The package, copied, with two kernels more: the caller's file stays as it is."""
    import shutil

    import stream_rec

    package = Path(stream_rec.__file__).parent
    shutil.copytree(package, tmp_path / "stream_rec", ignore=shutil.ignore_patterns("__pycache__"))
    core = tmp_path / "stream_rec" / "core"
    (core / "kept_outer.py").write_text(OUTER)

    def total(amount: int) -> int:
        (core / "kept_inner.py").write_text(INNER.format(amount=amount))
        os.utime(core / "kept_inner.py", (1e9 + amount, 1e9 + amount))  # numba tells files apart by time and size
        code = "from stream_rec.core.kept_outer import total; print(total(3))"
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert [total(2), total(5), total(5)] == [6, 15, 15]


def test_an_inner_kernel_is_for_kernels() -> None:
    @inner()
    def twice(x: int) -> int:
        return 2 * x

    if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # set at run time
        with pytest.raises(TypeError, match="need a kernel as caller"):
            twice(2)
    assert from_python(twice)(2) == 4


FLAGS = """
import numpy as np
from stream_rec.core.compiled import entry, inner

@inner()
def not_minus(x: float) -> float:
    return x + 0.0

@entry(fastmath={"nsz"})
def loose(x: float) -> float:
    return not_minus(x)

@entry()
def strict(x: float) -> float:
    return not_minus(x)

loose(-0.0)
print(np.signbit(strict(-0.0)))
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")  # type: ignore[attr-defined]  # as above
def test_what_a_kernel_does_is_the_same_whoever_called_it_first(tmp_path: Path) -> None:
    """Minus zero and zero is zero, unless a caller that does not mind the sign has compiled it for all others."""
    (tmp_path / "flags.py").write_text(FLAGS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, "-m", "flags"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
