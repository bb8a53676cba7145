"""How kernels are compiled: with no more around them than their callers need.

Numba wraps every function twice, for Python and for C, and a wrapper unpacks every array of every argument: around a
kernel that takes the item table that is more code than the kernel. C never calls; most kernels are called by kernels
only. Leaving these wrappers out saves a third of what a first start spends on compiling, and costs nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

ENTRY: Final[dict[str, Any]] = {"cache": True, "no_cfunc_wrapper": True}
"""Options of a kernel that Python calls."""


def inner(**options: Any) -> Callable[[F], F]:
    """Return the decorator of a kernel that only kernels call; tests call `from_python(kernel)`.

    Raises
    ------
    TypeError
        When Python calls the kernel. Numba itself would jump to an address that is not there.
    """

    def compile_inner(function: F) -> F:
        kernel = njit(**ENTRY, no_cpython_wrapper=True, **options)(function)
        if kernel is not function:  # else compiling is switched off
            kernel._insert = _nothing  # the table of what Python may call stays empty, so every call ends in the next
            kernel._compile_for_args = _refusal(function.__name__)
        return kernel  # type: ignore[no-any-return]  # numba has no types

    return compile_inner


def from_python(kernel: F) -> F:
    """Return an inner kernel compiled so that Python can call it, for tests and measurements."""
    return njit(getattr(kernel, "py_func", kernel))  # type: ignore[no-any-return]  # as above


def _nothing(*arguments: object) -> None:
    pass


def _refusal(name: str) -> Callable[..., None]:
    def refuse(*arguments: object, **named: object) -> None:
        raise TypeError(f"{name}: need a kernel as caller; got Python. Call from_python({name}), or make it an entry.")

    return refuse
