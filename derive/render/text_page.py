"""A derivation as text: Unicode in columns for a terminal, and Markdown with LaTeX mathematics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derive.graph import shape_of
from derive.render.batch_lines import batch_lines
from derive.render.explicit import explicit_lines
from derive.render.latex import LATEX
from derive.render.latex_page import entries_latex, shape_latex
from derive.render.unicode import UNICODE

if TYPE_CHECKING:
    from derive.batch import Batch
    from derive.derivation import Page, Step

__all__ = ["markdown_page", "pretty_page", "shape_text"]

_WIDE = 64  # a longer equation does not push the columns after it to the right


def shape_text(shape: tuple[Any, ...]) -> str:
    """Print a shape as one says it.

    >>> from sympy import symbols
    >>> shape_text(symbols("m n")), shape_text(())
    ('m×n', 'scalar')
    """
    return "×".join(map(UNICODE.size, shape)) or "scalar"


def pretty_page(page: Page) -> str:
    """Render a page as Unicode text."""
    derivation = page.derivation
    formula = derivation.formula
    shapes = ", ".join(f"{n}: {shape_text(shape_of(v))}" for n, v in formula.variables.items())
    lines = page.title.splitlines()
    lines.append(f"{derivation.program.function.name} = {UNICODE(formula.expr)}    {shapes}")
    lines += [f"{name} is {', '.join(kinds)}" for name, kinds in formula.assumptions.items()]
    if page.steps and derivation.steps:
        lines += ["", "Derivation", *_table([row for s in derivation.steps for row in _rows(s)])]
    lines += ["", "Result", *_table(_results(page))]
    lines += [f"  {name}: {c.sentence()}" for name, c in page.checked.items()]
    if page.batch is not None:
        lines += ["", *_batch(page, page.batch)]
    if page.sizes is not None:
        lines += ["", "Entries"]
        for symbol, entries in explicit_lines(derivation, page.sizes):
            lines += _entries(UNICODE(symbol), entries)
    lines += ["", *page.references] if page.references else []
    return "\n".join(lines)


def _rows(step: Step) -> list[tuple[str, ...]]:
    """Return the columns of a step: equation, shape, rule; further equalities below the first."""
    left, *sides = (UNICODE(part) for part in (step.left, *step.right))
    reasons = ", ".join(step.reasons(UNICODE))
    rule = f"{step.rule}{step.separator}{reasons}"
    first = (f"{left} = {sides[0]}", shape_text(step.shape), rule)
    return [first, *((f"{' ' * len(left)} = {side}", "", "") for side in sides[1:])]


def _batch(page: Page, batch: Batch) -> list[str]:
    """Return the rewriting to N samples: every line for one sample and for all of them."""
    shapes = ", ".join(f"{n}: {shape_text(shape_of(v))}" for n, v in batch.variables.items())
    head = f"{batch.size} samples, one a row: {shapes}; the value is their mean"
    rows: list[tuple[str, ...]] = []
    for line in batch_lines(page.derivation, batch):
        one, many = UNICODE.equation(line.one), UNICODE.equation(line.many)
        rows.append((one, "→", f"{many}    {shape_text(line.shape)}"))
    return [head, *_table(rows), *([f"  {page.batch_checked}"] if page.batch_checked else [])]


def _results(page: Page) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for result in page.derivation.results:
        notes = ", ".join(result.notes)
        equation = f"{UNICODE(result.symbol)} = {UNICODE(page.shown(result))}"
        rows.append((equation, shape_text(result.shape), notes and f"with {notes}"))
    for symbol, expr in page.abbreviated.where:
        rows.append((UNICODE.equation((symbol, expr)), shape_text(shape_of(symbol)), "where"))
    return rows


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Align columns, but for equations too long for their column."""
    widths = [
        max((len(row[i]) for row in rows if len(row[i]) <= _WIDE), default=0) for i in range(2)
    ]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append(f"  {'    '.join([*cells, row[2]])}".rstrip())
    return lines


def _entries(name: str, entries: Any) -> list[str]:
    if not hasattr(entries, "tolist"):
        return [f"  {name} = {UNICODE(entries)}"]
    cells = [[UNICODE(cell) for cell in row] for row in entries.tolist()]
    widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
    lines = []
    for i, row in enumerate(cells):
        padded = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        head = f"{name} = " if i == 0 else " " * (len(name) + 3)
        lines.append(f"  {head}[ {padded} ]")
    return lines


def markdown_page(page: Page) -> str:
    """Render a page as Markdown whose mathematics is LaTeX between dollar signs."""
    derivation = page.derivation
    formula = derivation.formula
    name = LATEX(derivation.program.function.symbol)
    shapes = ", ".join(
        rf"${LATEX(v)} \in {shape_latex(shape_of(v))}$" for v in formula.variables.values()
    )
    lines = [f"# {_in_a_line(page.title) or 'Derivation'}", ""]
    assumed = "".join(
        f" ${LATEX(formula.variables[n])}$ is {', '.join(kinds)}."
        for n, kinds in formula.assumptions.items()
    )
    lines += [f"${name} = {LATEX(formula.expr)}$ with {shapes}.{assumed}", ""]
    if page.steps and derivation.steps:
        lines += ["## Derivation", "", *map(_item, range(1, 10**6), derivation.steps), ""]
    lines += ["## Result", ""]
    for result in derivation.results:
        lines += ["$$", f"{LATEX(result.symbol)} = {LATEX(page.shown(result))}", "$$", ""]
        notes, checked = result.notes, page.checked.get(result.wrt)
        lines += [f"with {', '.join(f'`{note}`' for note in notes)}", ""] if notes else []
        lines += [f"{checked.sentence()}", ""] if checked is not None else []
    for definition in page.abbreviated.where:
        shape = shape_text(shape_of(definition[0]))
        lines.append(f"- where ${LATEX.equation(definition)}$ ({shape})")
    if page.batch is not None:
        lines += [f"## {page.batch.size} samples, one a row", "", "| one sample | all |"]
        lines.append("|---|---|")
        for line in batch_lines(derivation, page.batch):
            lines.append(f"| ${LATEX.equation(line.one)}$ | ${LATEX.equation(line.many)}$ |")
        lines += ["", *([page.batch_checked, ""] if page.batch_checked else [])]
    if page.sizes is not None:
        lines += ["## Entries", ""]
        for symbol, entries in explicit_lines(derivation, page.sizes):
            lines += ["$$", f"{LATEX(symbol)} = {entries_latex(entries)}", "$$", ""]
    lines += [f"- {_in_a_line(reference)}" for reference in page.references]
    return "\n".join(lines).rstrip()


def _in_a_line(text: str) -> str:
    return " ".join(text.split())


def _item(number: int, step: Step) -> str:
    reasons = ", ".join(f"${reason}$" for reason in step.reasons(LATEX))
    rule = f"{step.rule}{step.separator}{reasons}"
    return f"{number}. ${step.text(LATEX)}$ ({shape_text(step.shape)}; {rule})"
