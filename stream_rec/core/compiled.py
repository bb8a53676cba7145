"""How kernels are compiled: with no more around them than their callers need.

Numba wraps every function twice, for Python and for C, and a wrapper unpacks every array of every argument: around a
kernel that takes the item table that is more code than the kernel. C never calls; most kernels are called by kernels
only. Leaving these wrappers out saves a third of what a first start spends on compiling, and costs nothing afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final[dict[str, Any]] = {
    "cache": True, "no_cfunc_wrapper": True, "error_model": "numpy", "fastmath": False, "_nrt": True,
}  # fmt: skip
"""Divided by zero is infinite, as in numpy: asking first stops vectorising.

Numba lets a kernel inherit what it does not say from the caller it happens to be compiled for first, and keeps it so
for all others; so this says all. A selection by the bits of its scores that was compiled for a caller with `fastmath`
first ended the process.
"""


def entry(**options: Any) -> Callable[[F], F]:
    """Return the decorator of a kernel that Python calls, with numba's `options` beside those here."""

    def compile_entry(function: F) -> F:
        kernel: F = njit(**{**_OPTIONS, **options})(function)
        return _kept_for_these_sources(kernel)

    return compile_entry


def inner(*, allocates: bool = False, **options: Any) -> Callable[[F], F]:
    """Return the decorator of a kernel that only kernels call; tests call `from_python(kernel)`.

    Parameters
    ----------
    allocates
        Whether the kernel makes arrays (numba says so when it is left out), or returns some it was given. Without,
        references are not counted: a kernel that takes the workspace counted those of its twenty arrays.
    options
        Others of numba's, as `fastmath`.

    Raises
    ------
    TypeError
        When Python calls the kernel. Numba itself would jump to an address that is not there.
    """

    def compile_inner(function: F) -> F:
        kernel = njit(**{**_OPTIONS, "no_cpython_wrapper": True, "_nrt": allocates, **options})(function)
        _kept_for_these_sources(kernel)
        if kernel is not function:  # else compiling is switched off
            kernel._insert = _nothing  # the table of what Python may call stays empty, so every call ends in the next
            kernel._compile_for_args = _refusal(function.__name__)
        return kernel  # type: ignore[no-any-return]  # as above

    return compile_inner


def from_python(kernel: F) -> F:
    """Return an inner kernel compiled so that Python can call it, for tests and measurements."""
    return njit(getattr(kernel, "py_func", kernel))  # type: ignore[no-any-return]  # as above


def _sources_stamp() -> str:
    """Return a hash of times and sizes of the files that kernels are made of: what numba asks of a single one."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    stamps = [(path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return blake2b(repr(stamps).encode(), digest_size=8).hexdigest()


_SOURCES: Final = _sources_stamp()


def _kept_for_these_sources(kernel: F) -> F:
    """Let what numba keeps of a kernel be good for one state of all sources, not only of the kernel's own file.

    A kernel holds those it calls, the layouts they read and the constants of other files: after a change there it would
    go on reading memory as it was.
    """
    cache: Any = getattr(kernel, "_cache", None)
    if hasattr(cache, "_cache_file"):  # else compiling, or keeping, is switched off
        cache._cache_file._source_stamp = (cache._cache_file._source_stamp, _SOURCES)
    return kernel


def _nothing(*arguments: object) -> None:
    pass


def _refusal(name: str) -> Callable[..., None]:
    def refuse(*arguments: object, **named: object) -> None:
        raise TypeError(f"{name}: need a kernel as caller; got Python. Call from_python({name}), or make it an entry.")

    return refuse
