"""The formula language: text in, a SymPy expression of known shapes out.

Text is never evaluated. ``derive.syntax`` reads it into a tree; here every name is resolved, every
shape inferred and every operation built through ``derive.build``. A function that is not listed is
refused with the nearest name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sympy import MatrixSymbol, Symbol

from derive.elaborate import elaborate
from derive.errors import FormulaError, InputError, SizesError, at_line, suggestion
from derive.functions import FUNCTION_NAMES
from derive.inference import infer, size_arguments
from derive.shapes import (
    SCALAR,
    Shape,
    SizeProduct,
    Sizes,
    declared_shape,
    letter_shape,
    size_of,
    symbol_shape,
)
from derive.structures import STRUCTURES
from derive.syntax import Syntax, is_juxtaposed, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ASSUMPTIONS", "Definition", "Formula", "read_among", "read_formula", "read_together"]


OF_ENTRIES = ("onehot", "simplex", "unit")  # of all entries together
ASSUMPTIONS = (*STRUCTURES, *OF_ENTRIES, "positive", "pm1", "binary")


@dataclass(frozen=True)
class Formula:
    """A formula that has been read: the expression, its variables and what is assumed of them.

    ``variables`` are in the order in which they first appear; ``sizes`` are the symbols of the
    sizes that are not integers.
    """

    source: str
    expr: Any
    variables: Mapping[str, Any]
    assumptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[Any, ...]:
        """Symbolic sizes in the order in which the variables show them."""
        found: dict[Any, None] = {}
        for variable in self.variables.values():
            for size in getattr(variable, "shape", ()):
                found.update(dict.fromkeys(size.free_symbols))
        return tuple(found)


def read_formula(
    source: str,
    shapes: Mapping[str, str | int] | None = None,
    assumptions: Mapping[str, Sequence[str]] | None = None,
) -> Formula:
    """Read a formula.

    Args:
        source: the text.
        shapes: declarations, a name to ``R,C``, ``R`` or ``scalar``.
        assumptions: a name to kinds out of ``ASSUMPTIONS``.

    Raises:
        FormulaError: with a caret, where the text or its sizes are wrong.
        RefusedError: for a function that is not known.

    >>> formula = read_formula("norm2(relu(V*u))^2")
    >>> formula.expr, {name: v.shape for name, v in formula.variables.items()}
    (norm2(relu(V*u))**2, {'V': (m, n), 'u': (n, 1)})
    """
    definition = Definition(source, parse(source))
    variables, (expr,) = read_together([definition], shapes, assumptions)
    return Formula(
        source.strip(),
        expr,
        MappingProxyType(variables),
        MappingProxyType({k: tuple(v) for k, v in (assumptions or {}).items()}),
    )


@dataclass(frozen=True)
class Definition:
    """A formula where it stands in a text, and the name that it gives its value, "" for none.

    ``line`` is that of a file, 0 for none.
    """

    source: str
    tree: Syntax
    name: str = ""
    line: int = 0


def read_together(
    definitions: Sequence[Definition],
    shapes: Mapping[str, str | int] | None = None,
    assumptions: Mapping[str, Sequence[str]] | None = None,
) -> tuple[dict[str, Any], list[Any]]:
    """Read formulas whose variables and sizes are the same, later ones with earlier ones' names.

    Returns the symbols of the variables and then of the named values, and the formulas in these.

    Raises:
        FormulaError: with a caret, where the text or its sizes are wrong.
        RefusedError: for a function that is not known.

    >>> texts = {"z": "W*x", "f": "norm2(z)^2"}
    >>> symbols, exprs = read_together([Definition(t, parse(t), n) for n, t in texts.items()])
    >>> list(symbols), exprs, symbols["z"].shape
    (['W', 'x', 'z', 'f'], [W*x, norm2(z)**2], (m, 1))
    """
    declared = {name: declared_shape(str(text)) for name, text in (shapes or {}).items()}
    size_names = set().union(*(_size_names(each.tree, declared) for each in definitions))
    known = _variable_shapes(definitions, declared, size_names)
    sizes = Sizes()
    inferred: list[dict[Syntax, Shape]] = []
    values: dict[str, Shape] = {}
    for each in definitions:
        with at_line(each.line):
            found = infer(each.tree, each.source, sizes, {**known, **values})
            inferred.append(found)
            if each.name:
                values[each.name] = _as_declared(each, found[each.tree], declared, sizes)
    _check_assumptions(assumptions or {}, known, sizes)
    nodes = (node for each in definitions for node in each.tree.postorder())
    names = {node.value for node in nodes if node.kind == "name"}
    every = [shape for found in inferred for shape in found.values()]
    sizes.invent([*known.values(), *every], names | size_names | {*declared, *values})
    sizes.show({**declared, **known, **values})
    symbols = {name: _variable(name, shape, sizes) for name, shape in known.items()}
    exprs = []
    for each, found in zip(definitions, inferred, strict=True):
        with at_line(each.line):
            exprs.append(elaborate(each.tree, each.source, sizes, found, symbols))
        if each.name:
            symbols[each.name] = _variable(each.name, values[each.name], sizes)
    return symbols, exprs


def read_among(
    source: str,
    variables: Mapping[str, Any],
    shape: tuple[Any, ...] | None = None,
    tree: Syntax | None = None,
) -> Any:
    """Read what somebody states of known variables: an expression in them and in their sizes.

    Args:
        source: the text.
        variables: symbols by name, or expressions that names stand for; no others may be used.
        shape: what ``vector(c)`` and ``matrix(c)`` stretch to where nothing else says it.
        tree: of the text, where it has been parsed.

    Raises:
        SizesError: where sizes disagree.
        FormulaError: with a caret, where the text is wrong, or for a name that is not known.
        RefusedError: for a function that is not known.

    >>> formula = read_formula("norm2(W*x)^2")
    >>> read_among("2*(W*x)*x'", formula.variables)
    2*W*x*x'
    """
    tree = tree or parse(source)
    known = {name: symbol_shape(variable) for name, variable in variables.items()}
    size_names = _size_names(tree, known)
    for node in tree.postorder():
        if node.kind == "name" and node.value not in {*known, *size_names, "pi"}:
            names = " A transpose is '." if node.value == "T" else suggestion(node.value, known)
            names += f" Known: {', '.join(known)}."
            raise FormulaError(f"no variable '{node.value}' here.{names}", source, node.position)
    sizes = Sizes()
    inferred = infer(tree, source, sizes, known)
    if shape:
        for found, expected in zip(inferred[tree], shape, strict=True):
            sizes.unify(found, size_of(expected))
    sizes.invent(inferred.values(), {*known, *size_names})
    sizes.show(known)
    return elaborate(tree, source, sizes, inferred, variables)


def _size_names(tree: Syntax, declared: Mapping[str, Shape]) -> set[str]:
    """Return the names of sizes that shapes and ones(n), eye(n), … use."""
    sizes = {
        factor
        for shape in declared.values()
        for size in shape
        for factor in (size.factors if isinstance(size, SizeProduct) else (size,))
        if isinstance(factor, str)
    }
    return sizes | {node.value for node in size_arguments(tree) if node.kind == "name"}


def _variable_shapes(
    definitions: Sequence[Definition], declared: Mapping[str, Shape], size_names: set[str]
) -> dict[str, Shape]:
    """Collect the variables in order of appearance: declared ones, then letters."""
    found: dict[str, Shape] = {}
    named: set[str] = set()
    for each in definitions:
        sizes_only = size_arguments(each.tree)
        for node in sorted(each.tree.postorder(), key=lambda n: n.position):
            name = node.value
            if node.kind != "name" or name in found or name in named or node in sizes_only:
                continue
            with at_line(each.line):
                if name in declared:
                    found[name] = declared[name]
                elif name in size_names or name == "pi":
                    continue
                elif len(name) == 1:
                    found[name] = letter_shape(name)
                else:
                    raise FormulaError(_unknown_name(name, declared), each.source, node.position)
        named.add(each.name)
    return found


def _as_declared(
    definition: Definition, shape: Shape, declared: Mapping[str, Shape], sizes: Sizes
) -> Shape:
    """Make a named value have the shape that is declared for its name."""
    expected = declared.get(definition.name, shape)
    if not all(map(sizes.unify, shape, expected)):
        raise SizesError(
            f"{definition.name} is declared {sizes.text(expected)}, and this is "
            f"{sizes.text(shape)}. Change the declaration or the formula",
            definition.source,
            definition.tree.position,
        )
    return shape


def _unknown_name(name: str, declared: Mapping[str, Shape]) -> str:
    if name in FUNCTION_NAMES:
        return f"'{name}' is a function; expected '(' after it"
    letters = f" A product of letters is {'*'.join(name)}." if is_juxtaposed(name) else ""
    return (
        f"'{name}' has no shape: names of more than one letter are declared, "
        f"--shape {name}=scalar or --shape {name}=n,m.{letters}{suggestion(name, declared)}"
    )


def _check_assumptions(
    assumptions: Mapping[str, Sequence[str]], shapes: Mapping[str, Shape], sizes: Sizes
) -> None:
    """Check the names, the kinds and that a variable's shape allows them."""
    for name, kinds in assumptions.items():
        if name not in shapes:
            raise InputError(
                f"--assume {name}: no such variable.{suggestion(name, shapes)} "
                f"Known: {', '.join(shapes) or 'none'}."
            )
        for kind in kinds:
            if kind not in ASSUMPTIONS:
                raise InputError(
                    f"{name}={kind}: no such assumption.{suggestion(kind, ASSUMPTIONS)} "
                    f"Known: {', '.join(ASSUMPTIONS)}."
                )
            is_scalar = sizes.shape(shapes[name]) == SCALAR
            expected = ""
            if kind in STRUCTURES and (is_scalar or not sizes.unify(*shapes[name])):
                expected = "a square matrix"
            if kind in OF_ENTRIES and is_scalar:
                expected = "a vector or a matrix"
            if expected:
                found = "a scalar" if is_scalar else sizes.text(shapes[name])
                raise InputError(f"{name}={kind}: expected {expected}, {name} is {found}.")


def _variable(name: str, shape: Shape, sizes: Sizes) -> Any:
    if sizes.shape(shape) == SCALAR:
        return Symbol(name, real=True)
    return MatrixSymbol(name, *map(sizes.symbol, shape))
