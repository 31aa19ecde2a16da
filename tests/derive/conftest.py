"""What the tests of formulas share: an evaluator that knows no rule, and random formulas."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import pytest
from hypothesis import strategies as st

from derive import scalars
from derive.errors import RefusedError
from derive.language import read_formula
from derive.syntax import parse
from numeric.points import draw_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# --- Formulas over arrays, read off the syntax tree: no node, no rule and no printer --------------

# A row of the table means NumPy's function of its name; those that NumPy lacks stand below.
UFUNCS = [name for name in (*scalars.FUNCTIONS, "log1p", "expm1") if hasattr(np, name)]
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in UFUNCS},
    "relu": lambda x: np.where(x > 0, x, 0.0 * x),
    "step": lambda x: np.where(x > 0, 1.0, 0.0 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "lgamma": np.vectorize(math.lgamma, otypes=[float]),
    "digamma": np.vectorize(lambda x: float(mpmath.psi(0, x)), otypes=[float]),
    "trigamma": np.vectorize(lambda x: float(mpmath.psi(1, x)), otypes=[float]),
}
BINARY = {
    "+": np.add,
    "-": np.subtract,
    ".*": np.multiply,
    "./": np.divide,
    ".^": np.power,
    "/": np.divide,
}


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _adjugate(x: Any) -> Any:
    """Return the transposed cofactors, one determinant each."""
    rows, columns = range(x.shape[0]), range(x.shape[1])
    minors = [
        [np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) * (-1) ** (i + j) for i in rows]
        for j in columns
    ]
    return np.array(minors)


def _log_sum_exp(x: Any, axis: int | None = None) -> Any:
    return np.log(np.exp(x).sum(axis=axis, keepdims=True))


CALLS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": lambda *x: np.maximum(*x) if len(x) == 2 else np.max(*x),
    "min": lambda *x: np.minimum(*x) if len(x) == 2 else np.min(*x),
    "tr": np.trace,
    "det": np.linalg.det,
    "inv": np.linalg.inv,
    "pinv": np.linalg.pinv,
    "kron": np.kron,
    "tril": np.tril,
    "triu": np.triu,
    "diag": np.diagflat,
    **dict.fromkeys(("norm2", "normF"), lambda x: np.sqrt(np.sum(x * x))),
    "adj": _adjugate,
    "logdet": lambda x: np.linalg.slogdet(x)[1],
    "norm1": lambda x: np.sum(np.abs(x)),
    "logsumexp": _log_sum_exp,
    "rowsum": lambda x: x.sum(1, keepdims=True),
    "colsum": lambda x: x.sum(0, keepdims=True),
    "rowmean": lambda x: x.mean(1, keepdims=True),
    "colmean": lambda x: x.mean(0, keepdims=True),
    "rowlogsumexp": lambda x: _log_sum_exp(x, 1),
    "rowsoftmax": lambda x: _softmax(x, 1),
    "softmax": lambda x: _softmax(x, 0 if x.shape[1] == 1 else 1),
    "crossentropy": lambda p, y: -np.sum(y * np.log(p)),
    "diagvec": lambda x: np.diag(x)[:, None],
}
CONSTANTS: dict[str, Callable[..., Any]] = {
    "ones": lambda n, m=1: np.ones((int(n), int(m))),
    "zeros": lambda n, m=1: np.zeros((int(n), int(m))),
    "eye": lambda n: np.eye(int(n)),
}


def evaluate_text(text: str, values: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    """Evaluate a formula; columns are (n, 1) arrays, and whatever is 1×1 is a scalar."""
    done: dict[Any, Any] = {}
    tree = parse(text)
    for node in tree.postorder():
        arguments = [done[child] for child in node.children]
        done[node] = _lowered(_value(node, arguments, values, sizes))
    return done[tree]


def _lowered(value: Any) -> Any:
    array = np.asarray(value, dtype=float)
    return array.reshape(()) if array.size == 1 else array


def _value(node: Any, arguments: list[Any], values: Any, sizes: Any) -> Any:
    if node.kind == "number":
        return float(node.value)
    if node.kind == "name":
        known = {"pi": math.pi, **sizes, **values}
        return known[node.value]
    if node.kind == "call":
        if node.value in CONSTANTS:
            return CONSTANTS[node.value](*arguments)
        if node.value in ELEMENTWISE:
            return ELEMENTWISE[node.value](*arguments)
        return CALLS[node.value](*map(np.atleast_2d, arguments))
    if node.kind == "neg":
        return -arguments[0]
    if node.kind == "'":
        return arguments[0].T
    left, right = arguments
    if node.kind == "*":
        return left @ right if left.ndim and right.ndim else left * right
    if node.kind == "^":
        return np.linalg.matrix_power(left, int(right)) if left.ndim else np.power(left, right)
    return BINARY[node.kind](left, right)


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., Any]:
    """Evaluate a formula's text over arrays, without the program's expressions."""
    return evaluate_text


# --- Random formulas ------------------------------------------------------------------------------

# Formulas of a shape, out of formulas of other shapes: S a scalar, x a column of n, u of m, A m×n,
# B n×m, C n×n, r a row of n; f is an elementwise function. Arguments of partial functions are made
# positive, so that most points are in the domain.
GRAMMAR = {
    "S": (
        *("sum({A})", "sum({x})", "mean({C})", "norm1({u})", "norm2({x})^2", "norm2({A})"),
        *("norm2({B})^3", "({x})'*({x})", "({u})'*({A})*({x})", "({S}) + ({S})", "({S})*({S})"),
        *(
            "({S}) - ({S})",
            "({S})/(1 + ({S})^2)",
            "f({S})",
            "({S})^2",
            "tr({C})",
            "det({C} + 2*eye(n))",
        ),
        *("logdet({C} + 2*eye(n))", "logsumexp({A})", "logsumexp({x})", "exp(-({S}))"),
        *("crossentropy(softmax({x}), {x})", "log(1 + ({S})^2)", "sqrt(2 + sin({S}))"),
        *("max({A})", "min({x})", "max({C})", "max({S}, {S})", "min({S}, 1)"),
        *("tr(adj({C} + 2*eye(n))*({C}))", "sum(kron({A}, {x}))", "lgamma(0.5 + ({S})^2)"),
        *("norm2(kron({x}, {u}))", "({z})'*({z})", "sum(digamma(2 + cos({x})))"),
        *("sum(({A}) .* ({A}))", "tr(({A})*({B}))", "({S})^(-1)", "((({S})^2)^0.5)"),
    ),
    "x": (
        *("({B})*({u})", "({C})*({x})", "({x}) + ({x})", "({x}) - ({x})", "({x}) .* ({x})"),
        *("f({x})", "({S})*({x})", "softmax({x})", "diagvec({C})", "({A})'*({u})", "({r})'"),
        *("({x}) ./ (1 + ({x}).^2)", "rowsum({B})", "rowlogsumexp({C})", "({x}).^2", "-({x})"),
        *("({x}) + ({S})", "({x})/(2 + ({S})^2)", "rowmean({C})", "exp({x}).^(-0.5)", "-2*({x})"),
        *("max({x}, {x})", "min({x}, {S})", "({x}) .* max({x})", "pinv({A})*({u})"),
        *("pinv({B})'*({u})", "kron({x}, {S})", "lgamma(0.5 + ({x}).^2)", "tril({C})*({x})"),
        *("inv({C} + 3*eye(n))*({x})", "(({x}).^2).^0.5", "(1 + ({x}).^2).^(-1.5)"),
    ),
    "u": (
        *("({A})*({x})", "({u}) + ({u})", "({u}) .* ({u})", "f({u})", "({S})*({u})"),
        *("kron({A}, {r})*({z})", "max({u}, 0)", "rowsum(triu({A}))"),
        *("rowsum({A})", "softmax({u})", "({B})'*({x})", "rowlogsumexp({A})", "-({u})"),
    ),
    "r": ("({x})'", "colsum({A})", "({u})'*({A})", "f({r})", "({r}) .* ({r})", "softmax({r})"),
    "A": (
        *("({A}) + ({A})", "({A}) - ({A})", "({A}) .* ({A})", "f({A})", "({u})*({x})'"),
        *("tril({A})", "max({A}, {u})", "min({A}, {r})", "pinv({B})", "kron({u}, {r})"),
        *("({A})*({C})", "({B})'", "({S})*({A})", "rowsoftmax({A})", "({A}) + ({u})"),
        *(
            "({A}) .* ({r})",
            "({A}) + ({r})",
            "({A}) ./ (1 + ({A}).^2)",
            "({A}).^3",
            "({u}) + ({r})",
        ),
        *("({A})*({B})*({A})", "({A})*diag({x})", "ones(m,n) - ({A})", "-0.5*({A})"),
    ),
    "B": ("({A})'", "({x})*({u})'", "({B}) + ({B})", "({C})*({B})", "f({B})", "({B}) .* ({x})"),
    "C": (
        *("adj({C} + 3*eye(n))", "triu({C})", "tril({C})'", "kron({x}, {r})", "max({C}, {C}')"),
        *("({B})*({A})", "({C})*({C})", "({C}) + ({C})", "({C})'", "f({C})", "({x})*({x})'"),
        *("diag({x})", "({C}) .* ({C})", "inv({C} + 3*eye(n))", "({C})^2", "({C}) + eye(n)"),
        *("({x}) + ({r})", "({S})*({C})", "({A})'*({A})", "(({C})*({C}))'"),
    ),
    # A column of n·n.
    "z": ("kron({x}, {x})", "kron({C}, {C})*({z})", "({z}) + ({z})", "f({z})", "max({z}, {z})"),
}
LEAVES = {
    "z": "kron(x,y) kron(y,x)",
    "S": "a b a b 2 (-1) 0.5 n pi",
    "x": "x y x y ones(n)",
    "u": "u v u ones(m)",
    "r": "x' y'",
    "A": "A E A B' ones(m,n)",
    "B": "B A' B",
    "C": "C D C D' eye(n)",
}
DECLARED = {
    "A": "m,n",
    "E": "m,n",
    "B": "n,m",
    "C": "n,n",
    "D": "n,n",
    "x": "n",
    "y": "n",
    "u": "m",
    "v": "m",
    "a": "scalar",
    "b": "scalar",
}
SMOOTH = [row.name for row in scalars.FUNCTIONS.values() if row.domain == (-math.inf, math.inf)]
SIZES = ({"m": 2, "n": 3}, {"m": 3, "n": 2}, {"m": 2, "n": 2}, {"m": 1, "n": 3}, {"m": 3, "n": 1})


@dataclass(frozen=True)
class RandomFormula:
    """A formula, the sizes at which it is to be evaluated, and whether it is read at these."""

    text: str
    sizes: Mapping[str, int]
    fixed: bool
    seed: int

    def read(self) -> Any:
        """Read it, at symbolic sizes or at integers: then equal ones, and ones of 1, collapse."""
        sizes = self.sizes if self.fixed else {}
        shapes = {name: _with_sizes(shape, sizes) for name, shape in DECLARED.items()}
        return read_formula(_with_sizes(self.text, sizes), shapes)

    def point(self, formula: Any, value: Callable[..., Any]) -> dict[str, Any] | None:
        """Draw a point at which the value is finite and of moderate size, None if there is none."""

        def is_inside(point: Mapping[str, Any]) -> bool:
            with np.errstate(all="ignore"):
                try:
                    return bool(abs(value(point)) < 1e6)
                except np.linalg.LinAlgError:
                    return False

        sizes = {str(size): self.sizes[str(size)] for size in formula.sizes}
        try:
            return draw_points(formula, is_inside, sizes=sizes, count=1, seed=self.seed)[0]
        except RefusedError:
            return None


def _with_sizes(text: str, sizes: Mapping[str, int]) -> str:
    for name, size in sizes.items():
        text = "".join(
            str(size) if part == name else part for part in _words(text)
        )  # a size stands as a word of its own
    return text


def _words(text: str) -> list[str]:
    parts, word = [], ""
    for character in text:
        if character.isalnum() or character == "_":
            word += character
            continue
        parts += [word, character]
        word = ""
    return [*parts, word]


def _grow(rng: random.Random, kind: str, depth: int, known: dict[str, list[str]]) -> str:
    """Write a formula of a shape; now and then one that was written before: it is shared."""
    if depth <= 0 or rng.random() < 0.1:
        return rng.choice(LEAVES[kind].split())
    if known.get(kind) and rng.random() < 0.2:
        return rng.choice(known[kind])
    text = rng.choice(GRAMMAR[kind])
    if text.startswith("f("):
        text = rng.choice(SMOOTH) + text[1:]
    for part in GRAMMAR:
        while f"{{{part}}}" in text:
            text = text.replace(f"{{{part}}}", _grow(rng, part, depth - 1, known), 1)
    known.setdefault(kind, []).append(text)
    return text


@st.composite
def _formulas(draw: Any, kinds: str = "S", depth: int = 4) -> RandomFormula:
    seed = draw(st.integers(0, 2**32 - 1))
    rng = random.Random(seed)
    text = _grow(rng, rng.choice(kinds), rng.randint(2, depth), {})
    sizes = rng.choice(SIZES)
    fixed = 1 in sizes.values() or rng.random() < 0.2
    return RandomFormula(text, sizes, fixed, seed)


@pytest.fixture(scope="session")
def formulas() -> Any:
    """Return a strategy for random formulas of some kinds; draw from it with ``st.data()``."""
    return _formulas
