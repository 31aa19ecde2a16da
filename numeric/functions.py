"""A formula's value, kinks and branches as functions of named arrays, for checking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derive.emit import emit
from derive.kinks import inverted, kinks
from derive.nodes import Norm2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from derive.language import Formula

__all__ = ["branch_function", "inverted_function", "kink_function", "value_function"]


def value_function(formula: Formula) -> Callable[..., Any]:
    """Return the emitted value of a formula as a function of named arrays.

    >>> from derive.language import read_formula
    >>> float(value_function(read_formula("a^2 + b"))(a=3.0, b=1.0))
    10.0
    """
    values = _named(formula, [formula.expr])
    return lambda **point: values(**point)[0]


def kink_function(formula: Formula) -> Callable[..., Any] | None:
    """Return the function whose zeros are the formula's kinks, None where it has none."""
    places = kinks(formula.expr)
    return _named(formula, places) if places else None


def branch_function(formula: Formula) -> Callable[..., Any] | None:
    """Return the function whose signs tell the branches of a formula apart, None where it has one.

    A norm has a kink and no branches: it is never negative.
    """
    places = [place for place in kinks(formula.expr) if not isinstance(place, Norm2)]
    return _named(formula, places) if places else None


def inverted_function(formula: Formula) -> Callable[..., Any] | None:
    """Return the function that gives the matrices which must be invertible, None without any."""
    matrices = inverted(formula.expr)
    return _named(formula, matrices) if matrices else None


def _named(formula: Formula, exprs: Sequence[Any]) -> Callable[..., Any]:
    emitted, order = emit(exprs, formula.variables, complex_safe=True), tuple(formula.variables)
    return lambda **point: emitted.function(*(point[name] for name in order))
