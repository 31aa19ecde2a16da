"""A formula cut into the lines that a person would write: ``z = W*x``, ``a = relu(z)``, ``f = …``.

A value gets a name where it is used twice, where it is the argument of a function, and where its
operation's row says that a person names its result. Linear operations stay inside a line.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sympy import Function
from sympy.matrices.expressions import Transpose

from derive import nodes, scalars
from derive.build import replace, transpose
from derive.graph import is_matrix, operands, postorder, symbol_like, weight
from derive.nodes import Elementwise
from derive.operations import operation_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

__all__ = ["Line", "Program", "cut"]

_SPARE = "rdeqszwvth"
_ALTERNATIVES = {"f": "fFgh", "L": "LJE", "z": "zuv", "a": "ahv", "s": "spq", "r": "reu"}


@dataclass(frozen=True)
class Line:
    """One named value: its symbol, what it is in terms of earlier names, and its operation."""

    symbol: Any
    expr: Any

    @property
    def name(self) -> str:
        """The name as text."""
        return str(self.symbol.name)


@dataclass(frozen=True)
class Program:
    """A formula as lines; the last one is the function.

    ``expanded`` is what every name stands for, in the variables alone, exactly as it was cut: to
    put the lines together again may write the same value otherwise, |t|² as t².
    """

    lines: tuple[Line, ...]
    expanded: Mapping[Any, Any] = field(compare=False, repr=False)

    @property
    def function(self) -> Line:
        """The last line."""
        return self.lines[-1]

    def expand(self, expr: Any) -> Any:
        """Put what the names stand for in their place, down to the variables."""
        return replace(expr, self.expanded)


def cut(
    expr: Any, taken: Iterable[str], active: set[Any], known: Mapping[Any, Any] | None = None
) -> Program:
    """Cut an expression into lines; only values that depend on ``active`` variables get names.

    ``known`` gives values the names that they have already; the root's may be any symbol.
    """
    known = known or {}
    order = postorder(expr)
    consumers: dict[Any, list[Any]] = {}
    for node in order:
        for operand in operands(node):
            consumers.setdefault(operand, []).append(node)
    dependent = _dependent(order, active)
    named = [
        node
        for node in order
        if node == expr or (node in dependent and _is_named(node, consumers[node], known))
    ]
    unnamed = [node for node in named if node not in known]
    names = _names(unnamed, expr, consumers, set(taken))
    lines: list[Line] = []
    symbols: dict[Any, Any] = {}
    for node in named:
        symbol = known[node] if node in known else symbol_like(names[node], node)
        lines.append(Line(symbol, replace(node, symbols)))
        symbols[node] = symbol
        if is_matrix(node):
            symbols.setdefault(transpose(node), transpose(symbol))
    return Program(tuple(lines), MappingProxyType({symbols[node]: node for node in named}))


def _dependent(order: list[Any], active: set[Any]) -> set[Any]:
    dependent: set[Any] = set()
    for node in order:
        if node in active or any(operand in dependent for operand in operands(node)):
            dependent.add(node)
    return dependent


def _is_named(node: Any, consumers: list[Any], known: Container[Any]) -> bool:
    if not operands(node):
        return False
    if node in known or _letter(node):
        return True
    if isinstance(node, Transpose):
        return False
    if len(consumers) > 1:
        return weight(node) > 2
    if not is_matrix(node):
        return weight(node) > 2 and any(isinstance(user, Function) for user in consumers)
    return any(not operation_of(user).linear for user in consumers)


def _letter(node: Any) -> str:
    if isinstance(node, Elementwise):
        row = scalars.FUNCTIONS.get(scalars.name_of(node.function.func) or "")
        return row.letter if row is not None and node.function == row(scalars.U) else ""
    return operation_of(node).letter


def _names(
    named: list[Any], root: Any, consumers: dict[Any, list[Any]], taken: set[str]
) -> dict[Any, str]:
    """Choose letters; a letter wanted more than once is numbered."""
    wanted: dict[Any, str] = {}
    for node in named:
        if node == root:
            letter = "L" if isinstance(node, nodes.CrossEntropy) else "f"
        else:
            letter = _letter(node) or _letter_by_use(node, consumers[node])
        letters = _ALTERNATIVES.get(letter, letter) + _SPARE  # u1 is also an entry of u
        if _is_wide(node):
            letters = letters.upper()
        wanted[node] = next((c for c in letters if c not in taken), letters[0])
    counts, used = Counter(wanted.values()), Counter[str]()
    names: dict[Any, str] = {}
    for node, letter in wanted.items():
        name = letter
        while counts[letter] > 1 or name in taken:
            used[letter] += 1
            name = f"{letter}{used[letter]}"
            if name not in taken:
                break
        taken.add(name)
        names[node] = name
    return names


def _is_wide(node: Any) -> bool:
    return is_matrix(node) and node.shape[0] != 1 and node.shape[1] != 1


def _letter_by_use(node: Any, consumers: list[Any]) -> str:
    if not is_matrix(node):
        return "t"
    for user in consumers:
        if not operation_of(user).linear:
            return operation_of(user).argument_letter
    return "u"
