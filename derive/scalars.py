"""Scalar functions of one real argument: SymPy's, or those of ``derive.real``.

One row of FUNCTIONS is one elementwise function of the formula language. Its derivative is its
SymPy ``diff``, so that a row holds only the name, the SymPy function, and where it is not smooth or
not defined.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Add, Mul, Pow, S

from derive.real import (
    absolute,
    digamma,
    lgamma,
    maximum,
    minimum,
    relu,
    sigmoid,
    sign,
    softplus,
    step,
    trigamma,
)

__all__ = [
    "FUNCTIONS",
    "ScalarFunction",
    "U",
    "absolute",
    "digamma",
    "lgamma",
    "maximum",
    "minimum",
    "multiply",
    "name_of",
    "power",
    "relu",
    "sigmoid",
]
__all__ += ["sign", "softplus", "step", "trigamma"]

# The bound argument of every elementwise function; no variable's name begins with "_".
U = sympy.Symbol("_u", real=True)


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
    which it is defined. ``letter`` is what a person calls its value in a derivation. A function
    without a derivative is in the language because it is one itself.
    """

    name: str
    function: Any
    kink: bool = False
    domain: tuple[float, float] = (-float("inf"), float("inf"))
    letter: str = ""
    derivative_shown: bool = False
    has_derivative: bool = True

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
    ScalarFunction("erf", sympy.erf),
    ScalarFunction("lgamma", lgamma, domain=_POSITIVE),
    ScalarFunction("digamma", digamma, domain=_POSITIVE),
    ScalarFunction("trigamma", trigamma, domain=_POSITIVE, has_derivative=False),
)

FUNCTIONS = MappingProxyType({row.name: row for row in _ROWS})

_NAMES = {row.function: row.name for row in _ROWS} | {sympy.Abs: "abs", sympy.sign: "sign"}


def name_of(function: Any) -> str | None:
    """Return the language's name of a SymPy function class, or None where it has none.

    >>> name_of(sympy.asin), name_of(absolute), name_of(sympy.gamma)
    ('arcsin', 'abs', None)
    """
    return _NAMES.get(function)
