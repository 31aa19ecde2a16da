"""Expressions to NumPy functions, through ``sympy.lambdify`` with our printer and our sharing.

One call computes the value and all gradients. Column vectors are (n, 1) arrays, scalars 0-d, a
sample's column becomes a row in batched code; the dtype that comes in goes out. The function runs
on the arrays of NumPy, torch, JAX, CuPy and dask: it calls the library of its arguments.

From expressions to code, in this order:

1. stable forms of what cancels or overflows (``derive.stable``);
2. what an expert would write (``derive.passes``);
3. values that recur get names, over the value and all gradients at once (``derive.sharing``);
4. in code for a loop, the memory order of each matrix (``derive.layout``) and sums of products
   along rows (``derive.row_products``): both need to know what has a name;
5. results that would be an argument's memory are copied (``derive.ownership``);
6. printing (``derive.numpy_code``), and ``sympy.lambdify``.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy
from sympy import MatrixSymbol, Mul, Symbol
from sympy.printing.numpy import NumPyPrinter

from derive.analytic import ANALYTIC_CALLS, bind_analytic
from derive.build import replace
from derive.chain_order import assumed_sizes, assuming
from derive.graph import is_matrix, shape_of
from derive.kernels import bind, kernels_in
from derive.layout import arranged
from derive.library_calls import NUMPY, PORTABLE, REDUCTIONS
from derive.numpy_code import NumPyCode
from derive.ownership import owned
from derive.passes import ready_for_code
from derive.row_products import with_row_products
from derive.sharing import share
from derive.stable import stable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

__all__ = ["Emitted", "compiled", "emit", "size_sources", "value_names"]


@dataclass(frozen=True)
class Emitted:
    """A compiled function of arrays, and its source.

    ``library`` is the statement that finds the arguments' library, where it is used;
    ``statements`` assign intermediates, of which ``shapes`` are the shapes; ``results`` are the
    expressions returned; ``argument_shapes`` are the arguments' shapes. ``kernels`` names the
    functions that the expressions call beside the library's.
    NumPy is known to all of them as ``alias``.
    """

    function: Callable[..., tuple[Any, ...]]
    arguments: tuple[str, ...]
    argument_shapes: tuple[tuple[Any, ...], ...]
    library: str
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
    portable: bool = True,
    tuned: bool = False,
    complex_safe: bool = False,
) -> Emitted:
    """Compile expressions into one function of arrays that returns them as a tuple.

    The function changes no argument, and what it returns shares no memory with one.

    Args:
        outputs: scalars and matrices over the variables.
        variables: the arguments in order, by name.
        names: names for intermediate values, by expression.
        portable: whether the function takes the arrays of any library, or NumPy's alone.
        tuned: whether code should be fast in a loop over NumPy's small arrays rather than readable.
        complex_safe: whether the code should take complex steps, through every function: it then
            calls those of ``derive.analytic``, which a person need not read.

    Raises:
        RefusedError: where a size is needed that no argument has.

    >>> from derive.language import read_formula
    >>> formula = read_formula("norm2(relu(W*x))^2")
    >>> emitted = emit([formula.expr], formula.variables)
    >>> emitted.statements, emitted.results
    ((), ('xp.sum(xp.square(_relu(W @ x)))',))
    >>> emitted.library
    'xp = _namespace(W, x)'
    """
    symbols = _arguments(variables)
    renamed = {variables[name]: symbols[name] for name in variables}
    wanted = [*outputs, *(names or {})]
    if any(variable is not symbol for variable, symbol in renamed.items()):
        wanted = [replace(expr, renamed) for expr in wanted]
    arguments = tuple(symbol.name for symbol in symbols.values())
    alias = _free(("np", "numpy"), arguments)
    portable = portable and not tuned
    xp = _free(("xp",), {*arguments, *(names or {}).values()}) if portable else alias
    sizes = _size_code(symbols.values())
    taken = {*arguments, alias, xp, *map(str, sizes)}
    wanted = stable(wanted)
    with assuming(assumed_sizes(wanted)):
        ready = ready_for_code(wanted, len(outputs))
        preferred = dict(zip(ready[len(outputs) :], (names or {}).values(), strict=True))
        named, results = share(ready[: len(outputs)], preferred, taken)
    if tuned:
        named, results = arranged(named, results)
        named = [(symbol, with_row_products(body)) for symbol, body in named]
        results = list(map(with_row_products, results))
    results = owned(results, tuple(symbols.values()))
    calls = {
        **(PORTABLE if portable else NUMPY),
        **(REDUCTIONS if tuned else {}),
        **(ANALYTIC_CALLS if complex_safe else {}),
    }
    code = NumPyCode(sizes, (xp, alias), _like(symbols.values()), calls)
    return _compiled(tuple(symbols.values()), named, results, code)


def _compiled(
    symbols: tuple[Any, ...], named: list[tuple[Any, Any]], results: list[Any], code: NumPyCode
) -> Emitted:
    """Print named values and results, and compile the function that computes them."""
    arguments = tuple(symbol.name for symbol in symbols)
    pairs = [(str(symbol.name), code(body)) for symbol, body in named]
    returned = tuple(map(code, results))
    texts = (*(text for _, text in pairs), *returned)
    library = ""
    if code.xp != code.numpy and any(f"{code.xp}." in text for text in texts):
        library = f"_namespace({', '.join(arguments)})"
    first = [(code.xp, library)] if library else []
    return Emitted(
        compiled(arguments, [*first, *pairs], returned, code.numpy),
        arguments,
        tuple(map(shape_of, symbols)),
        f"{code.xp} = {library}" if library else "",
        tuple(f"{name} = {text}" for name, text in pairs),
        tuple(shape_of(symbol) for symbol, _ in named),
        returned,
        kernels_in((library, *texts)),
        code.numpy,
    )


def compiled(
    arguments: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    results: Sequence[str],
    numpy: str = "np",
) -> Callable[..., tuple[Any, ...]]:
    """Let lambdify compile printed code: statements, as names and what they name, and results.

    >>> compiled(["x"], [("y", "np.exp(x)")], ["y + x", "y"])(0.0)
    (np.float64(1.0), np.float64(1.0))
    """
    symbols = [Symbol(name) for name in arguments]
    return sympy.lambdify(  # type: ignore[no-any-return] # SymPy has no types
        symbols,
        (),  # lambdify would walk the expression, as a tree and by recursion
        modules=[_functions(numpy)],
        printer=_Printer(),
        cse=lambda _, **__: ([(Symbol(name), text) for name, text in pairs], tuple(results)),
    )


class _Printer(NumPyPrinter):
    """The printer that lambdify is given: code comes to it as text already."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": False})

    def doprint(self, expr: Any, assign_to: Any = None) -> str:
        """Print text as it is, and a symbol by its name."""
        return str(expr)


def value_names(derivation: Any) -> dict[Any, str]:
    """Return the names that a derivation gives to intermediate values, by expression."""
    program = derivation.program
    return {
        expr: symbol.name
        for symbol, expr in program.expanded.items()
        if symbol is not program.function.symbol
    }


def size_sources(variables: Mapping[str, Any]) -> Iterator[tuple[Any, str, int, Any]]:
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
    for size, name, axis, others in size_sources({symbol.name: symbol for symbol in symbols}):
        found[size] = f"{name}.shape[{axis}]"
        if others != 1:
            factors = [str(f) if f.is_Integer else found[f] for f in Mul.make_args(others)]
            found[size] = f"({found[size]} // ({' * '.join(factors)}))"
    return found


def _like(symbols: Iterable[Any]) -> str:
    """Say what has the dtype of constants: the first argument with entries, or a float."""
    found = sorted(symbols, key=lambda symbol: not is_matrix(symbol))
    return str(found[0].name) if found else "0.0"


def _free(names: Sequence[str], taken: Collection[str]) -> str:
    """Return a name that is not taken: one of those given, or the last with trailing ``_``."""
    free = next((name for name in names if name not in taken), f"{names[-1]}_")
    while free in taken:
        free += "_"
    return free


def _functions(alias: str) -> dict[str, Any]:
    """Return what emitted code calls, by name."""
    import numpy

    return {alias: numpy, **bind(numpy), **bind_analytic(numpy)}
