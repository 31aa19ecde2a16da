"""The cheapest order of a product of matrices, by dynamic programming (CLRS 15.2).

A symbolic size counts as ``ASSUMED_SIZE``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sympy import Integer, OneMatrix

from derive.build import ones

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ASSUMED_SIZE",
    "LONG_PRODUCT",
    "best_cut",
    "column_times_row",
    "entries",
    "number",
    "product_cost",
    "sizes_of",
]

ASSUMED_SIZE = 100  # a symbolic size, where the order of a product depends on it
LONG_PRODUCT = 20  # factors, above which the best order is not searched for
ONE = Integer(1)


def number(size: Any) -> int:
    """Return a size as a number."""
    return int(size) if size.is_Integer else ASSUMED_SIZE


def entries(matrix: Any) -> int:
    """Count the entries of a matrix."""
    return number(matrix.shape[0]) * number(matrix.shape[1])


def column_times_row(factor: Any) -> tuple[Any, ...]:
    """Split a matrix of ones, so that a product with it is a sum and a stretch.

    >>> from derive.build import ones
    >>> [part.shape for part in column_times_row(ones(Integer(3), Integer(4)))]
    [(3, 1), (1, 4)]
    """
    if isinstance(factor, OneMatrix) and 1 not in factor.shape:
        return ones(factor.shape[0], ONE), ones(ONE, factor.shape[1])
    return (factor,)


def sizes_of(factors: Sequence[Any]) -> tuple[int, ...]:
    """List the sizes that a product passes through, from its rows to its columns."""
    return (number(factors[0].shape[0]), *(number(f.shape[1]) for f in factors))


def best_cut(sizes: tuple[int, ...]) -> int:
    """Return before which factor the last product of two is taken.

    >>> best_cut((9, 9, 9, 1))
    1
    """
    return _solved(sizes)[1]


def product_cost(sizes: tuple[int, ...]) -> int:
    """Count the multiplications of a product in its cheapest order.

    >>> product_cost((9, 9, 9, 1))
    162
    """
    return _solved(sizes)[0]


@lru_cache(maxsize=4096)
def _solved(sizes: tuple[int, ...]) -> tuple[int, int]:
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {(0, 0): 0}
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            j = i + length - 1
            prices = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cuts[i, j] = min(prices)
    return cost[0, count - 1], cuts[0, count - 1] + 1
