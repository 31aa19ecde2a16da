"""Real functions that SymPy lacks, or whose conventions there are not ours.

SymPy's ``Max(t, 0)`` differentiates to a Heaviside function that is ½ at 0 and its ``sign`` to a
Dirac delta. The functions here have the derivative that a person writes, with the convention at
the kink stated: relu'(0) = step(0) = 0, sign(0) = 0, and a maximum's gradient goes to the first of
the arguments that are largest. SymPy's ``loggamma`` is complex for negative arguments and its
``digamma`` turns into a function of two.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Function, Integer, Mul, S

from derive.errors import RefusedError

__all__ = ["Real", "absolute", "digamma", "lgamma", "maximum", "minimum", "relu", "sigmoid"]
__all__ += ["sign", "softplus", "step", "trigamma"]


class Real(Function):
    """A real function of one real argument."""

    is_real = True
    is_commutative = True

    @classmethod
    def eval(cls, u: Any) -> Any:
        """Evaluate at numbers; stay symbolic elsewhere."""
        return cls._at_number(u) if u.is_Number else None

    def _eval_evalf(self, precision: int) -> Any:
        value = self.args[0]._eval_evalf(precision)
        return None if value is None or not value.is_Number else self._at_number(value)


class step(Real):  # noqa: N801 - named as in the formula language
    """1 where u > 0, and 0 elsewhere: the derivative of relu, with step(0) = 0."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return S.One if u > 0 else S.Zero

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 0: the function is constant on both sides of its jump."""
        return S.Zero

    def _eval_rewrite_as_Piecewise(self, u: Any, **_: Any) -> Any:
        return sympy.Piecewise((S.One, u > 0), (S.Zero, u <= 0))

    def _eval_power(self, exponent: Any) -> Any:
        return self if exponent.is_Integer and exponent > 0 else None


class relu(Real):  # noqa: N801 - named as in the formula language
    """max(u, 0)."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return u if u > 0 else S.Zero

    def fdiff(self, argindex: int = 1) -> Any:
        """Return step(u)."""
        return step(self.args[0])


class sign(Real):  # noqa: N801 - named as in the formula language
    """−1, 0 or 1: the derivative of abs, with sign(0) = 0."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return Integer(bool(u > 0) - bool(u < 0))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 0: the function is constant on both sides of its jump."""
        return S.Zero


class absolute(Real):  # noqa: N801 - a function like its neighbours
    """|u|."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return u if u > 0 else -u

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sign(u)."""
        return sign(self.args[0])


class sigmoid(Real):  # noqa: N801 - named as in the formula language
    """1/(1 + exp(−u))."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return 1 / (1 + sympy.exp(-u))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(u)·(1 − sigmoid(u))."""
        return self * (1 - self)


class softplus(Real):  # noqa: N801 - named as in the formula language
    """log(1 + exp(u))."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return sympy.log(1 + sympy.exp(u))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(u)."""
        return sigmoid(self.args[0])


class _OfGamma(Real):
    """A function with poles at 0, −1, −2, …; it is known at floating-point numbers."""

    @classmethod
    def _at_number(cls, u: Any) -> Any:
        if u <= 0 and (u - sympy.floor(u)).is_zero:
            return S.ComplexInfinity
        return sympy.re(cls._in_sympy(u)._eval_evalf(u._prec)) if u.is_Float else None

    @staticmethod
    def _in_sympy(u: Any) -> Any:
        raise NotImplementedError


class lgamma(_OfGamma):  # noqa: N801 - named as in the formula language
    """log|Γ(u)|."""

    @classmethod
    def _at_number(cls, u: Any) -> Any:
        return S.Zero if u in (1, 2) else super()._at_number(u)

    @staticmethod
    def _in_sympy(u: Any) -> Any:
        return sympy.loggamma(u, evaluate=False)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return digamma(u)."""
        return digamma(self.args[0])


class digamma(_OfGamma):  # noqa: N801 - named as in the formula language
    """The derivative of log|Γ(u)|."""

    @staticmethod
    def _in_sympy(u: Any) -> Any:
        return sympy.polygamma(0, u, evaluate=False)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return trigamma(u)."""
        return trigamma(self.args[0])


class trigamma(_OfGamma):  # noqa: N801 - named as in the formula language
    """The derivative of digamma(u), in the language so that this one can be written."""

    @staticmethod
    def _in_sympy(u: Any) -> Any:
        return sympy.polygamma(1, u, evaluate=False)

    def fdiff(self, argindex: int = 1) -> Any:
        """Refuse: its derivative has no name in the language."""
        raise RefusedError(
            "No derivative rule for 'trigamma': its derivative has no name in the language."
        )


class _Extremum(Function):
    """The largest of real arguments, by an order; the first of them on a tie."""

    is_real = True
    is_commutative = True

    @classmethod
    def eval(cls, *arguments: Any) -> Any:
        """Evaluate at numbers, and of one argument; stay symbolic elsewhere."""
        if len(set(arguments)) == 1:
            return arguments[0]
        if all(argument.is_Number for argument in arguments):
            return cls.first(arguments)
        return None

    @classmethod
    def first(cls, arguments: Any, at: Any = None) -> Any:
        """Return the first of the largest arguments, by their values ``at`` a point."""
        values = list(arguments if at is None else at)
        best = 0
        for i in range(1, len(values)):
            if cls.lead(values[i], values[best]) > 0:
                best = i
        return arguments[best]

    @staticmethod
    def lead(a: Any, b: Any) -> Any:
        """Return what is positive where a comes before b."""
        raise NotImplementedError

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 1 where the argument is the first of the largest, 0 elsewhere."""
        u = self.args[argindex - 1]
        before = (step(self.lead(u, v)) for v in self.args[: argindex - 1])
        after = (1 - step(self.lead(v, u)) for v in self.args[argindex:])
        return Mul(*before, *after)

    def _eval_evalf(self, precision: int) -> Any:
        values = [argument._eval_evalf(precision) for argument in self.args]
        known = all(value is not None and value.is_Number for value in values)
        return self.first(values) if known else None


class maximum(_Extremum):  # noqa: N801 - a function like its neighbours
    """The largest of its arguments."""

    name = "max"

    @staticmethod
    def lead(a: Any, b: Any) -> Any:
        return a - b


class minimum(_Extremum):  # noqa: N801 - a function like its neighbours
    """The smallest of its arguments."""

    name = "min"

    @staticmethod
    def lead(a: Any, b: Any) -> Any:
        return b - a
