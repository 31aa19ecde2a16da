"""What a wrong claim should have been: single edits of its syntax tree, in order of likelihood.

A claim whose sizes disagree has no expression, but its text has a tree. Each edit is printed, its
sizes are inferred, and only what has the right shape is built. The work is bounded: each kind of
edit has its share, in sizes inferred and in expressions built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from derive.edits import binary, edited, negative, orders, printed, product, texts, transposed
from derive.errors import ChainRuleError
from derive.functions import FUNCTIONS
from derive.inference import infer, size_arguments
from derive.language import read_among
from derive.shapes import SCALAR, Sizes, size_of, symbol_shape
from derive.syntax import Syntax, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Repair", "repairs"]

MAX_LENGTH = 10_000  # characters of a claim whose edits are tried
MAX_WORK = 8_000  # nodes whose sizes are inferred, for each kind of edit
MIN_TRIED = 3  # edits of a kind, however long the claim
MAX_BUILT = 25  # expressions of a kind
MAX_FACTORS = 4  # of a chain that is permuted

_SUMS = ("sum", "rowsum", "colsum", "mean", "rowmean", "colmean")

Edit = tuple[str, str, "dict[Syntax, Syntax]"]  # the mistake, what is said of it, what is replaced


@dataclass(frozen=True)
class Repair:
    """An edit of a claim: the mistake that it undoes, what a teacher says, the edited claim.

    >>> Repair("sign", "-x should be x", None).name
    'sign'
    """

    name: str
    explanation: str
    expr: Any


def repairs(
    text: str,
    variables: Mapping[str, Any],
    shape: tuple[Any, ...],
    subterms: Sequence[str] = (),
) -> Iterator[Repair]:
    """Yield the edits of a claim that have a shape, the likeliest first.

    Args:
        text: the claim, whose sizes may disagree.
        variables: symbols by name.
        shape: of what is yielded, () for a scalar.
        subterms: parts of the formula, in the language, that may stand in the claim instead.

    Raises:
        FormulaError: where the claim cannot be parsed.

    >>> from derive.language import read_formula
    >>> variables = read_formula("norm2(W*x)^2").variables
    >>> next(repairs("2*W*(W*x)", variables, variables["x"].shape)).explanation
    "W should be W': 2*W'*(W*x)"
    """
    if len(text) > MAX_LENGTH:
        return
    claim = _Claim(parse(text), variables, shape, subterms)
    seen = {claim.text[claim.tree]}
    for family in (
        claim.transposes(),
        claim.orders(),
        claim.inputs(),
        claim.operands(),
        claim.products(),
        claim.sums(),
        claim.signs(),
        claim.terms(),
        claim.factors(),
        claim.two_transposes(),
        claim.permuted(),
        claim.parts(),
    ):
        yield from claim.tried(family, seen)


class _Claim:
    def __init__(
        self,
        tree: Syntax,
        variables: Mapping[str, Any],
        shape: tuple[Any, ...],
        subterms: Sequence[str],
    ) -> None:
        self.tree, self.variables, self.shape = tree, variables, shape
        sizes = size_arguments(tree)
        self.nodes = [node for node in tree.postorder() if node not in sizes]
        self.text = texts(tree)
        self.parent = {child: node for node in self.nodes for child in node.children}
        self.names = [node for node in self.nodes if node.kind == "name"]
        self.subterms = [parse(term) for term in subterms]

    def tried(self, family: Iterator[Edit], seen: set[str]) -> Iterator[Repair]:
        """Build what has the shape, out of one kind of edits."""
        built = 0
        limit = max(MIN_TRIED, MAX_WORK // len(self.nodes))
        for count, (name, said, edits) in enumerate(family):
            if count >= limit or built >= MAX_BUILT:
                return
            text = printed(edited(self.tree, edits))
            if text in seen:
                continue
            seen.add(text)
            expr = self.read(text)
            if expr is not None:
                built += 1
                whole = said if said.endswith(f" {text}") else f"{said}: {text}"
                yield Repair(name, whole, expr)

    def read(self, text: str) -> Any:
        """Return the expression of an edited claim, None where its sizes are not right."""
        known = {name: symbol_shape(variable) for name, variable in self.variables.items()}
        sizes = Sizes()
        try:
            tree = parse(text)
            found = infer(tree, text, sizes, known)[tree]
            expected = tuple(map(size_of, self.shape)) or SCALAR
            if not all(map(sizes.unify, found, expected)):
                return None
            return read_among(text, self.variables, self.shape or None)
        except ChainRuleError:
            return None

    def changed(self, name: str, old: Syntax, new: Syntax) -> Edit:
        return name, f"{self.text[old]} should be {printed(new)}", {old: new}

    # The kinds of edits.

    def matrices(self) -> list[Syntax]:
        """Return what may be transposed: the leaves first, then from the smallest part."""
        kinds = ("number", "neg", "'")
        parts = [n for n in self.nodes if n.kind not in kinds or self.is_outer_transpose(n)]
        return sorted(parts, key=lambda n: (n.depth > 2, n.depth))

    def is_outer_transpose(self, node: Syntax) -> bool:
        return node.kind == "'" and node.children[0].kind != "'"

    def transposes(self) -> Iterator[Edit]:
        for node in self.matrices():
            if node not in self.parent or self.parent[node].kind != "'":
                yield self.changed("transpose", node, transposed(node))

    def two_transposes(self) -> Iterator[Edit]:
        nodes = [self.parent[n] if self.under(n, "'") else n for n in self.names]
        for a, b in combinations(nodes, 2):
            new = {a: transposed(a), b: transposed(b)}
            said = " and ".join(
                f"{self.text[old]} should be {printed(n)}" for old, n in new.items()
            )
            yield "transpose", said, new

    def under(self, node: Syntax, kind: str) -> bool:
        return node in self.parent and self.parent[node].kind == kind

    def orders(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind == "*":
                yield self.changed("order", node, binary("*", *node.children[::-1]))
                for parts in orders(node, MAX_FACTORS):
                    yield self.changed("order", node, product(parts))

    def permuted(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind != "*" or self.under(node, "*"):
                continue
            for parts in orders(node, MAX_FACTORS):
                for i, part in enumerate(parts):
                    if part.kind != "number":
                        new = (*parts[:i], transposed(part), *parts[i + 1 :])
                        yield self.changed("order", node, product(new))

    def inputs(self) -> Iterator[Edit]:
        """Put the output for the input, and the input for the output."""
        terms = [*self.nodes, *(n for term in self.subterms for n in term.postorder())]
        calls = {printed(n): n for n in terms if n.kind == "call" and _is_entrywise(n)}
        pairs = ((t, c, inside) for t, c in calls.items() for inside in c.postorder()[-2::-1])
        for text, call, inside in pairs:
            if inside is not call.children[0] and inside.kind != "name":
                continue
            outside = printed(inside)
            plain = [n for n in self.nodes if self.text[n] == outside and not self.under(n, "call")]
            full = [n for n in self.nodes if self.text[n] == text]
            for old, new in ((plain, call), (full, inside)):
                if len(old) > 1:
                    said = f"{printed(old[0])} should be {printed(new)} everywhere"
                    yield "input-output", said, dict.fromkeys(old, new)
                for node in old:
                    yield self.changed("input-output", node, new)

    def operands(self) -> Iterator[Edit]:
        others = [Syntax("name", 0, name) for name in self.variables]
        for node in self.names:
            for other in (*others, *self.subterms):
                yield self.changed("wrong-operand", node, other)
                yield self.changed("wrong-operand", node, transposed(other))
                if self.under(node, "'"):
                    yield self.changed("wrong-operand", self.parent[node], other)
        for name in dict.fromkeys(node.value for node in self.names):
            same = [node for node in self.names if node.value == name]
            for other in (*others, *self.subterms):
                said = f"{name} should be {printed(other)} everywhere"
                yield "wrong-operand", said, dict.fromkeys(same, other)

    def products(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind in ("*", ".*"):
                other = ".*" if node.kind == "*" else "*"
                yield self.changed("order", node, replace(node, kind=other))
                swapped = binary(other, *node.children[::-1])
                yield self.changed("order", node, swapped)

    def sums(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind == "call" and node.value in _SUMS:
                yield self.changed("shape", node, node.children[0])
                for other in _SUMS:
                    same = ("mean" in other) == ("mean" in node.value)
                    new = replace(node, value=other)
                    for part in (new, transposed(new)):
                        yield self.changed("shape" if same else "sum-vs-mean", node, part)

    def summands(self) -> list[Syntax]:
        return [n for n in self.nodes if n is self.tree or self.under(n, "+") or self.under(n, "-")]

    def signs(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind in ("+", "-"):
                other = "-" if node.kind == "+" else "+"
                yield self.changed("sign", node, replace(node, kind=other))
            if node.kind == "neg":
                yield self.changed("sign", node, node.children[0])
        for node in self.summands():
            yield self.changed("sign", node, negative(node))

    def terms(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind in ("+", "-"):
                left, right = node.children
                said = "{} is an extra term"
                yield "other", said.format(self.text[right]), {node: left}
                rest = right if node.kind == "+" else negative(right)
                yield "other", said.format(self.text[left]), {node: rest}

    def factors(self) -> Iterator[Edit]:
        for node in self.nodes:
            if node.kind in ("*", "/", ".*", "./"):
                left, right = node.children
                if right.kind == "number":
                    yield self.changed("factor", node, left)
                if left.kind == "number" and node.kind in ("*", ".*"):
                    yield self.changed("factor", node, right)
        two = Syntax("number", 0, "2")
        for node in self.summands():
            yield self.changed("factor", node, binary("*", two, node))
            yield self.changed("factor", node, binary("/", node, two))
        for size in self.counts():
            for node in self.summands():
                yield self.changed("sum-vs-mean", node, binary("/", node, size))
                yield self.changed("sum-vs-mean", node, binary("*", size, node))

    def counts(self) -> list[Syntax]:
        """Return the sizes of the variables, and how many entries each has."""
        texts: dict[str, None] = {}
        for variable in self.variables.values():
            sides = [str(size) for size in getattr(variable, "shape", ()) if size != 1]
            if all(side.isdigit() or side.isidentifier() for side in sides):
                usable = not set(sides) & set(self.variables)
                texts |= dict.fromkeys([*sides, "*".join(sides)] if usable and sides else ())
        return [parse(text) for text in texts]

    def parts(self) -> Iterator[Edit]:
        """Put a part of the formula for a part of the claim."""
        for node in self.nodes:
            if node.kind != "name":
                for other in self.subterms:
                    yield self.changed("wrong-operand", node, other)
                    yield self.changed("wrong-operand", node, transposed(other))


def _is_entrywise(call: Syntax) -> bool:
    row = FUNCTIONS.get(call.value)
    return row is not None and len(call.children) == 1 and row.shape is FUNCTIONS["exp"].shape
