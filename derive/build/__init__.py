"""The constructors: the only way in which this program makes a matrix expression.

Each takes operands that are already canonical and returns a canonical node, applying only what
is always right and always shorter: zeros and ones, coefficients to the front, inverses that cancel,
products cut where they pass through a size of 1, elementwise factors of one argument merged.
Shapes are compared here; what does not fit is an error and never a broadcast.

SymPy's own operators are not used on matrices: ``A*A`` becomes a power, ``2*(A + B)`` and
transposes distribute, and ``B + A`` sorts.
"""

from derive.build.elementwise import elementwise, fused, hadamard, power
from derive.build.extrema import (
    all_largest,
    entrywise_maximum,
    entrywise_minimum,
    first_maximum,
    first_of,
    maximum,
    minimum,
    row_maximum,
)
from derive.build.kronecker import kronecker
from derive.build.linear import (
    add,
    identity,
    ones,
    same_size,
    scale,
    split,
    subtract,
    transpose,
    zero_like,
    zeros,
)
from derive.build.products import frobenius, inverse, multiply, norm2, product, total
from derive.build.rewriting import rebuild, replace, rewritten, transform, with_operands
from derive.build.structure import (
    across,
    adjugate,
    column_sum,
    determinant,
    diag,
    diagonal,
    log_det,
    log_sum_exp,
    lower_triangle,
    pseudo_inverse,
    row_log_sum_exp,
    row_softmax,
    row_sum,
    softmax,
    stretch,
    trace,
    upper_triangle,
)

__all__ = [
    "across",
    "add",
    "adjugate",
    "all_largest",
    "column_sum",
    "determinant",
    "diag",
    "diagonal",
    "elementwise",
    "entrywise_maximum",
    "entrywise_minimum",
    "first_maximum",
    "first_of",
    "frobenius",
    "fused",
    "hadamard",
    "identity",
    "inverse",
    "kronecker",
    "log_det",
    "log_sum_exp",
    "lower_triangle",
    "maximum",
    "minimum",
    "multiply",
    "norm2",
    "ones",
    "power",
    "product",
    "pseudo_inverse",
    "rebuild",
    "replace",
    "rewritten",
    "row_log_sum_exp",
    "row_maximum",
    "row_softmax",
    "row_sum",
    "same_size",
    "scale",
    "softmax",
    "split",
    "stretch",
    "subtract",
    "total",
    "trace",
    "transform",
    "transpose",
    "upper_triangle",
    "with_operands",
    "zero_like",
    "zeros",
]
