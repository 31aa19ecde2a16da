"""Explicit entries: what they are worth, and the exact oracle that is made of them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import MatrixSymbol, Symbol

from derive import nodes, operations, scalars
from derive.build import scale
from derive.derivation import Result
from derive.derivatives import differentiate
from derive.errors import ChainRuleError, InputError
from derive.exact import entries_of, entrywise_gradient, explicit
from derive.forward import entry_derivatives
from derive.graph import is_matrix, postorder, shape_of
from derive.language import read_formula
from derive.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Callable

n = Symbol("n", integer=True, positive=True)


@settings(max_examples=60)
@given(data=st.data())
def test_explicit_entries_are_worth_what_the_text_is(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
    except ChainRuleError:
        assume(False)
    assume("det" not in drawn.text and "inv" not in drawn.text)  # of entries: many terms
    point = drawn.point(formula, lambda values: evaluate(drawn.text, values, drawn.sizes))
    assume(point is not None)
    values = {v: _dense(point[name]) for name, v in formula.variables.items()}
    nodes_of = postorder(formula.expr)
    found = [size for node in nodes_of for size in shape_of(node) or (node,)]
    symbols = {s for size in found if not isinstance(size, Stored) for s in size.free_symbols}
    sizes = {symbol: drawn.sizes[str(symbol)] for symbol in symbols if symbol.is_integer}
    got = complex(explicit(formula.expr, sizes, values).evalf(20))
    expected = float(evaluate(drawn.text, point, drawn.sizes))
    assert abs(got - expected) <= 1e-8 * max(1.0, abs(expected))


def _dense(value: Any) -> Any:
    array = np.asarray(value)
    return sympy.ImmutableDenseMatrix(array) if array.ndim else sympy.Float(float(array))


SMALL = [
    # text, variable, sizes: written out, differentiated by SymPy, compared as formulas
    ("norm2(A*x)^2", "A", {"m": 2, "n": 3}),
    ("x'*C*x", "x", {"n": 3}),
    ("det(C)", "C", {"n": 3}),
    ("tr(inv(C))", "C", {"n": 2}),
    ("sum(softmax(x) .* y)", "x", {"n": 3}),
    ("sum(rowsoftmax(A) .* B)", "A", {"m": 2, "n": 2}),
    ("logsumexp(A)", "A", {"m": 2, "n": 2}),
    ("sum(tanh(a*A))", "a", {"m": 2, "n": 2}),
    ("crossentropy(softmax(x), y)", "y", {"n": 3}),
]
SHAPES = {"A": "m,n", "B": "m,n", "C": "n,n", "x": "n", "y": "n", "a": "scalar"}


@pytest.mark.parametrize(("text", "name", "sizes"), SMALL)
def test_gradient_is_the_entrywise_one_as_a_formula(
    text: str, name: str, sizes: dict[str, int]
) -> None:
    derivation = differentiate(text, [name], SHAPES)
    by_symbol = {size: sizes[str(size)] for size in derivation.formula.sizes}
    variable = derivation.formula.variables[name]
    expected = entrywise_gradient(derivation.formula.expr, variable, by_symbol)
    got = explicit(derivation.gradient[name], by_symbol)
    difference = expected - got
    entries = list(difference) if is_matrix(variable) else [difference]
    assert [sympy.simplify(entry) for entry in entries] == [0] * len(entries)


def test_entry_derivatives_say_what_is_wrong() -> None:
    formula = read_formula("norm2(A*x)^2", SHAPES)
    sizes = dict(zip(formula.sizes, (2, 3), strict=True))
    rng = np.random.default_rng(0)
    point = {
        name: [
            [Fraction(int(e), 7) for e in row]
            for row in rng.integers(-9, 9, [2, 3][: 2 if name == "A" else 0] or [3, 1])
        ]
        for name in formula.variables
    }
    right = differentiate(formula, ["A"]).gradient["A"]
    for gradient, wrong in ((right, 0), (scale(2, right), 6)):
        pairs = list(entry_derivatives(Result.of(formula, "A", gradient), formula, sizes, point))
        assert [cell for cell, _, _ in pairs] == [(r, c) for r in range(2) for c in range(3)]
        assert sum(bool(abs(expected - got) > 1e-20) for _, expected, got in pairs) == wrong


@pytest.mark.parametrize("name", ["relu", "abs", "sigmoid", "softplus"])
def test_entry_derivatives_do_not_ask_a_function_of_our_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong derivative of a scalar function is in the sweep's gradient, and in no oracle."""
    function = scalars.FUNCTIONS[name].function
    right = function.fdiff
    monkeypatch.setattr(function, "fdiff", lambda self, argindex=1: 3 * right(self, argindex))
    operations._derivative.cache_clear()
    derivation = differentiate(f"sum({name}(x))", shapes={"x": "2"})
    operations._derivative.cache_clear()
    (size,) = derivation.formula.variables["x"].shape[:1]
    point = {"x": [[Fraction(1, 3)], [Fraction(2, 7)]]}
    (result,) = derivation.results
    pairs = list(entry_derivatives(result, derivation.formula, {size: 2}, point))
    assert all(abs(got - 3 * expected) < 1e-40 for _, expected, got in pairs)


@pytest.mark.parametrize("text", ["norm2(x)/norm2(x - x .* sign(x).^2)", "sum(log(x - 2))"])
def test_entry_derivatives_are_of_real_numbers(text: str) -> None:
    formula = read_formula(text, {"x": "2"})
    point = {"x": [[Fraction(1, 3)], [Fraction(2, 7)]]}
    with pytest.raises(ArithmeticError, match=r"no real number|singular"):
        list(entry_derivatives(Result.of(formula, "x", formula.variables["x"]), formula, {}, point))


def test_what_has_no_entries_is_refused() -> None:
    with pytest.raises(InputError, match="the size 'n' has no number"):
        explicit(nodes.Total(MatrixSymbol("x", n, 1)))
    with pytest.raises(InputError, match="'KroneckerProduct' has no explicit form"):
        explicit(sympy.kronecker_product(MatrixSymbol("A", 2, 2), MatrixSymbol("B", 2, 2)))


def test_largest_entries_are_explicit_too() -> None:
    A = MatrixSymbol("A", 2, 2)
    values = {A: sympy.ImmutableDenseMatrix([[1, 4], [3, 2]])}
    assert explicit(nodes.RowMaximum(A), {}, values) == sympy.ImmutableDenseMatrix([4, 3])
    assert explicit(nodes.Maximum(A), {}, values) == 4
    assert shape_of(entries_of(A, {})) == (2, 2)
