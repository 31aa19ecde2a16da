"""Unicode text, as one writes mathematics in a terminal."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sympy import Rational

from derive.notation import Notation
from derive.spelling import GREEK, NAMED, POSTFIX, PRODUCT, SUM, Piece, name_parts
from derive.symbols import (
    DERIVATIVE,
    DIRECTIONAL,
    HESSIAN,
    HESSIAN_VECTOR,
    JACOBIAN,
    DerivativeName,
)

__all__ = ["GREEK_LETTERS", "UNICODE"]

_HEADS = {"lgamma": "log Γ", "digamma": "ψ", "trigamma": "ψ₁"}
_OPERATORS = {HESSIAN: "∇²", HESSIAN_VECTOR: "∇²", DIRECTIONAL: "D"}
_RAISED = tuple("ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹")
_LETTERS = "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ"
GREEK_LETTERS = MappingProxyType(dict(zip(GREEK, _LETTERS, strict=True)))


class _Unicode(Notation):
    """Text for a terminal."""

    times, dot, dot_over, minus = " ", " ⊙ ", " ⊘ ", " − "

    def transpose(self, matrix: Piece) -> Piece:
        return Piece(f"{self.wrap(matrix, POSTFIX)}ᵀ", POSTFIX)

    def power(self, base: Piece, exponent: Any, printed: Piece | None, dotted: bool) -> Piece:
        if exponent != 1 and base.text[-1:] in _RAISED:  # X⁻¹ and Xᵀ have an exponent already
            base = replace(base, level=SUM)
        if exponent.is_Integer and exponent > 1:
            digits = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
            mark = "∘" if dotted else ""
            return Piece(f"{self.wrap(base, POSTFIX)}{mark}{digits}", POSTFIX)
        if exponent not in (1, Rational(1, 2)) and "^" in base.text:  # to a reader it binds right
            base = replace(base, level=SUM)
        return super().power(base, exponent, printed, dotted)

    def call(self, name: str, arguments: list[Piece]) -> Piece:
        inside = arguments[0].signed() if arguments else ""
        if name == "norm2":
            return Piece(f"‖{inside}‖")
        if name == "kron":
            left, right = (self.wrap(a, NAMED) for a in arguments)
            return Piece(f"{left} ⊗ {right}", PRODUCT)
        if name == "pinv":
            return Piece(f"{self.wrap(arguments[0], POSTFIX)}⁺", POSTFIX)
        if name in _HEADS:
            return Piece(f"{_HEADS[name]}({inside})")
        if name == "step":
            return Piece(f"1[{inside} > 0]")
        if name == "inv":
            return Piece(f"{self.wrap(arguments[0], POSTFIX)}⁻¹", POSTFIX)
        return super().call(name, arguments)

    def first_maximum(self, node: Any, matrix: Piece) -> Piece:
        return Piece(f"1[first argmax {self.parentheses(matrix.signed())}]")

    def name(self, name: str) -> str:
        stem, index = name_parts(name)
        stem = GREEK_LETTERS.get(stem, stem)
        if index.isdigit():
            return stem + index.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        return f"{stem}_{index}" if index else stem

    def derivative(self, derivative: DerivativeName) -> str:
        function, variable = self.name(derivative.function), self.name(derivative.variable)
        if derivative.kind in (JACOBIAN, DERIVATIVE):
            return f"∂{function}/∂{variable}"
        operator = _OPERATORS.get(derivative.kind, "∇")
        along = f"[{self.name(derivative.direction)}]" if derivative.direction else ""
        return f"{operator}_{variable} {function}{along}"

    def partial(self, above: str, below: str) -> str:
        return f"∂{above}/∂{below}"

    def indexed_sum(self, term: Piece, index: Any, first: Any, last: Any) -> Piece:
        text = self.wrap(replace(term, negative=False), PRODUCT)
        return Piece(f"Σ_{index} {text}", NAMED, term.negative)


UNICODE = _Unicode()
