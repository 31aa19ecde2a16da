"""Power series around 0 of functions that code cannot evaluate there, found by many digits.

The coefficients are Cauchy's integrals over a circle, so that neither 0/0 at its centre nor how the
function is spelled matters. What they give is compared with the function before it is used.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import mpmath  # type: ignore[import-untyped] # it ships no types
import sympy
from sympy import Add, Pow, Rational, S

from derive.differences import subtracted_inside
from derive.exponentials import without_cancellation_inside
from derive.real import sigmoid, softplus
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_code", "named", "series_near_zero"]

DIGITS = 40
POINTS = 128  # of the circle
RADII = tuple(map(Rational, (0.25, 0.5, 1, 2, 3)))  # within which a series may be used
TERMS = 58  # of a series
DENOMINATOR = 10**7  # of coefficients that are written as fractions
CIRCLES = (2, 1.4)  # of Cauchy's integrals, times the radius
POLES = 4  # orders of a pole that are looked for
LOST = (6, 10.5)  # how much larger terms may be than their sum: 2.6 bits, or 3.4 where none is
SMALL = mpmath.mpf(2) ** -10
TINY = mpmath.mpf(2) ** -55
ENTIRE = (sympy.exp, sympy.sin, sympy.cos, sympy.sinh, sympy.cosh, sympy.erf)
ANALYTIC = (*ENTIRE, sympy.log, sympy.tan, sympy.tanh, sympy.asin, sympy.atan, sigmoid, softplus)
IN_MPMATH = {
    "sigmoid": lambda u: 1 / (1 + mpmath.exp(-u)),
    "softplus": lambda u: mpmath.log1p(mpmath.exp(u)),
    "sigmoid_slope": lambda u: 1 / (2 + mpmath.exp(u) + mpmath.exp(-u)),
    "logcosh": lambda u: mpmath.log(mpmath.cosh(u)),
}


def named(function: Any) -> Any:
    """Return log(u + √(u² + 1)) as arsinh u, None for another function.

    >>> named(sympy.log(sympy.sqrt(4 * U**2 + 1) - 2 * U))
    -asinh(2*_u)
    """
    if not isinstance(function, sympy.log) or not isinstance(function.args[0], Add):
        return None
    roots = [term for term in function.args[0].args if isinstance(term, Pow) and term.exp == S.Half]
    if len(roots) != 1:
        return None
    p = function.args[0] - roots[0]
    return sympy.asinh(p) if sympy.expand(roots[0].base - p**2) == 1 else None


@lru_cache(maxsize=4096)
def series_near_zero(function: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """Return a radius and the coefficients of a function's power series, where it needs one.

    >>> radius, coefficients = series_near_zero((sympy.exp(U) - 1) / U)
    >>> radius, coefficients[:3]
    (1/4, (1, 1/2, 1/6))
    >>> series_near_zero(sympy.exp(U) - 1), series_near_zero(1 / U)
    (None, None)
    """
    functions = function.atoms(sympy.Function)
    if not functions or not all(isinstance(part, ANALYTIC) for part in functions):
        return None
    if not (_divides_by_zero(function) or _may_cancel(function)):
        return None
    code = in_code(function)
    with mpmath.workdps(DIGITS):
        if not _divides_by_zero(function) and _largest_loss(code, SMALL) <= LOST[0]:
            return None
        return _series(function, code)


def in_code(function: Any) -> Any:
    """Return a function of one argument as code computes it."""
    return subtracted_inside(without_cancellation_inside(function))


def _divides_by_zero(function: Any) -> bool:
    powers = (power for power in function.atoms(Pow) if power.exp.is_negative)
    return any(power.base.has(U) and power.base.subs(U, 0).is_zero for power in powers)


def _may_cancel(function: Any) -> bool:
    """Say whether terms in a sum may cancel at 0: those of both signs, of one that is 0 there."""
    sums = (part for part in function.atoms(Add) if part.has(sympy.Function))
    return any(
        any(term.as_coeff_Mul()[0].is_negative for term in part.args) and part.subs(U, 0).is_zero
        for part in sums
    )


def _compiled(function: Any) -> Callable[[Any], Any]:
    compiled: Callable[[Any], Any] = sympy.lambdify(U, function, [IN_MPMATH, "mpmath"])
    return compiled


def _largest_loss(code: Any, size: Any) -> Any:
    """Return how much larger than a sum its terms are, of the worst sum at ±size."""
    losses = [1]
    for part in code.atoms(Add):
        terms = [_compiled(term) for term in part.args]
        for u in (size, -size) if part.has(U) else ():
            try:
                values = [term(mpmath.mpf(u)) for term in terms]
            except (ZeroDivisionError, ValueError):  # outside the domain, or at its end
                return mpmath.inf
            total = abs(mpmath.fsum(values))
            losses.append(mpmath.fsum(map(abs, values)) / total if total else mpmath.inf)
    return max(losses)


def _series(function: Any, code: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """Return the smallest radius at which code keeps its digits, and the coefficients inside."""
    if not _has_limit(_compiled(function)):
        return None
    for lost, radius in product(LOST, RADII):
        r = mpmath.mpf(radius.p) / radius.q
        if _largest_loss(code, r) <= lost:
            compiled = _compiled(function)
            found = next(filter(None, (_coefficients(compiled, r, c * r) for c in CIRCLES)), [])
            if found and _agree(compiled, found, r):
                return radius, tuple(map(_number, found))
    return None


def _has_limit(function: Callable[[Any], Any]) -> bool:
    """Say whether a function has a limit at 0, the same from both sides."""
    near = mpmath.mpf(10) ** -12
    try:
        values = [function(u) for u in (near, -near, near / 1000, -near / 1000)]
    except (ZeroDivisionError, ValueError):
        return False
    size = max(map(abs, values[:2]))
    if not mpmath.isfinite(size):
        return False
    return all(abs(value - values[0]) <= max(size / 1000, 10 * near) for value in values) or (
        all(abs(value) <= size / 100 for value in values[2:])  # where it is 0
    )


def _coefficients(function: Callable[[Any], Any], radius: Any, circle: Any) -> list[Any]:
    """Return the coefficients that count within a radius; none where there is a pole."""
    turns = [mpmath.expjpi(mpmath.mpf(2 * j) / POINTS) for j in range(POINTS // 2 + 1)]
    try:
        values = [mpmath.mpmathify(function(circle * turn)) for turn in turns]
    except (ZeroDivisionError, ValueError):
        return []
    negligible = mpmath.mpf(10) ** -17 * max(map(abs, values))
    found = []
    for k in range(-POLES, TERMS + POLES):
        total = values[0].real + (-1) ** k * values[-1].real
        for j in range(1, POINTS // 2):
            place = j * k % POINTS
            turn = turns[place] if place <= POINTS // 2 else mpmath.conj(turns[POINTS - place])
            total += 2 * (values[j] * mpmath.conj(turn)).real
        scaled = total / POINTS
        found.append(scaled / circle**k if abs(scaled) > negligible else mpmath.mpf(0))
    if any(found[:POLES]):
        return []
    found = found[POLES:]
    first = next((abs(c) * radius**k for k, c in enumerate(found) if c), None)
    if first is None:
        return []
    count = max(k for k, c in enumerate(found) if abs(c) * radius**k > TINY * first) + 1
    return found[:count] if count <= TERMS else []


def _number(coefficient: Any) -> Any:
    """Return a coefficient as a fraction, where it is one, or as the digits of a double."""
    fraction = Rational(str(coefficient)).limit_denominator(DENOMINATOR)
    is_one = abs(coefficient * fraction.q - fraction.p) <= TINY / 8 * abs(fraction.p)
    return fraction if is_one else Rational(float(coefficient))


def _agree(function: Callable[[Any], Any], coefficients: list[Any], radius: Any) -> bool:
    """Compare a series with its function, on both sides and to the last digits."""
    for share in (1, 0.3, 0.05):
        for u in (radius * share, -radius * share):
            exact, found = function(u), mpmath.polyval(coefficients[::-1], u)
            if not abs(found - exact) <= 4 * TINY * abs(exact):
                return False
    return True
