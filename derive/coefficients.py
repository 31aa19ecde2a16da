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
    users: dict[Any, list[Any]] = defaultdict(list)
    for node in order:
        for operand in operands(node):
            users[operand].append(node)
    best: tuple[int, Any, Container[Any]] = (0, None, ())
    for node in _carriers(order, exprs[:count], products, users):
        through = _products_with(node, products, users)
        saved = sum(cost_to_scale(list(product.factors))[1] for product in through)
        saved -= entries(*node.shape)
        if through and saved > best[0]:
            best = saved, node, through
    return list(exprs) if best[1] is None else _moved(exprs, coefficient, *best[1:])


def _carriers(
    order: Sequence[Any],
    outputs: Container[Any],
    products: Container[Any],
    users: Mapping[Any, Sequence[Any]],
) -> list[Any]:
    """List the computed matrices that only products with the coefficient are made of."""
    found: dict[Any, None] = {}
    for node in reversed(order):
        if node in outputs or not is_matrix(node) or not users[node]:
            continue
        if all(user in products or (user in found and _is_linear(user)) for user in users[node]):
            found[node] = None
    return [n for n in found if operands(n) and not isinstance(n, Transpose) and not is_inverse(n)]


def _is_linear(node: Any) -> bool:
    """Say whether a multiple of an operand makes a multiple of the node."""
    is_plain = isinstance(node, Product) and node.coefficient == 1
    return is_plain or isinstance(node, (Hadamard, Transpose))


def _products_with(
    node: Any, products: Container[Any], users: Mapping[Any, Sequence[Any]]
) -> set[Any]:
    """Return the products that a node makes multiples of, none where it is in one twice."""
    above = {node}
    stack = [node]
    while stack:
        for user in users[stack.pop()]:
            if user not in above:
                above.add(user)
                stack.extend(() if user in products else (user,))
    for user in above - {node}:
        if sum(operand in above for operand in operands(user)) != 1:
            return set()
    return {user for user in above if user in products}


def _moved(
    exprs: Sequence[Any], coefficient: Any, into: Any, products: Container[Any]
) -> list[Any]:
    done: dict[Any, Any] = {}
    for node in postorder(*exprs):
        new = with_operands(node, tuple(done[operand] for operand in operands(node)))
        if node in products:
            new = times(ONE, list(new.factors))
        done[node] = times(coefficient, [new]) if node is into else new
    return [done[expr] for expr in exprs]
