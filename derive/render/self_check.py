"""The end of a standalone module: a point, at which differences are held against derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derive.render.python_lines import statement
from derive.symbols import DERIVATIVE, DIRECTIONAL, HESSIAN, HESSIAN_VECTOR, JACOBIAN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.derivation import Result

__all__ = ["self_check"]

_HEAD = '''

# A point in the formula's domain, at which the module checks itself.
POINT = {point}
{directions}

def _slope(function, name, direction, step):
    """Return the central difference along a direction, extrapolated once (Richardson)."""
    estimates = []
    for part in (step, step / 2):
        sides = []
        for side in (part, -part):
            moved = {{key: np.array(entries, dtype=float) for key, entries in POINT.items()}}
            moved[name] = moved[name] + side * direction
            sides.append(np.asarray(function(**moved)))
        estimates.append((sides[0] - sides[1]) / (2 * part))
    return (4 * estimates[1] - estimates[0]) / 3


def _is_right(what, name, function, moves):
    """Compare what is claimed along directions with differences, and print the worst error."""
    point = {{key: np.array(entries, dtype=float) for key, entries in POINT.items()}}
    worst, size = 0.0, 1e-6 * np.max(np.abs(function(**point)))
    for direction, claimed in moves:
        # A large step may cross a kink or leave the domain, a small one drowns in round-off.
        found = [_slope(function, name, direction, step) for step in (1e-2, 1e-4, 1e-6)]
        gaps = [np.reshape(claimed, slope.shape) - slope for slope in found]
        errors = [np.max(np.abs(gap)) for gap in gaps]
        worst = np.maximum(worst, np.fmin.reduce(errors))  # NaN where all errors are
        size = max(size, np.max(np.abs(found[1])))
    right = bool(worst <= 1e-6 * size < np.inf)
    print(f"{{what}} by {{name}}: error {{worst:.1e}}, {{'right' if right else 'WRONG'}}")
    return right
'''

_DIRECTIONS = "DIRECTIONS = {directions}\n"
_AS_ARRAYS = "    directions = {name: np.array(entries) for name, entries in DIRECTIONS.items()}\n"

_MOVES = '''

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
'''

_JACOBIAN = '''

def _jacobian(matrix, direction):
    """Return the rate of a vector along a direction."""
    return matrix @ np.ravel(direction)
'''

_CHECK = '''

def _check():
    """Compare every derivative with differences, print the errors, return 0 or 1."""
    point = {{key: np.array(entries, dtype=float) for key, entries in POINT.items()}}
{arrays}    result, derivatives = value_and_grad(**point{given})
    alone = value(**point)
    finite = np.all(np.isfinite(result)) and np.all(np.isfinite(alone))
    if not finite or np.max(np.abs(result - alone)) > 1e-9 * np.max(np.abs(result)):
        print(f"value: {{alone}} alone, {{result}} with the derivatives, WRONG")
        return 1
{seconds}    right = [
{lines}
    ]
    return int(not all(right))


if __name__ == "__main__":
    raise SystemExit(_check())
'''

# How the other entries of a structured matrix follow those on and below the diagonal.
_TIED = {
    "symmetric": "lambda unit: np.tril(unit) + np.tril(unit, -1).T",
    "skew": "lambda unit: np.tril(unit, -1) - np.tril(unit, -1).T",
    "diagonal": "lambda unit: unit * np.eye(len(unit))",
    "lower": "np.tril",
}
_ALONG_ONE = (DERIVATIVE, DIRECTIONAL, HESSIAN_VECTOR)


def self_check(
    firsts: Sequence[Result],
    seconds: Sequence[Result],
    matrices: Sequence[Result],
    arguments: Mapping[str, str],
    point: str,
    directions: str,
) -> str:
    """Return the text of a module's check of itself.

    Args:
        firsts: what ``value_and_grad`` returns beside the value.
        seconds: what ``hessian`` returns, if anything.
        matrices: what ``hessian_matrix`` returns, if there is such a function.
        arguments: the module's names of the variables.
        point: the literal of a point, by the module's names.
        directions: the literal of the directions by name, empty where there are none.
    """
    given = ", **directions" if directions else ""
    lines = [line for r in firsts for line in _lines(r, "derivatives", "value", arguments)]
    second = f"    seconds = hessian(**point{given})\n" if seconds else ""
    for result in seconds:
        gradient = f'lambda **at: value_and_grad(**at)[1]["{result.wrt}"]'
        lines += _lines(result, "seconds", gradient, arguments)
    if matrices:
        second += "    matrices = hessian_matrix(**point)\n"
        lines += [line for result in matrices for line in _matrix_lines(result, arguments)]
    every = [*firsts, *seconds]
    literals = directions and _DIRECTIONS.format(directions=directions)
    parts = [_HEAD.format(point=point, directions=literals)]
    parts += [_MOVES] * any(result.kind not in _ALONG_ONE for result in every)
    parts += [_JACOBIAN] * any(_is_matrix(result) for result in every)
    given = "" if seconds else given
    arrays = _AS_ARRAYS if directions else ""
    parts.append(_CHECK.format(arrays=arrays, given=given, seconds=second, lines="\n".join(lines)))
    return "".join(parts)


def _matrix_lines(result: Result, arguments: Mapping[str, str]) -> list[str]:
    """Return the call that checks a Hessian by a matrix, as a matrix."""
    name = arguments[result.wrt]
    direction = f'directions["{result.direction.name}"]'
    gradient = f'lambda **at: value_and_grad(**at)[1]["{result.wrt}"]'
    moves = f'[({direction}, matrices["{result.wrt}"] @ np.ravel({direction}))]'
    return statement("", f'_is_right("hessian matrix", "{name}", {gradient}, {moves})', ",", 8)


def _is_matrix(result: Result) -> bool:
    return result.kind == JACOBIAN or (result.kind == HESSIAN and bool(result.shape))


def _lines(result: Result, where: str, function: str, arguments: Mapping[str, str]) -> list[str]:
    """Return the call that checks one derivative."""
    name, claimed = arguments[result.wrt], f'{where}["{result.wrt}"]'
    if result.kind in _ALONG_ONE:
        direction = "1.0" if result.direction is None else f'directions["{result.direction.name}"]'
        moves = f"[({direction}, {claimed})]"
    elif result.structure is None:
        along = "_jacobian" if _is_matrix(result) else "_gradient"
        moves = f'_moves("{name}", {claimed}, {along})'
    else:
        tied, along = _TIED[result.structure.name], "_gradient"
        if result.structure.convention == "entrywise":
            along = "lambda g, direction: _gradient(g, np.tril(direction))"
        moves = f'_moves("{name}", {claimed}, {along}, {tied})'
    call = f'_is_right("{result.kind}", "{name}", {function}, {moves})'
    return statement("", call, ",", 8)
