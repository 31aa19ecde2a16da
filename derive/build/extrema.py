"""Largest and smallest entries, and where the first of them stands."""

from __future__ import annotations

from typing import Any

from sympy import OneMatrix, S, ZeroMatrix

from derive import nodes, scalars
from derive.build.elementwise import elementwise, hadamard
from derive.build.linear import add, identity, ones, scale
from derive.build.products import product
from derive.build.structure import lower_triangle, row_sum, stretch, upper_triangle
from derive.graph import is_matrix
from derive.scalars import U

__all__ = [
    "all_largest",
    "entrywise_maximum",
    "entrywise_minimum",
    "first_maximum",
    "first_of",
    "maximum",
    "minimum",
    "row_maximum",
]


def maximum(matrix: Any) -> Any:
    """Return the largest entry."""
    constant = isinstance(matrix, (OneMatrix, ZeroMatrix))
    return _constant(matrix) if constant else _of_entries(nodes.Maximum, matrix)


def minimum(matrix: Any) -> Any:
    """Return the smallest entry."""
    constant = isinstance(matrix, (OneMatrix, ZeroMatrix))
    return _constant(matrix) if constant else _of_entries(nodes.Minimum, matrix)


def _constant(matrix: Any) -> Any:
    return S.One if isinstance(matrix, OneMatrix) else S.Zero


def _of_entries(kind: Any, matrix: Any) -> Any:
    return kind(matrix) if is_matrix(matrix) else matrix


def row_maximum(matrix: Any) -> Any:
    """Return the largest entry of every row, a column, of a single row a scalar."""
    if not is_matrix(matrix) or matrix.shape[1] == 1:
        return matrix
    return nodes.Maximum(matrix) if matrix.shape[0] == 1 else nodes.RowMaximum(matrix)


def entrywise_maximum(a: Any, b: Any) -> Any:
    """Return the larger of two operands, entry by entry; one of size 1 is stretched."""
    return _entrywise(nodes.EntrywiseMaximum, scalars.maximum, a, b)


def entrywise_minimum(a: Any, b: Any) -> Any:
    """Return the smaller of two operands, entry by entry; one of size 1 is stretched."""
    return _entrywise(nodes.EntrywiseMinimum, scalars.minimum, a, b)


def _entrywise(kind: Any, function: Any, a: Any, b: Any) -> Any:
    shapes = [x.shape for x in (a, b) if is_matrix(x)]
    if not shapes:
        plain = a == b or (a.is_Number and b.is_Number)
        return function(a, b) if plain else function(a, b, evaluate=False)
    rows, columns = (
        next((size for size in sizes if size != 1), sizes[0]) for sizes in zip(*shapes, strict=True)
    )
    a, b = (stretch(x, rows, columns) for x in (a, b))
    return a if a == b else kind(a, b)


def first_maximum(matrix: Any) -> Any:
    """Return 1 at the first largest entry, row by row, and 0 elsewhere."""
    return nodes.FirstMaximum(matrix) if is_matrix(matrix) else S.One


def all_largest(matrix: Any) -> Any:
    """Return 1 at every largest entry, 0 elsewhere: 1 − step(max(X) − X)."""
    below = add(stretch(maximum(matrix), *matrix.shape), scale(S.NegativeOne, matrix))
    return elementwise(1 - scalars.step(U), below)


def first_of(mask: Any) -> Any:
    """Return the first of the ones in a matrix of zeros and ones, row by row, without argmax.

    An entry stays if no one stands before it: in an earlier row, or earlier in its row.
    """
    rows, columns = mask.shape
    parts = [scale(S.NegativeOne, mask)]
    if columns == 1:
        parts.insert(0, product(lower_triangle(ones(rows, rows)), mask))
    else:
        parts.insert(0, product(mask, upper_triangle(ones(columns, columns))))
        if rows != 1:
            earlier = add(lower_triangle(ones(rows, rows)), scale(S.NegativeOne, identity(rows)))
            counted = product(earlier, row_sum(mask))
            parts.insert(0, stretch(counted, rows, columns))
    return hadamard(mask, elementwise(1 - scalars.step(U), add(*parts)))
