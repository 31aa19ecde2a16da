"""Formula text to a syntax tree with positions; no name is resolved and nothing evaluated.

An operator-precedence parser with an explicit stack: nesting costs memory and no recursion.
From loosest to tightest: ``+ -``; ``* / .* ./``; unary sign; and one level, associating left, of
``^ .^`` and the postfix transpose, whose exponent may carry a sign of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from derive.errors import FormulaError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DERIVATIVE", "MAX_DEPTH", "MAX_LENGTH", "MAX_NAME", "MAX_OPEN", "Syntax"]
__all__ += ["derivative_name", "is_juxtaposed", "parse"]

MAX_LENGTH = 300_000  # characters of one formula
MAX_DEPTH = 3_000  # nested operations
MAX_OPEN = 4 * MAX_DEPTH  # parentheses, signs and operators that wait for their operands
MAX_NAME = 200  # characters of a name

_TOKEN = re.compile(
    r"(?P<space>\s+|\#[^\n]*)"
    r"|(?P<number>(?:[0-9]+(?:\.(?![*/^])[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<operator>\.\*|\./|\.\^|[-+*/^'(),])"
)

_NAME = r"([A-Za-z][A-Za-z0-9_]*)"
DERIVATIVE = re.compile(rf"[d∂]\s*{_NAME}\s*/\s*[d∂]\s*{_NAME}")  # as it is written in a line

_BINARY = {"+": 1, "-": 1, "*": 2, "/": 2, ".*": 2, "./": 2, "^": 4, ".^": 4}
_CHAIN = {"+": 1, "-": 1, "*": 2, "/": 2, ".*": 3, "./": 3}  # a + b − c is one operation
_UNARY, _POSTFIX, _EXPONENT_SIGN = 3, 4, 5

# What people type, or copy from a page, and what it is called here.
_INSTEAD = {
    **dict.fromkeys("\u2212\u2010\u2013\u2014", "minus is -"),
    **dict.fromkeys("×·⋅∗@", "a product is *"),
    **dict.fromkeys("⊙∘", "an elementwise product is .*"),
    **dict.fromkeys("÷", "a quotient is / or ./"),
    **dict.fromkeys("\u2018\u2019\u2032`ᵀ⊤", "a transpose is '"),
    **dict.fromkeys("²³", "a power is ^ or .^"),
    **dict.fromkeys("|‖∥", "‖x‖ is norm2(x), |x| is abs(x) and |A| is det(A)"),
    **dict.fromkeys("[]{}", "there are only round parentheses, and entries are not written out"),
    **dict.fromkeys("π", "write pi"),
    **dict.fromkeys("√", "a root is sqrt(x)"),
    **dict.fromkeys("∑Σ", "the sum of all entries is sum(x)"),
    **dict.fromkeys("₀₁₂₃₄₅₆₇₈₉", "a name may have digits, as x_1, and is then declared"),
    **dict.fromkeys('"″', "a transpose is ', and there is no second derivative in a formula"),
    **dict.fromkeys("∂", "∂f/∂x is read in a hand derivation, where f is a named value"),
    **dict.fromkeys("=", "expected one expression, without an equals sign"),
    **dict.fromkeys("%", "a comment begins with #"),
    **dict.fromkeys(";", "a statement ends with its line"),
    **dict.fromkeys("\\", "write inv(A)*b"),
    **dict.fromkeys(".", "a number has one point, operators are .* ./ .^, and a transpose is '"),
    **dict.fromkeys("_", "a name begins with a letter"),
}


@dataclass(frozen=True, eq=False, slots=True)
class Syntax:
    """A number, a name, a call, or an operator with its operands, and where it stands.

    ``kind`` is ``number``, ``name``, ``call``, ``neg``, ``'`` or a binary operator; ``value`` the
    text of a number, a name or a called function.
    """

    kind: str
    position: int
    value: str = ""
    children: tuple[Syntax, ...] = ()
    depth: int = 1

    def postorder(self) -> list[Syntax]:
        """List the nodes of the tree, children first."""
        order, stack = [], [self]
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(node.children)
        return order[::-1]


@dataclass(slots=True)
class _Pending:
    """An operator, or an open parenthesis, that waits for its operands."""

    kind: str
    precedence: int
    position: int
    operands: int  # how many operands there were when a call was opened


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.values: list[Syntax] = []
        self.pending: list[_Pending] = []
        self.complete = False  # whether the tokens so far end in a value
        self.callable = False  # whether the last token is a name, which '(' would call

    def fail(self, message: str, position: int) -> FormulaError:
        return FormulaError(message, self.source, position)

    def make(self, kind: str, position: int, count: int, value: str = "") -> None:
        children = tuple(self.values[len(self.values) - count :])
        del self.values[len(self.values) - count :]
        depths = [child.depth + 1 for child in children]
        if kind in _CHAIN and _CHAIN.get(children[0].kind) == _CHAIN[kind]:
            depths[0] -= 1
        depth = max(depths)
        if depth > MAX_DEPTH:
            raise self.fail(f"more than {MAX_DEPTH} nested operations, the limit", position)
        self.values.append(Syntax(kind, position, value, children, depth))

    def reduce(self, precedence: int) -> None:
        """Apply the waiting operators that bind at least so tightly."""
        while self.pending and self.pending[-1].precedence >= precedence:
            operator = self.pending.pop()
            count = 1 if operator.kind == "neg" else 2
            if operator.kind != "pos":
                self.make(operator.kind, operator.position, count)

    def push(self, kind: str, precedence: int, position: int) -> None:
        if len(self.pending) >= MAX_OPEN:
            message = f"more than {MAX_OPEN} parentheses and operators are open here, the limit"
            raise self.fail(message, position)
        self.pending.append(_Pending(kind, precedence, position, len(self.values)))

    def read(self, kind: str, text: str, position: int) -> None:
        """Read the next token."""
        if kind == "name" and len(text) > MAX_NAME:
            raise self.fail(f"a name of more than {MAX_NAME} characters, the limit", position)
        if not self.complete:
            self.complete = self.operand(kind, text, position)
        elif kind in ("number", "name"):
            hint = f"; a product of letters is {'*'.join(text)}" if is_juxtaposed(text) else ""
            if self.callable and len(name := self.values[-1].value) > 1:
                hint = f"; a function has parentheses, as {name[:40]}({text[:40]})"
            message = f"expected an operator before '{text[:40]}', such as *{hint}"
            raise self.fail(message, position)
        else:
            self.complete = self.operator(text, position)
        self.callable = kind == "name"

    def operand(self, kind: str, text: str, position: int) -> bool:
        """Read a token where a value is expected; say whether the value is complete."""
        if kind in ("number", "name"):
            self.values.append(Syntax(kind, position, text))
            return True
        if text in "+-":
            after_power = bool(self.pending) and self.pending[-1].kind in ("^", ".^")
            after_sign = bool(self.pending) and self.pending[-1].precedence == _EXPONENT_SIGN
            level = _EXPONENT_SIGN if after_power or after_sign else _UNARY
            self.push("neg" if text == "-" else "pos", level, position)
            return False
        if text == "(":
            self.push("(", 0, position)
            return False
        opened = self.pending[-1] if self.pending else None
        called = opened is not None and opened.kind.startswith("call")
        if text == ")" and opened and called and opened.operands == len(self.values):
            name = opened.kind.removeprefix("call ")
            raise self.fail(f"expected an argument of {name}", position)
        power = text == "*" and opened and opened.kind == "*" and opened.position == position - 1
        hint = "; a power is ^" if power else ""
        raise self.fail(f"expected a value before '{text}'{hint}", position)

    def operator(self, text: str, position: int) -> bool:
        """Read a token where an operator is expected; say whether the value is complete."""
        if text in _BINARY:
            self.reduce(_BINARY[text])
            self.push(text, _BINARY[text], position)
            return False
        if text == "'":
            self.reduce(_POSTFIX)
            self.make("'", position, 1)
            return True
        if text == "(":
            if not self.callable:
                raise self.fail("expected an operator before '(', such as *", position)
            name = self.values.pop()
            self.push(f"call {name.value}", 0, name.position)
            return False
        self.reduce(1)
        if not self.pending:
            raise self.fail(f"unexpected '{text}'", position)
        opened = self.pending[-1]
        if text == ",":
            if not opened.kind.startswith("call"):
                raise self.fail("a comma outside of a function call", position)
            return False
        self.close(opened)
        return True

    def close(self, opened: _Pending) -> None:
        self.pending.pop()
        if opened.kind.startswith("call"):
            count = len(self.values) - opened.operands
            self.make("call", opened.position, count, opened.kind.removeprefix("call "))


def is_juxtaposed(name: str) -> bool:
    """Tell a name that may be meant as a product of letters, as on paper.

    >>> is_juxtaposed("Ax"), is_juxtaposed("x"), is_juxtaposed("if"), is_juxtaposed("weights")
    (True, False, False, False)
    """
    return name.isalpha() and 2 <= len(name) <= 3 and not name.islower()


def derivative_name(of: str, by: str) -> str:
    """Return the name that a derivative has in a tree, however it is spaced.

    >>> derivative_name("f", "x")
    'df/dx'
    """
    return f"d{of}/d{by}"


def parse(
    source: str,
    is_derivative: Callable[[str, str], bool] | None = None,
    start: int = 0,
    end: int | None = None,
) -> Syntax:
    """Read a formula.

    Args:
        source: the text.
        is_derivative: says of which names df/dx is a derivative, and then itself a name, rather
            than a quotient; none by default.
        start: where the formula begins in the text.
        end: where it ends; positions are those in the text.

    Raises:
        FormulaError: with the place and what was expected.

    >>> tree = parse("-x.^2 + A'*b")
    >>> tree.kind, [child.kind for child in tree.children]
    ('+', ['neg', '*'])
    >>> parse("2*d f/dx", lambda of, by: (of, by) == ("f", "x")).children[1].value
    'df/dx'
    """
    end = len(source) if end is None else end
    if end - start > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {end - start} characters, the limit is {MAX_LENGTH}", source[:60], 0
        )
    parser, position, last = _Parser(source), start, start
    while position < end:
        kind, text, following = _token(parser, position, end, is_derivative)
        if kind != "space":
            parser.read(kind, text, position)
            last = following
        position = following
    if not parser.complete:
        raise parser.fail("expected a value" if last > start else "the formula is empty", last)
    parser.reduce(1)
    if parser.pending:
        opened = parser.pending[-1]
        name = opened.kind.removeprefix("call ").removesuffix("(")
        raise parser.fail(f"'{name}(' is never closed", opened.position)
    return parser.values[0]


def _token(
    parser: _Parser,
    position: int,
    end: int,
    is_derivative: Callable[[str, str], bool] | None,
) -> tuple[str, str, int]:
    """Return the kind and the text of a token, and where the next one begins."""
    source = parser.source
    derivative = DERIVATIVE.match(source, position, end) if is_derivative else None
    if derivative and is_derivative and is_derivative(*derivative.groups()):
        return "name", derivative_name(*derivative.groups()), derivative.end()
    match = _TOKEN.match(source, position, end)
    if match is None:
        letter = "a name has the letters a to z, as lambda" if source[position].isalpha() else ""
        hint = _INSTEAD.get(source[position], letter)
        message = f"unexpected character {source[position]!r}{f'; {hint}' if hint else ''}"
        raise parser.fail(message, position)
    return str(match.lastgroup), match.group(), match.end()
