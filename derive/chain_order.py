"""The cheapest order of a product of matrices, by dynamic programming (CLRS 15.2).

What a symbolic size counts as is read off the expressions. A size by which a mean divides counts
terms of a sum, as samples are: that is ``MANY``. One that only ever is the second axis of variables
and is summed over in A·B' of two of them, as the rank of factors is, and the width of a head's
queries and keys, is ``FEW``. All others are ``SOME``.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sympy import Integer, MatrixSymbol, OneMatrix, Pow
from sympy.matrices.expressions import Transpose

from derive.build import ones, transpose
from derive.graph import postorder
from derive.nodes import Inner, Product

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "LONG_PRODUCT",
    "assumed_sizes",
    "assuming",
    "best_cut",
    "column_times_row",
    "entries",
    "is_symmetric",
    "last_cut",
    "number",
    "product_cost",
    "sizes_of",
]

FEW, SOME, MANY = 50, 100, 500  # symbolic sizes, where the cost of a product depends on them
LONG_PRODUCT = 20  # factors, above which the best order is not searched for
ONE = Integer(1)
_NONE: Mapping[Any, int] = MappingProxyType({})
_SIZES: ContextVar[Mapping[Any, int]] = ContextVar("_SIZES", default=_NONE)


def assumed_sizes(exprs: Sequence[Any]) -> dict[Any, int]:
    """Say what symbolic sizes count as that are few or many.

    >>> from derive.language import read_formula
    >>> assumed_sizes([read_formula("norm2(U*V')^2/n", {"U": "n,k", "V": "m,k"}).expr])
    {n: 500, k: 50}
    """
    order = postorder(*exprs)
    rows = {node.shape[0] for node in order if isinstance(node, MatrixSymbol)}
    powers = (node for node in order if isinstance(node, Pow) and node.exp == -1)
    many = {power.base: MANY for power in powers if power.base.is_Symbol and power.base.is_integer}
    few = {size: FEW for size in _summed_in_pairs(order) if size.is_Symbol and size not in rows}
    return many | few


def _summed_in_pairs(order: Sequence[Any]) -> Iterator[Any]:
    """Yield the size that a product A·B' of two variables sums over."""
    for node in order:
        for left, right in pairwise(node.args if isinstance(node, (Product, Inner)) else ()):
            if isinstance(left, MatrixSymbol) and isinstance(right, Transpose):
                (other,) = right.args
                if isinstance(other, MatrixSymbol) and other != left:
                    yield left.shape[1]


@contextmanager
def assuming(sizes: Mapping[Any, int]) -> Iterator[None]:
    """Let symbolic sizes count as what they are taken to be, until the block ends."""
    token = _SIZES.set(sizes)
    try:
        yield
    finally:
        _SIZES.reset(token)


def number(size: Any) -> int:
    """Return a size as a number."""
    return int(size) if size.is_Integer else _SIZES.get().get(size, SOME)


def numbers(sizes: Sequence[Any]) -> tuple[int, ...]:
    """Return sizes as numbers; where one is 1, and all is vectors, none counts as few."""
    found = tuple(map(number, sizes))
    if 1 not in found:
        return found
    return tuple(
        n if size.is_Integer else max(n, SOME) for n, size in zip(found, sizes, strict=True)
    )


def entries(rows: Any, columns: Any) -> int:
    """Count the entries of a matrix of a shape."""
    return prod(numbers((rows, columns)))


def column_times_row(factor: Any) -> tuple[Any, ...]:
    """Split a matrix of ones, so that a product with it is a sum and a stretch.

    >>> from derive.build import ones, transpose
    >>> [part.shape for part in column_times_row(ones(Integer(3), Integer(4)))]
    [(3, 1), (1, 4)]
    """
    if isinstance(factor, OneMatrix) and 1 not in factor.shape:
        return ones(factor.shape[0], ONE), ones(ONE, factor.shape[1])
    return (factor,)


def sizes_of(factors: Sequence[Any]) -> tuple[int, ...]:
    """List the sizes that a product passes through, from its rows to its columns."""
    return numbers((factors[0].shape[0], *(factor.shape[1] for factor in factors)))


def last_cut(factors: Sequence[Any]) -> int:
    """Return before which factor the last product of two is taken.

    (A·B)·(A·B)' has but one half to compute.

    >>> from derive.language import read_formula
    >>> last_cut(read_formula("A*B*B'*A'", {"A": "9,9", "B": "9,9"}).expr.factors)
    2
    """
    sizes = sizes_of(factors)
    middle = len(factors) // 2
    if is_symmetric(factors):
        half = product_cost(sizes[: middle + 1]) + sizes[0] * sizes[middle] * sizes[0]
        if half <= product_cost(sizes):
            return middle
    return best_cut(sizes)


def is_symmetric(factors: Sequence[Any]) -> bool:
    """Say whether a product is A·A' of its first half A."""
    mirrored = zip(factors, reversed(factors), strict=True)
    return len(factors) % 2 == 0 and all(transpose(a) == b for a, b in mirrored)


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
