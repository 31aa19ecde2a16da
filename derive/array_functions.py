"""Kernels on arrays: what array libraries lack, or spell in different ways.

Contract: of `derive.kernels`.
"""

from __future__ import annotations

from typing import Any

__all__: list[str] = []  # kernels have the names that emitted modules give them

np: Any = None  # bound when they are loaded


def _namespace(*arrays):
    """Return the library of the arrays: one of the array-API standard, torch, or NumPy.

    NumPy's functions also take the arrays of dask and of CuPy, by NumPy's protocols.
    """
    for array in arrays:
        if isinstance(array, np.ndarray):
            continue
        if type(array).__module__.partition(".")[0] == "torch":
            return __import__("torch")  # loaded already: it made the array
        found = array.__array_namespace__() if hasattr(array, "__array_namespace__") else np
        if found is not np:
            return found
    return np


def _real(u):
    """Return the real part; the arrays of some libraries have none where all are real."""
    return getattr(u, "real", u)


def _full(like, value, rows, columns):
    """Return a matrix of one value, of the floating-point dtype and on the device of an array."""
    xp = _namespace(like)
    corner = like[:1, :1] if getattr(like, "ndim", 0) else like
    return xp.tile(xp.reshape(xp.ones_like(corner) * 1.0, (1, 1)) * value, (rows, columns))


def _eye(like, n):
    """Return an identity matrix, of the floating-point dtype and on the device of an array."""
    xp = _namespace(like)
    return xp.tril(xp.triu(_full(like, 1, n, n)))


def _copy(x):
    """Return an array of the same entries in memory of its own."""
    return x * 1


def _diag(x):
    """Return the square matrix with the entries of a column or a row on its diagonal."""
    column = x if x.shape[1] == 1 else x.T
    return column * _eye(x, column.shape[0])


def _diagvec(x):
    """Return the diagonal of a matrix as a column."""
    xp = _namespace(x)
    return (xp.linalg if not hasattr(xp, "diagonal") else xp).diagonal(x)[:, None] * 1


def _kron(a, b):
    """Return the Kronecker product of two matrices."""
    blocks = a[:, None, :, None] * b[None, :, None, :]
    shape = (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])
    return _namespace(a, b).reshape(blocks, shape)


def _eye_kron(n, b):
    """Return kron(eye(n), b): blocks b along the diagonal."""
    if not isinstance(b, np.ndarray):
        return _kron(_eye(b, n), b)
    blocks = np.zeros((n, b.shape[0], n, b.shape[1]), (b * 1.0).dtype)
    each = np.arange(n)
    blocks[each, :, each, :] = b
    return blocks.reshape(n * b.shape[0], n * b.shape[1])


def _kron_eye(a, n):
    """Return kron(a, eye(n)): diagonal blocks, of one entry of a each."""
    if not isinstance(a, np.ndarray):
        return _kron(a, _eye(a, n))
    blocks = np.zeros((a.shape[0], n, a.shape[1], n), (a * 1.0).dtype)
    each = np.arange(n)
    blocks[:, each, :, each] = a
    return blocks.reshape(a.shape[0] * n, a.shape[1] * n)


def _kron_turned(a, b):
    """Return the matrix that takes the entries of h, row by row, to those of a @ h.T @ b.T."""
    blocks = a[:, None, None, :] * b[None, :, :, None]
    size = a.shape[0] * b.shape[0]
    return _namespace(a, b).reshape(blocks, (size, size))


def _rowmax(x):
    """Return the largest entry of each row, as a column."""
    xp = _namespace(x)
    largest = xp.amax if hasattr(xp, "amax") else xp.max  # torch's max returns places too
    return largest(x, axis=1, keepdims=True)


def _relu(u):
    """Return max(u, 0)."""
    return _namespace(u).clip(u, 0, None)


def _step(u):
    """Return 1 where u > 0, else 0, in u's dtype."""
    xp, above = _namespace(u), u > 0
    if hasattr(above, "astype"):  # much faster
        return above.astype(u.dtype)
    return xp.where(above, xp.ones_like(u), xp.zeros_like(u))


def _sigmoid(u):
    """Return 1/(1 + exp(-u)) without overflow and without cancellation on either side."""
    xp, positive = _namespace(u), u >= 0
    e = xp.exp(xp.where(positive, -u, u))
    return xp.where(positive, 1, e) / (1 + e)


def _softplus(u):
    """Return log(1 + exp(u)) without overflow."""
    xp, positive = _namespace(u), u >= 0
    return xp.where(positive, u, 0) + xp.log1p(xp.exp(xp.where(positive, -u, u)))


def _sigmoid_slope(u):
    """Return sigmoid(u)*sigmoid(-u) by one exponential, without cancellation on either side."""
    xp = _namespace(u)
    e = xp.exp(xp.where(u < 0, u, -u))
    return e / xp.square(1 + e)


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


def _adj(x):
    """Return the adjugate of a square matrix, singular or not, by its singular values."""
    xp, n = _namespace(x), x.shape[0]
    u, s, v = xp.linalg.svd(x)
    others = xp.prod(xp.where(_eye(x, n) > 0, 1, s), axis=1)
    return xp.linalg.det(u) * xp.linalg.det(v) * ((v.T * others) @ u.T)


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


def _log_of_quotient(p, q, difference):
    """Return log(p/q) where p - q is known without cancellation."""
    xp, ratio = _namespace(p), difference / q
    near = abs(_real(ratio)) < 0.5
    log = xp.log(xp.where(near, 1, p / q))
    return xp.where(near, xp.log1p(xp.where(near, ratio, 0)), log)


def _log_ratio(z, y):
    """Return log(sum(exp(z))/sum(exp(y))) without cancellation, the largest entries being 0."""
    xp = _namespace(z, y)
    return _log_of_quotient(xp.sum(xp.exp(z)), xp.sum(xp.exp(y)), xp.sum(_less(z, y)))


def _rowlog_ratio(z, y):
    """Return log(sum(exp(z))/sum(exp(y))) of rows, the largest entry of each being 0."""
    xp = _namespace(z, y)
    sums = (xp.sum(e, axis=1, keepdims=True) for e in (xp.exp(z), xp.exp(y), _less(z, y)))
    return _log_of_quotient(*sums)


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


def _away(u, radius):
    """Return u, or the radius where u is nearer to 0."""
    xp = _namespace(u)
    return xp.where(abs(_real(u)) < radius, radius, u)


def _near_zero(u, far, radius, *coefficients):
    """Return a power series in u where u is nearer to 0 than the radius, and far elsewhere."""
    xp, near = _namespace(u, far), abs(_real(u)) < radius
    x = xp.where(near, u, 0)
    series = x * 0 + coefficients[-1]
    for c in coefficients[-2::-1]:
        series = series * x + c
    return xp.where(near, series, far)


def _first_maximum(x):
    """Return 1 at the first largest entry, row by row, else 0, in x's dtype."""
    xp, x = _namespace(x), _real(x)
    entries = xp.reshape(x, (-1,))
    largest = xp.where(entries == xp.max(entries), xp.ones_like(entries), 0)
    count = xp.cumsum(largest, 0) if hasattr(xp, "cumsum") else xp.cumulative_sum(largest)
    return xp.reshape(xp.where(count == 1, largest, 0), x.shape)
