"""Wrong answers of the kinds that people give, and the names of their mistakes."""

import tomllib
from pathlib import Path

import pytest

import derive
from derive.language import read_among
from numeric.mistakes import MISTAKES, Mistake, name_mistake
from numeric.questions import Question

ROWS = tomllib.loads((Path(__file__).parent / "mistakes.toml").read_text())["rows"]
START = 3


def asked(formula, wrt, shapes=None, **how):
    """Return the question after one derivative, and points of three sizes."""
    question = Question(derive.differentiate(formula, [wrt], shapes, **how), wrt)
    points = [question.draw(1, seed, start=START + seed)[1][0] for seed in range(3)]
    return question, points


def named(formula, wrt, claim, shapes=None, repairs=(), **how):
    """Return the mistake of a claim."""
    question, points = asked(formula, wrt, shapes, **how)
    derivation = question.derivation
    variables = {**derivation.formula.variables, **derivation.directions}
    expr = read_among(claim, variables, tuple(question.right.shape))
    return name_mistake(question, expr, points, repairs=repairs)


@pytest.mark.parametrize(
    ("formula", "wrt", "claim", "name", "shapes"), ROWS, ids=[f"{r[1]}: {r[2]}" for r in ROWS]
)
def test_a_mistake_is_named(formula, wrt, claim, name, shapes):
    mistake = named(formula, wrt, claim, shapes)
    assert mistake.name == name, mistake.explanation
    assert mistake.explanation


def test_names_are_those_of_the_catalogue():
    assert {row[3] for row in ROWS} <= set(MISTAKES)


@pytest.mark.parametrize(
    ("formula", "wrt", "claim"),
    [
        ("norm2(A*x)^2", "x", "A'*sin(A*x)"),
        ("x'*Q*x", "x", "Q*x + 2*Q'*x + x.^3"),
        ("logdet(X)", "X", "inv(X)' + X"),
        ("softmax(z)", "z", "diag(z) + z*z'"),
    ],
)
def test_what_is_no_mistake_of_the_catalogue_is_not_named(formula, wrt, claim):
    assert named(formula, wrt, claim) == Mistake("other", "")


def test_sizes_that_disagree_are_of_shape():
    question, points = asked("norm2(A*x)^2", "x")
    assert name_mistake(question, None, points).name == "shape"


def test_the_line_of_the_derivation_in_question_is_shown():
    mistake = named("norm2(V*tanh(W*x) - y)^2", "W", "2*(V'*(V*tanh(W*x) - y))*x'")
    assert "the derivative of tanh is missing" in mistake.explanation
    assert mistake.step.startswith("df/dz = ")


def test_a_repair_of_the_claim_is_taken_where_it_gives_the_right_answer():
    question, _ = asked("sum(exp(A*x))", "x")
    right = question.right.expr
    wrong = derive.differentiate("sum(exp(A*x))", ["x"]).formula.variables["x"]
    repairs = [("order", "no", wrong), ("transpose", "yes", right)]
    found = named("sum(exp(A*x))", "x", "cos(x) + sin(x)", repairs=repairs)
    assert (found.name, found.explanation) == ("transpose", "yes")


def test_a_structure_that_is_left_out_is_an_assumption():
    found = named("tr(A*X)", "X", "A'", {"A": "n,n"}, assumptions={"X": ["symmetric"]})
    assert found.name == "assumption"
    assert "X" in found.explanation


def test_a_hessian_has_mistakes_of_its_own():
    assert named("norm2(A*x)^4", "x", "4*norm2(A*x)^2*A'*A", order=2).name == "missing-term"


def test_a_derivative_along_a_direction_has_mistakes_of_its_own():
    found = named("A*X*X", "X", "A*V*X", {"A": "n,n", "X": "n,n"})
    assert found.name == "missing-term"
    assert named("A*tanh(X)", "X", "A*V", {"A": "n,n", "X": "n,n"}).name == "missing-mask"
