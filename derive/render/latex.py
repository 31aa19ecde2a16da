"""LaTeX, for a mathematics environment of LaTeX, KaTeX or MathJax."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sympy import Rational

from derive.nodes import Total
from derive.notation import Notation
from derive.spelling import ATOM, GREEK, NAMED, POSTFIX, PRODUCT, Piece, name_parts

__all__ = ["LATEX"]

_TALL = (r"\frac", r"\sum", r"\begin")  # what parentheses must grow for


class _Latex(Notation):
    """LaTeX, for a mathematics environment."""

    times, dot, dot_over = r" \, ", r" \odot ", r" \oslash "

    def parentheses(self, text: str) -> str:
        tall = any(command in text for command in _TALL)
        return rf"\left({text}\right)" if tall else f"({text})"

    def transpose(self, matrix: Piece) -> Piece:
        return Piece(rf"{self._base(matrix)}^{{\top}}", NAMED)

    def _leaf_or_call(self, node: Any, arguments: list[Piece]) -> Piece:
        if isinstance(node, Total) and node.args[0].shape[1] == 1:
            return Piece(rf"\mathbf{{1}}^{{\top}} {self.wrap(arguments[0], NAMED)}", PRODUCT)
        return super()._leaf_or_call(node, arguments)

    def _base(self, piece: Piece) -> str:
        return self.wrap(piece, POSTFIX)

    def quotient(
        self, numerator: list[Piece], denominator: list[Piece], matrices: list[Piece], dotted: bool
    ) -> Piece:
        if not denominator:
            return super().quotient(numerator, denominator, matrices, dotted)
        above = super().quotient(numerator, [], [], dotted)
        top = numerator[0].signed() if len(numerator) == 1 else above.text
        below = super().quotient(denominator, [], [], dotted)
        bottom = denominator[0].signed() if len(denominator) == 1 else below.text
        fraction = Piece(rf"\frac{{{top}}}{{{bottom}}}", NAMED)
        if not matrices:
            return fraction
        return super().quotient([replace(fraction, level=ATOM)], [], matrices, dotted)

    def power(self, base: Piece, exponent: Any, printed: Piece | None, dotted: bool) -> Piece:
        if exponent == 1:
            return base
        if exponent == Rational(1, 2):
            return Piece(rf"\sqrt{{{base.signed()}}}")
        text = (printed or self.piece(exponent)).signed()
        mark = r"\circ " if dotted else ""
        return Piece(rf"{self._base(base)}^{{{mark}{text}}}", NAMED)

    def number(self, number: Any) -> Piece:
        if number.is_Rational and number.q != 1:
            return Piece(rf"\frac{{{abs(number.p)}}}{{{number.q}}}", ATOM, bool(number < 0))
        return super().number(number)

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        inside = ", ".join(a.signed() for a in arguments)
        if name == "norm2":
            return Piece(rf"\left\lVert {inside}\right\rVert")
        if name == "step":
            return Piece(rf"\mathbf{{1}}[{inside} > 0]")
        if name == "inv":
            return Piece(rf"{self._base(arguments[0])}^{{-1}}", NAMED)
        if name == "sqrt":
            return Piece(rf"\sqrt{{{inside}}}")
        if name == "abs":
            return Piece(rf"\left|{inside}\right|")
        known = name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det", "arctan")
        known = known or name in ("arcsin", "arccos", "max")
        head = f"\\{name}" if known else rf"\operatorname{{{name}}}"
        return Piece(f"{head}{self.parentheses(inside)}")

    def constant(self, name: str, sizes: tuple[Any, ...]) -> Piece:
        if name == "eye":
            return Piece(rf"I_{{{self(sizes[0])}}}")
        symbol = {"ones": r"\mathbf{1}", "zeros": r"\mathbf{0}"}[name]
        if len(sizes) == 2 and sizes[0] == 1:
            return Piece(rf"{symbol}_{{{self(sizes[1])}}}^{{\top}}", NAMED)
        shape = r" \times ".join(self(size) for size in sizes if size != 1)
        return Piece(rf"{symbol}_{{{shape}}}")

    def name(self, name: str) -> str:
        stem, index = name_parts(name)
        word = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
        text = f"\\{stem}" if stem in GREEK else word
        index = index.replace("_", r"\_")
        if not index:
            return text
        return f"{text}_{{{index if index.isdigit() or len(index) == 1 else self._word(index)}}}"

    @staticmethod
    def _word(index: str) -> str:
        return rf"\mathrm{{{index}}}"

    def derivative(self, function: str, variable: str) -> str:
        return rf"\nabla_{{{self.name(variable)}}} {self.name(function)}"

    def partial(self, above: str, below: str) -> str:
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"

    def indexed(self, name: str, index: str) -> str:
        head = self.name(name)
        return f"{head[:-1]},{index}}}" if "_{" in head else f"{head}_{{{index}}}"

    def indexed_sum(self, term: Piece, index: Any, first: Any, last: Any) -> Piece:
        text = self.wrap(term, PRODUCT)
        return Piece(rf"\sum_{{{index}={self(first)}}}^{{{self(last)}}} {text}", NAMED)

    def cases(self, branches: list[tuple[str, Any]]) -> Piece:
        rows = (rf"{value} & {self.condition(c)}" for value, c in branches)
        return Piece(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}")

    def condition(self, condition: Any) -> str:
        word, _, relation = super().condition(condition).partition(" ")
        return rf"\text{{{word} }} {relation}" if relation else rf"\text{{{word}}}"


LATEX = _Latex()
