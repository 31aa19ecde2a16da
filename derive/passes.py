"""The passes between stable forms and sharing: what an expert would write, one rewriting at a time.

They are for code alone, and keep every value; what they make is shown nowhere. The order matters:

1. Kronecker products are applied to vectors without being formed (``derive.kron_products``);
2. diagonal matrices are broadcast, so that products lose factors (``derive.diagonals``);
3. traces become sums of elementwise products, so that they lose products (``derive.traces``);
4. functions of entries that several elementwise functions contain are taken apart
   (``derive.entrywise``), and no root is taken of a square (``derive.squared_norms``);
5. sums and elementwise products are written with parts of them (``derive.repeats``);
6. products with sums of products are multiplied out where that is much cheaper
   (``derive.distribution``);
7. coefficients that products have in common go into what they are made of
   (``derive.coefficients``);
8. products are cut into products of two, in the cheapest order (``derive.sharing``);
9. multiples of what is computed are not computed again (``derive.multiples``);
10. of matrices that are each other's transpose one is computed (``derive.repeats``);
11. sums of entries are written with products that are computed as well
    (``derive.known_products``);
12. inverses that are only applied are solved for (``derive.solving``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derive.build import rewritten
from derive.coefficients import with_coefficients_moved
from derive.diagonals import without_diagonals
from derive.distribution import multiplied_out
from derive.entrywise import with_functions
from derive.known_products import with_known_products
from derive.kron_products import without_kroneckers
from derive.multiples import with_multiples
from derive.repeats import with_parts, with_transposes, with_turned_negatives
from derive.sharing import binarised
from derive.solving import solved
from derive.squared_norms import with_squared_norms
from derive.traces import without_traces

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ready_for_code"]


def ready_for_code(exprs: Sequence[Any], count: int) -> list[Any]:
    """Rewrite expressions, of which the first ``count`` are returned and others only have names.

    >>> from derive.language import read_formula
    >>> ready_for_code([read_formula("tr(diag(x)*B)").expr], 1)
    [sum(x .* diagvec(B))]
    """
    for rule in (without_kroneckers, without_diagonals, without_traces):
        exprs = rewritten(exprs, rule)
    exprs = with_squared_norms(exprs)
    exprs = with_parts(with_turned_negatives(with_functions(exprs)))
    exprs = with_coefficients_moved(multiplied_out(exprs), count)
    exprs = with_multiples(binarised(exprs))
    exprs = rewritten(with_transposes(exprs), without_traces)
    exprs = with_known_products(exprs)
    return solved(exprs, exprs[:count])
