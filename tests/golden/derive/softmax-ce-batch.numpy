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


def _real(u):
    """Return the real part; the arrays of some libraries have none where all are real."""
    return getattr(u, "real", u)


def _rowmax(x):
    """Return the largest entry of each row, as a column."""
    xp = _namespace(x)
    largest = xp.amax if hasattr(xp, "amax") else xp.max  # torch's max returns places too
    return largest(x, axis=1, keepdims=True)


def _rowless_one(e, q):
    """Return q - 1 without rounding, where q sums the rows of e, whose largest entries are 1."""
    xp = _namespace(e)
    others = xp.sum(xp.where(e == 1, 0, e), axis=1, keepdims=True)
    return others + (xp.round(_real(q - others)) - 1)


# The arguments' shapes: a letter is one number wherever it stands.
_SHAPES = {
    "W": ("m", "n"),
    "x": ("N", "n"),
    "b": ("m", 1),
    "y": ("N", "m"),
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


def value(W, x, b, y):
    """Return the value."""
    _check_shapes(W=W, x=x, b=b, y=y)
    xp = _namespace(W, x, b, y)
    z = x @ W.T + b.T  # (N, m)
    t1 = z - _rowmax(z)  # (N, m)
    t2 = xp.exp(t1)  # (N, m)
    return (
        -xp.sum(y * (t1 - xp.log1p(_rowless_one(t2, xp.sum(t2, axis=1, keepdims=True)))))
        / x.shape[0]
    )


def value_and_grad(W, x, b, y):
    """Return the value, and the gradients by name."""
    _check_shapes(W=W, x=x, b=b, y=y)
    xp = _namespace(W, x, b, y)
    z = x @ W.T + b.T  # (N, m)
    t1 = z - _rowmax(z)  # (N, m)
    t2 = xp.exp(t1)  # (N, m)
    t3 = xp.sum(t2, axis=1, keepdims=True)  # (N, 1)
    s = t2 / t3  # (N, m)
    t4 = s - y  # (N, m)
    result = -xp.sum(y * (t1 - xp.log1p(_rowless_one(t2, t3)))) / x.shape[0]
    gradients = {
        "W": (t4.T @ x) / x.shape[0],
        "b": (xp.sum(t4, axis=0, keepdims=True) / x.shape[0]).T,
    }
    return result, gradients


# A point in the formula's domain, at which the module checks itself.
POINT = {
    "W": [[0.5, -1.25], [-0.75, 2.0], [1.5, 0.25]],
    "x": [[1.0, -0.5], [0.25, 2.0]],
    "b": [[0.125], [-1.0], [0.5]],
    "y": [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
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
        _is_right("gradient", "b", value, _moves("b", derivatives["b"], _gradient)),
    ]
    return int(not all(right))


if __name__ == "__main__":
    raise SystemExit(_check())
