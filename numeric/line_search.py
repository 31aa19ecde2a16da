"""A step length that satisfies the strong Wolfe conditions.

    φ(α) ≤ φ(0) + c₁ α φ'(0)    and    |φ'(α)| ≤ c₂ |φ'(0)|

Contract: `search` asks for φ as seldom as it can, each being a pass over all data, and never after
the function says that no pass is left. What it returns decreases φ by the first condition.

Source: Nocedal & Wright, Numerical Optimization (2nd ed., 2006), algorithms 3.5 (`search`) and 3.6
(`_zoom`), interpolation by (3.59).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Trial", "search"]

_DECREASE, _CURVATURE = 1e-4, 0.9  # c₁ and c₂, as the book advises for quasi-Newton directions
_TRIALS = 20


@dataclass(frozen=True)
class Trial:
    """Hold φ(α) and φ'(α), and what they were computed from."""

    step: float
    value: float
    slope: float
    state: Any = None

    @property
    def is_finite(self) -> bool:
        """Whether both numbers are."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


def search(
    evaluate: Callable[[float], Trial | None], start: Trial, step: float, rounding: float = 0.0
) -> Trial | None:
    """Find a step that satisfies both conditions, the first trial being `step`.

    Where the trials run out, or `evaluate` returns None, the result is the best step that satisfies
    the first condition, or None. `rounding` is how much of φ may be round-off.

    >>> def parabola(step):
    ...     return Trial(step, (step - 3) ** 2, 2 * (step - 3))
    >>> search(parabola, parabola(0.0), 7.0).step
    3.0
    """

    def decreases(trial: Trial) -> bool:
        bound = start.value + _DECREASE * trial.step * start.slope + rounding
        return trial.is_finite and trial.value <= bound

    previous = start
    for number in range(_TRIALS):
        trial = evaluate(step)
        if trial is None:
            return previous if number else None
        if not decreases(trial) or (number and trial.value >= previous.value):
            return _zoom(evaluate, decreases, start, previous, trial)
        if abs(trial.slope) <= -_CURVATURE * start.slope:
            return trial
        if trial.slope >= 0:
            return _zoom(evaluate, decreases, start, trial, previous)
        step = _minimum_of_cubic(previous, trial, 1.5 * trial.step, 10 * trial.step)
        previous = trial
    return previous


def _zoom(
    evaluate: Callable[[float], Trial | None],
    decreases: Callable[[Trial], bool],
    start: Trial,
    low: Trial,
    high: Trial,
) -> Trial | None:
    """Narrow an interval: its end `low` has the least value found that decreases φ enough."""
    for _ in range(_TRIALS):
        width = high.step - low.step
        ends = sorted((low.step + 0.1 * width, high.step - 0.1 * width))
        trial = evaluate(_minimum_of_cubic(low, high, *ends))
        if trial is None:
            break
        if not decreases(trial) or trial.value >= low.value:
            high = trial
            continue
        if abs(trial.slope) <= -_CURVATURE * start.slope:
            return trial
        if trial.slope * width >= 0:
            high = low
        low = trial
    return None if low is start else low


def _minimum_of_cubic(one: Trial, other: Trial, least: float, most: float) -> float:
    """Return where the cubic through two values and slopes is least, within bounds.

    Without a minimum it is the middle inside the interval of the two, and the far bound outside.
    """
    inside = min(one.step, other.step) <= least and most <= max(one.step, other.step)
    otherwise = (least + most) / 2 if inside else most
    if not (one.is_finite and other.is_finite):
        return otherwise
    width = other.step - one.step
    first = one.slope + other.slope - 3 * (one.value - other.value) / -width
    square = first**2 - one.slope * other.slope
    if square < 0:
        return otherwise
    second = math.copysign(math.sqrt(square), width)
    denominator = other.slope - one.slope + 2 * second
    if not denominator:
        return otherwise
    step = other.step - width * (other.slope + second - first) / denominator
    return min(max(step, least), most)
