"""Kinks: where an expression is not smooth, as expressions whose zeros are the places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from derive import scalars
from derive.errors import ChainRuleError
from derive.kinks import kinks
from derive.language import read_formula
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

KINKED = [
    ("norm2(relu(W*x))^2", ["W*x"]),
    ("norm2(x)", ["norm2(x)"]),
    ("norm2(x)^2 + norm2(x)^4", []),
    ("norm2(x)^3", ["norm2(x)"]),
    ("norm2(x)*norm2(y)", ["norm2(x)", "norm2(y)"]),
    ("norm2(x)^2*norm2(x)", ["norm2(x)"]),
    ("sqrt(norm2(x))", ["norm2(x)"]),
    ("exp(norm2(x)^2)", []),
    ("sum(abs(x - y))", ["x - y"]),
    ("norm1(A)", ["A"]),
    ("relu(norm2(x)^2 - 1)", ["norm2(x)^2 - 1"]),
    ("abs(a) + sign(b)", ["a", "b"]),
    ("sum(relu(relu(x) - y))", ["relu(x) - y", "x"]),
    ("sum(tanh(x)) + logdet(A)", []),
    ("sum(relu(x) .* step(x) .* y)", ["x"]),
    ("x'*x", []),
    ("sum(max(x, y)) + max(a, 2)", ["x - y", "a - 2"]),
    ("min(a, b)", ["a - b"]),
]


@pytest.mark.parametrize(("text", "places"), KINKED)
def test_kinks_are_located(text: str, places: list[str]) -> None:
    assert sorted(map(TEXT, kinks(read_formula(text).expr))) == sorted(places)


@pytest.mark.parametrize("text", ["max(x)", "-min(x)", "max(x')", "max(A)", "-min(A)"])
def test_a_largest_entry_has_its_kinks_where_another_is_as_large(
    text: str, evaluate: Callable[..., Any]
) -> None:
    """Positive is by how much the largest leads, negative by how much the others are behind."""
    formula = read_formula(text)
    (place,) = kinks(formula.expr)
    sign = -1 if "min" in text else 1
    for entries in ([1.0, 3.0, -2.0, 2.5], [3.0, 1.0, 3.0, 0.0], [-1.0, -1.0, -1.0, -1.0]):
        x = sign * np.reshape(entries, (2, 2) if "A" in text else (4, 1))
        sizes = {"m": 2, "n": 2} if "A" in text else {"n": 4}
        found = np.ravel(evaluate(TEXT(place), {"x": x, "A": x}, sizes))
        others = [max(entries[:i] + entries[i + 1 :]) for i in range(4)]
        np.testing.assert_allclose(found, np.subtract(entries, others), atol=1e-15)


@pytest.mark.parametrize("row", [row for row in scalars.FUNCTIONS.values() if row.kink])
def test_every_function_with_a_kink_is_found(row: Any) -> None:
    for argument, text in (("X - Y", f"sum({row.name}(X - Y))"), ("2*a", f"{row.name}(2*a)")):
        assert [TEXT(place) for place in kinks(read_formula(text).expr)] == [argument]


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_away_from_its_kinks_a_formula_is_smooth(
    data: st.DataObject, formulas: Any, evaluate: Callable[..., Any]
) -> None:
    """Along a random line, one-sided slopes agree where no kink changes its sign nearby."""
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
    except ChainRuleError:
        assume(False)
    point = drawn.point(formula, lambda values: evaluate(drawn.text, values, drawn.sizes))
    assume(point is not None)
    assume(formula.variables)
    places = [TEXT(place) for place in kinks(formula.expr)]
    rng = np.random.default_rng(drawn.seed)
    direction = {name: rng.standard_normal(np.shape(value)) for name, value in point.items()}

    def along(text: str, step: float) -> Any:
        moved = {name: value + step * direction[name] for name, value in point.items()}
        with np.errstate(all="ignore"):
            return evaluate(text, moved, drawn.sizes)

    try:
        signs = [[np.sign(along(place, h)) for place in places] for h in (-1e-3, 0, 1e-3)]
        values = [float(along(drawn.text, h)) for h in (-1e-3, 0, 1e-3, -5e-4, 5e-4)]
    except np.linalg.LinAlgError:
        assume(False)
    assume(np.all(np.isfinite(values)))
    sides = zip(*signs, strict=True)
    assume(all(np.array_equal(left, right) for left, *rest in sides for right in rest))
    wide, narrow = values[0] - 2 * values[1] + values[2], values[3] - 2 * values[1] + values[4]
    scale = max(1e-6, *map(abs, values))
    # A kink's second difference shrinks by 2 with the step, a smooth function's by 4.
    assert abs(narrow) < 0.4 * abs(wide) + 1e-7 * scale or abs(wide) > 0.1 * scale
