"""The rewrites that make a gradient as short as a person writes it, by name, until none does.

Every one keeps the value and is tried in turn; what it makes longer is not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derive.factoring import factor
from derive.known import known_functions
from derive.matrix_forms import (
    inverses_apart,
    like_signs,
    multiplied_out,
    one_sum,
    traces,
    transposed,
)
from derive.scalar_forms import shorter_entries, shorter_scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["shortened", "shorter"]

ROUNDS = 4

REWRITES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("known function", known_functions),
    ("like signs", like_signs),
    ("inverse of a product", inverses_apart),
    ("multiplied out", multiplied_out),
    ("scalar factors", shorter_scalars),
    ("entry by entry", shorter_entries),
    ("common factor", factor),
    ("one sum", one_sum),
    ("trace of a product", traces),
    ("transposed", transposed),
)


def shorter(expr: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the rewrites make of an expression, one after the other, and their names."""
    for _ in range(ROUNDS):
        before = expr
        for rule, rewrite in REWRITES:
            rewritten = rewrite(expr)
            if rewritten != expr:
                expr = rewritten
                yield rule, expr
        if expr == before:
            return


def shortened(expr: Any) -> Any:
    """Return the shortest that the rewrites make of an expression.

    >>> from derive.language import read_formula
    >>> shortened(read_formula("y .* x - x .* z", {"y": "n", "z": "n"}).expr)
    x .* (y - z)
    """
    return [expr, *(rewritten for _, rewritten in shorter(expr))][-1]
