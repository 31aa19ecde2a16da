"""The two problems that the project exists for: their derivations, line by line, from one tree."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from sympy import Integer

import derive
from derive import nodes, operations
from derive.batch import batched
from derive.build import scale
from derive.derivation import Page
from derive.emit import emit
from derive.problems import load_problem
from derive.render import render
from numeric.verify import Verdict, verify


def derivation_of(name):
    problem = load_problem(name)
    formula = derive.read_formula(problem.formula, problem.shapes, problem.assume)
    wrt = [variable for variable in formula.variables if variable not in problem.data]
    return derive.differentiate(formula, wrt=wrt)


def lines(derivation):
    return [step.text() for step in derivation.steps]


RELU = [
    "z = W*x",
    "a = relu(z)",
    "f = norm2(a)^2",
    "df/da = 2*a",
    "da_i/dz_i = step(z_i) = {1 if z_i > 0; 0 otherwise}",
    "df/dz = 2*a .* step(z)",
    "df/dz = 2*a",
    "df/dx = W'*df/dz",
    "df/dW = df/dz*x'",
]

SOFTMAX = [
    "z = W*x + b",
    "s = softmax(z)",
    "L = crossentropy(s, y)",
    "ds_i/dz_k = s_i*(delta_ik - s_k)",
    "dL/ds_i = -y_i/s_i",
    "dL/dz = s - y",
    "dL/dW = (s - y)*x'",
    "dL/db = s - y",
]


@pytest.mark.parametrize(("name", "required"), [("relu-l2", RELU), ("softmax-ce", SOFTMAX)])
def test_the_derivation_shows_what_a_person_writes(name, required):
    shown = lines(derivation_of(name))
    assert [line for line in required if line not in shown] == []


def test_relu_times_its_step_is_a_step_of_its_own():
    (step,) = [s for s in derivation_of("relu-l2").steps if s.reasons() and "=" in s.reasons()[0]]
    assert step.reasons() == ["relu(z) .* step(z) = relu(z)"]
    assert step.text() == "df/dz = 2*a"


def test_the_assumption_is_named_where_it_is_used():
    derivation = derivation_of("softmax-ce")
    (step,) = [step for step in derivation.steps if "assumption" in step.rule]
    assert step.text() == "dL/dz = s - y"
    assert "y is onehot" in step.rule
    assert step.reasons()[0].startswith("sum(y) = ")
    assert step.reasons()[0].endswith(" = 1")
    assert derivation.results[0].assumptions == ("sum(y) = 1",)


def test_without_the_assumption_the_sum_stays():
    problem = load_problem("softmax-ce")
    derivation = derive.differentiate(problem.formula, wrt=["b"], shapes=problem.shapes)
    assert "sum(y)" in str(derivation.gradient["b"])
    assert derivation.results[0].assumptions == ()


def test_the_chain_rule_is_summed_over_the_entries():
    (line,) = [line for line in lines(derivation_of("softmax-ce")) if line.startswith("dL/dz_k")]
    first, second, third = line.split(" = ")[1:]
    assert first == "sum_i(dL/ds_i*ds_i/dz_k)"
    assert "y_i" in second
    assert third == "s_k*sum_i(y_i) - y_k"


def test_the_same_formula_under_other_names_gives_the_same_derivation():
    original = derivation_of("relu-l2")
    renamed = derive.differentiate("norm2(relu(V*u))^2")
    table = str.maketrans({"W": "V", "x": "u"})
    assert [line.translate(table) for line in lines(original)] == lines(renamed)
    assert [step.rule for step in original.steps] == [step.rule for step in renamed.steps]


def broken(monkeypatch, node, pullback):
    row = replace(operations.OPERATIONS[node], pullback=pullback)
    table = MappingProxyType({**operations.OPERATIONS, node: row})
    monkeypatch.setattr(operations, "OPERATIONS", table)


def everything(derivation, name):
    formula = {n: str(gradient) for n, gradient in derivation.gradient.items()}
    return lines(derivation), formula, render(Page(derivation), "numpy")


@pytest.mark.parametrize(
    ("name", "node", "pullback"),
    [
        ("relu-l2", nodes.Norm2, lambda g, out, x: (scale(3 * g / out, x),)),
        ("relu-l2", nodes.Elementwise, lambda g, out, function, z: (None, scale(Integer(5), g))),
        ("softmax-ce", nodes.Softmax, lambda g, out, z: (scale(Integer(-1), g),)),
        ("softmax-ce", nodes.CrossEntropy, lambda g, out, p, y: (y, p)),
    ],
)
def test_a_broken_rule_changes_steps_formula_and_code_and_is_found(
    monkeypatch, name, node, pullback
):
    right = everything(derivation_of(name), name)
    broken(monkeypatch, node, pullback)
    wrong = derivation_of(name)
    changed = everything(wrong, name)
    assert all(before != after for before, after in zip(right, changed, strict=True))
    verification = verify(wrong)
    assert verification.verdict is Verdict.FAIL
    assert Verdict.FAIL in {found.verdict for found in verification.report.variables}
    assert Verdict.FAIL in {found.verdict for found in verification.exact.values()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1.0, 1e2, 1e4])
def test_large_logits_give_finite_right_answers(dtype, size):
    derivation = derivation_of("softmax-ce")
    value_and_grad = derivation.function()
    W, x = np.zeros((3, 2), dtype), np.ones((2, 1), dtype)
    b = np.array([[size], [-size], [0.0]], dtype)
    y = np.array([[0.0], [1.0], [0.0]], dtype)
    value, gradient = value_and_grad(W, x, b, y)
    exact = np.log(np.sum(np.exp((b - size).astype("longdouble")))) + 2 * size
    assert float(value) == pytest.approx(float(exact), rel=1e-6)
    assert {array.dtype for array in gradient.values()} == {np.dtype(dtype)}
    softmax = np.exp((b - size).astype("longdouble"))
    expected = (softmax / softmax.sum() - y).astype(float)
    np.testing.assert_allclose(gradient["b"], expected, rtol=1e-5, atol=1e-12)


def test_the_batched_code_is_the_mean_over_a_loop():
    derivation = derivation_of("softmax-ce")
    batch = batched(derivation, ["x", "y"])
    function = emit((batch.value, *batch.gradient.values()), batch.variables).function
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(3, 4)), rng.normal(size=(3, 1))
    x, y = rng.normal(size=(5, 4)), np.eye(3)[[0, 2, 1, 1, 0]]
    value, by_W, by_b = function(W, x, b, y)
    one = derivation.function()
    single = [one(W, x[i, :, None], b, y[i, :, None]) for i in range(5)]
    assert value == pytest.approx(np.mean([v for v, _ in single]))
    np.testing.assert_allclose(by_W, np.mean([g["W"] for _, g in single], axis=0), rtol=1e-12)
    np.testing.assert_allclose(by_b, np.mean([g["b"] for _, g in single], axis=0), rtol=1e-12)
