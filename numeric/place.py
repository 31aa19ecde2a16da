"""A function at one point: its value, the arguments of its kinks, and how well they are known.

Cut from the differences so that what costs an evaluation is in one place, and is done once for
many derivatives.

Contract: a user's function is called with whole points, and raises no floating-point warning; where
an operation refuses the point, the value is NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Array", "Place", "rms", "scatter"]

Array = NDArray[np.float64]

NEARBY = 2.0**-30  # of an entry: too little to matter, more than round-off
LAST_BITS = 2.0**-51  # of an entry


class Place:
    """Hold a point and what was evaluated there once, for many derivatives.

    `value(**point)` is one real number. `kinks(**point)` returns arrays whose zeros are the kinks
    of the value: the arguments of relu, abs, sign, the differences of a maximum's arguments.
    `nearby` are four changes of `names` (by default, of all that is real), too small to matter, on
    a line with the point. `noise` is how far the values there are from a smooth course: where large
    terms cancel, that is more than the value's own last bit.
    """

    def __init__(
        self,
        value: Callable[..., Any],
        point: Mapping[str, Any],
        kinks: Callable[..., Any] | None = None,
        names: Iterable[str] | None = None,
    ) -> None:
        self.point = {name: np.asarray(entry) for name, entry in point.items()}
        self.evaluations = 0
        self.largest = 0.0
        self.eps = float(np.finfo(np.float64).eps)
        self._value, self._kinks = value, kinks
        self.base = self.value({})
        self.arguments = self.kink_arguments({})
        self.nearby, self.part = self._nearby(names)
        values = [self.value(changes) for changes in self.nearby]
        self.noise = float(scatter([*values[:2], self.base, *values[2:]], self.part))

    def value(self, changes: Mapping[str, Array]) -> float:
        """Return the value with some variables replaced, NaN where an operation refuses them."""
        self.evaluations += 1
        try:
            with np.errstate(all="ignore"):
                result = np.asarray(self._value(**{**self.point, **changes}))
        except (ArithmeticError, np.linalg.LinAlgError):
            return math.nan
        if result.size != 1 or result.dtype.kind not in "fiub":
            shown = f"{result.dtype} of shape {result.shape}"
            raise InputError(f"the value must be one real number, got {shown}")
        if result.dtype.kind == "f":
            self.eps = max(self.eps, float(np.finfo(result.dtype).eps))
        found = float(result.reshape(()))
        if math.isfinite(found):
            self.largest = max(self.largest, abs(found))
        return found

    def kink_arguments(self, changes: Mapping[str, Array]) -> Array:
        """Return every argument whose zero is a kink, in one row."""
        if self._kinks is None:
            return np.empty(0)
        with np.errstate(all="ignore"):
            arrays = self._kinks(**{**self.point, **changes})
        return np.concatenate([np.empty(0), *(np.ravel(np.asarray(a, float)) for a in arrays)])

    def _nearby(self, names: Iterable[str] | None) -> tuple[list[dict[str, Array]], float]:
        """Return changes by −2, −1, 1 and 2 times a part of each entry that crosses no kink."""
        rng, part = np.random.default_rng(0), NEARBY
        real = [name for name, entries in self.point.items() if entries.dtype == np.float64]
        parts = {
            name: rng.choice([-1.0, 1.0], self.point[name].shape)
            * rng.uniform(0.5, 1.0, self.point[name].shape)
            for name in (real if names is None else names)
        }
        while True:
            moved = [
                {n: np.asarray(self.point[n] * (1 + times * part * p)) for n, p in parts.items()}
                for times in (-2, -1, 1, 2)
            ]
            ends = [np.sign(self.kink_arguments(changes)) for changes in (moved[0], moved[3])]
            if part <= LAST_BITS or all((end == np.sign(self.arguments)).all() for end in ends):
                return moved, part
            part /= 8


def scatter(course: Sequence[Any], part: float) -> Array:
    """Return the noise in five values, or arrays of them, at equal distances on a smooth course.

    max(2|Δ³| / √20, 2|Δ⁴| / √70, what the last bits of the argument change)

    `part` is the distance, in terms of the argument.

    Source: R. W. Hamming, Introduction to Applied Numerical Analysis (1971), 6; J. J. Moré and
    S. M. Wild, SIAM J. Sci. Comput. 33 (2011).

    >>> scatter([1.0, 4.0, 9.0, 16.0, 25.0], 2.0**-51).item()
    6.0
    """
    with np.errstate(all="ignore"):
        values = np.asarray(course, float)
        third, fourth = (2 * np.abs(np.diff(values, n, axis=0)) for n in (3, 4))
        slope = np.abs(values[3] - values[1]) / 2 * (LAST_BITS / part)
        found = [*third / math.sqrt(20), *fourth / math.sqrt(70), slope]
    return np.asarray(np.max([np.where(np.isfinite(n), n, 0.0) for n in found], axis=0))


def rms(entries: Array) -> float:
    """Return the root mean square, with no overflow or underflow on the way; 0 if not finite.

    √(Σ xᵢ² / n)

    >>> rms(np.array([3e-200, -3e-200]))
    3e-200
    """
    largest = float(np.max(np.abs(entries), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return 0.0
    return largest * math.sqrt(float(np.mean(np.square(entries / largest))))
