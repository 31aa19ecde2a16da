"""What the sweep did, as plain immutable records: what is printed and emitted comes from these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from derive import nodes, scalars
from derive.graph import postorder
from derive.nodes import Elementwise
from derive.notation import TEXT, Notation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from derive.batch import Batch
    from derive.language import Formula
    from derive.program import Program

__all__ = ["Checked", "Derivation", "Page", "Step", "conventions"]


@dataclass(frozen=True)
class Step:
    """One line of a derivation: ``left = right``, by a named rule.

    ``left`` is the symbol of a value or a derivative; ``right`` are expressions that equal it, one
    after the other. ``reason`` is what the step uses: derivatives that it inserts, as symbols, and
    equations, as tuples of their sides. ``shape`` is that of the whole object, also where the line
    shows single entries.
    """

    rule: str
    left: Any
    right: tuple[Any, ...]
    shape: tuple[Any, ...]
    reason: tuple[Any, ...] = ()

    def text(self, notation: Notation = TEXT) -> str:
        """Print the line.

        >>> import derive
        >>> derivation = derive.differentiate("norm2(A*x)^2", wrt=["x"])
        >>> derivation.steps[0].text()
        'r = A*x'
        """
        return notation.equation((self.left, *self.right))

    def reasons(self, notation: Notation = TEXT) -> list[str]:
        """Print what the step uses."""
        return [
            notation.equation(reason) if isinstance(reason, tuple) else notation(reason)
            for reason in self.reason
        ]

    @property
    def separator(self) -> str:
        """What stands between the rule and what it uses: derivatives are the rule's object."""
        if not self.reason:
            return ""
        return ": " if isinstance(self.reason[0], tuple) else " "


@dataclass(frozen=True)
class Checked:
    """How a gradient was checked before it is shown.

    ``worst_error`` is relative to the gradient's size; ``exact`` says whether SymPy's derivatives,
    entry by entry at small sizes, were found equal as well; ``shape`` are the sizes of the points;
    ``undecided`` is why the differences decide nothing, where they do not.
    """

    points: int
    worst_error: float | None
    shape: tuple[int, ...]
    exact: bool
    undecided: str = ""

    def sentence(self) -> str:
        """Say it in a line."""
        sizes = "x".join(map(str, self.shape)) or "scalar"
        exactly = "equal to the derivative entry by entry; " if self.exact else ""
        if self.undecided or self.worst_error is None:
            return f"checked: {exactly}differences decide nothing, {self.undecided}"
        return (
            f"checked: {exactly}differences at {self.points} points of size {sizes}, "
            f"worst error {self.worst_error:.1e}"
        )


@dataclass(frozen=True)
class Derivation:
    """A formula, the steps to its gradients, and the gradients.

    ``gradient`` maps a variable's name to an expression of the variable's shape, in the variables
    alone. ``assumptions`` maps it to the sentences that the gradient needs to hold.
    """

    formula: Formula
    program: Program
    steps: tuple[Step, ...]
    gradient: Mapping[str, Any]
    assumptions: Mapping[str, tuple[str, ...]]

    @property
    def wrt(self) -> tuple[str, ...]:
        """The variables that the formula was differentiated by."""
        return tuple(self.gradient)

    def latex(self) -> str:
        """Return the derivation as LaTeX, one aligned block."""
        from derive.render.latex_page import latex_page

        return latex_page(Page(self))

    def function(self) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """Return a NumPy function of the variables: the value, and the gradients by name.

        >>> import derive, numpy
        >>> square = derive.differentiate("x'*x").function()
        >>> value, gradients = square(x=numpy.array([[3.0], [4.0]]))
        >>> float(value), gradients["x"].ravel().tolist()
        (25.0, [6.0, 8.0])
        """
        from derive.emit import emit_value_and_grad

        return emit_value_and_grad(self)

    def _repr_latex_(self) -> str:
        return self.latex()


@dataclass(frozen=True)
class Page:
    """A derivation and how it is to be shown.

    ``sizes`` asks for the entries at concrete sizes; ``checked`` says by variable how the gradients
    were checked; ``batch`` is the form for N samples; ``point`` is one in the formula's domain, as
    nested lists, at which a standalone module checks itself.
    """

    derivation: Derivation
    title: str = ""
    steps: bool = True
    checked: Mapping[str, Checked] = field(default_factory=dict)
    sizes: Mapping[Any, int] | None = None
    references: tuple[str, ...] = ()
    batch: Batch | None = None
    point: Mapping[str, Any] = field(default_factory=dict)


def conventions(expr: Any) -> tuple[str, ...]:
    """Name the conventions at kinks that derivatives of an expression use."""
    found: dict[str, None] = {}
    for node in postorder(expr):
        scalar = node.function if isinstance(node, Elementwise) else node
        if scalar.has(scalars.relu, scalars.step):
            found["step(0) = 0"] = None
        if scalar.has(scalars.absolute, scalars.sign):
            found["sign(0) = 0"] = None
        if isinstance(node, nodes.EXTREMA) or scalar.has(scalars.maximum, scalars.minimum):
            found["ties of max and min going to the first argument or entry"] = None
    return tuple(found)
