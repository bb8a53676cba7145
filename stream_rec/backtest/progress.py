"""How a long run says how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps what is gone through, to show how far it is; yields it unchanged."""

    def __call__(self, values: Sequence[T], /) -> Iterable[T]: ...
