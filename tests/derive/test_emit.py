"""Emitted functions: values, dtypes, memory, names, depth; and the code is what is executed."""

from __future__ import annotations

import inspect

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import derive
from derive.batch import batched
from derive.build import add, elementwise, hadamard, total
from derive.calling import emit_value_and_grad
from derive.emit import emit
from derive.errors import FormulaError, InputError, RefusedError
from derive.language import read_formula
from derive.scalars import U

FORMULAS = [
    "norm2(relu(W*x))^2",
    "crossentropy(softmax(W*x + b), y)",
    "sum(W*x)",
    "tr(A*X)",
    "x'*u",
    "mean(X)",
    "sum(a .* x + c)",
    "3*a",
    "step(a)*c",
    "a*c",
    "sum(sigmoid(W*x)) + sum(softplus(x))*pi",
    "logdet(X'*X + eye(4))",
    "tr(inv(X'*X + eye(4)))/a",
    "norm2(X) + sum(diagvec(X*X').*v)",
    "sum(diag(v)*X*ones(4))",
    "logsumexp(X) + sum(rowlogsumexp(X))",
    "sum(log(rowsoftmax(X)) .* Y)",
    "norm2(x + u)^2",
    "sum((x*ones(3)' + ones(n)*v').^2 + 1)",
    "sum(x.^a)",
    "sum(abs(x) .* tanh(x))",
    "a + 0*sum(x)",
    # constants, which are Python's numbers in the code and widen no array
    "sum(2.^x) + 2^0.5*x'*x",
    "mean(rowmean(X).^2)/3^(1/3)",
    "a*2^a + sum(x)*sigmoid(2)/sqrt(3)",
    "exp(1)*sum(x) + sum(log(2) + x)*mean(x)",
]
SHAPES = {
    "W": "m,n",
    "A": "4,3",
    "X": "3,4",
    "Y": "3,4",
    "b": "m",
    "x": "n",
    "y": "m",
    "u": "n",
    "v": "3",
    "a": "scalar",
    "c": "scalar",
}
EACH_FORMULA = pytest.mark.parametrize("text", FORMULAS)


def differentiated(text):
    return derive.differentiate(text, shapes={n: s for n, s in SHAPES.items() if n in text})


def arrays(formula, dtype="float64", seed=0):
    """Draw positive arguments in order; equal sizes are equal."""
    rng, sizes = np.random.default_rng(seed), {}
    result = []
    for variable in formula.variables.values():
        shape = [
            int(size) if size.is_Integer else sizes.setdefault(size, 3 + len(sizes))
            for size in getattr(variable, "shape", ())
        ]
        result.append(np.asarray(rng.uniform(0.5, 1.5, shape), dtype))
    return result


def joint(derivation, **how):
    outputs = [derivation.formula.expr, *derivation.gradient.values()]
    return emit(outputs, derivation.formula.variables, **how)


@EACH_FORMULA
def test_dtype_in_is_dtype_out(text):
    derivation = differentiated(text)
    function = joint(derivation).function
    for dtype in ("float32", "float64"):
        results = function(*arrays(derivation.formula, dtype))
        assert [np.asarray(result).dtype.name for result in results] == [dtype] * len(results)


@pytest.mark.parametrize("y", [np.ones(3), np.ones((1, 1)), np.ones((4, 1)), np.ones((1, 3))])
def test_an_array_of_another_shape_is_refused(y):
    function = derive.differentiate("norm2(A*x - y)^2").function()
    with pytest.raises(InputError, match=r"y: expected shape \(3, 1\), got"):
        function(np.ones((3, 2)), np.ones((2, 1)), y)


def test_integers_do_not_overflow():
    function = derive.differentiate("x'*x*a").function()
    value, gradient = function(np.full((2, 1), 10**10), 1)
    assert (float(value), float(gradient["a"])) == (2e20, 2e20)
    value, gradient = function(np.ones((2, 1), np.float32), 3)
    assert {value.dtype, gradient["x"].dtype} == {np.dtype("float32")}


CHAINS = ["tanh", "sigmoid", "softplus", "exp(sin"]
LONG = [
    *(f"sum({f'{f}(' * 200}x{')' * 200 * (1 + f.count('('))})" for f in CHAINS),
    "sum(sigmoid(x)" + "".join(f".*(x + {i}*y - z)" for i in range(1, 31)) + ")",
]


@pytest.mark.parametrize("text", LONG, ids=[*CHAINS, "sums"])
def test_code_of_long_formulas_is_in_proportion(text):
    """Recognising a function must not take chains into one another, nor multiply sums out."""
    derivation = derive.differentiate(text, wrt=["x"])
    emitted = joint(derivation)
    printed = sum(map(len, [*emitted.statements, *emitted.results]))
    assert printed < 100 * len(text)


@pytest.mark.parametrize("kind", [bool, np.int8, np.int64])
def test_integers_take_the_dtype_of_the_floating_point_arrays(kind):
    function = derive.differentiate("crossentropy(softmax(x), y)", wrt=["x"]).function()
    y = np.array([[0], [1]], kind)
    value, gradient = function(np.ones((2, 1), np.float32), y)
    assert {value.dtype, gradient["x"].dtype} == {np.dtype("float32")}


def test_lists_are_arrays_and_complex_numbers_are_none():
    function = derive.differentiate("norm2(A*x)^2").function()
    assert float(function([[1.0, 2.0]] * 3, [[1.0], [1.0]])[0]) == 27.0
    with pytest.raises(InputError, match="x: expected real numbers, got an array of complex128"):
        function(np.ones((3, 2)), np.ones((2, 1), complex))


@EACH_FORMULA
def test_integers_give_the_numbers_that_floats_give(text):
    derivation = differentiated(text)
    ones = [np.ones_like(array, dtype=int) + 1 for array in arrays(derivation.formula)]
    function = joint(derivation).function
    for got, expected in zip(function(*ones), function(*(o * 1.0 for o in ones)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@EACH_FORMULA
@pytest.mark.parametrize("tuned", [False, True])
def test_arguments_are_not_modified_and_results_are_the_receivers_own(text, tuned):
    derivation = differentiated(text)
    arguments = arrays(derivation.formula)
    before = [array.copy() for array in arguments]
    results = joint(derivation, tuned=tuned).function(*arguments)
    owned = [np.asarray(result) for result in results]
    for i, result in enumerate(owned):
        assert not any(np.shares_memory(result, array) for array in arguments)
        assert not any(np.shares_memory(result, other) for other in owned[:i])
        assert not isinstance(results[i], np.ndarray) or result.flags.writeable
    for array, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@EACH_FORMULA
def test_scalars_may_be_python_numbers(text):
    derivation = differentiated(text)
    arguments = arrays(derivation.formula, "float32")
    plain = [float(array) if array.ndim == 0 else array for array in arguments]
    for got, expected in zip(
        joint(derivation).function(*plain), joint(derivation).function(*arguments), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=2e-5)
        if any(array.ndim for array in arguments) and np.ndim(got):
            assert got.dtype == np.float32  # a Python number does not widen an array


@EACH_FORMULA
def test_the_code_printed_is_the_code_executed(text):
    derivation = differentiated(text)
    emitted = joint(derivation)
    source = inspect.getsource(emitted.function)
    lines = [line.strip() for line in source.strip().splitlines()[1:]]
    library = (emitted.library,) if emitted.library else ()
    assert tuple(lines[:-1]) == (*library, *emitted.statements)
    assert lines[-1] == f"return ({', '.join(emitted.results)},)"


SMOOTH = [text for text in FORMULAS if "abs" not in text and "relu" not in text]


@pytest.mark.parametrize("text", [t for t in SMOOTH if "logdet" not in t and "step" not in t])
def test_a_complex_step_gives_the_gradient(text):
    derivation = differentiated(text)
    order = list(derivation.formula.variables)
    value = emit([derivation.formula.expr], derivation.formula.variables).function
    point = dict(zip(order, arrays(derivation.formula), strict=True))
    gradients = joint(derivation).function(*point.values())[1:]
    for name, gradient in zip(derivation.gradient, gradients, strict=True):
        expected = np.zeros(np.shape(point[name]))
        for index in np.ndindex(expected.shape):
            moved = {n: array.astype(complex) for n, array in point.items()}
            moved[name][index] += 1e-30j
            expected[index] = value(*moved.values())[0].imag / 1e-30
        np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12)


def test_value_and_gradients_share_their_computation():
    emitted = joint(differentiated("crossentropy(softmax(W*x + b), y)"))
    text = "\n".join((*emitted.statements, *emitted.results))
    assert text.count("W @ x") == 1
    assert text.count("xp.exp(") == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("c + 0.00001", "1e-5 + c"),
        ("c + 0.0001234", "1.234e-4 + c"),
        ("c + 0.001", "0.001 + c"),
        ("c^(3/2)", "c**1.5"),
        ("c^(-1/2)*c^(1/3)*sqrt(2)", "2**0.5 / c**(1/6)"),
    ],
)
def test_numbers_are_written_as_in_python(text, code):
    formula = read_formula(text)
    assert emit([formula.expr], formula.variables).results == (code,)


def test_no_ones_are_formed_for_sums_and_stretches():
    derivation = derive.differentiate("sum(log(rowsoftmax(X)) .* Y) + sum((1 + x) .* x)")
    emitted = joint(derivation)
    assert "ones" not in "\n".join((*emitted.statements, *emitted.results))


# --- Names ----------------------------------------------------------------------------------------

NAMED = [
    ("lambda*norm2(x)^2", {"lambda": "scalar"}),
    ("lambda*lambda_*sum(x.^lambda)", {"lambda": "scalar", "lambda_": "scalar"}),
    ("norm2(class*x + None)^2", {"class": "m,n", "None": "m"}),
    ("np*numpy*numpy_*sum(exp(x))", {"np": "scalar", "numpy": "scalar", "numpy_": "scalar"}),
    ("value*sum(sigmoid(POINT))", {"value": "scalar", "POINT": "3"}),
    ("n*sum(x) + m*n", {"n": "scalar", "m": "scalar", "x": "n"}),
    ("norm2(t1 + t2)^2*sum(t1 + t2)", {"t1": "3", "t2": "3"}),
    ("norm2(z)^3 + norm2(relu(a*z))^2 + norm2(relu(a*z))", {"z": "n", "a": "scalar"}),
    ("sum(print + len)*float", {"print": "n", "len": "n", "float": "scalar"}),
    ("sum(N)*sum(W*x)", {"N": "3"}),
]


@pytest.mark.parametrize(("text", "shapes"), NAMED)
def test_any_name_of_a_variable_will_do(text, shapes):
    try:
        derivation = derive.differentiate(text, shapes=shapes)
    except FormulaError:
        pytest.skip("the language has another use for the name")
    plain = arrays(derivation.formula)
    renamed = dict(zip(derivation.formula.variables, "pqrstu", strict=False))
    emitted = joint(derivation)
    assert len(set(emitted.arguments)) == len(derivation.formula.variables)
    results = emitted.function(*plain)
    eps = 1e-6
    for position, name in enumerate(renamed):
        for index in np.ndindex(plain[position].shape):
            sides = []
            for side in (eps, -eps):
                moved = [array.copy() for array in plain]
                moved[position][index] += side
                sides.append(float(emitted.function(*moved)[0]))
            gradient = results[1 + list(derivation.gradient).index(name)]
            difference = (sides[0] - sides[1]) / (2 * eps)
            assert np.asarray(gradient)[index] == pytest.approx(difference, rel=1e-5, abs=1e-6)


def test_a_keyword_gets_a_trailing_underscore():
    formula = read_formula("lambda*a", shapes={"lambda": "scalar"})
    assert emit([formula.expr], formula.variables).arguments == ("lambda_", "a")


def test_gradients_come_by_the_variables_names():
    derivation = derive.differentiate("lambda*norm2(x)^2", shapes={"lambda": "scalar"})
    value, gradients = emit_value_and_grad(derivation)(np.float64(2), np.ones((3, 1)))
    assert float(value) == 6.0
    assert list(gradients) == ["lambda", "x"]


def test_a_variable_that_a_gradient_does_not_use_is_an_argument_all_the_same():
    derivation = derive.differentiate("sum(x) + 0*sum(y)", shapes={"x": "n", "y": "n"})
    _, gradients = derivation.function()(np.ones((2, 1)), np.ones((2, 1)))
    assert gradients["y"].tolist() == [[0.0], [0.0]]


def test_a_size_that_no_argument_has_is_refused():
    formula = read_formula("norm2(ones(k))^2*a")
    with pytest.raises(RefusedError, match="cannot know the size k"):
        emit([formula.expr], formula.variables)


# --- Extremes, against fifty digits ---------------------------------------------------------------

LOGITS = [
    [1e4, -1e4, 0.0, 3.0],
    [-1e4, -1e4, -1e4, -1e4],
    [1e4, 1e4, 1e4, 1e4],
    [0.0, 0.0, 0.0, 0.0],
    [1e4, 1e4 - 1, -3.0, 9990.0],
    [700.0, -700.0, 88.0, -104.0],
]


def exactly(logits, one_hot):
    """Return the cross-entropy and its gradient by the logits to fifty digits."""
    with mpmath.workdps(50):
        z = [mpmath.mpf(float(value)) for value in logits]
        total = mpmath.fsum(mpmath.exp(value) for value in z)
        loss = mpmath.fsum(y * (mpmath.log(total) - v) for v, y in zip(z, one_hot, strict=True))
        gradient = [mpmath.exp(v) / total - y for v, y in zip(z, one_hot, strict=True)]
        return float(loss), np.array([float(entry) for entry in gradient])


@pytest.mark.parametrize("logits", LOGITS)
@pytest.mark.parametrize("label", range(4))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_give_the_right_cross_entropy(logits, label, dtype):
    derivation = derive.differentiate(
        "crossentropy(softmax(z + b), y)",
        assumptions={"y": ["onehot"]},
        shapes={"b": "n", "z": "n"},
    )
    z, y = np.array(logits, dtype)[:, None], np.eye(4, dtype=dtype)[:, [label]]
    with np.errstate(all="raise", under="ignore"):
        value, gradients = derivation.function()(z=z, b=np.zeros_like(z), y=y)
    loss, gradient = exactly(z.ravel(), y.ravel())
    eps = float(np.finfo(dtype).eps)
    assert float(value) == pytest.approx(loss, rel=8 * eps, abs=8 * eps)
    for name in ("z", "b"):
        np.testing.assert_allclose(gradients[name].ravel(), gradient, rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("tuned", [False, True])
def test_extreme_logits_give_the_right_means_in_a_batch(tuned):
    derivation = derive.differentiate("crossentropy(softmax(W*x), y)", wrt=["W"])
    batch = batched(derivation, ["x", "y"])
    emitted = emit([batch.value, *batch.gradient.values()], batch.variables, tuned=tuned)
    x, y = np.array(LOGITS), np.eye(4)[[0, 1, 2, 3, 1, 1]]
    with np.errstate(all="raise", under="ignore"):
        value, gradient = emitted.function(np.eye(4), x, y)
    losses, gradients = zip(*map(exactly, x, y), strict=True)
    assert float(value) == pytest.approx(np.mean(losses), rel=1e-14)
    np.testing.assert_allclose(gradient, np.array(gradients).T @ x / len(x), rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("logits", LOGITS)
def test_extreme_entries_give_the_right_log_sum_exp(logits):
    derivation = derive.differentiate("logsumexp(X) + sum(rowlogsumexp(X))", shapes={"X": "2,2"})
    X = np.array(logits).reshape(2, 2)
    with np.errstate(all="raise", under="ignore"):
        value, gradients = derivation.function()(X)

    def log_sum_exp(z):
        with mpmath.workdps(50):
            return mpmath.log(mpmath.fsum(mpmath.exp(mpmath.mpf(v)) for v in z))

    whole, rows = log_sum_exp(X.ravel()), [log_sum_exp(row) for row in X]
    assert float(value) == pytest.approx(float(whole + sum(rows)), rel=1e-14)
    for (i, j), entry in np.ndenumerate(X):
        with mpmath.workdps(50):
            expected = mpmath.exp(entry - whole) + mpmath.exp(entry - rows[i])
        assert gradients["X"][i, j] == pytest.approx(float(expected), rel=1e-14)


# --- Depth and width ------------------------------------------------------------------------------


def nested(template, depth):
    text = "x"
    for _ in range(depth):
        text = template.format(text)
    return read_formula(f"sum({text})", shapes={"x": "n", "W": "n,n"})


@pytest.mark.parametrize("template", ["tanh({})", "sin(W*{})", "sigmoid({} .* x)", "exp(-{})./2"])
def test_a_long_chain_is_emitted(template):
    depth = 1000 if template == "tanh({})" else 350
    formula = nested(template, depth)
    function = emit([formula.expr], formula.variables).function
    arguments = [np.full([2 if s.is_Symbol else int(s) for s in v.shape], 1e-2)
                 for v in formula.variables.values()]  # fmt: skip
    with np.errstate(over="ignore"):
        (value,) = function(*arguments)
    x = arguments[list(formula.variables).index("x")]
    W = arguments[0]
    expected = x
    functions = {
        "tanh({})": np.tanh,
        "sin(W*{})": lambda z: np.sin(W @ z),
        "sigmoid({} .* x)": lambda z: 1 / (1 + np.exp(-z * x)),
        "exp(-{})./2": lambda z: np.exp(-z) / 2,
    }
    for _ in range(depth):
        expected = functions[template](expected)
    assert float(value) == pytest.approx(float(expected.sum()), rel=1e-12)


def test_a_value_used_twice_at_every_level_is_printed_once():
    formula = read_formula("sum(x)", shapes={"x": "n"})
    expr = formula.variables["x"]
    for _ in range(40):
        one = elementwise(U**3, expr)
        expr = add(hadamard(one, elementwise(1 / (1 + U**2), expr)), one)
    emitted = emit([total(expr)], formula.variables)
    assert len("\n".join(emitted.statements)) < 20_000


@pytest.mark.parametrize("count", [50, 400])
def test_a_long_sum_and_a_long_product_are_emitted(count):
    terms = " + ".join(f"sin({i}*x)" for i in range(1, count))
    formula = read_formula(f"sum({terms})", shapes={"x": "n"})
    (value,) = emit([formula.expr], formula.variables).function(np.full((2, 1), 0.1))
    assert float(value) == pytest.approx(2 * sum(np.sin(0.1 * i) for i in range(1, count)))
    factors = "*".join(["A", "B"] * (count // 2))
    formula = read_formula(f"sum({factors}*x)", shapes={"A": "n,n", "B": "n,n", "x": "n"})
    A, B, x = np.diag([1.1, 0.9]), np.diag([0.9, 1.1]), np.ones((2, 1))
    (value,) = emit([formula.expr], formula.variables).function(A, B, x)
    assert float(value) == pytest.approx(2 * 0.99 ** (count // 2))


# --- Random formulas ------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.data())
def test_random_values_agree_with_the_language(formulas, evaluate, data):
    random = data.draw(formulas())
    try:
        formula = random.read()
    except FormulaError:
        return
    point = random.point(formula, lambda values: evaluate(random.text, values, random.sizes))
    if point is None:
        return
    if not {str(size) for size in formula.expr.free_symbols if size.is_integer} <= {
        str(size) for v in formula.variables.values() for size in getattr(v, "shape", ())
    }:
        return  # a size that no argument has, which is refused
    order = list(formula.variables)
    with np.errstate(all="ignore"):
        expected = float(evaluate(random.text, point, random.sizes))
        for tuned in (False, True):
            function = emit([formula.expr], formula.variables, tuned=tuned).function
            (value,) = function(*(point[name] for name in order))
            assert float(value) == pytest.approx(expected, rel=1e-7, abs=1e-9)
