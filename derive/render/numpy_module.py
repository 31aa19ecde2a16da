"""A standalone module that needs NumPy alone: value, value_and_grad, and a check of itself."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from derive.abbreviations import is_long
from derive.emit import Emitted, emit, value_names
from derive.graph import shape_of
from derive.kernels import kernels_in, source
from derive.notation import TEXT
from derive.render.argument_check import shapes_and_check
from derive.render.function_text import free_name, head, shape_text
from derive.render.hessian_code import hessian_functions, kronecker_results
from derive.render.python_lines import WIDTH, statement
from derive.render.self_check import self_check

if TYPE_CHECKING:
    from derive.derivation import Page

__all__ = ["numpy_module", "tool_version"]

_DOCUMENTED, _LONG_WORD = 96, 80  # characters of a line of the docstring, and of a word in it


def numpy_module(page: Page) -> str:
    """Render a page as the text of a Python module, batched where the page is.

    >>> import derive
    >>> from derive.derivation import Page
    >>> names = {}
    >>> exec(numpy_module(Page(derive.differentiate("x'*x"))), names)
    >>> import numpy
    >>> value, gradients = names["value_and_grad"](numpy.array([[3.0], [4.0]]))
    >>> float(value), gradients["x"].ravel().tolist()
    (25.0, [6.0, 8.0])
    """
    derivation, batch = page.derivation, page.batch
    if batch is None:
        first = derivation.first or derivation
        value, gradient = derivation.formula.expr, first.gradient
        variables, names = derivation.formula.variables, value_names(derivation)
    else:
        value, gradient, variables = batch.value, batch.gradient, batch.variables
        names = {expr: name for name, expr in batch.values.items()}
    directions = derivation.directions
    second = derivation.first is not None
    moved = {**variables, **({} if second else directions)}
    alone = emit([value], variables, names)
    joint = emit([value, *gradient.values()], moved, names)
    functions = [alone, joint]
    texts = [_value(alone), _value_and_grad(joint, tuple(gradient), derivation.is_gradient)]
    if second:
        for emitted, text in hessian_functions(derivation, variables, names):
            functions.append(emitted)
            texts.append(text)
    parts = [f"{_docstring(page, variables, gradient)}\n\n{_import(joint.alias)}"]
    parts += [_kernel(name, joint.alias) for name in kernels_in(texts)]
    parts.append(shapes_and_check(functions, joint.alias))
    module = "\n\n\n".join([*parts, *texts]) + "\n"
    if page.point:
        arguments = dict(zip(variables, alone.arguments, strict=True))
        module += _self_check(page, arguments).replace("np.", f"{joint.alias}.")
    return module.rstrip()


def _self_check(page: Page, arguments: Mapping[str, str]) -> str:
    derivation, directions = page.derivation, page.derivation.directions
    first = derivation.first
    firsts, seconds = (derivation, ()) if first is None else (first, derivation.results)
    point = _literal({name: page.point[name] for name in arguments}, arguments)
    along = _literal(
        {name: page.point[name] for name in directions}, {name: name for name in directions}
    )
    checked = {
        "firsts": firsts.results,
        "seconds": seconds,
        "matrices": kronecker_results(derivation),
    }
    return self_check(
        **checked, arguments=arguments, point=point, directions=along if directions else ""
    )


def _import(alias: str) -> str:
    return f"import numpy as {alias}" if alias != "numpy" else "import numpy"


def _kernel(name: str, alias: str) -> str:
    return re.sub(r"\bnp\b", alias, source(name).rstrip())


def _docstring(page: Page, variables: Mapping[str, Any], gradient: Mapping[str, Any]) -> str:
    derivation = page.derivation
    name = derivation.program.function.name
    what = "gradients" if derivation.is_gradient else "derivatives"
    lines = _equation(f"Value and {what} of {name}", derivation.formula.expr, ".", "")
    if page.batch is not None:
        lines += ["", f"Their means over {page.batch.size} samples, one a row:", ""]
        lines += _equation(name, page.batch.value)
    lines += ["", *(f"    {n}: {shape_text(shape_of(v))}" for n, v in variables.items()), ""]
    if page.batch is not None:
        lines += [part for n, g in gradient.items() for part in _equation(f"d{name}/d{n}", g)]
    else:
        firsts = () if derivation.first is None else derivation.first.results
        for result in (*firsts, *derivation.results):
            if is_long(result.expr):
                lines.append(f"    {TEXT(result.symbol)} is as long as the code below")
            else:
                lines += _equation(TEXT(result.symbol), result.expr)
        along = derivation.directions.items()
        lines += [f"    for any {n}: {shape_text(shape_of(v))}" for n, v in along]
    given = [(r.kind, r.wrt, ", ".join(r.assumptions)) for r in derivation.results]
    lines += [""] * any(text for *_, text in given)
    lines += [f"The {kind} by {n} holds with {text}." for kind, n, text in given if text]
    lines += [""] * bool(page.checked)
    lines += [f"By {n}, {checked.sentence()}." for n, checked in page.checked.items()]
    lines += [page.batch_checked] * bool(page.batch_checked)
    lines += ["", f"Written by chainrule {tool_version()}."]
    wrapped = [part for line in lines for part in _wrapped(line)]
    text = "\n".join(wrapped).replace("\\", "\\\\")
    return f'"""{text}\n"""'


def _equation(left: str, right: Any, end: str = "", margin: str = "    ") -> list[str]:
    return [f"{margin}{left} = {TEXT(right)}{end}"]


def _wrapped(line: str) -> list[str]:
    """Break a long line at spaces, a long word behind its products, the rest further in."""
    margin = " " * (len(line) - len(line.lstrip()))
    words = (w.replace("*", "* ") if len(w) > _LONG_WORD else w for w in line.strip().split(" "))
    return textwrap.wrap(
        " ".join(words),
        _DOCUMENTED,
        initial_indent=margin,
        subsequent_indent=f"{margin}    ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def tool_version() -> str:
    """Return the version of this program, as it is installed."""
    try:
        return version("chainrule")
    except PackageNotFoundError:
        return "(not installed)"


def _value(emitted: Emitted) -> str:
    lines = head("value", emitted, "Return the value.")
    return "\n".join([*lines, *statement("return ", emitted.results[0])])


def _value_and_grad(emitted: Emitted, names: Sequence[str], is_gradient: bool) -> str:
    what = "gradients" if is_gradient else "derivatives"
    lines = head("value_and_grad", emitted, f"Return the value, and the {what} by name.")
    taken = {*emitted.arguments, *(line.split(" = ")[0] for line in emitted.statements)}
    result, gradients = (free_name(name, taken) for name in ("result", "gradients"))
    lines += statement(f"{result} = ", emitted.results[0])
    lines.append(f"    {gradients} = {{")
    for name, code in zip(names, emitted.results[1:], strict=True):
        lines += statement(f'"{name}": ', code, ",", 8)
    return "\n".join([*lines, "    }", f"    return {result}, {gradients}"])


def _literal(point: Mapping[str, Any], arguments: Mapping[str, str]) -> str:
    rows = [line for n, v in point.items() for line in _entry(f'"{arguments[n]}": ', v)]
    return "\n".join(["{", *rows, "}"])


def _entry(head: str, value: Any) -> list[str]:
    """Write an array as nested lists, in one line or a line a row."""
    line = f"    {head}{value},"
    if len(line) <= WIDTH or not isinstance(value, Sequence):
        return [line]
    rows = [part for row in value for part in statement("", str(row), ",", 8)]
    return [f"    {head}[", *rows, "    ],"]
