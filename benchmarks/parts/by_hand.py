"""Values and gradients as a person writes them who wants them fast: the sides to be measured by.

Each result is a new array; intermediates are changed in place. Large products are taken in row
blocks where that is faster, sums along short rows in column order, and numbers are multiplied into
the smallest array at hand.
"""

from __future__ import annotations

import numpy as np

ROWS = 2048  # a block of MNIST's rows, 6 MB in float32


def relu_l2(W, x):
    a = W @ x
    np.maximum(a, 0, out=a)
    value = np.vdot(a, a)
    a *= 2
    return value, (a * x.T, W.T @ a)


def logistic(y, X, w):
    z = X @ w
    z *= -y
    e = np.exp(-np.abs(z))
    value = (np.maximum(z, 0) + np.log1p(e)).mean()
    weights = np.where(z > 0, 1, e) / (1 + e)
    weights *= y
    weights /= -len(y)
    return value, (X.T @ weights,)


def logistic_by_sample(y, w, x):
    return logistic(y, x, w)


def softmax_regression(W, x, b, y):
    """Go through the images once: a block is still in the cache when its gradient is taken."""
    if len(x) <= ROWS:
        value, residual, column = cross_entropy(x @ W.T, b, y, len(x))
        return value, (residual @ x, column)
    value, gradient, column = 0.0, np.zeros_like(W), np.zeros_like(b)
    for start in range(0, len(x), ROWS):
        rows = x[start : start + ROWS]
        part, residual, sums = cross_entropy(rows @ W.T, b, y[start : start + ROWS], len(x))
        value += part
        gradient += residual @ rows
        column += sums
    return value, (gradient, column)


def cross_entropy(logits, b, y, n):
    """Return the loss of logits (N, k) + b', its derivative as (k, N), and that's row sums."""
    z, y = np.asfortranarray(logits).T, np.ascontiguousarray(y.T)
    z += b
    z -= z.max(axis=0)
    value = -np.vdot(z, y)
    np.exp(z, out=z)
    total = z.sum(axis=0)
    value += np.log(total).sum()
    z /= total
    z -= y
    z /= n
    return value / n, z, z.sum(axis=1, keepdims=True)


def network(V, W, x, b, c, y):
    a = x @ W.T
    a += b.T
    np.maximum(a, 0, out=a)
    value, residual, column = cross_entropy(a @ V.T, c, y, len(x))
    hidden = residual.T @ V
    hidden *= a > 0
    return value, (residual @ a, hidden.T @ x, hidden.sum(axis=0)[:, None], column)


def factorisation(U, V, T):
    R = U @ V.T
    R -= T
    value = np.vdot(R, R)
    by_U, by_V = R @ V, R.T @ U
    by_U *= 2
    by_V *= 2
    return value, (by_U, by_V)


def attention(G, Q, K, V):
    """Sum the rows of S∘(GV') over the head's few columns, as G∘(SV)."""
    scale = Q.dtype.type(Q.shape[1] ** -0.5)
    Q = Q * scale
    S = Q @ K.T
    S -= S.max(axis=1, keepdims=True)
    np.exp(S, out=S)
    S /= S.sum(axis=1, keepdims=True)
    rows = np.einsum("ij,ij->i", G, S @ V)
    D = G @ V.T
    D -= rows[:, None]
    D *= S
    by_Q = D @ K
    by_Q *= scale
    return rows.sum(), (by_Q, D.T @ Q, S.T @ G)


def gaussian(S, x, u):
    """Use the samples only in their mean and scatter."""
    r = x - u.T
    mean, scatter = r.mean(axis=0)[:, None], r.T @ r
    scatter /= len(x)
    P = np.linalg.inv(S)
    half = P @ scatter
    value = (np.linalg.slogdet(S)[1] + np.trace(half)) / 2
    by_S = P - half @ P
    by_S /= 2
    return value, (-(P @ mean), by_S)
