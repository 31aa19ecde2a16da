"""Derivatives of a formula: gradients, Jacobians, Hessians, or those along a direction.

What is asked for is made sure of here, and gradients are swept (``derive.reverse``); what is made
of a gradient that holds for any cotangent is in ``derive.jacobians``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sympy import S, Symbol

from derive.adopt import adopt, names_of
from derive.derivation import Derivation, Result, conventions
from derive.errors import InputError, RefusedError, suggestion
from derive.graph import is_matrix, operands, postorder
from derive.jacobians import of_matrix, second
from derive.language import Formula, read_formula
from derive.nodes import Elementwise
from derive.reverse import Sweep
from derive.structures import CONVENTIONS, STRUCTURES, require_free, structure_of, usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["differentiate"]


def differentiate(
    formula: Formula | str | Any,
    wrt: Sequence[Any] | Any = None,
    shapes: Mapping[str, str | int] | None = None,
    assumptions: Mapping[str, Sequence[str]] | None = None,
    *,
    order: int = 1,
    convention: str = "frobenius",
) -> Derivation:
    """Derive the gradient of a formula by each variable, step by step.

    (∇f)_i = ∂f/∂x_i of a scalar, J_ij = ∂f_i/∂x_j of a vector, H = the Jacobian of ∇f

    A gradient has the shape of x (denominator layout), a derivative by a scalar that of f. What has
    no matrix form is derived along a direction V.

    Args:
        formula: a formula of the language, one already read, or a SymPy expression, whose
            symbols are then real and count by their names.
        wrt: names of variables, or their symbols; all of them by default.
        shapes: declarations for a text, a name to ``R,C``, ``R`` or ``scalar``.
        assumptions: for a text or an expression, a name to kinds such as ``onehot``.
        order: 1, or 2 for Hessians.
        convention: what an assumed structure of a variable does to the gradient by it.

    Raises:
        InputError: for a name that is not a variable, an order or a convention that is none.
        RefusedError: where a rule is missing.

    >>> differentiate("norm2(relu(W*x))^2", ["x"]).gradient["x"]
    2*W'*relu(W*x)
    >>> differentiate("softmax(z)").gradient["z"]
    diag(softmax(z)) - softmax(z)*softmax(z)'
    >>> differentiate("norm2(A*x - y)^2", ["x"], order=2).gradient["x"]
    2*A'*A

    >>> from sympy import MatrixSymbol, symbols
    >>> m, n = symbols("m n")
    >>> A, x = MatrixSymbol("A", m, n), MatrixSymbol("x", n, 1)
    >>> differentiate(x.T * A.T * A * x, wrt=[x]).gradient["x"]
    2*A'*A*x
    """
    if isinstance(formula, str):
        formula = read_formula(formula, shapes, assumptions)
    elif not isinstance(formula, Formula):
        formula = adopt(formula, assumptions)
    names = tuple(formula.variables) if wrt is None else names_of(wrt)
    _require_variables(formula, names)
    _require_order(order, convention)
    _require_real(formula.expr)
    try:
        derivation = _differentiated(formula, names, order, convention)
        for result in derivation.results:
            _require_real(result.expr)
        return derivation
    except RecursionError:  # in SymPy, over scalars of scalars; matrices are visited by loops
        raise RefusedError(
            "The formula nests scalar functions too deeply. Derive a part of it, with a variable "
            "for what is inside."
        ) from None


def _differentiated(
    formula: Formula, names: tuple[str, ...], order: int, convention: str
) -> Derivation:
    if is_matrix(formula.expr):
        _require_scalar_twice(formula, order)
        return of_matrix(formula, names, convention)
    gradients = _of_scalar(formula, names, convention, order)
    return gradients if order == 1 else second(gradients)


# What is asked for.


def _require_variables(formula: Formula, names: Iterable[str]) -> None:
    for name in names:
        if name not in formula.variables:
            known = ", ".join(formula.variables) or "none"
            each = " ".join(f"--wrt {part.strip()}" for part in name.split(","))
            hint = f" Write {each}." if "," in name else suggestion(name, formula.variables)
            raise InputError(f"'{name}' is not a variable of the formula; they are: {known}.{hint}")


def _require_order(order: int, convention: str) -> None:
    if order not in (1, 2):
        raise InputError(f"order {order}: expected 1 for gradients or 2 for Hessians.")
    if convention not in CONVENTIONS:
        hint = suggestion(convention, CONVENTIONS)
        raise InputError(f"convention '{convention}': expected {', '.join(CONVENTIONS)}.{hint}")


def _require_scalar_twice(formula: Formula, order: int) -> None:
    if order == 2:
        rows, columns = formula.expr.shape
        raise RefusedError(
            f"The formula has shape ({rows}, {columns}); a Hessian needs a scalar. Leave --order 2 "
            "out for the Jacobian, or wrap the formula in a functional such as sum(…)."
        )


def _require_real(expr: Any) -> None:
    """Refuse constants that are infinite or complex, such as 1/0 and (-1)^0.5."""
    constants: set[Any] = set()
    for node in postorder(expr):
        scalars = node.function.atoms() if isinstance(node, Elementwise) else {node}
        for scalar in scalars:
            inside = operands(scalar)
            if not is_matrix(scalar) and not isinstance(scalar, Symbol) and constants >= {*inside}:
                constants.add(scalar)
                if scalar is S.NaN or scalar.is_real is False:
                    raise RefusedError(
                        f"{scalar} arises, which is no real number. Look for a division by 0, or a "
                        "root or logarithm of what is negative."
                    )


# Gradients.


def _of_scalar(formula: Formula, names: tuple[str, ...], convention: str, order: int) -> Derivation:
    """Return the gradients of a scalar.

    A gradient that is differentiated again must hold around the points that are assumed, not at
    them alone.
    """
    variables = [formula.variables[name] for name in names]
    assumed: Mapping[str, Sequence[str]] = formula.assumptions
    if order == 2:
        require_free(formula, names, convention, "Hessian")
        assumed = {name: kinds for name, kinds in assumed.items() if name not in names}
    elif convention == "free":
        assumed = usable(assumed, names, STRUCTURES)
    sweep = Sweep(formula, formula.expr, variables, assumptions=assumed)
    found, results = sweep.run(), []
    for name, variable in zip(names, variables, strict=True):
        gradient, sentences = found[variable]
        structure = structure_of(formula.assumptions.get(name, ()), convention)
        if structure is not None:
            gradient, sentences = sweep.project(variable, gradient, sentences, structure)
        stated = tuple(dict.fromkeys((*sentences, *conventions(formula.expr, variable, gradient))))
        results.append(
            Result(
                sweep.derivative(variable),
                variable,
                formula.expr,
                gradient,
                stated,
                structure=structure,
            )
        )
    return Derivation(formula, sweep.program, tuple(sweep.steps), tuple(results))
