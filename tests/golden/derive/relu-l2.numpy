"""Value and gradients of f = norm2(relu(W*x))^2.

    W: (m, n)
    x: (n, 1)

    df/dW = 2*relu(W*x)*x'
    df/dx = 2*W'*relu(W*x)

The gradient by W holds with step(0) = 0.
The gradient by x holds with step(0) = 0.

By W, checked: equal to the derivative entry by entry; differences at 3 points of size 3x4,
    worst error 1.3e-14.
By x, checked: equal to the derivative entry by entry; differences at 3 points of size 3x4,
    worst error 1.3e-14.

Written by chainrule 0.0.0.
"""

import numpy as np


def _relu(u):
    """Return max(u, 0)."""
    return np.maximum(u, 0)


def value(W, x):
    """Return the value."""
    z = W @ x  # (m, 1)
    a = _relu(z)  # (m, 1)
    return np.sum(np.square(a))


def value_and_grad(W, x):
    """Return the value, and the gradients by name."""
    z = W @ x  # (m, 1)
    a = _relu(z)  # (m, 1)
    t1 = 2 * a  # (m, 1)
    result = np.sum(np.square(a))
    gradients = {
        "W": t1 @ x.T,
        "x": W.T @ t1,
    }
    return result, gradients


# A point in the formula's domain, at which the module checks itself.
POINT = {
    "W": [[0.5, -1.25], [-0.75, 2.0], [1.5, 0.25]],
    "x": [[1.0], [-0.5]],
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
    for name, gradient in zip(("W", "x"), gradients.values()):
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
