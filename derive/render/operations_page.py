"""The page of operations: one line a row of the table, its rule applied to placeholders.

What is printed is what the sweep computes: G stands for the cotangent of the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sympy import Function, MatrixSymbol, Symbol

from derive.errors import RefusedError
from derive.graph import is_matrix, operands
from derive.language import read_formula
from derive.nodes import Elementwise
from derive.notation import TEXT
from derive.operations import OPERATIONS, pull_back
from derive.scalars import FUNCTIONS, U

if TYPE_CHECKING:
    from collections.abc import Iterator

    from derive.operations import Operation

__all__ = ["operations_page"]

_HEAD = """# Operations

Made from the table of `derive/operations.py` by `make golden`; a test holds it against the table.

G is the cotangent of the value, ∂L/∂value for a scalar L in the shape of the value. Beside each
value stands the cotangent that its rule returns for every argument, in the formula language. The
conventions are relu'(0) = step(0) = 0, sign(0) = 0, and of equal entries of a maximum the first.

| operation | value | cotangents of its arguments |
|---|---|---|"""

_FUNCTIONS = """
## Functions of every entry, and of scalars

| function | derivative | kink, and where points are drawn |
|---|---|---|"""


def operations_page() -> str:
    """Return the page as Markdown."""
    rows = [line for row in OPERATIONS.values() for line in _lines(row)]
    functions = [_function(name) for name in FUNCTIONS]
    return "\n".join([_HEAD, *rows, _FUNCTIONS, *functions]) + "\n"


def _lines(row: Operation) -> Iterator[str]:
    """Yield a line for each example; functions of entries and scalars have a table of their own."""
    examples = row.examples[:1] if row.node in (Elementwise, Function) else row.examples
    if row.pullback is None:
        yield f"| {row.title} | | no gradient flows |"
    for text in examples:
        node = read_formula(text).expr
        g = MatrixSymbol("G", *node.shape) if is_matrix(node) else Symbol("G", real=True)
        pairs = zip(operands(node), pull_back(g, node), strict=True)
        rules = ", ".join(f"{TEXT(o)}: `{TEXT(c)}`" for o, c in pairs if not o.is_number)
        yield f"| {row.title} | `{text}` | {rules} |"


def _function(name: str) -> str:
    row, u = FUNCTIONS[name], Symbol("u", real=True)
    try:
        derivative = f"`{TEXT(row.function(U).diff(U).xreplace({U: u}))}`"
    except RefusedError as error:
        derivative = str(error)
    low, high = row.domain
    limits = [text for text in (_above(low), _below(high)) if text]
    places = ["at 0"] * row.kink + ([f"for {' and '.join(limits)}"] if limits else [])
    return f"| `{name}(u)` | {derivative} | {', '.join(places)} |"


def _above(low: float) -> str:
    return "" if low == -float("inf") else f"u > {low:g}"


def _below(high: float) -> str:
    return "" if high == float("inf") else f"u < {high:g}"
