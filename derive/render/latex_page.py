"""A derivation as LaTeX: blocks of aligned equations, each with its shape and its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Indexed

from derive.graph import shape_of
from derive.notation import TEXT
from derive.render.batch_lines import batch_lines
from derive.render.explicit import explicit_lines
from derive.render.latex import LATEX
from derive.symbols import PartialDerivative, derivative_symbol

if TYPE_CHECKING:
    from derive.derivation import Page, Step

__all__ = ["latex_page", "shape_latex"]


def latex_page(page: Page) -> str:
    """Render a page as LaTeX that TeX and KaTeX set: comments, then ``align*`` blocks."""
    derivation = page.derivation
    blocks = [_comments(page)]
    if page.steps and derivation.steps:
        rows = [row for step in derivation.steps for row in _step_rows(step)]
        blocks.append(_aligned("align*", rows))
    blocks.append(_aligned("align*", _results(page)))
    if page.batch is not None:
        rows = [
            rf"{_equation(line.one)} && \longrightarrow & {_equation(line.many)}"
            rf" && \in {shape_latex(line.shape)}"
            for line in batch_lines(derivation, page.batch)
        ]
        blocks.append(f"% {page.batch.size} samples, one a row; the value is their mean")
        blocks.append(_aligned("align*", rows))
    if page.sizes is not None:
        rows = [f"{LATEX(s)} &= {_entries(e)}" for s, e in explicit_lines(derivation, page.sizes)]
        blocks.append(_aligned("align*", rows))
    return "\n".join(blocks)


def _equation(sides: tuple[Any, Any]) -> str:
    return f"{LATEX(sides[0])} &= {LATEX(sides[1])}"


def _comments(page: Page) -> str:
    formula = page.derivation.formula
    lines = [page.title] if page.title else []
    lines.append(f"{page.derivation.program.function.name} = {TEXT(formula.expr)}")
    shapes = (f"{n}: {_shape_text(shape_of(v))}" for n, v in formula.variables.items())
    lines.append(", ".join(shapes))
    lines.extend(f"{n} is {', '.join(kinds)}" for n, kinds in formula.assumptions.items())
    lines.extend(f"{name}: {c.sentence()}" for name, c in page.checked.items())
    lines.extend(page.references)
    return "\n".join(f"% {line}" for line in lines)


def _shape_text(shape: tuple[Any, ...]) -> str:
    return " x ".join(map(TEXT, shape)) or "scalar"


def shape_latex(shape: tuple[Any, ...]) -> str:
    """Print the set that a value is in."""
    sizes = [LATEX(size) for size in shape if size != 1] if shape[1:] == (1,) else map(LATEX, shape)
    power = r" \times ".join(sizes)
    return rf"\mathbb{{R}}^{{{power}}}" if power else r"\mathbb{R}"


def _step_rows(step: Step) -> list[str]:
    reasons = step.reasons(LATEX)
    rule = rf"\text{{{step.rule}{step.separator}}}" + r",\; ".join(reasons)
    single = isinstance(step.left, (Indexed, PartialDerivative))
    belongs = r"\text{entries of }" if single else r"\in"
    last = rf" && {belongs} {shape_latex(step.shape)} && {rule}"
    sides = [LATEX(side) for side in step.right]
    rows = [f"{LATEX(step.left)} &= {sides[0]}", *(f"&= {side}" for side in sides[1:])]
    return [rows[0] + last, *rows[1:]]


def _results(page: Page) -> list[str]:
    rows = []
    derivation = page.derivation
    for name, gradient in derivation.gradient.items():
        variable = derivation.formula.variables[name]
        symbol = derivative_symbol(derivation.program.function.name, variable)
        notes = r",\; ".join(map(_sentence, derivation.assumptions[name]))
        equation = rf"\boxed{{{LATEX(symbol)} = {LATEX(gradient)}}}"
        given = rf" && \text{{with }} {notes}" if notes else ""
        rows.append(rf"& {equation} && \in {shape_latex(shape_of(variable))}{given}")
    return rows


def _sentence(sentence: str) -> str:
    """Set an assumption's text, which is a formula of the language."""
    left, _, right = sentence.partition(" = ")
    return rf"\texttt{{{left}}} = {right}" if "'" not in left else rf"\text{{{sentence}}}"


def _entries(value: Any) -> str:
    if not hasattr(value, "tolist"):
        return LATEX(value)
    rows = (" & ".join(map(LATEX, row)) for row in value.tolist())
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


def _aligned(environment: str, rows: list[str]) -> str:
    body = " \\\\\n".join(f"  {row}" for row in rows)
    return f"\\begin{{{environment}}}\n{body}\n\\end{{{environment}}}"
