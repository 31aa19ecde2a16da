"""What a wrong gradient's numbers have in common with the right ones: the name of the mistake.

The module sees arrays alone, at several points of distinct sizes; where a formula is stated,
``numeric.mistakes`` sees more.

Contract: a mistake is named only if it explains every entry at every point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numeric.mistakes import Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["name_by_arrays"]

CLOSE = 1e-6  # of the largest entry, to which the changed right gradient equals the claimed one
Pair = tuple[Any, Any]


def name_by_arrays(pairs: Sequence[Pair]) -> Mistake:
    """Name what turns the right gradient into the claimed one.

    Args:
        pairs: the right and the claimed gradient, at each point.

    >>> right = np.array([[1.0, -2.0]])
    >>> name_by_arrays([(right, -right)]).explanation
    'the right answer with the other sign'
    >>> name_by_arrays([(right, right.T)]).name
    'transpose'
    """
    pairs = [(np.asarray(right), np.asarray(claimed)) for right, claimed in pairs]
    if any(np.shape(right) != np.shape(claimed) for right, claimed in pairs):
        return _of_other_shape(pairs)
    for turned, place in ((False, ""), (True, "the transpose of ")):
        sides = [(right.T if turned else right, claimed) for right, claimed in pairs]
        if any(right.shape != claimed.shape for right, claimed in sides):
            continue
        if turned and _agree(sides):
            return Mistake("transpose", "the transpose of the right answer")
        named = _by_ratio(sides, place)
        if named is not None:
            return named
    if all(_agree([(right[right != 0], claimed[right != 0])]) for right, claimed in pairs):
        return Mistake("missing-mask", "right wherever the right answer is not 0, and not 0 there")
    return Mistake("other", "")


def _of_other_shape(pairs: Sequence[Pair]) -> Mistake:
    turned = [(right.T, claimed) for right, claimed in pairs]
    if all(right.shape == claimed.shape for right, claimed in turned):
        if _agree(turned):
            return Mistake("transpose", "the transpose of the right answer")
        return Mistake("shape", "the shape of the transpose")
    if all(right.size == claimed.size for right, claimed in pairs):
        flat = [(right.ravel(), claimed.ravel()) for right, claimed in pairs]
        if _agree(flat):
            return Mistake("shape", "the right numbers in another shape")
    return Mistake("shape", "another shape than the right answer's")


def _by_ratio(pairs: Sequence[Pair], place: str) -> Mistake | None:
    """Name a mistake that scales the right answer, by one factor or by a size at each point."""
    ratios = [_ratio(right, claimed) for right, claimed in pairs if np.any(right)]
    if not ratios or any(ratio is None or ratio == 0 for ratio in ratios):
        return None
    known = np.array(ratios, float)
    if not all(_agree([(r * ratio, c)]) for (r, c), ratio in _with_ratios(pairs, known)):
        return None
    if np.allclose(known, known[0], rtol=CLOSE):
        factor = float(known.mean())
        if abs(factor - 1) <= CLOSE:
            return None
        if abs(factor + 1) <= CLOSE:
            return Mistake("sign", f"{place}the right answer with the other sign")
        return Mistake("factor", f"{factor:.6g} times {place}the right answer")
    whole = np.where(np.abs(known) < 1, 1 / known, known)
    if np.allclose(whole, np.round(whole), rtol=CLOSE):
        how = "mean for sum" if np.all(np.abs(known) < 1) else "sum for mean"
        return Mistake("sum-vs-mean", f"{place}the right answer times a size: {how}")
    return None


def _with_ratios(pairs: Sequence[Pair], ratios: Any) -> list[tuple[Pair, float]]:
    """Put every pair with its ratio; where the right answer is 0 there is none."""
    left = iter(ratios)
    return [(pair, float(next(left)) if np.any(pair[0]) else 1.0) for pair in pairs]


def _ratio(right: Any, claimed: Any) -> float | None:
    """Return the ratio at the largest entry, None where it is no number."""
    largest = np.unravel_index(int(np.argmax(np.abs(right))), np.shape(right))
    ratio = float(claimed[largest] / right[largest])
    return ratio if np.isfinite(ratio) else None


def _agree(pairs: Sequence[Pair]) -> bool:
    return all(
        np.allclose(c, r, rtol=0, atol=CLOSE * np.max(np.abs(r), initial=0.0)) for r, c in pairs
    )
