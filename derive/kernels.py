"""The kernels: functions that emitted code calls beside those of the arrays' library.

They take the arrays of NumPy, torch, JAX, CuPy, dask and of any library of the array-API standard,
real and, NumPy's, complex ones, so that a complex step goes through; and they keep the dtype and
the device. They are written against a global named ``np``, NumPy, that is bound when they are
loaded, so that importing them costs no NumPy; their source is copied into a standalone module as it
stands. `docs/decisions/portable-code.md` says why there is no other layer.
"""

from __future__ import annotations

import builtins
import inspect
import re
import types
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from derive import array_functions as arrays
from derive import exponential_functions as exponentials
from derive import special_functions as special

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["KERNELS", "bind", "kernels_in", "source"]

KERNELS = MappingProxyType(
    {
        name: kernel
        for module in (arrays, exponentials, special)
        for name, kernel in vars(module).items()
        if inspect.isfunction(kernel)
    }
)


def bind(namespace: Any) -> dict[str, Callable[..., Any]]:
    """Return the kernels, with a module such as numpy for what they call ``np``."""
    known: dict[str, Any] = {"np": namespace, "__builtins__": builtins}
    for name, kernel in KERNELS.items():
        known[name] = types.FunctionType(kernel.__code__, known, name)
    return {name: known[name] for name in KERNELS}


def kernels_in(code: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the kernels that lines of code call, and of those that these call.

    >>> kernels_in(["_relu(W @ x)"])
    ('_namespace', '_relu')
    """
    found: set[str] = set()
    texts = list(code)
    while texts:
        new = set(re.findall(r"\b_\w+(?=\()", texts.pop())) & KERNELS.keys() - found
        found |= new
        texts += map(source, new)
    return tuple(name for name in KERNELS if name in found)


def source(name: str) -> str:
    """Return a kernel's source for a standalone module."""
    return inspect.getsource(KERNELS[name])
