"""Points: distinct sizes, inside the domain, and as is assumed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from derive.errors import InputError, RefusedError
from derive.language import read_formula
from numeric.functions import value_function
from numeric.points import distinct_sizes, draw_points


def points(text, *, count=3, seed=0, assume=None, shapes=None, **how):
    formula = read_formula(text, shapes, assume)
    value = value_function(formula)

    def is_inside(point):
        with np.errstate(all="ignore"):
            return math.isfinite(float(value(**point)))

    sizes = how.pop("sizes", None) or distinct_sizes(formula)
    return draw_points(formula, is_inside, sizes=sizes, count=count, seed=seed, **how)


# --- Sizes ----------------------------------------------------------------------------------------


def test_sizes_are_distinct_from_one_another_and_from_numbers():
    formula = read_formula("sum(A*B*C)", {"A": "4,n", "B": "n,m", "C": "m,5"})
    assert sorted(distinct_sizes(formula).values()) == [3, 6]
    assert sorted(distinct_sizes(formula, start=2).values()) == [2, 3]


def test_points_have_the_formulas_shapes():
    (point, *_) = points("a*norm2(W*x - y)^2", shapes={"W": "m,n", "y": "m"})
    shapes = {name: array.shape for name, array in point.items()}
    assert shapes["W"] == (*shapes["y"][:1], *shapes["x"][:1])
    assert shapes["a"] == ()
    assert len({*shapes["W"]}) == 2


# --- Domains --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sum(log(x))",
        "sum(sqrt(x) + log(y))",
        "sum(arcsin(x) + log(y))",
        "sum(log(x)) + log(a) + sum(log(2 - exp(y)))",
        "log(det(X))",
        "sum(log(W*x))",
        "sqrt(1 - norm2(x)^2)",
        "sum(1 ./ log(x))",
    ],
)
def test_points_are_found_inside_the_domain(text):
    formula = read_formula(text)
    value = value_function(formula)
    found = points(text)
    assert len(found) == 3
    assert all(math.isfinite(float(value(**point))) for point in found)


def test_where_there_is_no_point_that_is_said():
    with pytest.raises(RefusedError, match=r"No point was found at which sum\(log\(-x\.\^2\)\)"):
        points("sum(log(-x.^2))")


def test_points_differ_and_repeat_for_a_seed():
    first, second = points("norm2(x)", seed=1), points("norm2(x)", seed=1)
    assert all(np.array_equal(a["x"], b["x"]) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0]["x"], first[1]["x"])
    assert not np.array_equal(first[0]["x"], points("norm2(x)", seed=2)[0]["x"])


def test_a_spread_scales_the_entries():
    wide, narrow = (points("norm2(x)", spread=s, sizes={"n": 500})[0]["x"] for s in (1.0, 0.1))
    assert np.std(narrow) == pytest.approx(0.1 * np.std(wide), rel=1e-3)


def test_entries_are_short_to_print():
    (point,) = points("norm2(x)^2 + sum(log(y))", count=1)
    assert all(len(repr(float(entry))) <= 9 for array in point.values() for entry in array.flat)


# --- Assumptions ----------------------------------------------------------------------------------

HOLDS = {
    "symmetric": lambda x: np.array_equal(x, x.T),
    "spd": lambda x: np.array_equal(x, x.T) and np.linalg.eigvalsh(x).min() > 0,
    "skew": lambda x: np.array_equal(x, -x.T),
    "diagonal": lambda x: np.array_equal(x, np.diag(np.diag(x))) and x.any(),
    "lower": lambda x: np.array_equal(x, np.tril(x)) and x[1, 0] != 0,
    "positive": lambda x: (x > 0).all(),
    "onehot": lambda x: set(x.ravel()) == {0, 1} and (x.sum(axis=1) == 1).all(),
    "simplex": lambda x: (x > 0).all() and np.allclose(x.sum(axis=1), 1),
    "pm1": lambda x: set(x.ravel()) == {-1, 1},
    "binary": lambda x: set(x.ravel()) == {0, 1},
    "unit": lambda x: np.isclose(np.linalg.norm(x), 1),
}


@pytest.mark.parametrize("kind", HOLDS)
def test_an_assumption_on_a_matrix_holds(kind):
    for point in points("sum(X)", assume={"X": [kind]}, shapes={"X": "5,5"}):
        assert HOLDS[kind](point["X"])


@pytest.mark.parametrize("kind", ["onehot", "simplex", "unit", "positive", "pm1", "binary"])
def test_an_assumption_on_a_vector_holds(kind):
    for point in points("sum(x)", assume={"x": [kind]}, shapes={"x": "20"}):
        assert HOLDS[kind](point["x"].T)
        assert point["x"].shape == (20, 1)


@pytest.mark.parametrize(
    "kinds",
    [
        ("symmetric", "positive"),
        ("positive", "symmetric"),
        ("symmetric", "pm1"),
        ("symmetric", "binary"),
        ("spd", "unit"),
        ("positive", "unit"),
        ("positive", "simplex"),
        ("spd", "diagonal"),
        ("skew", "unit"),
        ("binary", "onehot"),
    ],
)
def test_kinds_of_one_name_hold_together(kinds):
    for point in points("sum(X)", assume={"X": kinds}, shapes={"X": "4,4"}):
        assert all(HOLDS[kind](point["X"]) for kind in kinds)


@pytest.mark.parametrize(
    ("kinds", "shape", "message"),
    [
        (("spd",), "3,4", "expected a square matrix"),
        (("lower",), "n", "expected a square matrix"),
        (("spd",), "scalar", "X=spd: expected a square matrix, X is a scalar"),
        (("onehot",), "scalar", "X=onehot: expected a vector or a matrix, X is a scalar"),
        (("skew", "positive"), "3,3", "no point was found that is both"),
        (("pm1", "binary"), "3,3", "no point was found that is both"),
    ],
)
def test_an_assumption_that_cannot_hold_is_an_error(kinds, shape, message):
    with pytest.raises(InputError, match=message):
        points("sum(X)", assume={"X": kinds}, shapes={"X": shape})
