"""What a claim assumes: it equals the right answer at points at which that holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.graph import is_matrix
from numeric.comparing import Values, equal, values_at

if TYPE_CHECKING:
    from numeric.mistakes import Looking

__all__ = ["assumed"]

Point = Mapping[str, Any]
_Kind = tuple[str, Callable[[Any], Any]]
MOST = 4  # matrices that are taken to be symmetric together, at most


def assumed(looking: Looking, *, strictly: bool) -> tuple[str, str] | None:
    """Name what a claim assumes.

    Strictly, only a symmetry of what the right answer holds on equal terms with its transpose, as
    (A + A')*x does, and two variables that it holds on equal terms.
    """
    if looking.is_right_somewhere:
        return None
    squares = _squares(looking)
    if strictly:
        symmetric = _symmetric(looking, squares) or _multiples(looking)
        return symmetric or _of_values(looking, _WEIGHTS)
    for names in _subsets(squares):
        if _holds(looking, partial(_with, names=names, change=_symmetric_part)):
            return "assumption", f"right if {_listed(names)} symmetric"
    variable = looking.question.wrt
    for names in _subsets(squares):
        together = (variable, *names)
        shape = np.shape(looking.points[0].get(variable, 0))
        if (
            len(shape) == 2
            and shape[0] == shape[1] != 1
            and _holds(looking, partial(_with, names=together, change=_symmetric_part))
        ):
            return "transpose", f"right only if {_listed(together)} symmetric: " + (
                "their transposes are misplaced"
            )
    return _of_values(looking, _ASSUMED)


def _squares(looking: Looking) -> list[str]:
    """Return the square matrices beside the variable."""
    formula = looking.question.derivation.formula
    return [
        name
        for name, variable in formula.variables.items()
        if is_matrix(variable)
        and variable.shape[0] == variable.shape[1] != 1
        and name != looking.question.wrt
        and name in looking.points[0]
    ][:MOST]


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    for count in range(1, len(names) + 1):
        yield from combinations(names, count)


def _listed(names: tuple[str, ...]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"


def _symmetric(looking: Looking, squares: list[str]) -> tuple[str, str] | None:
    unmoved = [
        names
        for names in _subsets(squares)
        if _is_unmoved(looking, partial(_with, names=names, change=np.transpose))
    ]
    for names in _subsets(squares):
        if any(set(names) <= set(larger) for larger in unmoved) and _holds(
            looking, partial(_with, names=names, change=_symmetric_part)
        ):
            return "assumption", f"right if {_listed(names)} symmetric"
    return None


def _multiples(looking: Looking) -> tuple[str, str] | None:
    variables = looking.question.derivation.formula.variables
    names = [n for n in variables if n in looking.points[0] and n != looking.question.wrt]
    for a, b in combinations(names, 2):
        shape = np.shape(looking.points[0][a])
        if len(shape) != 2 or shape != np.shape(looking.points[0][b]):
            continue
        swapped = _is_unmoved(looking, partial(_swapped, a=a, b=b))
        if swapped and _holds(looking, partial(_multiplied, a=a, b=b)):
            outer = f"{a}*{b}' is symmetric, as it is " if 1 in shape else ""
            return "assumption", f"right if {outer}where {a} is a multiple of {b}"
    return None


def _of_values(looking: Looking, kinds: Sequence[_Kind]) -> tuple[str, str] | None:
    """Try what is often assumed of entries, rows and matrices."""
    names = [n for n in looking.variables if n != looking.question.wrt]
    for name in names:
        value = looking.points[0][name]
        if np.ndim(value) != 2:
            continue
        for said, change in kinds:
            if said == _ORTHOGONAL and value.shape[0] < value.shape[1]:
                continue
            if _holds(looking, partial(_with, names=(name,), change=change)):
                return "assumption", f"right if {said.format(name)}"
    return None


def _sums_to_one(value: Any) -> Any:
    weights = np.abs(value) + 0.1
    return weights / weights.sum(axis=0 if value.shape[1] == 1 else 1, keepdims=True)


_ORTHOGONAL = "{0} is orthogonal"
_WEIGHTS: Sequence[_Kind] = (("{0} sums to one (of a matrix, every row)", _sums_to_one),)
_ASSUMED: Sequence[_Kind] = (
    ("the entries of {0} are 1 or -1", lambda x: np.where(x < 0, -1.0, 1.0)),
    (_ORTHOGONAL, lambda x: np.linalg.qr(x)[0]),
)


def _symmetric_part(value: Any) -> Any:
    return (value + value.T) / 2


def _with(point: Point, names: tuple[str, ...], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {**point, **{name: change(np.asarray(point[name])) for name in names}}


def _swapped(point: Point, a: str, b: str) -> dict[str, Any]:
    return {**point, a: point[b], b: point[a]}


def _multiplied(point: Point, a: str, b: str) -> dict[str, Any]:
    return {**point, b: -1.7 * point[a]}


def _at(looking: Looking, expr: Any, change: Callable[[Point], Point]) -> Values | None:
    points = [change(point) for point in looking.points]
    (found,) = values_at([expr], looking.variables, points)
    return found


def _holds(looking: Looking, change: Callable[[Point], Point]) -> bool:
    """Say whether the claim is right at changed points, and not zero."""
    claimed = _at(looking, looking.claim, change)
    right = _at(looking, looking.question.right.expr, change)
    return equal(claimed, right) and any(np.any(value) for value in right or ())


def _is_unmoved(looking: Looking, change: Callable[[Point], Point]) -> bool:
    """Say whether a change of the points leaves the right answer as it is."""
    return equal(_at(looking, looking.question.right.expr, change), looking.right)
