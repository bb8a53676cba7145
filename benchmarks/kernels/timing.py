"""Timing on a machine that does other things too: the least of many short repetitions, call by call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def least_us(call: Callable[[T], object], arguments: Sequence[T], seconds: float, passes: int = 5) -> float:
    """Return µs per call: each argument's least time over many passes, averaged over the arguments.

    Calls go round the arguments, so what one needs in the caches is not what the last one left there.

    Parameters
    ----------
    call
        What is measured; must change nothing that later calls depend on.
    arguments
        One per call of a pass.
    seconds, passes
        At least so long, and so often.
    """
    least, clock = [float("inf")] * len(arguments), time.perf_counter_ns
    for argument in arguments:
        call(argument)
    ends, done = time.perf_counter() + seconds, 0
    while done < passes or time.perf_counter() < ends:
        for at, argument in enumerate(arguments):
            began = clock()
            call(argument)
            took = clock() - began
            least[at] = min(least[at], took)
        done += 1
    return sum(least) / len(least) / 1e3
