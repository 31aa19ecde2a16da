"""What is computed already: up to its sign, transposed, or as a part of a longer sum or product.

Sharing (``derive.sharing``) names equal nodes. W·H − X is not X − W·H, nor B'·A' the node A·B, nor
does A∘B∘C have A∘B in it; where one is computed, the other is written in terms of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from sympy import Identity, Integer, Mul, OneMatrix, S
from sympy.matrices.expressions import Transpose

from derive.build import ones, split, with_operands
from derive.diagonals import times, turned
from derive.graph import is_matrix, operands, postorder
from derive.nodes import Diag, Elementwise, Hadamard, Inverse, MatrixSum, Product
from derive.sharing import stretched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["with_parts", "with_transposes", "with_turned_negatives"]

ONE = Integer(1)
MAX_CANDIDATES = 16  # sums with one term in common that are looked at, for time's sake
ROUNDS = 3  # of looking for parts
MANY = 1000  # transposes, counted once for every way to them


def with_parts(exprs: Sequence[Any]) -> list[Any]:
    """Write sums and elementwise products in terms of shorter ones that are computed as well.

    What is the same then may make others the same.
    """
    exprs = list(exprs)
    for _ in range(ROUNDS):
        longer = _longer(postorder(*exprs))
        before, exprs = exprs, _shortened(exprs, longer)
        if exprs == before:
            break
    return exprs


def _shortened(
    exprs: Sequence[Any], longer: Mapping[Any, tuple[Any, tuple[Any, ...]]]
) -> list[Any]:
    def made(node: Any, inside: tuple[Any, ...]) -> Any:
        found = longer.get(node)
        if found is None:
            return _flat(with_operands(node, inside))
        return _flat(_rest(node, found[0], inside))

    return _made(exprs, lambda node: longer[node][1] if node in longer else operands(node), made)


def _made(
    exprs: Sequence[Any],
    needed: Callable[[Any], tuple[Any, ...]],
    made: Callable[[Any, tuple[Any, ...]], Any],
) -> list[Any]:
    """Make every node of what it needs, which need not be its operands."""
    done: dict[Any, Any] = {}
    stack = list(reversed(exprs))
    while stack:
        node = stack[-1]
        missing = [other for other in needed(node) if other not in done]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        done[node] = made(node, tuple(done[other] for other in needed(node)))
    return [done[expr] for expr in exprs]


def _rest(node: Any, sign: Any, inside: tuple[Any, ...]) -> Any:
    part, *rest = inside
    part = part if sign == 1 else _flat(Product(sign, part))
    return node.func(part, *rest) if rest else part


def _flat(node: Any) -> Any:
    """Put coefficients first: those of factors, and the minus of all terms of a sum."""
    if isinstance(node, MatrixSum):
        terms = [split(term) for term in node.args]
        if all(coefficient.could_extract_minus_sign() for coefficient, _ in terms):
            positive = (_flat(Product(-c, rest)) if c != -1 else rest for c, rest in terms)
            return Product(S.NegativeOne, MatrixSum(*positive))
        return node
    if isinstance(node, Transpose) and isinstance(node.args[0], Product):
        (inner,) = node.args
        if len(inner.factors) == 1:
            return _flat(Product(inner.coefficient, turned(inner.factors[0])))
    if not isinstance(node, Product) or not any(isinstance(f, Product) for f in node.factors):
        return node
    if stretched(node) is not None:
        return node  # whose core is one operand
    parts = [part for f in node.factors for part in (f.args if isinstance(f, Product) else (f,))]
    coefficient = Mul(node.coefficient, *(part for part in parts if not is_matrix(part)))
    return times(coefficient, [part for part in parts if is_matrix(part)])


def _longer(order: Sequence[Any]) -> Mapping[Any, tuple[Any, tuple[Any, ...]]]:
    """Find what is written with a part, the part's sign, and the part and what is beside it.

    A part has fewer operands, or as many and comes first, so that none is written with itself.
    """
    index: dict[Any, list[Any]] = defaultdict(list)
    terms: dict[Any, Mapping[Any, Any]] = {}
    found: dict[Any, tuple[Any, tuple[Any, ...]]] = {}
    sums = [node for node in order if isinstance(node, (MatrixSum, Hadamard))]
    for node in sorted(sums, key=lambda node: len(node.args)):
        terms[node] = own = dict(_term(node, arg) for arg in node.args)
        if len(own) < len(node.args):
            continue
        near = {o: None for term in own for o in index[type(node), term][-MAX_CANDIDATES:]}
        signs = ((o, _sign(terms[o], own)) for o in sorted(near, key=lambda o: -len(o.args)))
        part, sign = next(((o, s) for o, s in signs if s is not None), (None, None))
        if part is not None:
            rest = [arg for arg in node.args if _term(node, arg)[0] not in terms[part]]
            found[node] = sign, (part, *rest)
        else:
            index[type(node), next(iter(own))].append(node)
    return found


def _term(node: Any, arg: Any) -> tuple[Any, Any]:
    if isinstance(node, Hadamard):
        return arg, ONE
    coefficient, rest = split(arg)
    in_any_order = isinstance(rest, Hadamard)
    return frozenset(Counter(rest.args).items()) if in_any_order else rest, coefficient


def _sign(part: Mapping[Any, Any], terms: Mapping[Any, Any]) -> Any:
    """Return ±1 where a sum has another, or its negative, as a part."""
    if len(part) > len(terms):
        return None
    for sign in (S.One, S.NegativeOne):
        if all(terms.get(term) == sign * coefficient for term, coefficient in part.items()):
            return sign
    return None


def with_turned_negatives(exprs: Sequence[Any]) -> list[Any]:
    """Write a sum that is minus the transpose of another as that; so y − x' of x − y'."""
    order = postorder(*exprs)
    flipped: dict[Any, Any] = {}
    for node in order:
        if is_matrix(node):
            flipped[node] = _flipped(node, flipped)
    sums = [node for node in order if isinstance(node, MatrixSum)]
    sums.sort(key=lambda node: sum(isinstance(arg, Transpose) for arg in node.args))
    known: dict[Any, Any] = {}
    negatives: dict[Any, Any] = {}
    for node in sums:
        terms = [split(arg) for arg in node.args]
        mirror = frozenset((flipped.get(rest), -c) for c, rest in terms)
        if mirror in known:
            negatives[node] = known[mirror]
        else:
            known[frozenset((rest, c) for c, rest in terms)] = node

    def made(node: Any, inside: tuple[Any, ...]) -> Any:
        if node in negatives:
            return Product(S.NegativeOne, turned(*inside))
        return _flat(with_operands(node, inside))

    def needed(node: Any) -> tuple[Any, ...]:
        return (negatives[node],) if node in negatives else operands(node)

    return _made(exprs, needed, made)


def with_transposes(exprs: Sequence[Any]) -> list[Any]:
    """Of matrices that are each other's transpose, compute the one with fewer transposes."""
    order = postorder(*exprs)
    flipped: dict[Any, Any] = {}
    turns: dict[Any, int] = {}
    mirrors: dict[Any, Any] = {}
    unordered = {(type(n), frozenset(n.args)): n for n in reversed(order) if _commutes(n)}
    for node in order:
        below = sum(turns[operand] for operand in set(operands(node)))
        turns[node] = min(below + isinstance(node, Transpose), MANY)
        if is_matrix(node):
            mirror = _flipped(node, flipped)
            if _commutes(node):
                mirror = unordered.get((type(mirror), frozenset(mirror.args)), mirror)
            flipped[node] = mirror
            is_new = mirror in turns and mirror is not node and stretched(node) is None
            if is_new and isinstance(node, _COMPUTED) and not _is_sign(node):
                last = mirror if turns[mirror] > turns[node] else node
                mirrors[last] = node if last is mirror else mirror

    def made(node: Any, inside: tuple[Any, ...]) -> Any:
        if node in mirrors or isinstance(node, Transpose):
            return turned(*inside)
        return with_operands(node, inside)

    return _made(exprs, lambda node: (mirrors[node],) if node in mirrors else operands(node), made)


_COMPUTED = (Product, MatrixSum, Hadamard, Elementwise)


def _is_sign(node: Any) -> bool:
    return isinstance(node, Product) and node.args[:-1] == (S.NegativeOne,)


def _commutes(node: Any) -> bool:
    return isinstance(node, (MatrixSum, Hadamard))


def _flipped(node: Any, flipped: Mapping[Any, Any]) -> Any:
    """Return the transpose of a node as the same operations on transposed operands."""
    if isinstance(node, OneMatrix):
        return ones(node.shape[1], node.shape[0])
    if isinstance(node, (Identity, Diag)):
        return node
    inside = [flipped[o] for o in operands(node) if o in flipped]
    if isinstance(node, Transpose):
        return node.args[0]
    if isinstance(node, Product):
        scalars = node.args[: len(node.args) - len(node.factors)]
        return Product(*scalars, *reversed(inside))
    if isinstance(node, (MatrixSum, Hadamard, Inverse)):
        return node.func(*inside)
    return Elementwise(node.function, *inside) if isinstance(node, Elementwise) else Transpose(node)
