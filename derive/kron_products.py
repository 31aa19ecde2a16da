"""Kronecker products in code: never formed where they are applied to a vector.

kron(A, B)·x are the entries, row by row, of A·X·B' of the matrix X with the entries of x row by
row; that takes (n + q)·m·p multiplications in place of n·q·m·p.
"""

from __future__ import annotations

from typing import Any

from sympy import Identity, Integer
from sympy.matrices.expressions import MatrixExpr

from derive.diagonals import times, turned
from derive.nodes import Inner, Kronecker, Product
from derive.stored import Stored

__all__ = ["Reshaped", "without_kroneckers"]

ONE = Integer(1)


class Reshaped(Stored, MatrixExpr):
    """The entries of a matrix, row by row, in another shape."""

    name = "reshape"

    def __new__(cls, matrix: Any, rows: Any, columns: Any) -> Any:
        return cls._make((rows, columns), matrix, rows, columns)


def without_kroneckers(node: Any) -> Any:
    """Rewrite a product of a Kronecker product with a column, or of a row with one."""
    if not isinstance(node, (Product, Inner)):
        return node
    coefficient = node.coefficient if isinstance(node, Product) else ONE
    factors = list(node.factors if isinstance(node, Product) else node.args)
    found = _applied(factors)
    if found == factors:
        return node
    return times(coefficient, found) if isinstance(node, Product) else Inner(*found)


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
