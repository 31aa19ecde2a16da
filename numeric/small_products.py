"""How the BLAS is asked for a product: whole, turned, or in parts that it multiplies faster.

OpenBLAS has kernels for small matrices, of up to a million multiplications, on processors with
AVX-512. They do not pack their operands first, which with ten columns costs as much as it saves. So
there a product of many rows with few columns is a stack of small ones, and one that sums over many
rows, with few rows or columns in its result, is a sum of them. Elsewhere A'·B with a result much
wider than tall is taken as (B'·A)', which is faster. `docs/decisions/small-products.md` has the
measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Way", "is_small", "way"]

_MULTIPLICATIONS = 800_000  # of one small product; OpenBLAS draws the line at a million
_LITTLE = 10_000  # of a product with a vector, below which it does not matter
_FEWEST = 16  # rows of a part
_MOST = 16  # parts of a sum, of which each needs memory for a result
_COLUMNS = range(2, 17)  # with which packing costs as much as it saves
_WIDE = 8  # times as wide as tall


@dataclass(frozen=True)
class Way:
    """A way to multiply: texts of statements with named places, and the memory that they write.

    The places are {left}, {right}, {out}, {memory} and {np}; the last text is the product.
    """

    texts: tuple[str, ...]
    memory: NDArray[Any]


def way(left: NDArray[Any], right: NDArray[Any], out: NDArray[Any]) -> Way | None:
    """Return a faster way than to multiply two matrices whole, if there is one.

    Shapes: (p, q), (q, r), (p, r). Parts have equal numbers of rows; a number of rows that has no
    suitable divisor is left whole.

    >>> way(np.ones((3, 4)), np.ones((4, 5)), np.ones((3, 5))) is None
    True
    """
    (p, q), r = left.shape, right.shape[1]
    if not _has_small_kernel():
        is_turned = left.T.flags.c_contiguous and p > 1 and p * _WIDE <= r
        return _turned(left, right) if is_turned else None
    if p * q * r <= _MULTIPLICATIONS:
        return None
    if r in _COLUMNS and (count := _divisor(p, q * r, p)):
        rows = f"{{left}}.reshape({count}, {p // count}, {q})"
        stack = out.reshape(count, p // count, r)
        return Way((f"{{np}}.matmul({rows}, {{right}}, out={{memory}})", "{out}"), stack)
    if min(p, r) in _COLUMNS and (count := _divisor(q, p * r, _MOST)):
        first = f"{{left}}.reshape({p}, {count}, {q // count}).transpose(1, 0, 2)"
        second = f"{{right}}.reshape({count}, {q // count}, {r})"
        return Way(
            (
                f"{{np}}.matmul({first}, {second}, out={{memory}})",
                "{np}.add.reduce({memory}, axis=0, out={out})",
            ),
            np.empty((count, p, r), out.dtype),
        )
    return None


def is_small(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Say whether the BLAS multiplies two matrices by a kernel for small ones, on one core.

    It has none for vectors: their products are as fast as memory, and the BLAS reads it on all.
    """
    limit = _MULTIPLICATIONS if 1 not in (left.shape[0], right.shape[1]) else _LITTLE
    return left.size * right.shape[1] <= limit and _has_small_kernel()


def _turned(left: NDArray[Any], right: NDArray[Any]) -> Way:
    memory = np.empty((right.shape[1], left.shape[0]), left.dtype)
    return Way(
        ("{np}.matmul({right}.T, {left}.T, out={memory})", "{memory}.T"),
        memory,
    )


def _divisor(rows: int, work: int, most: int) -> int:
    """Return the fewest equal parts of which each is small, or 0; ``work`` is that of a row."""
    fewest = -(-rows * work // _MULTIPLICATIONS)
    last = min(2 * fewest, rows // _FEWEST, most)
    return next((count for count in range(fewest, last + 1) if rows % count == 0), 0)


@cache
def _has_small_kernel() -> bool:
    """Say whether the processor is one for which OpenBLAS has kernels for small matrices."""
    try:
        from numpy._core._multiarray_umath import (  # type: ignore[import-not-found] # untyped
            __cpu_features__ as features,
        )
    except ImportError:
        return False
    return bool(features.get("AVX512F"))
