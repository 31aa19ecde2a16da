"""A claim on trial: what is measured of it, and where.

Cut from the judging so that points are chosen in one place: generic ones of different sizes, those
of branches that these are not in, and those at which a claim is seen to differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.emit import emit
from derive.errors import RefusedError
from derive.kinks import kinks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numeric.questions import Points, Question
    from numeric.subjects import Subject

__all__ = ["POINTS", "Trial"]

POINTS = 3  # each with sizes of its own, so that a number is not taken for a size
SPREADS = (1.0, 0.3, 3.0, 30.0, 0.03, 1e-3)  # of points at which a claim may be seen to differ
SUSPECTED = 16  # such points of each spread
DIFFERS = 1e-6  # of the largest entry


@dataclass(frozen=True)
class Trial:
    """A claim, what is measured of it, and the points at which it is looked at.

    >>> import derive
    >>> from derive.language import read_among
    >>> from numeric.questions import Question
    >>> derivation = derive.differentiate("sum(relu(x))")
    >>> claim = read_among("step(x - 0.001)", derivation.formula.variables)
    >>> len(Trial(Question(derivation, "x"), claim).suspects(3))
    3
    """

    question: Question
    claim: Any
    seed: int = 0

    @cached_property
    def subject(self) -> Subject:
        """What is measured of the claim."""
        return self.question.subject(self.claim)

    @cached_property
    def _drawn(self) -> dict[int, Points]:
        return {}

    def points(self, attempt: int = 0) -> Points:
        """Return points of different sizes; at a later attempt, others nearer to the origin."""
        if attempt not in self._drawn:
            found: Points = []
            for number in range(POINTS):
                seed, spread = self.seed + POINTS * attempt + number, 0.7**attempt
                found += self.question.draw(1, seed, spread=spread, start=3 + number)[1]
            self._drawn[attempt] = found
        return self._drawn[attempt]

    def farther(self, near: Points, sizes: Mapping[str, int]) -> Points:
        """Return points in the branches that near ones are not in, where the claim is finite."""
        found = self.question.farther(near, sizes, self.seed)
        return [point for point in found if self.subject.is_finite(point)]

    def suspects(self, start: int) -> Points:
        """Return points at which the claim is not what was derived, if there are any near or far.

        Two formulas may differ in a narrow branch alone. Which is right is not decided here.
        """
        if start not in self._suspected:
            self._suspected[start] = list(islice(self._differing(start), POINTS))
        return self._suspected[start]

    @cached_property
    def _suspected(self) -> dict[int, Points]:
        return {}

    def _differing(self, start: int) -> Iterator[dict[str, Any]]:
        variables = self.subject.formula.variables
        function = emit([self.question.right.expr, self.claim], variables).function
        for point in self._scattered(SUSPECTED, self.seed, start):
            with np.errstate(all="ignore"):
                right, claim = function(*(point[name] for name in variables))
                largest = np.max(np.abs(right), initial=0.0)
                if np.max(np.abs(claim - right), initial=0.0) > DIFFERS * largest:
                    yield point

    def _scattered(self, count: int, seed: int, start: int) -> Iterator[dict[str, Any]]:
        """Yield points of every spread, where there are some in the domain."""
        for spread in SPREADS:
            try:
                yield from self.question.draw(count, seed, spread=spread, start=start)[1]
            except RefusedError:
                continue

    def telling(self) -> Points:
        """Return points that tell like mistakes apart, in every branch if need be."""
        found = [*self.points(), *self.suspects(3)]
        if kinks(self.question.right.function) or kinks(self.claim):
            more = self._scattered(1, self.seed + 1, 4)
            found += [point for point in more if self.subject.is_finite(point)]
        return found
