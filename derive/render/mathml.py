"""MathML Core, which browsers set by themselves: no script, no font and no network.

The text of a piece is a row of elements. What encloses its parts (a script, a fraction, a root)
takes one element for each, so that a row of several becomes an ``mrow``; brackets and a sign stand
first in an ``mrow`` of their own, which makes them a fence and a prefix instead of an infix.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

from derive.render.typeset import Typeset
from derive.render.unicode import GREEK_LETTERS
from derive.spelling import NAMED, PRODUCT, Piece, name_parts

__all__ = ["MATHML", "entries_mathml", "escape", "table"]

_TOKEN = re.compile(r"<(m[ion])\b[^>]*>[^<]*</\1>")
_TALL = ("<mfrac", "<msqrt", "<munderover", "<mtable")
_BINARY = ' lspace="0.22em" rspace="0.22em"'  # as + and − have it
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)), "\ufffd")
_RELATIONS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠"}


def escape(text: str) -> str:
    """Make text stand for itself, in an element or in a quoted attribute.

    >>> print(escape('a < b & "c"'))
    a &lt; b &amp; &quot;c&quot;
    """
    return html.escape(text.translate(_CONTROL))


def _operator(symbol: str, attributes: str = "") -> str:
    return f"<mo{attributes}>{symbol}</mo>"


def _row(text: str) -> str:
    """Make one element of a row of them."""
    return text if _TOKEN.fullmatch(text) else f"<mrow>{text}</mrow>"


def _fenced(left: str, inside: str, right: str) -> str:
    """Put brackets around, which grow where what is inside is tall."""
    size = "" if any(tag in inside for tag in _TALL) else ' stretchy="false"'
    return f"<mrow>{_operator(left, size)}{inside}{_operator(right, size)}</mrow>"


def _word(text: str) -> str:
    return f"<mn>{text}</mn>" if text.isdigit() else f"<mi>{escape(text)}</mi>"


def _prefix(symbol: str) -> str:
    """Print a differential operator, which is upright."""
    return f'<mi mathvariant="normal">{symbol}</mi>'


class _MathML(Typeset):
    """Elements of MathML Core."""

    # Invisible, yet spoken and copied as a product; the space sets the names apart.
    times = apart = _operator("&#x2062;", ' lspace="0" rspace="0.17em"')
    dot, dot_over = _operator("⊙", _BINARY), _operator("⊘", _BINARY)
    plus, minus, equals = _operator("+"), _operator("−"), _operator("=")
    one, turned, reals = "<mn>1</mn>", "<mi>⊤</mi>", "<mi>ℝ</mi>"
    nabla, along, applied = _prefix("∇"), _prefix("D"), ""
    entrywise, by = _operator("∘"), _operator("×")

    def signed(self, piece: Piece) -> str:
        return f"<mrow>{self.minus}{piece.text}</mrow>" if piece.negative else piece.text

    def parentheses(self, text: str) -> str:
        return _fenced("(", text, ")")

    def superscript(self, base: str, script: str) -> str:
        return f"<msup>{_row(base)}{_row(script)}</msup>"

    def subscript(self, base: str, script: str) -> str:
        return f"<msub>{_row(base)}{_row(script)}</msub>"

    def fraction(self, above: str, below: str) -> str:
        return f"<mfrac>{_row(above)}{_row(below)}</mfrac>"

    def root(self, inside: str) -> str:
        return f"<msqrt>{inside}</msqrt>"

    def bold(self, digit: str) -> str:
        return f'<mn mathvariant="bold">{digit}</mn>'

    def number(self, number: Any) -> Piece:
        if number.is_Rational and number.q != 1:
            return super().number(number)
        return Piece(self.numeral(str(abs(number))), negative=bool(number < 0))

    def numeral(self, digits: str) -> str:
        return f"<mn>{digits}</mn>"

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        inside = _operator(",").join(map(self.signed, arguments))
        if name == "norm2":
            return Piece(_fenced("‖", inside, "‖"))
        if name == "abs":
            return Piece(_fenced("|", inside, "|"))
        if name == "step":
            positive = f"{inside}{_operator('&gt;')}<mn>0</mn>"
            return Piece(f"{self.bold('1')}{_fenced('[', positive, ']')}")
        if name == "inv":
            minus_one = f"{self.minus}{self.one}"
            return Piece(self.superscript(self._base(arguments[0]), minus_one), NAMED)
        if name == "sqrt":
            return Piece(self.root(inside))
        return Piece(f"{_word(name)}{_operator('&#x2061;')}{self.parentheses(inside)}")

    def name(self, name: str) -> str:
        return self._with_indices(name, [])

    def _with_indices(self, name: str, more: list[str]) -> str:
        stem, index = name_parts(name)
        stem, first = name_parts(stem) if index else (stem, "")  # z1_2 is an entry of z1
        letter = _word(GREEK_LETTERS.get(stem, stem))
        indices = [*map(_word, filter(None, (first, index))), *more]
        return self.subscript(letter, _operator(",").join(indices)) if indices else letter

    def brackets(self, text: str) -> str:
        return _fenced("[", text, "]")

    def partial(self, above: str, below: str) -> str:
        return self.fraction(f"{_prefix('∂')}{above}", f"{_prefix('∂')}{below}")

    def indexed(self, name: str, index: str) -> str:
        parts = (re.findall(r"\d+|\D", part) for part in index.split(","))  # ik are two letters
        return self._with_indices(name, ["".join(map(_word, part)) for part in parts])

    def indexed_sum(self, term: Piece, index: Any, first: Any, last: Any) -> Piece:
        text = self.wrap(replace(term, negative=False), PRODUCT)
        below = f"{self(index)}{self.equals}{self(first)}"
        sign = f"<munderover>{_operator('∑')}{_row(below)}{_row(self(last))}</munderover>"
        return Piece(f"{sign}{text}", NAMED, term.negative)

    def cases(self, branches: list[tuple[str, Any]]) -> Piece:
        rows = [[value, self.condition(condition)] for value, condition in branches]
        return Piece(f"<mrow>{_operator('{')}{table(rows, 'cases')}</mrow>")

    def condition(self, condition: Any) -> str:
        if condition == True:  # noqa: E712 - SymPy's true is not Python's
            return "<mtext>otherwise</mtext>"
        relation = _operator(escape(_RELATIONS.get(condition.rel_op, condition.rel_op)))
        return f"<mtext>if&#xA0;</mtext>{self(condition.lhs)}{relation}{self(condition.rhs)}"


MATHML = _MathML()


def table(rows: list[list[str]], kind: str) -> str:
    """Set cells in rows; the style sheet aligns the columns of a kind of table."""
    lines = ("".join(f"<mtd>{cell}</mtd>" for cell in row) for row in rows)
    body = "".join(f"<mtr>{line}</mtr>" for line in lines)
    return f'<mtable class="{kind}" displaystyle="true">{body}</mtable>'


def entries_mathml(value: Any) -> str:
    """Print a matrix of entries."""
    if not hasattr(value, "tolist"):
        return MATHML(value)
    rows = [list(map(MATHML, row)) for row in value.tolist()]
    return MATHML.parentheses(table(rows, "matrix"))
