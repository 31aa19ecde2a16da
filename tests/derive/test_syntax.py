"""The grammar: what binds how tightly, where an error stands, and what is too much to read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from derive.errors import FormulaError
from derive.syntax import MAX_DEPTH, MAX_LENGTH, MAX_NAME, MAX_OPEN, parse

if TYPE_CHECKING:
    from derive.syntax import Syntax


def grouped(tree: Syntax) -> str:
    """Write a tree with a pair of brackets around every operation."""
    done: dict[Syntax, str] = {}
    for node in tree.postorder():
        parts = [done[child] for child in node.children]
        match node.kind:
            case "number" | "name":
                done[node] = node.value
            case "call":
                done[node] = f"{node.value}({', '.join(parts)})"
            case "neg":
                done[node] = f"[-{parts[0]}]"
            case "'":
                done[node] = f"[{parts[0]}']"
            case operator:
                done[node] = f"[{parts[0]} {operator} {parts[1]}]"
    return done[tree]


GROUPED = [
    # Sums and products associate left.
    ("a - b - c", "[[a - b] - c]"),
    ("a - b + c", "[[a - b] + c]"),
    ("a/b/c", "[[a / b] / c]"),
    ("a/b*c", "[[a / b] * c]"),
    ("a ./ b .* c", "[[a ./ b] .* c]"),
    ("a*b .* c*d", "[[[a * b] .* c] * d]"),
    ("a + b*c", "[a + [b * c]]"),
    ("(a + b)*c", "[[a + b] * c]"),
    ("((a))", "a"),
    # Postfix and power are one level, associating left.
    ("a^b^c", "[[a ^ b] ^ c]"),
    ("a.^b^c", "[[a .^ b] ^ c]"),
    ("a^b.^c", "[[a ^ b] .^ c]"),
    ("A^2'", "[[A ^ 2]']"),
    ("A'^2", "[[A'] ^ 2]"),
    ("A''", "[[A']']"),
    ("x.^y'", "[[x .^ y]']"),
    ("x.^(y')", "[x .^ [y']]"),
    ("A*B'", "[A * [B']]"),
    ("a*b^c", "[a * [b ^ c]]"),
    ("a./b.^c", "[a ./ [b .^ c]]"),
    # An exponent may have a sign, which belongs to it alone.
    ("a^-b", "[a ^ [-b]]"),
    ("a^+b", "[a ^ b]"),
    ("a^-b^c", "[[a ^ [-b]] ^ c]"),
    ("a^-b'", "[[a ^ [-b]]']"),
    ("a.^-b*c", "[[a .^ [-b]] * c]"),
    ("a^--b", "[a ^ [-[-b]]]"),
    ("a^-+-b", "[a ^ [-[-b]]]"),
    ("a^-(b)", "[a ^ [-b]]"),
    ("a^-(-b)", "[a ^ [-[-b]]]"),
    ("2^-sin(a)^2", "[[2 ^ [-sin(a)]] ^ 2]"),
    # Unary signs stand below powers and above products.
    ("-a^2", "[-[a ^ 2]]"),
    ("-A'", "[-[A']]"),
    ("-a*b", "[[-a] * b]"),
    ("a*-b*c", "[[a * [-b]] * c]"),
    ("a*-b^2", "[a * [-[b ^ 2]]]"),
    ("a - -b", "[a - [-b]]"),
    ("--a", "[-[-a]]"),
    ("+a", "a"),
    ("-+a", "[-a]"),
    ("-a + b", "[[-a] + b]"),
    ("(-a)^2", "[[-a] ^ 2]"),
    # A point belongs to the operator that follows it.
    ("1./x", "[1 ./ x]"),
    ("1 ./x", "[1 ./ x]"),
    ("2.^x", "[2 .^ x]"),
    ("2.*x", "[2 .* x]"),
    ("1../x", "[1. ./ x]"),
    ("1.5.*x", "[1.5 .* x]"),
    ("1.^2.^3", "[[1 .^ 2] .^ 3]"),
    ("2.-x", "[2. - x]"),
    ("2.'", "[2.']"),
    # Numbers.
    (".5", ".5"),
    ("0.5", "0.5"),
    ("1e-3", "1e-3"),
    ("1e-3-e", "[1e-3 - e]"),
    ("1E+3", "1E+3"),
    (".5e2", ".5e2"),
    ("2.e1", "2.e1"),
    ("1e3^2", "[1e3 ^ 2]"),
    ("a.^.5", "[a .^ .5]"),
    # Names and calls.
    ("f1_a(b_2)", "f1_a(b_2)"),
    ("max(a, b + c)'", "[max(a, [b + c])']"),
    ("f (a)", "f(a)"),
    ("f(g(a), (b), -c)", "f(g(a), b, [-c])"),
    # Space, lines and comments.
    ("  a\t+\n\r\n b  ", "[a + b]"),
    ("a # and\n + b", "[a + b]"),
    ("# first\na", "a"),
    ("a # last", "a"),
    ("a#", "a"),
    ("a ' ^ 2", "[[a'] ^ 2]"),
    ("a\u00a0+ b", "[a + b]"),
]


@pytest.mark.parametrize(("text", "expected"), GROUPED)
def test_precedence_and_association(text: str, expected: str) -> None:
    assert grouped(parse(text)) == expected


# A text, the column of its error (the caret stands under "¦"), and what the message says.
MALFORMED = [
    # Nothing, or not the end.
    ("¦", "the formula is empty"),
    ("¦   ", "the formula is empty"),
    ("¦# a", "the formula is empty"),
    ("a +¦", "expected a value"),
    ("a +¦ # b", "expected a value"),
    ("-¦", "expected a value"),
    ("a^¦", "expected a value"),
    ("a^-¦", "expected a value"),
    ("(¦", "expected a value"),
    ("f(a,¦", "expected a value"),
    # Two values, or two operators.
    ("2¦x", "expected an operator before 'x'"),
    ("x ¦y", "expected an operator before 'y'"),
    ("x'¦y", "expected an operator before 'y'"),
    ("x'¦Ax", r"expected an operator before 'Ax', such as \*; a product of letters is A\*x"),
    ("¦||x||", r"unexpected character '\|'; ‖x‖ is norm2\(x\)"),
    ("x¦.T", r"a transpose is '"),
    ("sin ¦x", r"expected an operator before 'x', such as \*; a function has .*sin\(x\)"),
    ("¦λ*x", "'λ'; a name has the letters a to z"),
    ("x¦₁", "as x_1"),
    ("a ¦if b", "expected an operator before 'if'"),
    ("1¦e", "expected an operator before 'e'"),
    ("1¦e+", "expected an operator before 'e'"),
    ("1.5¦.5", "expected an operator before '.5'"),
    ("1.¦.2", "expected an operator before '.2'"),
    ("2¦(a)", r"expected an operator before '\(', such as \*"),
    ("(a)¦(b)", r"expected an operator before '\(', such as \*"),
    ("f(a)¦(b)", r"expected an operator before '\(', such as \*"),
    ("x'¦(b)", r"expected an operator before '\(', such as \*"),
    ("¦*a", r"expected a value before '\*'"),
    ("a*¦*b", r"expected a value before '\*'; a power is \^"),
    ("a* ¦*b", r"expected a value before '\*'$"),
    ("a.*¦*b", r"expected a value before '\*'$"),
    ("a^¦*b", r"expected a value before '\*'$"),
    ("a + ¦/ b", "expected a value before '/'"),
    ("¦'a", "expected a value before '''"),
    ("a^¦'", "expected a value before '''"),
    # Brackets and commas.
    ("¦(a", r"'\(' is never closed"),
    ("¦((a)", r"'\(' is never closed"),
    ("a + ¦sin(b", r"'sin\(' is never closed"),
    ("f(¦g(a, b", r"'g\(' is never closed"),
    ("a¦)", r"unexpected '\)'"),
    ("(a)¦)", r"unexpected '\)'"),
    ("(¦)", r"expected a value before '\)'"),
    ("sin(¦)", "expected an argument of sin"),
    ("max(a,¦)", r"expected a value before '\)'"),
    ("max(¦,a)", "expected a value before ','"),
    ("max(a,¦,a)", "expected a value before ','"),
    ("(a¦, b)", "a comma outside of a function call"),
    ("f((a¦, b))", "a comma outside of a function call"),
    ("a¦, b", "unexpected ','"),
    # Characters of other languages.
    ("¦_x", "'_'; a name begins with a letter"),
    ("¦__import__('os')", "unexpected character '_'"),
    ("a¦.__class__", r"unexpected character '\.'"),
    ("1¦_0", "unexpected character '_'"),
    ("x¦.'", r"a number has one point, operators are \.\* \./ \.\^"),
    ("¦.", r"unexpected character '\.'"),
    ("¦..5", r"unexpected character '\.'"),
    ("x¦[0]", "entries are not written out"),
    ("¦|a|", r"\|x\| is abs\(x\)"),
    ("a¦{b}", "there are only round parentheses"),
    ("x ¦= 1", "without an equals sign"),
    ("A¦\\b", r"write inv\(A\)\*b"),
    ("a ¦@ b", r"a product is \*"),
    ("a ¦% b", "a comment begins with #"),
    ("a¦;", "unexpected character ';'"),
    ("a¦!", "unexpected character '!'"),
    ('¦"a"', "unexpected character '\"'"),
    ("lambda ¦x: x", "expected an operator before 'x'"),
    ("a¦\x00", r"unexpected character '\\x00'"),
    ("¦é", "unexpected character 'é'"),
    ("a ¦\u2212 b", "minus is -"),
    ("a¦·b", r"a product is \*"),
    ("a ¦⊙ b", r"an elementwise product is \.\*"),
    ("x¦²", r"a power is \^ or \.\^"),
    ("x¦ᵀ", "a transpose is '"),
    ("x¦\u2019", "a transpose is '"),
    ("2*¦π", "write pi"),
    ("x¦٣", "unexpected character '٣'"),
    # The line in which it is.
    ("a +\n  b * ¦?\n + c", r"unexpected character '\?'"),
    ("a # (\n+ ¦)", r"expected a value before '\)'"),
]


@pytest.mark.parametrize(("marked", "message"), MALFORMED)
def test_an_error_points_at_its_place(marked: str, message: str) -> None:
    position = marked.index("¦")
    text = marked.replace("¦", "")
    with pytest.raises(FormulaError) as caught:
        parse(text)
    assert re.search(message, caught.value.message)
    assert caught.value.position == position
    *_, line, caret = str(caught.value).split("\n")
    before = text[:position].rpartition("\n")[2]
    assert line.rstrip() == f"  {before}{text[position:].partition(chr(10))[0]}".rstrip()
    assert caret == f"  {' ' * len(before)}^"


TOO_MUCH = {
    "length": ("a" * (MAX_LENGTH + 1), f"has {MAX_LENGTH + 1} characters, the limit is"),
    "name": ("a + " + "x" * (MAX_NAME + 1), f"a name of more than {MAX_NAME} characters"),
    "calls": ("sin(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), "nested operations"),
    "transposes": ("A" + "'" * 5000, "nested operations"),
    "powers": ("a" + "^2" * 5000, "nested operations"),
    "products": ("a.*(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH, "nested operations"),
    "signs": ("-" * (MAX_DEPTH + 1) + "a", "nested operations"),
    "open signs": ("-" * 150_000 + "a", f"more than {MAX_OPEN} parentheses and operators"),
    "brackets": ("(" * 150_000, f"more than {MAX_OPEN} parentheses and operators"),
    "open calls": ("f(" * 90_000, f"more than {MAX_OPEN} parentheses and operators"),
    "exponents": ("2^" + "-" * 150_000, f"more than {MAX_OPEN} parentheses and operators"),
    "sum": ("a+" * 99_000, "expected a value"),
    "commas": ("f(" + "a," * 99_000, "expected a value"),
    "characters": ("x'*A*" * 39_000 + "?", "unexpected character"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_refused_in_a_short_message(name: str) -> None:
    """Each took less than 2 seconds on the slowest machine at hand."""
    text, message = TOO_MUCH[name]
    with pytest.raises(FormulaError, match=message) as caught:
        parse(text)
    assert len(str(caught.value)) < 500


def test_what_is_within_the_limits_is_read() -> None:
    for text in (
        "sin(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1),
        "a + (" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1),
        "(" * MAX_OPEN + "a" + ")" * MAX_OPEN,
        "+".join("a" * 20_000),  # a chain is no nesting
        "x" * MAX_NAME,
    ):
        assert parse(text).depth <= MAX_DEPTH
