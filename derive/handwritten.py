"""A hand derivation: named values, and what somebody states of their derivatives, line by line.

Cut from the judging of the lines: here the values are read, jointly, so that sizes are found as in
a single formula, and what a derivative is asked of is put together: a value as a function of
another one and of the variables. A stated derivative is read later, when what the derivatives in
it stand for is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from derive.build import replace
from derive.errors import FormulaError, InputError, at_line, suggestion
from derive.graph import is_matrix
from derive.language import Definition, Formula, read_among, read_together
from derive.notation import TEXT
from derive.statements import Lines, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.statements import Statement

__all__ = ["HandDerivation", "read_derivation"]


@dataclass(frozen=True)
class HandDerivation:
    """A hand derivation that has been read.

    ``symbols`` are those of the variables and then of the values, by name; ``values`` are the
    formulas of the values, in the order in which they are named.
    """

    statements: tuple[Statement, ...]
    symbols: Mapping[str, Any]
    values: Mapping[str, Any]
    assumptions: Mapping[str, tuple[str, ...]]

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        """The symbols that are no values."""
        found = {name: s for name, s in self.symbols.items() if name not in self.values}
        return MappingProxyType(found)

    @cached_property
    def function(self) -> str:
        """The name of the function: the last scalar."""
        return next(name for name in reversed([*self.values]) if not is_matrix(self.values[name]))

    @cached_property
    def _expansions(self) -> dict[str, dict[Any, Any]]:
        return {}

    def expansion(self, by: str = "") -> Mapping[Any, Any]:
        """Return what the values are in the variables and in one of them, symbols to expressions.

        Those that the value moves are functions of it; the others do not move with it.
        """
        if by not in self._expansions:
            found: dict[Any, Any] = {}
            for name, expr in self.values.items():
                if name != by:
                    found[self.symbols[name]] = replace(expr, found)
            self._expansions[by] = found
        return self._expansions[by]

    def formula(self, of: str, by: str = "") -> Formula:
        r"""Return a value as a formula in the variables and in one other value.

        >>> text = "z = W*x\nf = norm2(z)^2\ndf/dz = 2*z"
        >>> formula = read_derivation(text).formula("f", "z")
        >>> formula.expr, list(formula.variables)
        (norm2(z)**2, ['W', 'x', 'z'])
        """
        symbol = self.symbols[of]
        expr = self.expansion(by).get(symbol, symbol)
        variables = dict(self.variables)
        if by in self.values:
            variables[by] = self.symbols[by]
        return Formula(TEXT(expr), expr, MappingProxyType(variables), self.assumptions)

    def read(
        self,
        statement: Statement,
        stated: Mapping[str, Any],
        shape: tuple[Any, ...] | None = None,
    ) -> Any:
        """Read the formula of a statement, given what stated derivatives stand for.

        Returns an expression in the symbols of variables and values.

        Raises:
            SizesError: where sizes disagree.
            FormulaError: for a name that is not known.
        """
        known = {**self.symbols, **{name: stated[name] for name in statement.uses}}
        return read_among(statement.source, known, shape, statement.tree)


def read_derivation(
    text: str,
    shapes: Mapping[str, str | int] | None = None,
    assumptions: Mapping[str, Sequence[str]] | None = None,
) -> HandDerivation:
    r"""Read a hand derivation, one statement a line.

    Args:
        text: of the file.
        shapes: declarations that add to those in the text, and win.
        assumptions: a name to kinds, that add to those in the text.

    Raises:
        FormulaError: for what cannot be read, with the line, or where sizes of values disagree.
        InputError: where nothing is named or stated, or ``shapes`` has what the text has not.
        RefusedError: for a function that is not known.

    >>> read = read_derivation("z = W*x\nf = norm2(z)^2\ndf/dz = 2*z\ndf/dx = W'*df/dz")
    >>> read.function, read.values, [s.text for s in read.statements if s.uses]
    ('f', mappingproxy({'z': W*x, 'f': norm2(z)**2}), ["df/dx = W'*df/dz"])
    """
    lines = Lines(text)
    declared = {**lines.shapes, **(shapes or {})}
    assumed = {name: tuple(kinds) for name, kinds in lines.assumptions.items()}
    for name, kinds in (assumptions or {}).items():
        assumed[name] = (*assumed.get(name, ()), *kinds)
    statements = parsed(lines, declared)
    plain = [s for s in statements if not s.of and not s.uses]
    definitions = [Definition(s.source, s.tree, s.name, s.line) for s in plain]
    symbols, exprs = read_together(definitions, declared, assumed)
    values = {s.name: expr for s, expr in zip(plain, exprs, strict=True)}
    _require(statements, symbols, values)
    for name, shape in (shapes or {}).items():
        if name not in {*symbols, *(s.name for s in statements)}:
            raise InputError(
                f"--shape {name}={shape}: nothing is named '{name}'.{suggestion(name, symbols)} "
                f"Known: {', '.join(symbols)}."
            )
    return HandDerivation(
        statements, MappingProxyType(symbols), MappingProxyType(values), MappingProxyType(assumed)
    )


def _require(
    statements: Sequence[Statement], symbols: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Require a function, a stated derivative, and derivatives of values by what has a name."""
    if all(map(is_matrix, values.values())):
        raise InputError(
            "the derivation names no scalar; the last scalar that is named is the function, as "
            "in f = norm2(z)^2."
        )
    if not any(statement.of for statement in statements):
        raise InputError(
            "the derivation states no derivative; one is stated as in df/dx = W'*df/dz."
        )
    made = {s.name for s in statements if s.uses and not s.of}
    for statement in (statement for statement in statements if statement.of):
        for name, known in ((statement.of, values), (statement.by, symbols)):
            if name not in known:
                with at_line(statement.line):
                    message = _unknown(name, known, symbols, made)
                    raise FormulaError(message, statement.source, statement.place)


def _unknown(
    name: str, known: Mapping[str, Any], symbols: Mapping[str, Any], made: set[str]
) -> str:
    if name in made:
        return f"'{name}' is made of stated derivatives, and is no value that others depend on"
    if name in symbols:
        return f"'{name}' is a variable. Derivatives are of named values: {', '.join(known)}"
    hint = suggestion(name, known) or f" Known: {', '.join(known)}."
    return f"nothing is named '{name}'.{hint}"
