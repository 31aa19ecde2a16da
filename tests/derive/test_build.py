"""The constructors: what they rewrite, what they must not, and that the value stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Identity, Integer, MatrixSymbol, Rational, Symbol
from sympy.matrices.expressions import Transpose

from derive import build, nodes, scalars
from derive.errors import ChainRuleError, InputError, RefusedError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.language import read_formula
from derive.notation import TEXT
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Callable

m, n, k = (Symbol(name, integer=True, positive=True) for name in "mnk")
a, b = Symbol("a", real=True), Symbol("b", real=True)
A, B = MatrixSymbol("A", m, n), MatrixSymbol("B", m, n)
C, D = MatrixSymbol("C", n, n), MatrixSymbol("D", n, n)
x, y, u = MatrixSymbol("x", n, 1), MatrixSymbol("y", n, 1), MatrixSymbol("u", m, 1)

# --- Rewriting, read and printed in the language -------------------------------------------------

SHAPES = {"A": "m,n", "B": "m,n", "C": "n,n", "D": "n,n", "R": "1,n", "t": "1", "u": "m"}
SHAPES |= {"x": "n", "y": "n"}

REWRITTEN = [
    # sums: like terms, zeros, the order of elementwise factors
    ("A + A", "2*A"),
    ("A - A", "zeros(m,n)"),
    ("A .* B + B .* A", "2*A .* B"),
    ("A + zeros(m,n) - 2*A", "-A"),
    ("a*A + b*A", "(a + b)*A"),
    ("-(A - B)", "B - A"),
    # elementwise factors of one argument are one function; of two, they are not
    ("A .* A", "A.^2"),
    ("A .* A ./ A", "A"),
    ("A ./ A", "ones(m,n)"),
    ("relu(A) .* step(A)", "relu(A)"),
    ("abs(A) .* sign(A)", "A"),
    ("relu(A) .* step(B)", "relu(A) .* step(B)"),
    ("step(A) .* step(A)", "step(A)"),
    ("sign(A) .* sign(A)", "sign(A).^2"),
    ("exp(A)' .* A'", "(A .* exp(A))'"),
    ("((x .* y)' .* x')'", "x.^2 .* y"),
    ("((x + y)' + x')'", "2*x + y"),
    # powers: signs stay, roots of squares are absolute values
    ("(2*x).^2", "4*x.^2"),
    ("(-x).^3", "-x.^3"),
    ("(-2*x).^0.5", "sqrt(-2*x)"),
    ("(x.^2).^0.5", "abs(x)"),
    ("(x.^4).^0.5", "x.^2"),
    ("(x.^3).^(1/3)", "x.^3.^(1/3)"),
    ("(x.^0.5).^2", "x"),
    ("log(exp(x))", "x"),
    ("log(x.^2)", "log(x.^2)"),
    ("x.^0", "ones(n)"),
    # inverses cancel where they stand beside each other
    ("inv(C)*C", "eye(n)"),
    ("C'*inv(C)'*A'", "A'"),
    ("inv(C')*C'", "eye(n)"),
    ("inv(2*C)*A'", "inv(C)*A'/2"),
    ("inv(C)*D*C", "inv(C)*D*C"),
    ("inv(C)'*C", "inv(C)'*C"),
    ("inv(inv(C))", "C"),
    ("inv(A'*A)'", "inv(A'*A)"),
    ("inv(A'*B)'", "inv(A'*B)'"),
    # products: identities, ones and sizes of 1
    ("eye(m)*A*ones(n)", "rowsum(A)"),
    ("x*x'*y", "(x'*y)*x"),
    ("ones(m)*ones(1,n)*x", "sum(x)*ones(m)"),
    ("ones(m,n)*ones(n,k)", "n*ones(m,k)"),
    ("zeros(m,n)*C", "zeros(m,n)"),
    ("diag(x)*y", "x .* y"),
    ("x'*x", "norm2(x)^2"),
    ("x'*C*x", "x'*C*x"),
    ("sum(x .* x)", "norm2(x)^2"),
    ("ones(1,n)*x", "sum(x)"),
    # reductions
    ("sum(u*x')", "sum(u)*sum(x)"),
    ("sum(A*ones(n,k))", "sum(ones(k))*sum(A)"),
    ("sum(A')", "sum(A)"),
    ("sum(ones(m,n))", "m*n"),
    ("sum(softmax(x))", "1"),
    ("sum(diag(x))", "sum(x)"),
    ("sum(eye(n))", "n"),
    ("tr(u*u')", "norm2(u)^2"),
    ("tr(eye(n))", "n"),
    ("tr(ones(n,n))", "n"),
    ("tr(C + 2*D)", "2*tr(D) + tr(C)"),
    ("norm2(-3*x)", "3*norm2(x)"),
    ("norm2(a*x)", "norm2(x)*abs(a)"),
    ("norm2(norm2(y)*x)", "norm2(x)*norm2(y)"),
    ("norm2(A')", "norm2(A)"),
    ("norm2(ones(m,n))", "sqrt(m)*sqrt(n)"),
    ("diagvec(diag(x))", "x"),
    ("diagvec(x*y')", "x .* y"),
    ("diagvec(C')", "diagvec(C)"),
    ("diagvec(C + eye(n))", "diagvec(C) + 1"),
    ("diag(ones(n))", "eye(n)"),
    ("det(eye(n))", "1"),
    ("logdet(eye(n))", "0"),
    # transposes
    ("(A*C)'", "C'*A'"),
    ("(A' + B')'", "A + B"),
    ("(A + B)'", "(A + B)'"),
    ("(x*x' + eye(n))'", "x*x' + eye(n)"),
    ("diag(x)'", "diag(x)"),
    # a size of 1 makes a scalar, a single row a row
    ("ones(1,1)", "1"),
    ("eye(1)", "1"),
    ("t*t", "t^2"),
    ("rowsum(R)", "sum(R)"),
    ("rowlogsumexp(R)", "logsumexp(R)"),
    ("rowlogsumexp(x)", "x"),
    ("rowsoftmax(x)", "ones(n)"),
    ("softmax(R)", "softmax(R')'"),
    ("sum(softmax(R))", "1"),
]


@pytest.mark.parametrize(("text", "expected"), REWRITTEN)
def test_constructors_rewrite(text: str, expected: str) -> None:
    assert TEXT(read_formula(text, SHAPES).expr) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build.add(A, C), "a sum of shapes mxn and nxn"),
        (lambda: build.hadamard(A, Transpose(A)), "elementwise product of mxn and nxm"),
        (lambda: build.product(A, B), "inner sizes differ: a mxn matrix times a mxn matrix"),
        (lambda: build.inverse(A), "the inverse of a mxn matrix"),
        (lambda: build.inverse(build.zeros(n, n)), "the inverse of a nxn matrix"),
        (lambda: build.power(build.zeros(m, n), -1), "not finite at 0"),
        (lambda: build.power(Identity(n), -1), "not finite at 0"),
        (lambda: build.elementwise(sympy.log(U), Identity(n)), "not finite at 0"),
        (lambda: build.add(x, a), "a sum of shapes nx1 and scalar"),
    ],
)
def test_what_does_not_fit_is_an_error(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_function_of_more_than_its_argument_is_refused() -> None:
    with pytest.raises(RefusedError, match="no elementwise function"):
        build.elementwise(sympy.sin(a * U), x)


def test_a_coefficient_leaves_integer_powers_alone() -> None:
    scaled = build.scale(a, x)
    assert build.power(scaled, Integer(2)) == build.scale(a**2, nodes.Elementwise(U**2, x))
    root = build.power(scaled, Rational(1, 2))
    assert root == nodes.Elementwise(sympy.sqrt(U), scaled)


def test_fusion_keeps_what_is_not_an_identity() -> None:
    relu, step, sign, absolute = (
        f(U) for f in (scalars.relu, scalars.step, scalars.sign, scalars.absolute)
    )
    assert build.fused(relu * step) == relu
    assert build.fused(step / relu) == step / relu
    assert build.fused(absolute * sign) == U
    assert build.fused(absolute * sign**2) == absolute * sign**2
    assert build.fused(relu + step) == relu + step


def test_scalars_pass_through_the_constructors() -> None:
    assert build.product(a, A, b, x) == build.scale(a * b, nodes.Product(A, x))
    assert build.product(a, b) == a * b
    assert build.total(a) == build.trace(a) == build.diagonal(a) == build.diag(a) == a
    assert build.hadamard(a, b) == build.frobenius(a, b) == a * b
    assert build.norm2(a) == scalars.absolute(a)
    assert build.inverse(a) == 1 / a
    assert build.transpose(a) == a
    assert build.softmax(a) == build.row_softmax(a) == 1
    assert build.log_sum_exp(a) == build.row_log_sum_exp(a) == build.row_maximum(a) == a
    assert build.determinant(a) == a


def test_rows_have_a_largest_entry() -> None:
    row = MatrixSymbol("r", 1, n)
    assert build.row_maximum(A) == nodes.RowMaximum(A)
    assert build.row_maximum(row) == nodes.Maximum(row)
    assert build.row_maximum(x) == x


def test_frobenius_of_an_outer_product_is_a_chain() -> None:
    outer = build.product(u, build.transpose(x))
    assert TEXT(build.frobenius(build.scale(a, outer), A)) == "a*u'*A*x"
    assert TEXT(build.frobenius(A, outer)) == "u'*A*x"
    assert TEXT(build.frobenius(A, B)) == "sum(A .* B)"


def test_replace_goes_through_the_constructors_and_stops_at_what_it_replaces() -> None:
    expr = build.product(A, build.add(x, y))
    assert build.replace(expr, {A: build.zeros(m, n)}) == build.zeros(m, 1)
    assert build.replace(expr, {x: build.scale(-1, y)}) == build.zeros(m, 1)
    assert build.replace(expr, {build.add(x, y): x, x: y}) == nodes.Product(A, x)
    assert build.replace(expr, {}) is expr


def test_transform_rebuilds_every_kind_of_node(formulas: Any) -> None:
    expr = read_formula("tr(inv(C)*diag(softmax(x)))*norm2(A)^2 + logdet(C)", SHAPES).expr
    renamed = {C: D, x: y, A: B}
    moved = build.transform(expr, lambda node: renamed.get(node, node))
    expected = read_formula("tr(inv(D)*diag(softmax(y)))*norm2(B)^2 + logdet(D)", SHAPES).expr
    assert moved == expected


# --- The value stays -----------------------------------------------------------------------------


@settings(max_examples=250)
@given(data=st.data())
def test_construction_keeps_the_value(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    """A formula's text and the text of the expression built from it have one value."""
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
    except ChainRuleError:
        assume(False)
    printed = TEXT(formula.expr)
    point = drawn.point(formula, lambda values: evaluate(drawn.text, values, drawn.sizes))
    assume(point is not None)
    expected = evaluate(drawn.text, point, drawn.sizes)
    got = evaluate(printed, point, drawn.sizes)
    assert got.shape == ()
    assert abs(got - expected) <= 1e-8 * max(1, abs(expected)), printed


@settings(max_examples=100)
@given(data=st.data())
def test_construction_is_canonical_and_deterministic(data: st.DataObject, formulas: Any) -> None:
    """Reading twice gives one object; building every node again changes nothing."""
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
    except ChainRuleError:
        assume(False)
    assert drawn.read().expr == formula.expr
    assert build.transform(formula.expr, lambda node: node) == formula.expr
    for node in postorder(formula.expr):
        if operands(node):
            rebuilt = build.rebuild(node, operands(node))
            assert shape_of(rebuilt) == shape_of(node)
            assert rebuilt == node, f"{TEXT(node)} becomes {TEXT(rebuilt)}"
        assert not is_matrix(node) or shape_of(node) != (1, 1)


def test_the_generator_of_formulas_is_good(formulas: Any, evaluate: Callable[..., Any]) -> None:
    """Most formulas are read and have points; all elementwise functions and reductions occur."""
    seen: list[str] = []

    @settings(max_examples=200, database=None, derandomize=True)
    @given(drawn=formulas())
    def collect(drawn: Any) -> None:
        try:
            formula = drawn.read()
        except ChainRuleError:  # a division by what is always 0
            return
        if drawn.point(formula, lambda v: evaluate(drawn.text, v, drawn.sizes)) is not None:
            seen.append(drawn.text)

    collect()
    assert len(seen) > 150
    words = ("logsumexp", "inv", "diag", "sigmoid", "rowsoftmax")
    assert [word for word in words if not any(word in text for text in seen)] == []
    assert np.median([len(text) for text in seen]) > 15
