"""The nodes of a formula: SymPy's matrix expressions, and the few that SymPy lacks.

A node stores its shape and is unique (``derive.stored``), and does nothing else: every
simplification lives in the constructors of ``derive.build``, which are the only callers of these
classes.

A matrix node is a ``MatrixExpr``. The scalar ones are in ``derive.functionals``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sympy import Integer, MatAdd, MatMul, MatrixExpr
from sympy.matrices.expressions import HadamardProduct

from derive.functionals import (
    CrossEntropy,
    Determinant,
    Functional,
    Inner,
    LogDet,
    LogSumExp,
    Maximum,
    Minimum,
    Norm2,
    Total,
    Trace,
)
from derive.graph import is_matrix
from derive.scalars import U
from derive.stored import Stored

__all__ = [
    "EXTREMA",
    "Adjugate",
    "CrossEntropy",
    "Determinant",
    "Diag",
    "Diagonal",
    "Elementwise",
    "EntrywiseMaximum",
    "EntrywiseMinimum",
    "FirstMaximum",
    "Functional",
    "Hadamard",
    "Inner",
    "Inverse",
    "Kronecker",
    "LogDet",
    "LogSumExp",
    "LowerTriangle",
    "MatrixFunction",
    "MatrixSum",
    "Maximum",
    "Minimum",
    "Norm2",
    "Product",
    "PseudoInverse",
    "RowLogSumExp",
    "RowMaximum",
    "RowSoftmax",
    "Softmax",
    "Total",
    "Trace",
    "UpperTriangle",
]

ONE = Integer(1)


class Product(Stored, MatMul):
    """A matrix product, an optional scalar coefficient first."""

    def __new__(cls, *factors: Any) -> Any:
        matrices = [f for f in factors if is_matrix(f)]
        return cls._make((matrices[0].shape[0], matrices[-1].shape[1]), *factors)

    @property
    def coefficient(self) -> Any:
        """The scalar factor, 1 when there is none."""
        return ONE if is_matrix(self.args[0]) else self.args[0]

    @property
    def factors(self) -> tuple[Any, ...]:
        """The matrix factors in order."""
        return tuple(self.args if is_matrix(self.args[0]) else self.args[1:])


class MatrixSum(Stored, MatAdd):
    """A sum of matrices of one shape."""

    def __new__(cls, *terms: Any) -> Any:
        return cls._make(terms[0].shape, *terms)


class Hadamard(Stored, HadamardProduct):
    """The elementwise product of matrices of one shape."""

    def __new__(cls, *factors: Any) -> Any:
        return cls._make(factors[0].shape, *factors)


class Kronecker(Stored, MatrixExpr):
    """The Kronecker product: the blocks a_ij·B."""

    name = "kron"

    def __new__(cls, a: Any, b: Any) -> Any:
        return cls._make((a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]), a, b)


class EntrywiseMaximum(Stored, MatrixExpr):
    """The larger of two matrices of one shape, entry by entry; the first on a tie."""

    name = "max"

    def __new__(cls, a: Any, b: Any) -> Any:
        return cls._make(a.shape, a, b)


class EntrywiseMinimum(Stored, MatrixExpr):
    """The smaller of two matrices of one shape, entry by entry; the first on a tie."""

    name = "min"

    def __new__(cls, a: Any, b: Any) -> Any:
        return cls._make(a.shape, a, b)


class MatrixFunction(Stored, MatrixExpr):
    """A matrix-valued function of one matrix, of its argument's shape unless it says otherwise."""

    name: ClassVar[str]

    def __new__(cls, matrix: Any) -> Any:
        return cls._make(cls._shape_from(matrix.shape), matrix)

    @staticmethod
    def _shape_from(shape: tuple[Any, Any]) -> tuple[Any, Any]:
        return shape


class Elementwise(Stored, MatrixExpr):
    """A scalar function, an expression in the bound symbol U, of every entry of a matrix."""

    def __new__(cls, function: Any, matrix: Any) -> Any:
        return cls._make(matrix.shape, function, matrix)

    @property
    def function(self) -> Any:
        """The scalar expression in U."""
        return self.args[0]

    @property
    def matrix(self) -> Any:
        """The matrix whose entries are U."""
        return self.args[1]

    @property
    def operands(self) -> tuple[Any, ...]:
        """The matrix alone: the function is no operand."""
        return (self.matrix,)

    @property
    def bound_symbols(self) -> list[Any]:
        """U belongs to the node and not to the formula."""
        return [U]

    @property
    def free_symbols(self) -> set[Any]:
        """The symbols of the matrix and of the function's coefficients."""
        free: set[Any] = self.matrix.free_symbols
        free |= self.function.free_symbols - {U}
        return free


class Inverse(MatrixFunction):
    """The inverse of a square matrix."""

    name = "inv"


class PseudoInverse(MatrixFunction):
    """The Moore–Penrose inverse."""

    name = "pinv"

    @staticmethod
    def _shape_from(shape: tuple[Any, Any]) -> tuple[Any, Any]:
        return shape[1], shape[0]


class Adjugate(MatrixFunction):
    """The transposed matrix of the cofactors of a square matrix."""

    name = "adj"


class LowerTriangle(MatrixFunction):
    """The entries on and below the diagonal, among zeros."""

    name = "tril"


class UpperTriangle(MatrixFunction):
    """The entries on and above the diagonal, among zeros."""

    name = "triu"


class FirstMaximum(MatrixFunction):
    """1 at the first largest entry, row by row, and 0 elsewhere: the derivative of a maximum."""

    name = "first_maximum"


class RowFunction(MatrixFunction):
    """A matrix-valued function whose value is a column with one entry a row."""

    @staticmethod
    def _shape_from(shape: tuple[Any, Any]) -> tuple[Any, Any]:
        return shape[0], ONE


class Softmax(MatrixFunction):
    """exp(z_i) / Σ_j exp(z_j) over the entries of a column vector."""

    name = "softmax"


class RowSoftmax(MatrixFunction):
    """The softmax of every row of a matrix."""

    name = "rowsoftmax"


class RowLogSumExp(RowFunction):
    """log Σ_j exp(z_ij), a column with one entry a row."""

    name = "rowlogsumexp"


class RowMaximum(RowFunction):
    """max_j z_ij, a column with one entry a row; arises in stable code."""

    name = "rowmax"


class Diag(MatrixFunction):
    """The diagonal matrix of a column vector."""

    name = "diag"

    @staticmethod
    def _shape_from(shape: tuple[Any, Any]) -> tuple[Any, Any]:
        return shape[0], shape[0]


class Diagonal(RowFunction):
    """The diagonal of a square matrix as a column vector."""

    name = "diagvec"


# Nodes whose entries are the first of the largest, or say which those are.
EXTREMA = (EntrywiseMaximum, EntrywiseMinimum, FirstMaximum, RowMaximum, Maximum, Minimum)
