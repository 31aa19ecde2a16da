"""The functions of a module that compute Hessians: as matrices, along directions, as factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import Identity

from derive.emit import Emitted, emit
from derive.kroneckers import matrix_from
from derive.render.function_text import head
from derive.render.python_lines import statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from derive.derivation import Derivation, Result

__all__ = ["hessian_functions", "kronecker_results"]

_MATRIX = """Return the Hessians by matrices, of their entries row by row, by name.

The one by {name} takes {direction}.reshape(-1, 1) to the entries of hessian(...)["{name}"]."""
_ALONG = "Hessians, or their products with directions, by name."
_FACTORS = """Return the Hessians by matrices as sums of Kronecker products, by name.

A triple (left, right, turned) takes a direction H to left @ H @ right.T, so it is
kron(left, right) for entries taken row by row. Turned, it takes H to left @ H.T @ right.T.
None is an identity matrix."""


def hessian_functions(
    derivation: Derivation, variables: Mapping[str, Any], names: Mapping[Any, str]
) -> list[tuple[Emitted, str]]:
    """Return the functions that compute second derivatives, each compiled and as text."""
    found = derivation.gradient
    directions = derivation.directions
    emitted = emit(tuple(found.values()), {**variables, **directions}, names)
    functions = [(emitted, _hessian(emitted, derivation.results))]
    by_matrix = kronecker_results(derivation)
    if by_matrix:
        matrices = emit([matrix_from(r.factors or ()) for r in by_matrix], variables, names)
        functions.append((matrices, _matrices(matrices, by_matrix)))
        functions.append(_factors(by_matrix, variables, names))
    return functions


def kronecker_results(derivation: Derivation) -> list[Result]:
    """Return the Hessians by matrices that are sums of Kronecker products."""
    return [result for result in derivation.results if result.factors]


def _hessian(emitted: Emitted, results: Sequence[Result]) -> str:
    along = [
        (result.wrt, result.direction.name) for result in results if result.direction is not None
    ]
    lines = [f"Return the {_ALONG if along else 'Hessians by name.'}"]
    lines += ["", *(f"By {name}: along {way}, of the shape of {name}." for name, way in along)]
    docstring = "\n".join(lines).strip()
    return _by_name(
        head("hessian", emitted, docstring), emitted, [result.wrt for result in results]
    )


def _matrices(emitted: Emitted, results: Sequence[Result]) -> str:
    first = results[0]
    docstring = _MATRIX.format(name=first.wrt, direction=first.direction.name)
    names = [result.wrt for result in results]
    return _by_name(head("hessian_matrix", emitted, docstring), emitted, names)


def _by_name(lines: list[str], emitted: Emitted, names: Sequence[str]) -> str:
    lines.append("    return {")
    for name, code in zip(names, emitted.results, strict=True):
        lines += statement(f'"{name}": ', code, ",", 8)
    return "\n".join([*lines, "    }"])


def _factors(
    results: Sequence[Result], variables: Mapping[str, Any], names: Mapping[Any, str]
) -> tuple[Emitted, str]:
    factors = [f for r in results for term in r.factors or () for f in term[:2]]
    computed = [factor for factor in factors if not isinstance(factor, Identity)]
    emitted = emit(computed, variables, names)
    codes = iter(emitted.results)
    lines = [*head("hessian_factors", emitted, _FACTORS), "    return {"]
    for result in results:
        lines.append(f'        "{result.wrt}": [')
        for left, right, turned in result.factors or ():
            pair = ["None" if isinstance(f, Identity) else next(codes) for f in (left, right)]
            lines += statement("", f"({', '.join([*pair, str(turned)])})", ",", 12)
        lines.append("        ],")
    return emitted, "\n".join([*lines, "    }"])
