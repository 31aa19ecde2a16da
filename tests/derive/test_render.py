"""What people read: golden files, and LaTeX that a real engine sets without a warning."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

import derive
from derive.batch import batched
from derive.derivation import Checked, Page
from derive.notation import TEXT
from derive.problems import load_problem, problem_names
from derive.render import FORMS, render
from derive.render.json_page import json_object

EACH_PROBLEM = pytest.mark.parametrize("name", problem_names())

FORMULAS = [
    "x'*A*x",
    "norm2(A*x - y)",
    "logdet(X) + tr(inv(X)*A)",
    "sum(softplus(-(y.*(X*w))))/N",
    "a'*log(A*exp(X)*B)*b",
    "exp(-gam*norm2(x - y)^2)",
    "sum(sqrt(x1.^2 + 0.5))",
    "sigmoid(c*(w'*x))^2/(1 + norm2(w))",
    "norm2(V*tanh(W*x + b) - y)^2/2",
    "logsumexp(A*x) - 3/7*mean(x.^3)",
]
DECLARED = {
    "norm2(V*tanh(W*x + b) - y)^2/2": {"b": "h", "W": "h,n", "y": "k"},
    "sum(softplus(-(y.*(X*w))))/N": {"X": "N,n", "w": "n", "y": "N"},
    "exp(-gam*norm2(x - y)^2)": {"gam": "scalar"},
    "sum(sqrt(x1.^2 + 0.5))": {"x1": "n"},
    "a'*log(A*exp(X)*B)*b": {"a": "p", "b": "q"},
}


@cache
def page(name: str, *, entries: bool = False, batch: bool = False) -> Page:
    problem = load_problem(name)
    formula = derive.read_formula(problem.formula, problem.shapes, problem.assume)
    wrt = [variable for variable in formula.variables if variable not in problem.data]
    derivation = derive.differentiate(formula, wrt=wrt)
    return Page(
        derivation,
        title=problem.title,
        checked={variable: Checked(3, 1.25e-14, (3, 4), True) for variable in wrt},
        sizes={size: problem.sizes[str(size)] for size in formula.sizes} if entries else None,
        references=problem.references,
        batch=batched(derivation, problem.batch) if batch else None,
    )


@EACH_PROBLEM
@pytest.mark.parametrize("form", [form for form in FORMS if form != "numpy"])
def test_derivation_is_as_in_the_golden_file(name, form, golden):
    golden(f"derive/{name}.{form}", render(page(name), form) + "\n")


@EACH_PROBLEM
@pytest.mark.parametrize("form", ["latex", "pretty", "markdown"])
def test_entries_are_as_in_the_golden_file(name, form, golden):
    golden(f"derive/{name}-entries.{form}", render(page(name, entries=True), form) + "\n")


@pytest.mark.parametrize("form", ["latex", "pretty", "markdown", "json"])
def test_batch_is_as_in_the_golden_file(form, golden):
    golden(f"derive/softmax-ce-batch.{form}", render(page("softmax-ce", batch=True), form) + "\n")


def environments(latex: str) -> list[str]:
    return re.findall(r"\\begin\{align\*\}.*?\\end\{align\*\}", latex, re.DOTALL)


@EACH_PROBLEM
def test_latex_of_a_problem_sets_without_a_warning(name, katex):
    pages = [page(name), page(name, entries=True)]
    if load_problem(name).batch:
        pages.append(page(name, batch=True))
    blocks = [block for each in pages for block in environments(render(each, "latex"))]
    assert len(blocks) >= 4
    assert katex(blocks) == [None] * len(blocks)


@pytest.mark.parametrize("formula", FORMULAS)
def test_latex_of_a_formula_sets_without_a_warning(formula, katex):
    derivation = derive.differentiate(formula, shapes=DECLARED.get(formula, {}))
    blocks = environments(render(Page(derivation), "latex"))
    blocks += [step["latex"] for step in json_object(Page(derivation))["steps"]]
    assert katex(blocks) == [None] * len(blocks)


@EACH_PROBLEM
def test_markdown_mathematics_sets_without_a_warning(name, katex):
    text = render(page(name, entries=True), "markdown")
    display = re.findall(r"^\$\$\n(.*?)\n\$\$$", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"(?<!\$)\$([^$\n]+)\$(?!\$)", text)
    assert display
    assert inline
    assert katex(display + inline) == [None] * len(display + inline)


@EACH_PROBLEM
def test_every_step_has_a_rule_and_a_shape(name):
    for step in json_object(page(name))["steps"]:
        assert step["rule"]
        assert isinstance(step["shape"], list)
        assert " = " in step["formula"]


@EACH_PROBLEM
def test_json_has_the_fields_of_schema_1(name):
    found = json.loads(render(page(name), "json"))
    assert found["schema"] == 1
    assert list(found) == ["schema", "formula", "shapes", "results", "where", "steps"]
    for result in found["results"]:
        assert {"wrt", "kind", "shape", "formula", "latex", "numpy", "assumptions"} <= set(result)
        assert set(result["checked"]) >= {"points", "worst_error"}


@EACH_PROBLEM
def test_result_formula_reads_back_to_the_gradient(name):
    found = page(name)
    declared = {
        variable: ",".join(map(str, symbol.shape))
        for variable, symbol in found.derivation.formula.variables.items()
    }
    for result in json_object(found)["results"]:
        again = derive.read_formula(result["formula"], declared)
        assert TEXT(again.expr) == result["formula"]


def test_results_alone_leave_the_steps_out():
    short = Page(page("relu-l2").derivation, steps=False)
    assert json_object(short)["steps"] == []
    assert "Derivation" not in render(short, "pretty")
    assert "define z" not in render(short, "latex")


def test_entries_of_a_gradient_are_its_explicit_matrix():
    text = render(page("relu-l2", entries=True), "pretty")
    assert "[ 2 W₁₁ a₁ + 2 W₂₁ a₂ + 2 W₃₁ a₃ ]" in text
    assert "[ 2 a₁ x₁   2 a₁ x₂   2 a₁ x₃ ]" in text


def test_a_notebook_shows_latex():
    derivation = page("relu-l2").derivation
    assert derivation._repr_latex_() == derivation.latex()
    assert derivation.latex().count(r"\begin{align*}") == 2
