"""Diagonals, traces, determinants, sums and functions of rows: constructors with little algebra.

A function of rows of a single row is a function of a row, and its value a scalar.
"""

from __future__ import annotations

from typing import Any

from sympy import Add, Identity, Mul, OneMatrix, Pow, S, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build.elementwise import hadamard, power
from derive.build.kronecker import kronecker, square_factors
from derive.build.linear import (
    ONE,
    add,
    identity,
    in_order,
    ones,
    scale,
    split,
    transpose,
    zeros,
)
from derive.build.products import boundaries, inverse, product
from derive.graph import is_matrix
from derive.nodes import Diag, Kronecker, MatrixSum, Product

__all__ = [
    "across",
    "adjugate",
    "column_sum",
    "determinant",
    "diag",
    "diagonal",
    "log_det",
    "log_sum_exp",
    "lower_triangle",
    "pseudo_inverse",
    "row_log_sum_exp",
    "row_softmax",
    "row_sum",
    "softmax",
    "stretch",
    "trace",
    "upper_triangle",
]


def row_sum(matrix: Any) -> Any:
    """Sum every row, a column; a column is its own."""
    return matrix if matrix.shape[1] == 1 else product(matrix, ones(matrix.shape[1], ONE))


def column_sum(matrix: Any) -> Any:
    """Sum every column, a row; a row is its own."""
    return matrix if matrix.shape[0] == 1 else product(ones(ONE, matrix.shape[0]), matrix)


def across(value: Any, like: Any) -> Any:
    """Stretch a scalar to a matrix's shape, or a column across its columns."""
    if not is_matrix(value):
        return scale(value, ones(*like.shape))
    return value if like.shape[1] == 1 else product(value, ones(ONE, like.shape[1]))


def stretch(value: Any, rows: Any, columns: Any) -> Any:
    """Stretch a scalar, a row or a column to a shape, by products with ones."""
    if rows == 1 and columns == 1:
        return value
    if not is_matrix(value):
        return scale(value, ones(rows, columns))
    if value.shape[0] == 1 and rows != 1:
        value = product(ones(rows, ONE), value)
    if value.shape[1] == 1 and columns != 1:
        value = product(value, ones(ONE, columns))
    return value


def diag(vector: Any) -> Any:
    """Return the diagonal matrix of a column vector."""
    if not is_matrix(vector):
        return vector
    coefficient, rest = split(vector)
    if isinstance(rest, OneMatrix):
        return scale(coefficient, identity(rest.shape[0]))
    if isinstance(rest, ZeroMatrix):
        return zeros(rest.shape[0], rest.shape[0])
    return scale(coefficient, Diag(rest))


def diagonal(matrix: Any) -> Any:
    """Return the diagonal of a square matrix as a column vector."""
    if not is_matrix(matrix):
        return matrix
    coefficient, rest = split(matrix)
    return scale(coefficient, _diagonal(rest))


def _diagonal(matrix: Any) -> Any:
    size = matrix.shape[0]
    if isinstance(matrix, (OneMatrix, Identity)):
        return ones(size, ONE)
    if isinstance(matrix, ZeroMatrix):
        return zeros(size, ONE)
    if isinstance(matrix, Diag):
        return matrix.args[0]
    if isinstance(matrix, Transpose):
        return diagonal(matrix.args[0])
    if isinstance(matrix, MatrixSum):
        parts = [diagonal(term) for term in matrix.args]
        if not all(isinstance(split(part)[1], nodes.Diagonal) for part in parts):
            return add(*parts)
    if isinstance(matrix, Product):
        cut = _first_cut(matrix)
        if cut:
            left, right = in_order(list(matrix.factors[:cut])), matrix.factors[cut:]
            return hadamard(left, transpose(in_order(list(right))))
    return nodes.Diagonal(matrix)


def _first_cut(matrix: Any) -> int:
    """Return where a product u·v' passes through a size of 1, 0 where it does not."""
    inner = boundaries(list(matrix.factors))[1:-1]
    return inner.index(1) + 1 if 1 in inner else 0


def trace(matrix: Any) -> Any:
    """Sum the diagonal of a square matrix."""
    if not is_matrix(matrix):
        return matrix
    coefficient, rest = split(matrix)
    if isinstance(rest, (Identity, OneMatrix)):
        return Mul(coefficient, rest.shape[0])
    if isinstance(rest, ZeroMatrix):
        return S.Zero
    if isinstance(rest, MatrixSum):
        return Mul(coefficient, Add(*(trace(term) for term in rest.args)))
    if isinstance(rest, Kronecker) and (factors := square_factors(rest)):
        return Mul(coefficient, *map(trace, factors))
    if isinstance(rest, Product) and (cut := _first_cut(rest)):
        return Mul(coefficient, product(*rest.factors[cut:], *rest.factors[:cut]))
    return Mul(coefficient, nodes.Trace(rest))


def determinant(matrix: Any) -> Any:
    """Return the determinant."""
    if not is_matrix(matrix):
        return matrix
    if isinstance(matrix, Kronecker) and (factors := square_factors(matrix)):
        a, b = factors
        by_a, by_b = power(determinant(a), b.shape[0]), power(determinant(b), a.shape[0])
        return Mul(by_a, by_b)
    return ONE if isinstance(matrix, Identity) else nodes.Determinant(matrix)


def log_det(matrix: Any) -> Any:
    """Return log |det X|, of a matrix."""
    if isinstance(matrix, Kronecker) and (factors := square_factors(matrix)):
        a, b = factors
        return Add(Mul(b.shape[0], log_det(a)), Mul(a.shape[0], log_det(b)))
    return S.Zero if isinstance(matrix, Identity) else nodes.LogDet(matrix)


def pseudo_inverse(matrix: Any) -> Any:
    """Return the Moore–Penrose inverse."""
    if not is_matrix(matrix):
        return Pow(matrix, -1)
    if isinstance(matrix, nodes.PseudoInverse):
        return matrix.args[0]
    if isinstance(matrix, (Identity, nodes.Inverse)):
        return inverse(matrix)
    if isinstance(matrix, ZeroMatrix):
        return zeros(matrix.shape[1], matrix.shape[0])
    if isinstance(matrix, Transpose):
        return transpose(pseudo_inverse(matrix.args[0]))
    if isinstance(matrix, Kronecker):
        return kronecker(*map(pseudo_inverse, matrix.args))
    coefficient, rest = split(matrix)
    if coefficient is not ONE:
        return scale(1 / coefficient, pseudo_inverse(rest))
    return nodes.PseudoInverse(matrix)


def adjugate(matrix: Any) -> Any:
    """Return the adjugate of a square matrix, det(X)·inv(X) where X is regular."""
    if not is_matrix(matrix):
        return ONE
    if isinstance(matrix, Identity):
        return matrix
    if isinstance(matrix, Transpose):
        return transpose(adjugate(matrix.args[0]))
    return nodes.Adjugate(matrix)


def lower_triangle(matrix: Any) -> Any:
    """Return the entries on and below the diagonal among zeros; of a column those are all."""
    return _triangle(matrix, nodes.LowerTriangle, nodes.UpperTriangle, 1)


def upper_triangle(matrix: Any) -> Any:
    """Return the entries on and above the diagonal among zeros; of a row those are all."""
    return _triangle(matrix, nodes.UpperTriangle, nodes.LowerTriangle, 0)


def _triangle(matrix: Any, kind: Any, other: Any, axis: int) -> Any:
    if not is_matrix(matrix) or matrix.shape[axis] == 1:
        return matrix
    coefficient, rest = split(matrix)
    if isinstance(rest, (kind, Diag, Identity, ZeroMatrix)):
        return matrix
    if isinstance(rest, Transpose):
        return scale(coefficient, transpose(_triangle(rest.args[0], other, kind, 1 - axis)))
    return scale(coefficient, kind(rest))


def softmax(vector: Any) -> Any:
    """Return the softmax over the entries of a column vector."""
    return nodes.Softmax(vector) if is_matrix(vector) else ONE


def row_softmax(matrix: Any) -> Any:
    """Return the softmax of every row; of a single row it is the softmax of a column."""
    if not is_matrix(matrix) or matrix.shape[1] == 1:
        return ones(matrix.shape[0], ONE) if is_matrix(matrix) else ONE
    if matrix.shape[0] == 1:
        return transpose(softmax(transpose(matrix)))
    return nodes.RowSoftmax(matrix)


def log_sum_exp(matrix: Any) -> Any:
    """Return log Σ exp over all entries."""
    return nodes.LogSumExp(matrix) if is_matrix(matrix) else matrix


def row_log_sum_exp(matrix: Any) -> Any:
    """Return log Σ exp of every row, a column, of a single row a scalar."""
    if not is_matrix(matrix) or matrix.shape[1] == 1:
        return matrix
    return nodes.LogSumExp(matrix) if matrix.shape[0] == 1 else nodes.RowLogSumExp(matrix)
