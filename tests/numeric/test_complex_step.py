"""Complex steps: right to their bound, at any scale, beside any kink; and round-off is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from derive.derivatives import differentiate
from derive.errors import InputError
from derive.language import read_formula
from numeric.check import Verdict, check
from numeric.complex_step import complex_step, noise_along
from numeric.functions import value_function
from numeric.place import Place
from numeric.points import distinct_sizes, draw_points
from numeric.subjects import subjects

X = np.array([[0.3], [-1.2], [2.5]])
V = np.array([[1.0], [-0.5], [2.0]])
SCALES = [1e-300, 1e-200, 1e-6, 1.0, 1e6, 1e200]


@pytest.mark.parametrize("scale", SCALES)
def test_the_error_is_within_its_bound_at_any_scale_of_the_value(scale):
    place = Place(lambda x: scale * np.sum(np.exp(x)), {"x": X})
    found = complex_step(place, {"x": V}, reference=scale * np.linalg.norm(np.exp(X) * V))
    expected = scale * math.fsum((np.exp(X) * V).ravel())
    rtol = 1e-13 if scale > 1e-300 else 1e-11  # a part of so small a value underflows
    assert abs(found.derivative - expected) <= found.error < rtol * abs(expected)
    assert (found.evaluations, found.cause, found.truncation) == (1, "", 0.0)


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1e-6, 1e6, 1e100])
def test_the_step_follows_the_size_of_the_variable(scale):
    x = scale * np.abs(X)
    found = complex_step(Place(lambda x: np.sum(np.sqrt(x)), {"x": x}), {"x": V})
    assert found.derivative == pytest.approx(np.sum(V / 2 / np.sqrt(x)), rel=1e-14)


def test_a_variable_of_zeros_has_a_step():
    found = complex_step(Place(lambda x: np.sum(np.sin(x)), {"x": 0 * X}), {"x": V})
    assert found.derivative == np.sum(V)


@pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9, 1e-12, -1e-12, -1e-3])
def test_no_kink_is_crossed(distance):
    value = value_function(read_formula("sum(relu(x).^2) + sum(3*relu(x))"))
    place = Place(value, {"x": np.array([[distance], [1.0]])}, lambda x: [x])
    found = complex_step(place, {"x": np.array([[1.0], [0.0]])})
    expected = 2 * distance + 3 if distance > 0 else 0
    assert found.derivative == pytest.approx(expected, rel=1e-15)


def test_what_has_no_derivative_says_why():
    assert complex_step(Place(lambda x: np.nan, {"x": X}), {"x": V}).cause == "the value is nan"
    infinite = complex_step(
        Place(lambda x: math.inf * 1j if np.iscomplexobj(x) else 1.0, {"x": X}), {"x": V}
    )
    assert infinite.cause == "the value is not finite at a complex step"
    with pytest.raises(InputError, match="the direction is zero"):
        complex_step(Place(lambda x: np.sum(x), {"x": X}), {"x": 0 * V})


def test_code_that_gives_a_real_number_is_noticed():
    place = Place(lambda x: np.sum(np.asarray(x).real ** 2), {"x": X})
    assert complex_step(place, {"x": V}).derivative == 0
    assert place.is_real


def test_round_off_changes_beside_the_point_and_an_error_does_not():
    """The gradient 2x of x², claimed with what adding and subtracting a large number leaves."""

    def claim(x, factor=1.0):
        return factor * np.sum(V * 2 * ((x + 1e6) - 1e6))

    place, along = Place(lambda x: np.sum(x**2), {"x": X}), {"x": V}
    slope = complex_step(place, along).derivative
    near = [changes["x"] for changes in place.farther.changes]
    apart = claim(X) - slope
    assert noise_along(place, along, apart, [claim(x) for x in near]) >= abs(apart) > 1e-12
    wrong = [claim(x, 1 + 1e-4) for x in near]
    apart = claim(X, 1 + 1e-4) - slope
    assert noise_along(place, along, apart, wrong) < abs(apart) / 8


# --- Everything that is measured takes complex entries --------------------------------------------

SUBJECTS = {
    "gradients": ("norm2(relu(W*x))^2 + logdet(x*x' + eye(3))", {}, {}),
    "a symmetric variable": ("tr(A*A*B)", {"A": ("symmetric",)}, {"wrt": ["A"]}),
    "a skew variable": ("tr(A*B*A)", {"A": ("skew",)}, {"wrt": ["A"]}),
    "a lower triangle": ("sum(exp(A*x))", {"A": ("lower",)}, {"wrt": ["A"]}),
    "a diagonal variable": ("norm2(A*x)^3", {"A": ("diagonal",)}, {"wrt": ["A"]}),
    "a Jacobian of a column": ("softmax(A*x)", {}, {"wrt": ["x"]}),
    "a Jacobian of a row": ("x'*A", {}, {"wrt": ["x"]}),
    "a derivative by a scalar": ("A*exp(t)*A", {}, {"wrt": ["t"], "shapes": {"t": "scalar"}}),
    "a derivative along a direction": ("inv(A)", {}, {"wrt": ["A"]}),
    "a Hessian": ("sum(sigmoid(x))^2", {}, {"wrt": ["x"], "order": 2}),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_is_measured_takes_complex_entries(name):
    text, assumptions, how = SUBJECTS[name]
    derivation = differentiate(text, assumptions=assumptions, **how)
    for subject in subjects(derivation):
        formula = subject.formula
        sizes = distinct_sizes(formula, start=3)
        drawn = draw_points(formula, lambda point: True, sizes=sizes, count=2, seed=1)
        points = list(subject.points(drawn, seed=0))
        assert points
        right = check(
            subject.value,
            subject.gradients,
            points,
            kinks=subject.kinks,
            wrt=subject.wrt,
            complex_safe=True,
        )
        assert right.verdict is Verdict.PASS, right
        assert {found.method for found in right.variables} == {"complex step"}
        wrong = check(
            subject.value,
            lambda s=subject, **p: {n: g * (1 + 1e-9) for n, g in s.gradients(**p).items()},
            points,
            kinks=subject.kinks,
            wrt=subject.wrt,
            complex_safe=True,
        )
        assert wrong.verdict is Verdict.FAIL
