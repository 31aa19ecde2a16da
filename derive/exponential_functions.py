"""Kernels of exponentials: sigmoids and softmaxes, where they are nearly certain or too large.

Contract: of `derive.kernels`.
"""

from __future__ import annotations

from typing import Any

from derive.array_functions import _namespace, _real

__all__: list[str] = []  # kernels have the names that emitted modules give them

np: Any = None  # bound when they are loaded


def _size(u):
    """Return the absolute value, of a complex number u or -u, whichever NumPy finds larger."""
    if isinstance(u, (np.ndarray, np.generic, complex)) and np.iscomplexobj(u):
        return np.where(np.less(u, 0), -u, u)
    return abs(u)


def _sigmoid(u):
    """Return 1/(1 + exp(-u)) without overflow and without cancellation on either side."""
    xp = _namespace(u)
    return xp.exp(xp.clip(u, None, 0)) / (1 + xp.exp(-_size(u)))


def _softplus(u):
    """Return log(1 + exp(u)) without overflow."""
    xp = _namespace(u)
    return xp.clip(u, 0, None) + xp.log1p(xp.exp(-_size(u)))


def _sigmoid_slope(u):
    """Return sigmoid(u)*sigmoid(-u) by one exponential, without cancellation on either side."""
    e = _namespace(u).exp(-_size(u))
    return e / ((1 + e) * (1 + e))


def _logsoftplus(u):
    """Return log(log(1 + exp(u))), by the series of log(1 + e)/e where e = exp(u) is small."""
    xp, low = _namespace(u), _real(u) < -9
    e = xp.exp(xp.where(low, u, -9))
    near = u + xp.log(1 - e * (1 / 2 - e * (1 / 3 - e / 4)))
    return xp.where(low, near, xp.log(_softplus(xp.where(low, 0, u))))


def _softplus_rate(u):
    """Return sigmoid(u)/softplus(u), by the series of log(1 + e)/e where e = exp(u) is small."""
    xp, low = _namespace(u), _real(u) < -9
    e, far = xp.exp(xp.where(low, u, -9)), xp.where(low, 0, u)
    near = 1 / ((1 + e) * (1 - e * (1 / 2 - e * (1 / 3 - e / 4))))
    return xp.where(low, near, _sigmoid(far) / _softplus(far))


def _logcosh(u):
    """Return log(cosh(u)) without overflow, and without cancellation near 0."""
    xp, negative = _namespace(u), _real(u) < 0
    size = xp.where(negative, -u, u)
    near = xp.where(_real(size) < 20, size, 20)  # beyond, it is a straight line
    return xp.log1p(2 * xp.sinh(near / 2) ** 2) + (size - near)


def _balanced(d, s):
    """Return d, whose entries add up to 0, with that where s > 1/2 computed from the others."""
    xp, most = _namespace(d, s), _real(s) > 0.5
    others = xp.where(most, 0, d)
    return xp.where(most, -xp.sum(others), others)


def _rowbalanced(d, s):
    """Return d, whose rows add up to 0, with entries where s > 1/2 computed from the others."""
    xp, most = _namespace(d, s), _real(s) > 0.5
    others = xp.where(most, 0, d)
    return xp.where(most, -xp.sum(others, axis=1, keepdims=True), others)


def _less_one(e, q):
    """Return q - 1 without rounding, where q is sum(e) and the largest entries of e are 1."""
    xp = _namespace(e)
    others = xp.sum(xp.where(e == 1, 0, e))
    return others + (xp.round(_real(q - others)) - 1)


def _rowless_one(e, q):
    """Return q - 1 without rounding, where q sums the rows of e, whose largest entries are 1."""
    xp = _namespace(e)
    others = xp.sum(xp.where(e == 1, 0, e), axis=1, keepdims=True)
    return others + (xp.round(_real(q - others)) - 1)


def _log_weighted(z, w):
    """Return log(sum(w*exp(z))) without overflow where w is 0 or z is large."""
    xp, none = _namespace(z, w), w == 0
    largest = xp.max(xp.where(none, -np.inf, z))
    e = xp.exp(xp.where(none, -np.inf, z - largest))
    return largest + xp.log(xp.sum(w * e))


def _weighted(z, w):
    """Return w*exp(z)/sum(w*exp(z)) without overflow where w is 0 or z is large."""
    xp, none = _namespace(z, w), w == 0
    largest = xp.max(xp.where(none, -np.inf, z))
    e = w * xp.exp(xp.where(none, -np.inf, z - largest))
    return e / xp.sum(e)


def _over_weighted(z, w):
    """Return exp(z)/sum(w*exp(z)) without overflow where z is large."""
    xp, none = _namespace(z, w), w == 0
    largest = xp.max(xp.where(none, -np.inf, z))
    return xp.exp(z - largest) / xp.sum(w * xp.exp(xp.where(none, -np.inf, z - largest)))


def _less(z, y):
    """Return exp(z) - exp(y), of arguments up to 0, without cancellation."""
    xp, near = _namespace(z, y), abs(_real(z - y)) < 1
    product = xp.exp(y) * xp.expm1(xp.where(near, z - y, 0))
    return xp.where(near, product, xp.exp(z) - xp.exp(y))


def _log_near_one(q, less):
    """Return log(q) where its difference from 1 is known without cancellation."""
    xp, near = _namespace(q), abs(_real(less)) < 0.5
    log = xp.log(xp.where(near, 1, q))
    return xp.where(near, xp.log1p(xp.where(near, less, 0)), log)


def _log_ratio(z, y):
    """Return log(sum(exp(z))/sum(exp(y))) without cancellation, the largest entries being 0."""
    xp = _namespace(z, y)
    p, q = xp.sum(xp.exp(z)), xp.sum(xp.exp(y))
    return _log_near_one(p / q, xp.sum(_less(z, y)) / q)


def _rowlog_ratio(z, y):
    """Return log(sum(exp(z))/sum(exp(y))) of rows, the largest entry of each being 0."""
    xp = _namespace(z, y)
    p, q, less = (xp.sum(e, axis=1, keepdims=True) for e in (xp.exp(z), xp.exp(y), _less(z, y)))
    return _log_near_one(p / q, less / q)


def _softmax_difference(z, y):
    """Return softmax(z) - softmax(y) without cancellation, the largest entries being 0."""
    xp = _namespace(z, y)
    p, q = xp.exp(z), xp.exp(y)
    return _quotients_less(p / xp.sum(p), q / xp.sum(q), (z - y) - _log_ratio(z, y))


def _rowsoftmax_difference(z, y):
    """Return the difference of the softmaxes of rows, the largest entry of each being 0."""
    xp = _namespace(z, y)
    p, q = xp.exp(z), xp.exp(y)
    p, q = (e / xp.sum(e, axis=1, keepdims=True) for e in (p, q))
    return _quotients_less(p, q, (z - y) - _rowlog_ratio(z, y))


def _quotients_less(p, q, log):
    """Return p - q where log(p/q) is known without cancellation."""
    xp, near = _namespace(p), abs(_real(log)) < 1
    return xp.where(near, q * xp.expm1(xp.where(near, log, 0)), p - q)
