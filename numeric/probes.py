"""Where a gradient meets differences of the value: entries and directions of one variable.

Cut from the check so that what is measured stands apart from what it is judged to mean: a probe
holds the claimed and the measured derivative, and no opinion.

Contract: a variable of few entries is probed at each; of a larger one, at random directions over
all entries, at its largest claimed entries and at random ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from numeric.differences import along
from numeric.place import rms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numeric.differences import Difference
    from numeric.place import Array, Place

__all__ = ["Block", "Effort", "Index", "Probe", "locate", "probe_all"]

Index = tuple[int, ...]

GRAIN = 64  # directions have so many parts to the unit, so that a step along them is exact


@dataclass(frozen=True)
class Effort:
    """Say how much may be spent on one variable at one point."""

    max_entries: int
    directions: int
    samples: int


@dataclass(frozen=True)
class Probe:
    """Hold a derivative as claimed and as measured, at an entry or along a direction."""

    index: Index | None
    weights: Array | None
    claimed: float
    measured: Difference

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
    """Hold one variable at one point: the claimed gradient, and its round-off."""

    name: str
    place: Place
    claimed: Array
    noise: Array
    eps: float
    evaluations: int = 0
    largest: float = 0.0  # derivative seen, of one entry
    typical: float = field(init=False)  # derivative claimed

    def __post_init__(self) -> None:
        sizes = np.abs(self.claimed[np.isfinite(self.claimed) & (self.claimed != 0)])
        self.typical = float(np.median(sizes)) if sizes.size else 0.0

    @property
    def natural(self) -> float:
        """Return the size of derivative that changes the value by itself over the variable."""
        size = rms(self.place.point[self.name])
        return self.place.largest / (size or 1.0)

    def at(self, index: Index) -> Probe:
        """Probe one entry."""
        vector = np.zeros(self.claimed.shape)
        vector[index] = 1.0
        return Probe(index, None, float(self.claimed[index]), self._measure(vector))

    def along(self, vector: Array) -> Probe:
        """Probe a direction."""
        with np.errstate(all="ignore"):
            claimed = float(np.sum(self.claimed * vector))
        return Probe(None, vector, claimed, self._measure(vector))

    def _measure(self, vector: Array) -> Difference:
        reference = min(self.largest, self.typical)
        found = along(self.place, {self.name: vector}, reference=reference)
        self.evaluations += found.evaluations
        if math.isfinite(found.derivative):
            per_entry = abs(found.derivative) / float(np.linalg.norm(vector))
            self.largest = max(self.largest, per_entry)
        return found


def probe_all(block: Block, effort: Effort, rng: np.random.Generator) -> Iterator[Probe]:
    """Yield the probes of a variable at a point, within the effort."""
    claimed = block.claimed
    if claimed.size <= effort.max_entries:
        yield from (block.at(index) for index in np.ndindex(claimed.shape))
        return
    finite = np.isfinite(claimed)
    if finite.all():
        for _ in range(effort.directions):
            yield block.along(_direction(claimed.shape, rng))
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
