"""What a scalar is in E = exp(t): the functions in which it is rational, each as a power of E."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Dummy, Mul, Pow
from sympy.codegen.cfunctions import expm1

from derive.code_functions import sigmoid_slope
from derive.real import sigmoid

__all__ = ["EXPONENTIALS", "HIGH", "E", "atoms", "counted", "in_exp", "is_positive"]

EXPONENTIALS = (sympy.exp, sigmoid, sigmoid_slope, sympy.tanh, sympy.sinh, sympy.cosh, expm1)
E = Dummy("E", positive=True)
MANY = 40  # nodes of one rational function
HIGH = 12  # degree of its numerator and denominator
_POSITIVE = (sympy.exp, sigmoid, sigmoid_slope, sympy.cosh)


def atoms(scalar: Any) -> list[Any]:
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


def counted(atom: Any) -> tuple[Any, Any]:
    """Return k and t where an atom is a function of exp(k·t); tanh(t) is one of exp(2t)."""
    count, t = atom.args[0].as_coeff_Mul()
    if isinstance(t, Add) and t.could_extract_minus_sign():
        count, t = -count, -t
    return (2 * count if isinstance(atom, sympy.tanh) else count), t


def in_exp(atom: Any, count: int) -> Any:
    """Return a function of exp(count·t) in E."""
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


def is_positive(term: Any) -> bool:
    """Say whether a product is positive for any t, as far as its factors show.

    >>> u = sympy.Symbol("u", real=True)
    >>> is_positive(2 * sigmoid(u)), is_positive(sympy.tanh(u)), is_positive(sympy.tanh(u) ** 2)
    (True, False, True)
    """
    return all(
        factor.is_positive if factor.is_number else _is_positive_factor(factor)
        for factor in Mul.make_args(term)
    )


def _is_positive_factor(factor: Any) -> bool:
    base, exponent = factor.args if isinstance(factor, Pow) else (factor, sympy.S.One)
    return isinstance(base, _POSITIVE) or bool(exponent.is_even)
