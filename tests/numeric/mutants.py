"""Right gradients changed on purpose, and how far a tool is right about them.

A mutant changes the array that the right gradient gives, or is the formula of somebody's mistake.
Structural mutants are what a person or a program gets wrong; graded ones are the right gradient
times 1 + 10⁻ᵏ, which tell how small an error a tool can see.

Contract: a mutant is a function of the point, so that it may be evaluated again nearby, and of the
loss's scale. One that equals the right gradient to its last bits at the points is no mutant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.derivatives import differentiate
from derive.emit import emit
from derive.language import read_among, read_formula
from numeric.check import Verdict, check
from numeric.functions import inverted_function, kink_function, value_function
from numeric.points import distinct_sizes, draw_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.numeric.losses import Loss

__all__ = [
    "ALL_ENTRIES",
    "DISTANCES",
    "GRADES",
    "LOSS_SCALES",
    "ONE_ENTRY",
    "Mutant",
    "Outcome",
    "Problem",
    "agrees_in_float32",
    "examine",
    "mutants",
    "wilson",
]

LOSS_SCALES = (1e-6, 1.0, 1e6)
DISTANCES = tuple(10.0**-k for k in range(3, 13))  # of a point from a kink

ALL_ENTRIES, ONE_ENTRY = "all entries × (1 + 10⁻ᵏ)", "one median entry × (1 + 10⁻ᵏ)"
GRADES = range(1, 11)  # k of 1 + 10⁻ᵏ
REGULAR = 50.0  # the largest condition of a matrix that is inverted, for a generic point
SAME = 16 * np.finfo(float).eps  # of the largest entry: what tells no mutant from the right one

Array = Any
Point = dict[str, Any]


class Problem:
    """A loss with its emitted value and gradient, its kinks, and points to check it at."""

    def __init__(self, loss: Loss, sizes: Mapping[str, int] = MappingProxyType({})) -> None:
        self.loss, self.name, self.wrt = loss, loss.name, loss.wrt
        self.formula = read_formula(loss.formula, loss.shapes, loss.assumptions)
        self.sizes = {**distinct_sizes(self.formula), **sizes}
        self.value = value_function(self.formula)
        self.kinks = kink_function(self.formula)
        derived = differentiate(self.formula, [loss.wrt])
        self.gradient = self._function(derived.gradient[loss.wrt])

    def _function(self, expr: Any) -> Callable[..., Array]:
        emitted, names = emit([expr], self.formula.variables).function, [*self.formula.variables]
        return lambda **point: emitted(*(point[name] for name in names))[0]

    @cached_property
    def mistakes(self) -> list[tuple[str, Callable[..., Array]]]:
        """The wrong formulas by class of mistake, as functions of the point."""
        variables, shape = self.formula.variables, self.formula.variables[self.wrt].shape
        return [
            (kind, self._function(read_among(text, variables, shape)))
            for kind, text in self.loss.mistakes
        ]

    def points(self, seed: int, count: int = 3) -> list[Point]:
        """Draw generic points: of distinct sizes, and far from a singular matrix to invert."""
        inverted = inverted_function(self.formula)

        def is_inside(point: Mapping[str, Array]) -> bool:
            found = inverted(**point) if inverted else ()
            return all(np.linalg.cond(matrix) < REGULAR for matrix in found)

        return draw_points(self.formula, is_inside, sizes=self.sizes, count=count, seed=seed)


@dataclass(frozen=True)
class Mutant:
    """A wrong gradient of a problem: its class, k where it is graded, and the gradient."""

    kind: str
    grade: int | None
    gradient: Callable[..., Array]

    def differs(self, problem: Problem, points: Sequence[Point]) -> bool:
        """Tell whether it is wrong at any of the points."""
        return any(self.changed(problem, point).any() for point in points)

    def changed(self, problem: Problem, point: Point) -> Array:
        """Return which entries are wrong at a point, all of them where the shape is."""
        right, wrong = problem.gradient(**point), self.gradient(**point)
        if right.shape != wrong.shape:
            return np.ones(right.shape, bool)
        return np.asarray(np.abs(wrong - right) > SAME * np.abs(right).max())


def mutants(problem: Problem, points: Sequence[Point], seed: int = 0) -> Iterator[Mutant]:
    """Yield the wrong formulas, and the changes of the right gradient's array.

    Which entries are changed is settled at each of the points, and the same all around it.
    """
    for kind, gradient in problem.mistakes:
        yield Mutant(kind, None, gradient)
    right = [problem.gradient(**point) for point in points]
    chosen = [_Chosen.of(gradient, seed) for gradient in right]

    def nearest(point: Point) -> _Chosen:
        where = point[problem.wrt]
        apart = [np.abs(where - other[problem.wrt]).max() for other in points[1:] and points]
        return chosen[int(np.argmin(apart)) if apart else 0]

    for kind, grade, change in _array_mutants():
        yield Mutant(kind, grade, _after(problem.gradient, change, nearest))


def _after(gradient: Callable[..., Array], change: Change, nearest: Callable[..., _Chosen]) -> Any:
    return lambda **point: change(gradient(**point), nearest(point))


@dataclass(frozen=True)
class _Chosen:
    """The entries that are changed: the median of those that are not zero, another, and a row."""

    one: int
    other: int
    row: int

    @classmethod
    def of(cls, gradient: Array, seed: int) -> _Chosen:
        rng, sizes = np.random.default_rng(seed), np.abs(gradient).ravel()
        entries = np.flatnonzero(sizes)
        middle = entries.size // 2
        one = int(entries[np.argpartition(sizes[entries], middle)[middle]])
        other = int(rng.choice(entries[entries != one]))
        return cls(one, other, int(rng.choice(np.flatnonzero(np.any(gradient != 0, axis=1)))))

    def times(self, gradient: Array, factor: float) -> Array:
        changed = gradient.copy()
        changed.flat[self.one] *= factor
        return changed

    def swapped(self, gradient: Array) -> Array:
        changed = gradient.copy()
        changed.flat[[self.one, self.other]] = changed.flat[[self.other, self.one]]
        return changed

    def zero_sum(self, gradient: Array) -> Array:
        changed, error = gradient.copy(), 0.1 * gradient.flat[self.one]
        changed.flat[self.one] += error
        changed.flat[self.other] -= error
        return changed

    def without_row(self, gradient: Array) -> Array:
        changed = gradient.copy()
        changed[self.row] = 0.0
        return changed


Change = Callable[[Array, _Chosen], Array]


def _array_mutants() -> Iterator[tuple[str, int | None, Change]]:
    """Yield each change of an array by its class, with k where it is graded."""
    yield "sign", None, lambda g, _: -g
    yield "×2", None, lambda g, _: 2 * g
    yield "×½", None, lambda g, _: g / 2
    yield "×N", None, lambda g, _: g.size * g
    yield "transpose", None, lambda g, _: g.T
    yield "rolled by one", None, lambda g, _: np.roll(g, 1)
    yield "a row zeroed", None, lambda g, chosen: chosen.without_row(g)
    yield "two entries swapped", None, lambda g, chosen: chosen.swapped(g)
    yield "one entry's sign", None, lambda g, chosen: chosen.times(g, -1.0)
    yield "zero-sum error of 10 %", None, lambda g, chosen: chosen.zero_sum(g)
    for k in GRADES:
        part = 10.0**-k
        yield ALL_ENTRIES, k, lambda g, _, part=part: g * (1 + part)
        yield ONE_ENTRY, k, lambda g, chosen, part=part: chosen.times(g, 1 + part)


@dataclass(frozen=True)
class Outcome:
    """What a check found about one gradient.

    `located` says whether the entry it names is wrong, None where it names none or where all are;
    `seen_after` is how many values it took until the first contradiction.
    """

    verdict: Verdict
    reason: str
    located: bool | None
    seen_after: int | None


def examine(
    problem: Problem,
    mutant: Mutant | None,
    points: Sequence[Point],
    loss_scale: float,
    seed: int = 0,
) -> Outcome:
    """Check a mutant, or the right gradient, of the loss times a scale."""
    gradient = problem.gradient if mutant is None else mutant.gradient
    found = check(
        lambda **point: loss_scale * problem.value(**point),
        lambda **point: {problem.wrt: loss_scale * gradient(**point)},
        points,
        kinks=problem.kinks,
        complex_safe=True,
        seed=seed,
    ).variables[0]
    located = None
    if mutant is not None and found.verdict is Verdict.FAIL and found.worst is not None:
        changed = mutant.changed(problem, points[found.worst.point])
        located = None if changed.all() else bool(changed[found.worst.index])
    return Outcome(found.verdict, found.reason, located, found.seen_after)


def agrees_in_float32(
    problem: Problem, point: Point, loss_scale: float, factor: float = 1.0
) -> bool | None:
    """Compare the gradient in float32, times a factor, with that in float64; None across a kink.

    |g₃₂ − g₆₄| ≤ 64 ε₃₂ max|g₆₄| + 8 max|g₆₄(x (1 ± ε₃₂)) − g₆₄(x)|

    The last term is what the last bits of the arguments change, at four random choices of signs.
    """
    single = {name: np.asarray(array, np.float32) for name, array in point.items()}
    double = {name: array.astype(float) for name, array in single.items()}
    if problem.kinks is not None:
        sides = zip(problem.kinks(**single), problem.kinks(**double), strict=True)
        if any((np.sign(one) != np.sign(other)).any() for one, other in sides):
            return None
    eps, rng = float(np.finfo(np.float32).eps), np.random.default_rng(0)
    right, moved = problem.gradient(**double), 0.0
    for _ in range(4):
        near = {n: x * (1 + eps * rng.choice([-1.0, 1.0], x.shape)) for n, x in double.items()}
        moved = max(moved, float(np.abs(problem.gradient(**near) - right).max()))
    found = np.float32(loss_scale * factor) * problem.gradient(**single)
    tolerance = loss_scale * (64 * eps * float(np.abs(right).max()) + 8 * moved)
    close = bool(np.abs(found - loss_scale * right).max() <= tolerance)
    return close and found.dtype == np.float32


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % bounds of a rate, by Wilson's score.

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927).
    """
    if not trials:
        return 0.0, 1.0
    rate, square = successes / trials, z * z / trials
    middle = rate + square / 2
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return max(0.0, low), min(1.0, high)
