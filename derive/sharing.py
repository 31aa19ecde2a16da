"""Products in the cheapest order, common subexpressions named once: the ``cse`` of our lambdify.

SymPy's own ``cse`` shares nothing between A·x and A·x·x', and would hoist the bound symbol out of
an elementwise function. Here products are first cut into products of two factors, and then nodes of
the joint graph of value and gradients that are used more than once get a name.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sympy import Integer, MatrixSymbol, Mul, OneMatrix, S, Symbol, ZeroMatrix
from sympy.matrices.expressions import Transpose

from derive.build import transpose, with_operands
from derive.chain_order import (
    LONG_PRODUCT,
    column_times_row,
    entries,
    is_symmetric,
    last_cut,
    number,
)
from derive.code_functions import NearZero, ScalarNearZero
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Elementwise, Inner, Inverse, MatrixSum, Product
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence, Set

__all__ = ["binarised", "cost_to_scale", "share", "stretched"]

MAX_CODE_DEPTH = 30  # nested operations in one statement, some brackets each; Python reads 200
MAX_CODE_TERMS = 50  # operands of one operator in one statement; Python reads some thousands
ONE = Integer(1)


def binarised(exprs: Sequence[Any]) -> list[Any]:
    """Cut every product of matrices into products of two, in the cheapest order."""
    order = postorder(*exprs)
    cut = _cut(order, set())
    scaled = [node for node in order if isinstance(node, Product) and node.coefficient != 1]
    if any(len(node.factors) > 1 for node in scaled):
        parts = postorder(*map(cut.get, exprs))
        plain = {part for part in parts if _is_plain(part)}
        plain |= {Product(*map(transpose, reversed(part.factors))) for part in plain}
        cut = _cut(order, plain | {part for part in parts if _is_multiple(part)})
    return [cut[expr] for expr in exprs]


def _cut(order: Sequence[Any], known: Set[Any]) -> dict[Any, Any]:
    """Cut products; one that is known without its coefficient is scaled as a whole.

    One of which a multiple of a factor is known is not; one with a minus in a sum is, where the
    minus takes nothing.
    """
    done: dict[Any, Any] = {}
    terms = {arg for node in order if isinstance(node, MatrixSum) for arg in node.args}
    for node in order:
        rebuilt = with_operands(node, tuple(done[operand] for operand in operands(node)))
        done[node] = _binary(rebuilt, known) if isinstance(node, (Product, Inner)) else rebuilt
        if node in terms and _is_negative(node) and stretched(done[node]) is None:
            done[node] = Product(S.NegativeOne, _chain(list(rebuilt.factors)))
    return done


def _is_negative(node: Any) -> bool:
    return isinstance(node, Product) and node.coefficient == -1


def _is_plain(node: Any) -> bool:
    return isinstance(node, Product) and len(node.args) == len(node.factors) == 2


def _is_multiple(node: Any) -> bool:
    return isinstance(node, Product) and len(node.args) == 2 and len(node.factors) == 1


def _binary(node: Any, known: Set[Any] = frozenset()) -> Any:
    factors = list(node.factors if isinstance(node, Product) else node.args)
    if len(factors) > 1:
        factors = [part for factor in factors for part in column_times_row(factor)]
    if len(factors) == 1 or stretched(node) is not None:
        return node
    if isinstance(node, Product) and not is_matrix(node.args[0]):
        return _scaled(node.coefficient, factors, known)
    factors = _shortened(factors)
    if len(factors) == 2:
        return node.func(*factors)
    cut = last_cut(factors)
    return node.func(_chain(factors[:cut]), _chain(factors[cut:]))


def _scaled(coefficient: Any, factors: list[Any], known: Set[Any]) -> Any:
    """Scale a product where that takes least: a factor, a partial product, or the whole.

    A transpose is scaled from the inside, so that both orientations share it.
    """
    if len(factors) == 1:
        (factor,) = factors
        if isinstance(factor, Transpose) and coefficient != -1:
            return Transpose(Product(coefficient, *factor.args))
        return Product(coefficient, factor)
    factors = _shortened(factors)
    cut = last_cut(factors)
    left, right = factors[:cut], factors[cut:]
    whole = _binary(Product(*factors))
    if _cost_of_whole(factors) < min(cost_to_scale(left), cost_to_scale(right)):
        for place, factor in enumerate(factors):
            scaled = _scaled(coefficient, [factor], known)
            if {scaled, *operands(scaled)} & known:
                return _chain([*factors[:place], scaled, *factors[place + 1 :]])
        return Product(coefficient, whole)
    if whole in known:
        return Product(coefficient, whole)
    if cost_to_scale(left) <= cost_to_scale(right):
        return Product(_scaled(coefficient, left, known), _chain(right))
    return Product(_chain(left), _scaled(coefficient, right, known))


def cost_to_scale(factors: list[Any]) -> tuple[Any, ...]:
    """Order what can be scaled in a product, by what it takes.

    The fewest entries come first; of equally many a computed factor before a product, that before
    an input, and a sum, as a residual is one, before others. Last come ones, and inverses, which
    are applied and not formed.
    """
    if len(factors) > 1:
        cut = last_cut(factors)
        parts = (cost_to_scale(factors[:cut]), cost_to_scale(factors[cut:]))
        return min(_cost_of_whole(factors), *parts)
    (matrix,) = factors
    is_turned = isinstance(matrix, Transpose)
    inner = matrix.args[0] if is_turned else matrix
    last = isinstance(inner, (OneMatrix, Inverse))
    later = not operands(inner), not isinstance(inner, MatrixSum), is_turned
    return last, entries(*matrix.shape), *later


def _cost_of_whole(factors: list[Any]) -> tuple[Any, ...]:
    """Return what scaling a product takes; that of A'·A keeps it symmetric."""
    if is_symmetric(factors) and number(factors[-1].shape[0]) > 1:
        return False, 0
    return False, entries(factors[0].shape[0], factors[-1].shape[1]), True, False


def _shortened(factors: list[Any]) -> list[Any]:
    """Multiply a very long product together from its narrower end, as far as needed."""
    from_left = number(factors[0].shape[0]) < number(factors[-1].shape[1])
    while len(factors) > LONG_PRODUCT:
        pair = slice(0, 2) if from_left else slice(-2, None)
        factors[pair] = [Product(*factors[pair])]
    return factors


def _chain(factors: list[Any]) -> Any:
    return factors[0] if len(factors) == 1 else _binary(Product(*factors))


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
    worthy = _worth_naming(order, exprs, names)
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
        is_series = isinstance(node, (NearZero, ScalarNearZero))
        while len(inside) > MAX_CODE_TERMS and not is_series:  # a sum or an elementwise product
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


def _worth_naming(order: list[Any], exprs: Sequence[Any], names: Container[Any]) -> set[Any]:
    """Return the nodes that cost arithmetic on entries: no transpose, stretch or size.

    A minus sign costs none in a sum.
    """
    beside = Counter(o for n in order if not isinstance(n, MatrixSum) for o in operands(n))
    beside.update(exprs)
    of_sizes: set[Any] = set()
    worthy: set[Any] = set()
    for node in order:
        inside = operands(node)
        if not is_matrix(node) and (
            all(operand in of_sizes for operand in inside) if inside else _is_of_sizes(node)
        ):
            of_sizes.add(node)
        elif isinstance(node, Mul) and not is_matrix(node) and inside[:1] == (S.NegativeOne,):
            worthy.update({node} if len(inside) > 2 or node in names else ())  # more than a sign
        elif _is_negative(node) and _is_multiple(node):
            worthy.update({node} if beside[node] > 1 or node in names else ())
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
