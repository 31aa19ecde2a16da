"""What people read: golden files, and LaTeX that a real engine sets without a warning."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import pytest

import derive
from derive.batch import batched
from derive.derivation import Checked, Page
from derive.notation import TEXT
from derive.problems import load_problem, problem_names
from derive.render import FORMS, numpy_module, render
from derive.render.json_page import json_object
from derive.render.latex import LATEX, words
from derive.scalars import FUNCTIONS

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
    "norm1(W*x - y)*abs(a/(1 + a))",
    "sum(x_)*sum(x__)*norm2(x_a_b)^2*lambda_",
    "max(A*x)*min(x) + sum(max(x, y))",
    "sum(erf(x)) + sum(lgamma(x)) + sum(digamma(x))",
    "tr(pinv(A)*B)^2 + tr(adj(X)) + x'*tril(X)*y",
    "sum(kron(A, X) .* C)",
]
DECLARED = {
    "norm2(V*tanh(W*x + b) - y)^2/2": {"b": "h", "W": "h,n", "y": "k"},
    "sum(softplus(-(y.*(X*w))))/N": {"X": "N,n", "w": "n", "y": "N"},
    "exp(-gam*norm2(x - y)^2)": {"gam": "scalar"},
    "sum(sqrt(x1.^2 + 0.5))": {"x1": "n"},
    "a'*log(A*exp(X)*B)*b": {"a": "p", "b": "q"},
    "sum(x_)*sum(x__)*norm2(x_a_b)^2*lambda_": {
        "x_": "n_",
        "x__": "n_h",
        "x_a_b": "n_h_",
        "lambda_": "scalar",
    },
}
ASSUMED = [
    ("crossentropy(softmax(x_t), y_t)", {"x_t": "n", "y_t": "n"}, {"y_t": "onehot"}),
    ("crossentropy(rowsoftmax(X), Y_)", {"X": "n_,k", "Y_": "n_,k"}, {"Y_": "simplex"}),
    ("x_t'*S_t*x_t", {"x_t": "n", "S_t": "n,n"}, {"S_t": "symmetric"}),
    ("norm2(x_t)*sum(x_t)", {"x_t": "n"}, {"x_t": "unit"}),
]
POINTS = {
    "relu-l2": {"W": [[0.5, -1.25], [-0.75, 2.0], [1.5, 0.25]], "x": [[1.0], [-0.5]]},
    "softmax-ce": {
        "W": [[0.5, -1.25], [-0.75, 2.0], [1.5, 0.25]],
        "x": [[1.0, -0.5], [0.25, 2.0]],
        "b": [[0.125], [-1.0], [0.5]],
        "y": [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    },
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


@pytest.fixture(autouse=True)
def _version(monkeypatch):
    monkeypatch.setattr(numpy_module, "version", lambda _: "0.0.0")


@EACH_PROBLEM
@pytest.mark.parametrize("form", [form for form in FORMS if form != "numpy"])
def test_derivation_is_as_in_the_golden_file(name, form, golden):
    golden(f"derive/{name}.{form}", render(page(name), form) + "\n")


@EACH_PROBLEM
@pytest.mark.parametrize("form", ["latex", "pretty", "markdown", "html"])
def test_entries_are_as_in_the_golden_file(name, form, golden):
    golden(f"derive/{name}-entries.{form}", render(page(name, entries=True), form) + "\n")


@pytest.mark.parametrize("form", ["latex", "pretty", "markdown", "html", "json"])
def test_batch_is_as_in_the_golden_file(form, golden):
    golden(f"derive/softmax-ce-batch.{form}", render(page("softmax-ce", batch=True), form) + "\n")


@pytest.mark.parametrize(("name", "batch"), [("relu-l2", False), ("softmax-ce", True)])
def test_module_is_as_in_the_golden_file(name, batch, golden):
    text = render(replace(page(name, batch=batch), point=POINTS[name]), "numpy")
    golden(f"derive/{name}{'-batch' * batch}.numpy", text + "\n")
    names = {}
    exec(text, names)
    assert names["_check"]() == 0


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


@pytest.mark.parametrize(("formula", "shapes", "assume"), ASSUMED)
def test_latex_of_an_assumption_sets_without_a_warning(formula, shapes, assume, katex):
    formula = derive.read_formula(formula, shapes, {n: (kind,) for n, kind in assume.items()})
    derivation = derive.differentiate(formula, wrt=list(shapes)[:1])
    assert any("assumption" in step.rule for step in derivation.steps)
    blocks = environments(render(Page(derivation), "latex"))
    assert katex(blocks) == [None] * len(blocks)


def test_words_are_any_characters(katex):
    every = "".join(map(chr, range(32, 127)))
    texts = [words(every), words(every, "texttt"), words("y_t is onehot: ")]
    assert texts[-1] == r"\text{y\_t is onehot: }"
    assert katex(texts) == [None] * len(texts)


def test_an_entry_of_a_numbered_name_has_both_indices():
    assert LATEX.name("z1_2") == "z_{1,2}"
    assert LATEX.name("W_12") == "W_{12}"
    assert LATEX.name("x1_new") == r"x_{1,\mathrm{new}}"


def test_bars_grow_where_they_must():
    derivation = derive.differentiate("abs(b)*abs(b/(1 + b))", wrt=["b"])
    assert render(Page(derivation, steps=False), "markdown").splitlines()[2] == (
        r"$f = \lvert b\rvert \, \left\lvert \frac{b}{1 + b}\right\rvert$ "
        r"with $b \in \mathbb{R}$."
    )


@pytest.mark.parametrize("function", [f for f, row in FUNCTIONS.items() if row.has_derivative])
def test_no_bar_of_latex_breaks_a_table(function):
    derivation = derive.differentiate(f"sum({function}(x))", shapes={"x": "n"})
    shown = Page(derivation, batch=batched(derivation, ["x"]))
    assert "|" not in render(shown, "latex")
    text = render(shown, "markdown")
    rows = [line for line in text.splitlines() if line.startswith("| $")]
    assert rows
    assert {row.count("|") for row in rows} == {3}


def test_long_rules_go_on_in_the_rows_below():
    rows = render(page("softmax-ce"), "latex").splitlines()
    (first,) = (i for i, row in enumerate(rows) if "y is onehot" in row and "&&" in row)
    assert rows[first].endswith(r"&& \text{assumption: y is onehot:} \\")
    assert rows[first + 1] == r"  & &&&& \mathbf{1}^{\top} y = \sum_{i=1}^{m} y_{i} = 1 \\"
    derivation = derive.differentiate("norm2(x)*sum(log(x))*logsumexp(x)")
    assert any("and" in step.rule for step in derivation.steps)
    rules = re.findall(r"\\text\{([^}]*)\}", render(Page(derivation), "latex"))
    assert max(map(len, rules)) <= 44


def test_a_title_and_references_of_several_lines_stay_in_their_place():
    title, references = "two\nlines\n", ("one\n\\end{document}",)
    shown = replace(page("relu-l2"), title=title, references=references)
    latex = render(shown, "latex")
    for block in environments(latex):
        latex = latex.replace(block, "")
    assert all(line.startswith("% ") for line in latex.split("\n") if line)
    assert latex.startswith("% two\n% lines\n% f = ")
    markdown = render(shown, "markdown")
    assert markdown.startswith("# two lines\n\n$f = ")
    assert markdown.endswith("\n- one \\end{document}")
    assert render(shown, "pretty").startswith("two\nlines\nf = ")


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
    assert derivation.latex().count(r"\begin{align*}") == 3


def test_a_size_with_the_name_of_a_variable_is_shown_as_a_size() -> None:
    """As a scalar such a size is written sum(ones(n)); in a shape nothing but a size can stand."""
    derivation = derive.differentiate("sum(n*x)", shapes={"n": "scalar", "x": "n"})
    page = json.loads(render(Page(derivation), "json"))
    assert page["shapes"] == {"n": [], "x": ["n", "1"]}
    for form in ("latex", "pretty", "markdown", "html", "numpy"):
        assert "sum(ones" not in render(Page(derivation), form)
