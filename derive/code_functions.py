"""Functions that stand in code alone, put in after all simplification; each has a kernel."""

from __future__ import annotations

from typing import Any

from derive.real import Real

__all__ = ["erfc", "logcosh", "sigmoid_slope"]


class _InCode(Real):
    """A function that stands in code alone, put in after all simplification."""

    @classmethod
    def eval(cls, u: Any) -> Any:
        """Stay symbolic: what is evaluated are formulas, before code."""
        return None


class logcosh(_InCode):  # noqa: N801 - a function like those of derive.real
    """log(cosh(u))."""


class erfc(_InCode):  # noqa: N801 - a function like those of derive.real
    """1 − erf(u)."""


class sigmoid_slope(_InCode):  # noqa: N801 - a function like those of derive.real
    """sigmoid(u)·sigmoid(−u), which one exponential gives."""
