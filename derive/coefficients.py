"""Coefficients in code: multiplied once, into what all products that have one are made of.

The gradients of a mean are products with 1/N, of a residual and of what is computed from it. Each
can be divided by N where that is cheapest for itself (``derive.sharing``); often it is cheaper for
all of them that the residual is.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sympy import Integer
from sympy.matrices.expressions import Transpose

from derive.build import with_operands
from derive.chain_order import entries
from derive.diagonals import is_inverse, times
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Hadamard, Product
from derive.sharing import cost_to_scale

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

__all__ = ["with_coefficients_moved"]

ONE = Integer(1)
MAX_COEFFICIENTS = 8
MAX_PRODUCTS = 50  # with one coefficient, above which they are left as they are
MAX_CARRIERS = 300  # matrices that it could go into, above which it is left where it is


def with_coefficients_moved(exprs: Sequence[Any], count: int) -> list[Any]:
    """Move coefficients into a common factor; of the expressions, the first are returned."""
    scaled: dict[Any, list[Any]] = defaultdict(list)
    for node in postorder(*exprs[:count]):
        if isinstance(node, Product) and node.coefficient not in (ONE, -ONE):
            scaled[node.coefficient].append(node)
    moved = list(exprs)
    for coefficient in list(scaled)[:MAX_COEFFICIENTS]:
        moved = _with_one_moved(moved, count, coefficient)
    return moved


def _with_one_moved(exprs: Sequence[Any], count: int, coefficient: Any) -> list[Any]:
    order = postorder(*exprs[:count])
    products = {n for n in order if isinstance(n, Product) and n.coefficient == coefficient}
    if len(products) > MAX_PRODUCTS:
        return list(exprs)
    users = _carrying_users(order, exprs[:count], products)
    best: tuple[int, Any, set[Any]] = (0, None, set())
    for node in users if len(users) <= MAX_CARRIERS else ():
        if operands(node) and not isinstance(node, Transpose) and not is_inverse(node):
            above = _above(node, products, users)
            costs = [cost_to_scale(list(p.factors))[1] for p in above if p in products]
            saved = sum(costs) - entries(*node.shape)
            if saved > best[0]:
                best = saved, node, above
    return list(exprs) if best[1] is None else _moved(exprs, coefficient, *best[1:], products)


def _carrying_users(
    order: Sequence[Any], outputs: Container[Any], products: Container[Any]
) -> dict[Any, list[Any]]:
    """List by matrix what passes its coefficient on, to products that have one and to no others."""
    all_users: dict[Any, list[Any]] = defaultdict(list)
    for node in order:
        for operand in operands(node):
            all_users[operand].append(node)
    found: dict[Any, list[Any]] = {}
    carriers: set[Any] = set()
    for node in reversed(order):
        users = [user for user in all_users[node] if user in products or user in carriers]
        if users and is_matrix(node):
            found[node] = users
            if len(users) == len(all_users[node]) and node not in outputs and _is_linear(node):
                carriers.add(node)
    return found


def _is_linear(node: Any) -> bool:
    """Say whether a multiple of an operand makes a multiple of the node."""
    is_plain = isinstance(node, Product) and node.coefficient == 1
    return is_plain or isinstance(node, (Hadamard, Transpose))


def _above(node: Any, products: Container[Any], users: Mapping[Any, Sequence[Any]]) -> set[Any]:
    """Return what a multiple of a node makes multiples of; nothing where it is in it twice."""
    above: set[Any] = set()
    stack = [node]
    while stack:
        for user in users[stack.pop()]:
            if user not in above:
                above.add(user)
                stack.extend(() if user in products else (user,))
    for user in above:
        if sum(operand is node or operand in above for operand in operands(user)) != 1:
            return set()
    return above


def _moved(
    exprs: Sequence[Any],
    coefficient: Any,
    into: Any,
    above: Container[Any],
    products: Container[Any],
) -> list[Any]:
    done: dict[Any, Any] = {}
    for node in postorder(*exprs):
        inside = [done[operand] for operand in operands(node)]
        if node in above:
            inside = [
                times(coefficient, [new]) if old is into else new
                for old, new in zip(operands(node), inside, strict=True)
            ]
        new = with_operands(node, tuple(inside))
        if node in above and node in products:
            new = times(ONE, list(new.factors))
        done[node] = new
    return [done[expr] for expr in exprs]
