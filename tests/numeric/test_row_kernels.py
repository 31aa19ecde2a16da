"""Kernels of rows give what emitted code gives; Triton interprets them where no GPU is."""

import gc
import os
from functools import cache
from weakref import ref

import numpy as np
import pytest

from derive.batch import batched
from derive.derivatives import differentiate
from derive.emit import emit
from derive.errors import RefusedError
from derive.graph import shape_of
from derive.language import read_formula
from numeric import row_kernels
from numeric.row_kernels import ByRows, by_rows
from numeric.triton_code import BY_ENTRY, NotByRowsError

torch = pytest.importorskip("torch", reason="the extra torch is not installed")
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
pytest.importorskip("triton", reason="Triton, which comes with torch for GPUs, is not installed")


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """Give Triton's interpreter the functions of the GPU's library, which it has not."""
    if torch.cuda.is_available():
        return
    from triton.language import block_type, float32, tensor
    from triton.language.extra import libdevice
    from triton.runtime.interpreter import TensorHandle

    def interpreted(function):
        def apply(*operands):
            arrays = [o.handle.data if isinstance(o, tensor) else o for o in operands]
            found = function(*map(torch.asarray, arrays)).float().numpy()
            return tensor(TensorHandle(found, float32), block_type(float32, list(found.shape)))

        return apply

    for name, code in BY_ENTRY.items():
        if "libdevice" in code:
            function = code.partition("(")[0].removeprefix("libdevice.")
            monkeypatch.setattr(libdevice, function, interpreted(getattr(torch, name)))


# Rows beyond the last are computed with as well, and dropped: 0/0, say.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SAMPLES, FEATURES, CLASSES = 150, 100, 3  # more features than a kernel holds
FORMULAS = {
    "crossentropy(softmax(W*x + b), y)": {"W": "k,n", "b": "k"},
    "crossentropy(softmax(V*relu(W*x + b) + c), y)": {"W": "5,n", "V": "k,5", "b": "5", "c": "k"},
    "norm2(W*x + b - y)^2 + 0.1*norm2(W)^2": {"W": "k,n", "b": "k"},
    "norm2(W*x - y)": {"W": "k,n"},
    "logsumexp(W*x + b) - y'*(W*x + b)": {"W": "k,n", "b": "k"},
    "sum((sigmoid(W*x) - y).^2)/2": {"W": "k,n"},
    "a*sum(abs(W*x - y)) + sum(max(W*x, y))": {"W": "k,n"},
    "sum(exp(-(W*x - y).^2))": {"W": "k,n"},
    "(w'*x - ones(k)'*y)^2 + b^2": {"w": "n", "b": "scalar"},
    "log(1 + exp(-(2*y'*ones(k) - 1)*(w'*x + b)))": {"w": "n", "b": "scalar"},
    "crossentropy(softmax(U*tanh(V*relu(W*x + b) + c)), y)": {
        "W": "64,n",
        "V": "64,64",
        "U": "k,64",
        "b": "64",
        "c": "64",
    },
    "norm2(V*((W*x) .* (1 + erf(W*x))) - y)^2": {"W": "5,n", "V": "k,5"},  # GELU, by erfc
    "sum(tan(W*x) + sinh(W*x) + log1p(y.*(W*x).^2)) + sum((1 + abs(W*x)).^1.5)": {"W": "k,n"},
    "sum(arcsin(W*x) + arccos(W*x).^2 + arctan(W*x) + cosh(W*x) - expm1(W*x) + y)": {"W": "k,n"},
}
REFUSED = {
    "norm2(x - A*B*x)^2 + sum(y)": {"A": "n,2", "B": "2,n"},  # entries of long rows
    "norm2(V*tanh(W*x) - y)^2": {"W": "70,n", "V": "k,70"},  # more columns than a kernel holds
}


@cache
def problem(text):
    """Return the emitted function of a formula for samples x and y, and float32 tensors for it."""
    formula = read_formula(text, {**(REFUSED | FORMULAS)[text], "x": "n", "y": "k"})
    names = [name for name in formula.variables if name not in ("x", "y")]
    batch = batched(differentiate(formula, wrt=names), ["x", "y"])
    emitted = emit([batch.value, *batch.gradient.values()], batch.variables)

    def function(**arrays):
        value, *gradients = emitted.function(*(arrays[name] for name in emitted.arguments))
        return value, dict(zip(batch.gradient, gradients, strict=True))

    random = np.random.default_rng(5)

    def tensor(*shape):
        return torch.asarray(random.standard_normal(shape).astype("float32") / 8)

    sizes = {"n": FEATURES, "k": CLASSES}
    shapes = {name: shape_of(formula.variables[name]) for name in names}
    parameters = {
        name: tensor(*(int(sizes.get(str(size), size)) for size in shape))
        for name, shape in shapes.items()
    }
    labels = torch.eye(CLASSES)[torch.arange(SAMPLES) % CLASSES]
    return function, parameters, {"x": tensor(SAMPLES, FEATURES), "y": labels}


@pytest.mark.parametrize("formula", FORMULAS)
def test_kernels_give_what_the_code_gives(formula):
    function, parameters, samples = problem(formula)
    value, gradients = function(**parameters, **samples)
    found, others = by_rows(function, parameters, samples)
    assert float(found) == pytest.approx(float(value), rel=1e-5)
    assert others.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (others[name].shape, others[name].dtype) == (gradient.shape, torch.float32)
        assert (others[name] - gradient).norm() <= 1e-5 * gradient.norm()


@pytest.mark.parametrize("formula", REFUSED)
def test_what_kernels_of_rows_cannot_do_is_called_as_it_is(formula):
    function, parameters, samples = problem(formula)
    with pytest.raises(NotByRowsError):
        by_rows(function, parameters, samples)
    expected, _ = function(**parameters, **samples)
    for _ in range(2):
        value, _ = ByRows(function, lambda: False)(parameters, samples)
        assert float(value) == float(expected)


def test_numbers_that_are_not_finite_come_out_as_the_code_gives_them():
    function, parameters, samples = problem(next(iter(FORMULAS)))
    for number in (torch.nan, torch.inf):
        images = samples["x"].clone()
        images[3, 1] = number
        value, gradients = function(**parameters, x=images, y=samples["y"])
        given = parameters, {**samples, "x": images}
        found, others = by_rows(function, *given)
        ByRows(function, lambda: False)(*given)  # which compares
        assert torch.equal(found.isnan(), value.isnan())
        for name, gradient in gradients.items():
            assert torch.equal(others[name].isnan(), gradient.isnan())


def test_gradients_that_cancel_at_a_minimum_are_not_taken_for_a_defect():
    function, parameters, samples = problem("norm2(W*x + b - y)^2 + 0.1*norm2(W)^2")
    x = torch.cat([samples["x"], torch.ones(SAMPLES, 1)], 1).double()
    penalty = 0.1 * SAMPLES * torch.eye(FEATURES + 1).double()
    penalty[-1, -1] = 0  # of b
    both = torch.linalg.solve(x.T @ x + penalty, x.T @ samples["y"].double()).T.float()
    parameters = {"W": both[:, :-1], "b": both[:, -1:]}
    by_rows(function, parameters, samples)
    _, gradients = ByRows(function, lambda: False)(parameters, samples)  # which compares
    assert max(gradient.norm() for gradient in gradients.values()) < 1e-6


def test_rows_that_a_kernel_writes_are_freed_with_the_results():
    function, parameters, samples = problem("norm2(W*x - y)")
    gc.disable()
    try:
        written = []

        def watched(**arrays):
            value, gradients = function(**arrays)
            text = arrays["x"].block.text
            written.extend(ref(array) for array in text._memory if len(array) == SAMPLES)
            return value, gradients

        by_rows(watched, parameters, samples)
        assert len(written) == 3  # the samples, and what becomes of them
        assert sum(array() is not None for array in written) == 2
    finally:
        gc.enable()


def test_a_function_of_no_samples_is_called_as_it_is():
    function = ByRows(lambda w: (w.sum(), {"w": torch.ones_like(w)}), lambda: False)
    assert float(function({"w": torch.ones(2, 1)}, {})[0]) == 2


def test_a_kernel_that_triton_cannot_compile_is_left_to_torch(monkeypatch):
    def refuse(_):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr("numeric.triton_code._compiled", refuse)
    function, parameters, samples = problem(next(iter(FORMULAS)))
    with pytest.raises(NotByRowsError, match="find C compiler"):
        by_rows(function, parameters, samples)


def test_double_precision_is_left_to_torch():
    function, parameters, samples = problem(next(iter(FORMULAS)))
    parameters = {name: array.double() for name, array in parameters.items()}
    with pytest.raises(NotByRowsError, match="another dtype than float32"):
        by_rows(function, parameters, samples)


def test_kernels_that_give_something_else_are_refused(monkeypatch):
    function, parameters, samples = problem(next(iter(FORMULAS)))
    value, gradients = function(**parameters, **samples)
    for wrong in (gradients["b"] * 1.01, gradients["b"] * torch.nan, gradients["b"].T):
        found = (value, {**gradients, "b": wrong})
        monkeypatch.setattr(row_kernels, "by_rows", lambda *_, found=found: found)
        with pytest.raises(RefusedError, match="do not give what the emitted code gives"):
            ByRows(function, lambda: False)(parameters, samples)
    ByRows(function, lambda: True)(parameters, samples)  # which cannot compare
