"""Means over many samples, block by block: rows that stay in the cache, on every core.

The value and the gradients that training takes are means over samples, so those of all samples are
weighted means of those of blocks. A block is read from memory once, in its own order, in which the
processor fetches ahead; the products then find it in the cache, whatever order they take. Each is
computed by ``numeric.in_place``, on memory of its own.

Contract: the result depends on the number of cores and on nothing else that varies: each core has
its own run of blocks, and sums are taken in order. What a call returns the next overwrites.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numeric.in_place import InPlace

if TYPE_CHECKING:
    from collections.abc import Collection

    from derive.emit import Emitted

__all__ = ["RowBlocks"]

_BLOCK = 2_000_000  # bytes of samples; benchmarks/training.py shows what blocks gain
_LONGER = 8  # times as many rows, where the BLAS itself works on all cores


class RowBlocks:
    """A function that returns means over samples, computed in blocks of rows.

    ``batched`` names the arguments with a sample a row. All results are means over the rows; few
    rows are one block.

    >>> from derive.emit import emit
    >>> from derive.language import read_formula
    >>> formula = read_formula("norm2(X*w)^2/n", {"X": "n,2", "w": "2"})
    >>> function = RowBlocks(emit([formula.expr], formula.variables, tuned=True), {"X"})
    >>> round(float(function(np.full((2**18, 2), 0.5), np.ones((2, 1)))[0]), 12)
    1.0
    """

    def __init__(self, emitted: Emitted, batched: Collection[str]) -> None:
        self._batched = [i for i, name in enumerate(emitted.arguments) if name in batched]
        self._cores = [InPlace(emitted) for _ in range(_cores())]

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        """Compute the results of all rows."""
        first, samples = self._cores[0], [arguments[i] for i in self._batched]
        rows = len(samples[0])
        length = _block(sum(sample.nbytes for sample in samples) / rows)
        if rows < 2 * length:
            return first(*self._rows(first, arguments, 0, rows))
        if not first.is_planned:
            first(*self._rows(first, arguments, 0, length))
        if not (first.has_small_products or first.multiplies_matrices):
            return first(*arguments)  # products with vectors, which read the samples in any case
        cores = self._cores if first.has_small_products else [first]
        if len(cores) == 1 and rows >= 2 * _LONGER * length:
            length *= _LONGER
        whole, rest = divmod(rows, length)
        share = -(-whole // len(cores))
        runs = [range(begin, min(begin + share, whole)) for begin in range(0, whole, share)]
        tasks = [
            _pool().submit(copy_context().run, partial(self._sum, core, arguments, length), blocks)
            for core, blocks in zip(cores, runs, strict=False)
        ]
        total, *others = [task.result() for task in tasks]
        for other in others:
            total = [a + b for a, b in zip(total, other, strict=True)]
        results = [summed * (length / rows) for summed in total]
        if rest:
            last = first(*self._rows(first, arguments, rows - rest, rows))
            results = [a + b * (rest / rows) for a, b in zip(results, last, strict=True)]
        return tuple(results)

    def _rows(self, core: InPlace, arguments: tuple[Any, ...], begin: int, end: int) -> list[Any]:
        """Return the arguments with these rows of the samples, for small products in the cache."""
        part = list(arguments)
        for i in self._batched:
            part[i] = part[i][begin:end]
            if core.has_small_products:
                np.maximum.reduce(part[i], axis=None)  # reads them in their order
        return part

    def _sum(
        self, core: InPlace, arguments: tuple[Any, ...], length: int, blocks: range
    ) -> list[Any]:
        """Return the sums of the results of these blocks."""
        total: list[Any] = []
        for block in blocks:
            results = core(*self._rows(core, arguments, block * length, (block + 1) * length))
            if not total:
                total = [result * 1 for result in results]
                continue
            for i, result in enumerate(results):
                total[i] += result
        return total


def _block(bytes_per_row: float) -> int:
    """Return how many rows a block has: a power of two."""
    rows = 64
    while 2 * rows * bytes_per_row <= _BLOCK:
        rows *= 2
    return rows


def _cores() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_cores(), thread_name_prefix="row-blocks")
