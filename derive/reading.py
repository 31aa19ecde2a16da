"""How hard an expression is to read, and the easier of two."""

from __future__ import annotations

from typing import Any

from derive.graph import weight
from derive.notation import TEXT

__all__ = ["HEAVY", "easier", "reading"]

HEAVY = 1_000  # weight of a node that is not printed to be measured


def reading(expr: Any) -> int:
    """Measure what an expression takes to read: its characters, and what it is made of."""
    text = TEXT(expr).replace(" ", "")
    return len(text) + weight(expr) + text.startswith("-(")


def easier(candidate: Any, node: Any) -> Any:
    """Return the candidate where it is easier to read."""
    if weight(candidate) > HEAVY or weight(node) > HEAVY:
        return candidate if weight(candidate) < weight(node) else node
    return candidate if reading(candidate) < reading(node) else node
