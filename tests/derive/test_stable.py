"""Stable forms: what is rewritten before code, and that values stay."""

from __future__ import annotations

import math

import numpy as np
import pytest

import derive
from derive.emit import emit
from derive.language import read_formula
from derive.notation import TEXT
from derive.scalars import U
from derive.series import series_near_zero
from derive.stable import stable

EXTREMES = np.array([[1e4], [-1e4], [0.0], [3.0]])


def stable_text(text, **shapes):
    (expr,) = stable([read_formula(text, shapes).expr])
    return TEXT(expr)


def value_at(text, **arrays):
    formula = read_formula(text)
    function = emit([formula.expr], formula.variables).function
    with np.errstate(all="raise", under="ignore"):
        return float(function(*(arrays[name] for name in formula.variables))[0])


def test_a_softmax_is_shifted_by_its_largest_entry():
    assert stable_text("softmax(z)", z="m") == "exp(z - max(z))/sum(exp(z - max(z)))"


def test_the_logarithm_of_a_softmax_forms_no_softmax():
    text = stable_text("crossentropy(softmax(z), y)")
    assert text.startswith("-sum(y .* (z - max(z) - log1p(")
    assert "/" not in text


def test_shapes_are_kept():
    for text in ("softmax(z)", "rowsoftmax(X)", "rowlogsumexp(X)", "log(softmax(X))"):
        expr = read_formula(text).expr
        assert stable([expr])[0].shape == expr.shape


def test_several_expressions_share_what_is_rewritten():
    a, b = (read_formula(text).expr for text in ("sum(softmax(z) .* y)", "logsumexp(z)"))
    together = stable([a, b])
    assert together == [stable([a])[0], stable([b])[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-y'*log(softmax(z))", 2e4),
        ("sum(softmax(z) .* log(softmax(z)))", 0.0),
        ("sum(log(softmax(z)).^2)", 4e8 + 1e8 + 9997.0**2),
        ("logsumexp(z)", 1e4),
        ("sum(log(sigmoid(z)))", -1e4 - np.log(2) - np.log1p(np.exp(-3.0))),
        ("sum(log(1 - sigmoid(z)))", -1e4 - np.log(2) - 3 - np.log1p(np.exp(-3.0))),
        ("sum(log(1 + exp(z)))", 1e4 + np.log(2) + 3 + np.log1p(np.exp(-3.0))),
        ("sum(1 ./ (1 + exp(z)))", 1.5 + 1 / (1 + np.exp(3.0))),
        ("sum(exp(z)) - sum(exp(z))", 0.0),
        ("sum(sigmoid(z) .* (1 - sigmoid(z)) ./ sigmoid(-z))", 1.5 + 1 / (1 + np.exp(-3.0))),
        ("log(sum(exp(z)))", 1e4),
    ],
)
def test_extreme_entries_give_the_right_value(text, expected):
    y = np.array([[0.0], [1.0], [0.0], [0.0]])
    assert value_at(text, z=EXTREMES, y=y) == pytest.approx(expected, rel=1e-14, abs=1e-300)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("logsumexp(z)", [1, 0, 0, 0]),
        ("log(sum(exp(z)))", [1, 0, 0, 0]),
        ("-log(softmax(z))'*y", [1, -1, 0, 0]),
        ("sum(softplus(z))", [1, 0, 0.5, 1 / (1 + np.exp(-3.0))]),
        ("sum(log(1 + exp(-z)))", [0, -1, -0.5, -1 / (1 + np.exp(3.0))]),
        ("sum(1 ./ (1 + exp(-z)))", [0, 0, 0.25, np.exp(-3.0) / (1 + np.exp(-3.0)) ** 2]),
        ("sum(softmax(z) .* log(softmax(z)))", [0, 0, 0, 0]),
        # logistic losses as people spell them
        ("sum(log(sigmoid(z)))", [0, 1, 0.5, 1 / (1 + np.exp(3.0))]),
        ("sum(log(1 - sigmoid(z)))", [-1, 0, -0.5, -1 / (1 + np.exp(-3.0))]),
        (
            "-sum(y .* log(sigmoid(z)) + (1 - y) .* log(1 - sigmoid(z)))",
            [1, -1, 0.5, 1 / (1 + np.exp(-3.0))],
        ),
        ("sum(log(1 + exp(-(2*y - 1) .* z)))", [1, -1, 0.5, 1 / (1 + np.exp(-3.0))]),
        ("sum(exp(z) ./ (1 + exp(z)))", [0, 0, 0.25, np.exp(-3.0) / (1 + np.exp(-3.0)) ** 2]),
    ],
)
def test_extreme_entries_give_the_right_gradient(text, expected):
    derivation = derive.differentiate(text, wrt=["z"])
    point = {"z": EXTREMES, "y": np.array([[0.0], [1.0], [0.0], [0.0]])}
    arguments = (point[name] for name in derivation.formula.variables)
    with np.errstate(all="raise", under="ignore"):
        gradient = derivation.function()(*arguments)[1]["z"]
    np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-14, atol=1e-300)


def test_differences_of_large_logits_keep_their_digits_in_single_precision():
    derivation = derive.differentiate("-log(softmax(z))'*y", wrt=["y"])
    z = np.array([[1e4], [9999.5]], np.float32)
    _, gradients = derivation.function()(z, np.ones_like(z))
    expected = np.log1p(np.exp(-0.5)) + np.array([[0.0], [0.5]])
    np.testing.assert_allclose(gradients["y"], expected, rtol=1e-6)


NEAR_ONE = {
    # the formula, and its value at entries and scalars t
    "sum(log1p(x))": lambda t: 2 * np.log1p(t),
    "log1p(a)": np.log1p,
    "log(1 + a + b)": lambda t: np.log1p(2 * t),
    "sum(expm1(x))": lambda t: 2 * np.expm1(t),
    "expm1(a)": np.expm1,
    "sum(log(1 + 2*x.^2))": lambda t: 2 * np.log1p(2 * t * t),
    "log(1 + x'*x)": lambda t: np.log1p(2 * t * t),
    "sum(x .* (exp(2*x) - 1))": lambda t: 2 * t * np.expm1(2 * t),
}


@pytest.mark.parametrize("text", NEAR_ONE)
@pytest.mark.parametrize("t", [1e-20, 1e-10, 0.3])
def test_small_arguments_keep_their_digits(text, t):
    derivation = derive.differentiate(text, shapes={"x": "2"})
    names = derivation.formula.variables
    value, _ = derivation.function()(**{n: np.full((2, 1), t) if n == "x" else t for n in names})
    np.testing.assert_allclose(value, NEAR_ONE[text](t), rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "a", "expected"),
    [
        ("(1 - a)^31 - 1", 1.7, -1.0000157775382035),  # factored about 0, it would cancel here
        ("1 - 1/(1 + a^2)", 1e200, 1.0),  # a quotient of squares would overflow
        ("cosh(a) - 1", -400.0, math.cosh(400.0)),
        ("sinh(a)^2", -300.0, math.sinh(300.0) ** 2),
        ("log(1 + 2*exp(a))", -300.0, 2 * math.exp(-300.0)),
        ("log(a + 1) - log(a)", -3.0, math.nan),  # outside its domain a formula has no value
        ("sqrt(a + 1) - sqrt(a)", 0.0, 1.0),
    ],
)
def test_a_stable_form_is_no_worse_anywhere(text, a, expected):
    formula = read_formula(text)
    with np.errstate(all="ignore"):
        (found,) = emit([formula.expr], formula.variables).function(np.float64(a))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def results_at(text, **arrays):
    """Return the value and the gradients by the variables, in their order."""
    formula = read_formula(text)
    gradient = derive.differentiate(formula).gradient
    function = emit([formula.expr, *gradient.values()], formula.variables).function
    with np.errstate(all="raise", under="ignore"):
        return function(*(np.array(arrays[name], float) for name in formula.variables))


def test_a_singular_matrix_has_the_gradient_of_its_determinant():
    value, gradient = results_at("det(A)", A=[[1, 2], [2, 4]])
    assert value == 0
    np.testing.assert_array_equal(gradient, [[4, -2], [-2, 1]])


def test_the_logarithm_of_a_determinant_does_not_overflow_and_keeps_its_domain():
    n = 200
    assert value_at("log(det(A))", A=1e-3 * np.eye(n)) == pytest.approx(n * np.log(1e-3), rel=1e-14)
    assert math.isnan(value_at("log(det(A))", A=np.diag([1.0, -1.0])))


def test_a_removable_singularity_has_its_limit():
    value, by_y, by_x = results_at("sum(y .* sinh(x) ./ x)", x=[[0], [1e-200], [1]], y=[[1]] * 3)
    assert value == pytest.approx(2 + np.sinh(1), rel=1e-15)
    np.testing.assert_allclose(by_y.ravel(), [1, 1, np.sinh(1)], rtol=1e-15)
    expected = [0, 1e-200 / 3, np.cosh(1) - np.sinh(1)]
    np.testing.assert_allclose(by_x.ravel(), expected, rtol=1e-15)


def test_a_removable_singularity_is_mended_inside_the_argument_of_another():
    text = "sum(sinh(A*(sin(pi*x)./x))./(A*(sin(pi*x)./x)))"
    value, _, by_x = results_at(text, A=np.eye(2), x=[[0.0], [0.0]])
    assert value == pytest.approx(2 * np.sinh(np.pi) / np.pi, rel=1e-15)
    np.testing.assert_array_equal(by_x, [[0], [0]])


def test_softmaxes_that_are_certain_of_different_entries_are_compared():
    x, y = [[1e4], [0.0]], [[0.0], [1e4]]
    value, by_x, by_y = results_at("sum(softmax(x) .* log(softmax(x) ./ softmax(y)))", x=x, y=y)
    assert value == 1e4
    np.testing.assert_array_equal(by_x, [[0], [0]])
    np.testing.assert_array_equal(by_y, [[-1], [1]])


def test_a_weight_of_nothing_counts_for_nothing():
    value, _, by_x = results_at("log(w'*exp(x))", w=[[0], [2]], x=[[300], [-400]])
    assert value == pytest.approx(np.log(2) - 400, rel=1e-15)
    np.testing.assert_array_equal(by_x, [[0], [1]])


def test_a_probability_too_small_for_a_number_has_a_gradient_through_a_layer():
    derivation = derive.differentiate("log(w'*softmax(A*x))", wrt=["x"])
    point = {"w": np.array([[0.0], [2.0]]), "A": np.eye(2), "x": np.array([[1e3], [0.0]])}
    _, gradients = derivation.function()(*(point[n] for n in derivation.formula.variables))
    np.testing.assert_array_equal(gradients["x"], [[-1], [1]])


def test_powers_of_nothing_have_gradients():
    value, by_x, by_y = results_at("sum(x.^y)", x=[[0], [0], [4]], y=[[2], [1], [0.5]])
    assert value == 2
    np.testing.assert_allclose(by_x.ravel(), [0, 1, 0.25], rtol=1e-15)
    np.testing.assert_allclose(by_y.ravel(), [0, 0, 2 * np.log(4)], rtol=1e-15)


def test_a_logarithm_of_an_exponential_of_one_entry_is_the_entry():
    """With one entry a log-sum-exp is spelled log(exp(x)), which would overflow."""
    formula = read_formula("log(sum(exp(x .* y)))", {"x": "1", "y": "1"})
    value = emit([formula.expr], formula.variables).function
    assert value(np.float32(-100), np.float32(-800))[0] == 80_000
    assert value(1e-20, 1.0)[0] == 1e-20


@pytest.mark.parametrize(
    ("text", "expected"), [("sqrt(1 + norm2(x)^2) - 1", 1e-20), ("1 - cos(x'*x)", 2e-40)]
)
def test_differences_of_reductions_do_not_cancel(text, expected):
    formula = read_formula(text)
    (found,) = emit([formula.expr], formula.variables).function(np.full((2, 1), 1e-10))
    assert found == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.parametrize("text", ["sigmoid(1/a)", "log(1 - sigmoid(1/a))"])
def test_no_series_is_sought_where_there_is_no_limit(text, monkeypatch):
    """The search takes seconds, and one side of 0 tells that it is in vain."""
    monkeypatch.setattr("derive.series._coefficients", lambda *_: pytest.fail("it was sought"))
    expr = read_formula(text).expr
    (a,) = expr.free_symbols
    assert series_near_zero(expr.subs(a, U)) is None
