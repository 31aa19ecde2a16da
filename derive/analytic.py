"""NumPy functions that a complex step goes through, for those of NumPy that it does not.

They continue a real function f analytically, so that Im f(x + i h v) / h is its derivative along v:
NumPy's own ``abs``, ``sign``, ``slogdet`` and ``pinv`` are those of complex numbers, which are not
analytic, and its ``log1p`` of a complex number loses the digits of a small real part.

Contract: of a real argument each returns what the code that people read returns; of a complex one,
the branch is chosen by the real part. None applies a derivative rule. Bound as ``derive.kernels``.
"""

from __future__ import annotations

import types
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from derive.kernels import bind

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ANALYTIC_CALLS", "bind_analytic"]

np: Any = None  # bound when they are loaded
adjugate: Any = None  # a kernel of real arguments
logdet_one_plus: Any = None  # another


def _abs_analytic(u):
    """Return |u|."""
    return np.where(np.real(u) < 0, -u, u) if np.iscomplexobj(u) else np.abs(u)


def _sign_analytic(u):
    """Return the sign of u."""
    return np.sign(np.real(u))


def _log1p_analytic(u):
    """Return log(1 + u)."""
    if not np.iscomplexobj(u):
        return np.log1p(u)
    return np.log1p(np.real(u)) + 1j * np.angle(1 + u)


def _softplus_analytic(u):
    """Return log(1 + exp(u)) without overflow."""
    positive = np.real(u) >= 0
    e = np.exp(np.where(positive, -u, u))
    log = np.log1p(np.real(e)) + 1j * np.angle(1 + e) if np.iscomplexobj(u) else np.log1p(e)
    return np.where(positive, u, 0) + log


def _logdet_analytic(x):
    """Return log|det x|."""
    sign, log = np.linalg.slogdet(x)
    return log + 1j * np.angle(sign * np.sign(sign.real)) if np.iscomplexobj(x) else log


def _log_of_det_analytic(x):
    """Return log det x, no number where the determinant is negative."""
    sign, log = np.linalg.slogdet(x)
    return np.where(sign.real < 0, np.nan, log + 1j * np.angle(sign) if sign.imag else log)


def _logdet_one_plus_analytic(x):
    """Return log det(1 + x)."""
    if not np.iscomplexobj(x):
        return logdet_one_plus(x)
    return _logdet_analytic(np.eye(len(x)) + x)


def _pinv_analytic(x):
    """Return the pseudoinverse, of a complex matrix where its real part has full rank.

    (b r)⁺ = r⁻¹ (bᵀ b)⁻¹ bᵀ, where q r is the real part and so bᵀ b nearly the identity.
    """
    if not np.iscomplexobj(x):
        return np.linalg.pinv(x)
    wide = x.shape[0] < x.shape[1]
    tall = x.T if wide else x
    inverse = np.linalg.inv(np.linalg.qr(tall.real)[1])
    b = tall @ inverse
    found = inverse @ np.linalg.inv(b.T @ b) @ b.T
    return found.T if wide else found


def _adj_analytic(x):
    """Return the adjugate, of a complex matrix by its minors or, of a large one, its inverse."""
    n = x.shape[0]
    if not np.iscomplexobj(x):
        return adjugate(x)
    if n > 32:
        return np.linalg.det(x) * np.linalg.inv(x)
    others = np.nonzero(np.eye(n) == 0)[1].reshape(n, n - 1)
    minors = np.linalg.det(x[others[:, None, :, None], others[None, :, None, :]])
    signs = 1 - 2 * (np.add.outer(np.arange(n), np.arange(n)) % 2)
    return (signs * minors).T


_KERNELS = {
    "abs": _abs_analytic,
    "sign": _sign_analytic,
    "log1p": _log1p_analytic,
    "softplus": _softplus_analytic,
    "logdet": _logdet_analytic,
    "log_of_det": _log_of_det_analytic,
    "logdet_one_plus": _logdet_one_plus_analytic,
    "pinv": _pinv_analytic,
    "adj": _adj_analytic,
}

_REAL = {"adjugate": "adj", "logdet_one_plus": "logdet_one_plus"}

# What code calls instead, by the function's name in the language or in code.
ANALYTIC_CALLS = MappingProxyType({n: f"{f.__name__}({{0}})" for n, f in _KERNELS.items()})


def bind_analytic(namespace: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions over an array namespace such as the module numpy.

    >>> import numpy
    >>> float(bind_analytic(numpy)["_abs_analytic"](numpy.array(-3 + 1e-30j)).imag)
    -1e-30
    """
    kernels = bind(namespace)
    known: dict[str, Any] = {"np": namespace, "__builtins__": {"len": len}}
    known |= {name: kernels[f"_{kernel}"] for name, kernel in _REAL.items()}
    known["_logdet_analytic"] = types.FunctionType(_logdet_analytic.__code__, known)
    return {
        kernel.__name__: types.FunctionType(kernel.__code__, known, kernel.__name__)
        for kernel in _KERNELS.values()
    }
