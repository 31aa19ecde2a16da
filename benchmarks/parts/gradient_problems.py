"""Seven families of losses: their formulas in the language, data of a size, and a person's NumPy.

`draw` returns float64 arrays by the formula's names, a sample a row where the formula is of one
sample; `by_hand` takes them in any dtype and returns the value and the gradients in the order of
`wrt`. Where `rate` is set, arrays of the data have one axis more, of mini-batches, and what is
asked for is an epoch of gradient descent: the sum of losses and the parameters after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from numeric.data import load, one_hot, scale

from . import by_hand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Problem:
    """A loss; `sizes` are those that are measured, `small` those of a test."""

    name: str
    formula: str
    wrt: tuple[str, ...]
    shapes: Mapping[str, str]
    sizes: Mapping[str, int]
    small: Mapping[str, int]
    draw: Callable[..., dict[str, np.ndarray]]
    by_hand: Callable[..., tuple[float, tuple[np.ndarray, ...]]]
    loss: str = ""  # the name of the peers' function; by default that of `by_hand`
    batch: tuple[str, ...] = ()
    assume: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rate: float | None = None

    @property
    def peer(self):
        """The name of the function in which the peers have the loss."""
        return self.loss or self.by_hand.__name__

    def point(self, sizes, dtype="float32"):
        """Return the arguments, the same ones for the same sizes."""
        drawn = self.draw(np.random.default_rng(0), **sizes)
        return {name: np.ascontiguousarray(array, dtype) for name, array in drawn.items()}


def squares(normal, n):
    return {"W": normal.standard_normal((n, n)), "x": normal.standard_normal((n, 1))}


def signs(normal, n, d):
    X, w = normal.standard_normal((n, d)), 0.05 * normal.standard_normal((d, 1))
    return {"y": np.where(normal.standard_normal((n, 1)) > 0, 1, -1), "X": X, "w": w}


def signs_by_sample(normal, n, d):
    drawn = signs(normal, n, d)
    return {"y": drawn["y"], "w": drawn["w"], "x": drawn["X"]}


def digits(normal, n, batch=None):
    """Return MNIST's first images, whole or in batches, and parameters."""
    train = load(limit=n, validation=0).train
    x, y = scale(train.images, "float64"), one_hot(train.labels, 10, "float64")
    if batch:
        whole = n // batch * batch
        x, y = (array[:whole].reshape(-1, batch, array.shape[1]) for array in (x, y))
    W = 0.01 * normal.standard_normal((10, 784))
    return {"W": W, "x": x, "b": 0.01 * normal.standard_normal((10, 1)), "y": y}


def network(normal, n, hidden):
    data = digits(normal, n)
    return {
        "V": 0.05 * normal.standard_normal((10, hidden)),
        "W": 0.05 * normal.standard_normal((hidden, 784)),
        "x": data["x"],
        "b": normal.standard_normal((hidden, 1)),
        "c": normal.standard_normal((10, 1)),
        "y": data["y"],
    }


def factors(normal, m, n, k):
    shapes = {"U": (m, k), "V": (n, k), "T": (m, n)}
    return {name: normal.standard_normal(shape) for name, shape in shapes.items()}


def head(normal, n, d):
    return {name: normal.standard_normal((n, d)) for name in "GQKV"}


def sample(normal, n, d):
    x, root = normal.standard_normal((n, d)), normal.standard_normal((d, d)) / np.sqrt(d)
    return {"S": root @ root.T + np.eye(d), "x": x, "u": 0.1 * normal.standard_normal((d, 1))}


SOFTMAX = {
    "formula": "crossentropy(softmax(W*x + b), y)",
    "wrt": ("W", "b"),
    "shapes": {"W": "k,d", "x": "d", "b": "k", "y": "k"},
    "batch": ("x", "y"),
    "assume": {"y": ("onehot",)},
    "draw": digits,
    "by_hand": by_hand.softmax_regression,
}

PROBLEMS = (
    Problem(
        "relu-l2, 1000",
        "norm2(relu(W*x))^2",
        ("W", "x"),
        {"W": "m,n", "x": "n"},
        {"n": 1000},
        {"n": 7},
        squares,
        by_hand.relu_l2,
    ),
    Problem(
        "logistic, 10⁴×10³",
        "mean(softplus(-y .* (X*w)))",
        ("w",),
        {"y": "n", "X": "n,d", "w": "d"},
        {"n": 10_000, "d": 1000},
        {"n": 9, "d": 4},
        signs,
        by_hand.logistic,
    ),
    Problem(
        "the same from one sample",
        "softplus(-y * (w'*x))",
        ("w",),
        {"y": "scalar", "w": "d", "x": "d"},
        {"n": 10_000, "d": 1000},
        {"n": 9, "d": 4},
        signs_by_sample,
        by_hand.logistic_by_sample,
        batch=("x", "y"),
    ),
    Problem(
        "softmax, MNIST epoch of 128",
        sizes={"n": 60_000, "batch": 128},
        small={"n": 24, "batch": 8},
        rate=0.3,
        **SOFTMAX,
    ),
    Problem("softmax, MNIST, all 60,000", sizes={"n": 60_000}, small={"n": 20}, **SOFTMAX),
    Problem(
        "network 784-256-10, N 256",
        "crossentropy(softmax(V*relu(W*x + b) + c), y)",
        ("V", "W", "b", "c"),
        {"V": "k,h", "W": "h,d", "x": "d", "b": "h", "c": "k", "y": "k"},
        {"n": 256, "hidden": 256},
        {"n": 8, "hidden": 6},
        network,
        by_hand.network,
        batch=("x", "y"),
        assume={"y": ("onehot",)},
    ),
    Problem(
        "factorisation 1000×800, k 20",
        "norm2(U*V' - T)^2",
        ("U", "V"),
        {"U": "m,k", "V": "n,k", "T": "m,n"},
        {"m": 1000, "n": 800, "k": 20},
        {"m": 7, "n": 5, "k": 3},
        factors,
        by_hand.factorisation,
    ),
    Problem(
        "attention head 512×64",
        "sum(G .* (softmax(Q*K'/sqrt(d))*V))",
        ("Q", "K", "V"),
        dict.fromkeys("GQKV", "n,d"),
        {"n": 512, "d": 64},
        {"n": 6, "d": 4},
        head,
        by_hand.attention,
    ),
    Problem(
        "Gaussian, N 2000, d 64",
        "logdet(S)/2 + (x - u)'*inv(S)*(x - u)/2",
        ("u", "S"),
        {"S": "d,d", "x": "d", "u": "d"},
        {"n": 2000, "d": 64},
        {"n": 9, "d": 4},
        sample,
        by_hand.gaussian,
        batch=("x",),
        assume={"S": ("spd",)},
    ),
)
