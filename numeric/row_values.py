"""Stand-ins for arrays: code that runs on them writes down a kernel of rows.

They follow torch's protocol for types that are no tensors, so nothing here knows a formula: rows of
samples, and values that are known only when all rows have been read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from numeric.triton_code import BY_ENTRY, NARROW, KernelText, NotByRowsError, product_over_rows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Later", "Rows", "now"]


def _method(name: str, *, reflected: bool = False) -> Any:
    def method(self: Any, *others: Any) -> Any:
        operands = (*others, self) if reflected else (self, *others)
        return self.__torch_function__(getattr(import_module("torch"), name), (), operands)

    return method


class _StandIn:
    """What stands for an array: it follows torch's protocol for types that are no tensors."""

    __add__, __radd__ = _method("add"), _method("add", reflected=True)
    __sub__, __rsub__ = _method("sub"), _method("sub", reflected=True)
    __mul__, __rmul__ = _method("mul"), _method("mul", reflected=True)
    __truediv__, __rtruediv__ = _method("div"), _method("div", reflected=True)
    __matmul__, __rmatmul__ = _method("matmul"), _method("matmul", reflected=True)
    __pow__, __neg__, __abs__ = map(_method, ("pow", "neg", "abs"))
    __gt__, __ge__, __lt__, __le__ = map(_method, ("gt", "ge", "lt", "le"))
    __eq__, __ne__ = _method("eq"), _method("ne")
    __hash__ = None  # type: ignore[assignment] # equal entry by entry

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, operands: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        name = function.__name__.strip("_")
        name = {"truediv": "div", "true_divide": "div"}.get(name, name)
        found = [operand for operand in operands if isinstance(operand, Rows)]
        if not found:
            return Later(lambda: function(*map(now, operands), **(options or {})))
        if any(isinstance(operand, Later) for operand in operands):
            raise NotByRowsError(f"{name} of rows and of a sum over them")
        return _applied(found[0].block.text, name, operands, options or {})

    def __array_namespace__(self) -> Any:
        """Return torch, whose functions know the protocol."""
        return import_module("torch")


class Later(_StandIn):
    """A value that is known when the kernels have run: a sum over rows, or what follows of some."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute, self._found = compute, None

    @property
    def value(self) -> Any:
        """The tensor, which is computed once."""
        if self._found is None:
            self._found = self._compute()
        return self._found

    @property
    def T(self) -> Later:
        return Later(lambda: self.value.T)

    def __getitem__(self, place: Any) -> Later:
        return Later(lambda: self.value[place])


class _Block:
    """A block of rows in the kernel: a ``tile``, or none yet of a ``source``.

    The source is the tensor of all rows, where they are in memory.
    """

    def __init__(self, text: KernelText, width: int, source: Any = None, tile: str = "") -> None:
        self.text, self.width, self.source, self._tile = text, width, source, tile

    @property
    def tile(self) -> str:
        """The name in the kernel, which loads the block where it has not yet."""
        if not self._tile:
            _hold(self.width)
            self._tile = self.text.loaded(self.source)
        return self._tile

    @property
    def in_memory(self) -> Any:
        """The tensor of all rows, which the kernel writes where there is none."""
        if self.source is None:
            self.source = self.text.stored(self._tile, self.width)
        return self.source


class Rows(_StandIn):
    """A matrix with a sample a row, or a `turned` one with a sample a column."""

    def __init__(self, block: _Block, *, turned: bool = False) -> None:
        self.block, self.turned = block, turned

    @classmethod
    def of(cls, text: KernelText, samples: Any) -> Rows:
        """Return what stands for a tensor of samples."""
        return cls(_Block(text, samples.shape[1], samples))

    @property
    def T(self) -> Rows:
        return Rows(self.block, turned=not self.turned)

    @property
    def width(self) -> int:
        """How many numbers a sample has."""
        return self.block.width

    @property
    def shape(self) -> tuple[int, int]:
        rows = self.block.text.rows
        return (self.width, rows) if self.turned else (rows, self.width)

    def times(self, matrix: Any) -> Rows:
        """Return the product with a matrix, row by row."""
        text, width, source = self.block.text, matrix.shape[1], self.block.source
        _hold(width)
        if source is not None and self.width > NARROW:
            tile = text.product_of_loaded(source, matrix)
        else:
            tile = text.product(self.block.tile, self.width, matrix)
        return Rows(_Block(text, width, tile=tile))


def _applied(text: KernelText, name: str, operands: Any, options: dict[str, Any]) -> Any:
    """Write down a function of rows and of tensors."""
    if name == "matmul":
        return _product(*operands)
    if name in ("sum", "amax"):
        return _reduction(name, *operands, **options)
    if name == "pow":
        name, operands = _power(*operands)
    elif name == "clip":
        return _clipped(text, *operands)
    turned = {operand.turned for operand in operands if isinstance(operand, Rows)}
    if name not in BY_ENTRY or options or len(turned) > 1:
        raise NotByRowsError(f"torch's {name}")
    is_turned = turned == {True}
    pairs = [_in_kernel(text, operand, turned=is_turned) for operand in operands]
    width = max(width for width, _ in pairs)
    if any(size not in (1, width) for size, _ in pairs):
        raise NotByRowsError(f"{name} of sizes that differ")
    tile = text.by_entry(name, [tile for _, tile in pairs])
    return Rows(_Block(text, width, tile=tile), turned=is_turned)


def _clipped(text: KernelText, rows: Any, least: Any, most: Any) -> Any:
    if least is not None:
        rows = _applied(text, "maximum", (rows, least), {})
    return rows if most is None else _applied(text, "minimum", (rows, most), {})


def _in_kernel(text: KernelText, operand: Any, *, turned: bool) -> tuple[int, str]:
    """Return the width of an operand by entry, and its name in the kernel."""
    if isinstance(operand, Rows):
        return operand.width, operand.block.tile
    if isinstance(operand, (int, float)):
        return 1, repr(operand)
    row = operand.T if turned and operand.ndim else operand
    if row.ndim and row.shape[0] != 1:
        raise NotByRowsError("rows and a matrix, entry by entry")
    width = row.shape[1] if row.ndim else 1
    _hold(width)
    return width, text.broadcast(row, width)


def _power(base: Any, exponent: Any) -> tuple[str, tuple[Any, ...]]:
    """Return a function that gives a power."""
    if not isinstance(exponent, (int, float)):
        return "pow", (base, exponent)
    if exponent == 2:
        return "square", (base,)
    if exponent == 0.5:
        return "sqrt", (base,)
    if exponent == -1:
        return "div", (1, base)
    return "pow", (base, exponent)


def _product(left: Any, right: Any) -> Any:
    if isinstance(left, Rows) and isinstance(right, Rows):
        if not left.turned or right.turned:
            raise NotByRowsError("a product of rows with rows")
        if left.width > right.width:
            return _product(right.T, left.T).T
        return _over_rows(left, right)
    if isinstance(left, Rows):
        if left.turned:
            raise NotByRowsError("a sum over samples with weights of their own")
        return left.times(right)
    if not right.turned:
        raise NotByRowsError("a sum over samples with weights of their own")
    return right.T.times(left.T).T


def _over_rows(left: Rows, right: Rows) -> Later:
    """Return the sum over rows of the outer products of two matrices' rows."""
    first, second = left.block.in_memory, right.block.in_memory
    if left.width > NARROW:
        return Later(lambda: first.T @ second)
    return Later(lambda: product_over_rows(first, second))


def _reduction(name: str, rows: Rows, axis: int | None = None, *, keepdims: bool = False) -> Any:
    """Return a sum over rows, or a sum or the maximum in each of them."""
    along = axis if axis is None or not rows.turned else 1 - axis
    known = along in (None, 0, 1) if name == "sum" else along == 1
    if not known or (axis is not None and not keepdims):
        raise NotByRowsError(f"{name} over axis {axis}")
    text, width = rows.block.text, rows.width
    if along == 0 and width > NARROW:
        whole = rows.block.in_memory
        return Later(lambda: (whole.T if rows.turned else whole).sum(axis, keepdims=True))
    tile = rows.block.tile
    if along == 1:
        each = text.reduced(name, tile, width)
        return Rows(_Block(text, 1, tile=each), turned=rows.turned)
    if along is None:
        total = text.total(text.reduced(name, tile, width), 1)
        return Later(lambda: text.sums[total][0])
    total = text.total(tile, width)
    return Later(lambda: text.sums[total][:, None] if rows.turned else text.sums[total][None, :])


def _hold(width: int) -> None:
    if width > NARROW:
        raise NotByRowsError(f"{width} columns at a time")


def now(value: Any) -> Any:
    """Return a tensor, of a value that was not known before the kernels ran."""
    return value.value if isinstance(value, Later) else value
