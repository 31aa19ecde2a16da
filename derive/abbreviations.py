"""Results that are too long to read, in terms of named intermediates.

A derivative in the variables alone repeats what the formula shares, and may be exponentially longer
than the derivation. Beyond ``LONGEST`` characters it is shown as code would compute it: what occurs
more than once has a name, that of the derivation where it has one there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from derive.emit import value_names
from derive.graph import weight
from derive.notation import TEXT
from derive.reverse import names_in
from derive.sharing import share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.derivation import Derivation

__all__ = ["LONGEST", "Abbreviated", "abbreviated", "is_long"]

LONGEST = 10_000  # characters of a result in the variables alone


@dataclass(frozen=True)
class Abbreviated:
    """The long results by variable, and what the names in them stand for, in order."""

    where: tuple[tuple[Any, Any], ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)


def is_long(expr: Any) -> bool:
    """Say whether an expression has more than ``LONGEST`` characters, without printing most."""
    return weight(expr) > LONGEST or len(TEXT(expr)) > LONGEST


def abbreviated(derivation: Derivation) -> Abbreviated:
    """Return the long results of a derivation in terms of named intermediates.

    >>> import derive
    >>> abbreviated(derive.differentiate("x'*x"))
    Abbreviated(where=(), results={})
    >>> nested = "tanh(W*" * 90 + "x" + ")" * 90
    >>> long = abbreviated(derive.differentiate(f"sum({nested})", ["x"]))
    >>> len(long.where) > 90, len(TEXT(long.results["x"])) < 1000
    (True, True)
    """
    long = {result.wrt: result.expr for result in derivation.results if is_long(result.expr)}
    if not long:
        return Abbreviated()
    taken = names_in(derivation.formula) | set(derivation.directions)
    named, results = share(list(long.values()), value_names(derivation), taken)
    return Abbreviated(tuple(named), MappingProxyType(dict(zip(long, results, strict=True))))
