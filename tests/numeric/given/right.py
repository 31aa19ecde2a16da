"""Functions as people write them, each with the formula that it computes (``FORMULAS``)."""

from __future__ import annotations

import numpy as np

FORMULAS = {
    "least_squares": ("norm2(A*x - y)^2", {}, {}),
    "norm": ("norm2(W*x)", {}, {}),
    "quadratic": ("x'*Q*x", {}, {}),
    "log_determinant": ("logdet(X)", {}, {}),
    "logistic": ("sum(log(1 + exp(-y .* (X*w))))", {}, {"y": ("pm1",)}),
    "cross_entropy": ("crossentropy(softmax(W*x + b), y)", {"b": "m"}, {"y": ("onehot",)}),
    "naive_cross_entropy": ("crossentropy(softmax(W*x + b), y)", {"b": "m"}, {"y": ("onehot",)}),
    "relu_network": ("norm2(V*relu(W*x) - y)^2", {}, {}),
    "layer_norm": ("sum(w .* (x - mean(x)) / sqrt(mean((x - mean(x)).^2) + 0.01))", {}, {}),
    "attention": ("sum(rowsoftmax(Q*K') * V .* G)", {}, {}),
    "hinge": ("sum(relu(1 - y .* (X*w)))", {}, {"y": ("pm1",)}),
    "batch_norm": (
        "sum(G .* ((X - ones(n)*colmean(X)) ./ "
        "(ones(n)*sqrt(colmean((X - ones(n)*colmean(X)).^2) + 0.01))))",
        {"X": "n,d"},
        {},
    ),
    "ridge_softmax": ("crossentropy(softmax(W*x), y) + a*norm2(W)^2", {}, {"y": ("onehot",)}),
}


def least_squares(A, x, y):
    r = A @ x - y
    return (r.T @ r).item(), {"A": 2 * r @ x.T, "x": 2 * A.T @ r, "y": -2 * r}


def norm(W, x):
    z = W @ x
    length = np.linalg.norm(z)
    return length, (z @ x.T / length, W.T @ z / length)


def quadratic(x, Q):
    return x.T @ Q @ x, {"x": (Q + Q.T) @ x, "Q": x @ x.T}


def log_determinant(X):
    return np.linalg.slogdet(X)[1], np.linalg.inv(X).T


def logistic(y, X, w):
    margin = y * (X @ w)
    p = 1 / (1 + np.exp(margin))
    gradients = {"X": -(p * y) @ w.T, "w": -X.T @ (p * y), "y": -p * (X @ w)}
    return np.log1p(np.exp(-margin)).sum(), gradients


def cross_entropy(W, x, b, y):
    z = W @ x + b
    z = z - z.max()
    logs = z - np.log(np.exp(z).sum())
    g = np.exp(logs) * y.sum() - y
    return -(y * logs).sum(), {"W": g @ x.T, "x": W.T @ g, "b": g, "y": -logs}


def naive_cross_entropy(W, x, b, y):
    e = np.exp(W @ x + b)
    p = e / e.sum()
    g = p * y.sum() - y
    return -np.sum(y * np.log(p)), [g @ x.T, W.T @ g, g, -np.log(p)]


def relu_network(V, W, x, y):
    z = W @ x
    a = np.maximum(z, 0)
    r = 2 * (V @ a - y)
    back = (V.T @ r) * (z > 0)
    return np.sum((V @ a - y) ** 2), {"V": r @ a.T, "W": back @ x.T, "x": W.T @ back, "y": -r}


def layer_norm(w, x):
    c = x - x.mean()
    s = np.sqrt((c**2).mean() + 0.01)
    g = (w - w.mean()) / s - c * (w * c).mean() / s**3
    return (w * c / s).sum(), {"w": c / s, "x": g}


def attention(Q, K, V, G):
    z = Q @ K.T
    e = np.exp(z - z.max(axis=1, keepdims=True))
    P = e / e.sum(axis=1, keepdims=True)
    back = G @ V.T
    back = P * (back - (P * back).sum(axis=1, keepdims=True))
    return (P @ V * G).sum(), {"Q": back @ K, "K": back.T @ Q, "V": P.T @ G, "G": P @ V}


def hinge(y, X, w):
    slack = 1 - y * (X @ w)
    on = (slack > 0).astype(X.dtype)
    gradients = {"X": -(on * y) @ w.T, "w": -X.T @ (on * y), "y": -on * (X @ w)}
    return np.maximum(slack, 0).sum(), gradients


def batch_norm(G, X):
    c = X - X.mean(axis=0)
    s = np.sqrt((c**2).mean(axis=0) + 0.01)
    h = c / s
    back = (G - G.mean(axis=0) - h * (G * h).mean(axis=0)) / s
    return np.vdot(G, h), {"G": h, "X": back}


def ridge_softmax(W, x, y, a):
    z = W @ x
    logs = z - z.max() - np.log(np.exp(z - z.max()).sum())
    g = np.exp(logs) * y.sum() - y
    loss = -(y * logs).sum()
    gradients = {"W": g @ x.T + 2 * a * W, "x": W.T @ g, "y": -logs, "a": (W**2).sum()}
    return loss + a * (W**2).sum(), gradients
