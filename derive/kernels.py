"""NumPy functions that emitted code calls: those that NumPy lacks, written to be stable.

They take real and complex numbers, so that a complex step goes through, and keep the dtype. They
are written against a global named ``np`` that is bound when they are loaded, so that importing
this module costs no NumPy; their source is copied into a standalone module as it stands here.
"""

from __future__ import annotations

import inspect
import types
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KERNELS", "bind", "source"]

np: Any = None  # what the kernels call by this name is bound when they are loaded


def _relu(u):  # type: ignore[no-untyped-def]
    """Return max(u, 0)."""
    return np.maximum(u, 0)


def _step(u):  # type: ignore[no-untyped-def]
    """Return 1 where u > 0, else 0, in u's dtype."""
    u = np.asarray(u).real
    return (u > 0).astype(u.dtype)


def _sigmoid(u):  # type: ignore[no-untyped-def]
    """Return 1/(1 + exp(-u)) without overflow and without cancellation on either side."""
    positive = np.real(u) >= 0
    e = np.exp(np.where(positive, -u, u))
    return np.where(positive, 1, e) / (1 + e)


def _softplus(u):  # type: ignore[no-untyped-def]
    """Return log(1 + exp(u)) without overflow."""
    positive = np.real(u) >= 0
    return np.where(positive, u, 0) + np.log1p(np.exp(np.where(positive, -u, u)))


KERNELS = MappingProxyType({f.__name__: f for f in (_relu, _step, _sigmoid, _softplus)})


def bind(namespace: Any) -> dict[str, Callable[..., Any]]:
    """Return the kernels over an array namespace such as the module numpy."""
    return {
        name: types.FunctionType(kernel.__code__, {"np": namespace, "__builtins__": {}}, name)
        for name, kernel in KERNELS.items()
    }


def source(name: str) -> str:
    """Return a kernel's source for a standalone module."""
    return inspect.getsource(KERNELS[name]).replace("  # type: ignore[no-untyped-def]", "")
