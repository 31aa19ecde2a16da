"""Gradients over blocks of rows by dask: in threads of this process, or on a cluster.

The loss of a batch is the mean over its samples, so that value and gradients of a batch are means
of its blocks', weighted by their numbers of samples: exact, whatever the blocks.

    f = Σ nᵢ fᵢ / Σ nᵢ    ∇f = Σ nᵢ ∇fᵢ / Σ nᵢ

Contract: blocks are placed once, on a cluster on its workers; a step sends the parameters and gets
value and gradients back. Sums are in the order of the blocks, so that a result does not depend on
who is done first.
"""

from __future__ import annotations

import operator
import re
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from derive.errors import InputError, RefusedError
from numeric.backends import Backend, required

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numeric.model import Array

__all__ = ["Dask"]

_SECONDS = 5.0  # to wait for a scheduler, and for a worker
_ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?[^\s/]+:\d+|inproc://\S+")
_LEAST_ROWS = 64  # of a block: below that a call costs more than its arithmetic


class _Blocks(NamedTuple):
    """Hold blocks of rows, where they are computed with, and how many rows each has."""

    blocks: list[Any]
    sizes: list[int]


class Dask(Backend):
    """Compute with NumPy in dask's threads, or on the cluster at the address of its scheduler.

    Raises:
        InputError: where dask is not installed, or no scheduler or no worker answers.
    """

    is_numpy = False  # the calls are in several threads

    def __init__(self, scheduler: str | None = None) -> None:
        self._client: Any
        self._dask = required("dask", "--engine dask")
        self._scheduler, self._client = scheduler, None
        if scheduler is None:
            self._workers = self._dask.system.CPU_COUNT
            place = f"{self._workers} threads"
        else:
            self._client = _connected(scheduler)
            self._closing = weakref.finalize(self, self._client.close)  # on exit, at the latest
            self._workers = sum(self._client.nthreads().values())
            place = f"{self._workers} threads of {scheduler}"
        self.where = f"dask {self._dask.__version__} in {place}"
        self.versions = {"dask": self._dask.__version__}

    def close(self) -> None:
        if self._client is not None:
            self._closing()

    def place(self, batch: Mapping[str, Array]) -> _Blocks:
        """Cut rows into a block for each thread, and send them to the cluster, if there is one."""
        count = len(next(iter(batch.values())))
        rows = max(_LEAST_ROWS, -(-count // self._workers))
        starts = range(0, count, rows)
        blocks = [{n: a[start : start + rows] for n, a in batch.items()} for start in starts]
        sizes = [min(rows, count - start) for start in starts]
        placed = blocks if self._client is None else self._client.scatter(blocks, hash=False)
        return _Blocks(placed, sizes)

    def of_placed(self, value_and_grad: Callable[..., Any]) -> Callable[..., Any]:
        """Return the weighted mean of the blocks' values and gradients."""

        def on_block(parameters: Any, block: Any) -> tuple[Any, dict[str, Any]]:
            with np.errstate(all="ignore"):  # which is that of a thread; see `Training`
                value, gradients = value_and_grad(**parameters, **block)
            return value, dict(gradients)

        compute, task = self._in_threads, on_block
        if self._client is not None:  # once: finding out how to send a function takes its time
            compute, task = self._on_cluster, self._client.scatter(on_block, hash=False)

        def mean(parameters: Any, placed: _Blocks) -> tuple[Any, dict[str, Any]]:
            results = compute(task, parameters, placed.blocks)
            shares = [size / sum(placed.sizes) for size in placed.sizes]
            value = sum(share * value for share, (value, _) in zip(shares, results, strict=True))
            gradients = {
                name: sum(share * of[name] for share, (_, of) in zip(shares, results, strict=True))
                for name in parameters
            }
            return value, gradients

        return mean

    def _in_threads(self, on_block: Any, parameters: Any, blocks: list[Any]) -> Any:
        task = self._dask.delayed(on_block, traverse=False)
        tasks = [task(*map(self._literal, (parameters, block))) for block in blocks]
        return self._dask.compute(*tasks, scheduler="threads")

    def _literal(self, value: Any) -> Any:
        return self._dask.delayed(value, traverse=False, pure=False)

    def _on_cluster(self, on_block: Any, parameters: Any, blocks: list[Any]) -> Any:
        client, call = self._client, operator.call  # which workers have, without this package
        try:
            sent = [client.submit(call, on_block, parameters, b, pure=False) for b in blocks]
            return client.gather(sent)
        except Exception as error:  # of the cluster: the function has been checked here
            raise RefusedError(
                f"--scheduler {self._scheduler}: the cluster failed ({error}). Start it again, "
                "and the training."
            ) from error


def _connected(scheduler: str) -> Any:
    """Return a client of a scheduler that answers and has a worker."""
    distributed = required("distributed", "--scheduler", "dask")
    if not _ADDRESS.fullmatch(scheduler):  # distributed would try for ten seconds
        raise InputError(
            f"--scheduler '{scheduler}': expected an address such as tcp://127.0.0.1:8786, as "
            "dask scheduler prints it."
        )
    try:
        client = distributed.Client(scheduler, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler {scheduler}: no answer within {_SECONDS:g} s ({error}). Start one with: "
            "dask scheduler; or leave --scheduler out to compute in threads here."
        ) from error
    try:
        client.wait_for_workers(1, timeout=_SECONDS)
    except TimeoutError as error:
        client.close()
        raise InputError(
            f"--scheduler {scheduler}: it has no worker. Start one with: dask worker {scheduler}"
        ) from error
    return client
