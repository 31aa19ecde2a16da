"""Rewrites that keep the value and shorten the formula, each small; the constructors do the rest.

Two of them are steps of a derivation and say what they used: the definition of a named value
(a = relu(z), so a ⊙ step(z) = a) and an assumption about the data (Σ_i y_i = 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympy import Dummy, Integer, OneMatrix, Pow, S
from sympy.matrices.expressions import Transpose

from derive import build
from derive.build import elementwise, hadamard, multiply, ones, product
from derive.graph import postorder, weight
from derive.nodes import Elementwise, Hadamard, Inverse, MatrixSum, Norm2, Product, Total
from derive.notation import TEXT
from derive.scalars import U

if TYPE_CHECKING:
    from derive.program import Line

__all__ = ["Assumed", "Definitions", "Identity", "assume"]
__all__ += ["use_definitions"]

ONE = Integer(1)
_OUTPUT = Dummy("output", real=True)
Identity = tuple[Any, Any]  # left and right side of what a rewrite used


class Definitions:
    """The named values that are a function of every entry of an earlier value, a = relu(z)."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.of: dict[Any, Any] = {}  # the value's symbol -> the function of z
        self.by_argument: dict[Any, list[Any]] = {}  # z -> the symbols of functions of it
        for line in lines:
            if isinstance(line.expr, Elementwise):
                self.of[line.symbol] = line.expr
                self.by_argument.setdefault(line.expr.matrix, []).append(line.symbol)


def use_definitions(expr: Any, definitions: Definitions) -> tuple[Any, list[Identity]]:
    """Rewrite elementwise factors by what the names stand for, and say which identities were used.

    With a = relu(z): a ⊙ step(z) becomes a, because relu(z) ⊙ step(z) = relu(z). A function of z
    that is a function of a is written in a: 1 − tanh(z)² becomes 1 − a².
    """
    identities: list[Identity] = []

    def rewrite(node: Any) -> Any:
        if isinstance(node, Hadamard):
            factors = [_defined(factor, definitions, node.args) for factor in node.args]
            merged = hadamard(*factors)
            used = [f for f, old in zip(factors, node.args, strict=True) if f != old]
            if used and weight(merged) < weight(node):
                bases = {f.matrix for f in used}
                concerned = [f for f in factors if getattr(f, "matrix", None) in bases]
                identities.append((Hadamard(*concerned), hadamard(*concerned)))
                return merged
        return node

    expr = _abbreviated(build.transform(expr, rewrite), definitions)
    return expr, identities


def _defined(factor: Any, definitions: Definitions, others: Sequence[Any]) -> Any:
    """Put a name's definition in its place where a neighbour is a function of the same argument."""
    definition = definitions.of.get(factor)
    if definition is None:
        return factor
    shared = any(getattr(other, "matrix", None) == definition.matrix for other in others)
    return definition if shared else factor


def _abbreviated(expr: Any, definitions: Definitions) -> Any:
    """Write functions of z as functions of the named value a = h(z) where that is possible."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, Elementwise):
            for symbol in definitions.by_argument.get(node.matrix, ()):
                inside = definitions.of[symbol].function
                function = node.function.subs(inside, _OUTPUT)
                # SymPy would write u³ as (u²)^(3/2), which is |u|³: only what goes back is used.
                if not function.has(U) and function.xreplace({_OUTPUT: inside}) == node.function:
                    return elementwise(function.xreplace({_OUTPUT: U}), symbol)
        return node

    return build.transform(expr, rewrite)


@dataclass(frozen=True)
class Assumed:
    """An assumption that a rewrite used: ``left = right`` because ``name`` is of a kind."""

    name: str
    kind: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{TEXT(self.left)} = {TEXT(self.right)}"


def assume(
    expr: Any, variables: Mapping[str, Any], assumptions: Mapping[str, Sequence[str]]
) -> tuple[Any, list[Assumed]]:
    """Rewrite by what is assumed of the variables; return the assumptions that were used."""
    used: list[Assumed] = []
    for name, kinds in assumptions.items():
        for kind in kinds:
            for rule, identity in _REWRITES.get(kind, ()):
                rewritten = build.transform(expr, rule(variables[name]))
                if rewritten != expr:
                    used.append(Assumed(name, kind, *identity(variables[name])))
                    expr = rewritten
    return expr, used


Rule = Callable[[Any], Any]


def _entries_sum_to_one(variable: Any) -> Rule:
    """Σ y = 1 of a column or a single row; Y·1 = 1 of a matrix, by rows."""

    def rewrite(node: Any) -> Any:
        if isinstance(node, Total) and node.args[0] == variable and 1 in variable.shape:
            return ONE
        if isinstance(node, Product) and variable.shape[1] != 1:
            return _without_rows_of(node, variable)
        return node

    return rewrite


def _without_rows_of(node: Any, variable: Any) -> Any:
    factors = list(node.factors)
    for i in range(len(factors) - 1):
        left, right = factors[i], factors[i + 1]
        if left == variable and isinstance(right, OneMatrix):
            factors[i : i + 2] = [ones(left.shape[0], right.shape[1])]
            return multiply(node.coefficient, product(*factors))
        if isinstance(left, OneMatrix) and right == build.transpose(variable):
            factors[i : i + 2] = [ones(left.shape[0], right.shape[1])]
            return multiply(node.coefficient, product(*factors))
    return node


def _symmetric(variable: Any) -> Rule:
    """S' = S, and inv(X'·S·X)' = inv(X'·S·X)."""

    def rewrite(node: Any) -> Any:
        if not isinstance(node, Transpose):
            return node
        inner = node.args[0]
        if inner == variable:
            return variable
        if isinstance(inner, (Inverse, MatrixSum, Hadamard)) and variable in postorder(inner):
            parts = [build.transform(build.transpose(part), rewrite) for part in inner.args]
            turned = build.rebuild(inner, tuple(parts))
            return turned if weight(turned) < weight(node) else node
        return node

    return rewrite


def _unit(variable: Any) -> Rule:
    return lambda node: ONE if isinstance(node, Norm2) and node.args[0] == variable else node


def _skew(variable: Any) -> Rule:
    turned = build.scale(S.NegativeOne, variable)
    return lambda node: turned if node == Transpose(variable) else node


def _two_values(low: int, high: int) -> Callable[[Any], Rule]:
    """Write a function of what is one of two numbers as the straight line through both."""

    def of_variable(variable: Any) -> Rule:
        def rewrite(node: Any) -> Any:
            if isinstance(node, Elementwise) and node.matrix == variable:
                function = node.function
            elif isinstance(node, Pow) and node.base == variable and node.exp.is_number:
                function = U**node.exp
            else:
                return node
            below, above = (function.xreplace({U: Integer(n)}) for n in (low, high))
            if not (below.is_finite and above.is_finite):
                return node
            slope = (above - below) / (high - low)
            constant = multiply(above - slope * high, build.power(variable, 0))
            line = build.add(constant, multiply(slope, variable))
            return line if weight(line) < weight(node) else node

        return rewrite

    return of_variable


def _square_of_one(variable: Any) -> Identity:
    return build.power(variable, 2), build.power(variable, 0)


def _own_square(variable: Any) -> Identity:
    return build.power(variable, 2), variable


def _sum_identity(variable: Any) -> Identity:
    if 1 in variable.shape:
        return Total(variable), ONE
    return Product(variable, ones(variable.shape[1], ONE)), ones(variable.shape[0], ONE)


def _symmetry(variable: Any) -> Identity:
    return Transpose(variable), variable


_SUM = (_entries_sum_to_one, _sum_identity)
_SYMMETRY = (_symmetric, _symmetry)
_OWN_SQUARE = (_two_values(0, 1), _own_square)
_REWRITES: dict[str, tuple[tuple[Callable[[Any], Rule], Callable[[Any], Identity]], ...]] = {
    "onehot": (_SUM, _OWN_SQUARE),
    "binary": (_OWN_SQUARE,),
    "pm1": ((_two_values(-1, 1), _square_of_one),),
    "simplex": (_SUM,),
    "symmetric": (_SYMMETRY,),
    "spd": (_SYMMETRY,),
    "diagonal": (_SYMMETRY,),
    "skew": ((_skew, lambda x: (Transpose(x), build.scale(S.NegativeOne, x))),),
    "unit": ((_unit, lambda variable: (Norm2(variable), ONE)),),
}
