"""Kernels: right against many digits, stable, of their argument's dtype, and copied as they are."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from derive.kernels import KERNELS, bind, kernels_in, source

EXACT = {
    "_relu": lambda u: max(u, mpmath.mpf(0)),
    "_step": lambda u: mpmath.mpf(u > 0),
    "_sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "_softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "_sigmoid_slope": lambda u: 1 / (2 + mpmath.exp(u) + mpmath.exp(-u)),
    "_logcosh": lambda u: mpmath.log(mpmath.cosh(u)),
    "_logsoftplus": lambda u: mpmath.log(mpmath.log1p(mpmath.exp(u))),
    "_softplus_rate": lambda u: 1 / (1 + mpmath.exp(-u)) / mpmath.log1p(mpmath.exp(u)),
}
KERNEL = bind(np)
# Tested on the arrays of several libraries, in test_portable.py.
ARRAYS = {
    *("_namespace", "_real", "_full", "_eye", "_copy", "_diag", "_diagvec", "_kron", "_rowmax"),
    *(
        "_size",
        "_balanced",
        "_rowbalanced",
        "_less_one",
        "_rowless_one",
        "_log_weighted",
        "_weighted",
    ),
    *("_log_ratio", "_rowlog_ratio", "_softmax_difference", "_rowsoftmax_difference"),
    *(
        "_less",
        "_log_near_one",
        "_power_over_base",
        "_times_log",
        "_quotients_less",
        "_away",
        "_near_zero",
        "_positive",
        "_log_of_det",
        "_logdet_one_plus",
        "_over_weighted",
    ),
    *("_adj", "_det", "_first_maximum", "_eye_kron", "_kron_eye", "_kron_turned"),
    *("_number", "_scalar"),
}


def alone(name):
    """Return a kernel as a module has it: its source, and that of the kernels it calls."""
    names = {"np": np}
    for needed in kernels_in([f"{name}(u)"]):
        exec(source(needed), names)
    return names[name]


def slope(function, u):
    with mpmath.workdps(50):
        return float(mpmath.diff(function, u))


def log_gamma(u):
    return mpmath.re(mpmath.loggamma(u))


# The function and its derivative.
SPECIAL = {
    "_erf": (mpmath.erf, lambda u: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-u * u)),
    "_erfc": (mpmath.erfc, lambda u: -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-u * u)),
    "_lgamma": (log_gamma, lambda u: mpmath.psi(0, u)),
    "_digamma": (lambda u: mpmath.psi(0, u), lambda u: mpmath.psi(1, u)),
    "_trigamma": (lambda u: mpmath.psi(1, u), lambda u: mpmath.psi(2, u)),
}
EACH_SPECIAL = pytest.mark.parametrize("name", sorted(SPECIAL))
ROOT = 1.4616321449683622  # of digamma
ENTRIES = [-1e4, -745.0, -100.0, -37.0, -3.0, -1e-8, -0.0, 0.0, 1e-8, 0.5, 3.0, 37.0, 100.0, 1e4]
EACH_KERNEL = pytest.mark.parametrize("name", sorted(EXACT))


def test_every_kernel_is_tested():
    assert {*EXACT, *SPECIAL, *ARRAYS} == set(KERNELS)


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
        "_sigmoid_slope": -np.tanh(u / 2) * KERNEL["_sigmoid"](u) * KERNEL["_sigmoid"](-u),
        "_logcosh": np.tanh(u),
        "_logsoftplus": KERNEL["_softplus_rate"](u),
        "_softplus_rate": [slope(EXACT["_softplus_rate"], entry) for entry in u],
    }[name]
    found = np.imag(KERNEL[name](u + 1e-30j)) / 1e-30
    np.testing.assert_allclose(found, derivative, rtol=1e-13)


@pytest.mark.parametrize("step", [1e-30j, -1e-30j])
def test_a_complex_step_from_nothing_goes_both_ways(step):
    slopes = {"_sigmoid": 0.25, "_softplus": 0.5, "_sigmoid_slope": 0.0, "_logcosh": 0.0}
    for name, slope in slopes.items():
        assert np.imag(KERNEL[name](np.array([step])) / step.imag) == slope


@EACH_KERNEL
def test_what_is_not_a_number_stays_so(name):
    with np.errstate(invalid="ignore"):
        found = KERNEL[name](np.array([np.nan]))
    assert np.isnan(found).all() or name == "_step"


@EACH_KERNEL
def test_the_source_stands_alone(name):
    u = np.array(ENTRIES)
    np.testing.assert_array_equal(alone(name)(u), KERNEL[name](u))


# --- Special functions ---------------------------------------------------------------------------


def arguments(name):
    """Return arguments everywhere, and ever nearer to where the function is zero."""
    rng = np.random.default_rng(1)
    halves, tenths = 2.0 ** -np.arange(1, 52), 10.0 ** -np.arange(1, 16)
    zeros = [1 + halves, 1 - halves, 2 + halves, 2 - halves, ROOT + tenths, ROOT - tenths, [ROOT]]
    places = [rng.uniform(0, 12, 400), 10 ** rng.uniform(-5, 5, 100), *zeros]
    if name in ("_erf", "_erfc"):
        x = np.concatenate([10 ** rng.uniform(-300, 1, 100), *places])
        return np.concatenate([x[x <= 10], -x[x <= 10], [0.0]])
    return np.concatenate([10 ** rng.uniform(-150, 300, 100), *places])


def exactly(function, u):
    with mpmath.workdps(50):
        return np.array([float(function(mpmath.mpf(float(entry)))) for entry in u])


@EACH_SPECIAL
def test_special_functions_are_right_to_fourteen_digits(name):
    u = arguments(name)
    with np.errstate(all="raise", under="ignore"):
        found = KERNEL[name](u)
    np.testing.assert_allclose(found, exactly(SPECIAL[name][0], u), rtol=1e-14, atol=0)


@EACH_SPECIAL
def test_special_functions_keep_single_precision(name):
    u = np.array([0.01, 0.3, 0.5, 0.9, 1.2, 1.8, 2.2, 3.7, 7.4, 7.6, 40.0, 1e4], np.float32)
    found = KERNEL[name](u)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exactly(SPECIAL[name][0], u), rtol=3e-6)
    assert KERNEL[name](np.float32(1.5)).dtype == np.float32


@EACH_SPECIAL
def test_special_functions_left_of_zero(name):
    u = -np.random.default_rng(2).uniform(0, 6, 200)
    u = u[np.abs(u - np.rint(u)) > 1e-3]
    expected = exactly(SPECIAL[name][0], u)
    error = np.abs(KERNEL[name](u) - expected) / np.maximum(1, np.abs(expected))
    assert error.max() < 1e-12


@EACH_SPECIAL
def test_a_complex_step_through_special_functions_is_their_derivative(name):
    u = arguments(name)
    u = u[(np.abs(u) > 1e-8) & (np.abs(u) < 1e100)]
    expected = exactly(SPECIAL[name][1], u)
    found = np.imag(KERNEL[name](u + 1e-30j)) / 1e-30
    beside_root = np.abs(u - ROOT) < 1e-2 if name == "_lgamma" else np.zeros(u.shape, bool)
    np.testing.assert_allclose(found[~beside_root], expected[~beside_root], rtol=1e-12)
    np.testing.assert_allclose(found[beside_root], expected[beside_root], atol=1e-15)


@EACH_SPECIAL
def test_special_functions_of_scalars_numbers_and_what_is_none(name):
    for argument in (np.array(1.5), 2.5, 3, np.ones((1, 2))):
        found = KERNEL[name](argument)
        assert np.shape(found) == np.shape(argument)
        np.testing.assert_allclose(found, KERNEL[name](np.asarray(argument, float)), rtol=1e-15)
    limit = {"_erf": 1.0, "_erfc": 0.0, "_trigamma": 0.0}.get(name, np.inf)
    np.testing.assert_array_equal(KERNEL[name](np.array([np.nan, np.inf])), [np.nan, limit])


@EACH_SPECIAL
def test_the_source_of_a_special_function_stands_alone(name):
    u = np.array([0.1, 0.7, 1.5, 2.5, 9.0])
    np.testing.assert_array_equal(alone(name)(u), KERNEL[name](u))


# --- Matrices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_adjugate_is_right_at_any_rank(rank):
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    minors = [[np.delete(np.delete(x, i, 0), j, 1) for i in range(4)] for j in range(4)]
    signs = (-1.0) ** np.add.outer(np.arange(4), np.arange(4))
    found = KERNEL["_adj"](x)
    np.testing.assert_allclose(found, signs * np.linalg.det(np.array(minors)), atol=1e-13)
    np.testing.assert_allclose(x @ found, np.linalg.det(x) * np.eye(4), atol=1e-12)
    assert KERNEL["_adj"](x.astype(np.float32)).dtype == np.float32


def test_the_adjugate_of_one_entry_is_one():
    np.testing.assert_allclose(KERNEL["_adj"](np.array([[0.0]])), [[1.0]])


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_first_largest_entry_is_found_row_by_row(order):
    x = np.array([[1, 5, 2], [5, 5, 0]], np.float32, order=order)
    found = KERNEL["_first_maximum"](x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(KERNEL["_first_maximum"](x.T), [[0, 1], [0, 0], [0, 0]])
