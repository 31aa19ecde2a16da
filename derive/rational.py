"""Equal forms of a rational function of symbols, by SymPy: multiplied out, factored, cancelled.

Only symbols, numbers, sums, products and integer powers occur here, so that every form is equal
wherever the function is defined. The work is limited before it is begun.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Mul, Pow

__all__ = ["equal_forms"]

TERMS = 24  # of a sum that is looked at
SYMBOLS = 8
DEGREE = 8


@lru_cache(maxsize=1 << 12)
def equal_forms(function: Any, relations: tuple[tuple[Any, Any], ...] = ()) -> tuple[Any, ...]:
    """List equal forms of a rational function of symbols, itself first, each once.

    Args:
        function: sums, products and integer powers of symbols and numbers.
        relations: what a symbol equals in terms of others; a form that divides by a symbol by which
            the function does not is none.

    >>> a, b, c = sympy.symbols("a b c", real=True)
    >>> equal_forms(2 * (a / 2 + b) / (b * (1 + c / b)))[-1]
    (a + 2*b)/(b + c)
    """
    forms: dict[Any, None] = {}
    for form in _forms(function):
        forms[form] = None
    below = _divisors(function)
    for symbol, value in relations:
        if function.has(symbol):
            for form in _forms(function.xreplace({symbol: value})):
                if _divisors(form) <= below:
                    forms[form] = None
    return tuple(forms)


def _divisors(function: Any) -> set[Any]:
    """Return the symbols of what a function divides by."""
    powers = function.atoms(Pow)
    return {s for p in powers if p.exp.is_negative for s in p.base.free_symbols}


def _forms(function: Any) -> list[Any]:
    forms = [function, sympy.factor_terms(function), *_common(function)]
    if _size(function) > TERMS or len(function.free_symbols) > SYMBOLS:
        return forms
    expanded = sympy.expand(function)
    forms += [expanded, sympy.factor_terms(expanded), *_common(expanded)]
    if not _is_small(expanded):
        return forms
    if _divisors(function):
        above, below = sympy.fraction(sympy.cancel(sympy.together(function)))
        if not (_is_small(above) and _is_small(below)):
            return forms
        forms += [above / below, sympy.factor_terms(above) / sympy.factor_terms(below)]
        forms.append(sympy.factor(above) / sympy.factor(below))
        forms.append(sympy.expand(above / below))
    else:
        forms.append(sympy.factor(expanded))
    return forms


def _common(function: Any) -> list[Any]:
    """Take the factor that all terms of a sum share out of it, the highest power or the lowest.

    a/q + b/q² is (a + b/q)/q and (a·q + b)/q².
    """
    if not isinstance(function, Add) or len(function.args) > TERMS:
        return []
    terms = [term.as_powers_dict() for term in function.args]
    shared = [base for base in terms[0] if base.is_Symbol and all(base in term for term in terms)]
    forms = []
    for choice in (min, max):
        factor = Mul(*(base ** choice(term[base] for term in terms) for base in shared))
        content, bracket = Add(*(term / factor for term in function.args)).primitive()
        forms.append(Mul(content, factor) * bracket)
    return forms if shared else []


def _size(function: Any) -> int:
    """Bound the number of terms that a function multiplied out has."""
    if isinstance(function, Add):
        return sum(map(_size, function.args))
    if isinstance(function, Mul):
        return int(sympy.prod(map(_size, function.args)))
    if isinstance(function, Pow) and function.exp.is_Integer:
        inside = _size(function.base)
        return min(inside ** abs(int(function.exp)), 10**6) if inside > 1 else 1
    return 1


def _is_small(function: Any) -> bool:
    terms = Add.make_args(function)
    degree = max((_degree(term) for term in terms), default=0)
    return len(terms) <= TERMS and degree <= DEGREE


def _degree(term: Any) -> int:
    powers = (factor.as_base_exp() for factor in Mul.make_args(term))
    return sum(abs(int(exp)) for base, exp in powers if not base.is_number and exp.is_Integer)
