"""What every node of this program has in common: it is unique, and knows its shape and weight.

SymPy computes ``shape`` by recursion, hashes lazily and compares by structure, so that a chain of
some hundred layers overflows the stack, and a value that is used twice on every layer takes
exponential time. Here equal nodes are one object: shape, weight and hash are computed once, when
the node is made, and equality is identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from sympy import Basic

from derive.graph import weight

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["Stored"]

_NODES: MutableMapping[Any, Any] = WeakValueDictionary()


class Stored:
    """A mixin for SymPy's expression classes; ``_make`` is what their ``__new__`` calls."""

    __slots__ = ()
    is_Atom = True  # noqa: N815 - to SymPy's scalar algebra, which would make it again its own way
    _shape: tuple[Any, Any]
    _weight: int

    @classmethod
    def _make(cls, shape: tuple[Any, Any], *args: Any) -> Any:
        node = _NODES.get((cls, args))
        if node is None:
            node = Basic.__new__(cls, *args)
            node._shape = shape
            node._weight = 1 + sum(weight(arg) for arg in args)
            hash(node)
            _NODES[cls, args] = node
        return node

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Basic.__hash__

    def compare(self, other: Any) -> int:
        """Order nodes for SymPy's sums and products: of one class, the lighter comes first."""
        if self is other:
            return 0
        difference = weight(self) - weight(other) if type(self) is type(other) else 0
        return difference or int(super().compare(other))  # type: ignore[misc]

    @property
    def shape(self) -> tuple[Any, Any]:
        """Rows and columns."""
        return self._shape

    @property
    def operands(self) -> tuple[Any, ...]:
        """The arguments through which a derivative flows."""
        return tuple(self.args)  # type: ignore[attr-defined]

    def as_explicit(self) -> Any:
        """Return the explicit matrix of entries at integer sizes, a scalar of a functional."""
        from derive.exact import explicit

        return explicit(self)

    def _entry(self, i: Any, j: Any, **_: Any) -> Any:
        return self.as_explicit()[i, j]

    def _latex(self, _printer: Any) -> str:
        from derive.render.latex import LATEX

        return LATEX(self)

    def _pretty(self, printer: Any) -> Any:
        from sympy.printing.pretty.stringpict import prettyForm

        from derive.render.unicode import UNICODE

        return prettyForm(UNICODE(self))

    def _sympystr(self, _printer: Any) -> str:
        from derive.notation import TEXT

        return TEXT(self)

    def doit(self, **_: Any) -> Any:
        """Return the node itself: the constructors have evaluated what they evaluate."""
        return self
