"""Means over many samples on a GPU: the emitted code itself writes the kernel that computes it.

A GPU's BLAS is weak at products with few columns, and each operation on entries reads a matrix
and writes one. So the portable code is run once on stand-ins for the samples. What it computes row
by row they write down, as one kernel that holds a block of rows at a time. Sums over samples come
out of that kernel, products over samples out of others, which begin with the rows that are still
in the cache. What the code computes of parameters alone, or of such sums, torch computes.

Stand-ins follow torch's protocol for types that are no tensors, so nothing here knows a formula.

Contract: the operations of the emitted code in single precision, and sums in an order that only
sizes decide. What cannot be written down, or not compiled, raises `NotByRowsError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derive.errors import RefusedError
from numeric.row_values import Rows, now
from numeric.triton_code import KernelText, NotByRowsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ByRows", "by_rows"]

# Far above round-off in single precision, and far below what a defect does: a part of the norm, and
# a part of what a few samples give, since what all of them give may cancel.
_RTOL, _RTOL_OF_FEW, _FEW = 1e-3, 1e-5, 64


class ByRows:
    """Call a function in kernels of rows where that is possible, and as it is where it is not.

    The first results for samples of a size are compared with those of the function itself.

    Raises:
        RefusedError: where they differ.
    """

    def __init__(
        self, value_and_grad: Callable[..., Any], is_recording: Callable[[], bool]
    ) -> None:
        self._function, self._is_recording = value_and_grad, is_recording
        self._compared: set[Any] = set()
        self._can = True

    def __call__(self, parameters: Mapping[str, Any], samples: Mapping[str, Any]) -> Any:
        """Return the value and the gradients by name, of tensors by name."""
        if self._can:
            try:
                found = by_rows(self._function, parameters, samples)
            except NotByRowsError:
                self._can = False
            else:
                self._compare(found, parameters, samples)
                return found
        return self._function(**parameters, **samples)

    def _compare(self, found: Any, parameters: Any, samples: Any) -> None:
        sizes = tuple(matrix.shape for matrix in samples.values())
        if sizes in self._compared or self._is_recording():
            return
        self._compared.add(sizes)
        few = {name: matrix[:_FEW] for name, matrix in samples.items()}
        value, gradients = self._function(**parameters, **samples)
        value_of_few, of_few = self._function(**parameters, **few)
        size = max((_norm(array) for array in of_few.values()), default=0.0)
        are_close = _are_close(found[0], value, _norm(value_of_few))
        if not are_close or not all(_are_close(found[1][n], gradients[n], size) for n in gradients):
            raise RefusedError(
                "The kernels of the GPU do not give what the emitted code gives; training does "
                "not start. Leave out --device, or take --dtype float64."
            )


def _are_close(found: Any, expected: Any, size_of_few: float) -> bool:
    """Return whether arrays agree, in where they are no finite numbers as well."""
    if found.shape != expected.shape or bool((found.isfinite() != expected.isfinite()).any()):
        return False
    return _norm(found - expected) <= _RTOL * _norm(expected) + _RTOL_OF_FEW * size_of_few


def _norm(array: Any) -> float:
    """Return the norm of the finite entries."""
    return float(array[array.isfinite()].norm())


def by_rows(
    function: Callable[..., tuple[Any, dict[str, Any]]],
    parameters: Mapping[str, Any],
    samples: Mapping[str, Any],
) -> tuple[Any, dict[str, Any]]:
    """Return what ``function(**parameters, **samples)`` returns: a value, and arrays by name.

    All are torch's tensors; ``samples`` have a sample a row, and results are sums over samples.

    Raises:
        NotByRowsError: where the function does what kernels of rows cannot, or where Triton fails.
    """
    tensors = [*parameters.values(), *samples.values()]
    if any(str(tensor.dtype) != "torch.float32" for tensor in tensors):
        raise NotByRowsError("another dtype than float32")
    if not samples:
        raise NotByRowsError("no samples")
    text = KernelText(next(iter(samples.values())))
    stand_ins = {name: Rows.of(text, tensor) for name, tensor in samples.items()}
    try:
        value, gradients = function(**parameters, **stand_ins)
    except (TypeError, AttributeError, ValueError, IndexError) as error:
        raise NotByRowsError(str(error)) from error  # asked of a stand-in what only tensors have
    results = [value, *gradients.values()]
    if any(isinstance(result, Rows) for result in results):
        raise NotByRowsError("a result with a sample a row")
    text.run()
    value, *others = map(now, results)
    return value, dict(zip(gradients, others, strict=True))
