"""Where a formula may be looked at: inside its domain, away from where digits are lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import RefusedError
from numeric.functions import inverted_function, value_function
from numeric.points import distinct_sizes, draw_points

if TYPE_CHECKING:
    from derive.language import Formula

__all__ = ["Inside", "inside_both", "inside_of", "points_of"]

Inside = Callable[[Mapping[str, Any]], bool]

NEARBY, STEADY = 1e-9, 1e-4  # a relative move of a point, and what the value may then change by
WORST_CONDITION = 1e6  # of a matrix that is inverted: beyond it, its digits are those of round-off


def points_of(
    formula: Formula,
    is_inside: Inside,
    count: int,
    seed: int,
    spread: float = 1.0,
    start: int = 3,
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Draw points at ascending sizes, or at descending ones where the formula needs X tall.

    Args:
        formula: with its variables and assumptions.
        is_inside: says whether a point is in the domain.
        count: how many points.
        seed: of the random numbers.
        spread: scales normal entries.
        start: the smallest size.

    Raises:
        RefusedError: when no point was found.

    >>> from derive.language import read_formula
    >>> formula = read_formula("norm2(W*x)")
    >>> sizes, (point,) = points_of(formula, inside_of(formula), 1, seed=0)
    >>> sizes, point["W"].shape
    ({'m': 3, 'n': 4}, (3, 4))
    """
    how: dict[str, Any] = {"count": count, "seed": seed, "spread": spread}
    ascending = distinct_sizes(formula, start)
    descending = dict(zip(ascending, reversed(ascending.values()), strict=True))
    try:
        drawn = draw_points(formula, is_inside, sizes=ascending, **how)
    except RefusedError:
        drawn = draw_points(formula, is_inside, sizes=descending, **how)
        return descending, drawn
    return ascending, drawn


def inside_of(formula: Formula) -> Inside:
    """Say where a formula is finite, not about to change by orders, and far from singular."""
    value, inverted = value_function(formula), inverted_function(formula)

    def is_inside(point: Mapping[str, Any]) -> bool:
        try:
            with np.errstate(all="ignore"):
                here = np.asarray(value(**point), dtype=float)
                near = np.asarray(value(**{n: x * (1 + NEARBY) for n, x in point.items()}))
                matrices = inverted(**point) if inverted else ()
                if any(np.linalg.cond(matrix) > WORST_CONDITION for matrix in matrices):
                    return False
        except np.linalg.LinAlgError:
            return False
        if not (np.isfinite(here).all() and np.isfinite(near).all()):
            return False
        moved, size = (np.max(np.abs(part), initial=0.0) for part in (near - here, [here, near]))
        return bool(moved <= STEADY * size)

    return is_inside


def inside_both(is_inside: Inside, formula: Formula) -> Inside:
    """Say where a formula is finite as well, as far as a point has its variables."""
    of_formula, names = inside_of(formula), tuple(formula.variables)

    def is_inside_both(point: Mapping[str, Any]) -> bool:
        if not is_inside(point):
            return False
        known = all(name in point for name in names)
        return not known or of_formula({name: point[name] for name in names})

    return is_inside_both
