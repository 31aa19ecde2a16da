"""What functions are called in the arrays' library, in NumPy, and in code for a loop.

Tables for ``derive.numpy_code``; what is in none of them goes by its own name.
"""

from types import MappingProxyType

__all__ = ["ARRAY_NAMES", "CALLS", "NUMPY", "PORTABLE", "REDUCTIONS"]

# What a call is written as: {xp} is the library, {like} an argument of the code's dtype.
CALLS = MappingProxyType(
    {
        "sum": "{xp}.sum({0})",
        "rowsum": "{xp}.sum({0}, axis=1, keepdims=True)",
        "colsum": "{xp}.sum({0}, axis=0, keepdims=True)",
        "norm2": "{xp}.sqrt({xp}.sum({xp}.square({0})))",
        "logdet": "{xp}.linalg.slogdet({0})[1]",
        "inv": "{xp}.linalg.inv({0})",
        "pinv": "{xp}.linalg.pinv({0})",
        "reshape": "{xp}.reshape({0}, ({1}, {2}))",
        "sums of blocks": "{xp}.sum({xp}.reshape({0}, ({1}, {2}, {3}, {4})), axis=(1, 3))",
        "sum of blocks": "{xp}.sum({xp}.reshape({0}, ({1}, {2}, {3}, {4})), axis=(0, 2))",
        "solve": "{xp}.linalg.solve({0}, {1})",
    }
)

# The array-API standard's names.
ARRAY_NAMES = MappingProxyType({"arcsin": "asin", "arccos": "acos", "arctan": "atan"})

# What libraries spell in different ways, once for all of them and once as NumPy spells it.
PORTABLE = MappingProxyType(
    {
        "rowmax": "_rowmax({0})",
        "tr": "{xp}.sum(_diagvec({0}))",
        "diag": "_diag({0})",
        "diagvec": "_diagvec({0})",
        "kron": "_kron({0}, {1})",
        "copy": "_copy({0})",
        "at least": "{xp}.clip({0}, {1}, None)",
        "at most": "{xp}.clip({0}, None, {1})",
        "full": "_full({like}, {0}, {1}, {2})",
        "eye": "_eye({like}, {0})",
        "constant": "_number({like}, {0})",
    }
)
NUMPY = MappingProxyType(
    {
        "relu": "{xp}.maximum({0}, 0)",
        "rowmax": "{xp}.max({0}, axis=1, keepdims=True)",
        "tr": "{xp}.trace({0})",
        "diag": "{xp}.diagflat({0})",
        "diagvec": "{xp}.diag({0})[:, None].copy()",
        "at least": "{xp}.maximum({0}, {1})",
        "at most": "{xp}.minimum({0}, {1})",
        "full": "{xp}.full(({1}, {2}), {0}, {xp}.result_type({like}, 0.5))",
        "eye": "{xp}.eye({0}, dtype={xp}.result_type({like}, 0.5))",
        "constant": "{xp}.full((), {0}, {xp}.result_type({like}, 0.5))",
    }
)

# What np.sum and np.max call in the end, and what the BLAS sums, for code in a loop:
# benchmarks/training.py and benchmarks/gradients.py have the gain.
REDUCTIONS = MappingProxyType(
    {
        "sum": "{xp}.add.reduce({0}, axis=None)",
        "rowsum": "{xp}.add.reduce({0}, axis=1, keepdims=True)",
        "colsum": "{xp}.add.reduce({0}, axis=0, keepdims=True)",
        "vecdot": "{xp}.vecdot({0}, {1}, keepdims=True)",
        "max": "{xp}.maximum.reduce({0}, axis=None)",
        "min": "{xp}.minimum.reduce({0}, axis=None)",
        "rowmax": "{xp}.maximum.reduce({0}, axis=1, keepdims=True)",
        # a training does not need the digits of what is small beside its neighbours
        "balanced": "({0})",
        "rowbalanced": "({0})",
        "rowless_one": "({1} - 1)",
    }
)
