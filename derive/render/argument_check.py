"""What a standalone module asks of its arguments: their shapes, and numbers as scalars of a dtype.

A library stretches a vector of one axis, and what comes out is something else; a few shapes are
compared in less time than one product of small arrays takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from derive.emit import Emitted

__all__ = ["argument_lines", "shapes_and_check"]

_CHECK = '''# The arguments' shapes: a letter is one number wherever it stands.
_SHAPES = {{
{shapes}
}}


def _check_shapes(**arrays):
    """Refuse arrays of other shapes, which a library might stretch to something else."""
    sizes = {{}}
    for name, array in arrays.items():
        expected = _SHAPES[name]
        found = array.shape if hasattr(array, "shape") else {numpy}.shape(array)
        fits = len(found) == len(expected)
        for axis, number in enumerate(found if fits else ()):
            size = expected[axis]
            known = sizes.setdefault(size, number) if isinstance(size, str) else size
            if number != known and isinstance(number, int) and isinstance(known, int):
                fits = False  # what is no integer, dask does not know yet
        if not fits:
            shape = f"({{', '.join(map(str, expected))}})"
            known = ", ".join(f"{{size}} = {{number}}" for size, number in sizes.items())
            raise ValueError(
                f"{{name}}: expected shape {{shape}}{{' where ' if known else ''}}{{known}}, got "
                f"{{tuple(found)}}. A column is an array of shape (n, 1), as reshape(-1, 1) makes "
                "one; the shapes of all arguments stand in this module's docstring."
            )'''


def argument_lines(emitted: Emitted) -> list[str]:
    """Return the statements by which a function checks its arguments.

    >>> from derive.emit import emit
    >>> from derive.language import read_formula
    >>> formula = read_formula("c*norm2(x)")
    >>> argument_lines(emit([formula.expr], formula.variables))
    ['_check_shapes(c=c, x=x)', 'c = _scalar(c, x)']
    """
    shapes = dict(zip(emitted.arguments, emitted.argument_shapes, strict=True))
    arrays = [name for name, shape in shapes.items() if shape]
    lines = [f"_check_shapes({', '.join(f'{name}={name}' for name in shapes)})"]
    for name, shape in shapes.items():
        models = arrays[:1] or [other for other in shapes if other != name]
        if not shape and models:
            lines.append(f"{name} = _scalar({', '.join([name, *models])})")
    return lines


def shapes_and_check(functions: Iterable[Emitted], numpy: str = "np") -> str:
    """Return the text of the shapes of all functions' arguments, and of the function that checks.

    NumPy is called as ``numpy`` says.

    >>> from derive.emit import emit
    >>> from derive.language import read_formula
    >>> formula = read_formula("c*norm2(x)")
    >>> shapes_and_check([emit([formula.expr], formula.variables)]).splitlines()[2:4]
    ['    "c": (),', '    "x": ("n", 1),']
    """
    shapes = {
        name: shape
        for emitted in functions
        for name, shape in zip(emitted.arguments, emitted.argument_shapes, strict=True)
    }
    rows = []
    for name, shape in shapes.items():
        sizes = [str(size) if size.is_Integer else f'"{TEXT.size(size)}"' for size in shape]
        rows.append(f'    "{name}": ({", ".join(sizes)}),')
    return _CHECK.format(shapes="\n".join(rows), numpy=numpy)
