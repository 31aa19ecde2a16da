"""What is measured of a derivative: scalar values, entry by entry, along what its variable may do.

``numeric.check`` compares gradients with differences of a real value. A Jacobian is the gradients
of the function's entries, one a point; a derivative along a direction V is that of F(X + (t − 1)·V)
by t at 1; a variable with a structure moves with the entries that are tied to each of its own.

Contract: a subject's value is that of its function alone, from emitted code; nothing of how the
derivative was found enters it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.emit import emit
from derive.graph import is_matrix
from derive.symbols import DERIVATIVE, DIRECTIONAL, HESSIAN_VECTOR
from numeric.functions import kink_function
from numeric.place import rms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from derive.derivation import Derivation, Result
    from derive.language import Formula
    from derive.structures import Structure

__all__ = ["Subject", "subjects"]

ENTRIES, FEWEST = 24, 3  # of a function, that are looked at at one point
DERIVATIVES = 2_000  # of all of them by a variable's entries, beyond which fewer are
TIME, ROW, COLUMN = " t", " row", " column"  # names that no variable has
CONSISTENT = 1e-9  # of the largest entry, to which tied entries of a gradient agree

Point = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """Derivatives of one function that are measured together: gradients, or a single other one.

    ``formula`` is of the function, with the direction among its variables.
    """

    formula: Formula
    results: tuple[Result, ...]

    @property
    def wrt(self) -> tuple[str, ...]:
        """What ``value`` is differentiated by."""
        return (TIME,) if self._along is not None else tuple(r.wrt for r in self.results)

    @property
    def name(self) -> str:
        """The variable of the only result."""
        return self.results[0].wrt

    @property
    def _along(self) -> str | None:
        """The direction's name, where the derivative is along one."""
        direction = self.results[0].direction
        return None if direction is None else str(direction.name)

    @cached_property
    def _functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """The function, and it with its derivatives, of arrays in the formula's order."""
        exprs = [result.expr for result in self.results]
        alone = emit([self.formula.expr], self.formula.variables, complex_safe=True).function
        return alone, emit([self.formula.expr, *exprs], self.formula.variables).function

    @cached_property
    def kinks(self) -> Callable[..., Any] | None:
        """The function whose zeros are the kinks, None where there are none."""
        found = kink_function(self.formula)
        return None if found is None else lambda **point: found(**self._plain(point))

    def value(self, **point: Any) -> Any:
        """Return the scalar that is measured at a point."""
        (value,) = self._functions[0](*self._ordered(point))
        return self._entry(value, point)

    def gradients(self, **point: Any) -> Mapping[str, Any]:
        """Return what the results say of the value's derivatives."""
        _, *found = self._functions[1](*self._ordered(point))
        return {
            name: self._claimed(result, np.asarray(expr), point)
            for name, result, expr in zip(self.wrt, self.results, found, strict=True)
        }

    def is_finite(self, point: Mapping[str, Any]) -> bool:
        """Say whether all derivatives are finite at a point that was drawn."""
        start = {**point, TIME: np.array(1.0)}
        with np.errstate(all="ignore"):
            _, *found = self._functions[1](*self._ordered(start))
        return all(np.isfinite(np.asarray(expr, dtype=float)).all() for expr in found)

    def points(self, drawn: Sequence[Mapping[str, Any]], seed: int) -> Iterator[Point]:
        """Yield a point for each drawn one and each entry of the function there, or for some."""
        rng = np.random.default_rng(seed)
        for point in drawn:
            start = dict(point)
            if self._along is not None:
                start[TIME] = np.array(1.0)
                start[self._along] = _as_large(point[self._along], point[self.name])
            if not is_matrix(self.formula.expr):
                yield start
                continue
            rows, columns = np.shape(self._functions[0](*self._ordered(start))[0])
            by = 1 if self._along is not None else np.size(start[self.name])
            count = max(FEWEST, min(ENTRIES, DERIVATIVES // max(1, by)))
            places = rng.permutation(rows * columns)[:count]
            for row, column in sorted(divmod(int(place), columns) for place in places):
                yield {**start, ROW: row, COLUMN: column}

    def _plain(self, point: Mapping[str, Any]) -> Point:
        """Return the values of the variables that a point stands for."""
        plain = {name: point[name] for name in self.formula.variables}
        for result in self.results:
            if self._along is not None:
                plain[result.wrt] = point[result.wrt] + (point[TIME] - 1) * point[self._along]
            elif result.structure is not None:
                plain[result.wrt] = _embedded(result.structure, point[result.wrt])
        return plain

    def _ordered(self, point: Mapping[str, Any]) -> list[Any]:
        return list(self._plain(point).values())

    def _entry(self, value: Any, point: Mapping[str, Any]) -> Any:
        return value[int(point[ROW]), int(point[COLUMN])] if ROW in point else value

    def _claimed(self, result: Result, found: Any, point: Mapping[str, Any]) -> Any:
        """Return a derivative as one of the value by what is in ``wrt``."""
        if result.kind in (DERIVATIVE, DIRECTIONAL, HESSIAN_VECTOR):
            return self._entry(found, point)
        if ROW in point:
            row, column = int(point[ROW]), int(point[COLUMN])
            return found[max(row, column)].reshape(np.shape(point[result.wrt]))
        return found if result.structure is None else _tied(result.structure, found)


def subjects(derivation: Derivation) -> list[Subject]:
    """Return what is to be measured of a derivation's results: its gradients together.

    >>> import derive
    >>> [len(subject.results) for subject in subjects(derive.differentiate("norm2(W*x)^2"))]
    [2]
    >>> [subject.wrt for subject in subjects(derive.differentiate("A*x"))]
    [(' t',), ('x',)]
    """
    formula = derivation.formula
    if derivation.is_gradient and derivation.results:
        return [Subject(formula, derivation.results)]
    found = []
    for result in derivation.results:
        variables = dict(formula.variables)
        if result.direction is not None:
            variables[str(result.direction.name)] = result.direction
        function = replace(formula, expr=result.function, variables=MappingProxyType(variables))
        found.append(Subject(function, (result,)))
    return found


def _as_large(direction: Any, value: Any) -> Any:
    """Scale a direction to the size of what moves along it, of which round-off is a part."""
    size = rms(value)
    return direction * (size / rms(direction)) if size else direction


def _embedded(structure: Structure, free: Any) -> Any:
    """Return the structured matrix whose leading entries are those of a matrix."""
    whole = np.zeros_like(free)
    for i, j in np.ndindex(free.shape):
        for place, sign in structure.tied(i, j).items():
            whole[place] = sign * free[i, j]
    return whole


def _tied(structure: Structure, gradient: Any) -> Any:
    """Return the derivatives by the leading entries, and what breaks the structure elsewhere."""
    claimed = np.zeros_like(gradient)
    limit = CONSISTENT * np.max(np.abs(gradient), initial=0.0)
    for i, j in np.ndindex(gradient.shape):
        moved = structure.tied(i, j)
        if moved:
            claimed[i, j] = structure.along(moved, gradient)
            continue
        excess = gradient[i, j] - structure.following(i, j, gradient)
        claimed[i, j] = 0.0 if abs(excess) <= limit else excess  # the value has no such entry
    return claimed
