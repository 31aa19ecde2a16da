"""A product with a sum of products in code: multiplied out where that costs less.

(A'·A + B'·B)·x takes two products of matrices; A'·(A·x) + B'·(B·x) takes none. What is shortest to
read is not always cheapest to compute.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sympy import Integer

from derive.build import split, transpose, with_operands
from derive.chain_order import entries, product_cost, sizes_of
from derive.diagonals import times
from derive.graph import operands, postorder
from derive.nodes import MatrixSum, Product

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["multiplied_out"]

GAIN = 4  # times as cheap; below that, one product with a sum is preferred
MAX_TERMS = 8
ONE = Integer(1)


def multiplied_out(exprs: Sequence[Any]) -> list[Any]:
    """Multiply products with sums out where that saves multiplications several times.

    >>> from derive.language import read_formula
    >>> shapes = dict.fromkeys("xyzw", "n") | {"B": "n,n"}
    >>> multiplied_out([read_formula("(x*y' + z*w')*B", shapes).expr])
    [x*y'*B + z*w'*B]
    """
    order = postorder(*exprs)
    uses = Counter(map(_key, exprs))
    uses.update(_key(operand) for node in order for operand in operands(node))
    done: dict[Any, Any] = {}
    for node in order:
        found = _multiplied(node, uses) if isinstance(node, Product) else None
        inside = operands(node if found is None else found)
        if found is None:
            done[node] = with_operands(node, tuple(done[operand] for operand in inside))
        else:
            done[node] = _replaced(found, done)
    return [done[expr] for expr in exprs]


def _replaced(expr: Any, done: dict[Any, Any]) -> Any:
    """Put in what was made of the nodes inside a new expression."""
    for node in postorder(expr, leaves=done):
        if node not in done:
            done[node] = with_operands(node, tuple(done[operand] for operand in operands(node)))
    return done[expr]


def _key(node: Any) -> Any:
    return frozenset(node.args) if isinstance(node, MatrixSum) else node


def _is_shared(total: Any, uses: Counter[Any]) -> bool:
    """Say whether a sum, or its transpose, is used elsewhere too."""
    return sum(uses[key] for key in {_key(total), _key(transpose(total))}) > 1


def _multiplied(node: Any, uses: Counter[Any]) -> Any:
    """Return a product multiplied out, None where that is not much cheaper."""
    factors = list(node.factors)
    for place, factor in enumerate(factors if len(factors) > 1 else ()):
        if not isinstance(factor, MatrixSum) or len(factor.args) > MAX_TERMS:
            continue
        if _is_shared(factor, uses):
            continue
        terms = _terms(factor)
        together = product_cost(sizes_of(factors)) + entries(*factor.shape)
        together += sum(_cost(chain) for _, chain in terms)
        whole = [(c, [*factors[:place], *chain, *factors[place + 1 :]]) for c, chain in terms]
        if GAIN * (sum(_cost(chain) for _, chain in whole) + entries(*node.shape)) <= together:
            return MatrixSum(*(times(c * node.coefficient, chain) for c, chain in whole))
    return None


def _terms(total: Any) -> list[tuple[Any, list[Any]]]:
    """Return the products in a sum, each with its coefficient, and last the rest as one matrix.

    What may cancel before it is multiplied stays together.
    """
    terms = [split(term) for term in total.args]
    chains = [(c, list(rest.factors)) for c, rest in terms if isinstance(rest, Product)]
    others = [times(c, [rest]) for c, rest in terms if not isinstance(rest, Product)]
    if others:
        chains.append((ONE, [others[0] if len(others) == 1 else MatrixSum(*others)]))
    return chains


def _cost(chain: list[Any]) -> int:
    return product_cost(sizes_of(chain))
