"""Factors taken out of sums: the value stays, and the formula gets shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume as require
from hypothesis import given, settings
from hypothesis import strategies as st

from derive import build
from derive.derivatives import differentiate
from derive.errors import ChainRuleError
from derive.factoring import factor
from derive.graph import shape_of, weight
from derive.language import read_formula
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"A": "m,n", "B": "m,n", "C": "n,n", "D": "n,n", "x": "n", "y": "n", "u": "m", "v": "m"}
SHAPES |= {"Y": "m,n", "S": "n,n", "E": "m,m", "a": "scalar", "b": "scalar", "z": "n", "w": "n"}


def read(text: str) -> Any:
    return read_formula(text, SHAPES).expr


FACTORED = [
    ("C*x + C'*x", "(C + C')*x"),
    ("A*x + A*y", "A*(x + y)"),
    ("2*A*x - 2*u", "2*A*x - 2*u"),
    ("2*A*x + 2*u", "2*(A*x + u)"),
    ("A*C*x + A*D*x", "A*(C + D)*x"),
    ("A*C*x - A*D*x + B*x", "(A*C - A*D + B)*x"),
    ("A*C + B*C + A*D", "A*(C + D) + B*C"),
    ("E*A*C'*D + E*A*C*D", "E*A*(C' + C)*D"),
    ("u*x' + u*y' + v*x' + v*y'", "(u + v)*(x' + y')"),
    ("A*C*C*x + A*C*D*x + u", "A*C*(C + D)*x + u"),
    ("E*(E*A + E*B) + E*E*A*C", "E^2*(A + B + A*C)"),
    ("-(u - v)*x'", "(v - u)*x'"),
    ("C*x + D*y", "C*x + D*y"),
    ("3*x + 2*y", "3*x + 2*y"),
    ("6*x - 9*y", "6*x - 9*y"),
    ("a*x + a*y", "a*(x + y)"),
    ("x/2 + y/2", "(x + y)/2"),
    ("-x - y", "-x - y"),
    ("A", "A"),
]


@pytest.mark.parametrize(("text", "expected"), FACTORED)
def test_common_factors_are_taken_out_where_that_is_shorter(text: str, expected: str) -> None:
    got = factor(read(text))
    assert TEXT(got) == expected
    assert weight(got) <= weight(read(text))
    assert factor(got) == got


def test_many_common_factors_are_taken_out_at_once() -> None:
    text = " + ".join(f"A{i}'*u + A{i}'*v" for i in range(30))
    expr = read_formula(text, {**SHAPES, **{f"A{i}": "m,n" for i in range(30)}}).expr
    got = factor(expr)
    assert TEXT(got).count("(u + v)") == 1
    assert weight(got) < weight(expr) / 1.5


@settings(max_examples=150)
@given(data=st.data())
def test_factoring_keeps_the_value(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    """Sums of random matrices with shared factors: the text after is worth the text before."""
    matrices = ["A", "B", "(A .* B)", "A*C", "A*D'", "E*A", "u*x'", "v*x'", "-A", "E*B*C", "E*A*C"]
    terms = data.draw(st.lists(st.sampled_from(matrices), min_size=2, max_size=6))
    numbers = data.draw(st.lists(st.sampled_from(["", "2*", "-3*", "a*", "-a*", "0.5*"]),
                                 min_size=len(terms), max_size=len(terms)))  # fmt: skip
    text = " + ".join(f"({number}{term})" for number, term in zip(numbers, terms, strict=True))
    expr = read(text)
    short = factor(expr)
    assert weight(short) <= weight(expr)
    rng = np.random.default_rng(0)
    sizes = {"m": 2, "n": 3}
    values = {
        name: rng.standard_normal(
            [sizes.get(s, 1) for s in shape.split(",")] + [1] * (1 - shape.count(","))
        )
        for name, shape in SHAPES.items()
    }
    values |= {"a": np.float64(0.7)}
    expected = evaluate(text, values, sizes)
    got = np.broadcast_to(evaluate(TEXT(short), values, sizes), expected.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


@settings(max_examples=80)
@given(data=st.data())
def test_factoring_a_gradient_keeps_its_value(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
    except ChainRuleError:
        require(False)
    require(formula.variables)
    gradient = differentiate(formula).gradient
    point = drawn.point(formula, lambda values: evaluate(drawn.text, values, drawn.sizes))
    require(point is not None)
    for expr in gradient.values():
        scaled = build.add(build.multiply(3, expr), build.multiply(-1, expr), expr)
        short = factor(scaled)
        assert shape_of(short) == shape_of(expr)
        assert factor(short) == short
        once, thrice = (evaluate(TEXT(e), point, drawn.sizes) for e in (expr, short))
        if np.all(np.isfinite(once)):
            np.testing.assert_allclose(thrice, 3 * once, rtol=1e-8, atol=1e-8)
