"""Sums of products along rows without the products, for code in a loop over NumPy's arrays.

Σ_j a_ij·b_ij of long rows is one pass of the BLAS over A and B; A ⊙ B, summed afterwards, is three,
and an array to write. Only training's code asks for it: the name is not in all libraries.

A row is summed by the BLAS, in as many running sums as its registers hold, and all rows pairwise;
columns, which may be far longer, are left to NumPy's pairwise sums.
"""

from __future__ import annotations

from typing import Any

from sympy import Function, Integer, MatrixSymbol, OneMatrix
from sympy.matrices.expressions import MatrixExpr

from derive.build import rewritten
from derive.layout import SHORT_ROW
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product, Total
from derive.scalars import U
from derive.sharing import stretched
from derive.squared_norms import squared
from derive.stored import Stored

__all__ = ["RowProducts", "with_row_products"]

ONE = Integer(1)


class RowProducts(Stored, MatrixExpr):
    """Σ_j a_ij·b_ij, a column with one entry a row."""

    name = "vecdot"

    def __new__(cls, a: Any, b: Any) -> Any:
        return cls._make((a.shape[0], ONE), a, b)


def with_row_products(expr: Any) -> Any:
    """Write the sums of products along long rows in code that computes an expression."""
    (written,) = rewritten([expr], _rule)
    return written


def _rule(node: Any) -> Any:
    if (matrix := squared(node)) is not None:
        return Total(RowProducts(matrix, matrix)) if _is_apt(matrix) else node
    if isinstance(node, Total):
        pair = _pair(node.args[0])
        return Total(RowProducts(*pair)) if pair else node
    if isinstance(node, Product) and len(node.factors) > 1 and _is_column_of_ones(node.factors[1]):
        pair = _pair(node.factors[0])
        scalars = node.args[: len(node.args) - len(node.factors)]
        factors = (*scalars, RowProducts(*pair), *node.factors[2:]) if pair else ()
        return Product(*factors) if len(factors) > 1 else (factors or (node,))[0]
    return node


def _is_column_of_ones(matrix: Any) -> bool:
    return isinstance(matrix, OneMatrix) and matrix.shape[1] == 1


def _pair(matrix: Any) -> tuple[Any, ...]:
    """Return the two matrices of which a matrix is the elementwise product, if they are apt."""
    pair: tuple[Any, ...] = matrix.args if isinstance(matrix, Hadamard) else ()
    if isinstance(matrix, Elementwise) and matrix.function == U**2:
        pair = (matrix.matrix, matrix.matrix)
    return pair if len(pair) == 2 and all(map(_is_apt, pair)) else ()


def _is_apt(matrix: Any) -> bool:
    """Say whether a matrix has long rows, one after the other, and is computed whole."""
    rows, columns = matrix.shape
    if rows == 1 or columns == 1 or (columns.is_Integer and columns <= SHORT_ROW):
        return False
    if isinstance(matrix, Product):
        return len(matrix.factors) > 1 and stretched(matrix) is None
    if isinstance(matrix, Elementwise):
        return isinstance(
            matrix.function, Function
        )  # and no quotient, which the product is part of
    return isinstance(matrix, (MatrixSymbol, MatrixSum))
