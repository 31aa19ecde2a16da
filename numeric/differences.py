"""Directional derivatives of a function that is known by its values alone, with an error estimate.

The module knows functions and arrays, not formulas: it is the witness against which derived
gradients are checked, so it shares nothing with the rules that derived them.

Contract: no step crosses a kink that the caller names: at every point of a stencil the arguments of
the kinks have the signs that they have at the point. Beside a kink the differences are taken to the
free side, at a kink to both sides. What cannot be had is NaN with its cause, never a guess.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import InputError
from numeric.place import Place, rms
from numeric.richardson import Curve, Difference, Goal, differentiate, grid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from numeric.place import Array

__all__ = ["Difference", "Line", "along", "difference"]

# All three are parts of the variable's own size.
FIRST_STEP = 0.1
LONGEST_STEP = 2.0**20  # for a point far smaller than the scale on which the function changes
NEAREST_KINK = 1e-13  # nearer, and round-off decides the side


def difference(
    value: Callable[..., Any],
    point: Mapping[str, Any],
    direction: Mapping[str, Any],
    *,
    kinks: Callable[..., Any] | None = None,
    rtol: float = 1e-10,
) -> Difference:
    """Differentiate a function along a direction at one point.

    d/dt value(x + t v) at t = 0

    Each entry of `direction` has the shape of the entry of `point` that it changes. `value` and
    `kinks` are those of a `Place`. The work ends at an error of `rtol` of the derivative.

    Raises:
        InputError: the direction is zero or does not fit the point, or the value is no real number.

    >>> found = difference(lambda x: np.sum(np.exp(x)), {"x": np.ones(2)}, {"x": np.ones(2)})
    >>> abs(found.derivative - 2 * np.e) <= found.error < 1e-9
    True
    >>> found = difference(lambda x: abs(x), {"x": 0.0}, {"x": 1.0}, kinks=lambda x: [x])
    >>> found.left, found.right
    (-1.0, 1.0)
    """
    vectors = {name: np.asarray(entry, float) for name, entry in direction.items()}
    return along(Place(value, point, kinks), vectors, rtol=rtol)


def along(
    place: Place, direction: Mapping[str, Array], *, rtol: float = 1e-10, reference: float = 0.0
) -> Difference:
    """Differentiate along a direction at a place, for many derivatives at one point.

    d/dt value(x + t v) at t = 0

    The work ends at an error of `rtol` of the larger of the derivative and `reference`, the size of
    a derivative that matters to the caller.

    Raises:
        InputError: the direction is zero, or does not fit the point.

    >>> place = Place(lambda x: np.sum(x**2), {"x": np.array([3.0, 4.0])})
    >>> along(place, {"x": np.array([0.0, 1.0])}).derivative
    8.0
    """
    line, _ = Line(place, direction), place.noise  # measured once, for all derivatives
    before = place.evaluations
    if not math.isfinite(place.base):
        return Difference(math.nan, cause=f"the value is {place.base}")
    if np.isnan(place.arguments).any():
        return Difference(math.nan, cause="the argument of a kink is nan")
    with np.errstate(all="ignore"):
        found = _between_kinks(line, Goal(rtol, reference))
    return replace(found, evaluations=place.evaluations - before)


class Line:
    """The value and the arguments of the kinks as functions of t on x + t v.

    `unit` is the t that changes what moves by as much as its variable's own size.
    """

    def __init__(self, place: Place, direction: Mapping[str, Array]) -> None:
        for name, vector in direction.items():
            if name not in place.point:
                raise InputError(f"direction {name}: the point has {', '.join(place.point)}")
            if place.point[name].shape != vector.shape:
                expected = place.point[name].shape
                raise InputError(f"direction {name}: expected {expected}, got {vector.shape}")
        self.place = place
        self.direction = {name: vector for name, vector in direction.items() if vector.any()}
        if not self.direction:
            raise InputError("the direction is zero: change at least one entry")
        self.unit = min(_unit(place.point[name], v) for name, v in self.direction.items())

    def touches_a_kink(self) -> bool:
        """Tell whether the point is at a kink, but for round-off, which the line does not follow.

        Where the argument of a kink is NaN, nobody knows.

        >>> place = Place(lambda x: abs(x), {"x": 0.0}, lambda x: [x])
        >>> Line(place, {"x": np.array(1.0)}).touches_a_kink()
        True
        """
        if not self.place.arguments.size:
            return False
        with np.errstate(all="ignore"):
            touching = _touching(self, grid(FIRST_STEP * self.unit))
        return bool(touching.any() or np.isnan(self.place.arguments).any())

    def moved(self, t: float) -> dict[str, Array]:
        """Return what is changed at t."""
        point = self.place.point
        return {name: np.asarray(point[name] + t * v) for name, v in self.direction.items()}

    def arguments(self, t: float) -> Array:
        """Return the arguments of the kinks at t."""
        return self.place.kink_arguments(self.moved(t))

    def between(self, signs: Array) -> Curve:
        """Return the value as a function of t, NaN where an argument's sign is another."""

        def value(t: float) -> float:
            moved = self.moved(t)
            if signs.size and (np.sign(self.place.kink_arguments(moved)) != signs).any():
                return math.nan
            return self.place.value(moved)

        return Curve(value, self.place.base, self.place.eps, self.place.noise)


def _unit(entries: Array, vector: Array) -> float:
    """Return the t that changes the changed entries by as much as the variable's own size."""
    changed = vector != 0
    size = max(rms(entries), rms(entries[changed]))
    return (size if size > 0 else 1.0) / rms(vector[changed])


def _between_kinks(line: Line, goal: Goal) -> Difference:
    """Differentiate to both sides as far as the kinks let, or else to the freer one."""
    start, origin = grid(FIRST_STEP * line.unit), line.place.arguments
    curve, cap = line.between(np.sign(origin)), LONGEST_STEP * line.unit
    if origin.size == 0:
        return differentiate(curve, start, cap, goal)
    touching = _touching(line, start)
    if touching.any():
        return _at_kink(line, start, touching, goal)
    reach = {side: _reach(line, start, side, origin) for side in (1, -1)}
    near, far = min(reach.values()), max(reach.values())
    if far == 0:
        return Difference(math.nan, cause="kinks on both sides, nearer than a step can be")
    found = Difference(math.nan)
    if near > 0:
        found = differentiate(curve, near, cap if near == start else near, goal)
    if far > 16 * near and not (near > 0 and goal.met_by(found)):
        other = differentiate(curve, far, far, goal, 1 if reach[1] == far else -1)
        found = other if other.error < found.error else found
    blocked = near < start and not found.cause
    return replace(found, cause=f"a kink within {4 * near:.0e}") if blocked else found


def _touching(line: Line, step: float) -> NDArray[np.bool_]:
    """Mark the arguments that are zero, but for round-off, at the point and not beside it."""
    origin = line.place.arguments
    touching = np.zeros(origin.shape, bool)
    for side in (1, -1):
        change = np.abs(line.arguments(side * step) - origin)
        near = np.abs(origin) * step <= NEAREST_KINK * line.unit * change
        touching |= (change > 0) & near
    return touching


def _reach(line: Line, step: float, side: int, origin: Array) -> float:
    """Return the longest step to one side, up to the given, that crosses no kink; 0 for none.

    The straight line through an argument's two values says where it crosses zero.
    """
    while step > NEAREST_KINK * line.unit:
        there = line.arguments(side * step)
        crossed = np.sign(there) != np.sign(origin)
        if not crossed.any():
            return step
        part = np.abs(origin[crossed]) / np.abs(there[crossed] - origin[crossed])
        nearest = float(np.min(np.where(np.isfinite(part), part, 0.5)))
        step = grid(step * min(nearest, 0.5)) if nearest > 0 else 0.0
    return 0.0


def _at_kink(line: Line, start: float, touching: NDArray[np.bool_], goal: Goal) -> Difference:
    """Differentiate to each side, where the sides may differ."""
    sides = {}
    for side in (1, -1):
        beside = line.arguments(side * 1e-11 * line.unit)
        origin = np.where(touching, beside, line.place.arguments)
        reach = _reach(line, start, side, origin)
        if reach == 0:
            return Difference(math.nan, cause="kinks nearer than a step can be")
        sides[side] = differentiate(line.between(np.sign(origin)), reach, reach, goal, side)
    right, left = sides[1], sides[-1]
    return Difference(
        derivative=right.derivative / 2 + left.derivative / 2,
        truncation=max(right.truncation, left.truncation),
        amplification=max(right.amplification, left.amplification),
        noise=max(right.noise, left.noise),
        step=min(right.step, left.step),
        left=left.derivative,
        right=right.derivative,
        cause="a kink at the point",
        flat=left.flat and right.flat,
    )
