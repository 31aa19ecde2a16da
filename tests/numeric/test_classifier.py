"""Classifiers from formulas: sizes from the data, logits, and the check before training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from derive.errors import InputError, RefusedError
from derive.problems import Problem, load_problem
from numeric.check import Verdict
from numeric.classifier import build_classifier, check_on_data, read_logits
from numeric.data import load

NETWORK = "crossentropy(softmax(V*relu(W*x + b) + c), y)"
NETWORK_SHAPES = {"V": "k,h", "W": "h,n", "x": "n", "b": "h", "c": "k", "y": "k"}


def problem(formula, shapes=None, assume=None):
    return Problem(formula, shapes=shapes or {}, assume=assume or {})


def build(formula, shapes=None, *, features=6, classes=3, **how):
    return build_classifier(problem(formula, shapes), features, classes, **how)


@pytest.fixture(scope="module")
def mnist():
    return load(limit=256)


@pytest.fixture(scope="module")
def regression():
    return build_classifier(load_problem("softmax-ce"), 784, 10)


# --- Sizes ----------------------------------------------------------------------------------------


def test_sizes_come_from_the_data(regression):
    assert regression.objective.parameters == {"W": (10, 784), "b": (10, 1)}
    assert regression.shapes == {"W": [10, 784], "x": [784, 1], "b": [10, 1], "y": [10, 1]}


def test_a_hidden_size_has_to_be_declared():
    with pytest.raises(InputError, match=r"how large 'h' is.*--shape V=3,64"):
        build(NETWORK, NETWORK_SHAPES)
    declared = {"W": "5,n", "V": "k,5", "b": "5"}  # as --shape does
    network = build_classifier(problem(NETWORK, NETWORK_SHAPES), 6, 3, shapes=declared)
    assert network.objective.parameters == {"V": (3, 5), "W": (5, 6), "b": (5, 1), "c": (3, 1)}


@pytest.mark.parametrize(
    ("formula", "shapes", "message"),
    [
        ("norm2(W*u - y)^2", {}, "no variable 'x' for the data; it has W, u, y"),
        ("norm2(W*x)^2", {}, "no variable 'y' for the data"),
        ("crossentropy(softmax(W*x), y)", {"x": "5", "W": "3,5"}, "'x' has 5 entries, the data"),
        ("crossentropy(softmax(x), y)", {}, "have one size"),
        ("x*norm2(y)", {"x": "scalar"}, "'x' should be a column vector"),
        ("norm2(W*x)^2*tr(y)", {"y": "k,k"}, "'y' should be a column vector"),
    ],
)
def test_data_that_do_not_fit_are_told_apart(formula, shapes, message):
    with pytest.raises(InputError, match=message):
        build(formula, shapes)


def test_other_names_for_the_data_are_taken():
    found = build(
        "crossentropy(softmax(W*image), digit)",
        {"image": "n", "digit": "k", "W": "k,n"},
        sample="image",
        label="digit",
    )
    assert (found.objective.input, found.objective.label) == ("image", "digit")
    arrays = {"W": np.zeros((3, 6)), "image": np.ones((4, 6)), "digit": np.eye(3)[[0, 1, 2, 0]]}
    assert float(found.objective.value(**arrays)) == pytest.approx(np.log(3))


def test_parameters_may_have_any_name():
    found = build("crossentropy(softmax(lambda*W*x), y)", {"lambda": "scalar", "W": "k,n"})
    arrays = {"lambda": np.float64(1), "W": np.ones((3, 6)), "x": np.ones((2, 6))}
    _, gradients = found.objective.value_and_grad(**arrays, y=np.eye(3)[:2])
    assert list(gradients) == ["lambda", "W"]


# --- Logits ---------------------------------------------------------------------------------------


def test_logits_are_the_softmaxs_argument(regression):
    assert regression.logits == "W*x + b"
    rng = np.random.default_rng(0)
    W, b, x = rng.random((10, 784)), rng.random((10, 1)), rng.random((7, 784))
    np.testing.assert_allclose(regression.objective.logits(W=W, b=b, x=x), x @ W.T + b.T)


def test_logits_may_be_a_formula():
    found = build("norm2(W*x - y)^2", logits="W*x")
    assert found.logits == "W*x"
    assert found.objective.logits(W=np.ones((3, 6)), x=np.ones((2, 6))).shape == (2, 3)


@pytest.mark.parametrize(
    ("formula", "logits", "message"),
    [
        ("norm2(W*x - y)^2", None, "has 0 softmaxes.*--logits FORMULA"),
        ("crossentropy(softmax(softmax(W*x)), y)", None, "has 2 softmaxes"),
        ("norm2(W*x - y)^2", "W*x - y", "'y' is neither the input nor a parameter"),
        ("norm2(W*x - y)^2", "V*x", r"--logits V\*x: 'V' is neither .* with x, W alone"),
        ("norm2(W*x - y)^2", "x", r"the shape is \(6, 1\), expected \(3, 1\)"),
        ("norm2(W*x - y)^2", "x'*W'", r"the shape is \(1, 3\), expected \(3, 1\)"),
        ("norm2(W*x - y)^2", "sum(W*x)", r"the shape is \(\), expected \(3, 1\)"),
        ("norm2(W*x + b - y)^2", "b", "does not depend on the input 'x'"),
        ("norm2(W*x - y)^2", "W*(x - x)", "does not depend on the input 'x'"),
        ("norm2(W*x - y)^2", "W'*x", "inner sizes differ"),
        ("crossentropy(softmax(b), y)*norm2(x)", None, r"softmax's argument b: it does not depend"),
        ("crossentropy(softmax(W*x + y), y)", None, r"argument W\*x \+ y: 'y' is neither"),
    ],
)
def test_logits_that_are_open_or_wrong_are_an_error(formula, logits, message):
    with pytest.raises(InputError, match=message):
        build(formula, {"W": "3,6", "b": "3"}, logits=logits)


def test_a_softmax_inside_does_not_have_the_logits():
    formula = "norm2(V*softmax(W*x) - y)^2"
    with pytest.raises(
        InputError, match=r"argument W\*x: the shape is \(5, 1\), expected \(3, 1\)"
    ):
        build(formula, {"W": "5,6", "V": "3,5"})
    assert build(formula, {"W": "5,6", "V": "3,5"}, logits="V*softmax(W*x)").objective


def test_logits_of_a_row_are_read_from_its_column():
    found = build("crossentropy(rowsoftmax(x'*W)', y)", {"W": "6,3"})
    shapes = {**found.shapes, "y": []}
    assert read_logits(found.logits, shapes, ["x", "W"], 3).expr.shape == (3, 1)


def test_a_formula_without_a_batched_form_is_refused():
    with pytest.raises(RefusedError, match="No batched form"):
        build("logdet(W + x*x') + norm2(y)", {"W": "6,6"}, logits="W*x", features=6, classes=6)


# --- The objective --------------------------------------------------------------------------------


def test_the_objective_is_the_mean_over_the_samples():
    found = build("crossentropy(softmax(W*x + b), y)", {"b": "k", "W": "k,n"})
    rng = np.random.default_rng(0)
    W, b, x, y = rng.random((3, 6)), rng.random((3, 1)), rng.random((4, 6)), np.eye(3)[[0, 1, 2, 1]]
    z = x @ W.T + b.T
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(p[y == 1]))
    value, gradients = found.objective.value_and_grad(W=W, b=b, x=x, y=y)
    assert float(value) == pytest.approx(expected)
    assert float(found.objective.value(W=W, b=b, x=x, y=y)) == pytest.approx(expected)
    np.testing.assert_allclose(gradients["W"], (p - y).T @ x / 4)
    np.testing.assert_allclose(gradients["b"], (p - y).T.mean(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_have_the_parameters_shapes_and_dtypes(regression, dtype):
    rng = np.random.default_rng(0)
    shapes = regression.objective.parameters
    arrays = {name: rng.random(shape).astype(dtype) for name, shape in shapes.items()}
    arrays |= {"x": rng.random((5, 784)).astype(dtype), "y": np.eye(10, dtype=dtype)[:5]}
    value, gradients = regression.objective.value_and_grad(**arrays)
    assert value.dtype == dtype
    assert {name: (g.shape, g.dtype.name) for name, g in gradients.items()} == {
        name: (shape, dtype) for name, shape in shapes.items()
    }


def test_kinks_are_known():
    smooth = build("crossentropy(softmax(W*x), y)")
    assert smooth.kinks is None
    shapes = {"W": "5,n", "V": "k,5", "b": "5", "x": "n", "c": "k", "y": "k"}
    network = build(NETWORK, shapes)
    arrays = {"W": np.ones((5, 6)), "V": np.ones((3, 5)), "b": np.zeros((5, 1))}
    arrays |= {"c": np.zeros((3, 1)), "x": np.ones((2, 6)), "y": np.eye(3)[:2]}
    (hidden,) = network.kinks(**arrays)
    assert hidden.tolist() == [[6.0] * 5] * 2


# --- The check on the data ------------------------------------------------------------------------


def test_the_emitted_gradient_passes_on_the_data(regression, mnist):
    report = check_on_data(regression, mnist)
    assert report.verdict is Verdict.PASS
    assert [found.shape for found in report.variables] == [(10, 784), (10, 1)]


@pytest.mark.parametrize("name", ["W", "b"])
@pytest.mark.parametrize("factor", [1 + 1e-3, -1, 0])
def test_a_broken_gradient_fails_on_the_data(regression, mnist, name, factor):
    right = regression.objective.value_and_grad

    def wrong(**arrays):
        value, gradients = right(**arrays)
        return value, {n: factor * g if n == name else g for n, g in gradients.items()}

    broken = replace(
        regression, objective=replace(regression.objective, value_and_grad=wrong, in_place=None)
    )
    report = check_on_data(broken, mnist)
    assert {v.name: v.verdict for v in report.variables}[name] is Verdict.FAIL


def test_one_wrong_row_fails_on_the_data(regression, mnist):
    right = regression.objective.value_and_grad

    def wrong(**arrays):
        value, gradients = right(**arrays)
        W = gradients["W"].copy()
        W[3] *= 1.01
        return value, gradients | {"W": W}

    broken = replace(
        regression, objective=replace(regression.objective, value_and_grad=wrong, in_place=None)
    )
    assert check_on_data(broken, mnist).verdict is Verdict.FAIL
