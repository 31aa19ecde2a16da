"""A function at one point: its value, the arguments of its kinks, and how well they are known.

Cut from the differences so that what costs an evaluation is in one place, and is done once for
many derivatives.

Contract: a user's function is called with whole points, and raises no floating-point warning; where
an operation refuses the point, the value is NaN.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from derive.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Array", "Nearby", "Place", "rms", "scatter"]

Array = NDArray[np.float64]

NEARBY = 2.0**-30  # of an entry: too little to matter, more than round-off
FARTHER = 2.0**-24  # of an entry: what then stands still is lost in round-off
LAST_BITS = 2.0**-51  # of an entry


class Nearby(NamedTuple):
    """Four changes of a point on a line with it, two to each side, and how far they are apart.

    `part` is in terms of each entry.
    """

    changes: list[dict[str, Array]]
    part: float

    @property
    def course(self) -> list[dict[str, Array]]:
        """Return the changes in order, with none in the middle."""
        return [*self.changes[:2], {}, *self.changes[2:]]


class Place:
    """Hold a point and what was evaluated there once, for many derivatives.

    `value(**point)` is one real number. `kinks(**point)` returns arrays whose zeros are the kinks
    of the value: the arguments of relu, abs, sign, the differences of a maximum's arguments.
    `nearby` are four changes of `names` (by default, of all that is real), too small to matter, on
    a line with the point. `noise` is how far the values there are from a smooth course: where large
    terms cancel, that is more than the value's own last bit. `evaluations` counts the values that
    were computed. `is_real` says that one of complex variables was a real number by its type,
    `drift` how far the real part of another was from the value.
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
        self.is_real, self.drift = False, 0.0
        self.eps = float(np.finfo(np.float64).eps)
        self._value, self._kinks = value, kinks
        self.base = self.value({})
        self.arguments = self.kink_arguments({})
        self._names = names if names is None else list(names)

    @cached_property
    def noise(self) -> float:
        """How far the values nearby are from a smooth course."""
        values = [self.value(changes) for changes in self.nearby.changes]
        return float(scatter([*values[:2], self.base, *values[2:]], self.nearby.part))

    @cached_property
    def nearby(self) -> Nearby:
        """Four changes that are too small to matter."""
        return self._course(NEARBY)

    @cached_property
    def farther(self) -> Nearby:
        """Four changes that change every last bit, and nothing that is smooth by much."""
        return self._course(FARTHER, zeros=True)

    def value(self, changes: Mapping[str, Array]) -> float:
        """Return the value with some variables replaced, NaN where an operation refuses them."""
        found = self._evaluate(changes, "fiub")
        return math.nan if found is None else float(found)

    @property
    def terms(self) -> float:
        """The size of the terms that the value is the sum of, as far as round-off tells of them.

        Of a value that stands still farther off, it tells nothing.
        """
        drift = self.drift if math.isfinite(self.drift) else 0.0
        return max(self.largest, self._terms, drift / self.eps)

    @cached_property
    def _terms(self) -> float:
        changes, part = self.farther
        values = [self.value(change) for change in changes]
        if all(value == self.base for value in values):
            return math.inf
        return float(scatter([*values[:2], self.base, *values[2:]], part)) / self.eps

    def complex_value(self, changes: Mapping[str, Any]) -> complex:
        """Return the value of complex variables, NaN where an operation refuses them."""
        result = self._evaluate(changes, "fiubc")
        if result is None:
            return complex(math.nan, math.nan)
        self.is_real |= result.dtype.kind != "c"
        return complex(result)

    def _evaluate(self, changes: Mapping[str, Any], kinds: str) -> Any:
        self.evaluations += 1
        try:
            with np.errstate(all="ignore"):
                result = np.asarray(self._value(**{**self.point, **changes}))
        except (ArithmeticError, np.linalg.LinAlgError):
            return None
        if result.size != 1 or result.dtype.kind not in kinds:
            shown = f"{result.dtype} of shape {result.shape}"
            raise InputError(f"the value must be one real number, got {shown}")
        if result.dtype.kind in "fc":
            self.eps = max(self.eps, float(np.finfo(result.dtype).eps))
        result = result.reshape(())
        if np.isfinite(result.real):
            self.largest = max(self.largest, abs(float(result.real)))
        return result

    def kink_arguments(self, changes: Mapping[str, Array]) -> Array:
        """Return every argument whose zero is a kink, in one row."""
        if self._kinks is None:
            return np.empty(0)
        with np.errstate(all="ignore"):
            arrays = self._kinks(**{**self.point, **changes})
        return np.concatenate([np.empty(0), *(np.ravel(np.asarray(a, float)) for a in arrays)])

    def _course(self, part: float, zeros: bool = False) -> Nearby:
        """Return changes by −2, −1, 1 and 2 times a part of each entry that crosses no kink.

        With `zeros`, a variable of nothing but zeros moves too, as if its entries were 1.
        """
        rng = np.random.default_rng(0)
        real = [name for name, entries in self.point.items() if entries.dtype == np.float64]
        parts = {
            name: rng.choice([-1.0, 1.0], self.point[name].shape)
            * rng.uniform(0.5, 1.0, self.point[name].shape)
            for name in (real if self._names is None else self._names)
        }
        start = {n: 1.0 * (zeros and not self.point[n].any()) for n in parts}
        while True:
            moved = [
                {
                    n: np.asarray(
                        self.point[n] * (1 + times * part * p) + start[n] * times * part * p
                    )
                    for n, p in parts.items()
                }
                for times in (-2, -1, 1, 2)
            ]
            ends = [np.sign(self.kink_arguments(changes)) for changes in (moved[0], moved[3])]
            if part <= LAST_BITS or all((end == np.sign(self.arguments)).all() for end in ends):
                return Nearby(moved, part)
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
