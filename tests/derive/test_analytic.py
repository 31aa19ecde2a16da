"""A complex step through the emitted value of every function is its derivative, to its digits."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from derive.analytic import ANALYTIC_CALLS, bind_analytic
from derive.derivation import Result
from derive.derivatives import differentiate
from derive.emit import emit
from derive.forward import entry_derivatives
from derive.kernels import bind
from derive.language import read_formula
from derive.operations import OPERATIONS
from derive.scalars import FUNCTIONS
from numeric.functions import value_function
from numeric.points import distinct_sizes, draw_points

STEP = 2.0**-200
RTOL = 1e-12

# Every row's examples, and what a formula is made of besides: each is one function of all of them.
EXAMPLES = [text for row in OPERATIONS.values() if row.pullback for text in row.examples]
INSIDE = [
    *(f"sum({f}(A).^2)" for f, row in FUNCTIONS.items() if row.has_derivative),
    *("log(1 + a^2)", "exp(a) - 1", "sum(log(1 + A.^2))", "sum(exp(A) - ones(m)*ones(n)')"),
    *("a^(-2)", "sum(A.^(-3))", "2^a", "abs(a)^3", "log(a)^2", "sum(2.^A)", "-log(sigmoid(a))"),
    *(
        "logdet(A*A' + eye(m))",
        "sum(abs(A*x))",
        "norm2(A)^3",
        "det(A'*A + eye(n))",
        "a*logdet(B)^2",
    ),
    *("crossentropy(softmax(A*x), y)", "sum(log(softmax(A)) .* B)", "max(abs(A)) - min(A)"),
    *("sum(pinv(A) .* B)", "sum(adj(A*B)^2)", "sum(mean(A)*A)", "norm2(A*x)/norm2(x)"),
]
EACH_EXAMPLE = pytest.mark.parametrize("text", list(dict.fromkeys([*EXAMPLES, *INSIDE])))


def drawn(formula):
    """Draw a point of entries that are fractions with a power of two below, so floats exactly."""
    sizes, value = distinct_sizes(formula, start=2), value_function(formula)

    def is_inside(point):
        with np.errstate(all="ignore"):
            return bool(np.isfinite(value(**point)).all())

    for point in draw_points(formula, is_inside, sizes=sizes, count=4, seed=3):
        near = {name: np.asarray(np.round(v * 256) / 256) for name, v in point.items()}
        if is_inside(near):
            return sizes, near
    raise AssertionError("no point in the domain")


def as_fractions(value):
    nested = np.asarray(value).tolist()
    if isinstance(nested, list):
        return [[Fraction(entry) for entry in row] for row in nested]
    return Fraction(nested)


@EACH_EXAMPLE
def test_a_complex_step_is_the_derivative(text):
    formula = read_formula(text)
    if getattr(formula.expr, "shape", ()):  # a matrix: a functional that tells its entries apart
        text = f"sum(sin(1 + {text}))" if "kron" not in text else f"sum(({text}).^2)"
        formula = read_formula(text)
    derivation = differentiate(text)
    sizes, point = drawn(formula)
    by_symbol = {size: sizes[str(size)] for size in formula.sizes}
    exact = {name: as_fractions(value) for name, value in point.items()}
    value = emit([formula.expr], formula.variables, complex_safe=True).function
    for name, gradient in derivation.gradient.items():
        found, expected = [], []
        for index, right, _ in entry_derivatives(
            Result.of(formula, name, gradient), formula, by_symbol, exact
        ):
            moved = {n: array.astype(complex) for n, array in point.items()}
            moved[name][index if moved[name].ndim else ()] += STEP * 1j
            found.append(np.imag(value(*moved.values())[0]) / STEP)
            expected.append(float(right))
        size = np.max(np.abs(expected))
        np.testing.assert_allclose(found, expected, rtol=RTOL, atol=RTOL * size)


@EACH_EXAMPLE
def test_real_values_are_those_of_the_code_that_people_read(text):
    formula = read_formula(text)
    _, point = drawn(formula)
    read = emit([formula.expr], formula.variables)
    safe = emit([formula.expr], formula.variables, complex_safe=True)
    assert "_analytic" not in str((read.statements, read.results))
    for dtype in ("float64", "float32"):
        arguments = [np.asarray(value, dtype) for value in point.values()]
        (got,), (expected,) = safe.function(*arguments), read.function(*arguments)
        np.testing.assert_array_equal(got, expected)
        assert np.asarray(got).dtype == np.asarray(expected).dtype


@EACH_EXAMPLE
def test_the_real_part_is_the_value(text):
    formula = read_formula(text)
    _, point = drawn(formula)
    safe = emit([formula.expr], formula.variables, complex_safe=True).function
    moved = [value * (1 + STEP * 1j) for value in point.values()]
    (got,), (expected,) = safe(*moved), safe(*point.values())
    np.testing.assert_allclose(np.real(got), expected, rtol=1e-12, atol=1e-14)


# --- The functions alone, where they are hard ----------------------------------------------------

FUNCTION = bind_analytic(np)


def test_every_function_is_reached():
    assert {call.partition("(")[0] for call in ANALYTIC_CALLS.values()} == set(FUNCTION)


@pytest.mark.parametrize("u", [-250.0, -40.0, -1.0, 1e-300, 1e-9, 1.0, 40.0, 250.0])
def test_small_arguments_keep_their_digits(u):
    with mpmath.workdps(40):
        slope, size = float(1 / (1 + mpmath.exp(-u))), float(mpmath.log1p(mpmath.exp(u)))
    found = FUNCTION["_softplus_analytic"](np.array([u + STEP * 1j]))
    np.testing.assert_allclose([found[0].real, found[0].imag / STEP], [size, slope], rtol=1e-14)
    small = min(abs(u), 1 / abs(u))
    found = FUNCTION["_log1p_analytic"](np.array(small + STEP * 1j))
    expected = [np.log1p(small), 1 / (1 + small)]
    np.testing.assert_allclose([found.real, found.imag / STEP], expected, rtol=1e-14)


@pytest.mark.parametrize("seed", range(6))
def test_the_log_determinant_of_either_sign(seed):
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal((2, 5, 5))
    found = FUNCTION["_logdet_analytic"](x + STEP * 1j * v)
    np.testing.assert_allclose(found.imag / STEP, np.trace(np.linalg.solve(x, v)), rtol=1e-11)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6)])
def test_the_pseudoinverse_of_full_rank(shape):
    """(I − A A⁺) and (I − A⁺ A) stay zero on their sides: the derivative solves A⁺ A A⁺ = A⁺."""
    rng = np.random.default_rng(shape)
    a, v = rng.standard_normal((2, *shape))
    x = a + STEP * 1j * v
    p = FUNCTION["_pinv_analytic"](x)
    for left, right in ((x @ p @ x, x), (p @ x @ p, p), (x @ p, (x @ p).T), (p @ x, (p @ x).T)):
        np.testing.assert_allclose(left.real, right.real, atol=1e-13)
        np.testing.assert_allclose(left.imag / STEP, right.imag / STEP, atol=1e-12)


def test_the_pseudoinverse_keeps_the_digits_of_an_ill_conditioned_matrix():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((6, 3)) @ np.diag([1, 1e-3, 1e-6])
    v = rng.standard_normal((6, 3)) * 1e-6
    found = FUNCTION["_pinv_analytic"](a + STEP * 1j * v).imag / STEP
    with mpmath.workdps(60):
        h = mpmath.mpf("1e-20")
        sides = [mpmath.matrix((a).tolist()) + s * h * mpmath.matrix(v.tolist()) for s in (1, -1)]
        up, down = ((m.T * m) ** -1 * m.T for m in sides)
        expected = np.array(((up - down) / (2 * h)).tolist(), float)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_adjugate_at_any_rank(rank):
    """A adj(A) = det(A) I, and adj is a polynomial."""
    rng = np.random.default_rng(rank)
    a = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    v = rng.standard_normal((4, 4))
    found = FUNCTION["_adj_analytic"](a + STEP * 1j * v)
    np.testing.assert_allclose(found.real, bind(np)["_adj"](a), atol=1e-12)
    h = 1e-3  # of a polynomial of degree 3, which this extrapolates exactly
    adj = bind(np)["_adj"]
    near, far = ((adj(a + s * v) - adj(a - s * v)) / (2 * s) for s in (h, 2 * h))
    np.testing.assert_allclose(found.imag / STEP, (4 * near - far) / 3, atol=1e-9)


def test_the_adjugate_of_a_large_matrix():
    x = np.random.default_rng(0).standard_normal((40, 40)) + STEP * 1j
    found, det = FUNCTION["_adj_analytic"](x), np.linalg.det(x)
    np.testing.assert_allclose(found / det @ x, np.eye(40), atol=1e-10)
