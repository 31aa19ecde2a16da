"""Why a claim has another shape than the derivative, in words, where that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from derive.confusable import named, values_of
from derive.graph import is_matrix, shape_of
from derive.notation import TEXT
from numeric.comparing import RTOL, Values, constant_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numeric.mistakes import Looking

__all__ = ["reshaped"]

_SUMS = (
    (None, "all entries of {} are summed"),
    (1, "every row of {} is summed"),
    (0, "every column of {} is summed"),
)


def reshaped(looking: Looking) -> str:
    """Say what a claim of another shape is, and which shape is the right one."""
    found, expected = shape_of(looking.claim), shape_of(looking.question.right.expr)
    shapes = f"{_shape_text(found)} where {_shape_text(expected)} is the derivative"
    why = _why(looking)
    return f"{shapes}: {why}" if why else shapes


def _shape_text(shape: tuple[Any, ...]) -> str:
    return f"a ({', '.join(map(TEXT.size, shape))}) matrix" if shape else "a number"


def _why(looking: Looking) -> str:
    right, claimed = looking.right or (), looking.claimed or ()
    if all(np.ndim(r) == 2 for r in right) and all(np.ndim(c) == 0 for c in claimed):
        spread = tuple(c * np.ones_like(r) for c, r in zip(claimed, right, strict=True))
        if constant_ratio(spread, right) is not None:
            return "it is to be stretched to all entries"
    for text, values in _values(looking):
        if values is not right and (ratio := constant_ratio(claimed, values)) is not None:
            return f"{text} is only a part of the right answer" + _times(ratio)
        for axis, said in _SUMS:
            if axis is not None and all(v.ndim == 0 or v.shape[axis] == 1 for v in values):
                continue
            sums = tuple(np.sum(v, axis=axis, keepdims=axis is not None) for v in values)
            if (ratio := constant_ratio(claimed, sums)) is not None:
                return said.format(text) + _times(ratio)
        if all(v.shape == v.T.shape and v.ndim == 2 for v in values):
            traces = tuple(np.trace(v) for v in values)
            if (ratio := constant_ratio(claimed, traces)) is not None:
                return f"the trace of {text} is taken" + _times(ratio)
    return _unsummed(looking)


def _unsummed(looking: Looking) -> str:
    totals = tuple(np.sum(v) for v in looking.claimed or () if v.ndim)
    if totals and (ratio := constant_ratio(totals, looking.right)) is not None:
        return "its entries are not summed" + _times(ratio)
    for axis, _ in _SUMS[1:]:
        sums = tuple(np.sum(v, axis=axis, keepdims=True) for v in looking.claimed or () if v.ndim)
        if sums and (ratio := constant_ratio(sums, looking.right)) is not None:
            return "it is not summed over the " + (("columns" if axis else "rows") + _times(ratio))
    return ""


def _values(looking: Looking) -> Iterator[tuple[str, Values]]:
    """Yield the right answer and the matrices in it, and how they are called."""
    if looking.right is not None:
        yield "the right answer", looking.right
    exprs = [v for v in values_of(looking.question.right.expr) if is_matrix(v)][:40]
    for expr, values in zip(exprs, looking.values(exprs), strict=True):
        if values is not None:
            yield named(expr) or "a value in it", values


def _times(ratio: float) -> str:
    return "" if abs(ratio - 1) <= RTOL else f", {ratio:.6g} times"
