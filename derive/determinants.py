"""Determinants in code: their logarithms and derivatives neither overflow nor need an inverse.

log(det A) is the sum of the logarithms of the pivots, and no number where the determinant is
negative, as the formula says. det(A)·inv(A) is the adjugate, which a singular matrix has too. And
log|det(I + P)| of a positive semidefinite P keeps the digits of a small P: with the Cholesky factor
L of I + P, 1 and the diagonal of P less the squares beside it in a row of L are the pivots.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Identity, Mul, Pow
from sympy.matrices.expressions import Transpose

from derive.build import add, adjugate, product, split, transpose
from derive.code_functions import LogDetOnePlus, LogOfDet
from derive.nodes import Determinant, Inverse, LogDet, MatrixSum, Product
from derive.scalars import absolute

__all__ = ["determinants"]


def determinants(node: Any) -> Any:
    """Return a node; its operands are done already.

    >>> from derive.language import read_formula
    >>> determinants(read_formula("log(2*det(A))").expr)
    log_of_det(A) + log(2)
    >>> determinants(read_formula("det(A)*inv(A)").expr)
    adj(A)
    """
    if isinstance(node, sympy.log):
        return _logarithm(node)
    if isinstance(node, LogDet):
        part = _beside_identity(node.args[0])
        return node if part is None else LogDetOnePlus(part)
    return _with_adjugate(node) if isinstance(node, Product) else node


def _logarithm(node: Any) -> Any:
    factors = Mul.make_args(node.args[0])
    others = [factor for factor in factors if not isinstance(_base(factor), Determinant)]
    if len(others) != len(factors) - 1 or not all(other.is_positive for other in others):
        return node
    (power,) = (factor for factor in factors if factor not in others)
    base, exponent = power.args if isinstance(power, Pow) else (power, 1)
    if isinstance(base, absolute) or sympy.sympify(exponent).is_even:
        logarithm = LogDet(_base(power).args[0])
    else:
        logarithm = LogOfDet(base.args[0])
    return Add(exponent * logarithm, sympy.log(Mul(*others)))


def _base(factor: Any) -> Any:
    """Return what a power, or an absolute value, is of."""
    base = factor.base if isinstance(factor, Pow) else factor
    return base.args[0] if isinstance(base, absolute) else base


def _beside_identity(matrix: Any) -> Any:
    """Return P of a sum I + P of products B'·B with positive coefficients, None of another."""
    if not isinstance(matrix, MatrixSum) or not any(isinstance(t, Identity) for t in matrix.args):
        return None
    others = [term for term in matrix.args if not isinstance(term, Identity)]
    return add(*others) if all(map(_is_semidefinite, others)) else None


def _is_semidefinite(term: Any) -> bool:
    coefficient, rest = split(term)
    if not coefficient.is_positive or not isinstance(rest, Product) or len(rest.factors) % 2:
        return False
    half = len(rest.factors) // 2
    return bool(product(*rest.factors[:half]) == transpose(product(*rest.factors[half:])))


def _with_adjugate(node: Any) -> Any:
    """Write det(A)·inv(A) in a product as adj(A)."""
    for factor in Mul.make_args(node.coefficient):
        base, exponent = factor.args if isinstance(factor, Pow) else (factor, sympy.S.One)
        if not isinstance(base, Determinant) or not (exponent.is_Integer and exponent > 0):
            continue
        for place, matrix in enumerate(node.factors):
            turned = isinstance(matrix, Transpose)
            inverse = matrix.args[0] if turned else matrix
            if isinstance(inverse, Inverse) and inverse.args[0] == base.args[0]:
                adjugated = adjugate(base.args[0])
                factors = list(node.factors)
                factors[place] = transpose(adjugated) if turned else adjugated
                return product(node.coefficient / base, *factors)
    return node
