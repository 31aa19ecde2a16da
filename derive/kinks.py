"""Where a formula is not smooth: what has a kink or a jump at zero, and what must be invertible."""

from __future__ import annotations

from typing import Any

import sympy

from derive import scalars
from derive.build import elementwise
from derive.graph import operands, postorder
from derive.nodes import Determinant, Elementwise, Inverse, LogDet, Norm2

__all__ = ["inverted", "kinks"]

_KINKED = tuple(row.function for row in scalars.FUNCTIONS.values() if row.kink)


def kinks(expr: Any) -> tuple[Any, ...]:
    """Return the arguments of relu, abs, sign and step, and the norms, in an expression.

    A norm has its kink where its argument vanishes; an even power of a norm has none.

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
    kinds = (Determinant, Inverse, LogDet)
    return tuple(dict.fromkeys(node.args[0] for node in postorder(expr) if isinstance(node, kinds)))


def _even_power(node: Any) -> bool:
    return isinstance(node, sympy.Pow) and bool(node.exp.is_even) and bool(node.exp.is_positive)
