"""The batched form equals a loop over samples, for value and every gradient, or is refused."""

from __future__ import annotations

import contextlib
import random
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import derive
from derive.batch import batched, batched_rows
from derive.calling import emit_value_and_grad
from derive.emit import emit
from derive.errors import InputError, RefusedError
from derive.language import read_formula
from derive.notation import TEXT

SHAPES = {
    name: shape
    for shape, names in {
        "m,n": "W",
        "k,m": "V",
        "n,n": "Q",
        "n": "xu",
        "m": "bw",
        "k": "cy",
    }.items()
    for name in names
} | {"s": "scalar", "a": "scalar"}
SIZES = {"n": 3, "m": 4, "k": 2}
SAMPLES = 5


def derivation_of(text, wrt=None):
    """Read a formula, with the shapes of the names that it has."""
    used = {name: shape for name, shape in SHAPES.items() if name in _names(text)}
    return derive.differentiate(text, wrt=wrt, shapes=used)


def _names(text):
    return set(re.findall(r"[A-Za-z]\w*", text))


def draw(formula, rng):
    return {
        name: rng.standard_normal([SIZES.get(str(n)) or int(n) for n in getattr(v, "shape", ())])
        for name, v in formula.variables.items()
    }


def assert_equals_a_loop(derivation, names, seed=0):
    """Compare the batched code, plain and tuned, with the means over single samples."""
    formula, rng = derivation.formula, np.random.default_rng(seed)
    batch = batched(derivation, names)
    fixed, samples = draw(formula, rng), [draw(formula, rng) for _ in range(SAMPLES)]
    points = [{**fixed, **{name: sample[name] for name in names}} for sample in samples]
    order, one = list(formula.variables), emit_value_and_grad(derivation)
    single = [one(*(point[name] for name in order)) for point in points]
    rows = {name: np.stack([point[name].reshape(-1) for point in points]) for name in names}
    expected = [np.mean([value for value, _ in single], axis=0)]
    for name in derivation.gradient:
        each = np.stack([gradient[name] for _, gradient in single])
        expected.append(each.reshape(SAMPLES, -1) / SAMPLES if name in names else each.mean(axis=0))
    outputs = [batch.value, *batch.gradient.values()]
    for tuned in (False, True):
        function = emit(outputs, batch.variables, tuned=tuned).function
        got = function(*({**fixed, **rows}[name] for name in order))
        for result, mean in zip(got, expected, strict=True):
            assert np.shape(result) == mean.shape
            size = max(1.0, float(np.max(np.abs(mean))))
            np.testing.assert_allclose(result, mean, rtol=1e-9, atol=1e-11 * size)


CASES = [
    ("crossentropy(softmax(W*x + b), w)", ["x", "w"]),
    ("crossentropy(softmax(V*relu(W*x + b) + c), y)", ["x", "y"]),
    ("crossentropy(softmax(V*tanh(W*x + b) + c), y) + a*norm2(W)^2 + norm2(V)^2/2", ["x", "y"]),
    ("norm2(relu(W*x))^2", ["x"]),
    ("norm2(W*x - b)^2*s", ["x", "s"]),
    ("s*norm2(x)^2 + s^3*a", ["x", "s"]),
    ("x'*Q*x", ["x"]),
    ("x'*Q*u + u'*Q*Q*x", ["x", "u"]),
    ("x'*u*(x'*u)", ["x", "u"]),
    ("log(1 + exp(-s*(u'*x)))", ["x", "s"]),
    ("norm2(W*x)*s", ["x"]),
    ("logsumexp(W*x + b) - b'*(W*x)", ["x"]),
    ("sum(W)*s", ["s"]),
    ("sum(sigmoid(W)*x) + tr(Q)*s^2", ["x", "s"]),
    ("s*sum(x) + sum(u)", ["s", "x"]),
    ("norm2(x*s + u)^2", ["x", "s"]),
    ("(a - s)^2", ["s"]),
    ("sum(exp(x) .* u)/(1 + s^2)", ["x", "u", "s"]),
    ("sum(rowsum(W)*s)", ["s"]),
    ("norm2(W'*b - x)", ["x"]),
    ("sum(relu(Q) .* (x*u'))", ["x"]),
    ("sum(relu(Q) .* (x*x'))", ["x"]),
    ("tr(Q*x*x'*Q)", ["x"]),
    ("a*norm2(b)^2", ["a"]),
    ("crossentropy(softmax(b), w)", ["w"]),
    ("norm2(diag(u)*x)^2", ["x"]),
    ("norm2(W*x - b)^2/a + norm2(x)^2 + s*(norm2(u)^2 + norm2(b)^2)", ["x", "u"]),
]


@pytest.mark.parametrize(("text", "names"), CASES)
def test_published_shapes_of_losses_are_batched(text, names):
    assert_equals_a_loop(derivation_of(text), names)


def test_every_choice_of_what_varies_is_right_or_refused():
    derivation = derivation_of("norm2(W*x - b)^2*s + a*norm2(W)^2")
    refused = 0
    for mask in range(1, 16):
        names = [name for i, name in enumerate(["x", "b", "s", "a"]) if mask >> i & 1]
        try:
            assert_equals_a_loop(derivation, names)
        except RefusedError:
            refused += 1
    assert refused == 0


# --- Random formulas of one sample ----------------------------------------------------------------

GRAMMAR = {
    "S": (
        *(
            "norm2({x})^2",
            "norm2({m})",
            "sum({m})",
            "({x})'*({x})",
            "({m})'*({m})",
            "s",
            "a",
            "s*a",
        ),
        *("({S})*({S})", "({S}) + ({S})", "({S}) - 2*({S})", "exp(-({S})^2)", "tanh({S})"),
        *("norm2(W)^2", "sum(Q)", "crossentropy(softmax({m}), {m})", "logsumexp({m})"),
        *("({x})'*Q*({x})", "mean({x})", "({S})/(1 + ({S})^2)", "tr(Q)*({S})", "1/(2 + sin({S}))"),
        *("sum(({x})*({m})')", "tr(({x})*({x})'*Q)", "sum(relu(Q) .* (({x})*({x})'))"),
    ),
    "x": (
        *("x", "u", "x", "W'*({m})", "Q*({x})", "({x}) + ({x})", "({x}) - u", "({S})*({x})"),
        *("({x}) .* ({x})", "relu({x})", "tanh({x})", "softmax({x})", "({x})*(({x})'*({x}))"),
        *("-({x})", "diag({x})*u", "({x}) + ({S})", "Q*Q*({x})", "({x})*({m})'*b"),
    ),
    "m": (
        *("W*({x})", "b", "w", "W*({x}) + b", "sigmoid({m})", "relu({m})", "({m}) .* ({m})"),
        *("({S})*({m})", "softmax({m})", "({m}) - ({m})", "rowsum(W)", "abs({m})", "({m}).^2"),
    ),
}
LEAVES = {"S": "s a", "x": "x u", "m": "b w W*x"}


def _grow(rng, kind, depth):
    text = rng.choice(LEAVES[kind].split() if depth <= 0 else GRAMMAR[kind])
    for part in GRAMMAR:
        while f"{{{part}}}" in text:
            text = text.replace(f"{{{part}}}", _grow(rng, part, depth - 1), 1)
    return text


@settings(max_examples=150)
@example(317)  # a factor that occurs twice
@example(1122918)  # a scalar log-sum-exp beside samples
@example(7534)  # a value with a name that does not vary
@given(st.integers(0, 2**32 - 1))
def test_a_random_loss_is_batched_right_or_refused(seed):
    rng = random.Random(seed)
    text = _grow(rng, "S", rng.randint(1, 4))
    derivation = derivation_of(text)
    variables = derivation.formula.variables
    candidates = [name for name in ("x", "u", "b", "w", "s", "a") if name in variables]
    names = [name for name in candidates if rng.random() < 0.6]
    if not names:
        return
    try:
        batched(derivation, names)
    except RefusedError:
        return
    with np.errstate(all="ignore"):
        assert_equals_a_loop(derivation, names, seed)


def test_most_random_losses_are_not_refused():
    refused = count = 0
    for seed in range(120):
        rng = random.Random(seed)
        derivation = derivation_of(_grow(rng, "S", rng.randint(1, 3)), wrt=[])
        names = [name for name in ("x", "s") if name in derivation.formula.variables]
        if not names:
            continue
        count += 1
        try:
            batched(derivation, names)
        except RefusedError:
            refused += 1
    assert count > 40
    assert refused / count < 0.2


# --- Forms ----------------------------------------------------------------------------------------


def test_the_batched_form_reads_as_one_would_write_it():
    derivation = derive.differentiate(
        "crossentropy(softmax(W*x + b), y)",
        wrt=["W", "b"],
        shapes={"b": "m", "y": "m"},
        assumptions={"y": ["onehot"]},
    )
    batch = batched(derivation, ["x", "y"])
    assert TEXT(batch.gradient["W"]) == "(rowsoftmax(x*W' + b') - y)'*x/N"
    assert batch.variables["x"].shape[0] == batch.size
    assert TEXT(batch.values["z"]) == "x*W' + b'"


def test_what_does_not_vary_by_sample_stands_beside_the_mean():
    derivation = derive.differentiate(
        "norm2(W*x + b - y)^2 + 0.1*norm2(W)^2 + a*norm2(b)^2", shapes={"b": "m"}
    )
    batch = batched(derivation, ["x", "y"])
    function = emit(
        [batch.value, batch.gradient["b"]], batch.variables, names={batch.values["r"]: "r"}
    )
    assert function.statements == ("r = x @ W.T + b.T - y",)
    value, gradient = function.results
    assert value == (
        "xp.sum(xp.square(W)) / 10 + a * xp.sum(xp.square(b)) + xp.sum(xp.square(r)) / x.shape[0]"
    )
    assert gradient == "2 * (xp.sum(r, axis=0, keepdims=True).T / x.shape[0] + a * b)"


def test_the_number_of_samples_gets_a_name_of_its_own():
    shapes = {"N": "scalar", "B": "scalar", "x": "M"}
    derivation = derive.differentiate("N*B*norm2(x)^2", shapes=shapes)
    assert str(batched(derivation, ["x"]).size) == "N_0"


def test_rows_of_an_expression_are_rewritten_alone():
    formula = read_formula("W*x + b", shapes={"b": "m"})
    rows, variables = batched_rows(formula.expr, formula.variables, ["x"])
    function = emit([rows], variables).function
    rng = np.random.default_rng(0)
    W, b, x = rng.random((2, 3)), rng.random((2, 1)), rng.random((5, 3))
    expected = np.stack([(W @ row[:, None] + b)[:, 0] for row in x])
    arrays = {"W": W, "x": x, "b": b}
    np.testing.assert_allclose(function(*(arrays[name] for name in variables))[0], expected)


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("logdet(Q + x*x')", ["x"]),
        ("tr(inv(Q + x*u'))", ["x"]),
        ("sum(exp(Q + x*u'))", ["x"]),
        ("norm2(x*u' + Q)", ["x"]),
    ],
)
def test_a_function_of_a_matrix_that_varies_is_refused(text, names):
    with pytest.raises(RefusedError, match=r"No batched form.*Let fewer variables"):
        batched(derivation_of(text), names)


def test_a_power_that_varies_is_right_or_refused():
    with contextlib.suppress(RefusedError):
        assert_equals_a_loop(derivation_of("sum((1 + x.^2).^s)"), ["s"])


def test_a_name_that_cannot_vary_is_an_error():
    derivation = derivation_of("norm2(W*x)^2")
    with pytest.raises(InputError, match="'W' has shape"):
        batched(derivation, ["W"])
    with pytest.raises(InputError, match=r"no such variable\. Known: W, x"):
        batched(derivation, ["z"])
