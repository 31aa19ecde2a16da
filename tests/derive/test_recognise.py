"""softplus, sigmoid, softmax and log-sum-exp are recognised where a formula spells them out."""

from __future__ import annotations

import numpy as np
import pytest

from derive.build import transform
from derive.emit import emit
from derive.language import read_formula
from derive.nodes import Elementwise
from derive.recognise import recognised
from derive.scalars import U


def text_of(text):
    formula = read_formula(text)
    return str(transform(formula.expr, recognised))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(log(1 + exp(x)))", "sum(softplus(x))"),
        ("sum(log(1 + exp(-x)))", "sum(softplus(-x))"),
        ("sum(1 ./ (1 + exp(-x)))", "sum(sigmoid(x))"),
        ("sum(exp(x) ./ (1 + exp(x)))", "sum(sigmoid(x))"),
        ("sum(log(sigmoid(x)))", "-sum(softplus(-x))"),
        ("sum(log(1 - sigmoid(x)))", "-sum(softplus(x))"),
        ("sum(1 - sigmoid(x))", "sum(sigmoid(-x))"),
        ("log(1 + exp(a))", "softplus(a)"),
        ("1/(1 + exp(-a))", "sigmoid(a)"),
        ("log(sigmoid(a))", "-softplus(-a)"),
        ("log(sum(exp(x)))", "logsumexp(x)"),
        ("sum(log(rowsum(exp(X))))", "sum(rowlogsumexp(X))"),
        ("y'*exp(x)/sum(exp(x))", "y'*softmax(x)"),
        ("y'*tanh(A*exp(x)/sum(exp(x)))", "y'*tanh(A*softmax(x))"),
        ("sum(y .* exp(x))/sum(exp(x))", "sum(softmax(x) .* y)"),
        ("sum(exp(x) ./ (1 + exp(y)))", "sum(exp(x) .* sigmoid(-y))"),
        ("sum(exp(X) ./ rowsum(exp(X)) .* Y)", "sum(rowsoftmax(X) .* Y)"),
    ],
)
def test_what_is_spelled_out_is_recognised(text, expected):
    assert text_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "sum(log(2 + exp(x)))",
        "sum(1 ./ (1 + exp(x) + x))",
        "sum(exp(x) ./ (2 + exp(x)))",
        "log(1 - exp(a))",
        "log(sum(exp(x)) + 1)",
        "sum(log(x + y))",
        "sum(2 - sigmoid(x))",
        "x'*y",
    ],
)
def test_what_is_something_else_is_left_alone(text):
    assert text_of(text) == str(read_formula(text).expr)


EVERYTHING = [
    "sum(log(1 + exp(x)) .* y - log(1 - sigmoid(x)) ./ (1 + exp(-2*x)))",
    "sum(exp(3*x) ./ (1 + exp(x)).^3)",
    "sum(exp(-x) ./ (1 + exp(-x)).^2)",
    "sum(exp(x) .* sigmoid(-x).^2)",
    "log(sum(exp(x + y))) + sum(exp(x)/sum(exp(x)) .* y)",
    "sum(log(3 - 3*sigmoid(x)))",
    "sum(log(exp(x)./sum(exp(x))))",
]


@pytest.mark.parametrize("text", EVERYTHING)
def test_the_value_stays(text, evaluate):
    formula = read_formula(text)
    rng = np.random.default_rng(0)
    point = {name: rng.standard_normal((4, 1)) for name in formula.variables}
    value = emit([formula.expr], formula.variables).function(*point.values())[0]
    assert float(value) == pytest.approx(float(evaluate(text, point, {"n": 4})), rel=1e-13)


def test_a_node_of_another_kind_is_returned_as_it_is():
    x = read_formula("norm2(sin(x))").expr
    assert recognised(x) is x
    node = Elementwise(U**3, read_formula("norm2(x)^2").variables["x"])
    assert recognised(node) is node
