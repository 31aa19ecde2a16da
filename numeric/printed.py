"""The text that is printed of a derivative, read back: it must be the derivative that was checked.

What is checked by numbers is the expression; what a person copies is its text. The language
stretches sizes of 1 and has names for means, norms and powers, so that a text that reads well is
not the expression written down node by node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from derive.emit import emit
from derive.errors import RefusedError
from derive.graph import shape_of
from derive.language import read_formula
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
    variables = {**derivation.formula.variables, **derivation.directions}
    shapes = {name: _declared(variable) for name, variable in variables.items()}
    point = {name: _sample(page, name, np.array(page.point[name])) for name in variables}
    for result in derivation.results:
        if result.wrt in page.abbreviated.results:
            continue
        text = TEXT(result.expr)
        again = read_formula(text, shapes).expr
        if again != result.expr and not _agree(again, result.expr, variables, point):
            raise RefusedError(
                f"The {result.kind} by {result.wrt} of {derivation.formula.source} cannot be "
                f"printed: {text} is not what was checked."
            )


def _sample(page: Page, name: str, value: Any) -> Any:
    """Return a variable's value, of what varies by sample that of the first."""
    if page.batch is None or page.batch.variables[name] == page.derivation.formula.variables[name]:
        return value
    column = page.derivation.formula.variables[name]
    return value[0].reshape(-1, 1) if shape_of(column) else value[0, 0]


def _declared(variable: Any) -> str:
    return ",".join(map(TEXT.size, shape_of(variable))) or "scalar"


def _agree(one: Any, other: Any, variables: Mapping[str, Any], point: Mapping[str, Any]) -> bool:
    if shape_of(one) != shape_of(other):
        return False
    function = emit([one, other], variables).function
    with np.errstate(all="ignore"):
        a, b = map(np.asarray, function(*(point[name] for name in variables)))
    scale = np.max(np.abs(b), initial=0.0)
    return bool(np.max(np.abs(a - b), initial=0.0) <= TOLERANCE * scale)
