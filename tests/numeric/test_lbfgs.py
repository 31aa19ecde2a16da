"""L-BFGS: its direction and its steps against their definitions, its count of passes, its ends."""

import math
from collections import deque

import numpy as np
import pytest

from derive.errors import InputError, RefusedError
from numeric.backends import Backend
from numeric.lbfgs import GRADIENT_TOLERANCE, LBFGS
from numeric.line_search import Trial, search
from numeric.model import Objective
from numeric.train import Settings, Training


def rosenbrock(a, b, x, y):
    value = 100 * (b - a**2) ** 2 + (1 - a) ** 2
    slopes = {"a": -400 * a * (b - a**2) - 2 * (1 - a), "b": 200 * (b - a**2)}
    return value, {name: np.asarray(slope) for name, slope in slopes.items()}


def valley(passes, dtype="float64", value_and_grad=rosenbrock):
    start = {"a": np.array(-1.2, dtype), "b": np.array(1.0, dtype)}
    return LBFGS(Backend(), value_and_grad, start, {"x": 0, "y": 0}, passes=passes)


def counting(calls, stop=None):
    """Return the function, which notes its calls and is interrupted in one of them."""

    def value_and_grad(a, b, x, y):
        calls.append((float(a), float(b)))
        if len(calls) == stop:
            raise KeyboardInterrupt
        return rosenbrock(a, b, x, y)

    return value_and_grad


def run(minimum):
    records = []
    while not minimum.ended:
        records.append(minimum.advance(0))
    return records


# --- The line search ------------------------------------------------------------------------------

# The first two are test functions of Moré & Thuente, "Line search algorithms with guaranteed
# sufficient decrease" (1994), the second nearly flat at the start.
FUNCTIONS = {
    "rational": (lambda a: -a / (a**2 + 2), lambda a: (a**2 - 2) / (a**2 + 2) ** 2),
    "quintic": (
        lambda a: (a + 0.004) ** 5 - 2 * (a + 0.004) ** 4,
        lambda a: 5 * (a + 0.004) ** 4 - 8 * (a + 0.004) ** 3,
    ),
    "wave": (
        lambda a: -1.5 * a + 0.1 * math.sin(10 * a) + max(0, a - 1) ** 2,
        lambda a: -1.5 + math.cos(10 * a) + 2 * max(0, a - 1),
    ),
    "wall": (
        lambda a: -a - math.log(1 - a) / 9 if a < 1 else math.inf,
        lambda a: -1 + 1 / (9 - 9 * a) if a < 1 else math.nan,
    ),
}


@pytest.mark.parametrize("first", [1e-3, 0.1, 1, 10, 1e3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_step_satisfies_the_strong_wolfe_conditions(name, first):
    value, slope = FUNCTIONS[name]
    calls = []

    def evaluate(step):
        calls.append(step)
        return Trial(step, value(step), slope(step))

    start = Trial(0.0, value(0.0), slope(0.0))
    found = search(evaluate, start, first)
    assert found.step in calls
    assert found.value <= start.value + 1e-4 * found.step * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert len(calls) <= 14


@pytest.mark.parametrize("limit", range(12))
def test_a_search_cut_short_gives_a_step_that_decreases_or_none(limit):
    value, slope = FUNCTIONS["quintic"]
    calls = []

    def evaluate(step):
        if len(calls) == limit:
            return None
        calls.append(step)
        return Trial(step, value(step), slope(step))

    found = search(evaluate, Trial(0.0, value(0.0), slope(0.0)), 1e3)
    assert len(calls) <= limit
    assert (found is None) or found.value < value(0.0)
    assert (found is None) == (limit < 9)  # eight trials are beyond the far wall of the valley


# --- The direction --------------------------------------------------------------------------------


def test_the_direction_is_that_of_the_dense_inverse_hessian():
    random = np.random.default_rng(3)
    root = random.standard_normal((6, 6))
    curvature = root @ root.T + np.eye(6)
    changes = random.standard_normal((4, 6))
    minimum = valley(10)
    minimum._pairs = deque((change, curvature @ change) for change in changes)
    last, turn = changes[-1], curvature @ changes[-1]
    inverse = np.eye(6) * (last @ turn) / (turn @ turn)
    for change in changes:  # Nocedal & Wright (6.17)
        turn = curvature @ change
        left = np.eye(6) - np.outer(change, turn) / (change @ turn)
        inverse = left @ inverse @ left.T + np.outer(change, change) / (change @ turn)
    gradient = random.standard_normal(6)
    assert np.allclose(minimum._direction(gradient), -inverse @ gradient, rtol=1e-12)


# --- The whole ------------------------------------------------------------------------------------


def test_a_curved_valley_is_followed_to_its_minimum():
    calls = []
    minimum = valley(100, value_and_grad=counting(calls))
    records = run(minimum)
    assert minimum.ended.startswith("converged")
    assert np.allclose(list(minimum.parameters.values()), 1, atol=1e-5)
    assert sum(passes for passes, _ in records) == len(calls) < 60
    losses = [loss for _, loss in records]
    assert losses == sorted(losses, reverse=True)
    _, gradients = rosenbrock(**minimum.parameters, x=0, y=0)
    assert max(map(abs, gradients.values())) <= GRADIENT_TOLERANCE


@pytest.mark.parametrize("passes", range(1, 25))
def test_no_more_passes_are_taken_than_given(passes):
    calls = []
    minimum = valley(passes, value_and_grad=counting(calls))
    records = run(minimum)
    assert len(calls) == sum(spent for spent, _ in records) == passes
    assert minimum.ended == "all passes over the data used"
    assert float(rosenbrock(**minimum.parameters, x=0, y=0)[0]) == records[-1][1]


@pytest.mark.parametrize("stop", range(1, 25))
def test_an_interrupted_iteration_leaves_the_parameters_of_the_one_before(stop):
    whole, places = valley(100), []
    while not whole.ended:
        places.append([float(value) for value in whole.parameters.values()])
        whole.advance(0)
    interrupted = valley(100, value_and_grad=counting([], stop))
    with pytest.raises(KeyboardInterrupt):
        run(interrupted)
    assert [float(value) for value in interrupted.parameters.values()] in places


def test_single_precision_ends_where_rounding_hides_the_decrease():
    minimum = valley(1000, "float32")
    records = run(minimum)
    assert sum(passes for passes, _ in records) < 100
    assert {array.dtype for array in minimum.parameters.values()} == {np.dtype("float32")}
    assert records[-1][1] < 1e-6


def test_a_minimum_is_left_as_it_is():
    def still(w, x, y):
        return 1.0, {"w": np.zeros(2)}

    minimum = LBFGS(Backend(), still, {"w": np.ones(2)}, {"x": 0, "y": 0}, passes=9)
    assert run(minimum) == [(1, 1.0)]
    assert minimum.parameters["w"].tolist() == [1, 1]


def test_a_loss_that_is_not_finite_at_the_start_is_refused():
    def nothing(w, x, y):
        return math.nan, {"w": w}

    broken = Objective({"w": (2, 1)}, lambda **_: math.nan, nothing, lambda **_: None)
    x = np.ones((3, 2))
    with pytest.raises(RefusedError, match="at the start is not a finite number") as caught:
        list(Training(broken, x, x, Settings(optimizer="lbfgs")).epochs())
    assert "--lr" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.1}, "--lr 0.1: --optimizer lbfgs finds its steps"),
        ({"momentum": 0.5}, "--momentum 0.5: --optimizer lbfgs has its memory"),
        ({"batch_size": 64}, "--batch-size 64: --optimizer lbfgs takes all"),
    ],
    ids=str,
)
def test_what_belongs_to_gradient_descent_is_refused(options, message):
    with pytest.raises(InputError) as caught:
        Settings(optimizer="lbfgs", **options)
    assert message in str(caught.value)
    assert "Drop the option" in str(caught.value)
    assert Settings(**options)
    assert Settings(optimizer="lbfgs", batch_size="all") == Settings(optimizer="lbfgs")
