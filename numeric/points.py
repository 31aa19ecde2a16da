"""Random points in a formula's domain, of distinct sizes, that respect what is assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import Integer

from derive.errors import InputError, RefusedError

if TYPE_CHECKING:
    from derive.language import Formula

__all__ = ["concrete_shape", "distinct_sizes", "draw_points"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]

ATTEMPTS = 200  # points that are tried for each one wanted
DIGITS = 6  # of entries, so that a point is short to print and exactly what is printed
TRIES = 10  # of them with entries of one kind for all variables


def distinct_sizes(formula: Formula, start: int = 3) -> dict[str, int]:
    """Give every size that is not an integer one of its own, from ``start`` on.

    >>> from derive.language import read_formula
    >>> distinct_sizes(read_formula("norm2(W*x)^2"))
    {'m': 3, 'n': 4}
    """
    fixed = {
        int(size)
        for variable in formula.variables.values()
        for size in getattr(variable, "shape", ())
        if size.is_Integer
    }
    free = (n for n in range(start, start + 10_000) if n not in fixed)
    return {str(size): next(free) for size in formula.sizes}


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(0.7 * rng.standard_normal(shape))  # activations not yet saturated


def _scaled(factor: float, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(factor * _normal(rng, shape))


def _positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.uniform(0.5, 2.0, shape))


def _small(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.uniform(-0.5, 0.5, shape))


def _one_hot(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Put one 1 into a column vector, or into every row of a matrix."""
    rows = np.eye(max(shape) if shape[1] == 1 else shape[1])
    chosen = rows[rng.integers(len(rows), size=1 if shape[1] == 1 else shape[0])]
    return np.asarray(chosen.reshape(shape))


def _simplex(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw weights that are fractions of small integers, so that they sum to one exactly."""
    weights = rng.integers(1, 10, shape).astype(float)
    return np.asarray(weights / weights.sum(axis=0 if shape[1] == 1 else 1, keepdims=True))


def _spd(x: Array) -> Array:
    return x @ x.T / len(x) + np.eye(len(x))


# A kind of assumption draws the entries, or changes drawn ones, in this order; that all of them
# hold is tested at the end.
_DRAWS: dict[str, Draw] = {
    "onehot": _one_hot,
    "simplex": _simplex,
    "pm1": lambda rng, shape: np.asarray(rng.choice([-1.0, 1.0], shape)),
    "binary": lambda rng, shape: np.asarray(rng.integers(0, 2, shape), float),
    "positive": _positive,
}
_CHANGES: Mapping[str, Callable[[Array], Array]] = {
    "lower": np.tril,
    "diagonal": lambda x: np.diag(np.diag(x)),
    "skew": lambda x: np.triu(x, 1) - np.triu(x, 1).T,
    "symmetric": lambda x: np.triu(x) + np.triu(x, 1).T,
    "spd": _spd,
    "unit": lambda x: np.asarray(x / np.sqrt(np.sum(x**2))),
}
_HOLDS: Mapping[str, Callable[[Array], Any]] = {
    "onehot": lambda x: np.isin(x, (0, 1)).all() and np.all(_sums(x) == 1),
    "simplex": lambda x: np.all(x >= 0) and np.allclose(_sums(x), 1),
    "pm1": lambda x: np.isin(x, (-1, 1)).all(),
    "binary": lambda x: np.isin(x, (0, 1)).all(),
    # A structure has zeros of its own.
    "positive": lambda x: np.all(x >= 0) and np.all(np.diag(x) > 0 if _is_square(x) else x > 0),
    "lower": lambda x: np.array_equal(x, np.tril(x)),
    "diagonal": lambda x: np.array_equal(x, np.diag(np.diag(x))),
    "skew": lambda x: np.array_equal(x, -x.T),
    "symmetric": lambda x: np.allclose(x, x.T),
    "spd": lambda x: np.allclose(x, x.T) and np.all(np.linalg.eigvalsh(x) > 0),
    "unit": lambda x: np.isclose(np.sum(x**2), 1),
}


def _sums(x: Array) -> Array:
    """Return the sum of a column vector, or of every row."""
    return np.asarray(x.sum(axis=0 if x.shape[1] == 1 else 1))


def _is_square(x: Array) -> bool:
    return x.ndim == 2 and x.shape[0] == x.shape[1]


def _drawn(
    formula: Formula, name: str, entries: Draw, rng: np.random.Generator, shape: tuple[int, ...]
) -> Array:
    """Draw a variable with all that is assumed of it, entries of the given kind where it is free.

    Raises:
        InputError: for kinds that exclude one another.
    """
    kinds = formula.assumptions.get(name, ())
    result = entries(rng, shape).round(DIGITS)
    for kind, draw in reversed(_DRAWS.items()):
        if kind in kinds:
            result = draw(rng, shape)
    for kind, change in _CHANGES.items():
        if kind in kinds:
            result = change(result)
    for kind in kinds:
        if not _HOLDS[kind](result):
            others = " and ".join(other for other in kinds if other != kind)
            raise InputError(
                f"--assume {name}={kind} and {others}: no point was found that is both. "
                "Leave one of them out."
            )
    return result


def draw_points(
    formula: Formula,
    is_inside: Callable[[Mapping[str, Array]], bool],
    *,
    sizes: Mapping[str, int],
    count: int = 3,
    seed: int = 0,
    spread: float = 1.0,
    far: Mapping[str, float] = MappingProxyType({}),
) -> list[dict[str, Array]]:
    """Draw points at which a formula is defined.

    Normal entries are tried first; where the formula is not defined there (a logarithm, a root),
    positive and small ones are tried, for all variables and then for random choices of them.

    Args:
        formula: with its variables and assumptions.
        is_inside: says whether a point is in the domain.
        sizes: an integer for every symbolic size.
        count: how many points.
        seed: of the random numbers.
        spread: scales normal entries, of variance one half.
        far: the scale of variables that are drawn far out, with normal entries at any rate.

    Raises:
        InputError: for assumptions that exclude one another.
        RefusedError: when no point was found inside the domain.
    """
    rng = np.random.default_rng(seed)
    points: list[dict[str, Array]] = []
    draws: Sequence[Draw] = (partial(_scaled, spread), _positive, _small)
    for attempt in range(ATTEMPTS * count):
        kind = attempt // (TRIES * count)
        point = _draw(formula, draws[kind : kind + 1] or draws, far, rng, sizes)
        if is_inside(point):
            points.append(point)
        if len(points) == count:
            return points
    raise RefusedError(
        f"No point was found at which {formula.source} is defined, in {ATTEMPTS * count} random "
        "ones. State what it needs, for example --assume x=positive, or sizes at which what it "
        "inverts is regular, such as --shape X=5,3."
    )


def _draw(
    formula: Formula,
    draws: Sequence[Draw],
    far: Mapping[str, float],
    rng: np.random.Generator,
    sizes: Mapping[str, int],
) -> dict[str, Array]:
    """Draw every variable, each by one of the given kinds of entries or far out."""
    point = {}
    for name, variable in formula.variables.items():
        entries = draws[int(rng.integers(len(draws)))] if len(draws) > 1 else draws[0]
        if name in far:
            entries = partial(_scaled, far[name])
        point[name] = _drawn(formula, name, entries, rng, concrete_shape(variable, sizes))
    return point


def concrete_shape(variable: Any, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """Return a variable's shape at integer sizes; a size may be a product of others."""
    shape = getattr(variable, "shape", ())
    return tuple(
        int(size.xreplace({symbol: Integer(sizes[str(symbol)]) for symbol in size.free_symbols}))
        for size in shape
    )
