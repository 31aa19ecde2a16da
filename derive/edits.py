"""Syntax trees that are made from others, and their text with the parentheses that it needs."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

from derive.syntax import Syntax

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "binary",
    "chain",
    "edited",
    "negative",
    "orders",
    "printed",
    "product",
    "texts",
    "transposed",
]

_LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, ".*": 2, "./": 2, "neg": 3, "^": 4, ".^": 4, "'": 4}


def binary(kind: str, left: Syntax, right: Syntax) -> Syntax:
    """Make an operation of two parts.

    >>> from derive.syntax import parse
    >>> printed(binary("*", parse("a + b"), parse("c")))
    '(a + b)*c'
    """
    return Syntax(kind, 0, "", (left, right))


def transposed(node: Syntax) -> Syntax:
    """Transpose a part: X is X', and X' is X.

    >>> from derive.syntax import parse
    >>> printed(transposed(parse("A*B")))
    "(A*B)'"
    """
    return node.children[0] if node.kind == "'" else Syntax("'", 0, "", (node,))


def negative(node: Syntax) -> Syntax:
    """Change the sign of a part.

    >>> from derive.syntax import parse
    >>> printed(negative(parse("-x")))
    'x'
    """
    return node.children[0] if node.kind == "neg" else Syntax("neg", 0, "", (node,))


def chain(node: Syntax) -> list[Syntax]:
    """List the factors of a product from left to right.

    >>> from derive.syntax import parse
    >>> [printed(factor) for factor in chain(parse("A*B'*x"))]
    ['A', "B'", 'x']
    """
    factors: list[Syntax] = []
    while node.kind == "*":
        factors.append(node.children[1])
        node = node.children[0]
    return [node, *factors[::-1]]


def product(factors: Sequence[Syntax]) -> Syntax:
    """Multiply factors from left to right.

    >>> from derive.syntax import parse
    >>> printed(product(chain(parse("A*B*x"))))
    'A*B*x'
    """
    result = factors[0]
    for factor in factors[1:]:
        result = binary("*", result, factor)
    return result


def edited(tree: Syntax, edits: Mapping[Syntax, Syntax]) -> Syntax:
    """Put parts in the place of others that do not overlap.

    >>> from derive.syntax import parse
    >>> tree = parse("A*x + b")
    >>> printed(edited(tree, {tree.children[1]: parse("c")}))
    'A*x + c'
    """
    done: dict[Syntax, Syntax] = {}
    for node in tree.postorder():
        children = tuple(done[child] for child in node.children)
        same = all(new is old for new, old in zip(children, node.children, strict=True))
        done[node] = edits.get(node) or (node if same else replace(node, children=children))
    return done[tree]


def printed(tree: Syntax) -> str:
    """Print a tree.

    >>> from derive.syntax import parse
    >>> printed(parse("((A)*(x+y)) - -b"))
    'A*(x + y) - (-b)'
    """
    return texts(tree)[tree]


def texts(tree: Syntax) -> dict[Syntax, str]:
    """Print every part of a tree, with the parentheses that it needs.

    >>> from derive.syntax import parse
    >>> list(texts(parse("-(x + y)")).values())
    ['x', 'y', 'x + y', '-(x + y)']
    """
    texts: dict[Syntax, str] = {}
    for node in tree.postorder():
        texts[node] = _text(node, [texts[child] for child in node.children])
    return texts


def _text(node: Syntax, parts: list[str]) -> str:
    if not parts:
        return node.value
    if node.kind == "call":
        return f"{node.value}({', '.join(parts)})"
    level = _LEVEL[node.kind]
    levels = [_LEVEL.get(child.kind, 5) for child in node.children]
    if node.kind == "neg":
        return f"-{_closed(parts[0], levels[0] <= level)}"
    left = _closed(parts[0], levels[0] < level)
    if node.kind == "'":
        return f"{left}'"
    right = _closed(parts[1], levels[1] <= level or node.children[1].kind == "neg")
    space = " " if level == 1 else ""
    return f"{left}{space}{node.kind}{space}{right}"


def _closed(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def orders(node: Syntax, limit: int) -> Iterator[tuple[Syntax, ...]]:
    """Yield the orders of the factors of a product, numbers first.

    >>> from derive.syntax import parse
    >>> [printed(product(order)) for order in orders(parse("2*x*z"), 4)]
    ['2*x*z', '2*z*x']
    """
    factors = chain(node)
    numbers = tuple(factor for factor in factors if factor.kind == "number")
    others = [factor for factor in factors if factor.kind != "number"]
    if len(others) <= limit:
        for order in permutations(others):
            yield (*numbers, *order)
