"""The lines of a hand derivation, taken apart: what each names, states or declares.

No name is resolved here but those of the values and of what is stated, which decide whether df/dx
is a derivative or a quotient. Positions are those in the whole text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from derive.errors import FormulaError, at_line
from derive.inference import size_arguments
from derive.shapes import declared_shape
from derive.syntax import DERIVATIVE, derivative_name, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from derive.syntax import Syntax

__all__ = ["Lines", "Statement", "parsed"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DECLARATION = re.compile(r"(shape|assume)\s+(.*)")
_EXPECTED = (
    "expected name = formula, df/dx = formula, shape W = m,n or assume y = onehot, "
    "and after a # a comment"
)


@dataclass(frozen=True)
class _Written:
    """A statement whose formula has not been read.

    It begins at ``place``, its formula at ``start``. ``name`` is what later lines call it; a stated
    derivative is ``of`` one value ``by`` another.
    """

    line: int
    name: str
    place: int
    start: int
    end: int
    of: str = ""
    by: str = ""


@dataclass(frozen=True, eq=False)
class Statement:
    """A line that names a value, or that states the derivative ``of`` one value ``by`` another.

    ``uses`` are the stated derivatives in it, and the names of values that are made of such.
    ``source`` is the text of all lines.
    """

    written: _Written
    source: str = field(repr=False)
    tree: Syntax = field(repr=False)
    uses: tuple[str, ...] = ()

    @property
    def line(self) -> int:
        """The number of the line."""
        return self.written.line

    @property
    def name(self) -> str:
        """What later lines call it."""
        return self.written.name

    @property
    def of(self) -> str:
        """The value whose derivative is stated, "" where none is."""
        return self.written.of

    @property
    def by(self) -> str:
        """What it is differentiated by."""
        return self.written.by

    @property
    def place(self) -> int:
        """Where the line begins in the text."""
        return self.written.place

    @property
    def text(self) -> str:
        """The line, without a comment."""
        return self.source[self.place : self.written.end].strip()

    @property
    def formula(self) -> str:
        """What stands to the right."""
        return self.source[self.written.start : self.written.end].strip()


class Lines:
    """The lines of a text: what they declare, and the statements, whose formulas wait.

    >>> Lines("shape W = m,n  # and so on").shapes
    {'W': 'm,n'}
    """

    def __init__(self, text: str) -> None:
        self.source = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.shapes: dict[str, str] = {}
        self.assumptions: dict[str, list[str]] = {}
        self.statements: list[_Written] = []
        place = 0
        for number, line in enumerate(self.source.split("\n"), 1):
            written = line.partition("#")[0]
            if written.strip():
                with at_line(number):
                    self.scan(number, place + len(written) - len(written.lstrip()), written.strip())
            place += len(line) + 1

    def scan(self, number: int, place: int, line: str) -> None:
        """Take a line apart at its equals sign."""
        left, equals, right = line.partition("=")
        declaration = _DECLARATION.fullmatch(left.strip())
        derivative = DERIVATIVE.fullmatch(left.strip())
        is_name = _NAME.fullmatch(left.strip())
        if not equals or not (declaration or derivative or is_name):
            raise FormulaError(_EXPECTED, self.source, place)
        if declaration:
            self.declare(declaration[1], declaration[2], right.strip(), place)
            return
        of, by = derivative.groups() if derivative else ("", "")
        name = derivative_name(of, by) if derivative else left.strip()
        start, end = place + len(left) + 1, place + len(line)
        if name == "pi":
            raise FormulaError("pi is a number. Give the value another name", self.source, place)
        for earlier in self.statements:
            if earlier.name == name and not derivative:
                message = f"'{name}' is named in line {earlier.line} already. Give it another name"
                raise FormulaError(message, self.source, place)
        self.statements.append(_Written(number, name, place, start, end, of, by))

    def declare(self, what: str, name: str, value: str, place: int) -> None:
        """Read ``shape NAME = R,C`` or ``assume NAME = KIND``."""
        if not _NAME.fullmatch(name):
            message = f"expected a name after {what}, got '{name[:40]}'"
            raise FormulaError(message, self.source, place)
        if what == "assume":
            self.assumptions.setdefault(name, []).extend(value.replace(",", " ").split())
            return
        declared_shape(value)
        if self.shapes.setdefault(name, value) != value:
            message = f"the shape of '{name}' is declared already, as {self.shapes[name]}"
            raise FormulaError(message, self.source, place)


def parsed(lines: Lines, declared: Iterable[str]) -> tuple[Statement, ...]:
    r"""Parse the formulas, and find which stated derivatives they use.

    Args:
        lines: of a text.
        declared: names that have a shape: where df and dx do, df/dx is their quotient.

    Raises:
        FormulaError: for what cannot be read, or is used before it is stated or named.

    >>> [s.uses for s in parsed(Lines("f = x'*x\ndf/dx = 2*x\ng = df/dx"), [])]
    [(), (), ('df/dx',)]
    """
    numbers = {s.name: s.line for s in lines.statements if not s.of}
    names = {*numbers, *declared}

    def is_derivative(of: str, by: str) -> bool:
        return of in numbers and not {f"d{of}", f"d{by}"} <= names

    found: list[Statement] = []
    known: set[str] = set()  # what has been stated, and the values that are made of such
    for written in lines.statements:
        with at_line(written.line):
            tree = parse(lines.source, is_derivative, written.start, written.end)
            statement = Statement(written, lines.source, tree)
            statement = replace(statement, uses=_uses(statement, known, numbers))
        found.append(statement)
        if statement.of or statement.uses:
            known.add(statement.name)
    return tuple(found)


def _uses(statement: Statement, known: set[str], lines: Mapping[str, int]) -> tuple[str, ...]:
    """Return what a formula uses of what has been stated above.

    Raises:
        FormulaError: for a derivative that no line above states, or a value that none names.
    """
    uses: dict[str, None] = {}
    sizes = size_arguments(statement.tree)
    for node in sorted(statement.tree.postorder(), key=lambda n: n.position):
        if node.kind != "name" or node in sizes:
            continue
        name, message = node.value, ""
        if name in known:
            uses[name] = None
        elif "/" in name:
            message = f"{name} is used here, and no line above states it. State it in one"
        elif name == statement.name:
            message = f"'{name}' is named by itself. Give the value or the variable another name"
        elif lines.get(name, 0) > statement.line:
            message = (
                f"'{name}' is used here, and line {lines[name]} names it. Move that line up, or "
                "give the value or the variable another name"
            )
        if message:
            raise FormulaError(message, statement.source, node.position)
    return tuple(uses)
