"""What the sweep did, as plain immutable records: what is printed and emitted comes from these."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sympy import Function

from derive import nodes, scalars
from derive.graph import operands, postorder, shape_of
from derive.kroneckers import Factors, factors_of
from derive.nodes import Elementwise
from derive.notation import TEXT, Notation
from derive.symbols import GRADIENT, HESSIAN_VECTOR, derivative_symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from derive.abbreviations import Abbreviated
    from derive.batch import Batch
    from derive.language import Formula
    from derive.program import Program
    from derive.structures import Structure

__all__ = ["Checked", "Derivation", "Page", "Result", "Step", "conventions"]


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
class Result:
    """One derivative: ``symbol = expr``, of a function by a variable, in the variables alone.

    ``kind`` is one of those in ``derive.symbols``. ``function`` is what was differentiated: the
    formula, or for a second derivative its gradient. A directional derivative holds for any
    ``direction``, a symbol of the variable's shape. ``structure`` says how the variable may move
    where that is not free. ``assumptions`` are the sentences that the derivative needs to hold.
    """

    symbol: Any
    variable: Any
    function: Any
    expr: Any
    assumptions: tuple[str, ...] = ()
    direction: Any = None
    structure: Structure | None = None

    @classmethod
    def of(cls, formula: Formula, name: str, expr: Any) -> Result:
        """Return an expression as the gradient of a formula by a variable."""
        variable = formula.variables[name]
        return cls(derivative_symbol("f", variable), variable, formula.expr, expr)

    @property
    def wrt(self) -> str:
        """The variable's name."""
        return str(self.variable.name)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the derivative needs to hold, and what it holds for."""
        if self.direction is None:
            return self.assumptions
        shape = ", ".join(map(TEXT.size, shape_of(self.direction)))
        return (*self.assumptions, f"any {self.direction.name} of shape ({shape})")

    @property
    def kind(self) -> str:
        """What the derivative is, by what it is of and by."""
        return str(self.symbol.derivative_of.kind)

    @property
    def shape(self) -> tuple[Any, ...]:
        """The derivative's shape."""
        return shape_of(self.symbol)

    @property
    def factors(self) -> tuple[Factors, ...] | None:
        """The Hessian by a matrix as a sum of Kronecker products, None where it is no such sum."""
        if self.kind != HESSIAN_VECTOR or self.direction is None:
            return None
        return factors_of(self.expr, self.direction)


@dataclass(frozen=True)
class Derivation:
    """A formula, the steps to its derivatives, and the derivatives.

    Of second derivatives, ``first`` is the derivation of the gradients that they are of.
    """

    formula: Formula
    program: Program
    steps: tuple[Step, ...]
    results: tuple[Result, ...]
    first: Derivation | None = None

    @cached_property
    def gradient(self) -> Mapping[str, Any]:
        """The derivatives by the variables' names; gradients, where the formula is a scalar."""
        return MappingProxyType({result.wrt: result.expr for result in self.results})

    @cached_property
    def directions(self) -> Mapping[str, Any]:
        """The directions that derivatives are along, symbols by name."""
        symbols = (result.direction for result in self.results)
        return MappingProxyType({str(s.name): s for s in symbols if s is not None})

    def with_gradient(self, gradient: Mapping[str, Any]) -> Derivation:
        """Return the same with other expressions in place of some results."""
        results = (replace(r, expr=gradient.get(r.wrt, r.expr)) for r in self.results)
        return replace(self, results=tuple(results))

    @property
    def wrt(self) -> tuple[str, ...]:
        """The variables that the formula was differentiated by."""
        return tuple(self.gradient)

    @property
    def is_gradient(self) -> bool:
        """Say whether the derivatives are gradients of a scalar, the first."""
        return all(result.kind == GRADIENT for result in self.results)

    def latex(self) -> str:
        """Return the derivation as LaTeX, one aligned block."""
        from derive.render.latex_page import latex_page

        return latex_page(Page(self))

    def function(self) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """Return a NumPy function of the variables: the value, and the derivatives by name.

        Directions, where derivatives are along some, are arguments after the variables.

        >>> import derive, numpy
        >>> square = derive.differentiate("x'*x").function()
        >>> value, gradients = square(x=numpy.array([[3.0], [4.0]]))
        >>> float(value), gradients["x"].ravel().tolist()
        (25.0, [6.0, 8.0])
        """
        from derive.calling import emit_value_and_grad

        return emit_value_and_grad(self)

    def _repr_latex_(self) -> str:
        return self.latex()


@dataclass(frozen=True)
class Page:
    """A derivation and how it is to be shown.

    ``sizes`` asks for the entries at concrete sizes; ``checked`` says by variable how the gradients
    were checked; ``batch`` is the form for N samples, ``batch_checked`` says how that was;
    ``point`` is one in the formula's domain, as
    nested lists, at which a standalone module checks itself.
    """

    derivation: Derivation
    title: str = ""
    steps: bool = True
    checked: Mapping[str, Checked] = field(default_factory=dict)
    sizes: Mapping[Any, int] | None = None
    references: tuple[str, ...] = ()
    batch: Batch | None = None
    batch_checked: str = ""
    point: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def abbreviated(self) -> Abbreviated:
        """The results that are too long to read, in terms of named intermediates."""
        from derive.abbreviations import abbreviated

        return abbreviated(self.derivation)

    def shown(self, result: Result) -> Any:
        """Return what a result is shown as."""
        return self.abbreviated.results.get(result.wrt, result.expr)


def conventions(expr: Any, variable: Any, derivative: Any) -> tuple[str, ...]:
    """Name what a derivative of an expression by a variable holds with, and where.

    The conventions at the kinks that it goes through; and what it inverts and the expression does
    not, as the derivative of a determinant does.
    """
    found: dict[str, None] = {}
    through = {variable}
    order = postorder(expr)
    for node in order:
        if not any(operand in through for operand in operands(node)):
            continue
        through.add(node)
        inside = node.function.atoms(Function) if isinstance(node, Elementwise) else (node,)
        for function in inside:
            for functions, sentence in _CONVENTIONS:
                if isinstance(function, functions):
                    found[sentence] = None
    if not through.isdisjoint(n for n in order if isinstance(n, _WITHOUT_INVERSE)):
        for node in postorder(derivative):
            if isinstance(node, nodes.Inverse) and node not in order:
                found[f"{TEXT(node)} existing"] = None
    return tuple(found)


_WITHOUT_INVERSE = (nodes.Determinant, nodes.Adjugate)  # which singular matrices have as well


_CONVENTIONS = (
    ((scalars.relu, scalars.step), "step(0) = 0"),
    ((scalars.absolute, scalars.sign), "sign(0) = 0"),
    (
        (scalars.maximum, scalars.minimum, *nodes.EXTREMA),
        "ties of max and min going to the first argument or entry",
    ),
)
