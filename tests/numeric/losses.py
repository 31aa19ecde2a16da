"""Twelve functions that people differentiate by hand, and the formulas that they get wrong.

A loss is a formula with one variable to differentiate by. Its mistakes are formulas as well, each
under the class of what was done wrong, so that they are wrong wherever the right one is right.
`by_hand` is the same function written for the array libraries that peers differentiate; it takes
the library as its first argument and nothing of this project. `beside_kink` changes the data of a
point so that one argument of a kink is a given number there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["LOSSES", "Loss"]


@dataclass(frozen=True)
class Loss:
    """Hold a formula, what it is differentiated by, and wrong gradients by class of mistake."""

    name: str
    formula: str
    wrt: str
    shapes: Mapping[str, str]
    mistakes: Sequence[tuple[str, str]]
    by_hand: Callable[..., Any]
    assumptions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    beside_kink: Callable[[Mapping[str, Any], float], Mapping[str, Any]] | None = None


def _log_sum_exp(xp, z):
    largest = xp.amax(z, axis=1, keepdims=True)
    return largest + xp.log(xp.sum(xp.exp(z - largest), axis=1, keepdims=True))


def _softmax(xp, z):
    return xp.exp(z - _log_sum_exp(xp, z))


def _norm(xp, z):
    return xp.sqrt(xp.sum(z * z))


def _relu(xp, z):
    return xp.where(z > 0, z, 0 * z)


def _normalised(xp, z, axis):
    centred = z - xp.mean(z, axis=axis, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred * centred, axis=axis, keepdims=True) + 0.01)


def _logistic(xp, A, w, y):
    margin = -y * (A @ w)
    return xp.mean(_relu(xp, margin) + xp.log1p(xp.exp(-xp.abs(margin))))


def _cross_entropy(xp, X, W, Y):
    scores = X @ W
    return xp.mean(_log_sum_exp(xp, scores)[:, 0] - xp.sum(Y * scores, axis=1))


def _norm_near_zero(point, distance):
    """Put the residual of norm2(A*x - b) at a distance from 0, on the unit vector of b."""
    b = point["b"]
    unit = b / sum(float(entry) ** 2 for entry in b[:, 0]) ** 0.5
    return {**point, "b": point["A"] @ point["x"] - distance * unit}


def _unit_near_zero(point, distance):
    """Put the first unit of W*X at the first sample at a distance from 0."""
    W, X = point["W"], point["X"].copy()
    X[:, 0] -= W[0] * (W[0] @ X[:, 0] - distance) / (W[0] @ W[0])
    return {**point, "X": X}


def _margin_near_one(point, distance):
    """Put the first margin y .* (A*w) at a distance from 1."""
    A, w, y = point["A"].copy(), point["w"][:, 0], point["y"]
    A[0] -= w * (A[0] @ w - (1 - distance) * y[0, 0]) / (w @ w)
    return {**point, "A": A}


_P = "rowsoftmax(X*W)"  # the classifier's probabilities
_T = "rowsoftmax(Q*K'/2)"  # attention, and what comes to it from the output
_TG = f"({_T} .* (G*V'))"
_C, _S = "(Z - rowmean(Z))", "sqrt(rowmean((Z - rowmean(Z)).^2) + 0.01)"
_LAYER = f"({_C} ./ {_S})"
_CB, _SB = "(X - colmean(X))", "sqrt(colmean((X - colmean(X)).^2) + 0.01)"
_BATCH = f"({_CB} ./ {_SB})"
_U = f"(2*({_BATCH} - Y))"  # what comes to the batch norm from the loss

LOSSES = (
    Loss(
        "least squares",
        "norm2(A*X - B)^2",
        "X",
        {"A": "m,n", "X": "n,k", "B": "m,k"},
        [
            ("dropped summand", "2*A'*A*X"),
            ("dropped summand", "-2*A'*B"),
            ("dropped scale", "A'*(A*X - B)"),
            ("output for input", "2*A'*(A*X - B)*norm2(A*X - B)"),
        ],
        lambda xp, A, X, B: xp.sum((A @ X - B) ** 2),
    ),
    Loss(
        "norm2",
        "norm2(A*x - b)",
        "x",
        {"A": "m,6", "x": "6", "b": "m"},
        [
            ("dropped summand", "A'*A*x/norm2(A*x - b)"),
            ("dropped scale", "A'*(A*x - b)"),
        ],
        lambda xp, A, x, b: _norm(xp, A @ x - b),
        beside_kink=_norm_near_zero,
    ),
    Loss(
        "x'Qx",
        "x'*Q*x",
        "x",
        {"Q": "7,7", "x": "7"},
        [
            ("assumed symmetry", "2*Q*x"),
            ("assumed symmetry", "2*Q'*x"),
            ("dropped summand", "Q*x"),
            ("dropped scale", "(Q + Q')*x/2"),
        ],
        lambda xp, Q, x: xp.sum(x * (Q @ x)),
    ),
    Loss(
        "logdet",
        "logdet(X)",
        "X",
        {"X": "5,5"},
        [
            ("assumed symmetry", "inv(X)"),
            ("assumed symmetry", "inv((X + X')/2)"),
            ("dropped scale", "adj(X)'"),
        ],
        lambda xp, X: xp.linalg.slogdet(X)[1],
    ),
    Loss(
        "logistic",
        "mean(softplus(-y .* (A*w)))",
        "w",
        {"A": "m,6", "w": "6", "y": "m"},
        [
            ("dropped scale", "-A'*(y .* sigmoid(-y .* (A*w)))"),
            ("dropped mask", "-A'*sigmoid(-y .* (A*w))/m"),
            ("output for input", "-A'*(y .* sigmoid(softplus(-y .* (A*w))))/m"),
        ],
        _logistic,
        {"y": ["pm1"]},
    ),
    Loss(
        "softmax cross-entropy",
        "mean(rowlogsumexp(X*W) - rowsum(Y .* (X*W)))",
        "W",
        {"X": "m,5", "W": "5,5", "Y": "m,5"},
        [
            ("dropped summand", f"X'*{_P}/m"),
            ("detached normaliser", "-X'*Y/m"),
            ("dropped scale", f"X'*({_P} - Y)"),
            ("output for input", f"X'*(rowsoftmax({_P}) - Y)/m"),
            ("wrong axis", "X'*(rowsoftmax((X*W)')' - Y)/m"),
        ],
        _cross_entropy,
        {"Y": ["onehot"]},
    ),
    Loss(
        "ReLU network",
        "norm2(V*relu(W*X) - Y)^2",
        "W",
        {"V": "k,m", "W": "m,n", "X": "n,p", "Y": "k,p"},
        [
            ("dropped mask", "2*V'*(V*relu(W*X) - Y)*X'"),
            ("dropped summand", "2*((V'*V*relu(W*X)) .* step(W*X))*X'"),
            ("dropped scale", "((V'*(V*relu(W*X) - Y)) .* step(W*X))*X'"),
            ("output for input", "2*((V'*(V*relu(W*X) - Y)) .* relu(W*X))*X'"),
        ],
        lambda xp, V, W, X, Y: xp.sum((V @ _relu(xp, W @ X) - Y) ** 2),
        beside_kink=_unit_near_zero,
    ),
    Loss(
        "layer norm",
        f"sum(G .* {_LAYER})",
        "Z",
        {"G": "m,n", "Z": "m,n"},
        [
            ("detached normaliser", f"(G - rowmean(G)) ./ {_S}"),
            ("dropped summand", f"(G - {_LAYER} .* rowmean(G .* {_LAYER})) ./ {_S}"),
            ("dropped scale", f"G - rowmean(G) - {_LAYER} .* rowmean(G .* {_LAYER})"),
            ("output for input", f"(G - rowmean(G) - Z .* rowmean(G .* Z)) ./ {_S}"),
            ("wrong axis", f"(G - colmean(G) - {_LAYER} .* colmean(G .* {_LAYER})) ./ {_S}"),
        ],
        lambda xp, G, Z: xp.sum(G * _normalised(xp, Z, 1)),
    ),
    Loss(
        "attention",
        f"sum(G .* ({_T}*V))",
        "Q",
        {"G": "m,p", "Q": "m,d", "K": "n,d", "V": "n,p"},
        [
            ("detached normaliser", f"{_TG}*K/2"),
            ("dropped summand", f"-({_T} .* rowsum({_TG}))*K/2"),
            ("dropped scale", f"({_TG} - {_T} .* rowsum({_TG}))*K"),
            ("dropped mask", f"(G*V' - rowsum({_TG}))*K/2"),
            ("output for input", f"(rowsoftmax({_T}) .* (G*V' - rowsum({_TG})))*K/2"),
            ("wrong axis", f"({_TG} - {_T} .* colsum({_TG}))*K/2"),
        ],
        lambda xp, G, Q, K, V: xp.sum(G * (_softmax(xp, Q @ K.T / 2) @ V)),
    ),
    Loss(
        "hinge",
        "mean(relu(1 - y .* (A*w)))",
        "w",
        {"A": "m,6", "w": "6", "y": "m"},
        [
            ("dropped mask", "-A'*y/m"),
            ("dropped scale", "-A'*(y .* step(1 - y .* (A*w)))"),
            ("dropped summand", "-A'*(y .* step(-y .* (A*w)))/m"),
            ("output for input", "-A'*(y .* relu(1 - y .* (A*w)))/m"),
        ],
        lambda xp, A, w, y: xp.mean(_relu(xp, 1 - y * (A @ w))),
        {"y": ["pm1"]},
        _margin_near_one,
    ),
    Loss(
        "batch norm",
        f"norm2({_BATCH} - Y)^2",
        "X",
        {"X": "m,n", "Y": "m,n"},
        [
            ("detached normaliser", f"({_U} - colmean({_U})) ./ {_SB}"),
            ("dropped summand", f"({_U} - {_BATCH} .* colmean({_U} .* {_BATCH})) ./ {_SB}"),
            ("dropped scale", f"{_U} - colmean({_U}) - {_BATCH} .* colmean({_U} .* {_BATCH})"),
            ("output for input", f"({_U} - colmean({_U}) - X .* colmean({_U} .* X)) ./ {_SB}"),
            (
                "wrong axis",
                f"({_U} - rowmean({_U}) - {_BATCH} .* rowmean({_U} .* {_BATCH})) ./ {_SB}",
            ),
        ],
        lambda xp, X, Y: xp.sum((_normalised(xp, X, 0) - Y) ** 2),
    ),
    Loss(
        "ridge softmax",
        "mean(rowlogsumexp(X*W) - rowsum(Y .* (X*W))) + 0.05*norm2(W)^2",
        "W",
        {"X": "m,n", "W": "n,k", "Y": "m,k"},
        [
            ("dropped summand", f"X'*({_P} - Y)/m"),
            ("dropped summand", f"X'*{_P}/m + 0.1*W"),
            ("detached normaliser", "-X'*Y/m + 0.1*W"),
            ("dropped scale", f"X'*({_P} - Y)/m + 0.05*W"),
            ("output for input", f"X'*(rowsoftmax({_P}) - Y)/m + 0.1*W"),
            ("wrong axis", "X'*(rowsoftmax((X*W)')' - Y)/m + 0.1*W"),
        ],
        lambda xp, X, W, Y: _cross_entropy(xp, X, W, Y) + 0.05 * xp.sum(W * W),
        {"Y": ["onehot"]},
    ),
)
