"""Memory order: where it changes, where it does not, and that values never do."""

from __future__ import annotations

import numpy as np
import pytest

import derive
from derive.batch import batched
from derive.emit import emit
from derive.language import read_formula


def code(text, *, tuned=True, **shapes):
    formula = read_formula(text, shapes)
    emitted = emit([formula.expr], formula.variables, tuned=tuned)
    return "\n".join((*emitted.statements, *emitted.results))


# --- Column order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sum(rowlogsumexp(X*A))",
        "sum(rowsoftmax(X*A) .* Y)",
        "norm2(rowsum(exp(X*A)))",
        "norm2(rowsum((2*X*A + Y) .* Y))",
        "norm2(rowsum(tanh(X*A) ./ (1 + Y.^2)))",
    ],
)
def test_a_product_whose_short_rows_are_reduced_gets_column_order(text):
    assert "np.asfortranarray(" in code(text, X="N,5", A="5,10", Y="N,10")


@pytest.mark.parametrize("text", ["sum(rowlogsumexp(X*A))", "norm2(rowsum(exp(X*A)))"])
@pytest.mark.parametrize("columns", ["33", "784", "k"])
def test_long_rows_and_rows_of_unknown_length_stay(text, columns):
    assert "asfortranarray" not in code(text, X="N,5", A=f"5,{columns}")


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("norm2(X*A)^2", {}),
        ("sum(X*A)", {}),
        ("norm2(colsum(exp(X*A)))", {}),
        ("norm2(rowsum(exp(X*A)*B))", {"B": "10,784"}),
        ("sum(rowlogsumexp(Y))", {}),
        ("sum(rowlogsumexp(X*A))", {"X": "4,5"}),
    ],
)
def test_what_is_not_reduced_along_many_short_rows_stays(text, shapes):
    shapes = {"X": "N,5", "A": "5,10", "Y": "N,10"} | shapes
    shapes = {name: shape for name, shape in shapes.items() if name in text}
    assert "asfortranarray" not in code(text, **shapes)


def test_the_reduction_may_be_behind_named_values():
    formula = read_formula("sum(rowsoftmax(X*A + Y) .* Y)", {"X": "N,5", "A": "5,10", "Y": "N,10"})
    emitted = emit([formula.expr], formula.variables, tuned=True)
    assert emitted.statements[0] == "t1 = np.asfortranarray(X @ A) + Y"


# --- In code that is read, and in training --------------------------------------------------------


def test_code_that_is_read_is_left_as_it_is():
    plain = code("sum(rowlogsumexp(X*A))", tuned=False, X="N,5", A="5,10")
    assert "asfortranarray" not in plain
    assert "reduce" not in plain


@pytest.mark.parametrize("samples", [1, 2, 96, 128])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_stay(samples, dtype):
    derivation = derive.differentiate(
        "crossentropy(softmax(W*x + b), y) + sum(tanh(W*x)) + norm2(W)",
        wrt=["W", "b"],
        shapes={"W": "10,784", "x": "784", "b": "10", "y": "10"},
    )
    batch = batched(derivation, ["x", "y"])
    outputs = [batch.value, *batch.gradient.values()]
    plain, tuned = (emit(outputs, batch.variables, tuned=how) for how in (False, True))
    assert "asfortranarray" in "\n".join(tuned.statements)
    assert any(result.endswith(".T") for result in tuned.results) or "@" in tuned.results[1]
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal([int(n) if n.is_Integer else samples for n in v.shape]).astype(dtype)
        for v in batch.variables.values()
    ]
    rtol = 1e-4 if dtype == "float32" else 1e-11
    for got, expected in zip(tuned.function(*arrays), plain.function(*arrays), strict=True):
        assert got.dtype == expected.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
