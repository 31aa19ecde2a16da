"""A derivation's gradients against its formula: differences of the emitted value code, and exactly.

Two oracles that share nothing with the rules of the sweep. Numerically, the emitted gradients are
held against extrapolated differences of the emitted value at random points of distinct sizes.
Exactly, SymPy differentiates the formula entry by entry at small sizes and a rational point, and
the gradient formula is evaluated there to sixty digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.derivation import Checked, Derivation
from derive.errors import RefusedError
from numeric.batches import Loop, compare_with_loop
from numeric.branches import other_branches
from numeric.check import Report, VariableReport, Verdict, check
from numeric.domain import Inside, inside_both, inside_of, points_of
from numeric.functions import branch_function
from numeric.oracle import Exact, check_exactly
from numeric.points import distinct_sizes, draw_points
from numeric.subjects import Subject, subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Verification", "require", "verify"]

POINTS = 3
ATTEMPTS = 4  # at other points, nearer to the origin, as long as they are inconclusive
EXACT_CANDIDATES = 4  # of which the first with a gradient that is not zero is taken


@dataclass(frozen=True)
class Verification:
    """The numeric report and the exact oracle's findings by variable.

    ``point`` is the first point of the numeric check, as nested lists, with some samples, one a
    row, of what varies by sample; ``small_sizes`` are those of the exact oracle; ``loop``
    compares the batched form with a loop over samples.
    """

    report: Report
    exact: Mapping[str, Exact]
    small_sizes: Mapping[str, int]
    point: Mapping[str, Any]
    loop: Loop | None = None
    first: Verification | None = None

    @property
    def verdict(self) -> Verdict:
        """Return FAIL if an oracle or the batched code fails, else what the numeric report says.

        A second derivative is one of a gradient that has passed itself.
        """
        first = Verdict.PASS if self.first is None else self.first.verdict
        exactly = (found.verdict for found in self.exact.values())
        if any(verdict is Verdict.FAIL for verdict in (first, self.report.verdict, *exactly)):
            return Verdict.FAIL
        if self.loop is not None and not self.loop.is_right:
            return Verdict.FAIL
        return self.report.verdict if first is Verdict.PASS else first

    def checked(self) -> dict[str, Checked]:
        """Return the records that a result is shown with."""
        return {
            found.name: Checked(
                found.points,
                found.error,
                found.shape,
                self.exact[found.name].verdict is Verdict.PASS,
                found.reason if found.verdict is Verdict.INCONCLUSIVE else "",
            )
            for found in self.report.variables
        }


def verify(
    derivation: Derivation,
    *,
    seed: int = 0,
    points: int = POINTS,
    exact: bool = True,
    batch: Sequence[str] = (),
) -> Verification:
    """Check every gradient of a derivation.

    Args:
        derivation: the formula and its gradients.
        seed: of the random points.
        points: how many.
        exact: whether to ask the exact oracle as well.
        batch: names of what varies by sample; the batched code is checked where there are any.

    Raises:
        RefusedError: when no point in the formula's domain was found.

    >>> import derive
    >>> verify(derive.differentiate("norm2(relu(W*x))^2")).verdict
    <Verdict.PASS: 'pass'>
    """
    first = None
    if derivation.first is not None:
        first = verify(derivation.first, seed=seed, points=points, exact=exact)
    reports: list[VariableReport] = []
    found = {name: Exact(None) for name in derivation.wrt}
    small, point = distinct_sizes(derivation.formula, start=2), dict[str, Any]()
    for subject in subjects(derivation):
        is_inside, branches = inside_of(subject.formula), branch_function(subject.formula)
        if first is not None:  # a gradient may be finite where the formula is not
            is_inside = inside_both(is_inside, derivation.formula)
        report, sizes, here = _differences(subject, is_inside, branches, points, seed)
        small = distinct_sizes(subject.formula, start=2)
        if list(sizes.values()) != sorted(sizes.values()):  # the formula needs X tall
            small = dict(zip(small, reversed(small.values()), strict=True))
        if exact:
            found |= _exactly(subject, is_inside, branches, small, seed)
        reports += report
        point = here | point
    loop = None
    if batch:
        loop = compare_with_loop(derivation, batch, point, is_inside, seed=seed)
        point = loop.point
    as_lists = {name: value.tolist() for name, value in point.items()}
    return Verification(Report(tuple(reports)), found, small, as_lists, loop, first)


def _differences(
    subject: Subject,
    is_inside: Inside,
    branches: Callable[..., Any] | None,
    points: int,
    seed: int,
) -> tuple[list[VariableReport], dict[str, int], dict[str, Any]]:
    """Return the reports of the numeric check, the sizes of its points and the first of them."""
    formula = subject.formula

    def ask(points: Sequence[Mapping[str, Any]]) -> Report:
        places = list(subject.points(points, seed))
        return check(
            subject.value,
            subject.gradients,
            places,
            kinks=subject.kinks,
            wrt=subject.wrt,
            seed=seed,
        )

    for attempt in range(ATTEMPTS):
        sizes, drawn = points_of(formula, is_inside, points, seed + attempt, 0.7**attempt)
        farther = [
            point
            for point in other_branches(formula, is_inside, branches, drawn, sizes, seed)
            if subject.is_finite(point)  # far out, a gradient may overflow where its value does not
        ]
        asked: Sequence[Mapping[str, Any]] = [*drawn, *farther]
        report = ask(asked)
        if report.verdict is Verdict.INCONCLUSIVE and farther:
            asked = drawn
            report = ask(asked)
        if report.verdict is not Verdict.INCONCLUSIVE:
            break  # else the points may be where the gradient is lost in the value's round-off
    found = [
        replace(one, name=result.wrt, shape=np.shape(drawn[0][result.wrt]), points=len(asked))
        for one, result in zip(report.variables, subject.results, strict=True)
    ]
    return found, sizes, drawn[0]


def _exactly(
    subject: Subject,
    is_inside: Inside,
    branches: Callable[..., Any] | None,
    sizes: Mapping[str, int],
    seed: int,
) -> dict[str, Exact]:
    """Ask the exact oracle, which has nothing to say where no point of these sizes is found."""
    formula = subject.formula
    try:
        near = draw_points(formula, is_inside, sizes=sizes, count=EXACT_CANDIDATES, seed=seed)
    except RefusedError:
        return {}
    farther = other_branches(formula, is_inside, branches, near, sizes, seed)
    return check_exactly(subject, near, farther, sizes)


_DEFECT = "This is a defect of chainrule: report it with the formula, and derive a simpler one."
_ELSEWHERE = "Try other points with --seed 1, or other sizes with --shape, such as --shape A=5,3."


def require(verification: Verification, derivation: Derivation) -> None:
    """Refuse gradients that fail their own check, or that could not be decided.

    Raises:
        RefusedError: naming the variable and what was found.
    """
    loop = verification.loop
    if loop is not None and not loop.is_right:
        raise RefusedError(
            f"The batched form of {derivation.formula.source} differs from a loop over samples by "
            f"{loop.worst:.1e} and is not shown. {_DEFECT}"
        )
    if verification.first is not None and derivation.first is not None:
        require(verification.first, derivation.first)
    kinds = {result.wrt: result.kind for result in derivation.results}
    for found in verification.report.variables:
        exact, what = verification.exact[found.name], kinds[found.name]
        if Verdict.FAIL in (found.verdict, exact.verdict):
            raise RefusedError(
                f"The {what} by {found.name} of {derivation.formula.source} fails its check and "
                f"is not shown: {found.reason or f'entry {list(exact.index)} is wrong'}. {_DEFECT}"
            )
        if found.verdict is Verdict.INCONCLUSIVE and exact.verdict is not Verdict.PASS:
            raise RefusedError(
                f"The {what} by {found.name} of {derivation.formula.source} could not be "
                f"checked and is not shown: {found.reason}. {_ELSEWHERE}"
            )
