"""A derivation's gradients against its formula: differences of the emitted value code, and exactly.

Two oracles that share nothing with the rules of the sweep. Numerically, the emitted gradients are
held against extrapolated differences of the emitted value at random points of distinct sizes.
Exactly, SymPy differentiates the formula entry by entry at small sizes and a rational point, and
the gradient formula is evaluated there to sixty digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.derivation import Checked, Derivation
from derive.emit import emit_value_and_grad
from derive.errors import RefusedError
from numeric.batches import compare_with_loop
from numeric.branches import other_branches
from numeric.check import Report, Verdict, check
from numeric.functions import (
    branch_function,
    inverted_function,
    kink_function,
    value_function,
)
from numeric.oracle import Exact, check_exactly
from numeric.points import distinct_sizes, draw_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.language import Formula

    Inside = Callable[[Mapping[str, Any]], bool]

__all__ = ["Verification", "require", "verify"]

POINTS = 3
ATTEMPTS = 4  # at other points, nearer to the origin, as long as they are inconclusive
NEARBY, STEADY = 1e-9, 1e-4  # a relative move of a point, and what the value may then change by
WORST_CONDITION = 1e6  # of a matrix that is inverted: beyond it, its digits are those of round-off
EXACT_CANDIDATES = 4  # of which the first with a gradient that is not zero is taken
BATCH_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Verification:
    """The numeric report and the exact oracle's findings by variable.

    ``point`` is the first point of the numeric check, as nested lists, with some samples, one a
    row, of what varies by sample; ``small_sizes`` are those of the exact oracle; ``batch_error``
    compares the batched code with a loop over samples.
    """

    report: Report
    exact: Mapping[str, Exact]
    small_sizes: Mapping[str, int]
    point: Mapping[str, Any]
    batch_error: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Return FAIL if an oracle or the batched code fails, else what the numeric report says."""
        if any(found.verdict is Verdict.FAIL for found in self.exact.values()):
            return Verdict.FAIL
        if self.batch_error is not None and self.batch_error > BATCH_TOLERANCE:
            return Verdict.FAIL
        return self.report.verdict

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
    formula = derivation.formula
    is_inside = _inside(formula)
    branches = branch_function(formula)
    report, sizes, first = _differences(derivation, is_inside, branches, points, seed)
    small = distinct_sizes(formula, start=2)
    if list(sizes.values()) != sorted(sizes.values()):  # the formula needs X tall
        small = dict(zip(small, reversed(small.values()), strict=True))
    found = {name: Exact(None) for name in derivation.wrt}
    if exact:
        found |= _exactly(derivation, is_inside, branches, small, seed)
    error = None
    if batch:
        error, first = compare_with_loop(derivation, batch, first, is_inside, seed=seed)
    as_lists = {name: value.tolist() for name, value in first.items()}
    return Verification(report, found, small, as_lists, error)


def _differences(
    derivation: Derivation,
    is_inside: Inside,
    branches: Callable[..., Any] | None,
    points: int,
    seed: int,
) -> tuple[Report, dict[str, int], dict[str, Any]]:
    """Return the report of the numeric check, the sizes of its points and the first of them."""
    formula = derivation.formula
    value, kinked = value_function(formula), kink_function(formula)
    value_and_grad = emit_value_and_grad(derivation)
    order = tuple(formula.variables)

    def gradients(**point: Any) -> Any:
        return value_and_grad(*(point[name] for name in order))[1]

    def ask(points: Sequence[Mapping[str, Any]]) -> Report:
        return check(value, gradients, points, kinks=kinked, wrt=derivation.wrt, seed=seed)

    for attempt in range(ATTEMPTS):
        sizes, drawn = _points(formula, is_inside, points, seed + attempt, 0.7**attempt)
        farther = other_branches(formula, is_inside, branches, drawn, sizes, seed)
        report = ask([*drawn, *farther])
        if report.verdict is Verdict.INCONCLUSIVE and farther:
            report = ask(drawn)
        if report.verdict is not Verdict.INCONCLUSIVE:
            break  # else the points may be where the gradient is lost in the value's round-off
    return report, sizes, drawn[0]


def _exactly(
    derivation: Derivation,
    is_inside: Inside,
    branches: Callable[..., Any] | None,
    sizes: Mapping[str, int],
    seed: int,
) -> dict[str, Exact]:
    """Ask the exact oracle, which has nothing to say where no point of these sizes is found."""
    formula = derivation.formula
    try:
        near = draw_points(formula, is_inside, sizes=sizes, count=EXACT_CANDIDATES, seed=seed)
    except RefusedError:
        return {}
    farther = other_branches(formula, is_inside, branches, near, sizes, seed)
    return check_exactly(derivation, [*near, *farther], sizes)


def _points(
    formula: Formula,
    is_inside: Inside,
    count: int,
    seed: int,
    spread: float,
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Draw points at ascending sizes, or at descending ones where the formula needs X tall."""
    how: dict[str, Any] = {"count": count, "seed": seed, "spread": spread}
    ascending = distinct_sizes(formula)
    descending = dict(zip(ascending, reversed(ascending.values()), strict=True))
    try:
        drawn = draw_points(formula, is_inside, sizes=ascending, **how)
    except RefusedError:
        drawn = draw_points(formula, is_inside, sizes=descending, **how)
        return descending, drawn
    return ascending, drawn


def _inside(formula: Formula) -> Inside:
    """Say where a formula is finite, not about to change by orders, and far from singular."""
    value, inverted = value_function(formula), inverted_function(formula)

    def is_inside(point: Mapping[str, Any]) -> bool:
        try:
            with np.errstate(all="ignore"):
                here = float(value(**point))
                near = float(value(**{name: x * (1 + NEARBY) for name, x in point.items()}))
                matrices = inverted(**point) if inverted else ()
                if any(np.linalg.cond(matrix) > WORST_CONDITION for matrix in matrices):
                    return False
        except np.linalg.LinAlgError:
            return False
        return math.isfinite(here) and abs(near - here) <= STEADY * max(abs(here), abs(near))

    return is_inside


def require(verification: Verification, derivation: Derivation) -> None:
    """Refuse gradients that fail their own check, or that could not be decided.

    Raises:
        RefusedError: naming the variable and what was found.
    """
    if verification.batch_error is not None and verification.batch_error > BATCH_TOLERANCE:
        raise RefusedError(
            f"The batched form of {derivation.formula.source} differs from a loop over samples by "
            f"{verification.batch_error:.1e} and is not shown."
        )
    for found in verification.report.variables:
        exact = verification.exact[found.name]
        if Verdict.FAIL in (found.verdict, exact.verdict):
            raise RefusedError(
                f"The gradient by {found.name} of {derivation.formula.source} fails its check and "
                f"is not shown: {found.reason or f'entry {list(exact.index)} is wrong'}."
            )
        if found.verdict is Verdict.INCONCLUSIVE and exact.verdict is not Verdict.PASS:
            raise RefusedError(
                f"The gradient by {found.name} of {derivation.formula.source} could not be "
                f"checked and is not shown: {found.reason}."
            )
