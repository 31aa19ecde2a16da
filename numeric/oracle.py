"""The exact oracle: SymPy's own derivative, entry by entry, at small sizes and a rational point.

It shares nothing with the rules of the sweep nor with double precision: every operation is written
out in its entries and differentiated by SymPy, and both sides are known to sixty digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.build import zero_like
from derive.forward import DIGITS, entry_derivatives
from derive.graph import postorder
from derive.sharing import binarised
from numeric.check import Verdict
from numeric.points import concrete_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.derivation import Result
    from derive.language import Formula
    from numeric.subjects import Subject

__all__ = ["EXACT_TOLERANCE", "EXACT_WORK", "Exact", "check_exactly", "fractions_of"]

EXACT_WORK = 1_000  # operations of a formula times entries of a variable, some 3 ms each
EXACT_TOLERANCE = 1e-20
SMALL = 1e-10  # of a gradient, below which its digits may be those of a zero
VANISHES = 1e-30  # of its size in fewer digits, to which a zero shrinks


@dataclass(frozen=True)
class Exact:
    """What the exact oracle found of one gradient: the worst entry, and its relative error.

    ``error`` is None where the oracle has nothing to say.
    """

    error: float | None
    shape: tuple[int, ...] = ()
    index: tuple[int, ...] = ()
    expected: float = 0.0
    got: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Pass, fail, or inconclusive where it has nothing to say."""
        if self.error is None:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS if self.error <= EXACT_TOLERANCE else Verdict.FAIL

    @property
    def says_something(self) -> bool:
        """Tell whether the gradient was seen where it is not zero."""
        return self.error is not None and (self.expected, self.got) != (0.0, 0.0)


def check_exactly(
    subject: Subject,
    near: Sequence[Mapping[str, Any]],
    farther: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, int],
) -> dict[str, Exact]:
    """Compare every derivative of a function with SymPy's, entry by entry.

    Args:
        subject: the function and its derivatives.
        near: points; the first at which a derivative is not zero is used for it.
        farther: points in other branches, all of which are used.
        sizes: the integer for every symbolic size at these points.
    """
    if any("unit" in kinds for kinds in subject.formula.assumptions.values()):
        near = farther = ()  # a rational point of norm one exactly is not drawn
    found = {}
    for result in subject.results:
        found[result.wrt] = Exact(None)
        if _work(result, sizes) <= EXACT_WORK:
            found[result.wrt] = _worst(result, subject.formula, near, farther, sizes)
    return found


def _worst(
    result: Result,
    formula: Formula,
    near: Sequence[Mapping[str, Any]],
    farther: Sequence[Mapping[str, Any]],
    sizes: Mapping[str, int],
) -> Exact:
    """Return what is found at the first near point that says something, or a failure elsewhere."""
    worst = Exact(None)
    for point in near:
        here = _exact(result, formula, point, sizes)
        worst = here if here.error is not None else worst
        if here.says_something:
            break
    for point in farther:
        if worst.verdict is Verdict.FAIL:
            break
        here = _exact(result, formula, point, sizes)
        if here.verdict is Verdict.FAIL or not worst.says_something:
            worst = here if here.error is not None else worst
    return worst


def _work(result: Result, sizes: Mapping[str, int]) -> int:
    """Return the number of operations times the number of entries that they are done for."""
    entries = (
        1 if result.direction is not None else math.prod(concrete_shape(result.variable, sizes))
    )
    return len(postorder(*binarised([result.function]))) * entries


def _exact(
    result: Result, formula: Formula, point: Mapping[str, Any], sizes: Mapping[str, int]
) -> Exact:
    """Compare at one point, in more digits what does not agree or may be a zero.

    The digits of a zero are noise: in more of them it is smaller. A small number stays as it is, so
    that only a difference that does is an error.
    """
    shape = np.shape(point[result.wrt])
    rational = {n: fractions_of(value) for n, value in point.items()}
    by_symbol = {size: sizes[str(size)] for size in formula.sizes}
    before = largest = 0  # with fewer digits
    for digits in (DIGITS, 2 * DIGITS, 4 * DIGITS):
        try:
            derivatives = entry_derivatives(result, formula, by_symbol, rational, digits)
            pairs = {index: (expected, got) for index, expected, got in derivatives}
        except ArithmeticError:
            return Exact(None, shape)
        size = max((abs(side) for pair in pairs.values() for side in pair), default=0)
        worst = max(pairs, key=lambda index: abs(pairs[index][0] - pairs[index][1]))
        expected, got = pairs[worst]
        if largest and size <= VANISHES * largest:
            return Exact(0.0, shape, worst)
        error = float(abs(expected - got) / size) if size else 0.0
        if error <= EXACT_TOLERANCE and size >= SMALL:
            return Exact(error, shape, worst, float(expected), float(got))
        stays = size != 0 and before / 2 <= size <= 2 * before
        before, largest = size, max(largest, size)
    if stays:
        return Exact(error, shape, worst, float(expected), float(got))
    # Of what is zero or noise nothing is known, unless it is written as zero.
    return Exact(0.0 if result.expr == zero_like(result.expr) else None, shape, worst)


def fractions_of(value: Any) -> Any:
    """Return an array's entries as nearby fractions of small denominator."""
    nested = np.asarray(value).tolist()
    if not isinstance(nested, list):
        return Fraction(nested).limit_denominator(100)
    return [[Fraction(entry).limit_denominator(100) for entry in row] for row in nested]
