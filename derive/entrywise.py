"""Functions of entries in code: one that several elementwise functions contain is computed once.

The derivative of √z is 1/(2·√z), and that of sin(z)² is 2·sin(z)·cos(z): elementwise functions of
one matrix, which sharing sees as different nodes. Their factors are taken apart where that lets
them share a function that costs more than arithmetic.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sympy import Function, Mul, Pow

from derive.build import with_operands
from derive.diagonals import entrywise_product, times
from derive.graph import operands, postorder
from derive.nodes import Elementwise, Hadamard
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["with_functions"]

MAX_FUNCTIONS = 12  # in one elementwise function, above which it is left as it is
_V = U.func("_v", real=True)


def with_functions(exprs: Sequence[Any]) -> list[Any]:
    """Write elementwise functions of a matrix with functions that others have in them as well."""
    order = postorder(*exprs)
    inside = {node: _functions(node.function) for node in order if isinstance(node, Elementwise)}
    uses = Counter((node.matrix, f) for node, functions in inside.items() for f in functions)
    done: dict[Any, Any] = {}
    for node in order:
        new = tuple(done[operand] for operand in operands(node))
        flat = isinstance(node, Hadamard) and new != node.args
        done[node] = entrywise_product(*new) if flat else with_operands(node, new)
        if node in inside:
            shared = {f for f in inside[node] if uses[node.matrix, f] > 1}
            if shared:
                done[node] = _apart(node.function, done[node.matrix], shared)
    return [done[expr] for expr in exprs]


def _functions(function: Any) -> set[Any]:
    """Return the functions of U in a function that cost more than arithmetic."""
    found = {f for f in function.atoms(Function) if f.args == (U,)}
    found |= {
        _positive_power(f)
        for f in function.atoms(Pow)
        if f.exp.is_Rational and not f.exp.is_Integer
    }
    functions = {f for f in found if f is not None and f.free_symbols == {U}}
    return functions if len(functions) <= MAX_FUNCTIONS else set()


def _positive_power(power: Any) -> Any:
    """Return the positive power of U that a power, negative or not, is computed from."""
    return Pow(power.base, abs(power.exp)) if power.base == U else None


def _apart(function: Any, matrix: Any, shared: set[Any]) -> Any:
    """Return a function of a matrix as a product of functions of what is shared, and the rest."""
    if function in shared:
        return Elementwise(function, matrix)
    parts: list[Any] = []
    rest = []
    for factor in Mul.make_args(function):
        inner = next((f for f in shared if _in_terms_of(factor, f) is not None), None)
        if inner is None:
            rest.append(factor)
        else:
            outer, whole = _in_terms_of(factor, inner), Elementwise(inner, matrix)
            parts.append(whole if outer == U else Elementwise(outer, whole))
    if not parts:
        return Elementwise(function, matrix)
    number, other = Mul(*rest).as_independent(U, as_Add=False)
    if other != 1:
        parts.insert(0, matrix if other == U else Elementwise(other, matrix))
    return times(number, [entrywise_product(*parts)])


def _in_terms_of(factor: Any, inner: Any) -> Any:
    """Return a factor as a function of an inner one, written in U; None where it is not."""
    powers = {inner: _V}
    if isinstance(inner, Pow):
        powers[Pow(U, -inner.exp)] = 1 / _V
    outer = factor.xreplace(powers)
    return None if U in outer.free_symbols or _V not in outer.free_symbols else outer.subs(_V, U)
