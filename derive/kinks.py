"""Where a formula is not smooth: what has a kink or a jump at zero, and what must be invertible."""

from __future__ import annotations

from typing import Any

import sympy

from derive import scalars
from derive.build import (
    add,
    elementwise,
    first_maximum,
    maximum,
    minimum,
    scale,
    stretch,
    subtract,
)
from derive.graph import operands, postorder
from derive.nodes import (
    Adjugate,
    Determinant,
    Elementwise,
    EntrywiseMaximum,
    EntrywiseMinimum,
    Inverse,
    LogDet,
    Maximum,
    Minimum,
    Norm2,
    PseudoInverse,
)

__all__ = ["inverted", "kinks"]

_OF_TWO = (EntrywiseMaximum, EntrywiseMinimum, scalars.maximum, scalars.minimum)
_KINKED = tuple(row.function for row in scalars.FUNCTIONS.values() if row.kink)


def kinks(expr: Any) -> tuple[Any, ...]:
    """Return the arguments of relu, abs, sign and step, and the norms, in an expression.

    A norm has its kink where its argument vanishes; an even power of a norm has none. The larger of
    two has its kinks where they are equal, a largest entry where another one is as large.

    >>> from derive.language import read_formula
    >>> kinks(read_formula("norm2(relu(W*x))^2").expr), kinks(read_formula("norm2(x)").expr)
    ((W*x,), (norm2(x),))
    """
    order = postorder(expr)
    found: dict[Any, None] = {}
    for node in order:
        if isinstance(node, Elementwise):
            for call in node.function.atoms(*_KINKED):
                found[elementwise(call.args[0], node.matrix)] = None
        elif isinstance(node, _KINKED):
            found[node.args[0]] = None
        elif isinstance(node, _OF_TWO):
            found[subtract(*node.args)] = None
        elif isinstance(node, (Maximum, Minimum)):
            sign = 1 if isinstance(node, Maximum) else -1
            found[_lead(scale(sympy.Integer(sign), node.args[0]))] = None
        for operand in operands(node):
            if isinstance(operand, Norm2) and not _even_power(node):
                found[operand] = None
    if isinstance(expr, Norm2):
        found[expr] = None
    return tuple(found)


def inverted(expr: Any) -> tuple[Any, ...]:
    """Return the matrices that an expression or its gradient inverts.

    >>> from derive.language import read_formula
    >>> inverted(read_formula("logdet(X'*X)").expr)
    (X'*X,)
    """
    kinds = (Adjugate, Determinant, Inverse, LogDet, PseudoInverse)
    return tuple(dict.fromkeys(node.args[0] for node in postorder(expr) if isinstance(node, kinds)))


def _lead(matrix: Any) -> Any:
    """Return by how much every entry is larger than the largest of the others.

    That is x − max(x) but for the first largest entry, which leads the second largest: the largest
    of what remains when it is made smaller than all others.
    """
    first, largest = first_maximum(matrix), maximum(matrix)
    rest = subtract(matrix, scale(subtract(largest, minimum(matrix)) + 1, first))
    lead = scale(subtract(largest, maximum(rest)), first)
    return add(matrix, scale(sympy.S.NegativeOne, stretch(largest, *matrix.shape)), lead)


def _even_power(node: Any) -> bool:
    return isinstance(node, sympy.Pow) and bool(node.exp.is_even) and bool(node.exp.is_positive)
