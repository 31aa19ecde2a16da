"""A hand derivation is read: names, sizes, what its derivatives stand for, and its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from derive.derivatives import differentiate
from derive.errors import FormulaError, InputError, RefusedError, SizesError
from derive.handwritten import read_derivation
from derive.notation import TEXT
from derive.own_names import by_stated, with_names
from derive.syntax import parse

HAND = Path(__file__).parent / "hand"

LAYER = "z = W*x\na = relu(z)\nf = norm2(a)^2\n"


def stated(text, name="df/dx"):
    """Return the last statement of a name, and the derivation."""
    read = read_derivation(text)
    return read, [s for s in read.statements if s.name == name][-1]


# --- Names and sizes ------------------------------------------------------------------------------


def test_sizes_come_from_all_lines_together():
    read = read_derivation("z = W*x\nf = norm2(z - y)^2 + sum(z)\ndf/dz = z")
    rows, columns = read.symbols["W"].shape
    assert read.symbols["z"].shape == read.symbols["y"].shape == (rows, 1)
    assert read.symbols["x"].shape == (columns, 1)
    assert rows != columns


def test_a_value_has_the_shape_of_its_formula_whatever_its_letter():
    read = read_derivation("a = W*x\nZ = a'*a\ng = exp(a)\nr = Z\ndr/da = 2*a")
    shapes = {name: getattr(s, "shape", ()) for name, s in read.symbols.items()}
    assert shapes["Z"] == shapes["r"] == ()
    assert shapes["a"] == shapes["g"]
    assert len(shapes["a"]) == 2


def test_names_of_several_letters_need_no_declaration_where_they_name_values():
    read = read_derivation("shape W1 = h,d\nhidden = W1*x\nLoss = sum(hidden)\ndLoss/dW1 = 1")
    assert [*read.variables] == ["W1", "x"]
    assert [*read.values] == ["hidden", "Loss"]
    assert read.statements[-1].by == "W1"


def test_the_function_is_the_last_scalar_that_is_named():
    assert read_derivation("f = x'*x\ng = f^2\nz = g*x\ndf/dx = x").function == "g"


def test_declarations_stand_anywhere_and_options_add_to_them():
    text = "f = x'*A*x\ndf/dx = x\nshape x = n\nassume A = symmetric, positive\n"
    read = read_derivation(text, {"x": "4"}, {"A": ["diagonal"]})
    assert read.symbols["A"].shape == (4, 4)
    assert read.assumptions == {"A": ("symmetric", "positive", "diagonal")}


def test_a_value_can_be_declared_as_well():
    assert read_derivation("shape z = 3\nz = W*x\nf = sum(z)\ndf/dz = z").symbols["W"].shape[0] == 3
    with pytest.raises(SizesError, match=r"line 3: z is declared \(3, 1\), and this is \(4, 1\)"):
        read_derivation("shape z = 3\nshape W = 4,n\nz = W*x\nf = sum(z)\ndf/dz = z")


def test_comments_blank_lines_and_other_ends_of_lines_change_nothing():
    plain = read_derivation(LAYER + "df/dx = W'*a")
    text = "# by hand\n\n" + LAYER.replace("\n", "   # and so on\n\n") + "  df/dx = W'*a#right\n\n"
    for written in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), f"\ufeff{text}"):
        read = read_derivation(written)
        assert read.values == plain.values
        assert [s.text for s in read.statements] == [s.text for s in plain.statements]
        assert [s.line for s in read.statements] == [3, 5, 7, 9]
        assert read.statements[-1].formula == "W'*a"


# --- Derivatives in formulas ----------------------------------------------------------------------


@pytest.mark.parametrize("quotient", ["df/dz", "d f / d z", "∂f/∂z", "∂ f /∂z", "df/d\tz"])
def test_a_derivative_is_written_in_several_ways(quotient):
    text = f"{LAYER}{quotient} = 2*a\ndf/dx = W'*{quotient}"
    _, statement = stated(text)
    assert statement.uses == ("df/dz",)
    assert statement.tree.children[1].value == "df/dz"


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("df/dz'*W", "(df/dz)'*W"),
        ("2*df/dz*x'", "2*df/dz*x'"),
        ("df/dz/2", "df/dz/2"),
        ("-df/dz.^2", "-(df/dz).^2"),
    ],
)
def test_a_derivative_binds_like_a_name(formula, shown):
    read, statement = stated(f"{LAYER}df/dz = 2*a\ndf/dx = {formula}")
    token = read.symbols["z"].func("df/dz", *read.symbols["z"].shape)
    assert TEXT(read.read(statement, {"df/dz": token})) == shown.replace("(df/dz)", "df/dz")


def test_a_quotient_of_two_names_of_the_file_stays_one():
    text = (
        "shape df = scalar\nshape dx = scalar\nf = norm2(x)^2*df/dx\ndf/dx = 2*x\n"
        "g = df/dx\ndg/ddf = 1/dx\n"
    )
    read = read_derivation(text)
    assert TEXT(read.values["g"]) == "df/dx"
    assert [s.uses for s in read.statements] == [()] * 4
    assert (read.statements[1].of, read.statements[1].by) == ("f", "x")
    assert (read.statements[3].of, read.statements[3].by) == ("g", "df")


def test_a_formula_outside_of_a_derivation_has_no_derivatives():
    assert parse("df/dx").kind == "/"
    assert parse("df/dx", lambda of, by: (of, by) == ("f", "z")).kind == "/"


def test_a_value_that_is_made_of_stated_derivatives_is_no_value_of_the_function():
    read, statement = stated(f"{LAYER}df/dz = 2*a\ndelta = df/dz\nt = delta'*z\ndf/dx = W'*delta")
    assert [*read.values] == ["z", "a", "f"]
    assert read.function == "f"
    assert statement.uses == ("delta",)


# --- What is asked of -----------------------------------------------------------------------------


def test_a_value_moves_alone_and_what_depends_on_it_with_it():
    text = "u = exp(x)\nz = W*u\na = tanh(z) + u\nf = a'*z\ndf/dz = 0"
    formula = read_derivation(text).formula("f", "z")
    assert TEXT(formula.expr) == "(tanh(z) + exp(x))'*z"
    assert [*formula.variables] == ["x", "W", "z"]


def test_by_a_variable_everything_is_expanded():
    formula = read_derivation("z = W*x\na = exp(z)\nf = a'*z\ndf/dx = 0").formula("f", "x")
    assert TEXT(formula.expr) == "exp(W*x)'*W*x"
    assert [*formula.variables] == ["W", "x"]


def test_a_value_by_itself_is_itself():
    formula = read_derivation("z = W*x\nf = sum(z)\ndz/dz = 0").formula("z", "z")
    assert TEXT(formula.expr) == "z"


def test_a_derivative_in_a_line_is_what_it_is_given_as():
    read, statement = stated(f"{LAYER}df/dz = 3*a\ndf/dx = W'*df/dz")
    written = read.read(read.statements[3], {})
    assert TEXT(read.read(statement, {"df/dz": written})) == "3*W'*a"


# --- In one's own names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "of", "by", "shown"),
    [
        ("z = W*x + b\nshape b = m\ns = softmax(z)\nL = y'*log(s)", "s", "z", "diag(s) - s*s'"),
        ("r = A*x - y\nf = norm2(r)^2/2", "f", "y", "-r"),
        ("r = A*x - y\nf = norm2(r)^2/2", "f", "A", "r*x'"),
        ("p = A*B*x\nf = norm2(p)^2/2", "f", "x", "B'*A'*p"),
        ("S = A*B\nq = S*x\nf = norm2(q)^2/2", "f", "x", "S'*q"),
        ("c = 2\nf = c*norm2(x)^2", "f", "x", "4*x"),
        ("t = x'*x\nf = t^2", "f", "x", "4*t*x"),
    ],
)
def test_the_right_derivative_is_written_by_the_names_of_values(text, of, by, shown):
    read = read_derivation(f"{text}\nd{of}/d{by} = 0")
    right = differentiate(read.formula(of, by), [by]).gradient[by]
    assert TEXT(with_names(read, right, by)) == shown


@pytest.mark.parametrize(
    ("text", "of", "by", "names", "shown"),
    [
        (LAYER, "f", "z", ["df/da"], "df/da .* step(z)"),
        (LAYER, "f", "x", ["df/da"], "W'*(df/da .* step(z))"),
        (LAYER, "f", "x", ["df/da", "df/dz"], "W'*df/dz"),
        (LAYER, "a", "x", ["da/dz", "dz/dx"], "da/dz*W"),
        (LAYER, "f", "x", [], "2*W'*a"),
        ("z = W*x\na = z + x\nf = a'*z", "f", "x", ["df/dz", "df/da"], "W'*df/dz + df/da"),
        ("t = x'*x\nf = exp(t)", "f", "x", ["df/dt"], "2*df/dt*x"),
        ("f = y'*x\ng = y'*y", "f", "x", ["dg/dy"], "y"),
    ],
)
def test_the_right_derivative_goes_on_from_stated_ones(text, of, by, names, shown):
    read = read_derivation(f"{text}\nd{of}/d{by} = 0")
    assert TEXT(by_stated(read, of, by, names)) == shown


def test_no_matrix_form_is_no_form():
    read = read_derivation(f"{LAYER}da/dW = 0")
    assert by_stated(read, "a", "W", ["da/dz"]) is None
    assert by_stated(read_derivation("f = x'*x\ng = y'*y\ndf/dy = 0"), "f", "y") is None


# --- Errors ---------------------------------------------------------------------------------------

ERRORS = {
    "no statement": ("z = W*x\nwhat is this", "line 2: expected name = formula, df/dx ="),
    "no equals sign": ("f = x'*x\ndf/dx", "line 2: expected name = formula"),
    "a call on the left": ("f(x) = x'*x", "line 1: expected name = formula"),
    "no formula": ("z = # nothing\nf = z", "line 1: the formula is empty"),
    "two equals signs": ("f = x'*x\ndf/dx = 2*x = x", "line 2: unexpected character '='"),
    "named twice": ("z = x\nz = 2*x\nf = z'*z\ndf/dx = x", "line 2: 'z' is named in line 1"),
    "used before it is named": (
        "f = norm2(z)^2\nz = W*x\ndf/dx = x",
        "line 1: 'z' is used here, and line 2 names it",
    ),
    "named by itself": ("x = x + y\nf = x'*x\ndf/dx = x", "line 1: 'x' is named by itself"),
    "pi": ("pi = 3\nf = pi*x'*x\ndf/dx = x", "line 1: pi is a number"),
    "no scalar": ("z = W*x\ndz/dx = W", "names no scalar"),
    "nothing stated": ("z = W*x\nf = sum(z)", "states no derivative"),
    "nothing": ("# nothing\n", "names no scalar"),
    "not stated": (f"{LAYER}df/dx = W'*df/dz", "line 4: df/dz is used here, and no line above"),
    "stated below": (f"{LAYER}df/dx = W'*df/dz\ndf/dz = 2*a", "line 4: df/dz is used here"),
    "by itself": (f"{LAYER}df/dx = 2*df/dx", "line 4: df/dx is used here"),
    "named below": (
        f"{LAYER}df/dz = 2*a\ndf/dx = W'*delta\ndelta = df/dz",
        "line 5: 'delta' is used here, and line 6 names it",
    ),
    "of a variable": (f"{LAYER}dx/dz = 1", "line 4: 'x' is a variable. Derivatives are of"),
    "of nothing": (f"{LAYER}dg/dz = 1", "line 4: nothing is named 'g'. Known: z, a, f"),
    "by nothing": (f"{LAYER}df/dy = 1", "line 4: nothing is named 'y'. Known: W, x, z, a, f"),
    "by a near name": (
        "hidden = W*x\nf = sum(hidden)\ndf/dhiden = 1",
        "line 3: nothing is named 'hiden'. Did you mean 'hidden'?",
    ),
    "by what is made": (
        f"{LAYER}df/dz = 2*a\ndelta = df/dz\ndf/ddelta = 1",
        "line 6: 'delta' is made of stated derivatives",
    ),
    "an undeclared name": ("f = norm2(Wx)\ndf/dx = 1", "line 1: 'Wx' has no shape"),
    "a shape that is none": ("shape W = 0,n\nf = sum(W)\ndf/dW = 1", "line 1: shape '0,n'"),
    "declared twice": (
        "shape x = 3\nshape x = 4\nf = x'*x\ndf/dx = x",
        "line 2: the shape of 'x' is declared already, as 3",
    ),
    "a shape without a name": ("shape 2 = n\nf = x'*x", "line 1: expected a name after shape"),
    "an assumption that is none": ("f = x'*x\nassume x = nice\ndf/dx = x", "no such assumption"),
    "an assumption on no variable": ("f = x'*x\nassume y = unit\ndf/dx = x", "no such variable"),
    "an assumption on a value": ("z = x\nf = z'*z\nassume z = unit\ndf/dx = x", "no such variable"),
    "sizes of a value": ("shape W = m,n\nz = W*W\nf = tr(z)\ndf/dW = W", "line 2: inner sizes"),
    "a number": ("f = x'*x/0\ndf/dx = x", "line 1: division by 0"),
}


@pytest.mark.parametrize(("text", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_names_the_line_and_what_is_wrong(text, message):
    with pytest.raises(InputError) as error:
        read_derivation(text)
    assert message in str(error.value)


def test_an_error_points_at_its_place_in_the_line():
    with pytest.raises(FormulaError) as error:
        read_derivation("\ufeff# by hand\r\nz = W*x\r\n  f  = sum(z) + )  # oops\r\ndf/dx = 1")
    message, line, caret = str(error.value).splitlines()
    assert message.startswith("line 3: ")
    assert line[caret.index("^")] == ")"
    assert line.strip() == "f  = sum(z) + )  # oops"


def test_a_function_that_is_not_known_is_refused_with_its_line():
    with pytest.raises(RefusedError, match=r"line 2: No function 'sofmax'"):
        read_derivation("z = W*x\ns = sofmax(z)\nf = sum(s)\ndf/dz = 0")


def test_a_name_that_is_not_known_in_a_stated_derivative_is_an_error():
    read, statement = stated("f = x'*x\ndf/dx = 2*y")
    with pytest.raises(FormulaError, match="no variable 'y' here"):
        read.read(statement, {})


@pytest.mark.parametrize("path", sorted(HAND.glob("*.txt")), ids=lambda path: path.stem)
def test_every_file_of_the_collection_is_read(path):
    read = read_derivation(path.read_text(encoding="utf-8"))
    assert any(statement.of for statement in read.statements)
