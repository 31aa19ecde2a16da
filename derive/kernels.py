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


def _erf(u):  # type: ignore[no-untyped-def]
    """Return the error function: Kummer's series, or 1 - erfc as Laplace's continued fraction."""
    u = np.asarray(u) * 1.0
    sign = np.where(u.real < 0, -1, 1).astype(u.real.dtype)
    near = np.abs(u.real) < 2
    x, y = np.where(near, u, 0), np.where(near, 2, sign * u)
    series, fraction = np.ones_like(x), y
    for odd in np.arange(61, 1, -2).tolist():
        series = 1 + series * (2 * x * x / odd)
    for k in np.arange(60, 0, -1).tolist():
        fraction = y + k / 2 / fraction
    root = np.sqrt(np.pi).item()
    inside = 2 / root * x * np.exp(-x * x) * series
    return np.where(near, inside, sign * (1 - np.exp(-y * y) / (root * fraction)))


def _lgamma(u):  # type: ignore[no-untyped-def]
    """Return log|gamma|: its series around 2 after steps there, or Stirling's; DLMF 5.7.3, 5.11.1.

    gamma(u) gamma(1 - u) = pi/sin(pi u) leads from negative arguments to positive ones.
    """
    u = np.asarray(u) * 1.0
    left = u.real < 0
    x = np.where(left, 1 - u, u)
    low = x.real < 7.5
    n = np.where(low, np.rint(x.real), 2)
    z = np.where(low, x, 2) - n
    # (-1)^k (zeta(k) - 1)/k from k = 29 down to 2
    series = np.zeros_like(z)
    for c in (
        *(-6.4229645638381e-11, 1.330476437424449e-10, -2.7595228851242334e-10),
        *(5.731367241678862e-10, -1.1921401405860912e-09, 2.4836745438024785e-09),
        *(-5.183475041970047e-09, 1.0838659214896955e-08, -2.2711094608943164e-08),
        *(4.7698101693639804e-08, -1.0043224823968099e-07, 2.1207184805554665e-07),
        *(-4.492469198764566e-07, 9.55141213040742e-07, -2.039215753801366e-06),
        *(4.374866789907488e-06, -9.439488275268397e-06, 2.050721277567069e-05),
        *(-4.492623673813314e-05, 9.945751278180853e-05, -0.00022315475845357939),
        *(0.0005096695247430425, -0.001192753911703261, 0.0028905103307415234),
        *(-0.007385551028673986, 0.020580808427784546, -0.0673523010531981, 0.3224670334241132),
        1 - np.euler_gamma,
    ):
        series = (series + c) * z
    up, down = np.ones_like(z), np.where(n < 2, z + 1, 1) * np.where(n < 1, z, 1)
    for k in np.arange(2, 8).tolist():
        up = np.where(n > k, up * (z + k), up)
    y = np.where(low, 8, x)
    tail = np.zeros_like(y)
    for c in (-3617 / 122400, 1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360):
        tail = (tail + c) / y / y
    far = (y - 0.5) * (np.log(y) - 1) + (np.log(2 * np.pi).item() - 1) / 2 + (tail + 1 / 12) / y
    found = np.where(low, series + np.log(up) - np.log(down), far)
    part = np.where(left, u, 0.5)
    sine = np.sin(np.pi * (part - np.rint(part.real)))
    sine = np.where(sine.real < 0, -sine, sine)
    return np.where(left, np.log(np.pi / sine) - found, found)


def _digamma(u):  # type: ignore[no-untyped-def]
    """Return gamma'/gamma: Taylor's series around its root, or DLMF 5.11.2 after steps up."""
    u = np.asarray(u) * 1.0
    left = u.real < 0
    x = np.where(left, 1 - u, u)
    z = (
        x - 1.4616321325302124 - 1.2438149843418955e-08
    ) - 9.549995429965697e-17  # exact beside the root
    near = np.abs(z.real) < 0.15
    z, y = np.where(near, z, 0), np.where(near, 1, x)
    series, steps = np.zeros_like(z), np.zeros_like(z)
    for c in (
        *(0.0010788252019162967, -0.0015769367714301972, 0.002305126326734928),
        *(-0.003369801655439328, 0.004926781395729853, -0.007204534386356869),
        *(0.010538791616612175, -0.01542476590494896, 0.022597648232218104),
        *(-0.03316112647484736, 0.04880428816414311, -0.07219956125645471, 0.10782405069126237),
        *(-0.16394270544240652, 0.258499760955651, -0.4427631689835921, 0.9676722454476212),
    ):
        series = (series + c) * z
    for _ in np.arange(8).tolist():
        low = y.real < 8
        steps = steps + np.where(low, 1 / np.where(low, y, 1), 0)
        y = np.where(low, y + 1, y)
    tail = np.zeros_like(y)
    for c in (3617 / 8160, -1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        tail = (tail + c) / y / y
    found = np.where(near, series, np.log(y) - 0.5 / y + tail - steps)
    part = np.where(left, u, 0.25)
    tangent = np.tan(np.pi * (part - np.rint(part.real)))
    return np.where(left, found - np.pi / tangent, found)


def _trigamma(u):  # type: ignore[no-untyped-def]
    """Return digamma's derivative: DLMF 5.15.8 after steps up."""
    u = np.asarray(u) * 1.0
    left = u.real < 0
    y = np.where(left, 1 - u, u)
    steps = np.zeros_like(y)
    for _ in np.arange(8).tolist():
        low = y.real < 8
        steps = steps + np.where(low, np.where(low, y, 1) ** -2.0, 0)
        y = np.where(low, y + 1, y)
    tail = np.zeros_like(y)
    for c in (-3617 / 510, 7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        tail = (tail + c) / y / y
    found = steps + (1 + 0.5 / y + tail) / y
    part = np.where(left, u, 0.5)
    sine = np.sin(np.pi * (part - np.rint(part.real)))
    return np.where(left, (np.pi / sine) ** 2 - found, found)


def _adj(x):  # type: ignore[no-untyped-def]
    """Return the adjugate of a square matrix, singular or not, by its singular values."""
    u, s, v = np.linalg.svd(x)
    others = np.prod(np.where(np.eye(*x.shape) > 0, 1, s), axis=1)
    return np.linalg.det(u) * np.linalg.det(v) * ((v.T * others) @ u.T)


def _first_maximum(x):  # type: ignore[no-untyped-def]
    """Return 1 at the first largest entry, row by row, else 0, in x's dtype."""
    x = np.asarray(x).real
    first = np.zeros_like(x)
    first.flat[np.argmax(x)] = 1
    return first


KERNELS = MappingProxyType(
    {
        f.__name__: f
        for f in (
            *(_relu, _step, _sigmoid, _softplus, _erf, _lgamma, _digamma, _trigamma),
            *(_adj, _first_maximum),
        )
    }
)


def bind(namespace: Any) -> dict[str, Callable[..., Any]]:
    """Return the kernels over an array namespace such as the module numpy."""
    return {
        name: types.FunctionType(kernel.__code__, {"np": namespace, "__builtins__": {}}, name)
        for name, kernel in KERNELS.items()
    }


def source(name: str) -> str:
    """Return a kernel's source for a standalone module."""
    return inspect.getsource(KERNELS[name]).replace("  # type: ignore[no-untyped-def]", "")
