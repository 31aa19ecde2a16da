"""The view entry by entry: lines of a derivation for single entries, differentiated by SymPy.

A column vector becomes an indexed family, a total becomes a sum over an index, and SymPy's ``diff``
gives the derivative of one entry by another with Kronecker deltas, which are then summed away.
Nothing here knows a pullback: the two ways must agree, and tests hold them against each other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy
from sympy import Dummy, IndexedBase, Integer, KroneckerDelta, Mul, Piecewise, Pow, Symbol

from derive import nodes, scalars
from derive.derivation import Step
from derive.graph import is_matrix, operands, postorder, shape_of
from derive.nodes import Elementwise, Hadamard, MatrixSum, Product
from derive.operations import operation_of
from derive.scalars import U
from derive.symbols import MatrixDerivative, PartialDerivative

__all__ = [
    "Indices",
    "by_entries",
    "contract",
    "definition_steps",
    "entry",
    "entry_derivative",
    "index_symbols",
    "local_steps",
]

Indices = tuple[Any, Any, Any]
ONE = Integer(1)
_OUTPUT = Dummy("output", real=True)


def entry(expr: Any, index: Any) -> Any:
    """Return the entry of a column vector at ``index``, or a scalar, over indexed names.

    Sums inside have a bound index of their own. None where the expression has no such form.
    """
    done: dict[Any, Any] = {}
    for node in postorder(expr):
        parts = [done[operand] for operand in operands(node)]
        done[node] = None if any(part is None for part in parts) else _entry(node, parts, index)
    return done[expr]


def _entry(node: Any, parts: list[Any], i: Any) -> Any:
    """Return a node's entry at i, given the entries of its operands at i."""
    if isinstance(node, nodes.Functional):
        return _functional(node, parts, i)
    if not is_matrix(node):
        return node.func(*parts) if parts else node
    if node.shape[1] != 1:
        return None
    if isinstance(node, MatrixDerivative):
        return None  # a name that stands for a derivative too long to be shown by entries
    if isinstance(node, sympy.MatrixSymbol):
        return IndexedBase(node.name, real=True)[i]
    if isinstance(node, (sympy.OneMatrix, sympy.ZeroMatrix)):
        return ONE if isinstance(node, sympy.OneMatrix) else sympy.S.Zero
    if isinstance(node, Elementwise):
        return node.function.xreplace({U: parts[0]})
    if isinstance(node, Hadamard) or (isinstance(node, Product) and len(node.factors) == 1):
        return Mul(*parts)
    if isinstance(node, MatrixSum):
        return sympy.Add(*parts)
    if isinstance(node, nodes.Softmax):
        return sympy.exp(parts[0]) / _over_entries(sympy.exp(parts[0]), i, node)
    return None


def _functional(node: Any, parts: list[Any], i: Any) -> Any:
    if isinstance(node, nodes.Total):
        return _over_entries(parts[0], i, node.args[0])
    if isinstance(node, nodes.Norm2):
        return sympy.sqrt(_over_entries(Pow(parts[0], 2), i, node.args[0]))
    if isinstance(node, nodes.CrossEntropy):
        return -_over_entries(parts[1] * sympy.log(parts[0]), i, node.args[0])
    return None


def _over_entries(term: Any, i: Any, column: Any) -> Any:
    """Sum a term over all entries of a column, by an index of the sum's own."""
    bound = Dummy("j", integer=True)
    return sympy.Sum(term.xreplace({i: bound}), (bound, 1, column.shape[0]))


def _shown(expr: Any, index: Any) -> Any:
    """Give the bound indices a letter."""
    return expr.xreplace(dict.fromkeys(expr.atoms(Dummy), index))


def entry_derivative(value: Any, expr: Any, operand: Any, indices: Indices) -> Any:
    """Differentiate an entry of a line by an entry of one of its operands.

    Args:
        value: the line's symbol, in whose entries the result is written where it can be.
        expr: the line's expression, a column vector or a scalar.
        operand: the symbol of a column vector in it.
        indices: the index of the value's entry, of the operand's entry, and one for sums.
    """
    i, k, j = indices
    definition = entry(expr, i)
    if definition is None:
        return None
    variable = IndexedBase(operand.name, real=True)
    derivative = contract(sympy.diff(definition, variable[k]))
    return _shown(_in_outputs(derivative, definition, value, indices), j)


def _in_outputs(derivative: Any, definition: Any, value: Any, indices: Indices) -> Any:
    """Write numerator over sum, exp(z_i)/Σ_j exp(z_j), as the entry s_i that it is."""
    i, k, _ = indices
    numerator, denominator = definition.as_numer_denom()
    if not is_matrix(value) or not isinstance(denominator, sympy.Sum):
        return derivative
    whole = Dummy("total", positive=True)
    output = IndexedBase(value.name, real=True)
    sums = dict.fromkeys(derivative.atoms(sympy.Sum), whole)
    replaced = derivative.xreplace(sums).subs(
        [(numerator, output[i] * whole), (numerator.xreplace({i: k}), output[k] * whole)]
    )
    return sympy.factor(sympy.expand(replaced))


def summed_chain(cotangent: Any, jacobian: Any, indices: Indices, size: Any) -> tuple[Any, Any]:
    """Return Σ_i (∂L/∂s_i)·(∂s_i/∂z_k), and the same with the deltas summed away.

    ``cotangent`` is the matrix form of ∂L/∂s, of which the entries are taken.
    """
    i = indices[0]
    above = entry(cotangent, i)
    if above is None:
        return None, None
    product = Mul(above, jacobian, evaluate=False)
    summed = sympy.Sum(above * jacobian, (i, 1, size))
    return sympy.Sum(product, (i, 1, size)), contract(summed)


def contract(expr: Any) -> Any:
    """Sum Kronecker deltas away: Σ_j f(j)·δ_jk = f(k), for k in the range of j."""
    return expr.replace(
        lambda node: isinstance(node, sympy.Sum),
        lambda node: sympy.Add(
            *(_contract_term(term, node.limits) for term in _terms(node.function))
        ),
    )


def _terms(expr: Any) -> tuple[Any, ...]:
    """Return the terms of a product multiplied out, but of no power: those may be many."""
    return tuple(sympy.Add.make_args(sympy.expand_mul(expr, deep=False)))


def _contract_term(term: Any, limits: Any) -> Any:
    index = limits[0][0]
    for factor in Mul.make_args(term):
        if isinstance(factor, KroneckerDelta) and index in factor.args:
            other = next(argument for argument in factor.args if argument != index)
            return (term / factor).xreplace({index: other})
    outside, inside = term.as_independent(index, as_Add=False)
    return outside * sympy.Sum(inside, *limits) if inside != 1 else term * limits[0][2]


def index_symbols(taken: set[str]) -> Indices:
    """Choose three index letters that neither a variable nor a size of the formula uses."""
    letters = (*"ikjlpqrst", *(f"i{number}" for number in range(1, len(taken) + 4)))
    free = [letter for letter in letters if letter not in taken]
    i, k, j = (Symbol(letter, integer=True) for letter in free[:3])
    return i, k, j


def by_entries(functional: Any, indices: Indices) -> tuple[Any, ...]:
    """Return a functional of a column as a sum over entries, or nothing where there is none."""
    if is_matrix(functional):
        return ()
    shown = entry(functional, indices[2])
    return () if shown is None else (_shown(shown, indices[0]),)


def definition_steps(line: Any, indices: Indices) -> list[Step]:
    """Return the line itself, and by entries where its function is defined by them."""
    i, _, j = indices
    steps = [Step(f"define {line.name}", line.symbol, (line.expr,), shape_of(line.symbol))]
    if isinstance(line.expr, (nodes.CrossEntropy, nodes.Softmax)):
        definition = entry(line.expr, i)
        if definition is not None:
            shown = _shown(definition, j if is_matrix(line.expr) else i)
            left, title = _at(line.symbol, i), operation_of(line.expr).title
            shape = shape_of(line.symbol)
            steps.append(Step(f"{title} by entries", left, (shown,), shape))
    return steps


def local_steps(line: Any, operand: Any, function: Any, cotangent: Any, indices: Indices) -> Any:
    """Return the steps that a person would look up: the derivative of one function, by entries.

    For an activation its derivative with its cases; for a softmax its Jacobian and the sum of the
    chain rule over the entries; for a cross-entropy the derivative by one probability.
    """
    if not is_matrix(operand) or operand.shape[1] != 1:
        return []
    if isinstance(line.expr, Elementwise):
        return _scalar_steps(line, operand, indices)
    if isinstance(line.expr, nodes.CrossEntropy):
        return _functional_steps(line, operand, indices)
    if isinstance(line.expr, nodes.Softmax):
        return _jacobian_steps(line, operand, function, cotangent, indices)
    return []


def _at(symbol: Any, index: Any) -> Any:
    return IndexedBase(symbol.name, real=True)[index] if is_matrix(symbol) else symbol


def _scalar_steps(line: Any, operand: Any, indices: Indices) -> list[Step]:
    function = line.expr.function
    row = scalars.FUNCTIONS.get(scalars.name_of(function.func) or "")
    if row is None or not row.derivative_shown or function != row(U):
        return []
    above, below = _at(line.symbol, indices[0]), _at(operand, indices[0])
    forms = (form.xreplace({U: below, _OUTPUT: above}) for form in _derivative_forms(function))
    left = PartialDerivative.of(above, below)
    return [Step(f"derivative of {row.name}", left, tuple(forms), line.symbol.shape)]


@lru_cache(maxsize=256)
def _derivative_forms(function: Any) -> tuple[Any, ...]:
    """Return a scalar function's derivative in U, in its own value where it can be, by cases."""
    derivative = function.diff(U)
    forms = [derivative]
    in_output = derivative.subs(function, _OUTPUT)
    if in_output != derivative and not in_output.has(U):
        forms.append(in_output)
    if derivative.has(scalars.step):
        forms.append(derivative.rewrite(Piecewise))
    return tuple(forms)


def _functional_steps(line: Any, operand: Any, indices: Indices) -> list[Step]:
    i, k, j = indices
    derivative = entry_derivative(line.symbol, line.expr, operand, (k, i, j))
    if derivative is None:
        return []
    left = PartialDerivative.of(line.symbol, _at(operand, i))
    title = operation_of(line.expr).title
    return [Step(f"derivative of the {title} by entries", left, (derivative,), operand.shape)]


def _jacobian_steps(
    line: Any, operand: Any, function: Any, cotangent: Any, indices: Indices
) -> list[Step]:
    i, k, _ = indices
    above, below = _at(line.symbol, i), _at(operand, k)
    jacobian = entry_derivative(line.symbol, line.expr, operand, indices)
    if jacobian is None:
        return []
    title, shape = operation_of(line.expr).title, (line.symbol.shape[0], operand.shape[0])
    by_operand = PartialDerivative.of(above, below)
    steps = [Step(f"Jacobian of the {title}", by_operand, (jacobian,), shape)]
    unsummed, summed = summed_chain(cotangent, jacobian, indices, line.symbol.shape[0])
    if summed is not None:
        law = sympy.Sum(PartialDerivative.of(function, above) * by_operand, (i, 1, shape[0]))
        left = PartialDerivative.of(function, below)
        chain = (law, unsummed, summed)
        steps.append(Step("chain rule over the entries", left, chain, operand.shape))
    return steps
