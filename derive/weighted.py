"""Weighted sums of exponentials: log(w'·exp(z)) and its gradient, with the largest exponent apart.

log(w'exp(z)) = m + log(w'exp(z − m)), m the largest z where w is not 0, and w∘exp(z)/(w'exp(z)) is
that of the shifted exponents. A softmax is such an exponential but for a number, which drops out of
the quotient: neither overflows, nor is 0/0, where a probability is too small for a number.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Mul, Pow, S
from sympy.matrices.expressions import Transpose

from derive.build import hadamard, product, scale, transpose
from derive.code_functions import Balanced, OverWeighted, Weighted
from derive.nodes import Elementwise, Hadamard, Inner, MatrixSum, Product, Softmax, Total
from derive.scalars import U

__all__ = ["log_of_weighted", "weighted"]

EXP = sympy.exp(U)


def weighted(node: Any) -> Any:
    """Return a quotient of exponentials by their weighted sum; their operands are done already.

    >>> from derive.language import read_formula
    >>> weighted(read_formula("w .* exp(z) / (w'*exp(z))").expr)
    weighted(z, w)
    """
    if not isinstance(node, Product):
        return node
    for factor in Mul.make_args(node.coefficient):
        found = _weighted_sum(1 / factor) if isinstance(factor, Pow) and factor.exp == -1 else None
        for place, matrix in enumerate(node.factors):
            if found is not None and (better := _quotient(matrix, *found)) is not None:
                before, after = node.factors[:place], node.factors[place + 1 :]
                return product(node.coefficient / factor, *before, better, *after)
    return node


def log_of_weighted(scalar: Any) -> tuple[Any, Any] | None:
    """Return w and an exponential or a softmax e of a scalar log(w'e); None of another."""
    return _weighted_sum(scalar.args[0]) if isinstance(scalar, sympy.log) else None


def _weighted_sum(scalar: Any) -> tuple[Any, Any] | None:
    """Return w and e of a scalar w'e, of which e is an exponential or a softmax."""
    if isinstance(scalar, Inner):
        first, last = product(*scalar.args[:-1]), scalar.args[-1]
        if _is_exponential(last):
            return transpose(first), last
        if isinstance(scalar.args[0], Transpose) and _is_exponential(scalar.args[0].args[0]):
            return product(*scalar.args[1:]), scalar.args[0].args[0]
    if isinstance(scalar, Total) and isinstance(scalar.args[0], Hadamard):
        factors = scalar.args[0].args
        found = [factor for factor in factors if _is_exponential(factor)]
        if len(found) == 1:
            return hadamard(*(factor for factor in factors if factor is not found[0])), found[0]
    return None


def _is_exponential(matrix: Any) -> bool:
    return isinstance(matrix, Softmax) or (
        isinstance(matrix, Elementwise) and bool(matrix.function == EXP)
    )


def _exponent(e: Any) -> Any:
    return e.args[0] if isinstance(e, Softmax) else e.matrix


def _quotient(matrix: Any, w: Any, e: Any) -> Any:
    """Return a matrix that has e as a factor over w'e."""
    z = _exponent(e)
    if matrix is e:
        return OverWeighted(z, w)
    if isinstance(matrix, Hadamard) and set(matrix.args) == {e, w}:
        return Weighted(z, w)
    if isinstance(matrix, Balanced) and matrix.args[1] is e:
        inside = matrix.args[0].args[1].args[0]
        for sign in (1, -1):
            if inside == scale(sign, w):
                less = MatrixSum(Weighted(z, w), scale(S.NegativeOne, e))
                return scale(sign, Balanced(less, e))
    return None
