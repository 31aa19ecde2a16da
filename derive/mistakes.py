"""Mistakes as changes of an expression: one at a time, at one place, through the constructors.

Contract: a change says what it does and nothing of whether anybody made it; who looks for a mistake
compares numerically. The simplest changes come first, those with other operands last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Add, MatrixSymbol, Mul, Pow, S, Symbol

from derive import nodes
from derive.build import (
    add,
    elementwise,
    hadamard,
    product,
    rebuild,
    replace,
    scale,
    transpose,
)
from derive.build.linear import split
from derive.confusable import Change, alike, mention, named, related
from derive.errors import ChainRuleError
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.notation import TEXT
from derive.product_mistakes import RUN, of_product
from derive.scalars import U

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

__all__ = ["Change", "changes", "replacements"]


def changes(expr: Any, leaves: Container[Any] = ()) -> Iterator[Change]:
    """Yield the expression with one mistake in its structure, in every place above the leaves.

    >>> from derive.language import read_formula
    >>> right = read_formula("2*A'*x + b").expr
    >>> [change.expr for change in changes(right) if change.name == "sign"]
    [b - 2*A'*x, 2*A'*x - b]
    """
    yield from _everywhere(expr, leaves, _changed)


def replacements(expr: Any, values: Sequence[Any], leaves: Container[Any] = ()) -> Iterator[Change]:
    """Yield the expression with one operand replaced by another value of its shape.

    >>> from derive.language import read_formula
    >>> formula = read_formula("G*W' + 0*H")
    >>> [c.expr for c in replacements(formula.expr, list(formula.variables.values()))]
    []
    """

    def replaced(node: Any) -> Iterator[Change]:
        return _replaced(node, values, leaves)

    yield from _everywhere(expr, leaves, replaced)


def _everywhere(
    expr: Any, leaves: Container[Any], change: Callable[[Any], Iterator[Change]]
) -> Iterator[Change]:
    """Make a change at every node, from the last to the first, and what is above it again."""
    for node in reversed(postorder(expr, leaves=leaves)):
        if node in leaves:
            continue
        local = change(node)
        while True:
            try:
                found = next(local, None)
                if found is None:
                    break
                if shape_of(found.expr) == shape_of(node) and found.expr != node:
                    whole = replace(expr, {node: found.expr})
                    if whole != expr:
                        yield Change(found.name, found.said, whole)
            except ChainRuleError:  # sizes that do not fit, or what has no inverse
                break


def _changed(node: Any) -> Iterator[Change]:
    """Yield one node with one mistake."""
    if isinstance(node, (nodes.MatrixSum, Add)):
        yield from _of_sum(list(node.args))
    elif isinstance(node, (nodes.Product, nodes.Inner)):
        yield from of_product(node)
    elif isinstance(node, (nodes.Hadamard, Mul)):
        yield from _of_entrywise(node)
    elif isinstance(node, nodes.Elementwise):
        yield from _of_elementwise(node)
    elif isinstance(node, Pow) and node.exp.is_number:
        yield from _of_power(node)
    yield from _of_function(node)


def _of_sum(terms: list[Any]) -> Iterator[Change]:
    for i, term in enumerate(terms):
        before, after = terms[:i], terms[i + 1 :]
        yield Change("missing-term", mention("term", term, "is missing"), add(*before, *after))
    for i, term in enumerate(terms):
        other = scale(S.NegativeOne, term)
        said = mention("term", term, "has the wrong sign")
        yield Change("sign", said, add(*terms[:i], other, *terms[i + 1 :]))
    for i, term in enumerate(terms):
        for turned in _turned(term):
            said = mention("term", term, "is transposed")
            yield Change("transpose", said, add(*terms[:i], turned, *terms[i + 1 :]))
        for factor, said in ((S(2), "is doubled"), (S.Half, "is halved")):
            changed = scale(factor, term)
            said = mention("term", term, said)
            yield Change("factor", said, add(*terms[:i], changed, *terms[i + 1 :]))
        coefficient, rest = split(term) if is_matrix(term) else (S.One, term)
        if coefficient not in (1, -1):
            changed = scale(S.NegativeOne if coefficient.is_negative else S.One, rest)
            said = mention(
                "term",
                term,
                f"lacks the factor {TEXT(_size(coefficient))}",
            )
            yield Change("factor", said, add(*terms[:i], changed, *terms[i + 1 :]))
    yield from _merged(terms)


def _size(coefficient: Any) -> Any:
    """Return a coefficient without its sign, as far as that is seen."""
    return -coefficient if coefficient.is_negative else coefficient


def _turned(term: Any) -> Iterator[Any]:
    """Yield a square term transposed, whole and in one of its c equal parts."""
    if not is_matrix(term) or term.shape[0] != term.shape[1]:
        return
    yield transpose(term)
    coefficient, rest = split(term)
    if coefficient.is_Integer and abs(coefficient) > 1:
        unit = 1 if coefficient > 0 else -1
        yield add(scale(coefficient - unit, rest), scale(S(unit), transpose(rest)))


def _merged(terms: list[Any]) -> Iterator[Change]:
    """Yield a term, or all, taken for another with which it has its factors in common."""
    parts = [split(term) if is_matrix(term) else (S.One, term) for term in terms]
    for i, (_, kept) in enumerate(parts):
        if not isinstance(kept, nodes.Product):
            continue
        same = [j for j, (_, rest) in enumerate(parts) if _factors(rest) == _factors(kept)]
        turned = [j for j, (_, rest) in enumerate(parts) if any(rest == t for t in _runs(kept))]
        for found, name, said in (
            (same, "order", "all factors stand in the order of one term: right if they commute"),
            (turned, "assumption", "right if two terms are equal, of which one is transposed"),
        ):
            changed = [scale(c, kept if j in found else rest) for j, (c, rest) in enumerate(parts)]
            if set(found) - {i}:
                yield Change(name, said, add(*changed))


def _factors(term: Any) -> Any:
    return (
        frozenset((f, term.factors.count(f)) for f in term.factors)
        if isinstance(term, nodes.Product)
        else term
    )


def _runs(term: Any) -> Iterator[Any]:
    """Yield a product with some neighbouring factors transposed together."""
    coefficient, factors = term.coefficient, list(term.factors)
    for length in range(1, min(RUN, len(factors)) + 1):
        for i in range(len(factors) - length + 1):
            run = product(*factors[i : i + length])
            if is_matrix(run) and run.shape[0] == run.shape[1]:
                yield product(coefficient, *factors[:i], transpose(run), *factors[i + length :])


def _of_entrywise(node: Any) -> Iterator[Change]:
    factors = list(node.args)
    for i, factor in enumerate(factors):
        kind = "missing-mask" if is_matrix(node) else "factor"
        if factor == -1:
            kind = "sign"
        rest = factors[:i] + factors[i + 1 :]
        left = hadamard(*rest) if is_matrix(node) else Mul(*rest)
        yield Change(kind, mention("factor", factor, "is missing"), left)


def _of_elementwise(node: Any) -> Iterator[Change]:
    function, z = node.function, node.matrix
    turned = elementwise(function, scale(S.NegativeOne, z))
    yield Change("sign", "the argument of the function has the wrong sign", turned)
    for part in postorder(function):
        if isinstance(part, Add):
            for term in part.args:
                other = function.xreplace({part: part - 2 * term})
                shown = TEXT(elementwise(term, z)) if U in term.free_symbols else term
                said = f"{shown} has the wrong sign"
                yield Change("sign", said, elementwise(other, z))
        if isinstance(part, Pow) and part.exp.is_Rational and U in part.free_symbols:
            for power in (part.exp + 1, part.exp - 1):
                other = function.xreplace({part: part.base**power})
                said = "the power is not the right one"
                yield Change("factor", said, elementwise(other, z))


def _of_power(node: Any) -> Iterator[Change]:
    for exponent in (node.exp + 1, node.exp - 1, -node.exp):
        said = f"the power of {named(node.base) or 'a factor'} is not the right one"
        yield Change("factor", said, rebuild(node, (node.base, exponent)))


def _of_function(node: Any) -> Iterator[Change]:
    """Take a function's input for its output, and its output for its input."""
    inside = operands(node)
    if not is_matrix(node) or len(inside) != 1 or not related(node, inside[0]):
        return
    z = inside[0]
    yield Change("input-output", f"{_value(z)} stands in place of {_value(node)}", z)
    twice = rebuild(node, (node,))
    yield Change("input-output", f"{_value(node)} stands in place of its argument", twice)


def _value(expr: Any) -> str:
    return named(expr) or "a value"


def _replaced(node: Any, values: Sequence[Any], leaves: Container[Any]) -> Iterator[Change]:
    """Yield a node with one operand that is another value of its shape."""
    inside = operands(node)
    for i, operand in enumerate(inside):
        if not (is_matrix(operand) or isinstance(operand, Symbol)) or (
            isinstance(node, (nodes.MatrixSum,)) and not isinstance(operand, MatrixSymbol)
        ):
            continue
        for value in alike(operand, values):
            if value in (operand, node):
                continue
            name = "input-output" if related(value, operand) else "wrong-operand"
            if is_matrix(operand) and value == transpose(operand):
                name = "transpose"
            said = f"{_value(value)} stands in place of {_value(operand)}"
            changed = rebuild(node, (*inside[:i], value, *inside[i + 1 :]))
            yield Change(name, said, changed)
