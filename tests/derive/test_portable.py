"""Emitted code on the arrays of other libraries: the same numbers, of the same dtype.

What is installed is tested: a strict implementation of the array-API standard always; torch, JAX
and dask with the extras of these names. JAX compiles the code, so that nothing in it may depend on
values; CuPy is left to machines with a GPU, its arrays take the way of dask's or of the standard.
"""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

import derive
from derive.derivation import Page
from derive.emit import emit
from derive.errors import ChainRuleError, InputError
from derive.functions import FUNCTION_NAMES
from derive.kernels import bind
from derive.language import read_formula
from derive.render.numpy_module import numpy_module


def _strict():
    return importlib.import_module("array_api_strict").asarray, lambda function: function


def _torch():
    return importlib.import_module("torch").asarray, lambda function: function


def _jax():
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    return jax.numpy.asarray, jax.jit


def _dask():
    array = importlib.import_module("dask.array")
    return lambda x: array.from_array(x, chunks=2), lambda function: function


LIBRARIES = {"array_api_strict": _strict, "torch": _torch, "jax": _jax, "dask": _dask}
# What dask has no function for, in more than one block.
NOT_IN_DASK = {"det", "logdet", "pinv", "adj", "inv", "determinants"}

ARGUMENTS = ("(X)", "(x)", "(X, Y)", "(3)", "(3, 4)", "(a)", "(a, Y)")


def formula_of(name):
    """Return a scalar formula around a function of the language."""
    for arguments in ARGUMENTS:
        for text in (f"sum(({name}{arguments}).^2 .* {name}{arguments})", f"{name}{arguments}"):
            try:
                formula = read_formula(text, {"X": "3,3", "Y": "3,3", "x": "3", "a": "scalar"})
            except ChainRuleError:
                continue
            if formula.variables and not getattr(formula.expr, "shape", ()):
                return text
    return None


CONSTANT = {"eye", "ones", "zeros", "vector", "matrix"}
TEXTS = {name: formula_of(name) for name in sorted(FUNCTION_NAMES - CONSTANT)}
TEXTS |= {
    "ones": "sum((ones(3, 3) + a*X).^2)",
    "zeros": "sum(max(X - 0.4, zeros(3, 3)))",
    "eye": "tr(eye(3)*a*X)",
    "vector": "sum(vector(a).*x)",
    "matrix": "sum(matrix(a).*X)",
    "numbers": "a*sqrt(2)*exp(-1)*pi",
    "constant": "a",
    "bounds": "sum(max(X, 0.5) .* min(X, 0.45)) + max(a, 2)",
    "log of softmax": "sum(Y .* log(softmax(X))) + sum(x .* log(softmax(x)))",
    "divergence": "sum(softmax(x) .* log(softmax(x) ./ softmax(2*x)))",
    "divergence of rows": "sum(softmax(X) .* log(softmax(X) ./ softmax(Y)))",
    "determinants": "log(det(X)) + logdet(eye(3) + X'*X) + det(X)",
    "log of a sum": "sum(log(x + 1) - log(x))",
    "powers": "sum(x.^a) + sum(X.^x) + sum(Y.^X)",
    "removable": "sum(sin(x - 0.3) ./ (x - 0.3)) + sin(a)/a",
    "mixture": "log(x'*softmax(X*x))",
    "stretched": "sum((X + x + x' + a).^2) + mean(x)",
}


@pytest.fixture(params=LIBRARIES)
def library(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return request.param, *LIBRARIES[request.param]()


def test_every_function_of_the_language_is_tested():
    assert not [name for name, text in TEXTS.items() if text is None]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_code_runs_on_the_arrays_of_every_library(name, dtype, library):
    which, array, compiled = library
    if which == "dask" and name in NOT_IN_DASK:
        pytest.skip("dask has no such function")
    shapes = {"X": "3,3", "Y": "3,3", "x": "3", "a": "scalar"}
    formula = read_formula(TEXTS[name], shapes)
    wrt = [] if name == "trigamma" else list(formula.variables)  # it has no derivative rule
    gradient = derive.differentiate(formula, wrt=wrt).gradient if wrt else {}
    emitted = emit([formula.expr, *gradient.values()], formula.variables)
    rng = np.random.default_rng(0)
    drawn = {n: rng.uniform(0.3, 0.6, (3, 3)) for n in "XY"} | {"x": rng.uniform(0.3, 0.6, (3, 1))}
    point = {**drawn, "a": np.array(0.45)}
    arguments = [
        (point[n] + 0.2 * np.eye(*point[n].shape) if n == "X" else point[n]).astype(dtype)
        for n in formula.variables
    ]
    expected = emitted.function(*arguments)
    given = [array(argument) for argument in arguments]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compiled(emitted.function)(*given)
    for got, want in zip(found, expected, strict=True):
        assert type(got) is type(given[0])
        assert str(dtype) in str(got.dtype)
        tolerance = 2e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(np.asarray(got), want, rtol=tolerance, atol=tolerance)


def test_the_library_is_taken_that_is_not_numpy(library):
    _, array, _ = library
    find = bind(np)["_namespace"]
    given = array(np.ones((2, 1)))
    assert find(2.0, np.float64(1), given) is find(given)
    assert find(2.0, np.float64(1), np.ones(2)) is np


def test_a_derivations_own_function_takes_them_too(library):
    _, array, _ = library
    function = derive.differentiate("norm2(W*x)^2", wrt=["x"]).function()
    W, x = np.eye(2), np.ones((2, 1))
    value, gradient = function(W=array(W), x=array(x))
    assert type(value) is type(gradient["x"]) is type(array(x))
    np.testing.assert_array_equal(np.asarray(gradient["x"]), 2 * x)
    with pytest.raises(InputError, match=r"x: expected shape \(3, 1\)"):
        function(W=array(np.eye(3)), x=array(x))


@pytest.fixture(scope="module")
def with_scalars():
    """Return a derivation's own function and that of its module, both of two scalars."""
    derivation = derive.differentiate("norm2(A*x - y)^2 + c^2*norm2(x) + sqrt(d)*sum(x)")
    names = {}
    exec(numpy_module(Page(derivation)), names)  # the module itself is what is tested
    return derivation.function(), names["value_and_grad"]


def test_numbers_are_scalars_of_the_arrays_dtype(with_scalars, library):
    _, array, _ = library
    arrays = {"A": np.eye(3, 2), "x": np.ones((2, 1)), "y": np.ones((3, 1))}
    expected = 1 + 4 * np.sqrt(2) + 2 * np.sqrt(3)
    for convert in (np.asarray, array):
        given = {name: convert(entries.astype("float32")) for name, entries in arrays.items()}
        for function in with_scalars:
            for c, d in ((2, 3.0), (np.float64(2), np.int64(3))):
                value, gradients = function(**given, c=c, d=d)
                assert float(value) == pytest.approx(expected, rel=1e-6)
                for found in (value, *gradients.values()):
                    assert "float32" in str(found.dtype)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"x": np.ones(2)},
            r"x: expected shape \(n, 1\) where m = 3, n = 2, got \(2,\)\. A column",
        ),
        ({"y": np.ones(3)}, r"y: expected shape \(m, 1\) where m = 3, n = 2, got \(3,\)"),
        ({"y": np.ones((1, 3))}, r"y: expected shape \(m, 1\).*got \(1, 3\)"),
        ({"y": np.ones((2, 1))}, r"y: expected shape \(m, 1\) where m = 3, n = 2, got \(2, 1\)"),
        ({"A": np.ones(2)}, r"A: expected shape \(m, n\), got \(2,\)"),
        ({"c": np.ones((1, 1))}, r"c: expected shape \(\)"),
    ],
)
def test_a_module_refuses_arrays_that_do_not_fit(with_scalars, library, change, message):
    _, array, _ = library
    fitting = {"A": np.eye(3, 2), "x": np.ones((2, 1)), "y": np.ones((3, 1)), "c": 2.0, "d": 3.0}
    given = {n: array(v) if np.ndim(v) else v for n, v in {**fitting, **change}.items()}
    with pytest.raises(ValueError, match=message):
        with_scalars[1](**given)


def test_a_module_takes_sizes_that_dask_does_not_know(with_scalars):
    blocks = pytest.importorskip("dask.array", reason="dask is not installed")
    rows, column = blocks.ones((4, 2), chunks=2), blocks.ones((4, 1), chunks=2)
    known = rows[:, 0] > 0
    A, y = rows[known], column[known]
    assert np.isnan(A.shape[0])
    value, _ = with_scalars[1](A=A, x=blocks.ones((2, 1), chunks=2), y=y, c=np.array(1.0), d=4.0)
    assert float(value) == pytest.approx(4 + np.sqrt(2) + 4)
    with pytest.raises(
        ValueError, match=r"x: expected shape \(n, 1\) where m = nan, n = 2, got \(3, 1\)"
    ):
        with_scalars[1](A=A, x=blocks.ones((3, 1), chunks=2), y=y, c=1.0, d=4.0)
