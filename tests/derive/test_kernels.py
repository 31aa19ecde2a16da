"""Kernels: right against many digits, stable, of their argument's dtype, and copied as they are."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from derive.kernels import KERNELS, bind, source

EXACT = {
    "_relu": lambda u: max(u, mpmath.mpf(0)),
    "_step": lambda u: mpmath.mpf(u > 0),
    "_sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "_softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
}
KERNEL = bind(np)
ENTRIES = [-1e4, -745.0, -100.0, -37.0, -3.0, -1e-8, -0.0, 0.0, 1e-8, 0.5, 3.0, 37.0, 100.0, 1e4]
EACH_KERNEL = pytest.mark.parametrize("name", sorted(EXACT))


def test_every_kernel_is_tested():
    assert set(EXACT) <= set(KERNELS)


@EACH_KERNEL
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_are_right_to_the_last_digits_everywhere(name, dtype):
    u = np.array(ENTRIES, dtype)
    with np.errstate(all="raise", under="ignore"):
        found = KERNEL[name](u)
    assert found.dtype == dtype
    tiny = float(np.finfo(dtype).tiny)
    with mpmath.workdps(50):
        expected = [float(EXACT[name](mpmath.mpf(float(entry)))) for entry in u]
    rtol = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found.astype(float), expected, rtol=rtol, atol=tiny)


@EACH_KERNEL
@pytest.mark.parametrize("argument", [np.float32(-1.5), np.array(0.5), 2.0, -3, np.ones((1, 2))])
def test_kernels_take_scalars_and_whole_numbers(name, argument):
    found = KERNEL[name](argument)
    assert np.shape(found) == np.shape(argument)
    np.testing.assert_allclose(found, KERNEL[name](np.asarray(argument, float)), rtol=1e-6)


@EACH_KERNEL
def test_a_complex_step_goes_through(name):
    u = np.array([-30.0, -0.7, 0.3, 30.0])
    derivative = {
        "_relu": KERNEL["_step"](u),
        "_step": np.zeros(4),
        "_sigmoid": KERNEL["_sigmoid"](u) * KERNEL["_sigmoid"](-u),
        "_softplus": KERNEL["_sigmoid"](u),
    }[name]
    found = np.imag(KERNEL[name](u + 1e-30j)) / 1e-30
    np.testing.assert_allclose(found, derivative, rtol=1e-13)


@EACH_KERNEL
def test_what_is_not_a_number_stays_so(name):
    with np.errstate(invalid="ignore"):
        found = KERNEL[name](np.array([np.nan]))
    assert np.isnan(found).all() or name == "_step"


@EACH_KERNEL
def test_the_source_stands_alone(name):
    names = {"np": np}
    exec(source(name), names)
    assert "type: ignore" not in source(name)
    u = np.array(ENTRIES)
    np.testing.assert_array_equal(names[name](u), KERNEL[name](u))
