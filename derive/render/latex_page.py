"""A derivation as LaTeX: blocks of aligned equations, each with its shape and its rule."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sympy import Indexed

from derive.graph import shape_of
from derive.notation import TEXT
from derive.render.batch_lines import batch_lines
from derive.render.explicit import explicit_lines
from derive.render.latex import LATEX, words
from derive.symbols import PartialDerivative

if TYPE_CHECKING:
    from derive.derivation import Page, Step

__all__ = ["entries_latex", "latex_page", "shape_latex"]

_PAGE = 30  # rows that fit on a page
_RULE = 44  # the characters of a rule in a row; the rest of it goes below


def latex_page(page: Page) -> str:
    """Render a page as LaTeX that TeX and KaTeX set: comments, then ``align*`` blocks."""
    derivation = page.derivation
    blocks = [_comments(page), _aligned("align*", _problem(page))]
    if page.steps and derivation.steps:
        rows = [row for step in derivation.steps for row in _step_rows(step)]
        if len(rows) > _PAGE:
            blocks.append(r"\allowdisplaybreaks")
        blocks.append(_aligned("align*", rows))
    blocks.append(_aligned("align*", _results(page)))
    if page.abbreviated.where:
        rows = [
            rf"{_equation(definition)} && \in {shape_latex(shape_of(definition[0]))}"
            for definition in page.abbreviated.where
        ]
        blocks.append(_aligned("align*", [f"& {words('where')}", *rows]))
    if page.batch is not None:
        rows = [
            rf"{_equation(line.one)} && \longrightarrow & {_equation(line.many)}"
            rf" && \in {shape_latex(line.shape)}"
            for line in batch_lines(derivation, page.batch)
        ]
        mean = words(f"{page.batch.size} samples, one a row; the value is their mean")
        blocks.append(_aligned("align*", [f"& {mean}"]))
        blocks.append(_aligned("align*", rows))
    if page.sizes is not None:
        lines = explicit_lines(derivation, page.sizes)
        rows = [f"{LATEX(symbol)} &= {entries_latex(value)}" for symbol, value in lines]
        blocks.append(_aligned("align*", rows))
    return "\n".join(blocks)


def _problem(page: Page) -> list[str]:
    """State the formula, the sets that its variables are in, and what is assumed of them."""
    formula, function = page.derivation.formula, page.derivation.program.function.symbol
    sets = (rf"{LATEX(v)} \in {shape_latex(shape_of(v))}" for v in formula.variables.values())
    rows = [rf"{LATEX(function)} &= {LATEX(formula.expr)} && {words('with ')}" + r",\; ".join(sets)]
    for name, kinds in formula.assumptions.items():
        rows.append(rf"& && {LATEX(formula.variables[name])}{words(' is ' + ', '.join(kinds))}")
    return rows


def _equation(sides: tuple[Any, Any]) -> str:
    return f"{LATEX(sides[0])} &= {LATEX(sides[1])}"


def _comments(page: Page) -> str:
    formula = page.derivation.formula
    lines = [page.title] if page.title else []
    lines.append(f"{page.derivation.program.function.name} = {TEXT(formula.expr)}")
    lines.extend(f"{name}: {c.sentence()}" for name, c in page.checked.items())
    lines.extend(page.references)
    return "\n".join(f"% {line}".rstrip() for text in lines for line in text.splitlines())


def shape_latex(shape: tuple[Any, ...]) -> str:
    """Print the set that a value is in."""
    return LATEX.space(shape)


def _step_rows(step: Step) -> list[str]:
    """Return a step's rows: its equalities one below the other, and beside them its rule."""
    single = isinstance(step.left, (Indexed, PartialDerivative))
    belongs = rf"\;{words('entries of ')}" if single else r"\in"
    sides = [f"&= {LATEX(side)}" for side in step.right]
    rules = _rule(step)
    shape = f"{belongs} {shape_latex(step.shape)}"
    rows = [f"{LATEX(step.left)} {sides[0]} && {shape} && {rules[0]}"]
    for side, rule in zip_longest(sides[1:], rules[1:], fillvalue=""):
        rows.append(f"{side or '&'} &&&& {rule}" if rule else side)
    return rows


def _rule(step: Step) -> list[str]:
    """Return the rule in rows; equations that it uses have their own."""
    reasons = step.reasons(LATEX)
    text = f"{step.rule}{step.separator}".rstrip()
    lines = textwrap.wrap(text, _RULE, break_long_words=False, break_on_hyphens=False)
    if step.separator == " ":
        return [*map(words, lines[:-1]), words(f"{lines[-1]} ") + r",\; ".join(reasons)]
    return [*map(words, lines), *reasons]


def _results(page: Page) -> list[str]:
    rows = []
    for result in page.derivation.results:
        notes = r",\; ".join(words(note, "texttt") for note in result.notes)
        equation = rf"\boxed{{{LATEX(result.symbol)} = {LATEX(page.shown(result))}}}"
        given = f" && {words('with ')}{notes}" if notes else ""
        rows.append(rf"& {equation} && \in {shape_latex(result.shape)}{given}")
    return rows


def entries_latex(value: Any) -> str:
    """Print a matrix of entries, its rows further apart where they hold fractions."""
    if not hasattr(value, "tolist"):
        return LATEX(value)
    rows = [" & ".join(map(LATEX, row)) for row in value.tolist()]
    space = r" \\[1ex] " if any(r"\frac" in row for row in rows) else r" \\ "
    return rf"\begin{{pmatrix}} {space.join(rows)} \end{{pmatrix}}"


def _aligned(environment: str, rows: list[str]) -> str:
    body = " \\\\\n".join(f"  {row}" for row in rows)
    return f"\\begin{{{environment}}}\n{body}\n\\end{{{environment}}}"
