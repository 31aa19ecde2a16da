"""The HTML page: one document that needs nothing else and shows what the other forms show."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

import derive
from derive.batch import batched
from derive.derivation import Checked, Page
from derive.notation import TEXT
from derive.operations import OPERATIONS
from derive.problems import load_problem
from derive.render import render, render_all
from derive.render.latex import LATEX
from derive.scalars import FUNCTIONS

CORE = {"mrow", "mi", "mn", "mo", "mtext", "mfrac", "msqrt", "msub", "msup", "munderover"}
CORE |= {"math", "semantics", "annotation", "mtable", "mtr", "mtd"}
VOID = {"meta"}


def page(name: str, **how: Any) -> Page:
    problem = load_problem(name)
    formula = derive.read_formula(problem.formula, problem.shapes, problem.assume)
    wrt = [variable for variable in formula.variables if variable not in problem.data]
    derivation = derive.differentiate(formula, wrt=wrt)
    return Page(
        derivation,
        title=problem.title,
        checked={variable: Checked(3, 1.25e-14, (3, 4), True) for variable in wrt},
        sizes={size: problem.sizes[str(size)] for size in formula.sizes},
        references=problem.references,
        batch=batched(derivation, problem.batch) if problem.batch else None,
        **how,
    )


def document(html: str) -> Any:
    """Parse a page as XML, and see that HTML reads it so too: no element ends where it begins."""
    head, _, rest = html.partition("\n")
    assert head == "<!DOCTYPE html>"
    root = ElementTree.fromstring(rest)
    assert {element.tag for math in root.iter("math") for element in math.iter()} <= CORE
    assert set(re.findall(r"<(\w+)[^<>]*/>", rest)) <= VOID
    assert all(not list(element) for element in root.iter() if element.tag in VOID)
    return root


def words(element: Any) -> str:
    """Return the text of an element, in a line, formulas by their alternative text."""
    if element.tag == "math":
        return str(element.get("alttext"))
    inside = (words(child) + (child.tail or "") for child in element)
    return " ".join(((element.text or "") + "".join(inside)).split())


@pytest.mark.parametrize("name", ["relu-l2", "softmax-ce"])
def test_a_page_is_one_document_in_itself(name: str) -> None:
    html = render(page(name), "html")
    root = document(html)
    assert root.get("lang") == "en"
    metas = [meta.attrib for meta in root.iter("meta")]
    assert metas[0] == {"charset": "utf-8"}
    assert any(meta.get("name") == "viewport" for meta in metas)
    assert root.find("head/title").text == load_problem(name).title
    assert not re.search(r"https?:|url\(|@import|src=|href=|<script", html)
    assert "Written by chainrule" in words(root.find("body/footer"))
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


@pytest.mark.parametrize("name", ["relu-l2", "softmax-ce"])
def test_a_page_shows_what_the_other_forms_show(name: str) -> None:
    shown = page(name)
    derivation = shown.derivation
    root = document(render(shown, "html"))
    (steps,) = (ordered for ordered in root.iter("ol"))
    assert len(steps) == len(derivation.steps)
    for item, step in zip(steps, derivation.steps, strict=True):
        formulas = [math.get("alttext") for math in item.iter("math")]
        assert formulas[0] == step.text(TEXT)
        assert formulas[2:] == step.reasons(TEXT)
        assert step.rule in words(item)
    boxed = [box for box in root.iter("div") if box.get("class") == "boxed wide"]
    assert len(boxed) == len(derivation.gradient)
    for box, (variable, gradient) in zip(boxed, derivation.gradient.items(), strict=True):
        assert words(box).endswith(f"/d{variable} = {TEXT(gradient)}")
        assert box.find(".//annotation").text.endswith(f" = {LATEX(gradient)}")
    text = words(root)
    for expected in (
        f"{derivation.program.function.name} = {TEXT(derivation.formula.expr)}",
        *(f"{n} is {', '.join(kinds)}" for n, kinds in derivation.formula.assumptions.items()),
        *(checked.sentence() for checked in shown.checked.values()),
        *(note for result in derivation.results for note in result.notes),
        *shown.references,
    ):
        assert expected in text


def test_batch_is_a_table_with_both_forms_side_by_side() -> None:
    root = document(render(page("softmax-ce"), "html"))
    (table,) = root.iter("table")
    heads = [words(cell) for cell in table.iter("th")]
    assert heads == ["One sample", "N samples", "Shape"]
    rows = [[words(cell) for cell in row] for row in table.find("tbody")]
    assert rows[0] == ["z = W*x + b", "z = x*W' + b'", "is N by m"]
    assert rows[-1][1] == "dL/db = colmean(s - y)'"


def test_headings_are_in_order() -> None:
    for pages in ([page("relu-l2")], [page("relu-l2"), page("softmax-ce")]):
        root = document(render_all(pages, "html"))
        levels = [int(e.tag[1]) for e in root.iter() if re.fullmatch(r"h\d", e.tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(b <= a + 1 for a, b in pairwise(levels))


def test_several_formulas_are_one_document() -> None:
    html = render_all([page("relu-l2"), page("softmax-ce")], "html")
    root = document(html)
    assert html.count("<!DOCTYPE html>") == 1
    assert len(list(root.iter("article"))) == 2
    titles = [load_problem(name).title for name in ("relu-l2", "softmax-ce")]
    assert [article.find("h2").text for article in root.iter("article")] == titles
    assert root.find("head/title").text == "; ".join(titles)


def test_other_forms_of_several_formulas_follow_each_other() -> None:
    pages = [page("relu-l2"), page("softmax-ce")]
    assert render_all(pages, "latex") == "\n\n".join(render(p, "latex") for p in pages)


def test_results_alone_leave_the_steps_out() -> None:
    root = document(render(page("relu-l2", steps=False), "html"))
    assert not list(root.iter("ol"))
    assert "define z" not in words(root)


@pytest.mark.parametrize("text", [t for row in OPERATIONS.values() for t in row.examples])
def test_every_operation_has_a_page(text: str) -> None:
    formula = derive.read_formula(f"sum(2*({text}))")
    derivation = derive.differentiate(formula)
    shown = Page(derivation, sizes=dict.fromkeys(formula.sizes, 2))
    root = document(render(shown, "html"))
    for math in root.iter("math"):
        (semantics,) = math
        assert [child.tag for child in semantics] == ["mrow", "annotation"]
        visible = "".join(semantics[0].itertext())
        assert visible
        assert not set("\\^_}$*") & set(visible)  # nothing of another notation


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} - {"trigamma"}))  # which has no derivative
def test_every_function_has_a_page(name: str) -> None:
    document(render(Page(derive.differentiate(f"sum({name}(x))")), "html"))


HOSTILE = "</title><script>alert('1')</script> & \"quoted\" <b> \x00\x1b\nlast"


def test_what_a_user_writes_stands_for_itself() -> None:
    formula = derive.read_formula(
        "norm2(x_t)^2 + a_b_c*sum(step(x_t)) # <b> & more", {"x_t": "n", "a_b_c": "scalar"}
    )
    derivation = derive.differentiate(formula)
    shown = Page(derivation, title=HOSTILE, references=(HOSTILE,))
    root = document(render(shown, "html"))
    expected = " ".join(HOSTILE.translate({0: "\ufffd", 27: "\ufffd"}).split())
    assert root.find("head/title").text == expected
    assert root.find(".//h1").text == expected
    assert [item.text for item in root.iter("li")][-1] == expected
    assert "norm2(x_t)^2" in words(root)


def test_a_formula_without_a_title_is_the_title_of_the_document() -> None:
    root = document(render(Page(derive.differentiate("x'*x")), "html"))
    assert root.find("head/title").text == "f = norm2(x)^2"
    assert root.find(".//h1").text == "Derivation"


def test_a_kink_is_set_by_cases() -> None:
    root = document(render(page("relu-l2"), "html"))
    (cases,) = (t for t in root.iter("mtable") if t.get("class") == "cases")
    assert ["".join(row.itertext()) for row in cases] == ["1if\xa0zi>0", "0otherwise"]
