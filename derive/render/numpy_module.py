"""A standalone module that needs NumPy alone: value, value_and_grad, and a check of itself."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from derive.emit import Emitted, emit, value_names
from derive.graph import shape_of
from derive.kernels import source
from derive.notation import TEXT
from derive.render.python_lines import WIDTH, statement

if TYPE_CHECKING:
    from derive.derivation import Page

__all__ = ["numpy_module", "tool_version"]

_SELF_CHECK = '''

# A point in the formula's domain, at which the module checks itself.
POINT = {point}


def _difference(name, index, step):
    """Return the central difference of value by one entry, extrapolated once (Richardson)."""
    estimates = []
    for part in (step, step / 2):
        sides = []
        for side in (part, -part):
            moved = {{key: {np}.array(entries, dtype=float) for key, entries in POINT.items()}}
            moved[name][index] += side
            sides.append(float(value(**moved)))
        estimates.append((sides[0] - sides[1]) / (2 * part))
    return (4 * estimates[1] - estimates[0]) / 3


def _check():
    """Compare every gradient with differences of value, print the errors, return 0 or 1."""
    point = {{key: {np}.array(entries, dtype=float) for key, entries in POINT.items()}}
    result, gradients = value_and_grad(**point)
    result, alone = float(result), float(value(**point))
    failed = not abs(result - alone) <= 1e-9 * abs(result) < {np}.inf  # NaN fails too
    if failed:
        print(f"value: {{alone}} alone, {{result}} with the gradients, WRONG")
    for name, gradient in zip({names}, gradients.values()):
        worst, size = 0.0, 1e-6 * abs(result)
        for index in {np}.ndindex(point[name].shape):
            # A large step may cross a kink or leave the domain, a small one drowns in round-off.
            found = [_difference(name, index, step) for step in (1e-2, 1e-4, 1e-6)]
            claimed = float({np}.asarray(gradient)[index])
            errors = [abs(claimed - difference) for difference in found]
            worst = {np}.maximum(worst, {np}.fmin.reduce(errors))  # NaN where all errors are
            size = max(size, abs(found[1]))
        right = {np}.shape(gradient) == point[name].shape and worst <= 1e-6 * size < {np}.inf
        print(f"gradient by {{name}}: error {{worst:.1e}}, {{'right' if right else 'WRONG'}}")
        failed = failed or not right
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(_check())
'''


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
        value, gradient = derivation.formula.expr, derivation.gradient
        variables, names = derivation.formula.variables, value_names(derivation)
    else:
        value, gradient, variables = batch.value, batch.gradient, batch.variables
        names = {expr: name for name, expr in batch.values.items()}
    alone = emit([value], variables, names)
    joint = emit([value, *gradient.values()], variables, names)
    kernels = dict.fromkeys((*alone.kernels, *joint.kernels))
    parts = [f"{_docstring(page, variables, gradient)}\n\n{_import(joint.alias)}"]
    parts += [_kernel(name, joint.alias) for name in kernels]
    parts += [_value(alone), _value_and_grad(joint, tuple(gradient))]
    module = "\n\n\n".join(parts) + "\n"
    if page.point:
        arguments = dict(zip(variables, joint.arguments, strict=True))
        point = _literal(page.point, arguments)
        wrt = "(" + "".join(f'"{arguments[name]}", ' for name in gradient).strip() + ")"
        wrt = wrt if len(gradient) == 1 else wrt.replace(",)", ")")
        module += _SELF_CHECK.format(point=point, np=joint.alias, names=wrt)
    return module.rstrip()


def _import(alias: str) -> str:
    return f"import numpy as {alias}" if alias != "numpy" else "import numpy"


def _kernel(name: str, alias: str) -> str:
    return source(name).rstrip().replace("np.", f"{alias}.")


def _docstring(page: Page, variables: Mapping[str, Any], gradient: Mapping[str, Any]) -> str:
    derivation = page.derivation
    name = derivation.program.function.name
    lines = _equation(f"Value and gradients of {name}", derivation.formula.expr, ".", "")
    if page.batch is not None:
        lines += ["", f"Their means over {page.batch.size} samples, one a row:", ""]
        lines += _equation(name, page.batch.value)
    lines += ["", *(f"    {n}: {_shape(shape_of(v))}" for n, v in variables.items()), ""]
    for n, expr in gradient.items():
        lines += _equation(f"d{name}/d{n}", expr)
    given = {n: ", ".join(derivation.assumptions[n]) for n in gradient}
    lines += [""] * any(given.values())
    lines += [f"The gradient by {n} holds with {text}." for n, text in given.items() if text]
    lines += [""] * bool(page.checked)
    lines += [f"By {n}, {checked.sentence()}." for n, checked in page.checked.items()]
    if page.batch is not None and page.checked:
        lines.append("The code for N samples was compared with a loop over single samples.")
    lines += ["", f"Written by chainrule {tool_version()}."]
    wrapped = [part for line in lines for part in _wrapped(line)]
    text = "\n".join(wrapped).replace("\\", "\\\\")
    return f'"""{text}\n"""'


def _equation(left: str, right: Any, end: str = "", margin: str = "    ") -> list[str]:
    return [f"{margin}{left} = {TEXT(right)}{end}"]


def _wrapped(line: str) -> list[str]:
    """Break a long line at spaces, the rest further in."""
    margin = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line.strip(),
        96,
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


def _shape(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(map(TEXT.size, shape))})" if shape else "scalar"


def _value(emitted: Emitted) -> str:
    lines = _head("value", emitted, "Return the value.")
    return "\n".join([*lines, *statement("return ", emitted.results[0])])


def _value_and_grad(emitted: Emitted, names: Sequence[str]) -> str:
    lines = _head("value_and_grad", emitted, "Return the value, and the gradients by name.")
    taken = {*emitted.arguments, *(line.split(" = ")[0] for line in emitted.statements)}
    result, gradients = (_free(name, taken) for name in ("result", "gradients"))
    lines += statement(f"{result} = ", emitted.results[0])
    lines.append(f"    {gradients} = {{")
    for name, code in zip(names, emitted.results[1:], strict=True):
        lines += statement(f'"{name}": ', code, ",", 8)
    return "\n".join([*lines, "    }", f"    return {result}, {gradients}"])


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


def _head(name: str, emitted: Emitted, docstring: str) -> list[str]:
    arguments = ", ".join(emitted.arguments)
    lines = [f"def {name}({arguments}):"]
    if len(lines[0]) > WIDTH:
        lines = [f"def {name}(", *(f"    {argument}," for argument in emitted.arguments), "):"]
    lines.append(f'    """{docstring}"""')
    for code, shape in zip(emitted.statements, emitted.shapes, strict=True):
        target, _, expression = code.partition(" = ")
        written = statement(f"{target} = ", expression)
        comment = f"  # {_shape(shape)}"
        if len(written) == 1 and len(written[0] + comment) <= WIDTH:
            written[0] += comment
        lines += written
    return lines


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
