"""Chains of one operator, collected while a formula is read and built at once.

Built one operand at a time, a + b + c + … would make every partial sum; a long chain would take
time in proportion to the square of its length.
"""

from __future__ import annotations

from typing import Any

from derive import build
from derive.graph import is_matrix
from derive.scalars import multiply

__all__ = ["Chain", "Entries", "Factors", "Terms", "whole"]


class Chain:
    """Operands of one shape that are combined in the end."""

    def __init__(self, first: Any) -> None:
        self.parts = [first]

    def append(self, operand: Any) -> None:
        """Add an operand to the right."""
        self.parts.append(operand)

    def value(self) -> Any:
        """Combine the operands."""
        raise NotImplementedError


class Terms(Chain):
    """A chain of ``+`` and ``-``."""

    def value(self) -> Any:
        return build.add(*self.parts)


class Entries(Chain):
    """A chain of ``.*`` and ``./``."""

    def value(self) -> Any:
        return (build.hadamard if is_matrix(self.parts[0]) else multiply)(*self.parts)


class Factors(Chain):
    """A chain of ``*`` and ``/``: scalars, and matrices that multiply in order."""

    def __init__(self, first: Any) -> None:
        self.scalars: list[Any] = []
        self.matrices: list[Any] = []
        self.append(first)

    def append(self, operand: Any) -> None:
        """Multiply by an operand on the right; what comes out 1×1 is a scalar from then on."""
        (self.matrices if is_matrix(operand) else self.scalars).append(operand)
        if self.matrices and self.matrices[0].shape[0] == self.matrices[-1].shape[1] == 1:
            self.scalars.append(build.product(*self.matrices))
            self.matrices = []

    def value(self) -> Any:
        scalar = multiply(*self.scalars)
        return build.scale(scalar, build.product(*self.matrices)) if self.matrices else scalar


def whole(value: Any) -> Any:
    """Return what a chain, or what is none, comes to."""
    return value.value() if isinstance(value, Chain) else value
