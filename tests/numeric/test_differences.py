import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derive.errors import InputError
from numeric.differences import along, difference
from numeric.place import Place, scatter
from numeric.richardson import Curve, Goal, differentiate

SMOOTH = {
    "square": (lambda x: x * x, lambda x: 2 * x, 3.0),
    "exp": (np.exp, np.exp, 1.0),
    "exp far out": (np.exp, np.exp, 30.0),
    "exp at a tiny point": (np.exp, np.exp, 1e-8),
    "sine": (np.sin, np.cos, 0.7),
    "sine at zero": (np.sin, np.cos, 0.0),
    "sine far faster than the point": (
        lambda x: np.sin(1e3 * x),
        lambda x: 1e3 * np.cos(1e3 * x),
        0.7,
    ),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, 1e-5),
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-6),
    "root near its end": (lambda x: np.sqrt(1 - x), lambda x: -0.5 / np.sqrt(1 - x), 1 - 2.0**-20),
    "logarithm": (np.log, lambda x: 1 / x, 2.0),
}
EACH_SMOOTH = pytest.mark.parametrize("name", SMOOTH)
SCALES = (1e-150, 1e-6, 1.0, 1e6, 1e150)


def at(function, x, **options):
    return difference(lambda x: function(x), {"x": x}, {"x": 1.0}, **options)


@EACH_SMOOTH
@pytest.mark.parametrize("scale", SCALES)
def test_smooth_functions_to_ten_digits_within_the_error_estimate(name, scale):
    function, slope, x = SMOOTH[name]
    found = at(lambda x: scale * function(x), x)
    expected = scale * slope(x)
    assert abs(found.derivative - expected) <= found.error + 1e-15 * abs(expected)
    assert found.error <= 1e-7 * abs(expected)
    assert abs(found.derivative - expected) <= 2e-10 * abs(expected)
    assert found.evaluations <= 54


def test_evaluations_of_usual_functions_are_few():
    functions = [
        np.exp,
        np.sin,
        np.tanh,
        np.log,
        np.cosh,
        lambda x: x**3,
        lambda x: 1 / (1 + x * x),
    ]
    counts = [at(f, x).evaluations for f in functions for x in (0.3, 0.9, 2.0)]
    assert np.median(counts) <= 8
    assert max(counts) <= 22


@given(
    coefficients=st.lists(st.floats(-3, 3), min_size=2, max_size=6),
    x=st.floats(0.1, 2.0),
    exponent=st.integers(-100, 100),
)
@settings(max_examples=100, deadline=None)
def test_error_estimate_covers_the_error_at_every_scale(coefficients, x, exponent):
    scale = 2.0**exponent

    def value(x):
        return scale * float(np.polynomial.polynomial.polyval(x, coefficients)) * np.exp(np.sin(x))

    poly = np.polynomial.Polynomial(coefficients)
    slope = scale * (poly.deriv()(x) + poly(x) * np.cos(x)) * np.exp(np.sin(x))
    size = scale * (np.sum(np.abs(coefficients)) * 2**6 + 1e-300)
    found = at(value, x)
    assert abs(found.derivative - slope) <= 4 * found.error + 1e-14 * size


def test_an_oscillation_is_not_taken_for_a_slow_one():
    rng = np.random.default_rng(0)
    for x, frequency in zip(rng.normal(size=200), 10 ** rng.uniform(1, 5, 200), strict=True):
        found = at(lambda x, w=frequency: np.sin(w * x), x)
        expected = frequency * np.cos(frequency * x)
        assert abs(found.derivative - expected) <= 4 * found.error + 1e-9 * frequency, (
            x,
            frequency,
        )


@pytest.mark.parametrize("distance", [10.0**-k for k in range(1, 13)])
@pytest.mark.parametrize("side", [1, -1])
def test_near_a_kink_the_step_stays_on_its_side(distance, side):
    x = 1 + side * distance
    found = at(lambda x: np.maximum(x - 1, 0) * np.exp(x) + np.sin(x), x, kinks=lambda x: [x - 1])
    expected = np.cos(x) + (x * np.exp(x) if side > 0 else 0.0)
    assert abs(found.derivative - expected) <= found.error <= 1e-10 * abs(expected)
    assert found.left is None


def test_no_stencil_point_lies_beyond_a_kink():
    seen = []

    def value(x):
        seen.append(float(x))
        return np.maximum(x - 1, 0) + x * x

    at(value, 1.03, kinks=lambda x: [x - 1])
    assert min(seen) > 1


def test_kinks_near_on_both_sides_make_the_error_large_or_the_result_nan():
    def value(x):
        return abs(x - 1) + abs(x - 1 - 2e-9) + np.exp(x)

    x = 1 + 1e-9
    found = at(value, x, kinks=lambda x: [x - 1, x - 1 - 2e-9])
    assert abs(found.derivative - np.exp(x)) <= found.error
    assert "a kink within" in found.cause


def test_one_sided_derivatives_at_a_kink():
    def value(x):
        return np.maximum(x - 1, 0) * np.exp(x) + np.sin(x)

    found = at(value, 1.0, kinks=lambda x: [x - 1])
    assert found.left == pytest.approx(np.cos(1), rel=1e-9)
    assert found.right == pytest.approx(np.cos(1) + np.e, rel=1e-9)
    assert found.derivative == pytest.approx((found.left + found.right) / 2)
    assert abs(found.right - np.cos(1) - np.e) <= found.error
    assert found.cause == "a kink at the point"


def test_an_argument_that_stays_zero_is_no_kink():
    found = at(lambda x: np.maximum(0 * x, 0) + x * x, 3.0, kinks=lambda x: [0 * x])
    assert found.left is None
    assert found.derivative == pytest.approx(6, rel=1e-12)


@pytest.mark.parametrize("distance", [0.0, 1e-14, 1e-10, 1e-6, 1e-3])
def test_a_kink_that_nobody_named_is_passed_or_shows_in_the_error(distance):
    found = at(lambda x: np.abs(x - 1) + x, 1 + distance)
    assert math.isnan(found.derivative) or abs(found.derivative - 2) <= 2 * found.error + 1e-12


def test_a_constant_has_derivative_zero():
    found = at(lambda x: 3 + 0 * x, 2.0)
    assert found.derivative == 0
    assert found.flat
    assert found.error < 1e-14


def test_a_value_lost_in_its_terms_has_a_large_error():
    found = at(lambda x: np.log(1 + np.exp(-x)), 35.0)
    assert abs(found.derivative + 1 / (1 + np.exp(35))) <= found.error


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_derivative_where_the_value_is_not_finite(bad):
    found = at(lambda x: bad, 1.0)
    assert math.isnan(found.derivative)
    assert found.cause == f"the value is {bad}"
    assert found.error == math.inf


def test_the_argument_of_a_kink_that_is_nan():
    assert "kink" in at(lambda x: x, -1.0, kinks=lambda x: [np.log(x)]).cause


def test_float32_values_are_known_to_float32():
    found = at(lambda x: np.float32(np.sin(np.float32(x))), 0.7)
    assert abs(found.derivative - np.cos(0.7)) <= found.error < 1e-4


def test_singular_matrices_count_as_outside_of_the_domain():
    matrix = np.array([[1.0, 0.0], [0.0, 0.05]])
    direction = {"X": np.array([[0.0, 0.0], [0.0, 1.0]])}

    def value(X):
        if X[1, 1] <= 0:
            raise np.linalg.LinAlgError
        return np.log(np.linalg.det(X))

    found = difference(value, {"X": matrix}, direction)
    assert found.derivative == pytest.approx(20, rel=1e-9)


def test_a_direction_over_several_variables():
    rng = np.random.default_rng(1)
    point = {"A": rng.normal(size=(3, 2)), "x": rng.normal(size=(2, 1))}
    change = {"A": rng.normal(size=(3, 2)), "x": rng.normal(size=(2, 1))}
    found = difference(lambda A, x: np.sum(np.tanh(A @ x)), point, change)
    z = point["A"] @ point["x"]
    dz = change["A"] @ point["x"] + point["A"] @ change["x"]
    assert found.derivative == pytest.approx(np.sum((1 - np.tanh(z) ** 2) * dz), rel=1e-10)


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        ({"x": np.zeros(2)}, "the direction is zero"),
        ({"x": np.ones(3)}, r"expected \(2,\), got \(3,\)"),
        ({"y": np.ones(2)}, "the point has x"),
    ],
)
def test_directions_that_do_not_fit(direction, message):
    with pytest.raises(InputError, match=message):
        along(Place(lambda x: np.sum(x), {"x": np.ones(2)}), direction)


@pytest.mark.parametrize("value", [np.ones(2), 1j, "1", None])
def test_values_that_are_no_number(value):
    with pytest.raises(InputError, match="one real number"):
        at(lambda x: value, 1.0)


def test_one_by_one_values_are_numbers():
    assert at(lambda x: np.array([[x * x]]), 2.0).derivative == pytest.approx(4)


def test_noise_of_a_cancelling_sum_is_that_of_its_terms():
    place = Place(lambda x: (x + 1e5) - 1e5, {"x": np.float64(0.3)})
    assert 1e-12 < place.noise < 1e-9
    assert Place(lambda x: x * x, {"x": np.float64(0.3)}).noise < 1e-15


def test_scatter_ignores_a_smooth_course():
    t = np.arange(5) * 2.0**-30
    assert scatter([np.exp(1 + s) for s in t], 2.0**-30) < 1e-14
    noisy = [np.exp(1 + s) + 1e-6 * (-1) ** k for k, s in enumerate(t)]
    assert scatter(noisy, 2.0**-30) > 1e-6


def test_one_side_of_a_curve():
    for side in (1, -1):
        seen = []

        def value(t, seen=seen):
            seen.append(t)
            return math.exp(t)

        found = differentiate(Curve(value, 1.0), 0.1, 0.1, Goal(1e-9), side)
        assert abs(found.derivative - 1) <= found.error < 1e-9
        assert all(t * side > 0 for t in seen)
