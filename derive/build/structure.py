"""Diagonals, traces, determinants, sums and functions of rows: constructors with little algebra.

A function of rows of a single row is a function of a row, and its value a scalar.
"""

from __future__ import annotations

from typing import Any

from sympy import Add, Identity, Mul, OneMatrix, S, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive import nodes
from derive.build.elementwise import hadamard
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
from derive.build.products import boundaries, product
from derive.graph import is_matrix
from derive.nodes import Diag, MatrixSum, Product

__all__ = [
    "across",
    "column_sum",
    "determinant",
    "diag",
    "diagonal",
    "log_det",
    "log_sum_exp",
    "row_log_sum_exp",
    "row_maximum",
    "row_softmax",
    "row_sum",
    "softmax",
    "trace",
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
    if isinstance(rest, Product) and (cut := _first_cut(rest)):
        return Mul(coefficient, product(*rest.factors[cut:], *rest.factors[:cut]))
    return Mul(coefficient, nodes.Trace(rest))


def determinant(matrix: Any) -> Any:
    """Return the determinant."""
    if not is_matrix(matrix):
        return matrix
    return ONE if isinstance(matrix, Identity) else nodes.Determinant(matrix)


def log_det(matrix: Any) -> Any:
    """Return log |det X|, of a matrix."""
    return S.Zero if isinstance(matrix, Identity) else nodes.LogDet(matrix)


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


def row_maximum(matrix: Any) -> Any:
    """Return the largest entry of every row, a column, of a single row a scalar."""
    if not is_matrix(matrix) or matrix.shape[1] == 1:
        return matrix
    return nodes.Maximum(matrix) if matrix.shape[0] == 1 else nodes.RowMaximum(matrix)
