"""Somebody's NumPy function against a formula: its value, its gradients, and its float32 results.

The value is held against the formula's emitted value, within what round-off explains. A gradient is
held against differences of the formula's value, never of the function's own. What passes is called
with float32 arrays too, and compared with its own results in float64.

Contract: a function that computes in single precision whatever it is given passes where it agrees
with the formula to single precision, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.emit import emit
from derive.errors import InputError, RefusedError
from numeric.branches import other_branches
from numeric.check import Report, Verdict, check
from numeric.domain import inside_of, points_of
from numeric.foreign import ForeignFunction
from numeric.functions import branch_function, kink_function
from numeric.given import Given
from numeric.given_arrays import name_by_arrays
from numeric.given_float32 import in_float32
from numeric.given_report import FunctionCheck, Part
from numeric.given_value import judge_value
from numeric.place import Place
from numeric.single_precision import SINGLE_LIMIT, looks_single, size_of
from numeric.subjects import Subject, subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.derivation import Derivation
    from numeric.request import Request

__all__ = ["check_function"]

POINTS, ATTEMPTS = 3, 4
LARGER = 6  # the smallest size at one more point, where a size that is written as a number shows
LIMIT = 1e-6  # of the size, that a tolerance may be
SHARP = 1e-9  # of a median entry: a floor above it may be that of single precision
CLEAR = 1e-4  # of the largest argument of a kink: nearer to it, float32 may be on the other side

Point = dict[str, Any]


def check_function(request: Request, spec: str, seed: int = 0) -> FunctionCheck:
    """Check a NumPy function against the formula that was asked for.

    Args:
        request: the formula, and what it is to be differentiated by.
        spec: FILE.py:NAME.
        seed: of the random points.

    Raises:
        InputError: for whatever the function does other than return numbers.
        RefusedError: when no point in the formula's domain was found, or when the function returns
            other numbers for the same arguments.
    """
    if request.order != 1 or request.batch:
        option = "--batch" if request.batch else "--order 2"
        raise InputError(f"--function {spec}: values and gradients are checked, without {option}.")
    formula = request.formula
    parameters = emit([], formula.variables).arguments
    with ForeignFunction(spec, parameters) as function:
        given = Given(function, formula, dict(zip(formula.variables, parameters, strict=True)))
        judge = _Judge(given, seed)
        given.require_steady(judge.points[0])
        right: dict[str | None, Any] = {None: formula.expr}
        parts = [judge_value(given, formula, judge.points, seed)]
        if given.returns_gradients(judge.points[0]):
            derivation = request.derivation()
            given.choose(derivation, judge.points[0], asked=request.wrt)
            parts += judge.gradients(derivation)
            right.update(derivation.gradient)
        elif request.wrt:
            raise InputError(
                f"{spec} returned a value alone, --wrt asks for gradients. Return (value, "
                "gradients), with gradients a dict by name; or leave out --wrt."
            )
        parts, told = in_float32(given, parts, judge.clear_points(), seed)
        remarks = (*given.remarks(), *told)
    return FunctionCheck(spec, request.title, formula, tuple(parts), right, remarks)


@dataclass(frozen=True)
class _Given(Subject):
    """A derivative whose numbers come from somebody's function."""

    given: Given

    @cached_property
    def _functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        alone = emit([self.formula.expr], self.formula.variables, complex_safe=True).function
        names = [result.wrt for result in self.results]

        def both(*arrays: Any) -> tuple[Any, ...]:
            point = dict(zip(self.formula.variables, arrays, strict=True))
            gradients = self.given.gradients(point)
            return (None, *(gradients[name] for name in names))

        return alone, both


class _Judge:
    """Hold a function and the points that it is judged at."""

    def __init__(self, given: Given, seed: int) -> None:
        self.given, self.seed, self.formula = given, seed, given.formula
        self.kinks = kink_function(self.formula)
        self.inside, self.branches = inside_of(self.formula), branch_function(self.formula)
        self.drawn, self.farther = self._draw(0)

    @property
    def points(self) -> list[Mapping[str, Any]]:
        return [*self.drawn, *self.farther]

    def _draw(self, attempt: int) -> tuple[list[Point], list[Mapping[str, Any]]]:
        """Draw generic points, one of them of other sizes, and points in other branches."""
        how: dict[str, Any] = {"seed": self.seed + attempt, "spread": 0.7**attempt}
        sizes, drawn = points_of(self.formula, self.inside, POINTS, **how)
        farther = other_branches(
            self.formula, self.inside, self.branches, drawn, sizes, self.seed + attempt
        )
        try:
            _, larger = points_of(self.formula, self.inside, 1, start=LARGER, **how)
        except RefusedError:
            larger = []
        return [*drawn, *larger], farther

    def clear_points(self) -> list[Point]:
        """Return the generic points that are float32 numbers, away from kinks."""
        rounded = [self.given.named(self.given.named(p, np.float32)) for p in self.drawn]
        return [point for point in rounded if self._is_clear(point)]

    def _is_clear(self, point: Point) -> bool:
        if self.kinks is None:
            return True
        arguments = [np.abs(array) for array in self.kinks(**point)]
        return all(np.all(array > CLEAR * size_of(array)) for array in arguments)

    def gradients(self, derivation: Derivation) -> list[Part]:
        """Judge the gradients that are returned, shapes first."""
        right, parts = derivation.function(), dict[str, Part]()
        names = [result.wrt for result in derivation.results if result.wrt in self.given.chosen]
        pairs: dict[str, list[tuple[Any, Any]]] = {name: [] for name in names}
        for point in self.points:
            with np.errstate(all="ignore"):
                expected, got = (
                    right(*self.given.named(point).values())[1],
                    self.given.gradients(point),
                )
            for name in names:
                pairs[name].append((np.asarray(expected[name]), got[name]))
        for name in names:
            for expected, got in pairs[name]:
                if expected.shape != got.shape and name not in parts:
                    reason = f"shape {got.shape}, expected {expected.shape}"
                    parts[name] = Part(name, Verdict.FAIL, "shape", expected.shape, reason=reason)
        for subject in subjects(derivation):
            wanted = tuple(r for r in subject.results if r.wrt in names and r.wrt not in parts)
            if wanted:
                parts |= self._measured(replace(subject, results=wanted))
        for name, part in parts.items():
            if part.verdict is Verdict.FAIL:
                parts[name] = replace(part, mistake=name_by_arrays(pairs[name]))
        return [parts[name] for name in names]

    def _measured(self, subject: Subject) -> dict[str, Part]:
        """Measure gradients by differences; once more in single precision what may be that."""
        found = {part.wrt or "": part for part in self._asked(subject, LIMIT)}
        doubtful = [
            name
            for name, part in found.items()
            if part.verdict is not Verdict.PASS or not (part.detection_floor or 0.0) <= SHARP
        ]
        self.given.single = frozenset(n for n in doubtful if self._looks_single(subject, n))
        if self.given.single:
            again = self._asked(subject, SINGLE_LIMIT)
            found |= {
                part.wrt or "": replace(part, single=True)
                for part in again
                if part.wrt in self.given.single and part.verdict is Verdict.PASS
            }
        self.given.single = frozenset()
        return found

    def _asked(self, subject: Subject, limit: float) -> list[Part]:
        """Ask for differences, at other points as long as they are inconclusive."""
        measured = _Given(subject.formula, subject.results, self.given)
        drawn, farther = self.drawn, [p for p in self.farther if subject.is_finite(p)]
        for attempt in range(ATTEMPTS):
            asked: list[Mapping[str, Any]] = [*drawn, *farther]
            report, places = self._report(measured, asked, limit)
            if report.verdict is Verdict.INCONCLUSIVE and farther:
                asked = [*drawn]
                report, places = self._report(measured, asked, limit)
            if report.verdict is not Verdict.INCONCLUSIVE or attempt == ATTEMPTS - 1:
                break
            drawn, farther = self._draw(attempt + 1)
            farther = [point for point in farther if subject.is_finite(point)]
        floors = [one.detection_floor for one in report.variables]
        if report.verdict is Verdict.FAIL:  # what is wrong says nothing of what would be seen
            known = self._report(subject, asked, limit)[0].variables
            floors = [one.detection_floor for one in known]
        return [
            Part(
                result.wrt,
                one.verdict,
                one.method,
                np.shape(places[one.worst.point if one.worst else 0][result.wrt]),
                len(asked),
                one.error,
                floor,
                one.worst,
                one.reason,
            )
            for one, result, floor in zip(report.variables, subject.results, floors, strict=True)
        ]

    def _report(
        self, subject: Subject, points: Sequence[Mapping[str, Any]], limit: float
    ) -> tuple[Report, list[Point]]:
        """Return what the differences say, and the places that they were taken at."""
        places = list(subject.points(points, self.seed))
        how: dict[str, Any] = {"kinks": subject.kinks, "wrt": subject.wrt, "seed": self.seed}
        how["complex_safe"] = True
        return check(subject.value, subject.gradients, places, limit=limit, **how), places

    def _looks_single(self, subject: Subject, name: str) -> bool:
        """Say whether a gradient looks like single precision at a generic point."""
        right = replace(subject, results=tuple(r for r in subject.results if r.wrt == name))
        point = next(iter(right.points(self.drawn[:1], self.seed)))
        place = Place(right.value, point, right.kinks, right.wrt)
        measured = _Given(right.formula, right.results, self.given)
        moves = place.nearby.course
        got, usual = (
            [one.gradients(**{**place.point, **moved})[right.wrt[0]] for moved in moves]
            for one in (measured, right)
        )
        return looks_single(got, usual, place.nearby.part)
