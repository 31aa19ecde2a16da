"""Points for the branches of a formula that points near the origin do not enter.

A branch that no point enters is not checked: relu(x − 5) is 0 near the origin, and so is any wrong
derivative of it. So points are drawn farther and farther out, one variable at a time and all of
them together, until the argument of every kink has been on both sides of zero or there is nowhere
to go. An argument such as x² + 1 has one side only.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import RefusedError
from numeric.points import draw_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.language import Formula

__all__ = ["other_branches"]

FARTHER = tuple(8.0**power for power in range(1, 10))  # the scales of the points


def other_branches(
    formula: Formula,
    is_inside: Callable[[Mapping[str, Any]], bool],
    branches: Callable[..., Any] | None,
    points: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, int],
    seed: int,
) -> list[Mapping[str, Any]]:
    """Draw points for the branches that the given points are not in.

    Args:
        formula: with its variables and assumptions.
        is_inside: says whether a point is in the domain.
        branches: returns arrays whose signs tell the branches apart.
        points: those that there are.
        sizes: an integer for every symbolic size.
        seed: of the random numbers.

    >>> from derive.language import read_formula
    >>> formula = read_formula("sum(relu(x - 5))")
    >>> near = [{"x": np.zeros((2, 1))}]
    >>> beyond = lambda x: [x - 5]
    >>> (far,) = other_branches(formula, lambda point: True, beyond, near, {"n": 2}, 0)
    >>> bool((far["x"] > 5).any())
    True
    """
    if branches is None:
        return []
    seen = set().union(*(_sides(branches, point) for point in points))
    names = list(formula.variables)
    found: list[Mapping[str, Any]] = []
    for far, scale in product([*zip(names, strict=True), names], FARTHER):
        if len(seen) == 2 * len({place for place, _ in seen}):
            break
        try:
            scales = dict.fromkeys(far, scale)
            (point,) = draw_points(formula, is_inside, sizes=sizes, count=1, seed=seed, far=scales)
        except RefusedError:
            continue
        sides = _sides(branches, point)
        if not sides <= seen:
            seen |= sides
            found.append(point)
    return found


def _sides(branches: Callable[..., Any], point: Mapping[str, Any]) -> set[tuple[int, bool]]:
    """Return for each kink's argument on which sides of zero it has entries."""
    with np.errstate(all="ignore"):
        arguments = branches(**point)
    return {
        (place, side)
        for place, argument in enumerate(arguments)
        for side in (True, False)
        if np.any(argument > 0 if side else argument < 0)
    }
