"""A question after one derivative: what it is of, by what, and at which points to look.

Cut from the judging of claims so that a variable, and a value that is named in somebody's own
derivation, are asked for in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from derive import build
from derive.emit import emit
from numeric.branches import other_branches
from numeric.domain import Inside, inside_of, points_of
from numeric.functions import branch_function
from numeric.subjects import Subject, subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.derivation import Derivation, Result
    from derive.language import Formula

__all__ = ["Points", "Question"]

Points = list[dict[str, Any]]


@dataclass(frozen=True)
class Question:
    """Ask for one derivative of a derivation.

    ``values`` are variables of the formula that stand for values of the others: what they are, by
    name. They move alone when the formula is differentiated by them, and have their value at every
    point.
    """

    derivation: Derivation
    wrt: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def right(self) -> Result:
        """The derivative that was derived."""
        return next(r for r in self.derivation.results if r.wrt == self.wrt)

    @cached_property
    def composed(self) -> Formula:
        """The formula of the variables and directions, with the values put in, for its points."""
        formula = self.derivation.formula
        symbols = {formula.variables[name]: expr for name, expr in self.values.items()}
        free = {n: v for n, v in formula.variables.items() if n not in self.values}
        free |= self.derivation.directions  # along which some derivatives are, at any point
        expr = build.replace(formula.expr, symbols)
        return replace(formula, expr=expr, variables=MappingProxyType(free))

    def subject(self, claim: Any) -> Subject:
        """Return what is measured of a claim."""
        results = (replace(self.right, expr=claim),)
        (subject,) = subjects(replace(self.derivation, results=results))
        return subject

    @cached_property
    def _inside(self) -> Inside:
        return inside_of(self.composed)

    @cached_property
    def _branches(self) -> Callable[..., Any] | None:
        return branch_function(self.composed)

    def draw(self, count: int, seed: int, **how: Any) -> tuple[dict[str, int], Points]:
        """Draw points in the domain, as ``numeric.domain.points_of`` does; return the sizes too."""
        sizes, found = points_of(self.composed, self._inside, count, seed, **how)
        return sizes, self._complete(found)

    def farther(self, near: Points, sizes: Mapping[str, int], seed: int) -> Points:
        """Draw points in the branches that near ones are not in."""
        formula, free = self.composed, self.composed.variables
        plain = [{name: point[name] for name in free} for point in near]
        found = other_branches(formula, self._inside, self._branches, plain, sizes, seed)
        return self._complete(found)

    def _complete(self, points: Sequence[Mapping[str, Any]]) -> Points:
        """Add the values to points of the variables alone."""
        if not self.values:
            return [dict(point) for point in points]
        variables = self.composed.variables
        function = emit(list(self.values.values()), variables).function
        return [
            {
                **point,
                **dict(zip(self.values, function(*(point[n] for n in variables)), strict=True)),
            }
            for point in points
        ]
