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


def _relu(u):
    """Return max(u, 0)."""
    return _namespace(u).clip(u, 0, None)


# The arguments' shapes: a letter is one number wherever it stands.
_SHAPES = {
    "W": ("m", "n"),
    "x": ("n", 1),
}


def _check_shapes(**arrays):
    """Refuse arrays of other shapes, which a library might stretch to something else."""
    sizes = {}
    for name, array in arrays.items():
        expected = _SHAPES[name]
        found = array.shape if hasattr(array, "shape") else np.shape(array)
        fits = len(found) == len(expected)
        for axis, number in enumerate(found if fits else ()):
            size = expected[axis]
            known = sizes.setdefault(size, number) if isinstance(size, str) else size
            if number != known and isinstance(number, int) and isinstance(known, int):
                fits = False  # what is no integer, dask does not know yet
        if not fits:
            shape = f"({', '.join(map(str, expected))})"
            known = ", ".join(f"{size} = {number}" for size, number in sizes.items())
            raise ValueError(
                f"{name}: expected shape {shape}{' where ' if known else ''}{known}, got "
                f"{tuple(found)}. A column is an array of shape (n, 1), as reshape(-1, 1) makes "
                "one; the shapes of all arguments stand in this module's docstring."
            )


def value(W, x):
    """Return the value."""
    _check_shapes(W=W, x=x)
    xp = _namespace(W, x)
    z = W @ x  # (m, 1)
    a = _relu(z)  # (m, 1)
    return xp.sum(xp.square(a))


def value_and_grad(W, x):
    """Return the value, and the gradients by name."""
    _check_shapes(W=W, x=x)
    xp = _namespace(W, x)
    z = W @ x  # (m, 1)
    a = _relu(z)  # (m, 1)
    t1 = 2 * a  # (m, 1)
    result = xp.sum(xp.square(a))
    gradients = {
        "W": t1 * x.T,
        "x": W.T @ t1,
    }
    return result, gradients


# A point in the formula's domain, at which the module checks itself.
POINT = {
    "W": [[0.5, -1.25], [-0.75, 2.0], [1.5, 0.25]],
    "x": [[1.0], [-0.5]],
}


def _slope(function, name, direction, step):
    """Return the central difference along a direction, extrapolated once (Richardson)."""
    estimates = []
    for part in (step, step / 2):
        sides = []
        for side in (part, -part):
            moved = {key: np.array(entries, dtype=float) for key, entries in POINT.items()}
            moved[name] = moved[name] + side * direction
            sides.append(np.asarray(function(**moved)))
        estimates.append((sides[0] - sides[1]) / (2 * part))
    return (4 * estimates[1] - estimates[0]) / 3


def _is_right(what, name, function, moves):
    """Compare what is claimed along directions with differences, and print the worst error."""
    point = {key: np.array(entries, dtype=float) for key, entries in POINT.items()}
    worst, size = 0.0, 1e-6 * np.max(np.abs(function(**point)))
    for direction, claimed in moves:
        # A large step may cross a kink or leave the domain, a small one drowns in round-off.
        found = [_slope(function, name, direction, step) for step in (1e-2, 1e-4, 1e-6)]
        gaps = [np.reshape(claimed, slope.shape) - slope for slope in found]
        errors = [np.max(np.abs(gap)) for gap in gaps]
        worst = np.maximum(worst, np.fmin.reduce(errors))  # NaN where all errors are
        size = max(size, np.max(np.abs(found[1])))
    right = bool(worst <= 1e-6 * size < np.inf)
    print(f"{what} by {name}: error {worst:.1e}, {'right' if right else 'WRONG'}")
    return right


def _moves(name, derivative, along, tied=lambda unit: unit):
    """Yield the directions that a variable may move in, each with the derivative along it."""
    shape = np.shape(POINT[name])
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        direction = tied(unit)
        if np.any(direction):
            yield direction, along(np.asarray(derivative), direction)


def _gradient(gradient, direction):
    """Return the rate of a scalar along a direction, NaN from a gradient of another shape."""
    if gradient.shape != np.shape(direction):
        return np.nan
    moved = np.asarray(direction) != 0
    return np.sum(gradient[moved] * np.asarray(direction)[moved])


def _check():
    """Compare every derivative with differences, print the errors, return 0 or 1."""
    point = {key: np.array(entries, dtype=float) for key, entries in POINT.items()}
    result, derivatives = value_and_grad(**point)
    alone = value(**point)
    finite = np.all(np.isfinite(result)) and np.all(np.isfinite(alone))
    if not finite or np.max(np.abs(result - alone)) > 1e-9 * np.max(np.abs(result)):
        print(f"value: {alone} alone, {result} with the derivatives, WRONG")
        return 1
    right = [
        _is_right("gradient", "W", value, _moves("W", derivatives["W"], _gradient)),
        _is_right("gradient", "x", value, _moves("x", derivatives["x"], _gradient)),
    ]
    return int(not all(right))


if __name__ == "__main__":
    raise SystemExit(_check())
