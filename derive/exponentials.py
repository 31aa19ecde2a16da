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
from sympy import Add, Dummy, Mul, Poly, Pow, S
from sympy.codegen.cfunctions import expm1, log1p

from derive.real import Real, sigmoid, softplus

__all__ = ["OF_EXP", "erfc", "logcosh", "without_cancellation", "without_cancellation_inside"]


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


class sigmoid_slope(_InCode):  # noqa: N801 - a function like those of derive.real
    """sigmoid(u)·sigmoid(−u), which one exponential gives."""


EXPONENTIALS = (sympy.exp, sigmoid, sigmoid_slope, sympy.tanh, sympy.sinh, sympy.cosh, expm1)
OF_EXP = (*EXPONENTIALS, softplus)
E = Dummy("E", positive=True)
MANY = 40  # nodes of one rational function
GROWING = (sympy.exp, sympy.sinh, sympy.cosh, expm1)
MANY_TERMS = 4  # of a sum that is multiplied out
HIGH = 12  # degree of its numerator and denominator


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
        ratio = _Ratio.of(scalar.args[0])
        return scalar if ratio is None else ratio.logarithm(scalar)
    if isinstance(scalar, (Pow, Mul)):
        parts = Mul.make_args(scalar)
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
    return isinstance(base, EXPONENTIALS) or (isinstance(base, Add) and bool(_atoms(base)))


def _sum(scalar: Any) -> Any:
    """Rewrite a sum, of which the terms that differ by a function of exp(t) go together."""
    for term in scalar.args:
        coefficient, rest = term.as_coeff_Mul()
        if isinstance(rest, softplus) and -coefficient * rest.args[0] in scalar.args:
            others = (t for t in scalar.args if t not in (term, -coefficient * rest.args[0]))
            return Add(coefficient * softplus(-rest.args[0]), *others)
    groups: dict[Any, list[Any]] = {}
    for term in scalar.args:
        parts = Mul.make_args(term)
        chosen = [part for part in parts if part.is_number or _is_ratio(part)]
        rest = Mul(*(part for part in parts if part not in chosen))
        groups.setdefault(rest, []).append(Mul(*chosen))
    better = {rest: _in_sigmoids(Add(*found)) for rest, found in groups.items() if len(found) > 1}
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
        atoms = _atoms(scalar)
        if not atoms:
            return None
        read = [_counted(atom) for atom in atoms]
        t = read[0][1]
        if any(other != t or not count.is_Rational for count, other in read):
            return None
        unit = sympy.gcd_list([count for count, _ in read])
        inside = {
            atom: _in_exp(atom, int(count / unit))
            for atom, (count, _) in zip(atoms, read, strict=True)
        }
        return _factored(scalar.xreplace(inside), unit * t)

    def in_sigmoids(self) -> Any:
        """Return the function in σ(t), σ(−t) and tanh(t/2), None where it is not bounded so."""
        if not self.powers:
            return self.constant * sympy.exp(self.exponent * self.t)
        if set(self.powers) == {E - 1} and self.powers[E - 1] > 0:
            return self._in_expm1()
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

    def _in_expm1(self) -> Any:
        n = self.powers[E - 1]
        if self.exponent < 0:
            rest, t = self.exponent + n, -self.t
        else:
            rest, t = self.exponent, self.t
        sign = (-1) ** n if self.exponent < 0 else 1
        return Mul(self.constant * sign, sympy.exp(rest * self.t), expm1(t, evaluate=False) ** n)

    def logarithm(self, scalar: Any) -> Any:
        """Return the logarithm, ``scalar`` as it is where nothing better is known."""
        near_one = self._log_of_cosh() or self._log_of_expm1()
        if near_one is not None:
            return near_one
        positive = all(c >= 0 for p, _ in self._polynomials() for c in Poly(p, E).all_coeffs())
        if self.constant <= 0 or not self.powers or not positive:
            return scalar
        i, j = self.exponent, -self.exponent - self._degree()
        linear = 0
        if i * j < 0:  # of different signs they would cancel: s = q·exp(t)
            linear = -j if abs(i) >= abs(j) else i
            i, j = (i + j, 0) if abs(i) >= abs(j) else (0, i + j)
        logs = (n * sympy.log(self._homogeneous(p)) for p, n in self._polynomials())
        logistic = -i * softplus(-self.t) - j * softplus(self.t)
        return Add(sympy.log(self.constant), linear * self.t, logistic, *logs)

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


def _atoms(scalar: Any) -> list[Any]:
    """Return the functions in which a scalar is rational; none where it is too large, or is not."""
    found: dict[Any, None] = {}
    stack, seen = [scalar], 0
    while stack:
        node = stack.pop()
        seen += 1
        if isinstance(node, EXPONENTIALS):
            found[node] = None
        elif isinstance(node, (Add, Mul)):
            stack.extend(node.args)
        elif isinstance(node, Pow) and node.exp.is_Integer and abs(node.exp) <= HIGH:
            stack.append(node.base)
        elif not node.is_Rational:
            return []
        if seen > MANY:
            return []
    return list(found)


def _counted(atom: Any) -> tuple[Any, Any]:
    """Return k and t where an atom is a function of exp(k·t); tanh(t) is one of exp(2t)."""
    count, t = atom.args[0].as_coeff_Mul()
    if isinstance(t, Add) and t.could_extract_minus_sign():
        count, t = -count, -t
    return (2 * count if isinstance(atom, sympy.tanh) else count), t


def _in_exp(atom: Any, count: int) -> Any:
    power = E**count
    if isinstance(atom, sympy.tanh):
        return (power - 1) / (power + 1)
    if isinstance(atom, sigmoid):
        return power / (power + 1)
    if isinstance(atom, sigmoid_slope):
        return power / (power + 1) ** 2
    if isinstance(atom, (sympy.sinh, sympy.cosh)):
        sign = 1 if isinstance(atom, sympy.cosh) else -1
        return (power + sign / power) / 2
    return power - 1 if isinstance(atom, expm1) else power


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
