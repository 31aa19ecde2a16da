"""A derivation as one HTML page that needs nothing else: no network, no script, no font.

Mathematics is MathML, with its LaTeX and its text in the formula language beside it. The page is
well-formed XML as well, so that other programs can read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sympy import Indexed

from derive.graph import shape_of
from derive.notation import TEXT
from derive.render.batch_lines import batch_lines
from derive.render.explicit import explicit_lines
from derive.render.html_style import STYLE
from derive.render.latex import LATEX
from derive.render.latex_page import entries_latex
from derive.render.mathml import MATHML, entries_mathml, escape, table
from derive.render.numpy_module import tool_version
from derive.symbols import PartialDerivative

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from derive.batch import Batch
    from derive.derivation import Page, Result, Step

__all__ = ["html_article", "html_document", "html_page"]


def html_page(pages: Sequence[Page]) -> str:
    """Render pages as one HTML document, with an article for each."""
    titles = [_title(page) or escape(_formula(page)) for page in pages]
    alone = len(pages) == 1
    heading = [] if alone else ["<h1>Derivations</h1>"]
    articles = [html_article(page, level=1 if alone else 2) for page in pages]
    return html_document("; ".join(titles), [*heading, *articles])


def html_document(title: str, body: Sequence[str], style: str = "") -> str:
    """Put parts of a page, and a title, all in HTML, into a document with the style sheet."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        '<meta name="color-scheme" content="light dark"/>',
        f'<meta name="generator" content="chainrule {tool_version()}"/>',
        f"<title>{title}</title>",
        f"<style>\n{STYLE}{style}</style>",
        "</head>",
        "<body>",
        "<main>",
        *body,
        "</main>",
        f"<footer><p>Written by chainrule {tool_version()}.</p></footer>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines)


def _title(page: Page) -> str:
    """Return a page's title in one line."""
    return escape(" ".join(page.title.split()))


def _formula(page: Page) -> str:
    program = page.derivation.program
    return f"{program.function.name} = {TEXT(page.derivation.formula.expr)}"


def html_article(page: Page, level: int) -> str:
    """Set one derivation under a heading of a level, its parts under headings of the next."""
    parts = [("Problem", _problem(page))]
    if page.steps and page.derivation.steps:
        steps = (f"<li>{_step(step)}</li>" for step in page.derivation.steps)
        parts.append(("Steps", _list("ol", "steps", steps)))
    parts.append(("Result", "\n".join(_result(page, result) for result in page.derivation.results)))
    if page.abbreviated.where:
        equations = (f"<li>{_math(_equation(*line))}</li>" for line in page.abbreviated.where)
        parts.append(("Where", _list("ul", "entries", equations)))
    if page.batch is not None:
        heading = f"{escape(str(page.batch.size))} samples, one a row"
        parts.append((heading, _batch(page, page.batch)))
    if page.sizes is not None:
        lines = explicit_lines(page.derivation, page.sizes)
        equations = (f"<li>{_math(_entries(*line))}</li>" for line in lines)
        parts.append(("Entries", _list("ul", "entries", equations)))
    if page.references:
        references = (f"<li>{escape(' '.join(text.split()))}</li>" for text in page.references)
        parts.append(("References", _list("ul", "references", references)))
    sections = (
        f"<section>\n<h{level + 1}>{heading}</h{level + 1}>\n{body}\n</section>"
        for heading, body in parts
    )
    heading = f"<h{level}>{_title(page) or 'Derivation'}</h{level}>"
    return "\n".join(["<article>", heading, *sections, "</article>"])


def _list(tag: str, kind: str, items: Iterable[str]) -> str:
    return "\n".join([f'<{tag} class="{kind}">', *items, f"</{tag}>"])


# --- Mathematics ----------------------------------------------------------------------------------


class _Formula(NamedTuple):
    """What is shown, and the same as LaTeX and as text."""

    mathml: str
    latex: str
    text: str


def _equation(*sides: Any) -> _Formula:
    """Print expressions that are equal, in a line."""
    return _Formula(MATHML.equation(sides), LATEX.equation(sides), TEXT.equation(sides))


def _below(*sides: Any) -> _Formula:
    """Print expressions that are equal, the second and each after it in a line of its own."""
    left, *others = map(MATHML, sides)
    cells = [[left if i == 0 else "", MATHML.equals + other] for i, other in enumerate(others)]
    return _equation(*sides)._replace(mathml=table(cells, "aligned"))


def _member(variable: Any) -> _Formula:
    """Print a variable and the set that it is in."""
    space = _space(shape_of(variable))
    return _Formula(
        f"{MATHML(variable)}{space.mathml}",
        f"{LATEX(variable)} {space.latex}",
        f"{TEXT(variable)} {space.text}",
    )


def _space(shape: tuple[Any, ...]) -> _Formula:
    text = f"is {' by '.join(map(TEXT.size, shape)) or 'a scalar'}"
    return _Formula(f"<mo>∈</mo>{MATHML.space(shape)}", rf"\in {LATEX.space(shape)}", text)


def _entries(symbol: Any, value: Any) -> _Formula:
    """Print a value and its entries."""
    rows = value.tolist() if hasattr(value, "tolist") else [[value]]
    text = "; ".join(", ".join(map(TEXT, row)) for row in rows)
    return _Formula(
        f"{MATHML(symbol)}{MATHML.equals}{entries_mathml(value)}",
        f"{LATEX(symbol)} = {entries_latex(value)}",
        f"{TEXT(symbol)} = [{text}]",
    )


def _math(formula: _Formula, style: str = "true") -> str:
    """Set a formula, by default as one that stands by itself, but in the line."""
    return (
        f'<math displaystyle="{style}" alttext="{escape(formula.text)}">'
        f"<semantics><mrow>{formula.mathml}</mrow>"
        f'<annotation encoding="application/x-tex">{escape(formula.latex)}</annotation>'
        "</semantics></math>"
    )


def _inline(formula: _Formula) -> str:
    return _math(formula, "false")


# --- Parts ----------------------------------------------------------------------------------------


def _problem(page: Page) -> str:
    formula, function = page.derivation.formula, page.derivation.program.function.symbol
    sets = ", ".join(_inline(_member(v)) for v in formula.variables.values())
    lines = [f'<div class="wide">{_math(_equation(function, formula.expr))}</div>']
    lines.append(f"<p>with {sets}</p>" if sets else "")
    for name, kinds in formula.assumptions.items():
        assumed = _inline(_equation(formula.variables[name]))
        lines.append(f"<p>{assumed} is {escape(', '.join(kinds))}</p>")
    lines.append(f"<pre><code>{escape(_formula(page))}</code></pre>")
    return "\n".join(filter(None, lines))


def _step(step: Step) -> str:
    """Set a step: what equals what, where it is, and the rule with what it uses."""
    single = isinstance(step.left, (Indexed, PartialDerivative))
    space = _space(step.shape)
    if single:
        bare = MATHML.space(step.shape), LATEX.space(step.shape)
        space = space._replace(mathml=bare[0], latex=bare[1])
    shape = f"{'entries of ' if single else ''}{_inline(space)}"
    reasons = ", ".join(
        _inline(_equation(*reason) if isinstance(reason, tuple) else _equation(reason))
        for reason in step.reason
    )
    equation = (_below if step.right[1:] else _equation)(step.left, *step.right)
    return (
        f'<div class="step"><div class="wide">{_math(equation)}</div>\n'
        f'<div class="beside"><div class="shape">{shape}</div>\n'
        f'<div class="rule">{escape(step.rule)}{step.separator}{reasons}</div></div></div>'
    )


def _result(page: Page, result: Result) -> str:
    equation = _equation(result.symbol, page.shown(result))
    given = ", ".join(f"<code>{escape(note)}</code>" for note in result.notes)
    lines = [
        '<div class="result">',
        f'<div class="boxed wide">{_math(equation)}</div>',
        f"<p>{_inline(_space(result.shape))}{f', with {given}' if given else ''}</p>",
    ]
    checked = page.checked.get(result.wrt)
    if checked is not None:
        lines.append(f'<p class="checked">{escape(checked.sentence())}</p>')
    lines += [
        "<details><summary>Text and LaTeX</summary>",
        f"<pre><code>{escape(TEXT(page.shown(result)))}</code></pre>",
        f"<pre><code>{escape(equation.latex)}</code></pre>",
        "</details>",
        "</div>",
    ]
    return "\n".join(lines)


def _batch(page: Page, batch: Batch) -> str:
    """Set the rewriting to N samples: every line for one sample and for all of them."""
    sets = ", ".join(_inline(_member(v)) for v in batch.variables.values())
    columns = ("One sample", f"{escape(str(batch.size))} samples", "Shape")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    rows = [
        f"<tr><td>{_math(_equation(*line.one))}</td><td>{_math(_equation(*line.many))}</td>"
        f"<td>{_inline(_space(line.shape))}</td></tr>"
        for line in batch_lines(page.derivation, batch)
    ]
    return "\n".join(
        [
            f"<p>{sets}; the value is the samples' mean</p>",
            '<div class="wide"><table>',
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *rows,
            "</tbody>",
            "</table></div>",
            *([f"<p>{escape(page.batch_checked)}</p>"] if page.batch_checked else []),
        ]
    )
