"""Where a gradient meets differences of the value: entries and directions of one variable.

Cut from the check so that what is measured stands apart from what it is judged to mean: a probe
holds the claimed and the measured derivative, and no opinion.

Contract: a variable of few entries is probed at each; a larger one along random directions over all
entries, at its largest claimed entries and at random ones. By complex steps, every variable is
probed along random directions, and one of few entries at each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from numeric.complex_step import complex_step, noise_along
from numeric.differences import Line, along
from numeric.place import rms, scatter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numeric.differences import Difference
    from numeric.place import Array, Place

__all__ = ["CLEAR", "DIFFERENCES", "STEPS", "Block", "Effort", "Index", "Probe", "locate"]
__all__ += ["probe_all"]

Index = tuple[int, ...]

STEPS, DIFFERENCES = "complex step", "finite differences"
CLEAR = 8.0  # bounds of a complex step's error that a disagreement must exceed to count
NOTHING, ROUND_OFF = 1e-8, 64.0  # of the natural size: a gradient, and units of round-off

GRAIN = 64  # directions have so many parts to the unit, so that a step along them is exact


@dataclass(frozen=True)
class Effort:
    """Say how much may be spent on one variable at one point."""

    max_entries: int
    directions: int
    samples: int


@dataclass(frozen=True)
class Probe:
    """Hold a derivative as claimed and as measured, at an entry or along a direction.

    `after` counts the values of the function until then, that at the point and the variable's own.
    """

    index: Index | None
    weights: Array | None
    claimed: float
    measured: Difference
    method: str = DIFFERENCES
    after: int = 0

    @property
    def at_kink(self) -> bool:
        """Tell whether the derivative's two sides may differ."""
        return self.measured.left is not None

    @property
    def size(self) -> float:
        """Return the magnitude of the measured derivative, of the larger side's at a kink."""
        found = self.measured
        return max(abs(d) for d in (found.derivative, found.left, found.right) if d is not None)

    @property
    def length(self) -> float:
        """Return the Euclidean norm of the direction, 1 at an entry."""
        return 1.0 if self.weights is None else float(np.linalg.norm(self.weights))

    @property
    def discrepancy(self) -> float:
        """Return how far the claimed derivative is from the measured, or from both sides' range."""
        found = self.measured
        if found.left is None or found.right is None:
            return abs(self.claimed - found.derivative)
        low, high = sorted((found.left, found.right))
        return max(low - self.claimed, self.claimed - high, 0.0)


@dataclass
class Block:
    """Hold one variable at one point: the claimed gradient, and its round-off.

    `claims_at` returns what is claimed at changed points, None where that is no such array.
    """

    name: str
    place: Place
    claimed: Array
    claims_at: Callable[[Sequence[Mapping[str, Array]]], Sequence[Array] | None]
    eps: float
    complex_safe: bool = False
    evaluations: int = 0
    largest: float = 0.0  # derivative seen, of one entry
    seen_noise: float = 0.0  # of a derivative by one entry, where a complex step disagreed
    typical: float = field(init=False)  # derivative claimed

    def __post_init__(self) -> None:
        sizes = np.abs(self.claimed[np.isfinite(self.claimed) & (self.claimed != 0)])
        self.typical = float(np.median(sizes)) if sizes.size else 0.0

    @property
    def natural(self) -> float:
        """Return the size of derivative that changes the value by itself over the variable."""
        size = rms(self.place.point[self.name])
        return self.place.largest / (size or 1.0)

    @cached_property
    def noise(self) -> Array:
        """The round-off of the claimed gradient's own evaluation, by entry."""
        again = self.claims_at(self.place.nearby.changes)
        if again is None:
            return np.zeros(self.claimed.shape)
        return scatter([*again[:2], self.claimed, *again[2:]], self.place.nearby.part)

    @cached_property
    def _farther(self) -> Sequence[Array] | None:
        """The gradients that are claimed farther off."""
        return self.claims_at(self.place.farther.changes)

    def at(self, index: Index) -> Probe:
        """Probe one entry."""
        vector = np.zeros(self.claimed.shape)
        vector[index] = 1.0
        claimed = float(self.claimed[index])
        found, method = self._measure(vector, self.complex_safe and math.isfinite(claimed))
        after = self.evaluations + 1
        return self.examined(Probe(index, None, claimed, found, method, after), vector)

    def along(self, vector: Array) -> Probe:
        """Probe a direction, by a complex step where one is safe, whatever that says."""
        with np.errstate(all="ignore"):
            claimed = float(np.sum(self.claimed * vector))
        found, method = self._measure(vector, self.complex_safe)
        return Probe(None, vector, claimed, found, method, self.evaluations + 1)

    def _measure(self, vector: Array, complex_safe: bool) -> tuple[Difference, str]:
        """Return the derivative and how it was measured."""
        if complex_safe and not Line(self.place, {self.name: vector}).touches_a_kink():
            found = complex_step(self.place, {self.name: vector}, reference=self._terms(vector))
            if math.isfinite(found.derivative):
                self._count(found, vector)
                return found, STEPS
            self.evaluations += found.evaluations
        return self._differences(vector), DIFFERENCES

    def _terms(self, vector: Array) -> float:
        """Return the size of a derivative's terms; of an entry, that of the others at least."""
        changed = vector != 0
        terms = np.linalg.norm(
            np.nan_to_num(self.claimed[changed], posinf=0, neginf=0) * vector[changed]
        )
        return max(float(terms), self.typical) if changed.sum() == 1 else float(terms)

    def examined(self, probe: Probe, vector: Array) -> Probe:
        """Measure the noise where a complex step disagrees; take differences where that is as much.

        Where the gradient is nothing beside the value, what the value's round-off may hide is no
        clear disagreement either.
        """
        found = probe.measured
        if probe.method != STEPS or not probe.discrepancy > found.error < math.inf:
            return probe
        noise = max(self._noise_along(probe, vector), self.seen_noise * probe.length)
        found = replace(found, noise=max(found.noise, noise))
        probe = replace(probe, measured=found)
        if probe.discrepancy <= found.error:
            return probe
        size = rms(self.place.point[self.name]) or 1.0
        natural = self.place.terms / size * probe.length
        hidden = max(self._terms(vector), abs(found.derivative)) <= NOTHING * natural
        hidden = hidden and probe.discrepancy <= ROUND_OFF * self.place.eps * natural
        if probe.discrepancy > CLEAR * found.error and not hidden and not self.place.is_real:
            return probe
        slope, found = found.derivative, self._differences(vector)
        if not self.place.is_real:  # two that contradict one another settle nothing
            apart = abs(slope - found.derivative)
            found = replace(found, truncation=found.truncation + apart)
        return replace(probe, measured=found, method=DIFFERENCES)

    def _noise_along(self, probe: Probe, vector: Array) -> float:
        before = self.place.evaluations
        found, along = math.inf, {self.name: vector}
        if self._farther is not None:
            claims = [float(np.sum(claim * vector)) for claim in self._farther]
            found = noise_along(
                self.place, along, probe.claimed - probe.measured.derivative, claims
            )
        self.evaluations += self.place.evaluations - before
        if found < math.inf:
            self.seen_noise = max(self.seen_noise, found / probe.length)
        return found

    def _differences(self, vector: Array) -> Difference:
        reference = min(self.largest, self.typical)
        found = along(self.place, {self.name: vector}, reference=reference)
        self._count(found, vector)
        return found

    def _count(self, found: Difference, vector: Array) -> None:
        self.evaluations += found.evaluations
        if math.isfinite(found.derivative):
            per_entry = abs(found.derivative) / float(np.linalg.norm(vector))
            self.largest = max(self.largest, per_entry)


def probe_all(block: Block, effort: Effort, rng: np.random.Generator) -> Iterator[Probe]:
    """Yield the probes of a variable at a point, within the effort."""
    claimed = block.claimed
    small, finite = claimed.size <= effort.max_entries, np.isfinite(claimed)
    if finite.all() and claimed.size and (block.complex_safe or not small):
        vectors = [_direction(claimed.shape, rng) for _ in range(effort.directions)]
        probes = [block.along(vector) for vector in vectors]
        yield from map(block.examined, probes, vectors)
    if small:
        yield from (block.at(index) for index in np.ndindex(claimed.shape))
        return
    if block.complex_safe and finite.all():
        return
    sizes = np.where(finite, np.abs(claimed), np.inf).ravel()
    most = np.argsort(-sizes, kind="stable")[: effort.samples // 2]
    others = np.setdiff1d(np.arange(claimed.size), most)
    drawn = rng.choice(others, min(effort.samples - most.size, others.size), replace=False)
    for number in (*most, *drawn):
        yield block.at(tuple(int(i) for i in np.unravel_index(number, claimed.shape)))


def locate(block: Block, failing: Probe) -> Probe:
    """Halve the entries of a failing direction down to the one that is most to blame."""
    if failing.weights is None:
        return failing
    weights = failing.weights.ravel()
    entries = np.arange(weights.size)
    total = failing.claimed - failing.measured.derivative
    while entries.size > 1:
        half = entries[: entries.size // 2]
        vector = np.zeros(weights.size)
        vector[half] = weights[half]
        probe = block.along(vector.reshape(block.claimed.shape))
        part = probe.claimed - probe.measured.derivative
        blamed = abs(part) >= abs(total - part)
        entries, total = (half, part) if blamed else (entries[half.size :], total - part)
    return block.at(tuple(int(i) for i in np.unravel_index(entries[0], block.claimed.shape)))


def _direction(shape: Index, rng: np.random.Generator) -> Array:
    """Draw signs times magnitudes from [½, 2]: of magnitude 1, a swap goes unseen half the time."""
    magnitudes = np.round(rng.uniform(0.5, 2.0, shape) * GRAIN) / GRAIN
    return np.asarray(magnitudes * rng.choice([-1.0, 1.0], shape))
