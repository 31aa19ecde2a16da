"""Value and gradients of L = crossentropy(softmax(W*x + b), y).

Their means over N samples, one a row:

    L = -sum(y .* log(rowsoftmax(x*W' + b')))/N

    W: (m, n)
    x: (N, n)
    b: (m, 1)
    y: (N, m)

    dL/dW = (rowsoftmax(x*W' + b') - y)'*x/N
    dL/db = colmean(rowsoftmax(x*W' + b') - y)'

The gradient by W holds with sum(y) = 1.
The gradient by b holds with sum(y) = 1.

By W, checked: equal to the derivative entry by entry; differences at 3 points of size 3x4,
    worst error 1.3e-14.
By b, checked: equal to the derivative entry by entry; differences at 3 points of size 3x4,
    worst error 1.3e-14.
The code for N samples was compared with a loop over single samples.

Written by chainrule 0.0.0.
"""

import numpy as np


def value(W, x, b, y):
    """Return the value."""
    z = x @ W.T + b.T  # (N, m)
    t1 = z - np.max(z, axis=1, keepdims=True)  # (N, m)
    return -np.sum(y * (t1 - np.log(np.sum(np.exp(t1), axis=1, keepdims=True)))) / x.shape[0]


def value_and_grad(W, x, b, y):
    """Return the value, and the gradients by name."""
    z = x @ W.T + b.T  # (N, m)
    t1 = z - np.max(z, axis=1, keepdims=True)  # (N, m)
    t2 = np.exp(t1)  # (N, m)
    t3 = np.sum(t2, axis=1, keepdims=True)  # (N, 1)
    s = t2 / t3  # (N, m)
    t4 = (s - y) / x.shape[0]  # (N, m)
    result = -np.sum(y * (t1 - np.log(t3))) / x.shape[0]
    gradients = {
        "W": t4.T @ x,
        "b": np.sum(t4.T, axis=1, keepdims=True),
    }
    return result, gradients


# A point in the formula's domain, at which the module checks itself.
POINT = {
    "W": [[0.5, -1.25], [-0.75, 2.0], [1.5, 0.25]],
    "x": [[1.0, -0.5], [0.25, 2.0]],
    "b": [[0.125], [-1.0], [0.5]],
    "y": [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
}


def _difference(name, index, step):
    """Return the central difference of value by one entry, extrapolated once (Richardson)."""
    estimates = []
    for part in (step, step / 2):
        sides = []
        for side in (part, -part):
            moved = {key: np.array(entries, dtype=float) for key, entries in POINT.items()}
            moved[name][index] += side
            sides.append(float(value(**moved)))
        estimates.append((sides[0] - sides[1]) / (2 * part))
    return (4 * estimates[1] - estimates[0]) / 3


def _check():
    """Compare every gradient with differences of value, print the errors, return 0 or 1."""
    point = {key: np.array(entries, dtype=float) for key, entries in POINT.items()}
    result, gradients = value_and_grad(**point)
    result, alone = float(result), float(value(**point))
    failed = not abs(result - alone) <= 1e-9 * abs(result) < np.inf  # NaN fails too
    if failed:
        print(f"value: {alone} alone, {result} with the gradients, WRONG")
    for name, gradient in zip(("W", "b"), gradients.values()):
        worst, size = 0.0, 1e-6 * abs(result)
        for index in np.ndindex(point[name].shape):
            # A large step may cross a kink or leave the domain, a small one drowns in round-off.
            found = [_difference(name, index, step) for step in (1e-2, 1e-4, 1e-6)]
            claimed = float(np.asarray(gradient)[index])
            errors = [abs(claimed - difference) for difference in found]
            worst = np.maximum(worst, np.fmin.reduce(errors))  # NaN where all errors are
            size = max(size, abs(found[1]))
        right = np.shape(gradient) == point[name].shape and worst <= 1e-6 * size < np.inf
        print(f"gradient by {name}: error {worst:.1e}, {'right' if right else 'WRONG'}")
        failed = failed or not right
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(_check())
