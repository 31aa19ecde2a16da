"""Kronecker products in code: never formed where they are applied to a vector.

kron(A, B)·x are the entries, row by row, of A·X·B' of the matrix X with the entries of x row by
row; that takes (n + q)·m·p multiplications in place of n·q·m·p. kron(I, 1')·X·kron(I, 1) are the
sums of the blocks of X, and kron(1', I)·X·kron(1, I) is the sum of the blocks.
"""

from __future__ import annotations

from typing import Any

from sympy import Identity, Integer, OneMatrix
from sympy.matrices.expressions import MatrixExpr

from derive.diagonals import times, turned
from derive.nodes import Inner, Kronecker, Product
from derive.stored import Stored

__all__ = ["BlockSums", "Reshaped", "SumOfBlocks", "without_kroneckers"]

ONE = Integer(1)


class Reshaped(Stored, MatrixExpr):
    """The entries of a matrix, row by row, in another shape."""

    name = "reshape"

    def __new__(cls, matrix: Any, rows: Any, columns: Any) -> Any:
        return cls._make((rows, columns), matrix, rows, columns)


class BlockSums(Stored, MatrixExpr):
    """The sum of the entries of every block, of n times q blocks of m rows and p columns."""

    name = "sums of blocks"

    def __new__(cls, matrix: Any, n: Any, m: Any, q: Any, p: Any) -> Any:
        return cls._make((n, q), matrix, n, m, q, p)


class SumOfBlocks(Stored, MatrixExpr):
    """The sum of n times q blocks of m rows and p columns."""

    name = "sum of blocks"

    def __new__(cls, matrix: Any, n: Any, m: Any, q: Any, p: Any) -> Any:
        return cls._make((m, p), matrix, n, m, q, p)


def without_kroneckers(node: Any) -> Any:
    """Rewrite a product of a Kronecker product with a column, a row, or with what sums blocks."""
    if not isinstance(node, (Product, Inner)):
        return node
    coefficient = node.coefficient if isinstance(node, Product) else ONE
    factors = list(node.factors if isinstance(node, Product) else node.args)
    found = _applied(_summed(factors))
    if found == factors:
        return node
    return times(coefficient, found) if isinstance(node, Product) else Inner(*found)


def _summed(factors: list[Any]) -> list[Any]:
    """Sum blocks where Kronecker products of ones and identities do so from both sides."""
    ends = factors[0], factors[-1]
    if len(factors) < 3 or not all(isinstance(end, Kronecker) for end in ends):
        return factors
    (a, b), (c, d) = (end.args for end in ends)
    matrix = times(ONE, factors[1:-1])
    if isinstance(a, Identity) and isinstance(c, Identity) and _are_ones(b, d):
        return [BlockSums(matrix, a.shape[0], b.shape[1], c.shape[0], d.shape[0])]
    if isinstance(b, Identity) and isinstance(d, Identity) and _are_ones(a, c):
        return [SumOfBlocks(matrix, a.shape[1], b.shape[0], c.shape[0], d.shape[0])]
    return factors


def _are_ones(row: Any, column: Any) -> bool:
    are_ones = isinstance(row, OneMatrix) and isinstance(column, OneMatrix)
    return are_ones and row.shape[0] == 1 and column.shape[1] == 1


def _applied(factors: list[Any]) -> list[Any]:
    for place in reversed(range(len(factors) - 1)):
        left, right = factors[place : place + 2]
        if isinstance(left, Kronecker) and right.shape[1] == 1:
            return _applied([*factors[:place], _moved(left, right), *factors[place + 2 :]])
        if isinstance(right, Kronecker) and left.shape[0] == 1:
            moved = turned(_moved(Kronecker(*map(turned, right.args)), turned(left)))
            return _applied([*factors[:place], moved, *factors[place + 2 :]])
    return factors


def _moved(kronecker: Any, column: Any) -> Any:
    """Return kron(A, B)·x."""
    a, b = kronecker.args
    matrix = Reshaped(column, a.shape[1], b.shape[1])
    chain = [f for f in (a, matrix, turned(b)) if not isinstance(_plain_identity(f), Identity)]
    return Reshaped(times(ONE, chain), kronecker.shape[0], ONE)


def _plain_identity(factor: Any) -> Any:
    return turned(factor) if isinstance(turned(factor), Identity) else factor
