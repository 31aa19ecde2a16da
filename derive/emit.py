"""Expressions to NumPy functions, through ``sympy.lambdify`` with our printer and our sharing.

One call computes the value and all gradients. Column vectors are (n, 1) arrays, scalars 0-d, a
sample's column becomes a row in batched code; the dtype that comes in goes out.
"""

from __future__ import annotations

import inspect
import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy
from sympy import MatrixSymbol, Mul, Symbol

from derive.analytic import ANALYTIC_CALLS, bind_analytic
from derive.build import replace
from derive.errors import InputError
from derive.graph import is_matrix, shape_of
from derive.kernels import KERNELS, bind
from derive.layout import arranged
from derive.numpy_code import REDUCTIONS, NumPyCode, Printer
from derive.ownership import owned
from derive.passes import ready_for_code
from derive.sharing import share
from derive.stable import stable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["Emitted", "emit", "emit_value_and_grad"]

_MODULE_NAMES = ("np", "numpy")


@dataclass(frozen=True)
class Emitted:
    """A compiled function of arrays, and its source.

    ``statements`` assign intermediates, of which ``shapes`` are the shapes; ``results`` are the
    expressions returned. ``kernels`` names the functions that both call beside NumPy's, which they
    know as ``alias``.
    """

    function: Callable[..., tuple[Any, ...]]
    arguments: tuple[str, ...]
    statements: tuple[str, ...]
    shapes: tuple[tuple[Any, ...], ...]
    results: tuple[str, ...]
    kernels: tuple[str, ...]
    alias: str


def emit(
    outputs: Sequence[Any],
    variables: Mapping[str, Any],
    names: Mapping[Any, str] | None = None,
    *,
    tuned: bool = False,
    complex_safe: bool = False,
) -> Emitted:
    """Compile expressions into one NumPy function that returns them as a tuple.

    The function changes no argument, and what it returns shares no memory with one.

    Args:
        outputs: scalars and matrices over the variables.
        variables: the arguments in order, by name.
        names: names for intermediate values, by expression.
        tuned: whether code should be fast in a loop over small arrays rather than readable.
        complex_safe: whether the code should take complex steps, through every function: it then
            calls those of ``derive.analytic``, which a person need not read.

    Raises:
        RefusedError: where a size is needed that no argument has.

    >>> from derive.language import read_formula
    >>> formula = read_formula("norm2(relu(W*x))^2")
    >>> emitted = emit([formula.expr], formula.variables)
    >>> emitted.statements, emitted.results
    ((), ('np.sum(np.square(_relu(W @ x)))',))
    """
    symbols = _arguments(variables)
    renamed = {variables[name]: symbols[name] for name in variables}
    wanted = [*outputs, *(names or {})]
    if any(variable is not symbol for variable, symbol in renamed.items()):
        wanted = [replace(expr, renamed) for expr in wanted]
    ready = ready_for_code(stable(wanted), len(outputs))
    preferred = dict(zip(ready[len(outputs) :], (names or {}).values(), strict=True))
    arguments = tuple(symbol.name for symbol in symbols.values())
    alias, sizes = _alias(arguments), _size_code(symbols.values())
    named, results = share(ready[: len(outputs)], preferred, {*arguments, alias, *map(str, sizes)})
    if tuned:
        named, results = arranged(named, results)
    results = owned(results, tuple(symbols.values()))
    dtype = _dtype_code(symbols.values(), alias)
    calls = {'solve': '{np}.linalg.solve({0}, {1})', **(REDUCTIONS if tuned else {}), **(ANALYTIC_CALLS if complex_safe else {})}
    code = NumPyCode(sizes, alias, dtype, calls)
    return _compiled(tuple(symbols.values()), named, results, code)


def _compiled(
    symbols: tuple[Any, ...], named: list[tuple[Any, Any]], results: list[Any], code: NumPyCode
) -> Emitted:
    """Let lambdify write and compile the function that computes named values and results."""
    function = sympy.lambdify(
        symbols,
        (),  # lambdify would walk the expression, as a tree and by recursion
        modules=[_namespace(code.alias)],
        printer=Printer(code),
        cse=lambda _, **__: (named, tuple(results)),
    )
    statements, returned = _body(inspect.getsource(function), len(results))
    text = "\n".join((*statements, *returned))
    kernels = tuple(name for name in KERNELS if re.search(rf"\b{name}\(", text))
    shapes = tuple(shape_of(symbol) for symbol, _ in named)
    arguments = tuple(symbol.name for symbol in symbols)
    return Emitted(function, arguments, statements, shapes, returned, kernels, code.alias)


def emit_value_and_grad(derivation: Any) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Compile a derivation into ``value_and_grad(**variables) -> (value, {name: derivative})``.

    Directions, where derivatives are along some, are arguments after the variables.

    The function raises an ``InputError`` for an array of another shape than its variable's: with a
    vector of one axis NumPy would broadcast, and compute something else.
    """
    variables = {**derivation.formula.variables, **derivation.directions}
    outputs = (derivation.formula.expr, *derivation.gradient.values())
    names = tuple(derivation.gradient)
    emitted = emit(outputs, variables, value_names(derivation))
    signature = inspect.signature(emitted.function)

    def value_and_grad(*arguments: Any, **named: Any) -> tuple[Any, dict[str, Any]]:
        given = signature.bind(*arguments, **named).args
        value, *gradients = emitted.function(*_fitting(variables, given))
        return value, dict(zip(names, gradients, strict=True))

    return value_and_grad


def _fitting(variables: Mapping[str, Any], arguments: Sequence[Any]) -> list[Any]:
    """Return the arguments, integers as floating-point numbers; refuse those that do not fit."""
    import numpy

    arrays = [numpy.asarray(argument) for argument in arguments]
    dtypes = [array.dtype for array in arrays if array.dtype.kind == "f" and array.ndim]
    floating = numpy.result_type(*dtypes) if dtypes else numpy.dtype(float)
    sizes = _sizes(variables, arrays)
    fitting: list[Any] = []
    for (name, variable), argument, array in zip(variables.items(), arguments, arrays, strict=True):
        shape = shape_of(variable)
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name}: expected real numbers, got an array of {array.dtype}.")
        expected = tuple(size.xreplace(sizes) for size in shape)
        if array.shape != expected:
            raise InputError(
                f"{name}: expected shape ({', '.join(map(str, expected))}), got {array.shape}. "
                "A column vector is an array of shape (n, 1): reshape(-1, 1) makes one."
            )
        if array.ndim:
            fitting.append(array if array.dtype.kind == "f" else array.astype(floating))
        else:
            fitting.append(argument if array.dtype.kind == "f" else float(array))
    return fitting


def _sizes(variables: Mapping[str, Any], arrays: Sequence[Any]) -> dict[Any, Any]:
    """Return the number of every symbolic size, as the first array says that has it."""
    sizes: dict[Any, Any] = {}
    given = dict(zip(variables, arrays, strict=True))
    for size, name, axis, others in _sources(variables):
        number, divisor = given[name].shape[axis : axis + 1], others.xreplace(sizes)
        if number and divisor.is_Integer:
            sizes[size] = sympy.Integer(number[0] // int(divisor))
    return sizes


def _sources(variables: Mapping[str, Any]) -> Iterator[tuple[Any, str, int, Any]]:
    """Yield every symbolic size, a variable and an axis that has it, and what it is times there.

    That is 1 where a variable has the size; else it is a product of sizes that come before.
    """
    found: set[Any] = set()
    shapes = [(n, axis, s) for n, v in variables.items() for axis, s in enumerate(shape_of(v))]
    for bare in (True, False):
        for name, axis, size in shapes:
            new = size.free_symbols - found
            if len(new) == 1 and size.is_Symbol is bare:
                (symbol,) = new
                others = size / symbol
                if not others.has(symbol):
                    found.add(symbol)
                    yield symbol, name, axis, others


def value_names(derivation: Any) -> dict[Any, str]:
    """Return the names that a derivation gives to intermediate values, by expression."""
    program = derivation.program
    return {
        expr: symbol.name
        for symbol, expr in program.expanded.items()
        if symbol is not program.function.symbol
    }


def _arguments(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the symbols that are the arguments; a keyword of Python gets a trailing ``_``."""
    symbols: dict[str, Any] = {}
    for name, variable in variables.items():
        free = name
        while keyword.iskeyword(free) or (free != name and free in variables):
            free += "_"
        if free == name:
            symbols[name] = variable
        elif is_matrix(variable):
            symbols[name] = MatrixSymbol(free, *variable.shape)
        else:
            symbols[name] = Symbol(free, real=True)
    return symbols


def _size_code(symbols: Any) -> dict[Any, str]:
    """Say how code finds each symbolic size: in the shape of an argument that has it."""
    found: dict[Any, str] = {}
    for size, name, axis, others in _sources({symbol.name: symbol for symbol in symbols}):
        found[size] = f"{name}.shape[{axis}]"
        if others != 1:
            factors = [str(f) if f.is_Integer else found[f] for f in Mul.make_args(others)]
            found[size] = f"({found[size]} // ({' * '.join(factors)}))"
    return found


def _dtype_code(symbols: Iterable[Any], alias: str) -> str:
    """Say how code finds the dtype of constants: the arguments', or float where they are whole."""
    found = sorted(symbols, key=lambda symbol: not is_matrix(symbol))
    return f"{alias}.result_type({found[0].name}, 0.5)" if found else "float"


def _alias(arguments: Sequence[str]) -> str:
    """Return a name for NumPy that no argument has."""
    alias = next((name for name in _MODULE_NAMES if name not in arguments), "numpy_")
    while alias in arguments:
        alias += "_"
    return alias


def _namespace(alias: str) -> dict[str, Any]:
    import numpy

    return {alias: numpy, **bind(numpy), **bind_analytic(numpy)}


def _body(source: str, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the source that lambdify wrote into its statements and what it returns."""
    lines = [line.strip() for line in source.strip().splitlines()[1:]]
    returned = lines[-1].removeprefix("return ")
    return tuple(lines[:-1]), tuple(_split(returned, count))


def _split(text: str, count: int) -> list[str]:
    """Split a printed tuple at its outermost commas."""
    inside = text.strip()[1:-1]
    parts, depth, start = [], 0, 0
    for i, character in enumerate(inside):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(inside[start:i].strip())
            start = i + 1
    parts.append(inside[start:].strip())
    return [part for part in parts if part][:count]
