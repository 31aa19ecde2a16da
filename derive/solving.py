"""Inverses in code: applied by solving, formed where they are needed themselves or many times.

A factorisation takes ⅔·n³ multiplications and additions, an inverse 8/3·n³: up to three systems
cost less than the inverse, and their solutions have the smaller error.

Contract: products have two factors (``derive.sharing.binarised``).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sympy.matrices.expressions import MatrixExpr, Transpose

from derive.build import transpose, with_operands
from derive.diagonals import is_inverse, turned
from derive.graph import operands, postorder
from derive.nodes import Product, Trace
from derive.stored import Stored
from derive.traces import sum_of_products

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Solution", "solved"]

MAX_SYSTEMS = 3  # with one matrix, above which its inverse is cheaper


class Solution(Stored, MatrixExpr):
    """The solution X of A·X = B."""

    name = "solve"

    def __new__(cls, a: Any, b: Any) -> Any:
        return cls._make(b.shape, a, b)


def solved(exprs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Write products with an inverse as solutions, unless the inverse is needed itself.

    Of the expressions, those that are outputs are returned from the code; others only have names.

    >>> from derive.language import read_formula
    >>> exprs = [read_formula("inv(A)*b", {"b": "n"}).expr]
    >>> solved(exprs, exprs)
    [solve(A, b)]
    """
    order = postorder(*exprs)
    formed = _formed(postorder(*outputs), outputs)
    done: dict[Any, Any] = {}
    for node in order:
        inside = tuple(done[operand] for operand in operands(node))
        done[node] = _rewritten(node, inside, formed)
    return [done[expr] for expr in exprs]


def _rewritten(node: Any, inside: tuple[Any, ...], formed: set[Any]) -> Any:
    if isinstance(node, Trace) and isinstance(node.args[0], Product):
        left = node.args[0].factors[0]
        if is_inverse(left) and _core(left) in formed and isinstance(inside[0], Product):
            return sum_of_products(*inside[0].args)
    found = _system(node)
    if found is None or found[0] in formed:
        return with_operands(node, inside)
    inverse, is_left = found[0], is_inverse(node.args[0])
    factor = node.args[0 if is_left else 1]
    # Y·inv(A) is (inv(A)'·Y')'
    straight = isinstance(factor, Transpose) != is_left
    a = _core(inside[0 if is_left else 1]).args[0]
    if not straight and transpose(inverse.args[0]) != inverse.args[0]:
        a = turned(a)
    return Solution(a, inside[1]) if is_left else turned(Solution(a, turned(inside[0])))


def _core(factor: Any) -> Any:
    return factor.args[0] if isinstance(factor, Transpose) else factor


def _system(node: Any) -> tuple[Any, bool, Any] | None:
    """Return the inverse that a product of two applies, its orientation, and to what."""
    if not isinstance(node, Product) or len(node.factors) != 2 or node.coefficient != 1:
        return None
    left, right = node.factors
    if is_inverse(left):
        return _core(left), isinstance(left, Transpose), right
    if is_inverse(right):
        return _core(right), not isinstance(right, Transpose), turned(left)
    return None


def _formed(order: Sequence[Any], outputs: Sequence[Any]) -> set[Any]:
    """Find the inverses that are needed themselves, or for too many systems."""
    formed = {_core(output) for output in outputs if is_inverse(output)}
    systems: dict[Any, set[Any]] = defaultdict(set)
    for node in order:
        found = _system(node)
        if found is not None:
            inverse, turn, other = found
            systems[inverse].add((turn, other))
            if is_inverse(other):
                formed.add(_core(other))
        elif not isinstance(node, Transpose):
            formed.update(_core(o) for o in operands(node) if is_inverse(o))
    return formed | {inverse for inverse, of in systems.items() if len(of) > MAX_SYSTEMS}
