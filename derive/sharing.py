"""Products in the cheapest order, common subexpressions named once: the ``cse`` of our lambdify.

SymPy's own ``cse`` shares nothing between A·x and A·x·x', and would hoist the bound symbol out of
an elementwise function. Here products are first cut into products of two factors, and then nodes of
the joint graph of value and gradients that are used more than once get a name.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sympy import Integer, MatrixSymbol, OneMatrix, S, Symbol, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive.build import ones
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Elementwise, Inner, Product
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["binarised", "share", "stretched", "with_operands"]

MAX_CODE_DEPTH = 30  # nested operations in one statement, some brackets each; Python reads 200
MAX_CODE_TERMS = 50  # operands of one operator in one statement; Python reads some thousands
ONE = Integer(1)
_LONG_PRODUCT = 20  # factors, above which the best order is not searched for
_ASSUMED_SIZE = 100  # a symbolic size, where the order of a product depends on it


def binarised(exprs: Sequence[Any]) -> list[Any]:
    """Cut every product of matrices into products of two, in the cheapest order."""
    done: dict[Any, Any] = {}
    for node in postorder(*exprs):
        rebuilt = with_operands(node, tuple(done[operand] for operand in operands(node)))
        done[node] = _binary(rebuilt) if isinstance(node, (Product, Inner)) else rebuilt
    return [done[expr] for expr in exprs]


def with_operands(node: Any, new: tuple[Any, ...]) -> Any:
    """Rebuild a node as it is: nothing may be simplified any more."""
    if new == operands(node):
        return node
    return node.func(node.function, *new) if isinstance(node, Elementwise) else node.func(*new)


def _binary(node: Any) -> Any:
    factors = list(node.factors if isinstance(node, Product) else node.args)
    if len(factors) > 1:
        factors = [part for factor in factors for part in _column_times_row(factor)]
    if len(factors) == 1 or stretched(node) is not None:
        return node
    if isinstance(node, Product) and not is_matrix(node.args[0]):
        smallest = min(range(len(factors)), key=lambda i: _cost_to_scale(factors[i]))
        factors[smallest] = _scaled(node.coefficient, factors[smallest])
    factors = _shortened(factors)
    if len(factors) == 2:
        return node.func(*factors)
    sizes = [_number(factors[0].shape[0]), *(_number(f.shape[1]) for f in factors)]
    cut = _best_cut(tuple(sizes))
    return node.func(_chain(factors[:cut]), _chain(factors[cut:]))


def _shortened(factors: list[Any]) -> list[Any]:
    """Multiply a very long product together from its narrower end, as far as needed."""
    from_left = _number(factors[0].shape[0]) < _number(factors[-1].shape[1])
    while len(factors) > _LONG_PRODUCT:
        pair = slice(0, 2) if from_left else slice(-2, None)
        factors[pair] = [Product(*factors[pair])]
    return factors


def _column_times_row(factor: Any) -> tuple[Any, ...]:
    """Split a matrix of ones, so that a product with it is a sum and a stretch."""
    if isinstance(factor, OneMatrix) and 1 not in factor.shape:
        return ones(factor.shape[0], ONE), ones(ONE, factor.shape[1])
    return (factor,)


def _scaled(coefficient: Any, factor: Any) -> Any:
    """Scale a factor; a transpose from the inside, so that both orientations share it."""
    if isinstance(factor, Transpose):
        return Transpose(Product(coefficient, *factor.args))
    return Product(coefficient, factor)


def _cost_to_scale(matrix: Any) -> tuple[bool, int, bool]:
    """Order factors: never ones, then the one of fewest entries, a computed one before an input."""
    entries = _number(matrix.shape[0]) * _number(matrix.shape[1])
    inner = matrix.args[0] if isinstance(matrix, Transpose) else matrix
    return isinstance(matrix, OneMatrix), entries, not operands(inner)


def _chain(factors: list[Any]) -> Any:
    return factors[0] if len(factors) == 1 else _binary(Product(*factors))


def _number(size: Any) -> int:
    return int(size) if size.is_Integer else _ASSUMED_SIZE


@lru_cache(maxsize=4096)
def _best_cut(sizes: tuple[int, ...]) -> int:
    """Return where the last product of a matrix chain is taken (dynamic programming, CLRS 15.2)."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            j = i + length - 1
            prices = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cuts[i, j] = min(prices)
    return cuts[0, count - 1] + 1


def stretched(node: Any) -> tuple[Any, bool, bool] | None:
    """Recognise what broadcasting computes: a column, a row or a scalar times ones.

    Returns the core, and whether it is stretched over rows and over columns.
    """
    if isinstance(node, OneMatrix):
        return node, True, True
    if isinstance(node, ZeroMatrix):
        return S.Zero, True, True
    if not isinstance(node, Product):
        return None
    first, last = node.factors[0], node.factors[-1]
    scalars = node.args[: len(node.args) - len(node.factors)]
    if len(node.factors) == 1 and isinstance(first, OneMatrix):
        return node.coefficient, True, True
    rows = isinstance(first, OneMatrix) and first.shape[1] == 1 and first.shape[0] != 1
    columns = isinstance(last, OneMatrix) and last.shape[0] == 1 and last.shape[1] != 1
    if rows == columns:
        return None
    rest = node.factors[1:] if rows else node.factors[:-1]
    core = rest[0] if len(rest) == 1 and not scalars else Product(*scalars, *rest)
    return core, rows, columns


def share(
    exprs: Sequence[Any], preferred: Mapping[Any, str], taken: set[str]
) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Name what is used more than once, and what a derivation names.

    Args:
        exprs: the value and the gradients, in their stable form.
        preferred: the name that a node has in the derivation.
        taken: names that may not be used.

    Returns the named nodes in the order of computation, and the expressions in terms of them.
    """
    cut = binarised([*exprs, *preferred])
    exprs, names = cut[: len(exprs)], dict(zip(cut[len(exprs) :], preferred.values(), strict=True))
    order = postorder(*exprs)
    worthy = _worth_naming(order)
    uses, repeated = _uses(order, exprs, worthy)
    fresh = _fresh_names(taken | set(names.values()))
    symbols: dict[Any, Any] = {}
    depth: dict[Any, int] = {}
    named: list[tuple[Any, Any]] = []
    done: dict[Any, Any] = {}
    outputs = set(exprs)
    for node in order:
        old = operands(node)
        inside = tuple(done[operand] for operand in old)
        while len(inside) > MAX_CODE_TERMS:  # of a sum or an elementwise product
            part = with_operands(node, inside[:MAX_CODE_TERMS])
            named.append((_symbol(fresh(), node), part))
            inside = (named[-1][0], *inside[MAX_CODE_TERMS:])
        body = with_operands(node, inside)
        depth[node] = 1 + max((depth[operand] for operand in old), default=0)
        shared = node in worthy and (uses[node] > 1 or node in repeated or node in names)
        if shared or (depth[node] > MAX_CODE_DEPTH and node not in outputs):
            symbols[node] = _symbol(names.get(node) or fresh(), node)
            named.append((symbols[node], body))
            body, depth[node] = symbols[node], 0
        done[node] = body
    return named, [done[expr] for expr in exprs]


def _uses(
    order: list[Any], exprs: Sequence[Any], worthy: set[Any]
) -> tuple[Counter[Any], set[Any]]:
    """Count how often each node is printed, and find arguments that a function prints twice.

    What is printed inside a node without a name of its own is printed as often as that node.
    """
    uses: Counter[Any] = Counter(exprs)
    repeated: set[Any] = set()
    known = set(order)
    for node in reversed(order):
        for operand in _printed(node, known):
            uses[operand] += 1 if node in worthy else uses[node]
        if isinstance(node, Elementwise) and node.function.count(U) > 1:
            repeated.add(node.matrix)
    return uses, repeated


def _printed(node: Any, known: set[Any]) -> tuple[Any, ...]:
    """Return what is printed inside a node: its operands, or what a stretched value is made of."""
    core = stretched(node)
    if core is None or isinstance(core[0], OneMatrix):
        return operands(node) if core is None else ()
    return (core[0],) if core[0] in known else operands(core[0])


def _worth_naming(order: list[Any]) -> set[Any]:
    """Return the nodes that cost arithmetic on entries: no transpose, stretch or size."""
    of_sizes: set[Any] = set()
    worthy: set[Any] = set()
    for node in order:
        inside = operands(node)
        if not is_matrix(node) and (
            all(operand in of_sizes for operand in inside) if inside else _is_of_sizes(node)
        ):
            of_sizes.add(node)
        elif inside and stretched(node) is None and not isinstance(node, Transpose):
            worthy.add(node)
    return worthy


def _is_of_sizes(leaf: Any) -> bool:
    """Say whether code finds a scalar without arithmetic: a number or a size."""
    return bool(leaf.is_number or leaf.is_integer)


def _fresh_names(taken: set[str]) -> Callable[[], str]:
    numbers = (f"t{i}" for i in range(1, 10**9))
    return lambda: next(name for name in numbers if name not in taken)


def _symbol(name: str, node: Any) -> Any:
    return MatrixSymbol(name, *node.shape) if is_matrix(node) else Symbol(name, real=True)
