"""The view by entries, derived by SymPy, against the rules read as linear maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sympy
from sympy import IndexedBase, KroneckerDelta, MatrixSymbol, Sum, Symbol

from derive import nodes, scalars
from derive.build import elementwise
from derive.derivatives import differentiate
from derive.entries import (
    by_entries,
    contract,
    entry,
    entry_derivative,
    index_symbols,
    local_steps,
    summed_chain,
)
from derive.exact import entries_of, explicit
from derive.language import read_formula
from derive.operations import pull_back
from derive.program import Line
from derive.symbols import derivative_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

N = 3
n = Symbol("n", integer=True, positive=True)
i, k, j = INDICES = index_symbols(set())
z, y, s = (MatrixSymbol(name, n, 1) for name in "zys")
ROWS = [row for row in scalars.FUNCTIONS.values() if row.derivative_shown]


def at(expr: Any, values: Mapping[str, Any], **indices: int) -> Any:
    """Put numbers for the indices, the size and the entries of the named columns."""
    expr = expr.subs({Symbol(name, integer=True): index + 1 for name, index in indices.items()})
    expr = expr.subs(n, N).doit()
    names = {base.name: base for base in expr.atoms(IndexedBase)}
    for name, column in values.items():
        if name in names:
            for row in range(N):
                expr = expr.subs(names[name][row + 1], column[row])
    return expr


# --- One entry by another ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [Line(s, nodes.Softmax(z)), *(Line(s, elementwise(row(scalars.U), z)) for row in ROWS)],
    ids=lambda line: str(line.expr),
)
def test_jacobian_by_entries_is_the_pullback_of_each_entry(line: Line) -> None:
    """∂s_i/∂z_k by SymPy = k-th entry of the pullback of the i-th unit vector, exactly."""
    jacobian = entry_derivative(line.symbol, line.expr, z, INDICES)
    g = MatrixSymbol("g", n, 1)
    (cotangent,) = pull_back(g, line.expr)
    point = sympy.ImmutableDenseMatrix([sympy.Rational(p, 7) for p in (2, -3, 5)])
    value = explicit(line.expr, {n: N}, {z: point})
    for a in range(N):
        unit = sympy.ImmutableDenseMatrix(sympy.eye(N)[:, a])
        pulled = explicit(cotangent, {n: N}, {z: point, g: unit})
        for c in range(N):
            found = at(jacobian, {"z": point, "s": value}, i=a, k=c)
            assert abs((found - pulled[c]).evalf(30)) < 1e-25


def test_the_softmax_jacobian_is_written_in_its_values() -> None:
    jacobian = entry_derivative(s, nodes.Softmax(z), z, INDICES)
    s_i, s_k = (IndexedBase("s", real=True)[index] for index in (i, k))
    assert sympy.expand(jacobian - s_i * (KroneckerDelta(i, k) - s_k)) == 0


def test_the_functional_by_entries_is_the_pullback() -> None:
    loss = nodes.CrossEntropy(s, y)
    found = entry_derivative(Symbol("L", real=True), loss, s, (k, i, j))
    s_i, y_i = (IndexedBase(name, real=True)[i] for name in "sy")
    assert sympy.expand(found + y_i / s_i) == 0


def test_the_chain_rule_summed_over_entries_is_the_matrix_rule() -> None:
    """Σ_i (∂L/∂s_i)(∂s_i/∂z_k) at numbers is the softmax rule applied to ∂L/∂s."""
    jacobian = entry_derivative(s, nodes.Softmax(z), z, INDICES)
    cotangent = read_formula("-y ./ s + 2*s", {"y": "n", "s": "n"}).expr
    unsummed, summed = summed_chain(cotangent, jacobian, INDICES, n)
    z_values = sympy.ImmutableDenseMatrix([sympy.Rational(p, 5) for p in (1, -2, 4)])
    y_values = sympy.ImmutableDenseMatrix([sympy.Rational(p, 5) for p in (1, 3, 1)])
    s_values = explicit(nodes.Softmax(z), {n: N}, {z: z_values})
    (pulled,) = pull_back(cotangent, nodes.Softmax(z), s)
    expected = explicit(pulled, {n: N}, {y: y_values, s: s_values})
    for c in range(N):
        for form in (unsummed, summed):
            found = at(form, {"s": s_values, "y": y_values}, k=c)
            assert abs((found - expected[c]).evalf(30)) < 1e-25


# --- Sums and deltas -----------------------------------------------------------------------------

f = IndexedBase("f", real=True)
a = Symbol("a", real=True)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (f[j] * KroneckerDelta(j, k), f[k]),
        (a * f[j] * KroneckerDelta(k, j) + f[j], a * f[k] + Sum(f[j], (j, 1, n))),
        (f[j] * (KroneckerDelta(j, k) - f[k]), f[k] - f[k] * Sum(f[j], (j, 1, n))),
        (a * f[k], a * n * f[k]),
        ((1 + f[j]) ** 60, Sum((1 + f[j]) ** 60, (j, 1, n))),  # no power is multiplied out
    ],
)
def test_deltas_are_summed_away(term: Any, expected: Any) -> None:
    assert sympy.expand_mul(contract(Sum(term, (j, 1, n))) - expected) == 0


# --- What has no form by entries -----------------------------------------------------------------

W = MatrixSymbol("W", n, n)


@pytest.mark.parametrize(
    "text", ["softmax(W*z)", "inv(W)*z", "tr(W)*z", "diagvec(W)", "W", "rowsum(W)"]
)
def test_no_entries_where_there_are_none_to_show(text: str) -> None:
    assert entry(read_formula(text, {"W": "n,n", "z": "n"}).expr, i) is None


def test_entries_of_what_is_constant() -> None:
    shown = entry(read_formula("y + ones(n) - 2*zeros(n)", {"y": "n"}).expr, i)
    assert shown == IndexedBase("y", real=True)[i] + 1


def test_a_named_derivative_is_not_shown_by_entries() -> None:
    cotangent = derivative_symbol("L", s)
    assert summed_chain(cotangent, KroneckerDelta(i, k), INDICES, n) == (None, None)


def test_a_matrix_has_no_single_index() -> None:
    assert by_entries(MatrixSymbol("A", n, n), INDICES) == ()
    assert by_entries(nodes.Trace(W), INDICES) == ()
    assert str(by_entries(nodes.Total(y), INDICES)) == "(Sum(y[i], (i, 1, n)),)"
    L = Symbol("L", real=True)
    assert local_steps(Line(L, nodes.Total(W)), W, L, L, INDICES) == []


def test_every_formula_has_three_indices() -> None:
    assert [str(index) for index in index_symbols(set())] == ["i", "k", "j"]
    found = index_symbols(set("ikjlpqrst") | {"i1"})
    assert [str(index) for index in found] == ["i2", "i3", "i4"]


def test_an_activation_shows_its_derivative_once_a_line() -> None:
    steps = differentiate("norm2(sigmoid(W*x))^2").steps
    (shown,) = [step.text() for step in steps if step.rule == "derivative of sigmoid"]
    assert shown == "da_i/dz_i = sigmoid(z_i)*(1 - sigmoid(z_i)) = a_i*(1 - a_i)"


def test_entries_are_named_as_on_paper() -> None:
    assert [str(e) for e in entries_of(MatrixSymbol("x", n, 1), {n: 2})] == ["x_1", "x_2"]
    assert str(entries_of(MatrixSymbol("W", n, n), {n: 12})[0, 11]) == "W_1,12"
