"""Functions that stand in code alone, put in after all simplification; each has a kernel."""

from __future__ import annotations

from typing import Any

from sympy import sympify

from derive.functionals import Functional
from derive.nodes import MatrixFunction, RowFunction
from derive.real import Real

__all__ = [
    "Away",
    "Balanced",
    "EntrywiseLogNearOne",
    "LessOne",
    "LogDetOnePlus",
    "LogNearOne",
    "LogOfDet",
    "LogRatio",
    "LogWeighted",
    "NearZero",
    "Normalised",
    "OverWeighted",
    "PowerOfEntries",
    "PowerOverBase",
    "RowBalanced",
    "RowLessOne",
    "RowLogRatio",
    "RowSoftmaxDifference",
    "ScalarAway",
    "ScalarNearZero",
    "SoftmaxDifference",
    "TimesLog",
    "Weighted",
    "erfc",
    "logcosh",
    "logsoftplus",
    "positive",
    "sigmoid_slope",
    "softplus_rate",
]


class _InCode(Real):
    """A function that stands in code alone, put in after all simplification."""

    @classmethod
    def eval(cls, u: Any) -> Any:
        """Stay symbolic: what is evaluated are formulas, before code."""
        return None


class logcosh(_InCode):  # noqa: N801 - a function like those of derive.real
    """log(cosh(u))."""


class erfc(_InCode):  # noqa: N801 - a function like those of derive.real
    """1 − erf(u)."""


class positive(_InCode):  # noqa: N801 - a function like those of derive.real
    """u where it is not negative, and no number elsewhere, as its logarithm is none."""


class logsoftplus(_InCode):  # noqa: N801 - a function like those of derive.real
    """log(softplus(u))."""


class softplus_rate(_InCode):  # noqa: N801 - a function like those of derive.real
    """sigmoid(u)/softplus(u), the derivative of log(softplus(u))."""


class sigmoid_slope(_InCode):  # noqa: N801 - a function like those of derive.real
    """sigmoid(u)·sigmoid(−u), which one exponential gives."""


class _OfSeveral(MatrixFunction):
    """A function of several arguments, of the shape that one of the first alone would have."""

    def __new__(cls, first: Any, *others: Any) -> Any:
        return cls._make(cls._shape_from(first.shape), first, *map(sympify, others))


class Normalised(_OfSeveral):
    """A softmax as e/q, of exponentials e and their sum q: one value, which products share."""

    name = "normalised"


class Balanced(_OfSeveral):
    """A matrix d whose entries add up to 0, the one where s > 1/2 from the others."""

    name = "balanced"


class RowBalanced(Balanced):
    """A matrix of which every row adds up to 0, the entry where s > 1/2 from the others."""

    name = "rowbalanced"


class LessOne(Functional):
    """q − 1 without rounding, of exponentials e, of which the largest is 1, and q = Σ e."""

    name = "less_one"


class RowLessOne(_OfSeveral, RowFunction):
    """q − 1 without rounding, of exponentials e, of whose rows the largest is 1, and q = Σ_j e."""

    name = "rowless_one"


class LogWeighted(Functional):
    """log(Σ w·exp(z)) of two matrices z and w."""

    name = "log_weighted"


class Weighted(_OfSeveral):
    """w∘exp(z)/Σ w·exp(z) of two matrices z and w."""

    name = "weighted"


class OverWeighted(Weighted):
    """exp(z)/Σ w·exp(z) of two matrices z and w."""

    name = "over_weighted"


class LogRatio(Functional):
    """log(Σ exp(z)/Σ exp(y)) of two matrices of one shape, whose largest entries are 0."""

    name = "log_ratio"


class RowLogRatio(_OfSeveral, RowFunction):
    """log(Σ_j exp(z)/Σ_j exp(y)) of two matrices of one shape, whose rows' largest are 0."""

    name = "rowlog_ratio"


class SoftmaxDifference(_OfSeveral):
    """softmax(z) − softmax(y) over the entries of two matrices, whose largest entries are 0."""

    name = "softmax_difference"


class RowSoftmaxDifference(SoftmaxDifference):
    """The difference of the softmaxes of rows, whose largest entries are 0."""

    name = "rowsoftmax_difference"


class Away(_OfSeveral):
    """A matrix, its entries that are nearer to 0 than a radius replaced by the radius."""

    name = "away"


class NearZero(_OfSeveral):
    """The power series of x where |x| is smaller than a radius, and ``far`` elsewhere."""

    name = "near_zero"


class ScalarAway(Functional):
    """A scalar, replaced by a radius where it is nearer to 0."""

    name = "away"

    def __new__(cls, x: Any, radius: Any) -> Any:
        return super().__new__(cls, x, sympify(radius))


class ScalarNearZero(Functional):
    """The power series of a scalar where it is smaller than a radius, and ``far`` elsewhere."""

    name = "near_zero"

    def __new__(cls, x: Any, far: Any, radius: Any, *coefficients: Any) -> Any:
        return super().__new__(cls, x, far, *map(sympify, (radius, *coefficients)))


class LogOfDet(Functional):
    """log(det X), no number where the determinant is negative."""

    name = "log_of_det"


class LogDetOnePlus(Functional):
    """log det(I + P) of a positive semidefinite matrix P."""

    name = "logdet_one_plus"


class LogNearOne(Functional):
    """log(q) of a scalar q, whose difference from 1 is known as well."""

    name = "log_near_one"


class EntrywiseLogNearOne(_OfSeveral):
    """log(q) of the entries q of a matrix, whose differences from 1 are known as well."""

    name = "log_near_one"


class PowerOfEntries(_OfSeveral):
    """x^y of the entries of a matrix and of a matrix or a scalar."""

    name = "pow"


class PowerOverBase(PowerOfEntries):
    """x^(y − 1) of the entries of a matrix and of a matrix or a scalar."""

    name = "power_over_base"


class TimesLog(PowerOfEntries):
    """p·log(x) of the entries of two matrices, 0 where p is."""

    name = "times_log"
