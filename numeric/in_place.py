"""Emitted NumPy code on memory of its own: every intermediate and result is written in place.

A call of NumPy with ``out=`` allocates nothing, and memory just used is still in the cache. So the
code of an emitted function is cut into single operations, run once to learn what each of
them gives, and written again with a buffer for each that needs one: an operation on entries writes
over an operand that nobody reads any more, another takes a buffer that is free.

Contract: the same operations in the same order as the emitted code, so the same numbers, but for
products that ``numeric.small_products`` takes in parts. What a call returns the next overwrites.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.emit import compiled
from numeric.small_products import is_small, way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from derive.emit import Emitted

__all__ = ["InPlace"]

_UFUNCS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.MatMult: "matmul",
    ast.Pow: "power",
    ast.USub: "negative",
}


@dataclass(frozen=True)
class Operation:
    """One operation of the code: its name, its text, and its operands, which are names and views.

    ``function`` is NumPy's that writes to a given array, with its ``keywords``; empty where there
    is none. ``values`` are the names in the operands, each as often as it stands there.
    """

    name: str
    text: str
    operands: tuple[str, ...] = ()
    function: str = ""
    keywords: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        return _names(self.operands or (self.text,))

    @property
    def by_entry(self) -> bool:
        """Whether an entry of the result needs no other entries of an operand of its shape."""
        summed = self.function.endswith((".reduce", ".matmul", ".vecdot"))
        return bool(self.function) and not summed


class InPlace:
    """An emitted function that keeps the memory of its intermediates and results.

    It takes the arguments of the emitted function, in order, and returns what that returns; the
    arrays are the same ones at every call with arguments of the same shapes and dtypes.

    >>> from derive.emit import emit
    >>> from derive.language import read_formula
    >>> formula = read_formula("sum(tanh(W*x))")
    >>> function = InPlace(emit([formula.expr], formula.variables, tuned=True))
    >>> round(float(function(np.eye(2), np.ones((2, 1)))[0]), 6)
    1.523188
    """

    def __init__(self, emitted: Emitted) -> None:
        self._names = emitted.arguments
        self._cut = _Cut(emitted)
        self._functions: dict[Any, Callable[..., tuple[Any, ...]]] = {}
        self.has_small_products = True  # all that were planned: the BLAS uses one core for each
        self.bytes = 0  # of the memory that was planned last

    def __call__(self, *arguments: Any) -> tuple[Any, ...]:
        """Compute the results, in the memory that belongs to arguments of these shapes."""
        key = tuple([(argument.shape, argument.dtype) for argument in arguments])
        function = self._functions.get(key)
        if function is None:
            function = self._functions[key] = self._planned(arguments)
        return function(*arguments)

    def _planned(self, arguments: Sequence[Any]) -> Callable[..., tuple[Any, ...]]:
        """Choose a buffer for every operation, and compile the code that uses them."""
        operations, results = self._cut.operations, self._cut.results
        pairs = [(operation.name, operation.text) for operation in operations]
        names = [operation.name for operation in operations]
        numpy = self._cut.numpy
        found = compiled(self._names, pairs, names, numpy)(*arguments)
        values = dict(zip((*self._names, *names), (*arguments, *found), strict=True))
        plan = _Plan(values, operations, results)
        self.has_small_products &= plan.has_small_products
        function = compiled((*self._names, *plan.memory), plan.pairs, results, numpy)
        memory = tuple(plan.memory.values())
        self.bytes = sum(array.nbytes for array in memory)
        return lambda *given: function(*given, *memory)


class _Cut:
    """The code of an emitted function, cut into single operations."""

    def __init__(self, emitted: Emitted) -> None:
        self.operations: list[Operation] = []
        self.numpy = emitted.alias
        statements = [statement.partition(" = ") for statement in emitted.statements]
        taken = {*emitted.arguments, *(name for name, *_ in statements)}
        self._library = emitted.library.partition(" = ")[0]  # of portable code: here it is NumPy
        self._fresh = (name for i in count() if (name := f"u{i}") not in taken)
        for name, _, text in statements:
            self._cut(self._parsed(text), name)
        self.results = tuple(ast.unparse(self._cut(self._parsed(text))) for text in emitted.results)

    def _parsed(self, text: str) -> ast.expr:
        tree = ast.parse(text, mode="eval").body
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == self._library:
                node.id = self.numpy
        return tree

    def _cut(self, node: Any, name: str | None = None) -> Any:
        """Add the operations of an expression, the last by this name; return what stands for it."""
        if isinstance(node, ast.BinOp):
            left, right = self._cut(node.left), self._cut(node.right)
            sides = ast.BinOp(left, node.op, right)
            return self._add(name, sides, (left, right), _UFUNCS[type(node.op)])
        if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
            operand = self._cut(node.operand)
            return self._add(name, ast.UnaryOp(node.op, operand), (operand,), "negative")
        if isinstance(node, ast.Call):
            arguments = tuple(map(self._cut, node.args))
            written = ast.Call(node.func, list(arguments), node.keywords)
            function = ast.unparse(node.func).removeprefix(f"{self.numpy}.")
            return self._add(name, written, arguments, function, node.keywords)
        if isinstance(node, ast.Attribute):
            node = ast.Attribute(self._cut(node.value), node.attr, node.ctx)
        elif isinstance(node, ast.Subscript):
            node = ast.Subscript(self._cut(node.value), node.slice, node.ctx)
        return node if name is None else self._add(name, node, ())

    def _add(
        self,
        name: str | None,
        node: ast.expr,
        operands: Iterable[ast.expr],
        function: str = "",
        keywords: Iterable[ast.keyword] = (),
    ) -> ast.Name:
        name = name or next(self._fresh)
        self.operations.append(
            Operation(
                name,
                ast.unparse(node),
                tuple(map(ast.unparse, operands)),
                _writing(function, self.numpy),
                tuple(map(ast.unparse, keywords)),
            )
        )
        return ast.Name(name, ast.Load())


def _writing(function: str, numpy: str) -> str:
    """Return how code calls a function of NumPy's that takes ``out=``, or nothing."""
    if function == "asfortranarray":
        return f"{numpy}.positive"  # into a buffer in column order
    ufunc, _, method = function.partition(".")
    takes_out = isinstance(getattr(np, ufunc, None), np.ufunc) and method in ("", "reduce")
    return f"{numpy}.{function}" if takes_out else ""


class _Plan:
    """The code with buffers: ``pairs`` of names and texts, ``memory`` by the buffers' names."""

    def __init__(
        self, values: dict[str, Any], operations: Sequence[Operation], results: Sequence[str]
    ) -> None:
        self.memory: dict[str, NDArray[Any]] = {}
        self.pairs: list[tuple[str, str]] = []
        self.has_small_products = True
        self._values = values
        self._buffers: dict[str, str] = {}  # of each value that is in one
        self._free: list[str] = []
        self._readers = Counter(name for operation in operations for name in operation.values)
        self._readers.update(_names(results))
        for operation in operations:
            if self._is_written(operation):
                self._write(operation)
            else:
                self.pairs.append((operation.name, operation.text))
                # It may be a view of its operands: they are kept to the end.
                self._readers.update(operation.values)
                self._readers.subtract(operation.values)

    def _is_written(self, operation: Operation) -> bool:
        result = self._values[operation.name]
        return bool(operation.function) and isinstance(result, np.ndarray) and result.ndim == 2

    def _write(self, operation: Operation) -> None:
        self._readers.subtract(operation.values)
        read = dict.fromkeys(operation.values)
        unread = [name for name in read if name in self._buffers and not self._readers[name]]
        result = np.empty_like(self._values[operation.name])
        over = [self._buffers[n] for n in unread if operation.by_entry and n in operation.operands]
        buffer = next((b for b in (*over, *self._free) if _alike(self.memory[b], result)), None)
        if buffer is None:
            buffer = self._new(result)
        self._free += [self._buffers.pop(name) for name in unread]
        self._free = [free for free in self._free if free != buffer]
        self._buffers[operation.name] = buffer
        self._print(operation, buffer)

    def _print(self, operation: Operation, buffer: str) -> None:
        inside = ", ".join([*operation.operands, *operation.keywords, f"out={buffer}"])
        if operation.function.endswith(".matmul"):
            left, right = operation.operands
            found = way(self._view(left), self._view(right), self.memory[buffer])
            if found is not None:
                memory = self._new(found.memory)
                numpy = operation.function.removesuffix(".matmul")
                places = {"left": left, "right": right, "out": buffer, "memory": memory}
                *texts, product = [text.format(np=numpy, **places) for text in found.texts]
                self.pairs += [(self._free_name("v"), text) for text in texts]
                self.pairs.append((operation.name, product))
                return
            self.has_small_products &= is_small(self._view(left), self._view(right))
        self.pairs.append((operation.name, f"{operation.function}({inside})"))

    def _view(self, text: str) -> Any:
        """Return the trial's value of an operand that is a matrix, perhaps transposed."""
        name = text.removesuffix(".T")
        return self._values[name] if name == text else self._view(name).T

    def _new(self, memory: NDArray[Any]) -> str:
        name = self._free_name("w")
        self.memory[name] = memory
        return name

    def _free_name(self, letter: str) -> str:
        taken = {*self._values, *self.memory, *(name for name, _ in self.pairs)}
        return next(name for i in count() if (name := f"{letter}{i}") not in taken)


def _alike(memory: NDArray[Any], other: NDArray[Any]) -> bool:
    return (memory.shape, memory.dtype, memory.strides) == (
        other.shape,
        other.dtype,
        other.strides,
    )


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    nodes = (node for text in texts for node in ast.walk(ast.parse(text, mode="eval")))
    return tuple(node.id for node in nodes if isinstance(node, ast.Name))
