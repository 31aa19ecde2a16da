"""An expression as a graph: the operands of a node, and an order in which to visit them.

All traversals of the program are loops over ``postorder``; depth costs no stack.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Integer, MatrixSymbol, Symbol

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["is_matrix", "operands", "postorder", "shape_of", "symbol_like", "weight"]

ONE = Integer(1)


def is_matrix(expr: Any) -> bool:
    """Say whether an expression is a matrix and not a scalar."""
    return bool(getattr(expr, "is_Matrix", False))


def shape_of(expr: Any) -> tuple[Any, ...]:
    """Return the shape of a matrix, and () of a scalar."""
    return tuple(expr.shape) if is_matrix(expr) else ()


def symbol_like(name: str, expr: Any) -> Any:
    """Return a symbol of an expression's shape.

    >>> symbol_like("z", MatrixSymbol("x", 3, 1)).shape, symbol_like("t", ONE).is_real
    ((3, 1), True)
    """
    return MatrixSymbol(name, *expr.shape) if is_matrix(expr) else Symbol(name, real=True)


_LEAVES = (
    *(MatrixSymbol, sympy.Identity, sympy.ZeroMatrix, sympy.OneMatrix),
    *(sympy.Indexed, sympy.KroneckerDelta, sympy.Piecewise),
)


def operands(node: Any) -> tuple[Any, ...]:
    """Return the arguments through which a derivative flows: no sizes, no bound functions."""
    own: tuple[Any, ...] | None = getattr(node, "operands", None)
    if own is not None:
        return own
    if isinstance(node, _LEAVES):
        return ()
    if isinstance(node, sympy.Sum):
        return (node.function,)
    return tuple(node.args)


def postorder(*roots: Any, leaves: Container[Any] = ()) -> list[Any]:
    """List every distinct node below the roots, operands before the nodes that use them.

    Nothing below a node in ``leaves`` is visited for its sake.
    """
    order: list[Any] = []
    seen: set[Any] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            if node not in leaves:
                stack.extend((child, False) for child in reversed(operands(node)))
    return order


def weight(expr: Any) -> int:
    """Count the nodes of an expression, the measure of how long it prints."""
    stored = getattr(expr, "_weight", None)
    if stored is not None:
        return int(stored)
    if _inside(expr):
        return _weight_of_scalar(expr)
    return 0 if expr is ONE else 1


@lru_cache(maxsize=1 << 15)
def _weight_of_scalar(expr: Any) -> int:
    """Count a scalar's nodes, or a transpose's, down to the nodes that know their weight."""
    known: dict[Any, int] = {}
    stack = [expr]
    while stack:
        node = stack[-1]
        inside = [arg for arg in node.args if _inside(arg)]
        missing = [arg for arg in inside if arg not in known]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        known[node] = 1 + sum(known[arg] if _inside(arg) else weight(arg) for arg in node.args)
    return known[expr]


def _inside(expr: Any) -> bool:
    """Say whether a scalar's weight is not known at once."""
    return bool(expr.args) and not hasattr(expr, "_weight") and not isinstance(expr, MatrixSymbol)
