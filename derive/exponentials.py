"""Functions of exp(t) in a form that neither overflows nor cancels: 1 − tanh(t)² = 4σ(2t)·σ(−2t).

A rational function of E = exp(t), in which tanh, sinh, cosh and sigmoid are written too, factors as
c·E^i·Π p(E)^n. With s = σ(t), q = σ(−t) = 1 − s and E = s/q, a factor p of degree d is
Σ a_k s^k q^(d−k) over q^d: E + 1 gives 1, E − 1 gives s − q = tanh(t/2), and coefficients of one
sign cancel nowhere. What grows on both sides, such as cosh(t), stays, and its logarithm is a
function of its own.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any

import sympy
from sympy import Add, Mul, Poly, Pow, S
from sympy.codegen.cfunctions import expm1, log1p

from derive.code_functions import logcosh, logsoftplus, sigmoid_slope, softplus_rate
from derive.powers_of_exp import EXPONENTIALS, HIGH, E, atoms, counted, in_exp, is_positive
from derive.real import sigmoid, softplus

__all__ = ["OF_EXP", "without_cancellation", "without_cancellation_inside"]


OF_EXP = (*EXPONENTIALS, softplus)
GROWING = (sympy.exp, sympy.sinh, sympy.cosh, expm1)
MANY_TERMS = 4  # of a sum that is multiplied out


@lru_cache(maxsize=4096)
def without_cancellation_inside(function: Any) -> Any:
    """Rewrite a function of one argument, from the leaves up.

    >>> u = sympy.Symbol("u", real=True)
    >>> without_cancellation_inside(1 - sympy.tanh(u) ** 2)
    4*sigmoid_slope(2*u)
    """
    if not function.args or not function.has(*OF_EXP):
        return function
    inside = [without_cancellation_inside(arg) for arg in function.args]
    changed = any(new is not old for new, old in zip(inside, function.args, strict=True))
    return without_cancellation(function.func(*inside) if changed else function)


@lru_cache(maxsize=4096)
def without_cancellation(scalar: Any) -> Any:
    """Rewrite one scalar node, of operands that are rewritten.

    >>> u = sympy.Symbol("u", real=True)
    >>> without_cancellation(sympy.log(1 - sympy.exp(-u)))
    -log1p(-exp(-u)/expm1(-u))
    """
    if isinstance(scalar, sympy.log):
        if isinstance(scalar.args[0], softplus):
            return logsoftplus(scalar.args[0].args[0])
        ratio = _Ratio.of(scalar.args[0])
        return scalar if ratio is None else ratio.logarithm(scalar)
    if isinstance(scalar, (Pow, Mul)):
        parts = Mul.make_args(scalar)
        for part in parts:
            if isinstance(part, sigmoid) and 1 / softplus(part.args[0]) in parts:
                others = (p for p in parts if p not in (part, 1 / softplus(part.args[0])))
                return without_cancellation(Mul(softplus_rate(part.args[0]), *others))
        chosen = [part for part in parts if _is_ratio(part)]
        rest = [part for part in parts if part not in chosen]
        if chosen and (opened := _opened(scalar, chosen, rest)) is not None:
            return opened
        return Mul(_in_sigmoids(Mul(*chosen)), *rest) if chosen else scalar
    return _sum(scalar) if isinstance(scalar, Add) else scalar


def _opened(scalar: Any, chosen: list[Any], rest: list[Any]) -> Any:
    """Multiply out the one sum in a product where fewer functions are left that grow."""
    sums = [part for part in rest if isinstance(part, Add) and part.has(*GROWING)]
    if len(sums) != 1 or len(sums[0].args) > MANY_TERMS:
        return None
    others = [part for part in rest if part is not sums[0]]
    products = [without_cancellation(Mul(*chosen, term)) for term in sums[0].args]
    fewer = sum(_growing(term) for term in products) < _growing(scalar)
    return Mul(*others, Add(*products)) if fewer else None


def _growing(scalar: Any) -> int:
    return int(sum(scalar.count(function) for function in GROWING))


def _is_ratio(factor: Any) -> bool:
    base = factor.base if isinstance(factor, Pow) and factor.exp.is_Integer else factor
    return isinstance(base, EXPONENTIALS) or (isinstance(base, Add) and bool(atoms(base)))


def _sum(scalar: Any) -> Any:
    """Rewrite a sum, of which the terms that differ by a function of exp(t) go together."""
    for term in scalar.args:
        coefficient, rest = term.as_coeff_Mul()
        if isinstance(rest, softplus):  # softplus(t) = t + softplus(−t)
            t = rest.args[0]
            pairs = {
                -coefficient * t: coefficient * softplus(-t),
                -coefficient * softplus(-t): coefficient * t,
            }
            for other in filter(scalar.args.__contains__, pairs):
                others = (part for part in scalar.args if part not in (term, other))
                return Add(pairs[other], *others)
    groups: dict[Any, list[Any]] = {}
    for term in scalar.args:
        parts = Mul.make_args(term)
        chosen = [part for part in parts if part.is_number or _is_ratio(part)]
        rest = Mul(*(part for part in parts if part not in chosen))
        groups.setdefault(rest, []).append(Mul(*chosen))
    better = {
        rest: _in_sigmoids(Add(*found))
        for rest, found in groups.items()
        if len(found) > 1 and not all(map(is_positive, found))
    }
    if all(better[rest] == Add(*groups[rest]) for rest in better):
        return scalar
    return Add(*(Mul(rest, better.get(rest, found[0])) for rest, found in groups.items()))


def _in_sigmoids(scalar: Any) -> Any:
    """Return a rational function of exp(t) without cancellation, or as it is."""
    ratio = _Ratio.of(scalar)
    found = None if ratio is None else ratio.in_sigmoids()
    return scalar if found is None else found


class _Ratio:
    """c·E^i·Π p(E)^n of E = exp(t)."""

    def __init__(self, constant: Any, exponent: int, powers: dict[Any, int], t: Any) -> None:
        self.constant, self.exponent, self.powers, self.t = constant, exponent, powers, t

    @classmethod
    def of(cls, scalar: Any) -> _Ratio | None:
        """Read a scalar; None where it is no rational function of the powers of one exp(t)."""
        found = atoms(scalar)
        if not found:
            return None
        read = [counted(atom) for atom in found]
        t = read[0][1]
        if any(other != t or not count.is_Rational for count, other in read):
            return None
        unit = sympy.gcd_list([count for count, _ in read])
        if any(abs(count / unit) > HIGH for count, _ in read):
            return None
        inside = {
            atom: in_exp(atom, int(count / unit))
            for atom, (count, _) in zip(found, read, strict=True)
        }
        return _factored(scalar.xreplace(inside), unit * t)

    def in_sigmoids(self) -> Any:
        """Return the function in σ(t), σ(−t) and tanh(t/2), None where it is not bounded so."""
        if not self.powers:
            return self.constant * sympy.exp(self.exponent * self.t)
        if set(self.powers) == {E - 1} and self.powers[E - 1] > 0:
            return self._in_expm1(self.powers[E - 1])
        n = self.powers.get(E - 1, 0)
        if self.powers == {E - 1: n, E + 1: n} and self.exponent == -n < 0:
            return self.constant * (2 * sympy.sinh(self.t)) ** n
        i, j = self.exponent, -self.exponent - self._degree()
        if min(i, j) < 0 and (i + j < 0 or max(i, j) < 0):
            return None
        growth = 0
        if min(i, j) < 0:  # s = q·exp(t)
            growth, i, j = (i, 0, i + j) if i < 0 else (-j, i + j, 0)
        both = min(i, j)
        return Mul(
            self.constant,
            sympy.exp(growth * self.t),
            sigmoid_slope(self.t) ** both,
            sigmoid(self.t) ** (i - both),
            sigmoid(-self.t) ** (j - both),
            *(self._homogeneous(p) ** n for p, n in self._polynomials()),
        )

    def _degree(self) -> int:
        return sum(n * int(sympy.degree(p, E)) for p, n in self.powers.items())

    def _polynomials(self) -> list[tuple[Any, int]]:
        return [(p, n) for p, n in self.powers.items() if p != E + 1]

    def _homogeneous(self, p: Any) -> Any:
        if p == E - 1:
            return sympy.tanh(self.t / 2)
        s, q = sigmoid(self.t), sigmoid(-self.t)
        coefficients = Poly(p, E).all_coeffs()[::-1]
        degree = len(coefficients) - 1
        return Add(*(c * s**k * q ** (degree - k) for k, c in enumerate(coefficients)))

    def _in_expm1(self, n: int) -> Any:
        """Return c·E^i·(E − 1)^n in factors of which none overflows where the product does not."""
        rest, t = self.exponent, self.t
        if 2 * rest == -n:
            return self.constant * (2 * sympy.sinh(t / 2)) ** n
        if rest >= 0:
            return Mul(self.constant, sympy.exp(rest * t), expm1(t, evaluate=False) ** n)
        if rest + n > 0:
            return None  # it grows on both sides, and a factor would on one alone
        growth = sympy.exp((rest + n) * t)
        return Mul(self.constant * (-1) ** n, growth, expm1(-t, evaluate=False) ** n)

    def logarithm(self, scalar: Any) -> Any:
        """Return the logarithm, ``scalar`` as it is where nothing better is known."""
        near_one = self._log_of_cosh() or self._log_of_expm1()
        if near_one is not None:
            return near_one
        positive = all(c >= 0 for p, _ in self._polynomials() for c in Poly(p, E).all_coeffs())
        if self.constant <= 0 or not self.powers or not positive:
            return scalar
        if set(self.powers) != {E + 1} and self._is_one_somewhere():
            return self._log_of_linear() or scalar  # else a logarithm near 1
        i, j = self.exponent, -self.exponent - self._degree()
        linear = 0
        if i * j < 0:  # of different signs they would cancel: s = q·exp(t)
            linear = -j if abs(i) >= abs(j) else i
            i, j = (i + j, 0) if abs(i) >= abs(j) else (0, i + j)
        logs = (n * sympy.log(self._homogeneous(p)) for p, n in self._polynomials())
        logistic = -i * softplus(-self.t) - j * softplus(self.t)
        return Add(sympy.log(self.constant), linear * self.t, logistic, *logs)

    def _is_one_somewhere(self) -> bool:
        """Say whether the function is 1 at t = 0 or tends to 1: there its logarithm vanishes."""
        ends = {0: self.exponent == 0, 1: True}
        values = [
            self.constant * Mul(*(p.subs(E, at) ** n for p, n in self.powers.items()))
            for at, counts in ends.items()
            if counts
        ]
        if self.exponent + self._degree() == 0:
            leading = (sympy.LC(p, E) ** n for p, n in self.powers.items())
            values.append(self.constant * Mul(*leading))
        return 1 in values

    def _log_of_linear(self) -> Any:
        """Return the logarithm of c·(aE + b)^n."""
        if self.exponent or len(self.powers) != 1 or self._degree() not in (1, -1):
            return None
        ((p, n),) = self.powers.items()
        a, b = Poly(p, E).all_coeffs()
        return sympy.log(self.constant * b**n) + n * softplus(self.t + sympy.log(a / b))

    def _log_of_cosh(self) -> Any:
        """Return the logarithm of c·cosh(t)^n."""
        for p, share, angle in ((E**2 + 1, 1, self.t), (E + 1, 2, self.t / 2)):
            n = self.powers.get(p, 0)
            if n and len(self.powers) == 1 and self.exponent * share == -n and self.constant > 0:
                return sympy.log(self.constant * S(2) ** n) + n * logcosh(angle)
        return None

    def _log_of_expm1(self) -> Any:
        """Return the logarithm of E^i·(E − 1) or E^i·(1 − E): log(1 − E) = −log1p(E/(1 − E))."""
        if self.powers != {E - 1: 1} or self.constant == 0:
            return None
        grows = bool(self.constant > 0)  # then t > 0
        t = -self.t if grows else self.t
        quotient = -sympy.exp(t) / expm1(t, evaluate=False)
        linear = (self.exponent + grows) * self.t
        return Add(sympy.log(abs(self.constant)), linear, -log1p(quotient, evaluate=False))


def _factored(ratio: Any, t: Any) -> _Ratio | None:
    fraction = sympy.fraction(sympy.cancel(sympy.together(ratio)))
    if fraction[0] == 0:
        return None
    numerator, denominator = (Poly(part, E) for part in fraction)
    if max(numerator.degree(), denominator.degree()) > HIGH:
        return None
    lowest = [min(powers)[0] for powers in (numerator.monoms(), denominator.monoms())]
    exponent = lowest[0] - lowest[1]
    powers = [
        [k - low for (k,) in p.monoms()]
        for p, low in zip((numerator, denominator), lowest, strict=True)
    ]
    unit = gcd(exponent, *powers[0], *powers[1]) or 1
    constant, factors = S.One, {}
    for sign, polynomial, exponents in zip((1, -1), (numerator, denominator), powers, strict=True):
        terms = {(k // unit,): c for k, c in zip(exponents, polynomial.coeffs(), strict=True)}
        content, found = Poly.from_dict(terms, E).factor_list()
        constant *= content**sign
        factors.update({p.as_expr(): sign * n for p, n in found})
    return _Ratio(constant, exponent // unit, factors, unit * t)
