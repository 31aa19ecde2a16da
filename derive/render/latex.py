"""LaTeX, for a mathematics environment of LaTeX, KaTeX or MathJax."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from derive.render.typeset import Typeset
from derive.spelling import GREEK, NAMED, PRODUCT, Piece, name_parts

__all__ = ["LATEX", "words"]

_TALL = (r"\frac", r"\sum", r"\begin")  # what parentheses must grow for
_HEADS = {"lgamma": r"\log\Gamma", "digamma": r"\psi", "trigamma": r"\psi_{1}"}
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


class _Latex(Typeset):
    """LaTeX, for a mathematics environment."""

    times, dot, dot_over = r" \, ", r" \odot ", r" \oslash "
    turned, entrywise, by, reals = r"\top", r"\circ ", r" \times ", r"\mathbb{R}"
    nabla, along = r"\nabla", r"\mathrm{D}"

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)" if _is_tall(text) else f"({text})"

    def superscript(self, base: str, script: str) -> str:
        return f"{base}^{{{script}}}"

    def subscript(self, base: str, script: str) -> str:
        return f"{base}_{{{script}}}"

    def fraction(self, above: str, below: str) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def root(self, inside: str) -> str:
        return rf"\sqrt{{{inside}}}"

    def bold(self, digit: str) -> str:
        return rf"\mathbf{{{digit}}}"

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        inside = ", ".join(a.signed() for a in arguments)
        if name == "kron":
            left, right = (self.wrap(a, NAMED) for a in arguments)
            return Piece(rf"{left} \otimes {right}", PRODUCT)
        if name == "pinv":
            return Piece(rf"{self._base(arguments[0])}^{{+}}", NAMED)
        if name in _HEADS:
            return Piece(f"{_HEADS[name]}{self.parentheses(inside)}")
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
        known = known or name in ("arcsin", "arccos", "max", "min")
        head = f"\\{name}" if known else rf"\operatorname{{{name}}}"
        return Piece(f"{head}{self.parentheses(inside)}")

    def first_maximum(self, node: Any, matrix: Piece) -> Piece:
        inside = self.parentheses(matrix.signed())
        return Piece(rf"\mathbf{{1}}_{{\text{{first }}\arg\max{inside}}}")

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
