"""Differences that cancel, written so that they do not: √(1 + t) − 1 = t/(√(1 + t) + 1).

Each rule is an identity of real numbers that holds wherever both sides are defined:
√p − √q = (p − q)/(√p + √q), c − c·cos t = 2c·sin²(t/2), c + c·erf t = c·erfc(−t),
log(q + 1) − log q = log1p(1/q), 1/p − 1/q = (q − p)/(p·q),
and a rational function of low degree whose constants add up to nothing is put over one denominator
and factored. A rule is taken only where terms of p − q cancel exactly, and roots only where not
both can be 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Pow, S
from sympy.codegen.cfunctions import log1p

from derive.code_functions import erfc, positive
from derive.functionals import Functional
from derive.graph import is_matrix

__all__ = ["subtracted", "subtracted_inside"]

MANY = 30  # nodes of a sum that is looked at
DEGREE = 2  # of a polynomial that is factored: of a higher one, factors cancel elsewhere


@lru_cache(maxsize=4096)
def subtracted_inside(function: Any) -> Any:
    """Rewrite a function of one argument, from the leaves up.

    >>> u = sympy.Symbol("u", real=True)
    >>> subtracted_inside(sympy.sqrt(1 + u**2) - 1)
    u**2/(sqrt(u**2 + 1) + 1)
    """
    if not function.args or not function.has(Add):
        return function
    inside = [subtracted_inside(arg) for arg in function.args]
    changed = any(new is not old for new, old in zip(inside, function.args, strict=True))
    return subtracted(function.func(*inside) if changed else function)


@lru_cache(maxsize=4096)
def subtracted(scalar: Any) -> Any:
    """Rewrite one sum of scalars whose operands are rewritten; anything else stays."""
    if not isinstance(scalar, Add) or not _is_small(scalar):
        return scalar
    scalar = _tail(scalar)
    if isinstance(scalar, Add) and len(scalar.args) == 2:
        found = _of_two(*map(_split, scalar.args))
        if found is not None:
            return found
    return _rational(scalar) if isinstance(scalar, Add) else scalar


def _tail(scalar: Any) -> Any:
    """Write c ± c·erf(t) in a sum as c·erfc(∓t)."""
    number = scalar.args[0]
    for term in scalar.args[1:] if number.is_number else ():
        c, rest = _split(term)
        if isinstance(rest, sympy.erf) and abs(c) == abs(number):
            others = (other for other in scalar.args[1:] if other is not term)
            return Add(number * erfc(-c / number * rest.args[0]), *others)
    return scalar


def _is_small(scalar: Any) -> bool:
    """Say whether a scalar has few nodes; what is computed of matrices counts as a symbol."""
    stack, seen = [scalar], 0
    while stack and seen <= MANY:
        node = stack.pop()
        seen += 1
        if is_matrix(node):
            return False
        stack.extend(() if isinstance(node, Functional) else node.args)
    return seen <= MANY


def _split(term: Any) -> tuple[Any, Any]:
    """Return a term's numerical coefficient and the rest."""
    coefficient, rest = term.as_coeff_Mul()
    return coefficient, rest


def _of_two(first: tuple[Any, Any], second: tuple[Any, Any]) -> Any:
    (c, p), (d, q) = first, second
    if c == -d and isinstance(p, sympy.log) and isinstance(q, sympy.log):
        return _of_logs(c, p.args[0], q.args[0])
    if isinstance(p, sympy.cos) and q == 1:
        (c, p), (d, q) = (d, q), (c, p)
    if c == -d and p == 1 and isinstance(q, sympy.cos):
        return 2 * c * sympy.sin(q.args[0] / 2) ** 2
    roots = [_square_of(p), _square_of(q)]
    if c * d < 0 and S.Half in (_exponent(p), _exponent(q)) and None not in roots:
        less = _shorter(c**2 * roots[0], -(d**2) * roots[1])
        both_vanish = less is None or not (less.is_number or p.is_number or q.is_number)
        return None if both_vanish else sympy.sign(c) * less / (abs(c) * p + abs(d) * q)
    if c == -d and _exponent(p) == _exponent(q) == -1:
        less = _shorter(q.base, -p.base)
        return c * less * p * q if less is not None and less.is_number else None
    if c == -d and _exponent(p) == _exponent(q) == -S.Half:
        less = _shorter(q.base, -p.base)
        return None if less is None else c * less * p * q / (1 / p + 1 / q)
    return None


def _of_logs(c: Any, p: Any, q: Any) -> Any:
    """Return c·log(p) − c·log(q) where p − q is a number."""
    less = _shorter(p, -q)
    if less is None or not less.is_number:
        return None
    if less.is_negative:
        c, q, less = -c, p, -less
    return c * log1p(less / positive(q), evaluate=False)


def _exponent(p: Any) -> Any:
    return p.exp if isinstance(p, Pow) else S.One


def _square_of(p: Any) -> Any:
    """Return p² where p is never negative as far as can be seen: a root or a number."""
    if _exponent(p) == S.Half:
        return p.base
    return p**2 if p.is_number and p.is_positive else None


def _shorter(p: Any, q: Any) -> Any:
    """Return p + q where terms of the two cancel exactly, and one is left that is no sum."""
    result = sympy.expand(p + q)
    return None if isinstance(result, Add) or result == 0 else result


def _rational(scalar: Any) -> Any:
    """Factor a rational function of one symbol with constants that cancel at 0."""
    symbols = scalar.free_symbols
    constant = scalar.args[0]
    of_numbers = len(symbols) == 1 and not scalar.has(Functional)
    if not of_numbers or not constant.is_Rational:
        return scalar
    (symbol,) = symbols
    if not scalar.is_rational_function(symbol) or not scalar.subs(symbol, 0).is_zero:
        return scalar
    if any(abs(power.exp) > DEGREE for power in scalar.atoms(Pow)):
        return scalar
    over, under = sympy.fraction(sympy.together(scalar))
    # a quotient of squares would overflow where the formula does not
    if sympy.degree(over, symbol) > DEGREE or sympy.degree(under, symbol) > 1:
        return scalar
    return sympy.factor(over / under)
