"""Expressions compared by their values at points: equal, or equal up to one constant.

Contract: equal means to ``RTOL`` of the largest entry at every point; what is not finite equals
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.emit import emit
from derive.errors import ChainRuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["RTOL", "Values", "constant_ratio", "equal", "values_at"]

RTOL = 1e-9
CHUNK = 24  # expressions that are emitted together

Values = tuple[Any, ...]  # one array a point
Points = Sequence[Mapping[str, Any]]


def values_at(
    exprs: Iterable[Any], variables: Mapping[str, Any], points: Points
) -> Iterator[Values | None]:
    """Yield every expression's values at all points, None where it has no code or no value.

    >>> from derive.language import read_formula
    >>> formula = read_formula("x'*x")
    >>> [[float(v) for v in found] for found in values_at(
    ...     [formula.expr], formula.variables, [{"x": np.ones((3, 1))}])]
    [[3.0]]
    """
    chunk: list[Any] = []
    for expr in exprs:
        chunk.append(expr)
        if len(chunk) == CHUNK:
            yield from _together(chunk, variables, points)
            chunk = []
    if chunk:
        yield from _together(chunk, variables, points)


def _together(
    exprs: Sequence[Any], variables: Mapping[str, Any], points: Points
) -> list[Values | None]:
    try:
        function = emit(exprs, variables).function
        with np.errstate(all="ignore"):
            found = [function(*(point[name] for name in variables)) for point in points]
    except (ChainRuleError, ArithmeticError, ValueError, NameError, TypeError, AttributeError):
        if len(exprs) == 1:  # printed into code that does not run, or an inverse of nothing
            return [None]
        half = len(exprs) // 2
        first = _together(exprs[:half], variables, points)
        return first + _together(exprs[half:], variables, points)
    return [tuple(np.asarray(v, dtype=float) for v in one) for one in zip(*found, strict=True)]


def equal(a: Values | None, b: Values | None) -> bool:
    """Say whether two expressions have the same values at all points.

    >>> equal((np.ones(2),), (np.ones(2) + 1e-12,)), equal((np.ones(2),), (np.ones(3),))
    (True, False)
    """
    if a is None or b is None:
        return False
    return all(_close(x, y) for x, y in zip(a, b, strict=True))


def constant_ratio(a: Values | None, b: Values | None) -> float | None:
    """Return the number c with a = c·b at all points, None where there is none but 0.

    >>> constant_ratio((np.array([2.0, 4.0]),), (np.array([1.0, 2.0]),))
    2.0
    """
    if a is None or b is None or any(x.shape != y.shape for x, y in zip(a, b, strict=True)):
        return None
    x, y = (np.concatenate([v.ravel() for v in values]) for values in (a, b))
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or not y.any():
        return None
    place = int(np.argmax(np.abs(y)))
    c = float(x[place] / y[place])
    scaled = tuple(c * v for v in b)
    return c if c and equal(a, scaled) else None


def _close(x: Any, y: Any) -> bool:
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    largest = max(np.max(np.abs(x), initial=0.0), np.max(np.abs(y), initial=0.0))
    return bool(np.max(np.abs(x - y), initial=0.0) <= RTOL * largest)
