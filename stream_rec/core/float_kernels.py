"""Logarithm and exponential of float32 without branches or calls, so that loops over candidates vectorise.

The C library's are called one number at a time, 5 to 15 ns each; a list takes several hundred. These are its
polynomials on bits taken apart and put together here; both are off by less than 2e-7 of the result, or of 1 if that is
larger.

References
----------
Sun Microsystems (1993), FreeBSD msun, `e_logf.c`; Moshier (1992), Cephes, `expf.c`, https://www.netlib.org/cephes/
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from stream_rec.core.compiled import inner
from stream_rec.core.types import Float32Array

_F32 = np.float32
_ROOT_HALF_BITS, _ONE_BITS, _MANTISSA = 0x3F3504F3, 0x3F800000, 0x7FFFFF
_WORD, _FLOAT = ir.IntType(32), ir.FloatType()
SMALLEST_EXP = np.float32(-87.0)
"""Below it `fill_exp` answers as here, 1.6e-38."""


def _shifted_bits(builder: Any, x: Any) -> Any:
    """The bits of x, moved so that the exponent changes at √½ instead of 1."""
    return builder.add(builder.bitcast(x, _WORD), _WORD(_ONE_BITS - _ROOT_HALF_BITS))


def _to_exponent(typing_context: Any, x: Any) -> Any:
    """Return e, a whole float32, with x = m · 2^e and m in [√½, √2)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        exponent = builder.ashr(_shifted_bits(builder, arguments[0]), _WORD(23))
        return builder.sitofp(builder.sub(exponent, _WORD(127)), _FLOAT)

    return types.float32(types.float32), generate


def _to_mantissa(typing_context: Any, x: Any) -> Any:
    """Return that m."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.and_(_shifted_bits(builder, arguments[0]), _WORD(_MANTISSA))
        return builder.bitcast(builder.add(bits, _WORD(_ROOT_HALF_BITS)), _FLOAT)

    return types.float32(types.float32), generate


def _to_nearest(typing_context: Any, x: Any) -> Any:
    """Return the whole number nearest to x <= 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        moved = builder.fsub(arguments[0], _FLOAT(0.5))
        return builder.sitofp(builder.fptosi(moved, _WORD), _FLOAT)

    return types.float32(types.float32), generate


def _to_power_of_two(typing_context: Any, x: Any) -> Any:
    """Return 2^x for a whole x in [-126, 127]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        exponent = builder.add(builder.fptosi(arguments[0], _WORD), _WORD(127))
        return builder.bitcast(builder.shl(exponent, _WORD(23)), _FLOAT)

    return types.float32(types.float32), generate


# called without the typing context, which type checkers cannot know
_exponent: Any = intrinsic(_to_exponent)
_mantissa: Any = intrinsic(_to_mantissa)
_nearest: Any = intrinsic(_to_nearest)
_power_of_two: Any = intrinsic(_to_power_of_two)


@inner(fastmath={"contract"})
def fill_log(x: Float32Array, n: int) -> None:
    """x[c] = ln x[c] for the first n, which are normal numbers above 0."""
    for c in range(n):
        e, f = _exponent(x[c]), _mantissa(x[c]) - _F32(1.0)
        s = f / (_F32(2.0) + f)
        z = s * s
        w = z * z
        odd = z * (_F32(0.66666662693) + w * _F32(0.28498786688))
        even = w * (_F32(0.40000972152) + w * _F32(0.24279078841))
        half = _F32(0.5) * f * f
        x[c] = e * _F32(0.69313812256) + (f - (half - (s * (half + odd + even) + e * _F32(9.0580006145e-6))))


@inner(fastmath={"contract"})
def fill_exp(x: Float32Array, n: int) -> None:
    """x[c] = e^x[c] for the first n, none above 0."""
    for c in range(n):
        power = max(x[c], SMALLEST_EXP)
        k = _nearest(power * _F32(1.44269504089))
        r = power - k * _F32(0.693359375) + k * _F32(2.12194440e-4)
        y = _F32(1.9875691500e-4)
        y = y * r + _F32(1.3981999507e-3)
        y = y * r + _F32(8.3334519073e-3)
        y = y * r + _F32(4.1665795894e-2)
        y = y * r + _F32(1.6666665459e-1)
        y = y * r + _F32(5.0000001201e-1)
        x[c] = (y * r * r + r + _F32(1.0)) * _power_of_two(k)
