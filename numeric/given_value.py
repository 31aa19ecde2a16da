"""The value of somebody's function against the formula's, within what round-off explains.

Contract: the tolerance is measured, from values at arguments that differ in their last digits, and
is below a stated part of the value's size; so the value may be scaled by any factor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from numeric.check import Entry, Verdict
from numeric.functions import kink_function, value_function
from numeric.given_report import Part
from numeric.place import Place, scatter
from numeric.single_precision import SINGLE_LIMIT, looks_single, size_of, tolerances
from numeric.verdicts import NOISES, ROUND_OFFS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.language import Formula
    from numeric.given import Given

__all__ = ["judge_value"]

LIMIT = 1e-6  # of the size, that a tolerance may be
DOUBLE, SINGLE = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)


def judge_value(
    given: Given,
    formula: Formula,
    points: Sequence[Mapping[str, Any]],
    seed: int,
) -> Part:
    """Judge a function's value by the formula's, at every point.

    |got − f| ≤ 8·(noise of both, by their values nearby) + 64·ε·max|f|

    Args:
        given: the function.
        formula: what it is to compute.
        points: generic ones, in the formula's domain.
        seed: of the changes that single precision is measured with.
    """
    numbers, kinks = value_function(formula), kink_function(formula)
    found = [_at(given, numbers, kinks, number, point, seed) for number, point in enumerate(points)]
    verdict = Verdict.of(part.verdict for part in found)
    worst = max(
        (part for part in found if part.verdict is verdict),
        key=lambda part: np.inf if part.error is None else part.error,
    )
    floors = [part.detection_floor for part in found if part.detection_floor is not None]
    return replace(
        worst,
        points=len(found),
        detection_floor=max(floors, default=None),
        single=any(part.single for part in found),
    )


def _at(
    given: Given,
    numbers: Callable[..., Any],
    kinks: Callable[..., Any] | None,
    number: int,
    point: Mapping[str, Any],
    seed: int,
) -> Part:
    place = Place(lambda **p: size_of(numbers(**p)), point, kinks)
    moves = place.nearby.course
    right = [numbers(**{**point, **moved}) for moved in moves]
    got = [given.value({**point, **moved}) for moved in moves]
    shape = np.shape(right[2])
    others = (np.shape(each) for each in got if np.shape(each) != shape and each.size != 1)
    returned = next(others, shape if np.size(right[2]) == got[2].size else np.shape(got[2]))
    if returned != shape:
        reason = f"shape {returned}, expected {shape or 'a number'}"
        return Part(None, Verdict.FAIL, "shape", shape, reason=reason)
    got = [np.reshape(each, shape) for each in got]
    noise = size_of(scatter(right, place.nearby.part)) + size_of(scatter(got, place.nearby.part))
    size, limit = size_of(right[2]), LIMIT
    tolerance = NOISES * noise + ROUND_OFFS * DOUBLE * size
    errors = np.abs(np.subtract(got[2], right[2]))
    single = False
    if not size_of(errors) <= tolerance or tolerance > limit * size:
        single = looks_single(got, right, place.nearby.part)
    if single:
        (rough,) = tolerances(lambda p: [numbers(**p)], point, seed)
        tolerance, limit = max(rough, ROUND_OFFS * SINGLE * size), SINGLE_LIMIT
    return _ruled(number, np.asarray(right[2]), got[2], tolerance, limit * size, single)


def _ruled(number: int, right: Any, got: Any, tolerance: float, limit: float, single: bool) -> Part:
    """Judge a value at a point by a tolerance, which is to be below a limit."""
    with np.errstate(all="ignore"):
        errors = np.abs(np.subtract(got, right))
    worst = np.unravel_index(int(np.argmax(errors)), errors.shape)  # a NaN is the largest
    index = tuple(int(i) for i in worst)
    entry, size = Entry(index, float(right[index]), float(got[index]), number), size_of(right)
    largest, verdict, reason = float(errors[index]), Verdict.PASS, ""
    where = f"entry {list(index)} at point {number}" if index else f"point {number}"
    if not largest <= tolerance:
        verdict = Verdict.FAIL
        reason = f"{where}: {_contrast(entry.expected, entry.got)}"
    elif tolerance > limit:
        verdict = Verdict.INCONCLUSIVE
        reason = f"{where}: round-off of {tolerance:.0e} hides what could be wrong"
    return Part(
        None,
        verdict,
        "value",
        np.shape(right),
        error=largest / size if size else largest,
        detection_floor=tolerance / size if size else None,
        worst=entry,
        reason=reason,
        single=single,
    )


def _contrast(expected: float, got: float) -> str:
    """Say what was expected and got, in as many digits as tell them apart."""
    digits = next((d for d in (4, 6, 9, 12) if f"{expected:.{d}g}" != f"{got:.{d}g}"), 17)
    return f"expected {expected:.{digits}g}, got {got:.{digits}g}"
