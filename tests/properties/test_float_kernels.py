"""The vectorising logarithm and exponential are the library's, to seven digits; inner kernels say who may call."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.core.compiled import from_python
from stream_rec.core.float_kernels import SMALLEST_EXP, fill_exp, fill_log

_log, _exp = from_python(fill_log), from_python(fill_exp)


@settings(deadline=None)
@given(values=st.lists(st.floats(2.0**-100, 2.0**100, width=32), min_size=1, max_size=40))
def test_logarithm(values: list[float]) -> None:
    found, expected = np.array(values, np.float32), np.log(np.array(values))
    _log(found, len(found))
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=2e-7)


@settings(deadline=None)
@given(values=st.lists(st.floats(-200.0, 0.0, width=32), min_size=1, max_size=40))
def test_exponential(values: list[float]) -> None:
    found, expected = np.array(values, np.float32), np.exp(np.maximum(values, float(SMALLEST_EXP)))
    _exp(found, len(found))
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=1e-37)


def test_only_the_first_n_are_filled() -> None:
    values = np.full(9, 1.0, np.float32)
    _log(values, 3)
    assert values.tolist() == [0.0] * 3 + [1.0] * 6


def test_python_may_not_call_an_inner_kernel() -> None:
    with pytest.raises(TypeError, match="need a kernel as caller"):
        fill_log(np.ones(1, np.float32), 1)
