"""Equal forms of a rational function of symbols, by SymPy: multiplied out, factored, cancelled.

Only symbols, numbers, sums, products and integer powers occur here. A form is kept where it divides
by nothing that may vanish where the function is defined: a symbol may stand for what is often 0, a
step or a relu. The work is limited before it is begun.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Mul, Pow

__all__ = ["equal_forms"]

TERMS = 16  # of a sum that is looked at
SYMBOLS = 7
DEGREE = 7


@lru_cache(maxsize=1 << 12)
def equal_forms(function: Any, relations: tuple[tuple[Any, Any], ...] = ()) -> tuple[Any, ...]:
    """List equal forms of a rational function of symbols, itself first, each once.

    Args:
        function: sums, products and integer powers of symbols and numbers.
        relations: what a symbol equals in terms of others.

    >>> a, b, c = sympy.symbols("a b c", real=True)
    >>> equal_forms(2 * (a / 2 + b) / (b * (1 + c / b)))[-1]
    (a + 2*b)/(b + c)
    """
    found = [function, *_forms(function)]
    for symbol, value in relations:
        if function.has(symbol):
            found += _forms(function.xreplace({symbol: value}))
    below = _divisors(function)
    return tuple(dict.fromkeys(form for form in found if _divisors(form) <= below))


def _divisors(function: Any) -> set[Any]:
    """Return what a function divides by, in irreducible factors."""
    powers = function.atoms(Pow)
    bases = [power.base for power in powers if power.exp.is_negative]
    return set().union(*map(_irreducible, bases)) if bases else set()


@lru_cache(maxsize=1 << 12)
def _irreducible(base: Any) -> frozenset[Any]:
    """Return the factors of what vanishes where a function does, up to their signs."""
    if base.is_Symbol:
        return frozenset([base])
    above, _ = sympy.fraction(sympy.together(base))
    factors = (factor for factor, _ in sympy.factor_list(above)[1])
    return frozenset(-f if f.could_extract_minus_sign() else f for f in factors)


def _forms(function: Any) -> list[Any]:
    forms = [function, sympy.factor_terms(function), *_common(function)]
    if _size(function) <= TERMS and len(function.free_symbols) <= SYMBOLS:
        forms += _of_small(sympy.expand(function))
    return [form for found in forms for form in (found, _without_minus(found))]


def _of_small(expanded: Any) -> list[Any]:
    """List forms of a function that is multiplied out, and not long."""
    forms = [expanded, sympy.factor_terms(expanded), *_common(expanded)]
    if not _is_small(expanded):
        return forms
    if not any(power.exp.is_negative for power in expanded.atoms(Pow)):
        return [*forms, *_power_of_sum(expanded)]
    if not isinstance(expanded, Add) and not any(p.base.is_Add for p in expanded.atoms(Pow)):
        return forms
    above, below = sympy.fraction(sympy.cancel(sympy.together(expanded)))
    if _is_small(above) and _is_small(below):
        below = sympy.factor(below)
        forms += [above / below, sympy.factor_terms(above) / below, sympy.expand(above / below)]
        forms += [form / below for form in _power_of_sum(above)]
    return forms


def _power_of_sum(expanded: Any) -> list[Any]:
    """Factor what is a power of one sum; (a − b)·(a + b) is no shorter to a reader than a² − b²."""
    if len(Add.make_args(expanded)) < 3:
        return []
    factored = sympy.factor(expanded)
    sums = [f for f in Mul.make_args(factored) if isinstance(f.as_base_exp()[0], Add)]
    return [factored] if len(sums) == 1 else []


def _without_minus(form: Any) -> Any:
    """Write −(a − b)·c as (b − a)·c."""
    if form.is_Mul and form.args[0].is_Rational and form.args[0] < 0:
        for factor in form.args:
            if isinstance(factor, Add):
                others = (other for other in form.args[1:] if other is not factor)
                turned = Add(*(-term for term in factor.args))
                return Mul(-form.args[0], turned, *others)
    return form


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
