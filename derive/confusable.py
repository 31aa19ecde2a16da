"""Values that people take for one another: of the same shape, or a function's input and output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympy import MatrixSymbol
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build import transpose
from derive.graph import is_matrix, operands, postorder, shape_of, weight
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Change", "alike", "mention", "named", "related", "values_of"]

NAMED_WEIGHT = 40  # what is longer is not repeated in a sentence


@dataclass(frozen=True)
class Change:
    """One changed expression: the mistake's name, what a teacher would say, and the expression."""

    name: str
    said: str
    expr: Any


def values_of(*exprs: Any) -> list[Any]:
    """List the values in expressions that may be taken for one another, variables first."""
    found = [
        node
        for node in postorder(*exprs)
        if isinstance(node, MatrixSymbol) or (is_matrix(node) and operands(node))
    ]
    return sorted(found, key=weight)


def named(expr: Any) -> str:
    """Print an expression for a sentence, "" where it is too long."""
    return TEXT(expr) if weight(expr) <= NAMED_WEIGHT else ""


def related(a: Any, b: Any) -> bool:
    """Say whether one value is a function's input and the other its output.

    >>> from derive.language import read_formula
    >>> formula = read_formula("log(1 + exp(X))")
    >>> related(formula.expr, formula.variables["X"])
    True
    """
    turned = transpose(b) if is_matrix(b) else b
    pairs = ((a, b), (b, a), (a, turned), (turned, a))
    return any(_is_output(out, z) for out, z in pairs)


def _is_output(out: Any, z: Any) -> bool:
    """Say whether a value is made from another alone, entry by entry or by a function."""
    if not is_matrix(out) or not is_matrix(z) or out == z:
        return False
    if isinstance(out, Transpose):
        out, z = transpose(out), transpose(z)
    stack = [out]
    while stack:
        node = stack.pop()
        if node == z or not node.free_symbols & _matrices(out):
            continue
        if not isinstance(node, _ENTRYWISE) or (
            isinstance(node, nodes.Product) and len(node.factors) > 1
        ):
            return False
        stack += [operand for operand in operands(node) if is_matrix(operand)]
    return z in postorder(out)


def _matrices(out: Any) -> set[Any]:
    """Return the matrices in a value."""
    return {node for node in postorder(out) if isinstance(node, MatrixSymbol)}


_ENTRYWISE = (
    nodes.Elementwise,
    nodes.Softmax,
    nodes.RowSoftmax,
    nodes.MatrixSum,
    nodes.Hadamard,
    nodes.Product,
)


def alike(operand: Any, values: Iterable[Any]) -> Iterator[Any]:
    """Yield the values of an operand's shape, transposed ones where it has the other."""
    for value in values:
        if shape_of(value) == shape_of(operand):
            yield value
        if is_matrix(operand) and is_matrix(value) and operand.shape == value.shape[::-1]:
            turned = transpose(value)
            if turned != value and operand.shape != (1, 1):
                yield turned


def mention(kind: str, expr: Any, tail: str) -> str:
    """Say something of a part of an expression, by its text where that is short.

    >>> from sympy import Symbol
    >>> mention("term", Symbol("a"), "is missing")
    'the term a is missing'
    """
    text = named(expr)
    return f"the {kind} {text} {tail}" if text else f"a {kind} {tail}"
