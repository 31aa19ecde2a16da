"""Nodes: unique, of stored shape, and good SymPy citizens."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sympy
from sympy import Integer, MatrixSymbol, Symbol
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build import transform
from derive.errors import InputError
from derive.exact import entries_of
from derive.graph import is_matrix, operands, postorder, shape_of, weight
from derive.language import read_formula
from derive.operations import OPERATIONS
from derive.scalars import U
from derive.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = sorted({text for row in OPERATIONS.values() for text in row.examples})
EACH_TEXT = pytest.mark.parametrize("text", TEXTS)


def own_nodes(text: str) -> list[Any]:
    return [node for node in postorder(read_formula(text).expr) if isinstance(node, Stored)]


@EACH_TEXT
def test_node_is_made_again_from_its_arguments(text: str) -> None:
    for node in own_nodes(text):
        assert node.func(*node.args) is node


@EACH_TEXT
def test_node_survives_copying(text: str) -> None:
    for node in own_nodes(text):
        assert copy.deepcopy(node) == node
        assert pickle.loads(pickle.dumps(node)) == node


@EACH_TEXT
def test_node_is_printed_and_evaluates_to_itself(text: str) -> None:
    for node in own_nodes(text):
        assert node.doit() is node
        assert str(node)
        assert sympy.latex(node)
        assert sympy.pretty(node)
        assert U not in node.free_symbols


@EACH_TEXT
def test_shape_and_entries_are_those_of_the_text(text: str, evaluate: Callable[..., Any]) -> None:
    """At distinct integer sizes: the explicit matrix is what NumPy makes of the text."""
    symbolic = read_formula(text)
    numbers = dict(zip(symbolic.sizes, (2, 3, 4, 5), strict=False))
    shapes = {
        name: ",".join(str(size.subs(numbers)) for size in variable.shape)
        for name, variable in symbolic.variables.items()
        if is_matrix(variable)
    }
    formula = read_formula(text, shapes)
    rng = np.random.default_rng(3)
    values = {
        name: rng.uniform(0.2, 0.9, [*map(int, shape_of(v))])
        for name, v in formula.variables.items()
    }
    expected = evaluate(text, values, {str(size): number for size, number in numbers.items()})
    assert shape_of(formula.expr) == expected.shape
    if not isinstance(formula.expr, Stored):
        return
    found, entries = formula.expr.as_explicit(), {}
    for name, variable in formula.variables.items():
        symbols = entries_of(variable, {})
        entries |= dict(zip(np.ravel(np.array(symbols)), np.ravel(values[name]), strict=True))
    got = np.array(found.subs(entries).evalf(), dtype=float).reshape(expected.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    if is_matrix(formula.expr):
        assert formula.expr[0, 0] == found[0, 0]


def test_entries_need_sizes_that_are_numbers() -> None:
    node = nodes.Trace(MatrixSymbol("A", *[Symbol("n", integer=True, positive=True)] * 2))
    with pytest.raises(InputError, match="'n' has no number"):
        node.as_explicit()


def test_equal_nodes_are_one_object() -> None:
    A, x = MatrixSymbol("A", 3, 3), MatrixSymbol("x", 3, 1)
    assert nodes.Product(A, x) is nodes.Product(MatrixSymbol("A", 3, 3), x)
    assert nodes.Product(A, x) != nodes.Product(A, A)
    assert nodes.Elementwise(sympy.exp(U), x) is nodes.Elementwise(sympy.exp(U), x)
    assert nodes.Total(x) != nodes.Norm2(x)


def test_functionals_are_real_commutative_scalars() -> None:
    x, a = MatrixSymbol("x", 3, 1), Symbol("a", real=True)
    total, norm = nodes.Total(x), nodes.Norm2(x)
    assert total.is_real
    assert total * a * norm == norm * total * a
    assert norm.is_nonnegative
    assert (total * norm).func is sympy.Mul


def layers(count: int, factor: Any) -> Any:
    x = MatrixSymbol("x", 3, 1)
    node = x
    for _ in range(count):
        node = nodes.MatrixSum(nodes.Elementwise(sympy.tanh(U), nodes.Product(factor, node)), x)
    return node


@pytest.mark.parametrize(
    "operation", [lambda t: 2**t, lambda t: -(3 ** (2 * t)), sympy.factor_terms, sympy.simplify]
)
def test_sympy_does_not_look_into_a_functional(operation: Callable[[Any], Any]) -> None:
    """Its scalar algebra would split coefficients from matrices, and multiply by its own rules."""
    functional = read_formula("crossentropy(softmax(x/(2*(1 + abs(a)))), x)").expr
    assert operation(functional).xreplace({functional: Integer(1)}).is_Number


def test_a_thousand_layers_are_no_recursion() -> None:
    """Two thousand nodes that all share x, made twice: equality and hashes stay cheap."""
    W = MatrixSymbol("W", 3, 3)
    one, two = layers(1000, W), layers(1000, W)
    assert one is two
    assert one != layers(999, W)
    assert one.shape == (3, 1)
    assert len(postorder(one)) == 3002
    assert transform(one, lambda node: node) is one


def test_weight_counts_what_is_printed() -> None:
    a, x = Symbol("a", real=True), MatrixSymbol("x", 3, 1)
    assert weight(Integer(1)) == 0
    assert weight(x) == weight(a) == 1
    assert weight(Transpose(x)) == 2
    assert weight(nodes.Product(x, Transpose(x))) == 4
    assert weight(a + nodes.Total(x)) == 4
    scalar = a
    for _ in range(40):
        scalar = scalar + sympy.sin(scalar)
    assert weight(scalar) > 2**40  # as a tree, though there are 81 nodes


def test_operands_are_what_a_derivative_flows_through() -> None:
    x = MatrixSymbol("x", 3, 1)
    assert operands(x) == operands(sympy.Identity(3)) == operands(sympy.OneMatrix(2, 2)) == ()
    assert operands(nodes.Elementwise(sympy.exp(U), x)) == (x,)


def test_postorder_stops_at_leaves() -> None:
    x = MatrixSymbol("x", 3, 1)
    inner = nodes.Elementwise(sympy.exp(U), x)
    outer = nodes.Total(inner)
    assert postorder(outer) == [x, inner, outer]
    assert postorder(outer, leaves={inner}) == [inner, outer]
