"""Scalar functions of one real argument: SymPy's, or our own where its conventions are not ours.

SymPy's ``Max(t, 0)`` differentiates to a Heaviside function that is ½ at 0 and its ``sign`` to a
Dirac delta. The functions here have the derivative that a person writes, with the convention at
the kink stated: relu'(0) = step(0) = 0 and sign(0) = 0.

One row of FUNCTIONS is one elementwise function of the formula language. Its derivative is its
SymPy ``diff``, so that a row holds only the name, the SymPy function, and where it is not smooth or
not defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Add, Function, Integer, Mul, Pow, S

__all__ = [
    "FUNCTIONS",
    "ScalarFunction",
    "U",
    "absolute",
    "multiply",
    "name_of",
    "power",
    "relu",
    "sigmoid",
]
__all__ += ["sign", "softplus", "step"]

# The bound argument of every elementwise function; no variable's name begins with "_".
U = sympy.Symbol("_u", real=True)


class _Real(Function):
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


class step(_Real):  # noqa: N801 - named as in the formula language
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


class relu(_Real):  # noqa: N801 - named as in the formula language
    """max(u, 0)."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return u if u > 0 else S.Zero

    def fdiff(self, argindex: int = 1) -> Any:
        """Return step(u)."""
        return step(self.args[0])


class sign(_Real):  # noqa: N801 - named as in the formula language
    """−1, 0 or 1: the derivative of abs, with sign(0) = 0."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return Integer(bool(u > 0) - bool(u < 0))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return 0: the function is constant on both sides of its jump."""
        return S.Zero


class absolute(_Real):  # noqa: N801 - a function like its neighbours
    """|u|."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return u if u > 0 else -u

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sign(u)."""
        return sign(self.args[0])


class sigmoid(_Real):  # noqa: N801 - named as in the formula language
    """1/(1 + exp(−u))."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return 1 / (1 + sympy.exp(-u))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(u)·(1 − sigmoid(u))."""
        return self * (1 - self)


class softplus(_Real):  # noqa: N801 - named as in the formula language
    """log(1 + exp(u))."""

    @staticmethod
    def _at_number(u: Any) -> Any:
        return sympy.log(1 + sympy.exp(u))

    def fdiff(self, argindex: int = 1) -> Any:
        """Return sigmoid(u)."""
        return sigmoid(self.args[0])


def multiply(*factors: Any) -> Any:
    """Multiply scalars; where SymPy distributes a number over a sum, its terms are put in order."""
    result = Mul(*factors)
    return Add(*result.args) if isinstance(result, Add) else result


def power(base: Any, exponent: Any) -> Any:
    """Raise a real scalar to a power, as ``Pow`` does for numbers and symbols.

    SymPy asks itself what it can know of the sign and the size of any other base, by a recursion
    that is slow for a nested one and fails for a deep one. What always holds is applied here:
    exp(t)^r = exp(r·t), (t^2)^r = |t|^(2·r), |t|^2 = t^2, (s·t)^r = s^r·t^r for an integer r or
    s ≥ 0, and (t^p)^n = t^(p·n) and (2·s + 2·t)^n = 2^n·(s + t)^n for an integer n.
    """
    if exponent == 0:
        return S.One
    if exponent == 1 or (base.is_Atom and exponent.is_Atom):
        return Pow(base, exponent)
    if isinstance(base, sympy.exp):
        argument = Mul(exponent, base.args[0])
        return sympy.exp(argument, evaluate=argument.is_Atom)
    if isinstance(base, Mul) and exponent.is_Rational:
        return _power_of_product(base, exponent)
    if isinstance(base, Add) and exponent.is_Integer:
        content, primitive = base.primitive()
        if content.is_Integer:  # as SymPy does where it multiplies a sum by itself
            return Mul(Pow(content, exponent), Pow(primitive, exponent, evaluate=False))
    if isinstance(base, Pow) and exponent.is_Integer:
        return power(base.base, base.exp * exponent)
    if isinstance(base, absolute) and exponent.is_Integer and exponent.is_even:
        return power(base.args[0], exponent)
    if isinstance(base, Pow) and base.exp.is_Integer and base.exp.is_even:
        size = base.base if _is_nonnegative(base.base) else absolute(base.base)
        return power(size, base.exp * exponent)
    return Pow(base, exponent, evaluate=False)


def _power_of_product(base: Any, exponent: Any) -> Any:
    factors = list(base.args)
    if factors[0].is_Rational and factors[0] < -1:
        factors[:1] = [-factors[0], S.NegativeOne]
    apart = [f for f in factors if exponent.is_Integer or _is_nonnegative(f)]
    together = Mul(*(f for f in factors if f not in apart))
    if not apart:
        return Pow(base, exponent, evaluate=False)
    return multiply(*(power(f, exponent) for f in apart), power(together, exponent))


def _is_nonnegative(factor: Any) -> bool:
    """Say whether a factor is never negative, as far as that can be seen from the outside."""
    if isinstance(factor, Pow):
        return bool(factor.exp.is_Integer and factor.exp.is_even) or _is_nonnegative(factor.base)
    if factor.is_Atom:
        return bool(factor.is_nonnegative)
    return isinstance(factor, sympy.exp) or type(factor).is_nonnegative is True


def _root(u: Any) -> Any:
    return power(u, S.Half)


@dataclass(frozen=True)
class ScalarFunction:
    """One elementwise function of the language.

    ``kink`` is true where the function is not smooth at 0; ``domain`` bounds the open interval on
    which it is defined. ``letter`` is what a person calls its value in a derivation.
    """

    name: str
    function: Any
    kink: bool = False
    domain: tuple[float, float] = (-float("inf"), float("inf"))
    letter: str = ""
    derivative_shown: bool = False

    def __call__(self, argument: Any) -> Any:
        """Apply to a scalar SymPy expression; SymPy evaluates at numbers and names alone."""
        if argument.is_Atom or not isinstance(self.function, type):
            return self.function(argument)
        return self.function(argument, evaluate=False)


_POSITIVE = (0.0, float("inf"))

_ROWS = (
    ScalarFunction("exp", sympy.exp),
    ScalarFunction("log", sympy.log, domain=_POSITIVE),
    ScalarFunction("sqrt", _root, domain=_POSITIVE),
    ScalarFunction("sin", sympy.sin),
    ScalarFunction("cos", sympy.cos),
    ScalarFunction("tan", sympy.tan, domain=(-1.5, 1.5)),
    ScalarFunction("sinh", sympy.sinh),
    ScalarFunction("cosh", sympy.cosh),
    ScalarFunction("tanh", sympy.tanh, letter="a", derivative_shown=True),
    ScalarFunction("arcsin", sympy.asin, domain=(-1.0, 1.0)),
    ScalarFunction("arccos", sympy.acos, domain=(-1.0, 1.0)),
    ScalarFunction("arctan", sympy.atan),
    ScalarFunction("abs", absolute, kink=True),
    ScalarFunction("sign", sign, kink=True),
    ScalarFunction("relu", relu, kink=True, letter="a", derivative_shown=True),
    ScalarFunction("step", step, kink=True),
    ScalarFunction("sigmoid", sigmoid, letter="a", derivative_shown=True),
    ScalarFunction("softplus", softplus, letter="a", derivative_shown=True),
)

FUNCTIONS = MappingProxyType({row.name: row for row in _ROWS})

_NAMES = {row.function: row.name for row in _ROWS} | {sympy.Abs: "abs", sympy.sign: "sign"}


def name_of(function: Any) -> str | None:
    """Return the language's name of a SymPy function class, or None where it has none.

    >>> name_of(sympy.asin), name_of(absolute), name_of(sympy.gamma)
    ('arcsin', 'abs', None)
    """
    return _NAMES.get(function)
