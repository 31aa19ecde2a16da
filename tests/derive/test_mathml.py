"""MathML: elements that browsers set, and a formula that reads back as the one it was made of."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sympy import Integer, Rational, Symbol

import derive
from derive.build import power
from derive.errors import ChainRuleError
from derive.language import read_formula
from derive.notation import TEXT
from derive.operations import OPERATIONS
from derive.render.mathml import MATHML, entries_mathml, escape
from derive.render.unicode import GREEK_LETTERS
from derive.scalars import FUNCTIONS

EXAMPLES = [text for row in OPERATIONS.values() for text in row.examples]
# Of MathML Core; how many elements an element encloses, None for any number.
CHILDREN = {"math": None, "mrow": None, "msqrt": None, "mtable": None, "mtr": None, "mtd": None}
CHILDREN |= {"msup": 2, "msub": 2, "mfrac": 2, "munderover": 3, "semantics": 2}
TOKENS = {"mi", "mn", "mo", "mtext", "annotation"}


def parsed(mathml: str) -> Any:
    """Parse a row of elements, and see that browsers can set each."""
    root = ElementTree.fromstring(f"<math>{mathml}</math>")
    for element in root.iter():
        if element.tag in TOKENS:
            assert element.text
            assert not list(element)
        else:
            count = CHILDREN[element.tag]
            assert count is None or len(element) == count, mathml
            assert not (element.text or "").strip(), mathml
        assert not (element.tail or "").strip(), mathml
    return root


# --- Reading back: what a person sees, without a bracket that is not there ------------------------

OPERATORS = {"\u2062": "*", "\u2061": "", "⊙": " .* ", "⊘": " ./ ", "×": ","}
OPERATORS |= {sign: sign for sign in "+()[,]>"} | {"−": "-", "‖": "‖", "|": "|", "∘": "."}
ENDS = {"+", "−", "⊙", "⊘", ",", ">"}
LETTERS = {letter: name for name, letter in GREEK_LETTERS.items()}


def is_bold(element: Any, digit: str = "") -> bool:
    return element.get("mathvariant") == "bold" and element.text.startswith(digit)


def read(element: Any) -> str:
    """Write an element as a formula of the language."""
    parts = list(element)
    if is_bold(element):
        return {"1": "ones", "0": "zeros"}[element.text]
    if element.tag == "mo":
        return OPERATORS[element.text]
    if element.tag in ("mi", "mn"):
        return LETTERS.get(element.text, element.text)
    if element.tag == "mfrac":
        return f"(({read(parts[0])}) ./ ({read(parts[1])}))"
    if element.tag == "msqrt":
        return f"sqrt({read_row(parts)})"
    if element.tag == "msub":
        head = {"I": "eye"}.get(parts[0].text) or read(parts[0])
        return f"{head}({read(parts[1])})"
    if element.tag == "msup":
        if parts[1].text == "⊤":
            return f"{read(parts[0])}'"
        dotted, script = parts[1][:1] and parts[1][0].text == "∘", read(parts[1])
        return f"{read(parts[0])}.^({script[1:]})" if dotted else f"{read(parts[0])}^({script})"
    assert element.tag in ("math", "mrow")
    fence = parts[0].text if parts else ""
    if fence in ("‖", "|"):
        return f"{'norm2' if fence == '‖' else 'abs'}({read_row(parts[1:-1])})"
    return read_row(parts)


def read_row(elements: list[Any]) -> str:
    """Read a row; 𝟏[u > 0] is a step, and 𝟏ᵀ before a column the sum of its entries."""
    text, position = "", 0
    while position < len(elements):
        element, after = elements[position], position + 1
        if is_bold(element) and after < len(elements) and elements[after][0].text == "[":
            text += f"step({read(elements[after])[1:-3]})"
            after += 1
        elif element.tag == "msup" and is_bold(element[0], "1"):
            end = after + 1
            while end < len(elements) and elements[end].text not in ENDS:
                end += 1
            text += f"sum({read_row(elements[after + 1 : end])})"
            after = end
        else:
            text += read(element)
        position = after
    return text


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_operation_reads_back(text: str) -> None:
    expr = read_formula(text).expr
    assert TEXT(read_formula(read(parsed(MATHML(expr)))).expr) == TEXT(expr)


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} - {"trigamma"}))  # which has no derivative
def test_every_function_reads_back_with_its_derivative(name: str) -> None:
    shapes = {"x": "n"}
    formula = read_formula(f"sum({name}(2*x - 1)) + {name}(c)", shapes)
    for value in (formula.expr, *derive.differentiate(formula).gradient.values()):
        again, same = (read_formula(t, shapes) for t in (read(parsed(MATHML(value))), TEXT(value)))
        assert TEXT(again.expr) == TEXT(same.expr)


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_formulas_and_gradients_read_back(data: Any, formulas: Any, evaluate: Any) -> None:
    drawn = data.draw(formulas())
    try:
        formula = drawn.read()
        values = [formula.expr, *derive.differentiate(formula).gradient.values()]
    except ChainRuleError:
        assume(False)
    point = drawn.point(formula, lambda p: evaluate(TEXT(formula.expr), p, drawn.sizes))
    assume(point is not None)
    for value in values:
        text = read(parsed(MATHML(value)))
        with np.errstate(all="ignore"):
            found, expected = (evaluate(t, point, drawn.sizes) for t in (text, TEXT(value)))
        scale = 1 + np.abs(expected).max()
        close = np.abs(found - expected) <= 1e-9 * scale
        assert (close | ~np.isfinite(expected)).all(), (TEXT(value), text)


# --- Spelling -------------------------------------------------------------------------------------


def test_brackets_that_are_missing_change_what_is_read() -> None:
    """The reader above sees what is printed, and no more."""
    assert read(parsed(MATHML(read_formula("inv(A + B)").expr))) == "(A+B)^(-1)"
    bare = "<msup><mrow><mi>A</mi><mo>+</mo><mi>B</mi></mrow><mi>⊤</mi></msup>"
    assert read(parsed(bare)) == "A+B'"


@pytest.mark.parametrize(
    ("name", "mathml"),
    [
        ("W", "<mi>W</mi>"),
        ("al", "<mi>al</mi>"),
        ("lambda", "<mi>λ</mi>"),
        ("z1", "<msub><mi>z</mi><mn>1</mn></msub>"),
        ("z1_2", "<msub><mi>z</mi><mrow><mn>1</mn><mo>,</mo><mn>2</mn></mrow></msub>"),
        ("x_new", "<msub><mi>x</mi><mi>new</mi></msub>"),
        ("x_", "<mi>x_</mi>"),
        ("x_a_b", "<msub><mi>x</mi><mi>a_b</mi></msub>"),
    ],
)
def test_names_have_their_indices_below(name: str, mathml: str) -> None:
    assert MATHML.name(name) == mathml
    parsed(mathml)


def test_entries_of_a_named_vector_and_of_an_identity() -> None:
    assert MATHML.indexed("z1", "i") == (
        "<msub><mi>z</mi><mrow><mn>1</mn><mo>,</mo><mi>i</mi></mrow></msub>"
    )
    assert MATHML.indexed("delta", "ik") == (
        "<msub><mi>δ</mi><mrow><mi>i</mi><mi>k</mi></mrow></msub>"
    )


def test_a_sign_is_a_prefix_and_a_number_its_own_element() -> None:
    assert MATHML(Integer(-3)) == "<mrow><mo>−</mo><mn>3</mn></mrow>"
    assert MATHML(Rational(-3, 7)) == ("<mrow><mo>−</mo><mfrac><mn>3</mn><mn>7</mn></mfrac></mrow>")
    assert MATHML(power(Symbol("a", real=True), Integer(-1))) == (
        "<mfrac><mn>1</mn><mi>a</mi></mfrac>"
    )


def test_brackets_grow_where_they_must() -> None:
    small, tall = (MATHML(read_formula(t).expr) for t in ("exp(a + b)", "exp(a/b + 1)"))
    assert '<mo stretchy="false">(</mo>' in small
    assert "<mo>(</mo>" in tall


def test_entries_are_a_table_in_brackets() -> None:
    matrix = read_formula("X", {"X": "2,2"}).expr.as_explicit()
    rows = list(parsed(entries_mathml(matrix)).iter("mtr"))
    assert [len(row) for row in rows] == [2, 2]
    assert entries_mathml(Integer(1)) == "<mn>1</mn>"


def test_text_stands_for_itself() -> None:
    text = "".join(map(chr, range(32, 127)))
    assert ElementTree.fromstring(f'<p a="{escape(text)}">{escape(text)}</p>').text == text
    assert escape("a\x00\x1b\x9fb") == "a\ufffd\ufffd\ufffdb"
    assert escape("a\tb\nc") == "a\tb\nc"
