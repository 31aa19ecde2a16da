"""What passes in float64, called with float32 arrays: its results against its own in float64.

Contract: only what has passed is compared, at points whose entries are float32 numbers, so that
both calls are of the same arguments; a dtype that is not kept is told and is no failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import InputError
from numeric.check import Verdict
from numeric.given_report import FLOAT32
from numeric.place import rms
from numeric.single_precision import EPS, UNITS, size_of, tolerances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numeric.given import Given
    from numeric.given_report import Part

__all__ = ["in_float32"]


def in_float32(
    given: Given, parts: Sequence[Part], points: Sequence[Mapping[str, Any]], seed: int
) -> tuple[list[Part], list[str]]:
    """Compare what has passed in float64 with float32, and tell what is no failure.

    Args:
        given: the function.
        parts: the value first, then the gradients that were chosen.
        points: of float32 numbers, at which the function is smooth.
        seed: of the changes of the points that show how well they determine the results.
    """
    given.restrict(part.wrt for part in parts if part.wrt is not None)
    passed = [n for n, part in enumerate(parts) if part.verdict is Verdict.PASS]
    if not passed or not points:
        return list(parts), []

    def numbers(point: Mapping[str, Any], dtype: Any = np.float64) -> list[Any]:
        value, gradients = given.parts(point, dtype)
        return [value, *(gradients[part.wrt] for part in parts[1:] if part.wrt is not None)]

    judged = list(parts)
    for point in points:
        double = numbers(point)
        try:
            single = numbers(point, np.float32)
        except InputError as error:
            return list(parts), [f"float32 arguments are refused: {error}"]
        allowed = tolerances(numbers, point, seed)
        for n, part in enumerate(parts[1:], 1):
            natural = EPS * size_of(double[0]) / (rms(np.asarray(point[str(part.wrt)])) or 1.0)
            if size_of(double[n]) < natural:  # a zero, of which float32 has other digits
                allowed[n] += UNITS * natural
        for n in passed:
            judged[n] = _compared(judged[n], double[n], single[n], allowed[n])
    return judged, _dtypes_told([judged[n] for n in passed])


def _dtypes_told(parts: Sequence[Part]) -> list[str]:
    """Tell which results for float32 arguments are of another dtype."""
    others: dict[str, list[str]] = {}
    for part in parts:
        if part.float32_dtype not in (None, "float32"):
            name = "the value" if part.wrt is None else part.wrt
            others.setdefault(str(part.float32_dtype), []).append(name)
    return [
        f"Given float32, the function returns {dtype} for {', '.join(names)}."
        for dtype, names in others.items()
    ]


def _compared(part: Part, double: Any, single: Any, allowed: float) -> Part:
    """Return a part with the larger of its errors in float32, which fails it beyond a tolerance."""
    size, dtype = size_of(double), str(single.dtype)
    if single.shape != double.shape:
        reason = f"float32 arguments give shape {single.shape}, float64 ones {double.shape}"
        return replace(part, verdict=Verdict.FAIL, decided_by=FLOAT32, reason=reason)
    error = size_of(np.subtract(single, double, dtype=float))
    relative = error / size if size else error
    if part.float32_error is not None and not relative > part.float32_error:
        relative = part.float32_error
    part = replace(part, float32_error=relative, float32_dtype=dtype)
    if error <= allowed:
        return part
    reason = f"in float32 it is off by {error:.1e}, of which round-off explains {allowed:.1e}"
    return replace(part, verdict=Verdict.FAIL, decided_by=FLOAT32, reason=reason)
