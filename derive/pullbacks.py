"""Pullbacks of structured matrices and of largest entries, hard and soft, for the table.

They are those rows of ``derive.operations`` that say most; what a pullback is, is said there.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Integer, Mul, S

from derive import build
from derive.build import (
    across,
    add,
    elementwise,
    first_maximum,
    frobenius,
    hadamard,
    identity,
    multiply,
    ones,
    product,
    row_sum,
    scale,
    subtract,
    transpose,
)
from derive.graph import is_matrix
from derive.scalars import U, step

__all__ = [
    "adjugate",
    "cross_entropy",
    "determinant",
    "entrywise_maximum",
    "entrywise_minimum",
    "inverse",
    "kronecker",
    "log_det",
    "log_sum_exp",
    "maximum",
    "minimum",
    "pseudo_inverse",
    "row_log_sum_exp",
    "row_softmax",
    "softmax",
]

ONE = Integer(1)
Cotangents = tuple[Any, ...]


def inverse(g: Any, out: Any, x: Any) -> Cotangents:
    """Differentiate inv(X) by d inv(X) = −inv(X)·dX·inv(X)."""
    return (scale(S.NegativeOne, product(transpose(out), g, transpose(out))),)


def determinant(g: Any, out: Any, x: Any) -> Cotangents:
    """Differentiate det(X) by Jacobi's formula, for a regular matrix."""
    return (scale(Mul(g, out), transpose(build.inverse(x))),)


def log_det(g: Any, out: Any, x: Any) -> Cotangents:
    """Differentiate log |det X| by Jacobi's formula."""
    return (scale(g, transpose(build.inverse(x))),)


def pseudo_inverse(g: Any, out: Any, x: Any) -> Cotangents:
    """Pull back through the pseudoinverse of a matrix of constant rank.

    dP = −P·dA·P + P·P'·dA'·(I − A·P) + (I − P·A)·dA'·P'·P

    Golub and Pereyra, SIAM Journal on Numerical Analysis 10 (1973).
    """
    turned, p = transpose(g), transpose(out)
    beside = subtract(identity(x.shape[0]), product(x, out))
    below = subtract(identity(x.shape[1]), product(out, x))
    by_inverse = scale(S.NegativeOne, product(p, g, p))
    return (add(by_inverse, product(beside, turned, out, p), product(p, out, turned, below)),)


def adjugate(g: Any, out: Any, x: Any) -> Cotangents:
    """Differentiate det(X)·inv(X), which the adjugate of a regular matrix is."""
    turned = transpose(build.inverse(x))
    return (subtract(scale(frobenius(g, out), turned), product(turned, g, transpose(out))),)


def kronecker(g: Any, out: Any, a: Any, b: Any) -> Cotangents:
    """Sum over the blocks, Σ_kl G_(ik)(jl)·b_kl, and over the entries of each, by ones."""
    (m, n), (p, q) = a.shape, b.shape
    by_a = hadamard(g, build.kronecker(ones(m, n), b))
    by_b = hadamard(g, build.kronecker(a, ones(p, q)))
    return (
        product(
            build.kronecker(identity(m), ones(ONE, p)),
            by_a,
            build.kronecker(identity(n), ones(q, ONE)),
        ),
        product(
            build.kronecker(ones(ONE, m), identity(p)),
            by_b,
            build.kronecker(ones(n, ONE), identity(q)),
        ),
    )


def entrywise_maximum(g: Any, out: Any, x: Any, y: Any) -> Cotangents:
    """Send the cotangent to y where y > x, else to x."""
    return _of_larger(g, subtract(y, x))


def entrywise_minimum(g: Any, out: Any, x: Any, y: Any) -> Cotangents:
    """Send the cotangent to y where y < x, else to x."""
    return _of_larger(g, subtract(x, y))


def softmax(g: Any, out: Any, z: Any) -> Cotangents:
    """Subtract the mean of the cotangent, weighted by the softmax."""
    return (subtract(hadamard(out, g), multiply(frobenius(out, g), out)),)


def row_softmax(g: Any, out: Any, z: Any) -> Cotangents:
    """Do the same row by row."""
    weighted = hadamard(out, g)
    return (subtract(weighted, hadamard(out, across(row_sum(weighted), z))),)


def row_log_sum_exp(g: Any, out: Any, z: Any) -> Cotangents:
    """Send the cotangent of a row to its softmax."""
    return (hadamard(across(g, z), build.row_softmax(z)),)


def log_sum_exp(g: Any, out: Any, z: Any) -> Cotangents:
    """Send the cotangent to the softmax of all entries."""
    if z.shape[1] == 1:
        return (scale(g, build.softmax(z)),)
    shifted = subtract(z, scale(out, ones(*z.shape)))
    return (scale(g, elementwise(sympy.exp(U), shifted)),)


def cross_entropy(g: Any, out: Any, p: Any, y: Any) -> Cotangents:
    """Differentiate −Σ y·log(p) by p and by y."""
    by_p = hadamard(y, elementwise(1 / U, p))
    by_y = elementwise(sympy.log(U), p)
    return scale(Mul(S.NegativeOne, g), by_p), scale(Mul(S.NegativeOne, g), by_y)


def maximum(g: Any, out: Any, x: Any) -> Cotangents:
    """Send the cotangent to the first largest entry."""
    return (scale(g, first_maximum(x)),)


def minimum(g: Any, out: Any, x: Any) -> Cotangents:
    """Send the cotangent to the first smallest entry."""
    return (scale(g, first_maximum(scale(S.NegativeOne, x))),)


def _of_larger(g: Any, lead: Any) -> Cotangents:
    """Send the cotangent to the second argument where it leads, else to the first."""
    second = elementwise(step(U), lead) if is_matrix(lead) else step(lead)
    first = elementwise(1 - step(U), lead) if is_matrix(lead) else 1 - second
    return hadamard(g, first), hadamard(g, second)
