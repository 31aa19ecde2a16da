"""Values and gradients as a person writes them down from paper, a line a formula.

Nothing is in place or in blocks, and nothing is computed twice: what `parts/by_hand.py` is before
anyone asks how long it takes.
"""

from __future__ import annotations

import numpy as np


def relu_l2(W, x):
    z = W @ x
    a = np.maximum(z, 0)
    g = 2 * a
    return np.sum(a * a), (g @ x.T, W.T @ g)


def logistic(y, X, w):
    m = y * (X @ w)
    weights = -y / (1 + np.exp(m)) / len(y)
    return np.logaddexp(0, -m).mean(), (X.T @ weights,)


def logistic_by_sample(y, w, x):
    return logistic(y, x, w)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_regression(W, x, b, y):
    value, residual = cross_entropy(x @ W.T + b.T, y)
    return value, (residual.T @ x, residual.sum(axis=0)[:, None])


def cross_entropy(logits, y):
    """Return the loss and its derivative by the logits, both means over rows."""
    s = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(s)
    total = e.sum(axis=1, keepdims=True)
    return -np.sum(y * (s - np.log(total))) / len(y), (e / total - y) / len(y)


def network(V, W, x, b, c, y):
    z = x @ W.T + b.T
    a = np.maximum(z, 0)
    value, residual = cross_entropy(a @ V.T + c.T, y)
    hidden = (residual @ V) * (z > 0)
    return value, (
        residual.T @ a,
        hidden.T @ x,
        hidden.sum(axis=0)[:, None],
        residual.sum(axis=0)[:, None],
    )


def factorisation(U, V, T):
    R = U @ V.T - T
    return np.sum(R * R), (2 * R @ V, 2 * R.T @ U)


def attention(G, Q, K, V):
    root = Q.dtype.type(Q.shape[1] ** 0.5)
    P = softmax(Q @ K.T / root)
    by_P = G @ V.T
    by_S = P * (by_P - np.sum(P * by_P, axis=1, keepdims=True))
    return np.sum(G * (P @ V)), (by_S @ K / root, by_S.T @ Q / root, P.T @ G)


def gaussian(S, x, u):
    r = x - u.T
    P = np.linalg.inv(S)
    solved = r @ P
    value = np.linalg.slogdet(S)[1] / 2 + np.sum(solved * r) / (2 * len(x))
    return value, (-solved.mean(axis=0)[:, None], P / 2 - solved.T @ solved / (2 * len(x)))
