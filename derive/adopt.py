"""A SymPy expression of the user's own, to a formula.

Every node is made again from the leaves up as ``derive.counterparts`` says, by the constructors of
``derive.build``; the formula is then read from the text of the result, so that it is a formula of
the language like any other, with its checks and its limits.

Contract: symbols count by their names. They are real in the formula, its sizes are positive
integers, and a 1×1 matrix is a scalar. The user's nodes are told apart by identity, and never
hashed or asked for their shape, which SymPy does by recursion.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sympy
from sympy import Basic, Float, MatrixSymbol, Rational, Symbol
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction

from derive import build, scalars
from derive.counterparts import COUNTERPARTS, counterpart_of, shown
from derive.errors import FormulaError, InputError, RefusedError
from derive.functions import CONSTANTS
from derive.graph import is_matrix, postorder, weight
from derive.language import Formula, read_formula
from derive.notation import TEXT
from derive.shapes import MAX_SIZE, SCALAR, Shape, Size, Sizes
from derive.stored import Stored
from derive.syntax import MAX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["adopt", "formula_text", "names_of"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CONSTANTS = {sympy.Identity: "eye", sympy.ZeroMatrix: "zeros", sympy.OneMatrix: "ones"}
_NUMBERS = (sympy.pi, sympy.E)


def adopt(expr: Any, assumptions: Mapping[Any, Sequence[str]] | None = None) -> Formula:
    """Make a formula of a SymPy expression.

    A symbol that SymPy knows to be positive is assumed to be so.

    Args:
        expr: built of ``MatrixSymbol`` and ``Symbol`` by SymPy's operations.
        assumptions: a name, or its symbol, to kinds such as ``onehot``.

    Raises:
        InputError: for names and sizes that a formula cannot have, and shapes that do not fit.
        RefusedError: for a node that has no counterpart in the language.

    >>> n, a = sympy.symbols("n a")
    >>> A, x = MatrixSymbol("A", n, n), MatrixSymbol("x", n, 1)
    >>> formula = adopt(a * x.T * A * x)
    >>> formula.source, formula.variables["x"].shape
    ("a*x'*A*x", (n, 1))
    """
    if not isinstance(expr, Basic):
        raise InputError(
            f"expected the text of a formula or a SymPy expression, got a {type(expr).__name__}."
        )
    try:
        adoption = _Adoption(expr)
        value = adoption.value(expr, {})
    except RecursionError:  # in what SymPy asks itself about scalars
        raise RefusedError("The expression nests scalar functions too deeply.") from None
    if weight(value) > MAX_LENGTH:
        raise RefusedError(
            f"Written out, the expression has {weight(value):.2g} operations; the limit is "
            f"{MAX_LENGTH}. Name a part that occurs often by a symbol of its own."
        )
    return adoption.formula(value, adoption.assumed(assumptions or {}))


def formula_text(expr: Any) -> str:
    """Spell an expression in the formula language: a formula's, a gradient, or one of SymPy's own.

    >>> x = MatrixSymbol("x", 3, 1)
    >>> formula_text(sympy.sqrt(x.T * x)), formula_text(read_formula("x'*x").expr)
    ('norm2(x)', 'norm2(x)^2')
    """
    ours = all(type(node) not in _FOREIGN for node in _in_order(expr))
    return TEXT(expr) if ours else adopt(expr).source


def names_of(variables: Any) -> tuple[str, ...]:
    """Return the names of variables that are given as names or as symbols, or of a single one.

    >>> names_of([Symbol("a"), "W", Symbol("a")]), names_of(MatrixSymbol("x", 3, 1))
    (('a', 'W'), ('x',))
    """
    several: Iterable[Any] = [variables] if isinstance(variables, (str, Basic)) else variables
    return tuple(dict.fromkeys(_name_of(variable) for variable in several))


def _name_of(variable: Any) -> str:
    return str(getattr(variable, "name", variable))


# What a formula's expression never holds, and its printer does not know.
_OURS = {sympy.Transpose, sympy.Add, sympy.Mul, sympy.Pow, scalars.maximum, scalars.minimum}
_FOREIGN = {*COUNTERPARTS, Float} - _OURS


def _parts(node: Any) -> tuple[Any, ...]:
    """Return the operands of a node, refusing what has no counterpart."""
    is_constant = any(node is number for number in _NUMBERS)
    if is_constant or isinstance(node, (Symbol, MatrixSymbol)) or type(node) in _CONSTANTS:
        return ()
    if isinstance(node, sympy.Number) and node.is_finite:
        return ()
    return node.operands if isinstance(node, Stored) else tuple(counterpart_of(node).operands(node))


def _in_order(root: Any) -> list[Any]:
    """List the nodes, operands before the nodes that use them, without hashing them."""
    order: list[Any] = []
    seen: set[int] = set()
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((part, False) for part in reversed(_parts(node)))
    return order


class _Adoption:
    """An expression's variables and sizes, and its value in them."""

    def __init__(self, expr: Any) -> None:
        self.symbols: dict[str, Any] = {}  # the user's, by name
        self.size_symbols: dict[str, Any] = {}
        self.shapes: dict[str, Shape] = {}
        self.collect(expr)
        self.sizes = Sizes()
        self.sizes.show(self.shapes)
        self.variables = {name: self.variable(name) for name in self.shapes}

    # Names.

    def collect(self, expr: Any) -> None:
        """Note every variable and size; a scalar symbol that is a size elsewhere is the size."""
        scalars: dict[str, Any] = {}
        pending: list[tuple[Any, frozenset[Any]]] = [(expr, frozenset())]
        while pending:
            root, bound = pending.pop()
            for node in _in_order(root):
                if isinstance(node, ElementwiseApplyFunction):
                    pending.append((node.function.expr, bound.union(node.function.variables)))
                elif isinstance(node, MatrixSymbol):
                    self.note(self.symbols, node.name, node)
                    self.shapes[node.name] = self.shape(node)
                elif type(node) in _CONSTANTS:
                    self.shape(node)
                elif node is sympy.pi:
                    self.note(self.symbols, "pi", node)
                elif isinstance(node, Symbol) and node not in bound:
                    self.note(scalars, node.name, node)
        for name, symbol in scalars.items():
            if self.size_symbols.get(name) != symbol:
                self.note(dict(self.size_symbols), name, symbol)
                self.note(self.symbols, name, symbol)
                self.shapes[name] = SCALAR

    def note(self, table: dict[str, Any], name: str, symbol: Any) -> None:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"'{name}': expected a name of a letter, then letters, digits and '_'. "
                "Rename the symbol."
            )
        if not is_matrix(symbol) and (symbol.is_real is False or not symbol.is_commutative):
            raise RefusedError(f"'{name}' is declared not to be real, and every variable here is.")
        if table.setdefault(name, symbol) != symbol:
            raise InputError(
                f"Two different symbols are called '{name}': they differ in their shapes or in "
                "what SymPy assumes of them. Use one of them, or rename one."
            )

    def shape(self, node: Any) -> Shape:
        rows, columns = (self.size(size, node) for size in node.shape)
        return rows, columns

    def size(self, size: Any, node: Any) -> Size:
        if isinstance(size, Symbol):
            self.note(self.size_symbols, size.name, size)
            return str(size.name)
        if size.is_Integer and 1 <= size <= MAX_SIZE:
            return int(size)
        raise InputError(
            f"{node} has the size {size}: expected an integer from 1 to {MAX_SIZE} or a symbol. "
            "Call an expression by a symbol of its own."
        )

    def variable(self, name: str) -> Any:
        if self.shapes[name] == SCALAR:
            return Symbol(name, real=True)
        return MatrixSymbol(name, *map(self.sizes.symbol, self.shapes[name]))

    # Values.

    def value(self, expr: Any, bound: Mapping[Any, Any]) -> Any:
        """Make an expression again; ``bound`` is what stands for the arguments of a function."""
        done: dict[int, Any] = {}
        for node in _in_order(expr):
            done[id(node)] = self.node(node, [done[id(part)] for part in _parts(node)], bound)
        return done[id(expr)]

    def node(self, node: Any, values: list[Any], bound: Mapping[Any, Any]) -> Any:
        if isinstance(node, Symbol):
            return self.symbol(node, bound)
        if isinstance(node, MatrixSymbol):
            return self.variables[node.name]
        if type(node) in _CONSTANTS:
            return CONSTANTS[_CONSTANTS[type(node)]](*map(self.sizes.symbol, self.shape(node)))
        if isinstance(node, ElementwiseApplyFunction):
            return self.applied(node.function, values[0], bound)
        return _made(node, values)

    def symbol(self, symbol: Any, bound: Mapping[Any, Any]) -> Any:
        if symbol in bound:
            if bound[symbol] is None:
                raise RefusedError(f"'{symbol}' is the argument of a function around another one.")
            return bound[symbol]
        if self.size_symbols.get(symbol.name) == symbol:
            return self.sizes.symbol(symbol.name)
        return self.variables[symbol.name]

    def applied(self, function: Any, matrix: Any, bound: Mapping[Any, Any]) -> Any:
        """Apply a function to every entry: what it does with its argument, done with the matrix."""
        (argument,) = function.variables
        result = self.value(function.expr, {**dict.fromkeys(bound), argument: matrix})
        return (
            result if is_matrix(result) or not is_matrix(matrix) else build.across(result, matrix)
        )

    # The formula.

    def assumed(self, given: Mapping[Any, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """Return the assumptions by name, with what SymPy knows to be positive."""
        kinds = {_name_of(variable): tuple(several) for variable, several in given.items()}
        for name in self.shapes:
            if self.symbols[name].is_positive and "positive" not in kinds.get(name, ()):
                kinds[name] = (*kinds.get(name, ()), "positive")
        return kinds

    def formula(self, value: Any, assumptions: Mapping[str, tuple[str, ...]]) -> Formula:
        """Read the formula from its text; variables that cancelled out are still its variables."""
        nodes = set(postorder(value))
        gone = {name: v for name, v in self.variables.items() if v not in nodes}
        shapes = {name: f"{rows},{columns}" for name, (rows, columns) in self.shapes.items()}
        here = {name: kinds for name, kinds in assumptions.items() if name not in gone}
        try:
            formula = read_formula(TEXT(value), shapes, here)
        except FormulaError as error:
            raise RefusedError(f"The expression is no formula of the language: {error}") from None
        variables = MappingProxyType({**formula.variables, **gone})
        return replace(formula, variables=variables, assumptions=MappingProxyType({**assumptions}))


def _made(node: Any, values: list[Any]) -> Any:
    """Make a node again from its operands' values."""
    if not values:
        return _exact(node) if isinstance(node, Float) else node
    row = None if isinstance(node, Stored) else counterpart_of(node)
    _require_kinds(node, values, entrywise=bool(row and row.entrywise))
    try:
        return row.build(node, *values) if row else build.rebuild(node, tuple(values))
    except InputError as error:
        raise InputError(f"{shown(node)}: {error}") from None


def _require_kinds(node: Any, values: Sequence[Any], entrywise: bool) -> None:
    """Refuse functions of matrices, and a function's argument where no entries are meant."""
    for part, value in zip(_parts(node), values, strict=True):
        if is_matrix(value) and entrywise == is_matrix(part):
            name = type(node).__name__
            why = f"{name} of a matrix is not that of its entries. Use applyfunc({name})"
            if not entrywise:
                why = f"the argument of a function of entries stands in {name}. Name it by a symbol"
            raise RefusedError(f"{shown(node)}: {why}.")


def _exact(number: Any) -> Any:
    """Return the shortest decimal fraction that is the number in double precision."""
    nearest = float(number)
    if not math.isfinite(nearest) or (nearest == 0 and number != 0):
        raise RefusedError(f"{number.n(4)} is beyond the range of double precision.")
    return Rational(repr(nearest))
