"""The rewriting from one sample to N, line by line, in the names of the derivation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sympy import MatrixSymbol, Symbol

from derive.build import replace
from derive.emit import value_names
from derive.graph import is_matrix, shape_of
from derive.symbols import derivative_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.batch import Batch
    from derive.derivation import Derivation

__all__ = ["BatchLine", "batch_lines"]


class BatchLine(NamedTuple):
    """A value of one sample and the same for N samples: two equations, and the second's shape."""

    one: tuple[Any, Any]
    many: tuple[Any, Any]
    shape: tuple[Any, ...]


def batch_lines(derivation: Derivation, batch: Batch) -> list[BatchLine]:
    """Return the intermediate values, the function and its gradients, for one and for N samples."""
    program = derivation.program
    function = program.function
    ones = _Names(value_names(derivation))
    many = _Names({expr: name for name, expr in batch.values.items()})
    lines = []
    for line in program.lines[:-1]:
        rows = batch.values[line.name]
        one = (line.symbol, line.expr)
        lines.append(BatchLine(one, (many.symbol(rows), many.inside(rows)), shape_of(rows)))
    one = (function.symbol, function.expr)
    lines.append(BatchLine(one, (function.symbol, many.written(batch.value)), ()))
    for name, gradient in derivation.gradient.items():
        variable = batch.variables[name]
        left = derivative_symbol(function.name, derivation.formula.variables[name])
        right = derivative_symbol(function.name, variable)
        one, other = (left, ones.written(gradient)), (right, many.written(batch.gradient[name]))
        lines.append(BatchLine(one, other, shape_of(variable)))
    return lines


class _Names:
    """Write expressions in the names of the values that they contain."""

    def __init__(self, names: Mapping[Any, str]) -> None:
        self.symbols = {expr: _symbol(name, expr) for expr, name in names.items()}

    def symbol(self, expr: Any) -> Any:
        return self.symbols[expr]

    def inside(self, expr: Any) -> Any:
        """Write what a value is in the names of the values before it."""
        return replace(expr, {e: s for e, s in self.symbols.items() if e != expr})

    def written(self, expr: Any) -> Any:
        return replace(expr, self.symbols)


def _symbol(name: str, expr: Any) -> Any:
    return MatrixSymbol(name, *expr.shape) if is_matrix(expr) else Symbol(name, real=True)
