"""The text of one emitted function: its head, and its statements with the shapes in comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derive.notation import TEXT
from derive.render.argument_check import argument_lines
from derive.render.python_lines import WIDTH, statement

if TYPE_CHECKING:
    from derive.emit import Emitted

__all__ = ["free_name", "head", "shape_text"]


def head(name: str, emitted: Emitted, docstring: str) -> list[str]:
    """Return the lines of a function before what it returns."""
    arguments = ", ".join(emitted.arguments)
    lines = [f"def {name}({arguments}):"]
    if len(lines[0]) > WIDTH:
        lines = [f"def {name}(", *(f"    {argument}," for argument in emitted.arguments), "):"]
    first, *rest = docstring.split("\n")
    quoted = [f'    """{first}', *(f"    {line}".rstrip() for line in rest)]
    lines += [*quoted, '    """'] if rest else [f'{quoted[0]}"""']
    lines += [part for line in argument_lines(emitted) for part in statement("", line)]
    if emitted.library:
        lines += _assignment(emitted.library)
    for code, shape in zip(emitted.statements, emitted.shapes, strict=True):
        written = _assignment(code)
        comment = f"  # {shape_text(shape)}"
        if len(written) == 1 and len(written[0] + comment) <= WIDTH:
            written[0] += comment
        lines += written
    return lines


def _assignment(code: str) -> list[str]:
    target, _, expression = code.partition(" = ")
    return statement(f"{target} = ", expression)


def shape_text(shape: tuple[Any, ...]) -> str:
    """Return a shape as text."""
    return f"({', '.join(map(TEXT.size, shape))})" if shape else "scalar"


def free_name(name: str, taken: set[str]) -> str:
    """Return a name, with underscores behind it where it is taken."""
    return name if name not in taken else free_name(f"{name}_", taken)
