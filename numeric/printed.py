"""The text that is printed of a derivative, read back: it must be the derivative that was checked.

What is checked by numbers is the expression; what a person copies is its text. The language
stretches sizes of 1 and has names for means, norms and powers, so that a text that reads well is
not the expression written down node by node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from derive.build import all_largest, first_of, transform
from derive.emit import emit
from derive.errors import RefusedError
from derive.graph import postorder, shape_of
from derive.language import read_among
from derive.nodes import FirstMaximum
from derive.notation import TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.derivation import Page

__all__ = ["require_printed"]

TOLERANCE = 1e-9  # of the largest entry, for what is the same in another order of operations


def require_printed(page: Page) -> None:
    """Refuse a result whose text is not read back as what was checked.

    Raises:
        RefusedError: naming the variable.

    >>> import derive
    >>> from derive.derivation import Page
    >>> derivation = derive.differentiate("norm2(W*x)^2")
    >>> require_printed(Page(derivation, point={"W": [[1.0, 2.0]], "x": [[3.0], [4.0]]}))
    """
    derivation = page.derivation
    own = {**derivation.formula.variables, **derivation.directions}
    point = {name: _sample(page, name, np.array(page.point[name])) for name in own}
    named: dict[str, Any] = {}  # what stands under where
    for symbol, expr in page.abbreviated.where:
        variables = {**own, **_in(expr, named)}
        if not _reads_back(expr, variables, point):
            raise RefusedError(
                f"The derivatives of {derivation.formula.source} cannot be printed: "
                f"{symbol.name} = {TEXT(expr)} is not what was checked."
            )
        (value,) = emit([expr], variables).function(*_arguments(variables, point))
        named[symbol.name], point[symbol.name] = symbol, value
    for result in derivation.results:
        variables = {**own, **_in(page.shown(result), named)}
        if not _reads_back(page.shown(result), variables, point):
            raise RefusedError(
                f"The {result.kind} by {result.wrt} of {derivation.formula.source} cannot be "
                f"printed: {TEXT(page.shown(result))} is not what was checked."
            )


def _in(expr: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the named symbols that an expression has; there may be thousands."""
    names = (str(getattr(node, "name", "")) for node in postorder(expr))
    return {name: named[name] for name in names if name in named}


def _reads_back(expr: Any, variables: Mapping[str, Any], point: Mapping[str, Any]) -> bool:
    """Say whether a text is the expression, or has its value."""
    again = read_among(TEXT(expr), variables)
    if again == expr:
        return True
    # Both with the same round-off, which decides where the largest entry is.
    return _agree(again, transform(expr, _spelled), variables, point)


def _spelled(node: Any) -> Any:
    """Write the place of the first largest entry as its text does."""
    return first_of(all_largest(node.args[0])) if isinstance(node, FirstMaximum) else node


def _sample(page: Page, name: str, value: Any) -> Any:
    """Return a variable's value, of what varies by sample that of the first."""
    if page.batch is None or page.batch.variables[name] == page.derivation.formula.variables[name]:
        return value
    column = page.derivation.formula.variables[name]
    return value[0].reshape(-1, 1) if shape_of(column) else value[0, 0]


def _arguments(variables: Mapping[str, Any], point: Mapping[str, Any]) -> list[Any]:
    return [point[name] for name in variables]


def _agree(one: Any, other: Any, variables: Mapping[str, Any], point: Mapping[str, Any]) -> bool:
    if shape_of(one) != shape_of(other):
        return False
    function = emit([one, other], variables).function
    with np.errstate(all="ignore"):
        a, b = map(np.asarray, function(*_arguments(variables, point)))
    scale = np.max(np.abs(b), initial=0.0)
    return bool(np.max(np.abs(a - b), initial=0.0) <= TOLERANCE * scale)
