"""Right derivations pass, a broken rule is refused, and so is a broken batched form."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import sympy

import derive
from derive import batch as batch_module
from derive import operations
from derive.build import scale
from derive.errors import RefusedError
from derive.graph import is_matrix
from derive.nodes import Elementwise, Product, Softmax
from numeric import verify as verify_module
from numeric.check import Verdict
from numeric.functions import kink_function, value_function
from numeric.verify import require, verify

FORMULAS = [
    "norm2(relu(W*x))^2",
    "crossentropy(softmax(W*x + b), y)",
    "logdet(X) + tr(inv(X)*Y)",
    "sum(log(x) .* sqrt(y))",
    "norm2(x) + a*sum(abs(x))",
    "sum(tanh(V*sigmoid(W*x)))",
    "3*a",
    "det(X)/(1 + a^2)",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_right_derivation_passes(text):
    verification = verify(derive.differentiate(text))
    assert verification.verdict is Verdict.PASS
    assert all(found.points == 3 for found in verification.report.variables)
    require(verification, derive.differentiate(text))


def test_what_is_shown_says_how_it_was_checked():
    checked = verify(derive.differentiate("norm2(W*x)^2")).checked()
    assert checked["W"].points == 3
    assert checked["W"].exact
    assert checked["W"].worst_error < 1e-10
    assert len(set(checked["W"].shape)) == 2


# --- Wrong gradients ------------------------------------------------------------------------------


def broken_row(node, factor):
    """Return the table with one pullback multiplied by a factor."""
    row = operations.OPERATIONS[node]

    def pullback(*arguments):
        return tuple(
            c if c is None else scale(factor, c) if is_matrix(c) else factor * c
            for c in row.pullback(*arguments)
        )

    return MappingProxyType({**operations.OPERATIONS, node: replace(row, pullback=pullback)})


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Product, "norm2(relu(W*x))^2"),
        (Elementwise, "norm2(relu(W*x))^2"),
        (Softmax, "sum(softmax(W*x) .* y)"),
        # branches that begin far from the origin
        (Elementwise, "sum(relu(x - 5))"),
        (Elementwise, "sum(relu(x - 5) .* x)"),
        (Elementwise, "sum(relu(x - 300).^2) + sum(y)"),
        (Elementwise, "sum(relu(x - 10)) + sum(sqrt(1 - y.^2))"),
        (Elementwise, "sum(relu(x - 3000) .* exp(y))"),
        # values that are all round-off, or nearly zero
        (Elementwise, "1e-30*sum(sin(x)) + 1e-12"),
        (Elementwise, "exp(-20*sum(cosh(x)))"),
    ],
)
@pytest.mark.parametrize("factor", [2, -1, 0])
@pytest.mark.parametrize("exact", [True, False])
def test_a_broken_rule_is_refused(monkeypatch, node, text, factor, exact):
    monkeypatch.setattr(operations, "OPERATIONS", broken_row(node, factor))
    derivation = derive.differentiate(text)
    verification = verify(derivation, exact=exact)
    if not exact and "1e-30" in text:
        assert verification.verdict is not Verdict.PASS or factor == 0  # below the round-off
        return
    assert verification.verdict is Verdict.FAIL
    with pytest.raises(RefusedError, match=r"fails its check and is not shown"):
        require(verification, derivation)


def test_a_gradient_that_is_nowhere_a_number_is_not_shown():
    derivation = derive.differentiate("norm2(relu(-x.^2)) + sum(x)")
    verification = verify(derivation)
    assert verification.verdict is Verdict.INCONCLUSIVE
    assert verification.exact["x"].verdict is Verdict.INCONCLUSIVE
    with pytest.raises(RefusedError, match=r"could not be checked.*Try other points with --seed"):
        require(verification, derivation)


def test_what_is_zero_wherever_one_looks_is_not_shown():
    derivation = derive.differentiate("sum(relu(x - 1))", assumptions={"x": ["binary"]})
    verification = verify(derivation)
    assert verification.exact["x"].verdict is Verdict.INCONCLUSIVE
    with pytest.raises(RefusedError, match=r"could not be checked.*Try other points with --seed"):
        require(verification, derivation)


def test_what_the_differences_do_not_decide_is_said():
    derivation = derive.differentiate("sum(abs(y))", assumptions={"y": ["binary"]})
    verification = verify(derivation)
    require(verification, derivation)
    sentence = verification.checked()["y"].sentence()
    assert "differences decide nothing, entry" in sentence
    assert "worst error" not in sentence


def test_the_two_oracles_agree_that_a_gradient_is_wrong():
    derivation = derive.differentiate("norm2(W*x)^2")
    wrong = dict(derivation.gradient) | {"x": scale(3, derivation.gradient["x"])}
    verification = verify(derivation.with_gradient(wrong))
    by_name = {found.name: found.verdict for found in verification.report.variables}
    assert by_name == {"W": Verdict.PASS, "x": Verdict.FAIL}
    assert verification.exact["x"].verdict is Verdict.FAIL
    assert verification.exact["W"].verdict is Verdict.PASS


def test_a_gradient_of_another_shape_fails():
    derivation = derive.differentiate("norm2(W*x)^2", wrt=["W"])
    wrong = {"W": derive.differentiate("norm2(W*x)^2", wrt=["x"]).gradient["x"]}
    verification = verify(derivation.with_gradient(wrong), exact=False)
    assert verification.verdict is Verdict.FAIL


# --- Points ---------------------------------------------------------------------------------------


def test_points_respect_what_is_assumed():
    derivation = derive.differentiate(
        "crossentropy(softmax(W*x), y)", wrt=["W"], assumptions={"y": ["onehot"]}
    )
    point = verify(derivation).point
    assert sorted(np.ravel(point["y"])) == [0.0, 0.0, 1.0]


def test_a_gradient_that_needs_its_assumption_fails_without_it():
    assumed = derive.differentiate(
        "crossentropy(softmax(z), y)", wrt=["z"], assumptions={"y": ["onehot"]}
    )
    bare = derive.differentiate("crossentropy(softmax(z), y)", wrt=["z"])
    assert verify(assumed).verdict is Verdict.PASS
    assert verify(bare.with_gradient(assumed.gradient)).verdict is Verdict.FAIL


def test_a_formula_that_needs_a_tall_matrix_gets_one():
    text = "norm2(y - X*inv(X'*X)*X'*y)^2"
    verification = verify(derive.differentiate(text, wrt=["y"], shapes={"X": "n,p", "y": "n"}))
    rows, columns = np.shape(verification.point["X"])
    assert rows > columns
    assert verification.verdict is Verdict.PASS


def test_another_seed_gives_other_points():
    derivation = derive.differentiate("norm2(W*x)^2")
    one, other = verify(derivation, seed=0), verify(derivation, seed=1)
    assert one.point != other.point
    assert verify(derivation, seed=1).point == other.point


def test_a_formula_without_a_domain_is_refused():
    with pytest.raises(RefusedError, match="No point was found"):
        verify(derive.differentiate("sum(log(-x.^2))"))


def test_kinks_are_found_from_the_expression():
    formula = derive.differentiate("norm2(relu(W*x))^2").formula
    kinks = kink_function(formula)
    W, x = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    assert [array.tolist() for array in kinks(W=W, x=x)] == [[[11.0]]]
    assert kink_function(derive.differentiate("x'*x").formula) is None
    assert float(value_function(formula)(x=x, W=W)) == 121.0


# --- Batched code ---------------------------------------------------------------------------------


def test_a_batched_form_is_compared_with_a_loop():
    derivation = derive.differentiate("norm2(W*x - y)^2", wrt=["W"])
    verification = verify(derivation, batch=["x", "y"])
    assert verification.loop.error < 1e-14
    assert verification.loop.exact == 0
    assert np.shape(verification.point["x"])[0] == np.shape(verification.point["y"])[0] == 5
    assert verify(derivation).loop is None


@pytest.mark.parametrize("factor", [2, 1 + sympy.Rational(1, 10**14)])
@pytest.mark.parametrize("name", ["value", "gradient"])
def test_a_wrong_batched_form_is_refused(monkeypatch, name, factor):
    right = batch_module.batched

    def wrong(derivation, names):
        batch = right(derivation, names)
        if name == "value":
            return replace(batch, value=factor * batch.value)
        return replace(batch, gradient={n: scale(factor, g) for n, g in batch.gradient.items()})

    monkeypatch.setattr("numeric.batches.batched", wrong)
    derivation = derive.differentiate("norm2(W*x - y)^2", wrt=["W"])
    verification = verify_module.verify(derivation, batch=["x", "y"])
    assert verification.loop.exact == pytest.approx(float(factor - 1))
    assert verification.verdict is Verdict.FAIL
    with pytest.raises(RefusedError, match="differs from a loop over samples by"):
        require(verification, derivation)


def test_samples_of_a_batch_are_drawn_inside_the_domain():
    derivation = derive.differentiate("sum(log(x))*a + sum(log(w) .* x)")
    verification = verify(derivation, batch=["x"])
    assert verification.loop.error < 1e-13
    assert verification.loop.exact < 1e-50  # logarithms have digits, and no end
    assert np.min(verification.point["x"]) > 0


@pytest.mark.parametrize("text", ["sum(log(A*x))", "sum(sqrt(x)) + sum(log(x - y))"])
def test_the_point_of_a_hessian_is_in_the_domain_of_the_formula(text):
    """The gradient 1/z of log(z) is finite where z < 0."""
    derivation = derive.differentiate(text, ["x"], order=2)
    point = {n: np.array(v) for n, v in verify(derivation, exact=False).point.items()}
    if "A" in point:
        assert np.all(point["A"] @ point["x"] > 0)
    else:
        assert np.all(point["x"] > np.maximum(point["y"], 0))
