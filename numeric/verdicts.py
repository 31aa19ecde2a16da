"""What a probe, and all probes of a variable at a point, mean: PASS, FAIL or INCONCLUSIVE.

Contract: every tolerance is a part of what was measured (the gradient's size, the error estimate of
the differences, the round-off of the gradient's own evaluation), so the value may be scaled by any
factor. PASS means that gradient and differences agree, to a tolerance below a stated part of the
gradient's size. FAIL means that they differ by several error estimates. NaN, a kink at the point
and an error estimate above the limit are INCONCLUSIVE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from numeric.place import rms
from numeric.probes import CLEAR, DIFFERENCES, STEPS, Block, Index, Probe, locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Entry", "Finding", "Verdict", "judge"]

# A tolerance has so many error estimates, measured noises of the gradient, and units of round-off.
ESTIMATES, NOISES, ROUND_OFFS = 4.0, 8.0, 64.0
DOUBTFUL = 8.0  # tolerances that a discrepancy must exceed to count, if they are above the limit
SIGNIFICANT = 8.0  # error estimates that a derivative must exceed to tell the gradient's size
FLAT = 1e-9  # of the natural size: the tolerance to which a gradient of zero must be known


class Verdict(StrEnum):
    """Say what a check found."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the verdict on the whole: one FAIL fails it, one INCONCLUSIVE leaves it open."""
        found = set(verdicts) or {cls.INCONCLUSIVE}
        return next(v for v in (cls.FAIL, cls.INCONCLUSIVE, cls.PASS) if v in found)


@dataclass(frozen=True)
class Entry:
    """Hold one entry of a gradient: what the differences say and what was got.

    At a kink, `left` and `right` are the one-sided derivatives and `expected` their mean.
    """

    index: Index
    expected: float
    got: float
    point: int
    left: float | None = None
    right: float | None = None


@dataclass(frozen=True)
class Finding:
    """Hold what was found about one variable at one point.

    `blank` says that the value, its differences and the gradient are all exactly zero there, as
    where everything underflows: that agrees with any gradient times anything.
    """

    verdict: Verdict
    reason: str = ""
    worst: Entry | None = None
    error: float | None = None
    floor: float | None = None
    evaluations: int = 0
    blank: bool = False
    seen_after: int | None = None
    method: str = ""


@dataclass(frozen=True)
class _Scale:
    """What the errors at entries, or along directions, are measured against."""

    size: float
    part: float  # of the size, that a tolerance may be
    round_off: float  # of the gradient's own evaluation
    zero: float = math.inf  # what may be claimed where the differences see nothing
    on_kink: bool = False  # an argument of a kink is zero at the point, and perhaps all around it


@dataclass(frozen=True)
class _Ruling:
    """What one probe means; `sharp` if its tolerance is small, the error in units of the size."""

    probe: Probe
    verdict: Verdict
    reason: str
    tolerance: float
    sharp: bool
    error: float

    @property
    def severity(self) -> tuple[int, bool, float]:
        rank = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL).index(self.verdict)
        return rank, self.probe.at_kink, self.error


def judge(block: Block, probes: Sequence[Probe], point: int, limit: float) -> Finding:
    """Judge one variable's gradient at one point by its probes.

    `limit` is the part of the gradient's size that a tolerance may be for a PASS.
    """
    if not probes:
        return Finding(Verdict.INCONCLUSIVE, f"no entries at point {point}")
    at_entry, along = _scales(block, probes, limit)
    rulings = [_rule(probe, along if probe.index is None else at_entry) for probe in probes]
    failing = [r.probe for r in rulings if r.verdict == Verdict.FAIL]
    if failing and all(probe.index is None for probe in failing):
        rulings.append(_rule(locate(block, failing[0]), at_entry))
    worst = max(rulings, key=lambda ruling: ruling.severity)
    entries = [r for r in rulings if r.probe.index is not None]
    shown = max(entries, key=lambda ruling: ruling.severity, default=worst)
    if shown.verdict == worst.verdict:
        worst = shown
    return Finding(
        verdict=worst.verdict,
        reason=f"{_name(worst.probe)} at point {point}: {worst.reason}" if worst.reason else "",
        worst=_entry(shown.probe, point),
        error=worst.error if math.isfinite(worst.error) else None,
        floor=_floor(block, rulings, at_entry.size),
        evaluations=block.evaluations,
        blank=worst.verdict is Verdict.PASS and at_entry.size == 0,
        seen_after=min((probe.after for probe in failing), default=None),
        method=worst.probe.method if worst.verdict is not Verdict.PASS else _method(rulings),
    )


def _method(rulings: Sequence[_Ruling]) -> str:
    """Return complex steps where they alone were asked."""
    return STEPS if all(r.probe.method == STEPS for r in rulings) else DIFFERENCES


def _scales(block: Block, probes: Sequence[Probe], limit: float) -> tuple[_Scale, _Scale]:
    """Return the scales of entries and of directions.

    The gradient's size is its largest entry by the differences, or if that is zero, the natural
    size. Where the variable is at a kink, what round-off changes is the side and says nothing.
    """
    clear = [
        p
        for p in probes
        if p.size > SIGNIFICANT * max(p.measured.error, block.seen_noise * p.length)
    ]
    part = limit if clear else FLAT
    size = max((p.size / p.length for p in clear), default=block.natural)
    along = max((p.size for p in clear if p.index is None), default=size)
    if clear and all(p.method == STEPS for p in probes):
        return _Scale(size, part, 0.0), _Scale(along, part, 0.0)
    calm = np.ones(block.claimed.shape, bool)
    for probe in probes:
        if probe.at_kink and probe.index is not None:
            calm[probe.index] = False
    noise = NOISES * block.noise[calm]
    largest, total = float(np.max(noise, initial=0.0)), rms(noise) * math.sqrt(2 * noise.size)
    unit = ROUND_OFFS * block.eps
    on_kink = bool((block.place.arguments == 0).any())
    return (
        _Scale(size, part, largest + unit * size, math.inf if clear else largest, on_kink),
        _Scale(along, part, total + unit * along, math.inf if clear else total, on_kink),
    )


def _rule(probe: Probe, scale: _Scale) -> _Ruling:
    """Judge one probe."""
    found, size = probe.measured, scale.size
    tolerance = found.error  # a bound, of a complex step's
    if probe.method == DIFFERENCES:
        tolerance = ESTIMATES * found.error + scale.round_off
    sharp = tolerance <= scale.part * size
    error = probe.discrepancy / size if size else (math.inf if probe.discrepancy else 0.0)
    verdict, reason = Verdict.PASS, ""
    if not math.isfinite(found.derivative):
        verdict, reason, error = Verdict.INCONCLUSIVE, found.cause, math.inf
    elif not math.isfinite(probe.claimed):
        # A norm that is zero around the point is smooth there, and its gradient is written 0/0.
        doubtful = probe.at_kink or scale.on_kink or not sharp
        verdict = Verdict.INCONCLUSIVE if doubtful else Verdict.FAIL
        reason, error = _contrast(probe), math.inf
    elif probe.discrepancy > tolerance * (1 if sharp else DOUBTFUL):
        verdict, reason = Verdict.FAIL, _contrast(probe)
    elif probe.at_kink:
        verdict, reason = Verdict.INCONCLUSIVE, f"at a kink, {_contrast(probe)}"
    elif not sharp:
        ratio = f"{tolerance / size:.0e} of" if size else "above"
        reason = f"error estimate {ratio} the gradient's size, the limit is {scale.part:.0e}"
        reason += f"; {found.cause}" if found.cause else ""
        verdict = Verdict.INCONCLUSIVE
    elif abs(probe.claimed) > scale.zero and probe.method == DIFFERENCES:
        verdict = Verdict.INCONCLUSIVE
        reason = f"{probe.claimed:.4g} is claimed, the value's round-off hides it"
    return _Ruling(probe, verdict, reason, tolerance, sharp, error)


def _floor(block: Block, rulings: Sequence[_Ruling], size: float) -> float | None:
    """Return the least error of one entry, relative to a median one, that would have been seen.

    Every entry has a probe, or weighs at least ½ in each direction.
    """
    if any(ruling.verdict == Verdict.INCONCLUSIVE for ruling in rulings):
        return None
    seen = {True: [0.0], False: [math.inf]}
    for ruling in rulings:
        agrees = ruling.verdict == Verdict.PASS
        clear = CLEAR if ruling.probe.method == STEPS else 1.0
        least = clear * ruling.tolerance + (ruling.probe.discrepancy if agrees else 0.0)
        seen[ruling.probe.index is not None].append(least)
    every = len(seen[True]) > block.claimed.size
    floor = max(seen[True]) if every else 2 * min(seen[False])
    entries = [abs(r.probe.measured.derivative) for r in rulings] if every else block.claimed
    sizes = np.abs(np.ravel(entries))
    sizes = sizes[np.isfinite(sizes) & (sizes > floor)]
    typical = float(np.median(sizes)) if sizes.size else size
    return floor / typical if typical and math.isfinite(floor) else None


def _contrast(probe: Probe) -> str:
    """Say what was expected and got, in as many digits as tell them apart."""
    found = probe.measured
    expected, got = found.derivative, probe.claimed
    digits = next((d for d in (4, 6, 9, 12) if f"{expected:.{d}g}" != f"{got:.{d}g}"), 17)
    shown = f"{expected:.{digits}g}"
    if found.left is not None and found.right is not None:
        shown = f"{found.left:.{digits}g} (left) to {found.right:.{digits}g} (right)"
    return f"expected {shown}, got {got:.{digits}g}"


def _name(probe: Probe) -> str:
    return "a direction" if probe.index is None else f"entry {list(probe.index)}"


def _entry(probe: Probe, point: int) -> Entry | None:
    found = probe.measured
    if probe.index is None:
        return None
    return Entry(probe.index, found.derivative, probe.claimed, point, found.left, found.right)
