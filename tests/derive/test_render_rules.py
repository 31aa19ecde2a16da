"""LaTeX generated from the table of operations, and pages of Jacobians, Hessians and structures."""

from __future__ import annotations

import re

import pytest
from sympy import MatrixSymbol, Symbol

import derive
from derive.derivation import Page
from derive.graph import is_matrix, operands
from derive.language import read_formula
from derive.operations import OPERATIONS, pull_back
from derive.render import numpy_module, render
from derive.render.latex import LATEX

PAGES = {
    # a file's name: the formula, by what, and how
    "jacobian": ("softmax(W*x)", ["x"], {}),
    "directional": ("sigmoid(W*x)", ["W"], {}),
    "by-scalar": ("inv(A + t*B)", ["t"], {"shapes": {"t": "scalar"}}),
    "hessian": ("exp(x'*A*x)", ["x"], {"order": 2}),
    "hessian-vector": ("logdet(X)", ["X"], {"order": 2}),
    "entrywise": (
        "logdet(X) + tr(A*X)",
        ["X"],
        {"assumptions": {"X": ["spd"]}, "convention": "entrywise"},
    ),
}


@pytest.fixture(autouse=True)
def _version(monkeypatch):
    monkeypatch.setattr(numpy_module, "version", lambda _: "0.0.0")


def rules():
    """Yield for every example of the table its value and what its rule returns."""
    for row in OPERATIONS.values():
        for text in row.examples if row.pullback else ():
            node = read_formula(text).expr
            g = MatrixSymbol("G", *node.shape) if is_matrix(node) else Symbol("G", real=True)
            yield LATEX(node)
            for operand, cotangent in zip(operands(node), pull_back(g, node), strict=True):
                if not operand.is_number:
                    yield rf"{LATEX(operand)}: \quad {LATEX(cotangent)}"


def test_rules_are_as_in_the_golden_file(golden):
    golden("derive/rules.latex", "\n".join(rules()) + "\n")


def test_an_engine_sets_the_rules(katex):
    lines = list(rules())
    assert katex(lines) == [None] * len(lines)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("form", ["latex", "pretty", "json"])
def test_pages_are_as_in_the_golden_files(name, form, golden):
    text, wrt, how = PAGES[name]
    golden(
        f"derive/{name}.{form}", render(Page(derive.differentiate(text, wrt, **how)), form) + "\n"
    )


@pytest.mark.parametrize("name", PAGES)
def test_an_engine_sets_the_pages(name, katex):
    text, wrt, how = PAGES[name]
    latex = render(Page(derive.differentiate(text, wrt, **how)), "latex")
    blocks = re.findall(r"\\begin\{align\*\}.*?\\end\{align\*\}", latex, re.DOTALL)
    assert katex(blocks) == [None] * len(blocks)
