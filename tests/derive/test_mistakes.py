"""Changes of an answer and of the way to it: each is another expression of the same shape."""

import pytest

import derive
from derive.confusable import related, values_of
from derive.graph import shape_of
from derive.language import read_formula
from derive.missteps import missteps
from derive.mistakes import changes, replacements

FORMULAS = [
    "norm2(V*tanh(W*x) - y)^2",
    "sum(G .* (softmax(Q*K'/sqrt(3))*V))",
    "a'*inv(X)*b + logdet(X)",
    "x'*Q*x + lam*norm2(x)",
]


@pytest.mark.parametrize("source", FORMULAS)
def test_changes_keep_the_shape_and_change_something(source):
    formula = read_formula(source, {"a": "n", "b": "n", "lam": "scalar"})
    gradient = derive.differentiate(formula).gradient
    assert any(list(changes(right)) for right in gradient.values())
    for right in gradient.values():
        for change in [*changes(right), *replacements(right, values_of(formula.expr))]:
            assert shape_of(change.expr) == shape_of(right)
            assert change.expr != right


@pytest.mark.parametrize("source", FORMULAS)
def test_missteps_end_at_the_variable(source):
    formula = read_formula(source, {"a": "n", "b": "n", "lam": "scalar"})
    for variable in formula.variables.values():
        for misstep in missteps(formula.expr, variable, []):
            assert shape_of(misstep.change.expr) == shape_of(variable)
            assert misstep.change.said


def test_a_constant_has_no_missteps():
    formula = read_formula("norm2(A*x)^2 + y'*y")
    assert not list(missteps(formula.variables["y"], formula.variables["x"], []))


def test_a_function_relates_its_input_and_its_output():
    formula = read_formula("norm2(V*tanh(W*x) - sigmoid(y))^2")
    x, y = formula.variables["x"], formula.variables["y"]
    output = next(v for v in values_of(formula.expr) if str(v) == "sigmoid(y)")
    assert related(output, y)
    assert related(y, output)
    assert not related(output, x)
