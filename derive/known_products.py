"""Sums over all entries, in terms of what is computed beside them.

Σ A·B ⊙ C is tr(A·B·C'), and so Σ A ⊙ C·B' and Σ B ⊙ A'·C. A value and its gradients have such
products in common: with C·B' at hand the sum takes as many operations as A has entries. And of a
matrix of which the rows are summed, only the sums are left to add.

Contract: products have two factors (``derive.sharing.binarised``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Integer, OneMatrix
from sympy.matrices.expressions import Transpose

from derive.build import ones, rewritten
from derive.chain_order import LONG_PRODUCT, entries
from derive.diagonals import is_inverse, turned
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Hadamard, Product, Total
from derive.sharing import stretched
from derive.traces import sum_of_products

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

__all__ = ["with_known_products"]

ONE = Integer(1)


def with_known_products(exprs: Sequence[Any]) -> list[Any]:
    """Write sums of entries with products and sums of rows that are computed as well."""
    sums = {node for node in postorder(*exprs) if isinstance(node, Total)}
    if not sums:
        return list(exprs)
    beside = postorder(*exprs, leaves=sums)
    known = {key: part for node in beside for key, part in _by_factors(node)}
    known |= {(inverse,): inverse for inverse in _formed(beside, exprs)}
    computed = {*beside, *(core for node in beside for core in _cores(node))}

    def rule(node: Any) -> Any:
        return _with_row_sums(_with_products(node, known), computed) if node in sums else node

    return rewritten(exprs, rule)


def _by_factors(node: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the factors of a product, and of its transpose, each with what computes it."""
    if _is_plain(node) and not any(isinstance(factor, OneMatrix) for factor in node.factors):
        for matrix in (turned(node), node):
            yield tuple(_factors(matrix)), matrix


def _factors(matrix: Any) -> list[Any]:
    """List the factors of a product of products, which may be transposed."""
    found: list[Any] = []
    stack = [matrix]
    while stack:
        node = stack.pop()
        inner = node.args[0] if isinstance(node, Transpose) else node
        if not _is_plain(inner):
            found.append(node)
        elif node is inner:
            stack.extend(reversed(node.factors))
        else:
            stack.extend(map(turned, inner.factors))
    return found


def _is_plain(node: Any) -> bool:
    return isinstance(node, Product) and len(node.args) == len(node.factors) > 1


def _formed(order: Sequence[Any], outputs: Sequence[Any]) -> Iterator[Any]:
    """Yield the inverses that are needed themselves, and not in products alone."""
    yield from filter(is_inverse, outputs)
    for node in order:
        if not _is_plain(node) and not isinstance(node, Transpose):
            yield from filter(is_inverse, operands(node))


def _cores(node: Any) -> tuple[Any, ...]:
    """Return what is computed where broadcasting stretches a value."""
    core = stretched(node)
    return () if core is None or not is_matrix(core[0]) else (core[0],)


def _with_products(node: Any, known: Mapping[tuple[Any, ...], Any]) -> Any:
    """Write Σ A·B ⊙ C with a known product, if it has none."""
    (matrix,) = node.args
    if not isinstance(matrix, Hadamard) or len(matrix.args) != 2:
        return node
    halves = [_factors(matrix.args[0]), _factors(turned(matrix.args[1]))]
    chain = [factor for half in halves for factor in half]
    is_known = all(_part(half, known) is not None for half in halves)
    if is_known or len(chain) > LONG_PRODUCT or any(isinstance(f, OneMatrix) for f in chain):
        return node
    found = []
    for start in range(len(chain)):
        turn = chain[start:] + chain[:start]
        for cut in range(1, len(turn)):
            left, right = _part(turn[:cut], known), _part(turn[cut:], known)
            if left is not None and right is not None:
                found.append((entries(*left.shape), start, cut, left, right))
    return sum_of_products(*min(found)[-2:]) if found else node


def _part(factors: Sequence[Any], known: Mapping[tuple[Any, ...], Any]) -> Any:
    """Return the product of factors where it is known, None where it is not."""
    if len(factors) > 1 or is_inverse(factors[0]):
        return known.get(tuple(factors))
    return factors[0]


def _with_row_sums(node: Any, computed: Set[Any]) -> Any:
    """Add sums of rows, or of columns, that are known."""
    (matrix,) = node.args
    rows, columns = matrix.shape
    for entry in (matrix, *_reordered(matrix)):
        for sums in (Product(entry, ones(columns, ONE)), Product(ones(ONE, rows), entry)):
            if sums in computed:
                return Total(sums)
    return node


def _reordered(matrix: Any) -> Iterator[Any]:
    """Yield an elementwise product of two the other way round."""
    if isinstance(matrix, Hadamard) and len(matrix.args) == 2:
        yield Hadamard(*reversed(matrix.args))
