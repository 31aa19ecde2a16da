"""Powers of entries in code: x^y is a number where x is 0, whose logarithm is none.

A power with a symbol in its exponent is exp(y·log x) in formulas, so that its derivatives need no
rule of their own. Code has x^y itself; y·x^(y − 1), without the rounding of y − 1 where y is small;
and x^y·log(x), which is 0 where the power is.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add
from sympy.matrices.expressions import Transpose

from derive.build import elementwise, hadamard
from derive.code_functions import PowerOfEntries, PowerOverBase, TimesLog
from derive.nodes import Elementwise, Hadamard, Inner, Total
from derive.notation import power_of_entries
from derive.scalars import U
from derive.sharing import stretched

__all__ = ["powers"]


def powers(node: Any) -> Any:
    """Return a node with powers of entries in it; its operands are done already.

    >>> from derive.language import read_formula
    >>> powers(read_formula("x.^a", {"x": "n"}).expr)
    pow(x, a)
    """
    if isinstance(node, Elementwise):
        return _power(node)
    if isinstance(node, Hadamard):
        return _product(node)
    if isinstance(node, Inner) and len(node.args) == 2 and isinstance(node.args[0], Transpose):
        found = _product(Hadamard(node.args[0].args[0], node.args[1]))
        return node if isinstance(found, Hadamard) else Total(found)
    return node


def _power(node: Any) -> Any:
    found = power_of_entries(node)
    if found is None:
        return node
    function, matrix, exponent = found
    base = elementwise(function, matrix)
    if (core := stretched(exponent)) is not None:
        exponent = core[0]  # which broadcasting stretches
    if isinstance(exponent, Add) and exponent.args[0] == -1:
        return PowerOverBase(base, exponent + 1)
    return PowerOfEntries(base, exponent)


def _product(node: Any) -> Any:
    """Take x^y/x and x^y·log(x) in a product as one function."""
    for power in node.args:
        if isinstance(power, PowerOfEntries):
            x, y = power.args
            for factor, kind in ((elementwise(1 / U, x), 0), (elementwise(sympy.log(U), x), 1)):
                if factor in node.args:
                    together = TimesLog(power, x) if kind else PowerOverBase(x, y)
                    others = [other for other in node.args if other not in (power, factor)]
                    return hadamard(together, *others) if others else together
    return node
