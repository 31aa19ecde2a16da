"""softplus and sigmoid where a scalar spells them out: log(1 + exp(u)), 1/(1 + exp(−u))."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Mul, Pow, S

from derive.scalars import sigmoid, softplus

__all__ = ["LOGISTIC", "functions_spelled_out", "spelled_out"]

LOGISTIC = (sympy.exp, sigmoid)


@lru_cache(maxsize=4096)
def functions_spelled_out(function: Any) -> Any:
    """Recognise inside a function of u, from the leaves up."""
    if not function.args or not function.has(*LOGISTIC):
        return function
    return spelled_out(function.func(*map(functions_spelled_out, function.args)))


def spelled_out(scalar: Any) -> Any:
    """Rewrite one scalar node, of operands that are rewritten; all are real numbers."""
    if isinstance(scalar, sympy.log):
        inside = scalar.args[0]
        exponent = _one_plus_exp(inside)
        if exponent is not None:
            return softplus(exponent)
        if isinstance(inside, sympy.exp):
            return inside.args[0]
        if isinstance(inside, sigmoid):
            return -softplus(-inside.args[0])
    if isinstance(scalar, Pow) and scalar.exp.is_number and scalar.exp.is_negative:
        exponent = _one_plus_exp(scalar.base)
        return scalar if exponent is None else sigmoid(-exponent) ** (-scalar.exp)
    if isinstance(scalar, Mul):
        return _without_exp(scalar)
    if isinstance(scalar, Add) and len(scalar.args) == 2:
        coefficient, rest = scalar.args[1].as_coeff_Mul()
        if isinstance(rest, sigmoid) and scalar.args[0] == -coefficient:
            return Mul(-coefficient, sigmoid(-rest.args[0]))
    return scalar


def _one_plus_exp(scalar: Any) -> Any:
    """Return a where a scalar is 1 + exp(a)."""
    if isinstance(scalar, Add) and len(scalar.args) == 2 and scalar.args[0] == 1:
        term = scalar.args[1]
        return term.args[0] if isinstance(term, sympy.exp) else None
    return None


def _without_exp(scalar: Any) -> Any:
    """Write exp(−k·a)·sigmoid(a)^p as sigmoid(−a)^k·sigmoid(a)^(p−k)."""
    for factor in scalar.args:
        base, power = factor.as_base_exp()
        if not isinstance(base, sigmoid) or not power.is_number:
            continue
        a = base.args[0]
        for other in scalar.args:
            count = -other.args[0] / a if isinstance(other, sympy.exp) else S.Zero
            if count.is_Integer and 1 <= count <= power:
                rest = (part for part in scalar.args if part not in (factor, other))
                return Mul(*rest, sigmoid(-a) ** count, base ** (power - count))
    return scalar
