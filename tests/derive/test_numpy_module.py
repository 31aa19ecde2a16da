"""The standalone module: it needs NumPy alone, says what it is, and checks itself."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from derive.render.numpy_module import numpy_module
from derive.render.python_lines import WIDTH, statement
from numeric.request import requests

CASES = {
    "relu-l2": ("relu-l2", {}),
    "relu-l2 batched": ("relu-l2", {"batch": "x"}),
    "softmax-ce": ("softmax-ce", {}),
    "softmax-ce batched": ("softmax-ce", {"batch": "x,y"}),
    "network batched": (
        "norm2(V*tanh(W*x + b) - y)^2*s + a*norm2(W)^2",
        {"batch": "x,y,s", "shape": ["W=m,n", "V=k,m", "b=m", "s=scalar"]},
    ),
    "simplex": ("crossentropy(softmax(z), p)", {"assume": ["p=simplex"], "shape": ["p=n"]}),
    "kinks": ("sum(abs(W*x)) + sum(relu(x)) + norm2(x)", {}),
    "inverse": ("logdet(X) + tr(inv(X)*Y)", {}),
    "a structure": ("logdet(X)", {"assume": ["X=spd"], "convention": "entrywise"}),
    "keywords": ("lambda*lambda_*norm2(x)", {"shape": ["lambda=scalar", "lambda_=scalar"]}),
    "names": (
        "np*value*sum(log(POINT))*result*gradients",
        {"shape": [*(f"{n}=scalar" for n in ("np", "value", "result", "gradients")), "POINT=3"]},
    ),
    "long": (
        "sum(relu(W*x + u).^2 + exp(-abs(W*x - u)) + log(1 + (W*x).^2) + sqrt(3 + cos(W*x)) "
        "+ arctan(W*x) + u .* u + sin(u) ./ (2 + cos(u)))",
        {},
    ),
    "long names": (
        "regularisation*norm2(first_weights*relu(weights_of_input*input_vector) - target_vector)^2",
        {
            "shape": [
                "regularisation=scalar",
                "first_weights=k,m",
                "weights_of_input=m,n",
                "input_vector=n",
                "target_vector=k",
            ]
        },
    ),
    "a size that is a product": ("norm2(kron(A,B)*x)^2", {}),
    "a domain": ("sum(log(x))", {}),
    "a large value": ("10^9 + norm2(x)^2", {}),
}
EACH_CASE = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def pages():
    made = {}
    for name, (formula, options) in CASES.items():
        (request,) = requests(formula, **options)
        made[name] = request.page()
    return made


@pytest.fixture(scope="module")
def modules(pages):
    return {name: numpy_module(page) for name, page in pages.items()}


def run(folder, text):
    """Run a module where nothing else is, with an environment that knows of nothing else."""
    path = Path(folder) / "module.py"
    path.write_text(text, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-W", "error", path.name],
        cwd=folder,
        env=kept | {"PYTHONSAFEPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@EACH_CASE
def test_a_module_checks_itself(modules, name, tmp_path):
    result = run(tmp_path, modules[name])
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("right") == len(result.stdout.splitlines())


def checked(text, changes, capsys):
    """Change functions of a module; return what its check of itself returns and prints."""
    names = {}
    exec(text, names)
    names |= {name: change(names[name]) for name, change in changes.items()}
    return names["_check"](), capsys.readouterr().out


def gradient_by(variable, change):
    def changed(value_and_grad):
        def result(**point):
            value, gradients = value_and_grad(**point)
            return value, gradients | {variable: change(np.array(gradients[variable]))}

        return result

    return changed


def one_entry_is_nan(gradient):
    gradient[(0,) * gradient.ndim] = np.nan
    return gradient


TAMPERED = {
    "a factor": lambda gradient: 1.00001 * gradient,
    "nan": lambda gradient: np.nan * gradient,
    "one nan": one_entry_is_nan,
    "inf": lambda gradient: np.full(gradient.shape, np.inf),
}


@EACH_CASE
@pytest.mark.parametrize("kind", TAMPERED)
def test_a_tampered_gradient_is_found(modules, pages, name, kind, capsys):
    change = TAMPERED[kind]
    if (name, kind) == ("a large value", "a factor"):
        change = lambda gradient: 1.1 * gradient  # noqa: E731 - round-off hides smaller errors
    variables = list(pages[name].derivation.gradient)
    for variable in variables:
        changes = {"value_and_grad": gradient_by(variable, change)}
        status, said = checked(modules[name], changes, capsys)
        assert status == 1
        wrong = [line.endswith("WRONG") for line in said.splitlines()]
        assert wrong == [other == variable for other in variables]


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["value", "value_and_grad", "both"])
def test_a_value_that_is_not_finite_is_found(modules, lost, where, capsys):
    changes = {
        "value": lambda value: lambda **point: lost,
        "value_and_grad": lambda both: lambda **point: (lost, both(**point)[1]),
    }
    changes = changes if where == "both" else {where: changes[where]}
    status, said = checked(modules["softmax-ce batched"], changes, capsys)
    assert status == 1
    assert said.startswith("value: ")
    assert said.splitlines()[0].endswith("WRONG")


def test_a_step_out_of_the_domain_is_no_error(modules, capsys):
    text = modules["a domain"]
    point = {"POINT": lambda point: point | {"x": [[0.007], [2.0]]}}  # the largest step is 0.01
    wrong = {"value_and_grad": gradient_by("x", TAMPERED["a factor"])}
    with np.errstate(invalid="ignore"):
        assert checked(text, point, capsys)[0] == 0
        assert checked(text, point | wrong, capsys)[0] == 1


def test_a_tampered_statement_is_found(modules, tmp_path):
    right = modules["softmax-ce batched"]
    head, tail = right.split("def value_and_grad")
    changed = head + "def value_and_grad" + tail.replace("s - y", "s + y", 1)
    assert changed != right
    result = run(tmp_path, changed)
    assert result.returncode == 1
    assert "gradient by W" in result.stdout
    assert "WRONG" in result.stdout


@EACH_CASE
def test_it_imports_nothing_but_numpy(modules, name):
    tree = ast.parse(modules[name])
    imported = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [alias.name for node in imported for alias in node.names] == ["numpy"]


@EACH_CASE
def test_no_line_is_absurdly_long(modules, name):
    assert max(map(len, modules[name].splitlines())) <= WIDTH


@EACH_CASE
def test_it_is_laid_out_as_ruff_lays_it_out(modules, name, tmp_path):
    ruff = shutil.which("ruff") or Path(sys.executable).with_name("ruff")
    if not Path(ruff).is_file():
        pytest.skip("ruff, of the extra 'check', is not installed")
    path = tmp_path / "module.py"
    path.write_text(modules[name] + "\n", encoding="utf-8")
    command = [ruff, "format", "--isolated", "--line-length", str(WIDTH), "--diff", path]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stdout == ""


@EACH_CASE
def test_the_docstring_says_what_it_is(modules, pages, name):
    text = ast.get_docstring(ast.parse(modules[name]))
    derivation = pages[name].derivation
    function = derivation.program.function.name
    assert text.startswith(f"Value and gradients of {function} =")
    for variable in derivation.formula.variables:
        assert f"\n    {variable}: " in text
    for variable in derivation.gradient:
        assert f"d{function}/d{variable} =" in text
        assert f"By {variable}, checked" in text
    assert "Written by chainrule 0" in text
    batched = pages[name].batch is not None
    assert ("samples, one a row" in text) == batched
    assert ("equals a loop over samples in sixty digits" in text) == batched


def test_assumptions_stand_in_the_docstring(modules):
    assert "The gradient by W holds with sum(y) = 1." in modules["softmax-ce"]
    assert "The gradient by W holds with step(0) = 0." in modules["relu-l2"]


def test_a_hessian_says_which_direction_belongs_to_which_variable():
    (request,) = requests("norm2(V*W*x)^2", order=2, wrt=["V", "W"])
    text = numpy_module(request.page())
    assert "By V: along U, of the shape of V.\n    By W: along H, of the shape of W." in text


def test_arguments_come_in_the_formulas_order(modules):
    assert "def value(W, x, b, y):" in modules["softmax-ce"]
    assert "def value_and_grad(W, x, b, y):" in modules["softmax-ce batched"]
    assert "def value(lambda__, lambda_, x):" in modules["keywords"]


def test_gradients_come_by_the_variables_names(modules):
    names = {}
    exec(modules["keywords"], names)
    value, gradients = names["value_and_grad"](np.float64(2), np.float64(3), np.ones((4, 1)))
    assert float(value) == 12.0
    assert {n: float(np.sum(g)) for n, g in gradients.items()} == {
        "lambda": 6,
        "lambda_": 4,
        "x": 12,
    }


def test_the_point_of_a_batched_module_has_several_samples(modules):
    names = {}
    exec(modules["softmax-ce batched"], names)
    point = {name: np.array(entries) for name, entries in names["POINT"].items()}
    assert point["x"].shape[0] == point["y"].shape[0] > 1
    assert point["x"].shape[1] == point["W"].shape[1]
    assert point["y"].sum(axis=1).tolist() == [1.0] * len(point["y"])


def test_dtype_in_is_dtype_out(modules):
    names = {}
    exec(modules["softmax-ce batched"], names)
    point = {name: np.array(entries, "float32") for name, entries in names["POINT"].items()}
    value, gradients = names["value_and_grad"](**point)
    assert {array.dtype.name for array in (value, *gradients.values())} == {"float32"}


def test_only_the_kernels_that_are_called_are_copied(modules):
    assert "def _relu(" in modules["relu-l2"]
    assert "def _relu(" not in modules["softmax-ce"]
    assert "def _sigmoid(" not in modules["relu-l2"]


# --- Lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "a + b",
        "np.sum(" + " + ".join(f"term_{i}" for i in range(30)) + ")",
        " * ".join(f"factor_{i}" for i in range(20)),
        "first_call(" + ", ".join(f"argument_{i}" for i in range(12)) + ")",
        "-np.sum(" + ", ".join(f"np.exp(argument_{i} + other)" for i in range(12)) + ")",
        "outer(" + "inner(" + " - ".join(f"term_{i} * factor" for i in range(20)) + "), axis=1)",
        "(" + " + ".join(f"left_{i}" for i in range(12)) + ") @ (right + another_right)",
        "(" + " + ".join(f"term_{i} @ factor" for i in range(12)) + ").T",
        "(left.T @ np.linalg.solve(" + " + ".join(f"term_{i}" for i in range(20)) + "))[0, 0]",
    ],
)
def test_a_statement_is_broken_without_a_change_of_meaning(expression):
    text = "\n".join(statement("result = ", expression, indent=0))
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(f"result = {expression}"))
    assert max(map(len, text.splitlines())) <= WIDTH


def test_what_cannot_be_broken_stays_in_a_line():
    name = "x" * 120
    assert statement("y = ", name, indent=0) == [f"y = {name}"]
