"""Jacobians, Hessians and directional derivatives: their forms, their checks, their code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import derive
from derive.build import scale
from derive.errors import InputError, RefusedError
from derive.notation import TEXT
from derive.symbols import (
    DERIVATIVE,
    DIRECTIONAL,
    HESSIAN,
    HESSIAN_VECTOR,
    JACOBIAN,
)
from numeric.check import Verdict
from numeric.verify import require, verify

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"t": "scalar", "b": "n", "S": "n,n", "x": "n", "X": "m,n", "A": "m,n"}
FORMS = [
    # formula, variable, order, kind, the derivative as in a book
    ("A*x", "x", 1, JACOBIAN, "A"),
    ("x'*S", "x", 1, JACOBIAN, "S'"),
    ("softmax(z)", "z", 1, JACOBIAN, "diag(softmax(z)) - softmax(z)*softmax(z)'"),
    ("x .* (S*x)", "x", 1, JACOBIAN, "diag(x)*S + diag(S*x)"),
    ("x*(x'*x)", "x", 1, JACOBIAN, "2*x*x' + norm2(x)^2*eye(n)"),
    ("relu(x)", "x", 1, JACOBIAN, "diag(step(x))"),
    ("inv(S + t*B)", "t", 1, DERIVATIVE, "-inv(S + t*B)*B*inv(S + t*B)"),
    ("t^2*x", "t", 1, DERIVATIVE, "2*t*x"),
    ("S*X'*B", "X", 1, DIRECTIONAL, "S*V'*B"),
    ("X*x", "X", 1, DIRECTIONAL, "V*x"),
    ("norm2(A*x - y)^2", "x", 2, HESSIAN, "2*A'*A"),
    ("x'*S*x", "x", 2, HESSIAN, "S + S'"),
    ("logsumexp(x)", "x", 2, HESSIAN, "diag(softmax(x)) - softmax(x)*softmax(x)'"),
    ("sum((A*x).^4)", "x", 2, HESSIAN, "12*A'*diag((A*x).^2)*A"),
    ("sin(t)*t", "t", 2, HESSIAN, "2*cos(t) - t*sin(t)"),
    ("sum(A*x)", "x", 2, HESSIAN, "zeros(n,n)"),
    ("logdet(S)", "S", 2, HESSIAN_VECTOR, "-inv(S)'*V'*inv(S)'"),
    ("norm2(X*w - y)^2", "X", 2, HESSIAN_VECTOR, "2*V*w*w'"),
]


@pytest.mark.parametrize(("text", "name", "order", "kind", "form"), FORMS)
def test_the_form_is_that_of_a_book(text: str, name: str, order: int, kind: str, form: str) -> None:
    derivation = derive.differentiate(text, [name], SHAPES, order=order)
    (result,) = derivation.results
    assert result.kind == kind
    assert TEXT(result.expr) == form
    found = verify(derivation)
    assert (found.verdict, found.exact[name].verdict) == (Verdict.PASS, Verdict.PASS)
    require(found, derivation)


@pytest.mark.parametrize(("text", "name", "order", "kind", "form"), FORMS)
@pytest.mark.parametrize("factor", [1 + 1e-6, -1, 0])
def test_a_wrong_one_is_refused(
    text: str, name: str, order: int, kind: str, form: str, factor: float
) -> None:
    if form.startswith("zeros"):
        pytest.skip("a zero, which a factor does not change")
    derivation = derive.differentiate(text, [name], SHAPES, order=order)
    wrong = derivation.with_gradient(
        {name: scale(derive.read_formula(repr(factor)).expr, derivation.gradient[name])}
    )
    assert verify(wrong, exact=False).verdict is Verdict.FAIL
    found = verify(wrong)
    assert found.exact[name].verdict is Verdict.FAIL
    with pytest.raises(RefusedError, match=f"The {kind} by {name} of"):
        require(found, wrong)


def test_a_transposed_jacobian_is_refused() -> None:
    derivation = derive.differentiate("S*x", ["x"], SHAPES)
    wrong = derivation.with_gradient({"x": derive.read_formula("S'", SHAPES).expr})
    found = verify(wrong)
    assert found.exact["x"].verdict is Verdict.FAIL
    assert verify(wrong, exact=False).verdict is Verdict.FAIL


def test_a_hessian_of_a_wrong_gradient_is_refused() -> None:
    derivation = derive.differentiate("x'*S*x", ["x"], SHAPES, order=2)
    assert derivation.first is not None
    wrong = derivation.first.with_gradient({"x": derive.read_formula("S*x", SHAPES).expr})
    from dataclasses import replace

    with pytest.raises(RefusedError, match="The gradient by x"):
        require(verify(replace(derivation, first=wrong)), replace(derivation, first=wrong))


@settings(max_examples=60)
@given(data=st.data())
def test_random_vectors_and_matrices(data: Any, formulas: Any) -> None:
    """Jacobians and directional derivatives of random formulas, by the two oracles."""
    drawn = data.draw(formulas("xuA"))
    try:
        formula = drawn.read()
        derivation = derive.differentiate(formula, [n for n in formula.variables if n in "xuAa"])
        found = verify(derivation, points=1, exact=False, seed=drawn.seed % 1000)
    except (RefusedError, InputError):
        return
    assert found.verdict is not Verdict.FAIL, drawn.text


@settings(max_examples=60)
@given(data=st.data())
def test_random_hessians(data: Any, formulas: Any) -> None:
    drawn = data.draw(formulas("S", depth=3))
    try:
        formula = drawn.read()
        names = [n for n in formula.variables if n in "xuAa"]
        derivation = derive.differentiate(formula, names, order=2)
        found = verify(derivation, points=1, exact=False, seed=drawn.seed % 1000)
    except (RefusedError, InputError):
        return
    assert found.verdict is not Verdict.FAIL, drawn.text


def test_the_function_takes_directions_after_the_variables() -> None:
    derivation = derive.differentiate("sigmoid(A*x)")
    function = derivation.function()
    rng = np.random.default_rng(0)
    A, x, V = rng.standard_normal((2, 3)), rng.standard_normal((3, 1)), rng.standard_normal((2, 3))
    value, found = function(A, x, V)
    step = 1e-6
    moved = (function(A + step * V, x, V)[0] - function(A - step * V, x, V)[0]) / (2 * step)
    assert np.allclose(found["A"], moved, atol=1e-9)
    assert value.shape == (2, 1)
    assert found["x"].shape == (2, 3)


def test_names_of_directions_are_free() -> None:
    shapes = dict.fromkeys("VUX", "n,n") | {"v": "n"}
    derivation = derive.differentiate("V*X*U*v", ["X", "V"], shapes)
    names = {str(result.direction.name) for result in derivation.results}
    assert names.isdisjoint({"V", "U", "X", "v", "n"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"order": 3}, "expected 1 for gradients or 2"), ({"convention": "fre"}, "'free'")],
)
def test_what_is_asked_for_must_exist(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        derive.differentiate("x'*x", **arguments)


def test_no_batched_form_of_what_is_no_gradient() -> None:
    from derive.batch import batched

    with pytest.raises(RefusedError, match="Only gradients of a scalar"):
        batched(derive.differentiate("A*x"), ["x"])


def test_the_printed_jacobian_is_that_of_the_text(evaluate: Callable[..., Any]) -> None:
    """By differences of the formula's text, which share nothing with the program's nodes."""
    text = "x .* (S*x) + softmax(S*x)*(b'*x)"
    printed = TEXT(derive.differentiate(text, ["x"], SHAPES).gradient["x"])
    rng, sizes = np.random.default_rng(1), {"n": 3}
    values = {
        "x": rng.standard_normal((3, 1)),
        "b": rng.standard_normal((3, 1)),
        "S": rng.standard_normal((3, 3)),
    }
    step, columns = 1e-6, []
    for i in range(3):
        unit = step * np.eye(3)[:, [i]]
        sides = [evaluate(text, {**values, "x": values["x"] + s * unit}, sizes) for s in (1, -1)]
        columns.append((sides[0] - sides[1]) / (2 * step))
    assert np.allclose(np.hstack(columns), evaluate(printed, values, sizes), atol=1e-8)
