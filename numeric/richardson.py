"""The derivative at 0 of a function of one number, by Richardson's extrapolation.

Cut from the differences so that it knows neither points nor kinks: outside its domain, or beyond
what its caller lets it see, the function is NaN, and the steps stay within.

Contract: the error estimate errs on the large side. It adds the truncation that is seen in the
extrapolation to the round-off of the values, as the extrapolation amplifies it. The round-off is
measured by the even part of the same values, which must extrapolate to the value at 0. Where a kink
or an unresolved oscillation keeps it from that, there is no derivative: NaN, with its cause.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Curve", "Difference", "Goal", "differentiate", "grid"]

RATIO = 1.9  # of a step to the next; with 2, a fast oscillation looks slow at all of them
LEVELS = {1: 7, 2: 6}  # steps, by the power of the step that the error goes with
ATTEMPTS = 8  # first steps tried
SMALLEST = 5e-324  # no value that is not 0 is known better
CLEAR = 0.1  # of a derivative: another one that contradicts an error below it settles nothing
FARTHER = 64  # times the step at which a value first moves: it has moved on, if it is smooth
HALVINGS = 40  # of the range in which a value that stands still begins to move


@dataclass(frozen=True)
class Difference:
    """Hold a derivative from values alone, and how far it can be trusted.

    `step` is the first and longest step of the extrapolation, `noise` the round-off of one value,
    `amplification` what a unit of it does to the derivative. `left` and `right` are the one-sided
    derivatives at a kink, None elsewhere; `derivative` is then their mean. `cause` says what stood
    in the way: of the derivative where it is NaN, of a longer step elsewhere. `flat` says that all
    values were the same to the last bit.
    """

    derivative: float
    truncation: float = math.inf
    amplification: float = 0.0
    noise: float = 0.0
    step: float = 0.0
    left: float | None = None
    right: float | None = None
    evaluations: int = 0
    cause: str = ""
    flat: bool = False

    @property
    def error(self) -> float:
        """Return the estimate of the absolute error, truncation and round-off together."""
        return self.truncation + self.round_off

    @property
    def round_off(self) -> float:
        """Return the part of the error that a longer step would reduce."""
        return self.amplification * self.noise


@dataclass(frozen=True)
class Goal:
    """Say which error is small enough: rtol of the derivative, or of a size that matters more."""

    rtol: float
    reference: float = 0.0

    def allows(self, found: Difference) -> float:
        """Return the largest error that ends the work."""
        return self.rtol * max(abs(found.derivative), self.reference)

    def met_by(self, found: Difference) -> bool:
        """Tell whether the work is done."""
        return found.error <= self.allows(found)


@dataclass
class Curve:
    """Hold a function of one number, its value at 0, and how well its values are known.

    `eps` is their relative round-off, `noise` what the round-off of the terms that they are made of
    does to them; the larger counts.
    """

    function: Callable[[float], float]
    base: float
    eps: float = 2.0**-52
    noise: float = 0.0
    largest: float = 0.0

    def at(self, t: float) -> float:
        """Return the value and remember the largest."""
        found = self.function(t)
        if math.isfinite(found):
            self.largest = max(self.largest, abs(found), abs(self.base))
        return found

    def floor(self) -> float:
        """Return the round-off that the largest value seen cannot do without."""
        known = self.eps * self.largest + SMALLEST if self.largest else 0.0
        return max(known, self.noise)


def differentiate(curve: Curve, start: float, cap: float, goal: Goal, side: int = 0) -> Difference:
    """Differentiate at 0 with the first step that meets the goal, or else that of least error.

    central: (f(h) − f(−h)) / 2h = f′(0) + c₂h² + c₄h⁴ + …, one-sided: (f(±h) − f(0)) / ±h

    `side` is 0 for both sides or ±1 for one. `start` is the first step tried, `cap` the longest.

    Source: L. F. Richardson, Phil. Trans. R. Soc. A 226 (1927); C. J. F. Ridders, Adv. Eng.
    Software 4 (1982).

    >>> found = differentiate(Curve(math.exp, 1.0), 0.1, 1.0, Goal(1e-10))
    >>> abs(found.derivative - 1) <= found.error < 1e-10
    True
    """
    best, step = Difference(math.nan, cause="the value is not smooth, or not finite, nearby"), start
    short, long = 0.0, math.inf  # steps that round-off, and truncation, makes too inaccurate
    tried: list[Difference] = []
    for _ in range(ATTEMPTS):
        found = _extrapolate(curve, step, goal, side)
        if found is not None:
            best = _better(best, found)
            tried.append(found)
        if found is not None and goal.met_by(found) and not found.flat:
            break
        if found is None or not _limited_by_round_off(found, curve):
            long = step
        else:
            short = step
        if short and (long <= 8 * short or 2 * short > cap):
            break
        gain = goal.allows(best) / best.error if best.error else 0.0
        step = _next_step(short, long, cap, gain)
    if best.flat:  # a value far below the terms it is made of moves in jumps of their round-off
        jumps = max(found.noise for found in tried if found.step <= start or found is best)
        first = _first_change(curve, best.step, long, side) if long < math.inf else 0.0
        return replace(best, noise=max(jumps, first, curve.floor()))
    return _unless_contradicted(best, tried)


def grid(step: float) -> float:
    """Return a step rounded down to 20 bits, so that its sum with an entry is exact.

    >>> grid(0.1).hex()
    '0x1.9999800000000p-4'
    """
    mantissa, exponent = math.frexp(step)
    return math.ldexp(math.floor(mantissa * 2**20), exponent - 20)


def _better(one: Difference, other: Difference) -> Difference:
    """Return the one of least error, or if they disagree the one of the shorter step.

    A fast oscillation, seen at few points, may by accident pass for a slow one; not twice.
    """
    if one.error < math.inf and other.error < math.inf:
        apart = abs(one.derivative - other.derivative) > 4 * (one.error + other.error)
        if apart:
            return min(one, other, key=lambda d: d.step)
    return min(one, other, key=lambda d: d.error)


def _unless_contradicted(best: Difference, tried: Iterable[Difference]) -> Difference:
    """Add to the truncation how far a clear result of a longer step is from the best.

    At short steps round-off may be the same at all of them, and then it is seen in none.
    """
    apart = [
        abs(best.derivative - found.derivative)
        for found in tried
        if found.step > best.step and found.error <= CLEAR * abs(found.derivative)
        if abs(best.derivative - found.derivative) > 4 * (best.error + found.error)
    ]
    return replace(best, truncation=best.truncation + max(apart)) if apart else best


def _first_change(curve: Curve, still: float, moved: float, side: int) -> float:
    """Return how far the value moves when it first does, between two steps, if it moves on then.

    A step function stays where its jump has brought it: that is no round-off, and counts as 0.
    """
    change, sides = 0.0, [s for s in (1, -1) if s != -side]
    for _ in range(HALVINGS):
        middle = math.sqrt(still) * math.sqrt(moved)
        seen = [abs(curve.at(s * middle) - curve.base) for s in sides]
        if all(found == 0 for found in seen):
            still = middle
            continue
        moved = middle
        change = max([found for found in seen if math.isfinite(found)], default=change)
        if 0 < change <= 4 * curve.floor():
            break
    farther = [abs(curve.at(s * FARTHER * moved) - curve.base) for s in sides]
    return change if any(found > 1.5 * change for found in farther) else 0.0


def _next_step(short: float, long: float, cap: float, gain: float) -> float:
    if short == 0:
        return long / 16
    if long < math.inf:
        return short * 2.0 ** (math.frexp(long / short)[1] // 2)
    return grid(min(2 * short / min(1.0, max(gain, 2.0**-9)), cap))


def _limited_by_round_off(found: Difference, curve: Curve) -> bool:
    """Tell round-off, which a longer step reduces, from a function that is not resolved."""
    resolved = found.noise <= 64 * curve.floor()
    return resolved and found.truncation <= found.round_off


def _extrapolate(curve: Curve, step: float, goal: Goal, side: int) -> Difference | None:
    """Return the best extrapolation from a first step, None if it leaves the domain."""
    power = 1 if side else 2
    odd, even = _Tableau(power), _Tableau(power)
    best, flat = Difference(math.nan), True
    floor = max(curve.eps * abs(curve.base), curve.noise)
    for level in range(LEVELS[power]):
        t = grid(step / RATIO**level)
        up = curve.base if side < 0 else curve.at(t)
        down = curve.base if side > 0 else curve.at(-t)
        if not (math.isfinite(up) and math.isfinite(down)):
            return None
        flat = flat and up == down == curve.base
        floor = max(floor, curve.eps * abs(up), curve.eps * abs(down))
        odd.add(t, (up - down) / t / power, 1 / t)
        even.add(t, (up - curve.base) / 2 + (down - curve.base) / 2, 1.0)
        if level == 0:
            continue
        noise = (floor if side else max(floor, abs(even.last))) + (0.0 if flat else SMALLEST)
        change = max(abs(up - curve.base), abs(down - curve.base))
        if noise > 64 * floor and noise > change / 8:  # an even part that is nowhere near its limit
            if level == 3:
                break
            continue
        found = Difference(odd.last, odd.change, odd.weight, noise, step, flat=flat)
        diverges = level > 2 and odd.change > best.truncation / 2
        if found.error < best.error:
            best = found
        at_floor = found.truncation <= found.round_off
        if at_floor or diverges or (level > 1 and goal.met_by(found)):
            break
    return best if math.isfinite(best.error) else None


class _Tableau:
    """Extrapolate to step 0 a series in powers of the step, or of its square (power 2).

    T[i, j] = T[i, j−1] + (T[i, j−1] − T[i−1, j−1]) / ((hᵢ₋ⱼ / hᵢ)ᵖ − 1)

    `last` is T[i, i], `change` how far it is from its neighbours, `weight` a bound of what a unit
    of noise in one value does to it.
    """

    def __init__(self, power: int) -> None:
        self._power = power
        self._steps: list[float] = []
        self._row: list[tuple[float, float]] = []
        self.last, self.change, self.weight = math.nan, math.inf, 0.0

    def add(self, step: float, estimate: float, weight: float) -> None:
        """Add the estimate at a smaller step; a unit of noise in a value changes it by weight."""
        row = [(estimate, weight)]
        for longer, (above, weight_above) in zip(reversed(self._steps), self._row, strict=True):
            estimate, weight = row[-1]
            gain = 1 / ((longer / step) ** self._power - 1)
            value = estimate + (estimate - above) * gain
            row.append((value, weight + (weight + weight_above) * gain))
        if self._row:
            self.change = max(abs(row[-1][0] - row[-2][0]), abs(row[-1][0] - self._row[-1][0]))
        self.last, self.weight = row[-1]
        self._steps.append(step)
        self._row = row
