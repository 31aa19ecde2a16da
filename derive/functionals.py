"""Functionals: the nodes whose value is a real number, computed from matrices.

A functional (total, trace, norm, …) is a real commutative ``Expr``, so that SymPy's scalar algebra
applies to it. All other nodes are in ``derive.nodes``, which has these as well.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sympy import Expr, Integer

from derive.stored import Stored

__all__ = [
    "CrossEntropy",
    "Determinant",
    "Functional",
    "Inner",
    "LogDet",
    "LogSumExp",
    "Maximum",
    "Minimum",
    "Norm2",
    "Total",
    "Trace",
]

ONE = Integer(1)


class Functional(Stored, Expr):
    """A real number computed from matrices."""

    is_commutative = True
    is_real = True
    name: ClassVar[str]

    def __new__(cls, *matrices: Any) -> Any:
        return cls._make((ONE, ONE), *matrices)


class Inner(Functional):
    """The one entry of a product of shape 1×1, such as x'·A·y."""

    name = "inner"


class Total(Functional):
    """The sum of all entries."""

    name = "sum"


class Trace(Functional):
    """The sum of the diagonal."""

    name = "tr"


class Determinant(Functional):
    """The determinant."""

    name = "det"


class LogDet(Functional):
    """log |det X|."""

    name = "logdet"


class Norm2(Functional):
    """The Euclidean norm of a vector, the Frobenius norm of a matrix."""

    name = "norm2"
    is_nonnegative = True


class LogSumExp(Functional):
    """log Σ exp over all entries."""

    name = "logsumexp"


class Maximum(Functional):
    """The largest entry, the first of them on a tie."""

    name = "max"


class Minimum(Functional):
    """The smallest entry, the first of them on a tie."""

    name = "min"


class CrossEntropy(Functional):
    """−Σ_i y_i·log(p_i), of probabilities p and labels y."""

    name = "crossentropy"
