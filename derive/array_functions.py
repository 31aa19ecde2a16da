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


def _scalar(number, *arrays):
    """Return a number as a scalar of the dtype and on the device of the first array."""
    if not isinstance(number, (int, float, np.number)):
        return number
    model = next((array for array in arrays if hasattr(array, "dtype")), None)
    if model is None:
        return number
    if isinstance(model.dtype, np.dtype):  # JAX, CuPy and dask take NumPy's scalars
        return model.dtype.type(number) if model.dtype.kind == "f" else number
    return _number(model, float(number))


def _full(like, value, rows, columns):
    """Return a matrix of one value, of the floating-point dtype and on the device of an array."""
    xp = _namespace(like)
    corner = like[:1, :1] if getattr(like, "ndim", 0) else like
    return xp.tile(xp.reshape(xp.ones_like(corner) * 1.0, (1, 1)) * value, (rows, columns))


def _number(like, value):
    """Return a number as a scalar, of the floating-point dtype and on the device of an array."""
    return _full(like, value, 1, 1)[0, 0]


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


def _det(x):
    """Return the determinant; libraries that add logarithms lose the digits of a small one's."""
    xp = _namespace(x)
    largest = xp.max(abs(_real(x)))
    unit = xp.where(largest > 0, largest, 1)
    return xp.linalg.det(x / unit) * unit ** x.shape[0]


def _adj(x):
    """Return the adjugate of a square matrix, singular or not: by minors, or singular values."""
    xp, n, one = _namespace(x), x.shape[0], _eye(x, x.shape[0])
    if n <= 8:  # where minors, right in every entry, take no longer
        largest = xp.max(abs(_real(x)))
        unit = xp.where(largest > 0, largest, 1)
        rows, columns = one[:, None, :, None], one[None, :, None, :]
        minors = (x / unit)[None, None, :, :] * (1 - rows) * (1 - columns) + rows * columns
        return xp.linalg.det(minors).T * unit ** (n - 1)
    u, s, v = xp.linalg.svd(x)
    others = xp.prod(xp.where(one > 0, 1, s), axis=1)
    return xp.linalg.det(u) * xp.linalg.det(v) * ((v.T * others) @ u.T)


def _log_of_det(x):
    """Return log(det(x)), which is no number where the determinant is negative."""
    xp = _namespace(x)
    sign, log = xp.linalg.slogdet(x)
    return xp.where(sign < 0, np.nan, log)


def _logdet_one_plus(x):
    """Return log(det(I + x)) of a positive semidefinite matrix, without rounding 1 + x."""
    xp, one = _namespace(x), _eye(x, x.shape[0])
    below = xp.linalg.cholesky(one + x) * (1 - one)
    return xp.sum(xp.log1p(_diagvec(x) - xp.sum(xp.square(below), axis=1, keepdims=True)))


def _positive(u):
    """Return u where it is not negative, and no number elsewhere, as its logarithm is none."""
    return _namespace(u).where(_real(u) < 0, np.nan, u)


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


def _power_over_base(x, y):
    """Return x**(y - 1), without the rounding of y - 1 where y is small."""
    xp, small = _namespace(x, y), (abs(_real(y)) < 0.5) & (x != 0)
    base = xp.where(small, x, 1)
    return xp.where(small, base**y / base, xp.where(small, 1, x) ** (y - 1))


def _times_log(p, x):
    """Return p*log(x), which is 0 where p is."""
    xp, none = _namespace(p, x), p == 0
    return xp.where(none, 0, p * xp.log(xp.where(none, 1, x)))


def _first_maximum(x):
    """Return 1 at the first largest entry, row by row, else 0, in x's dtype."""
    xp, x = _namespace(x), _real(x)
    entries = xp.reshape(x, (-1,))
    largest = xp.where(entries == xp.max(entries), xp.ones_like(entries), 0)
    count = xp.cumsum(largest, 0) if hasattr(xp, "cumsum") else xp.cumulative_sum(largest)
    return xp.reshape(xp.where(count == 1, largest, 0), x.shape)
