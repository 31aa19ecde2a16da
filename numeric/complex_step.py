"""The derivative along a direction by one complex step, and a bound of its round-off.

Nothing is subtracted, so there is no step to choose: it is as short as numbers allow, its
truncation is below their last bit, and no kink lies within it: a branch is chosen by the real part.
What stays is the round-off of the terms that the derivative is made of.

Contract: the value continues its real function analytically, as code does that `derive.emit` makes
complex-safe. Nothing depends on the scale of the value or of a variable.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from numeric.differences import Line
from numeric.richardson import Difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numeric.place import Array, Place

__all__ = ["complex_step", "noise_along"]

ROUND_OFFS = 32.0  # units of round-off, of the terms of a derivative, that its error may have
NOISES = 8.0  # measured noises that its error may be
STEP, LONGEST = -200, -40  # exponents of 2: of the step, in terms of the variable's own size
LONGER = 2.0**16  # times a step: a derivative is the same, what is no derivative is not
SMALLEST = 2.0**-1022  # parts of a value that are not much larger have lost digits


def complex_step(
    place: Place, direction: Mapping[str, Array], *, reference: float = 0.0
) -> Difference:
    """Differentiate along a direction at a place by one complex step.

    d/dt value(x + t v) = Im value(x + i h v) / h + O(h²)

    Args:
        place: what is differentiated, and where.
        direction: what each variable is changed by.
        reference: the size of the terms that the derivative is the sum of, which its round-off is a
            part of: ‖g ⊙ v‖ for a gradient g.

    Raises:
        InputError: the direction is zero, or does not fit the point.

    Source: W. Squire and G. Trapp, SIAM Rev. 40 (1998).

    >>> from numeric.place import Place
    >>> place = Place(lambda x: np.sum(np.exp(x)), {"x": np.array([1.0, -2.0])})
    >>> found = complex_step(place, {"x": np.array([1.0, 0.0])})
    >>> abs(found.derivative - math.e) <= found.error < 1e-13
    True
    """
    line, before = Line(place, direction), place.evaluations
    if not math.isfinite(place.base):
        return Difference(math.nan, cause=f"the value is {place.base}")
    step = _step(place, line)
    value = _value(line, {}, step)
    slope, drift = value.imag / step, abs(value.real - place.base)
    place.drift = max(place.drift, drift)
    cause = "" if math.isfinite(slope) else "the value is not finite at a complex step"
    terms = ROUND_OFFS * place.eps * max(abs(slope), reference)
    return Difference(
        derivative=slope,
        truncation=0.0,
        amplification=1.0,
        noise=terms + (ROUND_OFFS * SMALLEST * place.eps / step if place.largest else 0.0),
        step=step,
        evaluations=place.evaluations - before,
        cause=cause,
    )


def noise_along(
    place: Place, direction: Mapping[str, Array], found: float, claims: Sequence[float]
) -> float:
    """Return what round-off may do to a claimed derivative minus a measured one.

    max |dⱼ − d₀|

    This difference is `found` at the point; it is taken again, with a longer step, at the four
    places farther off, where `claims` are the claimed derivatives. That of a wrong gradient stays
    as it is, round-off does not.

    >>> from numeric.place import Place
    >>> place = Place(lambda x: np.sum(x**2), {"x": np.array([3.0])})
    >>> along = {"x": np.array([1.0])}
    >>> claims = [1 + 2 * changes["x"][0] for changes in place.farther.changes]
    >>> noise_along(place, along, 1.0, claims) < 1e-13
    True
    """
    line = Line(place, direction)
    step = LONGER * _step(place, line)
    course = [
        claim - _value(line, changes, step).imag / step
        for claim, changes in zip(claims, place.farther.changes, strict=True)
    ]
    if not np.isfinite(course).all():
        return math.inf
    return NOISES * float(np.max(np.abs(np.asarray(course) - found)))


def _step(place: Place, line: Line) -> float:
    """Return a power of 2 that is far below the variable's size, and as far above underflow."""
    value = math.frexp(place.largest)[1] if place.largest else STEP
    exponent = min(max(STEP, -900 - min(value, 0)), LONGEST)
    return math.ldexp(1.0, max(math.frexp(line.unit)[1] + exponent, -1000))


def _value(line: Line, changes: Mapping[str, Array], step: float) -> complex:
    """Return the value at an imaginary step from the place, or from one beside it."""
    moved = {
        name: changes.get(name, line.place.point[name]) + 1j * (step * vector)
        for name, vector in line.direction.items()
    }
    return line.place.complex_value({**changes, **moved})
