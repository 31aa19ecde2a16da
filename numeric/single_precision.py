"""How far single precision may be off, and whether that is what a function computes in.

A right function in float32 is off by the round-off of its operations, which a change of the
arguments by their last float32 bits shows the size of.

Contract: what is computed in fewer digits than float32's is beyond every tolerance here, by three
orders; nothing depends on the scale of the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numeric.place import scatter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Numbers = Callable[[Mapping[str, Any]], Sequence[Any]]

__all__ = ["EPS", "SINGLE_LIMIT", "UNITS", "looks_single", "size_of", "tolerances"]

EPS, LAST_BIT = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)
SINGLE_LIMIT = 1e-3  # of the size, that a tolerance may be
UNITS = 16.0  # of round-off, and of what the last bits of the arguments change
CHANGES = 4  # of the arguments, at random
COARSE = 2.0**8  # times the formula's noise, and
ROUGH = 2.0**-34  # of the size: noise that double precision does not have


def tolerances(numbers: Numbers, point: Mapping[str, Any], seed: int) -> list[float]:
    """Return for each of several arrays how far single precision may be off at a point.

    16·(ε·max|f| + max(max|f(x + εx) − f(x)|, ε/η·max|f(x + ηx) − f(x)|))

    ε is the round-off of float32 and η that of float64: where terms cancel to 0, what is left is
    round-off of the arithmetic that the second change alone shows.

    >>> (found,) = tolerances(lambda point: [point["x"]], {"x": np.array([1.0])}, seed=0)
    >>> EPS * 16 < found < EPS * 80
    True
    """
    rng, here = np.random.default_rng(seed), numbers(point)
    changed = [0.0] * len(here)
    for part in (EPS, LAST_BIT) * CHANGES:
        moved = {name: _moved(np.asarray(a, float), part, rng) for name, a in point.items()}
        for number, (near, base) in enumerate(zip(numbers(moved), here, strict=True)):
            if np.shape(near) == np.shape(base):
                with np.errstate(all="ignore"):
                    change = size_of(np.subtract(near, base)) * (EPS / part)
                changed[number] = max(changed[number], change)
    return [
        UNITS * (EPS * size_of(base) + change) for base, change in zip(here, changed, strict=True)
    ]


def _moved(array: Any, part: float, rng: np.random.Generator) -> Any:
    signs, parts = rng.choice([-1.0, 1.0], array.shape), rng.uniform(0.5, 1.0, array.shape)
    return np.asarray(array * (1 + 2 * part * signs * parts))


def looks_single(got: Sequence[Any], right: Sequence[Any], part: float) -> bool:
    """Say whether five arrays, at equal small distances, show that they come of float32.

    They are float32 numbers; or they stay the same, or jump, where the right ones move evenly.
    """
    with np.errstate(all="ignore"):
        arrays = [np.asarray(array, float) for array in got]
        if size_of(arrays[2]) > 0 and all(map(_is_float32, arrays)):
            return True
        moved = size_of(np.subtract(right[4], right[0]))
        if moved > 1e-12 * size_of(right[2]) and all(np.array_equal(a, arrays[0]) for a in arrays):
            return True
        noise, usual = size_of(scatter(arrays, part)), size_of(scatter(right, part))
    return noise > COARSE * usual and noise > ROUGH * size_of(arrays[2])


def _is_float32(array: Any) -> bool:
    return np.array_equal(array.astype(np.float32).astype(float), array)


def size_of(array: Any) -> float:
    """Return the largest entry's magnitude, NaN where one is."""
    return float(np.max(np.abs(np.asarray(array, float)), initial=0.0))
