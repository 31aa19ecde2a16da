"""The exact oracle: its verdicts on right and wrong gradients, and where it has none."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Rational

import derive
from derive.build import scale
from derive.graph import is_matrix
from numeric import oracle
from numeric.check import Verdict
from numeric.oracle import Exact, check_exactly
from numeric.points import distinct_sizes, draw_points
from numeric.subjects import subjects

RIGHT = [
    "norm2(relu(W*x))^2",
    "crossentropy(softmax(W*x), y)",
    "x'*A*x + a^3",
    "logdet(X)",
    "sum(exp(x) ./ (1 + x.^2))",
    "tr(inv(X)*Y)",
    "norm2(W*x)",
    "logsumexp(x)",
    "sum(softmax(x + a))",
]


def ask(derivation, **assume):
    sizes = distinct_sizes(derivation.formula, start=2)
    points = draw_points(derivation.formula, lambda _: True, sizes=sizes, count=4)
    (subject,) = subjects(derivation)
    return check_exactly(subject, points, (), sizes)


def with_gradient(derivation, name, change):
    gradient = dict(derivation.gradient) | {name: change(derivation.gradient[name])}
    return derivation.with_gradient(gradient)


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_gradient_passes(text):
    for found in ask(derive.differentiate(text)).values():
        assert found.verdict is Verdict.PASS
        assert found.error < 1e-20


@pytest.mark.parametrize("text", RIGHT)
@pytest.mark.parametrize("factor", [2, -1, 0])
def test_a_wrong_gradient_fails(text, factor):
    derivation = derive.differentiate(text)
    for name, right in ask(derivation).items():
        if not right.expected:
            continue  # a zero, which a factor does not change
        wrong = with_gradient(
            derivation, name, lambda g: scale(factor, g) if is_matrix(g) else factor * g
        )
        found = ask(wrong)
        assert found[name].verdict is Verdict.FAIL
        assert found[name].index in np.ndindex(found[name].shape)
        others = [other.verdict for n, other in found.items() if n != name]
        assert set(others) <= {Verdict.PASS}


def test_a_gradient_that_is_zero_for_a_reason_passes():
    # The sum of a softmax minus a one-hot vector, whose digits are those of no number.
    found = ask(derive.differentiate("crossentropy(softmax(x + a), y)", wrt=["a"]))
    assert found["a"].verdict is Verdict.PASS


def test_the_noise_of_a_zero_is_no_error():
    """Shifting all logits changes nothing; at some points noise shows in the last digits alone."""
    shapes = {"A": "m,n", "v": "m", "x": "n"}
    text = "crossentropy(softmax(rowsum(A') - ones(m,n)'*v), x)"
    found = ask(derive.differentiate(text, ["v"], shapes))
    assert found["v"].verdict is not Verdict.FAIL


def test_an_error_far_below_what_differences_see_fails():
    derivation = derive.differentiate("norm2(x)^2")
    tiny = 1 + Rational(1, 10**15)
    assert (
        ask(with_gradient(derivation, "x", lambda g: scale(tiny, g)))["x"].verdict is Verdict.FAIL
    )


def test_it_has_no_verdict_of_large_variables_and_of_unit_vectors():
    large = derive.differentiate("norm2(x)^2 + a", shapes={"x": "999"})
    assert [found.verdict for found in ask(large).values()] == [Verdict.INCONCLUSIVE, Verdict.PASS]
    unit = derive.differentiate("norm2(x)^2", assumptions={"x": ["unit"]})
    assert ask(unit)["x"].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "text",
    [
        "sum(inv(inv(exp(C)) + sigmoid(C)))",
        "det(softmax(C)*inv(exp(C)))",
        "logdet(inv(inv(inv(tanh(C) + 2*eye(n)) + exp(C))*sin(C) + 3*eye(n)))",
        "softplus(norm2(exp(sin(exp(sin(C*x)))))/(1 + sum(exp(C))))",
    ],
)
def test_nested_functions_and_inverses_come_to_an_end(text):
    """As one expression in the entries, each of these takes SymPy minutes or for ever."""
    found = ask(derive.differentiate(text, shapes={"C": "n,n"}))
    assert {exact.verdict for exact in found.values()} == {Verdict.PASS}


def test_it_gives_up_on_too_many_operations(monkeypatch):
    monkeypatch.setattr(oracle, "EXACT_WORK", 0)
    found = ask(derive.differentiate("norm2(W*x)^2"))
    assert {exact.verdict for exact in found.values()} == {Verdict.INCONCLUSIVE}


def test_a_gradient_that_vanishes_at_one_point_is_asked_for_at_another():
    derivation = derive.differentiate("sum(relu(x))", shapes={"x": "2"})
    points = [{"x": np.array([[sign], [2 * sign]])} for sign in (-1.0, 1.0)]
    (subject,) = subjects(derivation)
    found = check_exactly(subject, points, (), {})
    assert found["x"].expected == 1.0


def test_a_finding_without_an_error_is_inconclusive():
    assert Exact(None).verdict is Verdict.INCONCLUSIVE
    assert Exact(0.0).verdict is Verdict.PASS
    assert Exact(1e-6).verdict is Verdict.FAIL
