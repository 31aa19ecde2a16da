"""Emitted code in place, in parts and in blocks of rows: the numbers of the code itself."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest

import derive
from derive.batch import batched
from derive.emit import emit
from derive.language import read_formula
from numeric import in_place, row_blocks, small_products
from numeric.in_place import InPlace
from numeric.row_blocks import RowBlocks

SHAPES = {"W": "4,6", "x": "6", "b": "4", "y": "4", "V": "5,4", "a": "scalar", "c": "4"}
ONE_SAMPLE = {
    "softmax": "crossentropy(softmax(W*x + b), y)",
    "network": "norm2(V*tanh(W*x + b))^2 + a*norm2(W)^2",
    "kernels": "sum(sigmoid(W*x) .* softplus(b) + erf(W*x)) + a",
    "quotients": "sum(exp(W*x) ./ (1 + (W*x + b).^2)) / (1 + a^2)",
    "transposed": "norm2(W*x*(b'*b) + b)^2 + tr(W*x*x'*W')",
    "kinks": "sum(max(W*x, b)) + norm1(W*x - y)",
    "linear": "b'*W*x",
    "constant": "sum(b) + a",
}
EACH = pytest.mark.parametrize("name", ONE_SAMPLE)
EACH_OF_SAMPLES = pytest.mark.parametrize("name", [n for n, f in ONE_SAMPLE.items() if "x" in f])


class Counted(dict):
    """Note every look at a dictionary."""

    def __init__(self, of, looks):
        super().__init__(of)
        self.looks = looks

    def get(self, key):
        self.looks.append(key)
        return super().get(key)


def code(name, names=("x", "y")):
    text = ONE_SAMPLE[name]
    used = [n for n in names if re.search(rf"\b{n}\b", text)]
    formula = read_formula(text, {n: s for n, s in SHAPES.items() if n in text})
    wrt = [n for n in formula.variables if n not in used]
    batch = batched(derive.differentiate(formula, wrt=wrt), used)
    outputs = [batch.value, *batch.gradient.values()]
    return emit(outputs, batch.variables, tuned=True), used, batch.variables


def point(variables, rows, seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [
        np.asarray(
            rng.uniform(
                0.2, 1, [int(n) if n.is_Integer else rows for n in getattr(v, "shape", ())]
            ),
            dtype,
        )
        for v in variables.values()
    ]


def copies(results):
    return [np.array(result) for result in results]


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_in_place_gives_the_very_same_numbers(name, dtype):
    emitted, _, variables = code(name)
    function = InPlace(emitted)
    for seed, rows in enumerate((7, 7, 3, 7)):  # memory is used again, and is one set a shape
        arguments = point(variables, rows, seed, dtype)
        kept = copies(arguments)
        found, expected = function(*arguments), emitted.function(*arguments)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_array_equal(got, want)
            assert np.asarray(got).dtype == dtype
        for argument, copy in zip(arguments, kept, strict=True):
            np.testing.assert_array_equal(argument, copy)


def test_portable_code_is_written_in_place_too():
    formula = read_formula("sum(sigmoid(W*x)) + sum(exp(W))")
    emitted = emit([formula.expr], formula.variables)
    W, x = np.ones((3, 2)), np.ones((2, 1))
    assert InPlace(emitted)(W, x) == emitted.function(W, x)


def test_results_and_intermediates_keep_their_memory():
    emitted, _, variables = code("softmax")
    function = InPlace(emitted)
    first, second = (function(*point(variables, 7, seed)) for seed in (0, 1))
    assert np.shares_memory(first[1], second[1])
    tracemalloc.start()
    try:
        function(*point(variables, 7, 2))
        large = point(variables, 50_000, 0)
        function(*large)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        function(*large)
        assert tracemalloc.get_traced_memory()[1] - before < 100_000  # no matrix of 50,000 rows
    finally:
        tracemalloc.stop()


def test_entries_are_written_over_what_nobody_reads_any_more(monkeypatch):
    plans = []

    class Kept(in_place._Plan):
        def __init__(self, *given):
            super().__init__(*given)
            plans.append(self)

    monkeypatch.setattr(in_place, "_Plan", Kept)
    emitted, _, variables = code("softmax")
    InPlace(emitted)(*map(np.asfortranarray, point(variables, 7, 0)))
    # The product, its copy in column order that becomes z - max, and exp(z - max).
    assert sum(memory.shape == (7, 4) for memory in plans[0].memory.values()) == 3


@pytest.fixture
def small(monkeypatch):
    """Products in parts on any processor, and of few rows."""
    monkeypatch.setattr(small_products, "_has_small_kernel", lambda: True)
    monkeypatch.setattr(small_products, "_MULTIPLICATIONS", 512)
    monkeypatch.setattr(small_products, "_FEWEST", 2)


SIZES = [(96, 6, 4), (4, 96, 6), (95, 6, 4), (97, 97, 2), (96, 96, 6), (2, 3, 4), (1, 512, 8)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
def test_products_in_parts_are_the_product(sizes, orders):
    (p, q, r), rng = sizes, np.random.default_rng(0)
    left = np.asarray(rng.standard_normal((p, q)), order=orders[0])
    right = np.asarray(rng.standard_normal((q, r)), order=orders[1])
    out = np.empty((p, r))
    found = small_products.way(left, right, out)
    if found is not None:
        names = {"left": left, "right": right, "out": out, "memory": found.memory, "np": np}
        *first, last = (text.format(**dict(zip(names, names, strict=True))) for text in found.texts)
        for text in first:
            eval(text, names)
        out = eval(last, names)
    np.testing.assert_allclose(out if found else left @ right, left @ right, rtol=1e-13, atol=1e-13)


@pytest.mark.usefixtures("small")
def test_many_rows_and_long_sums_are_taken_in_parts():
    def texts(p, q, r):
        found = small_products.way(np.ones((p, q)), np.ones((q, r)), np.ones((p, r)))
        return found and found.texts

    assert texts(96, 6, 4) == (
        "{np}.matmul({left}.reshape(6, 16, 6), {right}, out={memory})",
        "{out}",
    )
    assert "add.reduce" in texts(4, 96, 6)[1]
    assert texts(2, 3, 4) is None
    assert texts(97, 6, 4) is None  # a prime number of rows


def test_where_there_is_no_such_kernel_a_wide_product_is_turned(monkeypatch):
    monkeypatch.setattr(small_products, "_has_small_kernel", lambda: False)
    errors, x = np.ones((30, 4)), np.ones((30, 64))
    found = small_products.way(errors.T, x, np.ones((4, 64)))
    assert found.texts == ("{np}.matmul({right}.T, {left}.T, out={memory})", "{memory}.T")
    assert small_products.way(errors, np.ones((4, 64)), np.ones((30, 64))) is None
    assert small_products.way(errors.T, np.ones((30, 8)), np.ones((4, 8))) is None


@EACH
@pytest.mark.usefixtures("small")
def test_in_place_with_products_in_parts(name):
    emitted, _, variables = code(name)
    arguments = point(variables, 96, 0)
    for got, want in zip(InPlace(emitted)(*arguments), emitted.function(*arguments), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@EACH_OF_SAMPLES
@pytest.mark.parametrize("rows", [1, 63, 64, 128, 200, 1024, 1500])
@pytest.mark.parametrize("cores", [1, 3])
def test_blocks_of_rows_give_the_means_over_all(name, rows, cores, monkeypatch):
    monkeypatch.setattr(row_blocks, "_BLOCK", 1)
    monkeypatch.setattr(row_blocks, "_cores", lambda: cores)
    emitted, used, variables = code(name)
    function = RowBlocks(emitted, used)
    for seed in (0, 1):
        arguments = point(variables, rows, seed)
        found = copies(function(*arguments))
        for got, want in zip(found, emitted.function(*arguments), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_products_with_vectors_are_not_cut(monkeypatch):
    monkeypatch.setattr(row_blocks, "_BLOCK", 1)
    formula = read_formula("norm2(X*w)^2/n", {"X": "n,300", "w": "300"})
    emitted = emit([formula.expr], formula.variables, tuned=True)
    function, arguments = RowBlocks(emitted, {"X"}), [np.ones((4096, 300)), np.ones((300, 1))]
    monkeypatch.setattr(RowBlocks, "_sum", lambda *_: pytest.fail("it was cut"))
    np.testing.assert_allclose(function(*arguments)[0], 300**2, rtol=1e-12)


def test_blocks_are_the_same_from_run_to_run():
    emitted, used, variables = code("softmax")
    arguments = point(variables, 200_000, 0, "float32")
    runs = [copies(RowBlocks(emitted, used)(*arguments)) for _ in range(3)]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("text", "calls"),
    # A block and the whole, then the whole; blocks where their own values are worth keeping.
    [("mean(softplus(X*w))", [2, 1]), ("norm2(tanh(X*V))^2/n", [6, 5])],
    ids=["a vector's products", "wide values"],
)
def test_products_with_vectors_are_taken_whole(monkeypatch, text, calls):
    monkeypatch.setattr("numeric.row_blocks._BLOCK", 64 * 200 * 8)
    formula = read_formula(text, {"X": "n,200", "w": "200", "V": "200,100"})
    emitted = emit([formula.expr], formula.variables, tuned=True)
    function, found = RowBlocks(emitted, {"X"}), []
    for core in function._cores:
        core.has_small_products = False
        monkeypatch.setattr(core, "_functions", Counted(core._functions, found))
    arguments = point(formula.variables, 5 * 64 * 8, 0)
    for number in calls:
        found.clear()
        value = function(*arguments)[0]
        assert value == pytest.approx(emitted.function(*arguments)[0], rel=1e-12)
        assert len(found) == number


def test_a_warning_that_is_switched_off_stays_so_in_other_threads():
    formula = read_formula("sum(exp(X*w))/n", {"X": "n,2", "w": "2"})
    function = RowBlocks(emit([formula.expr], formula.variables, tuned=True), {"X"})
    with np.errstate(all="ignore"):
        assert np.isinf(function(np.full((2**18, 2), 1e4), np.ones((2, 1)))[0])


@pytest.mark.usefixtures("small")
def test_any_name_of_a_variable_is_kept_apart():
    shapes = {"np": "4", "w1": "4", "v0": "4,6", "x": "6"}
    formula = read_formula("norm2(tanh(v0*x + np) + w1)^2", shapes)
    batch = batched(derive.differentiate(formula, wrt=["v0", "np", "w1"]), ["x"])
    outputs = [batch.value, *batch.gradient.values()]
    emitted = emit(outputs, batch.variables, tuned=True)
    arguments = point(batch.variables, 96, 0)
    for got, want in zip(InPlace(emitted)(*arguments), emitted.function(*arguments), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
