"""Kronecker products, and what they become in products, sums of entries and inverses.

(A ⊗ B)(C ⊗ D) = (AC) ⊗ (BD) and (A ⊗ B) ⊙ (C ⊗ D) = (A ⊙ C) ⊗ (B ⊙ D), where the sizes fit. An
identity or ones whose size is a product of two are Kronecker products too.
"""

from __future__ import annotations

from typing import Any

from sympy import Identity, Mul, OneMatrix, ZeroMatrix

from derive.build.elementwise import hadamard
from derive.build.linear import ONE, identity, ones, same_size, scale, split, zeros
from derive.build.products import multiply, product
from derive.graph import is_matrix
from derive.nodes import Kronecker

__all__ = ["kronecker", "merged", "multiplied", "square_factors"]


def kronecker(a: Any, b: Any) -> Any:
    """Return the matrix of the blocks a_ij·B."""
    if not is_matrix(a) or not is_matrix(b):
        return scale(a, b) if is_matrix(b) else scale(b, a)
    (c, a), (d, b) = split(a), split(b)
    return scale(Mul(c, d), _kronecker(a, b))


def _kronecker(a: Any, b: Any) -> Any:
    rows, columns = Mul(a.shape[0], b.shape[0]), Mul(a.shape[1], b.shape[1])
    if isinstance(a, ZeroMatrix) or isinstance(b, ZeroMatrix):
        return zeros(rows, columns)
    if isinstance(a, OneMatrix) and isinstance(b, OneMatrix):
        return ones(rows, columns)
    if isinstance(a, Identity) and isinstance(b, Identity):
        return identity(rows)
    if a.shape[1] == 1 and b.shape[0] == 1:
        return product(a, b)
    if a.shape[0] == 1 and b.shape[1] == 1:
        return product(b, a)
    return Kronecker(a, b)


def square_factors(matrix: Any) -> tuple[Any, ...]:
    """Return the factors of a Kronecker product where both are square, else nothing."""
    return tuple(matrix.args) if all(same_size(*f.shape) for f in matrix.args) else ()


def multiplied(chain: list[Any]) -> list[Any]:
    """Write neighbours A ⊗ B and C ⊗ D in a product as (AC) ⊗ (BD) where they fit."""
    result: list[Any] = []
    for matrix in chain:
        both = _multiplied(result[-1], matrix) if result else None
        if both is None:
            result.append(matrix)
        else:
            result[-1] = both
    return result


def _multiplied(left: Any, right: Any) -> Any:
    if isinstance(left, Kronecker) and isinstance(right, Kronecker):
        (a, b), (c, d) = left.args, right.args
    elif isinstance(left, Kronecker) and isinstance(right, OneMatrix):
        (a, b), c, d = left.args, *(ones(f.shape[1], ONE) for f in left.args)
    elif isinstance(right, Kronecker) and isinstance(left, OneMatrix):
        a, b, (c, d) = *(ones(ONE, f.shape[0]) for f in right.args), right.args
    else:
        return None
    if not _fit(a, c) or not _fit(b, d):
        return None
    return kronecker(multiply(a, c), multiply(b, d))


def _fit(left: Any, right: Any) -> bool:
    """Say whether two factors can be multiplied; a scalar is ones of a single entry."""
    columns = left.shape[1] if is_matrix(left) else ONE
    return same_size(columns, right.shape[0] if is_matrix(right) else ONE)


def merged(factors: list[Any]) -> list[Any]:
    """Write factors A ⊗ B and C ⊗ D of an elementwise product as (A ⊙ C) ⊗ (B ⊙ D)."""
    result: list[Any] = []
    for factor in factors:
        for i, other in enumerate(result):
            both = _merged(other, factor)
            if both is not None:
                result[i] = both
                break
        else:
            result.append(factor)
    return result


def _merged(left: Any, right: Any) -> Any:
    if isinstance(right, Identity):
        left, right = right, left
    if not isinstance(right, Kronecker):
        return None
    if isinstance(left, Identity) and square_factors(right):
        a, b = (identity(f.shape[0]) for f in right.args)
    elif isinstance(left, Kronecker):
        a, b = left.args
    else:
        return None
    pairs = ((a, right.args[0]), (b, right.args[1]))
    if not all(same_size(x, y) for s, t in pairs for x, y in zip(s.shape, t.shape, strict=True)):
        return None
    return kronecker(*(hadamard(*pair) for pair in pairs))
