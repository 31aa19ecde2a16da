"""LaTeX, for a mathematics environment of LaTeX, KaTeX or MathJax."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sympy import Rational

from derive.nodes import Total
from derive.notation import Notation
from derive.spelling import ATOM, GREEK, NAMED, POSTFIX, PRODUCT, Piece, name_parts

__all__ = ["LATEX", "words"]

_TALL = (r"\frac", r"\sum", r"\begin")  # what parentheses must grow for
_ESCAPED = str.maketrans(
    {
        **{character: f"\\{character}" for character in "_#$%&{}"},
        "\\": r"\textbackslash{}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
    }
)


def words(text: str, command: str = "text") -> str:
    r"""Set words among mathematics, every character as itself.

    >>> print(words("y_t is onehot"))
    \text{y\_t is onehot}
    """
    return rf"\{command}{{{text.translate(_ESCAPED)}}}"


class _Latex(Notation):
    """LaTeX, for a mathematics environment."""

    times, dot, dot_over = r" \, ", r" \odot ", r" \oslash "
    stacked = True

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)" if _is_tall(text) else f"({text})"

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
            left, right = (r"\left", r"\right") if _is_tall(inside) else ("", "")
            return Piece(rf"{left}\lvert {inside}{right}\rvert")
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
        stem, first = name_parts(stem) if index else (stem, "")  # z1_2 is an entry of z1
        text = f"\\{stem}" if stem in GREEK else self._word(stem)
        indices = ",".join(self._word(part) for part in (first, index) if part)
        return f"{text}_{{{indices}}}" if indices else text

    @staticmethod
    def _word(name: str) -> str:
        is_plain = name.isdigit() or (len(name) == 1 and name != "_")
        return name if is_plain else words(name, "mathrm")

    def derivative(self, function: str, variable: str) -> str:
        return rf"\nabla_{{{self.name(variable)}}} {self.name(function)}"

    def partial(self, above: str, below: str) -> str:
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"

    def indexed(self, name: str, index: str) -> str:
        head = self.name(name)
        return f"{head[:-1]},{index}}}" if "_{" in head else f"{head}_{{{index}}}"

    def indexed_sum(self, term: Piece, index: Any, first: Any, last: Any) -> Piece:
        text = self.wrap(replace(term, negative=False), PRODUCT)
        sign = rf"\sum_{{{index}={self(first)}}}^{{{self(last)}}}"
        return Piece(f"{sign} {text}", NAMED, term.negative)

    def cases(self, branches: list[tuple[str, Any]]) -> Piece:
        rows = (rf"{value} & {self.condition(c)}" for value, c in branches)
        return Piece(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}")

    def condition(self, condition: Any) -> str:
        word, _, relation = super().condition(condition).partition(" ")
        return f"{words(f'{word} ')} {relation}" if relation else words(word)


def _is_tall(text: str) -> bool:
    return any(command in text for command in _TALL)


LATEX = _Latex()
