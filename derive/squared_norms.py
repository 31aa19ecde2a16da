"""Squared norms in code: Σ a_ij², of which no root is taken to be squared again."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sympy import Pow, S

from derive.build import with_operands
from derive.functionals import Functional
from derive.graph import operands, postorder
from derive.nodes import Norm2

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SquaredNorm", "squared", "with_squared_norms"]


class SquaredNorm(Functional):
    """The sum of the squares of all entries."""

    name = "sum of squares"
    is_nonnegative = True


def with_squared_norms(exprs: Sequence[Any]) -> list[Any]:
    """Write powers of a norm as powers of its square, where all are even and others than 2."""
    order = postorder(*exprs)
    exponents: dict[Any, set[Any]] = defaultdict(set)
    for node in order:
        is_power = isinstance(node, Pow) and isinstance(node.base, Norm2)
        if is_power:
            exponents[node.base].add(node.exp)
        for operand in () if is_power else operands(node):
            exponents[operand].add(S.One)
    for expr in exprs:
        exponents[expr].add(S.One)
    even = {base for base, found in exponents.items() if found != {2} and _are_even(found)}
    done: dict[Any, Any] = {}
    for node in order:
        new = with_operands(node, tuple(done[operand] for operand in operands(node)))
        done[node] = Pow(SquaredNorm(*new.args), S.Half) if node in even else new
    return [done[expr] for expr in exprs]


def _are_even(exponents: set[Any]) -> bool:
    return all(exponent.is_even for exponent in exponents)


def squared(node: Any) -> Any:
    """Return the matrix of which a node sums the squares, None of another node."""
    if isinstance(node, SquaredNorm):
        return node.args[0]
    is_square = isinstance(node, Pow) and isinstance(node.base, Norm2) and node.exp == 2
    return node.base.args[0] if is_square else None
