"""The shape of every part of a formula, from the leaves up; sizes that must agree are unified.

A size at one end of a formula may be known only from the other end: the shapes are complete, for
the nodes to be built, once the whole tree has been seen.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from derive.errors import FormulaError, InputError, RefusedError, SizesError, suggestion
from derive.functions import CONSTANTS, ELSEWHERE, FUNCTION_NAMES, FUNCTIONS
from derive.shapes import MAX_SIZE, SCALAR, Shape, Size, Sizes, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from derive.syntax import Syntax

__all__ = ["infer", "size_arguments"]

_ELEMENTWISE = ("+", "-", ".*", "./", ".^")


def infer(
    tree: Syntax, source: str, sizes: Sizes, variables: Mapping[str, Shape]
) -> dict[Syntax, Shape]:
    """Find the shape of every node, by the shapes of the variables; other names are scalars.

    Raises:
        SizesError: where sizes disagree.
        RefusedError: for a function that is not known.
    """
    return _Inference(source, sizes, variables).run(tree)


def size_arguments(tree: Syntax) -> set[Syntax]:
    """Return the arguments of ones(n), zeros(n,m) and eye(n): sizes and no variables."""
    calls = (node for node in tree.postorder() if node.kind == "call" and node.value in CONSTANTS)
    return {child for node in calls for child in node.children}


class _Inference:
    def __init__(self, source: str, sizes: Sizes, variables: Mapping[str, Shape]) -> None:
        self.source, self.sizes, self.variables = source, sizes, variables
        self.shapes: dict[Syntax, Shape] = {}

    def run(self, tree: Syntax) -> dict[Syntax, Shape]:
        for node in tree.postorder():
            try:
                self.shapes[node] = self.shape(node)
            except FormulaError:
                raise
            except InputError as error:
                name = f"{node.value}: " if node.kind == "call" else ""
                raise self.disagreement(f"{name}{error}", node) from None
        return self.shapes

    def error(self, message: str, node: Syntax) -> FormulaError:
        return FormulaError(message, self.source, node.position)

    def disagreement(self, message: str, node: Syntax) -> SizesError:
        return SizesError(message, self.source, node.position)

    def by_letter(self, *nodes: Syntax) -> str:
        """Say of operands that are names of one letter what that makes them, undeclared."""
        found = {}
        for node in nodes:
            shape = self.variables.get(node.value, SCALAR) if node.kind == "name" else SCALAR
            if len(node.value) == 1 and isinstance(shape[0], Unknown):
                found[node.value] = "a column vector" if shape[1] == 1 else "a matrix"
        if not found:
            return ""
        which, it = ("its letter", "it") if len(found) == 1 else ("their letters", "one")
        are = " and ".join(f"{name} is {what}" for name, what in found.items())
        return f". By {which}, {are}; --shape {next(iter(found))}=scalar makes {it} a number"

    def shape(self, node: Syntax) -> Shape:
        if node.kind == "number":
            return SCALAR
        if node.kind == "name":
            return self.variables.get(node.value, SCALAR)
        shapes = [self.sizes.shape(self.shapes[child]) for child in node.children]
        if node.kind == "call":
            return self.call(node, shapes)
        if node.kind == "neg":
            return shapes[0]
        if node.kind == "'":
            return shapes[0][1], shapes[0][0]
        if node.kind in _ELEMENTWISE:
            return self.broadcast(node, *shapes)
        rules = {"*": self.product, "/": self.quotient, "^": self.power}
        return rules[node.kind](node, *shapes)

    # Calls.

    def call(self, node: Syntax, shapes: list[Shape]) -> Shape:
        name, count = node.value, len(shapes)
        if name in CONSTANTS:
            return self.constant(node)
        if name not in FUNCTIONS:
            raise self.unknown_function(node)
        row = FUNCTIONS[name]
        fewest = row.arguments - row.optional
        if not fewest <= count <= row.arguments:
            expected = f"{fewest} or {row.arguments}" if row.optional else row.arguments
            plural = "" if row.arguments == 1 else "s"
            raise self.error(f"{name} takes {expected} argument{plural}, got {count}", node)
        return row.shape(self.sizes, shapes)

    def unknown_function(self, node: Syntax) -> RefusedError:
        """Name the nearest function; list all where none is near."""
        name, pointed = node.value, self.error("", node)
        if name in self.variables or len(name) == 1 or name == "pi":
            hint = f" For a product write {name}*(…)."
        elif name.lower() in ELSEWHERE:
            hint = f" Did you mean {ELSEWHERE[name.lower()]}?"
        else:
            hint = suggestion(name.lower(), FUNCTION_NAMES)
        known = ", ".join(sorted(FUNCTION_NAMES))
        hint = hint or f" The nearest is '{_nearest(name)}'. Known: {known}."
        return RefusedError(f"No function '{name}'.{hint}{pointed}")

    def constant(self, node: Syntax) -> Shape:
        """Read the sizes of ones(n), ones(n,m), zeros(n), zeros(n,m) or eye(n)."""
        sizes = [self.size(child) for child in node.children]
        if node.value == "eye" and len(sizes) == 1:
            return sizes[0], sizes[0]
        if node.value != "eye" and len(sizes) <= 2:
            return sizes[0], (sizes[1] if len(sizes) == 2 else 1)
        expected = "1 size" if node.value == "eye" else "1 or 2 sizes"
        raise self.error(f"{node.value} takes {expected}, got {len(sizes)}", node)

    def size(self, node: Syntax) -> Size:
        if node.kind == "name":
            return node.value
        digits = node.value if node.kind == "number" else ""
        if digits.isdigit() and len(digits) < 9 and 1 <= int(digits) <= MAX_SIZE:
            return int(digits)
        found = node.value[:40] if node.kind == "number" else "a formula"
        raise self.error(
            f"expected a size: an integer from 1 to {MAX_SIZE}, or a size's name; got {found}", node
        )

    # Operators.

    def broadcast(self, node: Syntax, left: Shape, right: Shape) -> Shape:
        """Unify two shapes; a side whose size is known to be 1 stretches."""
        shape = self.sizes.broadcast(left, right)
        if shape is not None:
            return shape
        operator = {"+": "sum", "-": "difference"}.get(node.kind, node.kind)
        raise self.disagreement(
            f"the sizes of this {operator} disagree: {self.sizes.text(left)} on the left "
            f"and {self.sizes.text(right)} on the right. Declare them with --shape, or "
            "transpose",
            node,
        )

    def product(self, node: Syntax, left: Shape, right: Shape) -> Shape:
        if SCALAR in (left, right):
            return right if left == SCALAR else left
        if not self.sizes.unify(left[1], right[0]):
            raise self.disagreement(
                f"inner sizes differ: the left side is {self.sizes.text(left)} and the right side "
                f"{self.sizes.text(right)}. Declare them with --shape, transpose one side, or use "
                f".* for an elementwise product{self.by_letter(*node.children)}",
                node,
            )
        return left[0], right[1]

    def quotient(self, node: Syntax, left: Shape, right: Shape) -> Shape:
        if right == SCALAR:
            return left
        divisor = node.children[1]
        declare = f", or declare --shape {divisor.value}=scalar" if divisor.kind == "name" else ""
        raise self.disagreement(
            f"'/' divides by a scalar, got a {self.sizes.text(right)} matrix. Use ./ to divide by "
            f"its entries, or inv(){self.by_letter(divisor) or declare}",
            node,
        )

    def power(self, node: Syntax, base: Shape, exponent: Shape) -> Shape:
        if exponent != SCALAR:
            of, name = node.children
            meant = ", and ' for a transpose" if name.value in ("T", "t") else ""
            meant = ", and exp(…) for powers of Euler's number" if of.value == "e" else meant
            raise self.disagreement(
                f"'^' takes a scalar exponent, got {self.sizes.text(exponent)}. "
                f"Use .^ for powers entry by entry{meant}{self.by_letter(name)}",
                node,
            )
        if base != SCALAR and not self.sizes.unify(*base):
            raise self.disagreement(
                f"'^' takes a scalar or a square matrix, got {self.sizes.text(base)}. "
                "Use .^ for a power of the entries",
                node,
            )
        return base


def _nearest(name: str) -> str:
    return get_close_matches(name.lower(), sorted(FUNCTION_NAMES), n=1, cutoff=0.0)[0]
