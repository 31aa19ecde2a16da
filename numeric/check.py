"""Gradients against differences of the value: PASS, FAIL or INCONCLUSIVE, with a reason.

The module knows functions and arrays, not formulas, so that any value and its gradients can be put
before it. `numeric.probes` says what is measured, `numeric.verdicts` what that means.

Contract: a gradient passes if every probe at every point does. A gradient of another shape than its
variable fails, whatever its entries. Nothing depends on the scale of the value or of a variable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import InputError
from numeric.place import Place
from numeric.probes import DIFFERENCES, Block, Effort, Index, Probe, probe_all
from numeric.verdicts import Entry, Finding, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Entry", "Report", "VariableReport", "Verdict", "check"]


@dataclass(frozen=True)
class VariableReport:
    """Hold what was found about one variable's gradient over all points.

    `error` is the worst entry's error in terms of the gradient's largest entry; `detection_floor`
    is the smallest error, relative to a median entry, that would have been seen in a single entry.
    Where the gradient is zero both are in terms of the value divided by the variable's size. None
    stands for what could not be measured. `method` is what decided, "complex step" or "finite
    differences"; `seen_after` is how many values it took at one point, with the value there, to see
    that the gradient is wrong.
    """

    name: str
    shape: Index
    points: int
    verdict: Verdict
    reason: str
    worst: Entry | None
    error: float | None
    detection_floor: float | None
    evaluations: int
    method: str = ""
    seen_after: int | None = None


@dataclass(frozen=True)
class Report:
    """Hold what was found about every gradient."""

    variables: tuple[VariableReport, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on all gradients together."""
        return Verdict.of(variable.verdict for variable in self.variables)

    @property
    def evaluations(self) -> int:
        """Return how often the value was computed for the differences."""
        return sum(variable.evaluations for variable in self.variables)


def check(
    value: Callable[..., Any],
    gradients: Callable[..., Mapping[str, Any]],
    points: Sequence[Mapping[str, Any]],
    *,
    kinks: Callable[..., Any] | None = None,
    wrt: Sequence[str] | None = None,
    max_entries: int = 400,
    directions: int = 3,
    samples: int = 16,
    limit: float = 1e-6,
    seed: int = 0,
    complex_safe: bool = False,
) -> Report:
    """Check claimed gradients against extrapolated differences of the value.

    |claimed − measured| ≤ 4·error estimate + round-off, at every entry or along random directions

    `value(**point)` is a real number, `gradients(**point)` has an array of the variable's shape for
    every name in `wrt` (default: for every name it returns). `kinks(**point)` returns arrays whose
    zeros are the kinks of the value. A variable of more than `max_entries` entries is probed along
    `directions` random directions and at `samples` entries, at about ten values each.

    With `complex_safe`, where `value` continues analytically to complex arrays, every variable is
    probed along `directions` by complex steps, at one value each, and one of few entries at each.

    Raises:
        InputError: no points or directions, a name in `wrt` that a point lacks, or a value that is
            no real number.

    >>> point = {"x": np.array([[1.0], [2.0]])}
    >>> check(lambda x: np.sum(x**3), lambda x: {"x": 3 * x**2}, [point]).verdict
    <Verdict.PASS: 'pass'>
    >>> check(lambda x: np.sum(x**3), lambda x: {"x": 2 * x**2}, [point]).variables[0].reason
    'entry [1, 0] at point 0: expected 12, got 8'
    """
    _require(points, directions)
    effort, rng = Effort(max_entries, directions, samples), np.random.default_rng(seed)
    names = list(wrt if wrt is not None else _evaluate(gradients, points[0]) or points[0])
    findings: dict[str, list[Finding]] = {name: [] for name in names}
    for number, point in enumerate(points):
        real = {name: _real(name, point, number) for name in names}
        place = Place(value, {**point, **real}, kinks, names)
        blocks = _blocks(place, gradients, names, complex_safe)
        for name, finding in _check_at(blocks, effort, rng, number, limit):
            findings[name].append(finding)
    return Report(
        tuple(_combine(name, np.shape(points[0][name]), findings[name]) for name in names)
    )


def _require(points: Sequence[Any], directions: int) -> None:
    if not points:
        raise InputError("no points to check gradients at: give at least one")
    if directions < 1:
        raise InputError(f"directions: expected at least 1, got {directions}")


def _check_at(
    blocks: Mapping[str, Block | str],
    effort: Effort,
    rng: np.random.Generator,
    number: int,
    limit: float,
) -> Iterator[tuple[str, Finding]]:
    """Yield what is found about each variable at one point; all are probed before one is judged."""
    probed = {
        name: list(probe_all(block, effort, rng))
        for name, block in blocks.items()
        if isinstance(block, Block)
    }
    _share_noise(probed)
    for name, block in blocks.items():
        if isinstance(block, Block):
            yield name, judge(block, probed[name], number, limit)
        else:
            yield name, Finding(Verdict.FAIL, block)


def _real(name: str, point: Mapping[str, Any], number: int) -> Any:
    if name not in point:
        raise InputError(f"{name}: point {number} has only {', '.join(point)}")
    found = np.asarray(point[name])
    if found.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected real numbers at point {number}, got {found.dtype}")
    return found.astype(float)


def _evaluate(gradients: Callable[..., Any], point: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the claimed gradients, None where an operation refuses the point."""
    try:
        with np.errstate(all="ignore"):
            claimed: Mapping[str, Any] = gradients(**point)
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    return claimed


def _blocks(
    place: Place, gradients: Callable[..., Any], names: Sequence[str], complex_safe: bool
) -> dict[str, Block | str]:
    """Return each variable with its claimed gradient, or why that cannot be one.

    The gradients are evaluated again nearby, which measures their round-off: by complex steps, only
    where something disagrees.
    """
    claims, others = _evaluate(gradients, place.point), _Claims(place, gradients)
    blocks: dict[str, Block | str] = {}
    for name in names:
        claimed = _claimed(claims, name, place.point[name].shape)
        if isinstance(claimed, str):
            blocks[name] = claimed
            continue
        eps = float(np.finfo(claimed.dtype).eps) if claimed.dtype.kind == "f" else 2.0**-52
        again = partial(others.at, name, claimed.shape)
        blocks[name] = Block(name, place, claimed.astype(float), again, eps, complex_safe)
    return blocks


@dataclass
class _Claims:
    """The gradients that are claimed beside the point, evaluated once for all variables."""

    place: Place
    gradients: Callable[..., Any]
    known: dict[int, list[Mapping[str, Any] | None]] = field(default_factory=dict)

    def at(self, name: str, shape: Index, changes: Sequence[Mapping[str, Any]]) -> Any:
        """Return what is claimed for a variable, None where there is no such array."""
        if id(changes) not in self.known:
            points = [{**self.place.point, **moved} for moved in changes]
            self.known[id(changes)] = [_evaluate(self.gradients, point) for point in points]
        found = [_claimed(claims, name, shape) for claims in self.known[id(changes)]]
        return None if any(isinstance(claimed, str) for claimed in found) else found


def _claimed(claims: Mapping[str, Any] | None, name: str, shape: Index) -> NDArray[Any] | str:
    """Return the gradient claimed for a variable, or why there is none."""
    if claims is None:
        return np.full(shape, np.nan)
    if name not in claims:
        return "no gradient was returned"
    claimed = np.asarray(claims[name])
    if claimed.dtype.kind not in "fiub":
        return f"expected real numbers, got {claimed.dtype}"
    return claimed if claimed.shape == shape else f"shape {claimed.shape}, expected {shape}"


def _share_noise(probed: dict[str, list[Probe]]) -> None:
    """Raise every noise to what the other differences at the point saw: it is the value's own."""
    probes = [p for probes in probed.values() for p in probes]
    every = [p.measured for p in probes if p.method == DIFFERENCES]
    seen = [found.noise for found in every if math.isfinite(found.error) and not found.flat]
    shared = 2 * float(np.median(seen)) if seen else 0.0
    for probes in probed.values():
        probes[:] = [
            replace(p, measured=replace(p.measured, noise=max(p.measured.noise, shared)))
            if p.method == DIFFERENCES
            else p
            for p in probes
        ]


def _combine(name: str, shape: Index, findings: Sequence[Finding]) -> VariableReport:
    """Put together what was found at the points: the worst of it, and the largest floor.

    A blank point says nothing beside others, and nothing is decided by blank points alone.
    """
    seen = [finding for finding in findings if not finding.blank]
    if not seen:
        seen = [Finding(Verdict.INCONCLUSIVE, "the value and its differences are 0 at every point")]
    points, findings = len(findings), seen
    verdict = Verdict.of(finding.verdict for finding in findings)
    worst = max(
        (finding for finding in findings if finding.verdict == verdict),
        key=lambda finding: math.inf if finding.error is None else finding.error,
    )
    floors = [finding.floor for finding in findings]
    known = [floor for floor in floors if floor is not None]
    return VariableReport(
        name=name,
        shape=shape,
        points=points,
        verdict=verdict,
        reason=worst.reason,
        worst=worst.worst,
        error=worst.error,
        detection_floor=max(known) if len(known) == len(floors) else None,
        evaluations=sum(finding.evaluations for finding in findings),
        method=worst.method,
        seen_after=worst.seen_after,
    )
