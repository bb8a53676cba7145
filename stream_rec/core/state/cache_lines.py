"""Memory that begins where a cache line does: a row of 64 bytes is one line then, not two."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

CACHE_LINE = 64


def zeros_in_lines(n: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return n zeros of a kind.

    Examples
    --------
    >>> zeros_in_lines(3, np.dtype(np.float32)).ctypes.data % CACHE_LINE
    0
    """
    memory = np.zeros(n * kind.itemsize + CACHE_LINE, np.uint8)
    at = -memory.ctypes.data % CACHE_LINE
    return memory[at : at + n * kind.itemsize].view(kind)
