"""Kernels in Triton, written operation by operation: a block of rows at a time.

Contract: a matrix with a sample a row is a tile in the kernel, of a power of two of rows and
columns. What lies beyond the matrix has any values there: a sum, a maximum and a product mask it.
"""

from __future__ import annotations

import linecache
from functools import cache
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BY_ENTRY", "NARROW", "KernelText", "NotByRowsError", "product_over_rows"]

NARROW = 64
"""How many columns a kernel holds; torch's own products are good beyond."""


class _Tiles(NamedTuple):
    """How a kernel cuts matrices: rows and columns at a time, by so many warps and stages."""

    rows: int
    depth: int
    warps: int
    stages: int


# The fastest for 60000 x 784 x 10 on an H100 of 112 that were tried: docs/decisions/gpu-kernels.md.
_KERNEL = _Tiles(rows=64, depth=64, warps=4, stages=3)
_PRODUCT = _Tiles(rows=32, depth=64, warps=4, stages=3)
_PER_PROCESSOR = 3  # programs of a product, on each of the GPU's multiprocessors
_PRECISION = "tf32x3"  # three products on tensor cores, as exact as single precision is

BY_ENTRY = {
    "abs": "tl.abs({0})",
    "exp": "tl.exp({0})",
    "log": "tl.log({0})",
    "sqrt": "tl.sqrt_rn({0})",
    "sin": "tl.sin({0})",
    "cos": "tl.cos({0})",
    "erf": "tl.erf({0})",
    "square": "{0} * {0}",
    "neg": "-{0}",
    "sign": "({0} > 0).to(tl.float32) - ({0} < 0).to(tl.float32)",
    "ones_like": "({0} == {0}).to(tl.float32) * 0 + 1",
    "zeros_like": "({0} == {0}).to(tl.float32) * 0",
    "where": "tl.where({0}, {1}, {2})",
    "maximum": "tl.maximum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "minimum": "tl.minimum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "tl.div_rn({0}, {1})",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "pow": "libdevice.pow({0}, {1})",
    "round": "libdevice.rint({0})",
    **{
        name: f"libdevice.{name}({{0}})"
        for name in ("log1p", "expm1", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan")
    },
}
"""Functions of entries in Triton's words, by torch's names."""

_REDUCTIONS = {"sum": ("tl.sum", "0.0"), "amax": ("tl.max", "float('-inf')")}


class NotByRowsError(Exception):
    """What the code does is not of one row at a time, or nothing that a kernel here can hold."""


class KernelText:
    """A kernel over all rows of samples, as it is written; its `sums` when it has run.

    ``like`` is a tensor of as many rows, on the same device.
    """

    def __init__(self, like: Any) -> None:
        self.rows = like.shape[0]
        self.sums: Any = None
        self._like = like
        self._lines: list[str] = []
        self._columns: set[int] = set()
        self._memory: list[Any] = []  # what the kernel is called with
        self._tiles = (f"t{number}" for number in count())
        self._length = 0  # of the sums of a block of rows

    def loaded(self, matrix: Any) -> str:
        """Write a load of the block of rows of a matrix in memory."""
        width = matrix.shape[1]
        place = self._place(self._pointer(matrix), "rows[:, None]", self._across(width))
        return self._add(f"tl.load({place}, mask={self._inside(width)}, other=0.0)")

    def broadcast(self, row: Any, width: int) -> str:
        """Write a load of one row, or of a number, that all samples share."""
        if not row.ndim:
            return self._add(f"tl.load({self._pointer(row[None, None])})")
        place = self._place(self._pointer(row), "0", self._across(width))
        return self._add(f"tl.load({place}, mask={self._across(width)} < {width}, other=0.0)")

    def by_entry(self, name: str, tiles: Sequence[str]) -> str:
        """Write a function of entries."""
        return self._add(BY_ENTRY[name].format(*tiles))

    def reduced(self, name: str, tile: str, width: int) -> str:
        """Write a sum or a maximum of each row."""
        function, neutral = _REDUCTIONS[name]
        if width > 1:
            tile = f"tl.where({self._across(width)} < {width}, {tile}, {neutral})"
        return self._add(f"{function}({tile}, axis=1)[:, None]")

    def total(self, tile: str, width: int) -> slice:
        """Write sums over rows, one a column; return their place in ``sums``."""
        begin, self._length = self._length, self._length + width
        across = self._across(width)
        masked = f"tl.where({self._inside(width)}, {tile}, 0.0)"
        place = f"sums + tl.program_id(0) * length + {begin} + {across}"
        each = f"tl.sum({masked}, axis=0)[None, :]"
        self._lines.append(f"tl.store({place}, {each}, mask={across} < {width})")
        return slice(begin, self._length)

    def stored(self, tile: str, width: int) -> Any:
        """Write all rows to memory; return the tensor."""
        matrix = self._like.new_empty((self.rows, width))
        place = self._place(self._pointer(matrix), "rows[:, None]", self._across(width))
        self._lines.append(f"tl.store({place}, {tile}, mask={self._inside(width)})")
        return matrix

    def product(self, tile: str, width: int, matrix: Any) -> str:
        """Write the product of a tile with a matrix."""
        if width == 1:
            return self._add(f"{tile} * {self.broadcast(matrix, matrix.shape[1])}")
        inner = self._wide(width)
        masked = f"tl.where({self._across(width)} < {width}, {tile}, 0.0)"
        factor = self._add(self._block(matrix, f"{inner}[:, None]", width))
        return self._narrowed(f"tl.dot({masked}, {factor}, input_precision='{_PRECISION}')", matrix)

    def product_of_loaded(self, left: Any, matrix: Any) -> str:
        """Write the product with a matrix of rows that are too long to be held."""
        depth, product = left.shape[1], next(self._tiles)
        inner = self._wide(_KERNEL.depth)
        place = self._place(self._pointer(left), "rows[:, None]", "inner[None, :]")
        mask = f"{self._inside(1)} & (inner[None, :] < {depth})"
        factor = self._block(matrix, "inner[:, None]", depth)
        self._lines += [
            f"{product} = tl.zeros([{_KERNEL.rows}, {_padded(matrix.shape[1])}], tl.float32)",
            f"for begin in range(0, {depth}, {_KERNEL.depth}):",
            f"    inner = begin + {inner}",
            f"    block = tl.load({place}, mask={mask}, other=0.0)",
            f"    factor = {factor}",
            f"    {product} = tl.dot(block, factor, {product}, input_precision='{_PRECISION}')",
        ]
        return self._narrowed(product, matrix)

    def run(self) -> None:
        """Run the kernel, so that sums and stored rows are there."""
        if not self._lines:
            return
        blocks = -(-self.rows // _KERNEL.rows)
        sums = self._like.new_empty((blocks, self._length))
        names = [f"p{i}, p{i}_0, p{i}_1" for i in range(len(self._memory))]
        long = _long(*self._memory)
        body = [
            f"rows = (tl.program_id(0) * {_KERNEL.rows} + tl.arange(0, {_KERNEL.rows})){long}",
            *(f"c{size} = tl.arange(0, {size}){long}" for size in sorted(self._columns)),
            *self._lines,
        ]
        head = f"def kernel({', '.join([*names, 'sums', 'length'])}):"
        strided = [x for memory in self._memory for x in (memory, *memory.stride())]
        text = "\n    ".join([head, *body])
        _launch(text, _KERNEL, (blocks,), *strided, sums, self._length)
        self.sums = sums.sum(0)

    def _add(self, text: str) -> str:
        tile = next(self._tiles)
        self._lines.append(f"{tile} = {text}")
        return tile

    def _pointer(self, memory: Any) -> str:
        for number, other in enumerate(self._memory):
            if other is memory:
                return f"p{number}"
        self._memory.append(memory)
        return f"p{len(self._memory) - 1}"

    def _wide(self, width: int) -> str:
        """Return the numbers of columns of a tile that a product takes."""
        self._columns.add(_padded(width))
        return f"c{_padded(width)}"

    def _across(self, width: int) -> str:
        """Return the numbers of columns beside each other, of a tile that is as wide."""
        if width > 1:
            return f"{self._wide(width)}[None, :]"
        self._columns.add(1)
        return "c1[None, :]"

    def _inside(self, width: int) -> str:
        rows = f"(rows[:, None] < {self.rows})"
        return rows if width == 1 else f"({rows} & ({self._across(width)} < {width}))"

    def _block(self, matrix: Any, inner: str, depth: int) -> str:
        """Return a load of rows of a factor, all columns of it and zeros beside them."""
        columns = f"{self._wide(matrix.shape[1])}[None, :]"
        place = self._place(self._pointer(matrix), inner, columns)
        mask = f"({inner} < {depth}) & ({columns} < {matrix.shape[1]})"
        return f"tl.load({place}, mask={mask}, other=0.0)"

    def _narrowed(self, product: str, matrix: Any) -> str:
        """Return a product as a tile; one of a single column has zeros beside it."""
        if matrix.shape[1] > 1:
            return product if product.isidentifier() else self._add(product)
        first = f"{self._wide(1)}[None, :] == 0"
        return self._add(f"tl.sum(tl.where({first}, {product}, 0.0), axis=1)[:, None]")

    @staticmethod
    def _place(pointer: str, row: str, column: str) -> str:
        return f"{pointer} + {row} * {pointer}_0 + {column} * {pointer}_1"


def product_over_rows(left: Any, right: Any) -> Any:
    """Return ``left.T @ right`` for a left matrix of few columns, both of many rows.

    Rows are taken from the last, which a kernel before has read last.
    """
    rows, narrow = left.shape
    wide, tiles = right.shape[1], _PRODUCT
    blocks, chunks = -(-rows // tiles.rows), -(-wide // tiles.depth)
    splits = min(blocks, max(1, _PER_PROCESSOR * _processors(left.device) // chunks))
    parts, long = left.new_empty((splits, narrow, wide)), _long(left, right)
    text = f"""def kernel(left, left_0, left_1, right, right_0, right_1, parts):
    across = tl.arange(0, {_padded(narrow)})[:, None]{long}
    columns = (tl.program_id(0) * {tiles.depth} + tl.arange(0, {tiles.depth})[None, :]){long}
    total = tl.zeros([{_padded(narrow)}, {tiles.depth}], tl.float32)
    for turn in range({-(-blocks // splits)}):
        number = {blocks - 1} - tl.program_id(1) - turn * {splits}
        rows = (number * {tiles.rows} + tl.arange(0, {tiles.rows})).to(tl.int64)
        inside = (rows >= 0) & (rows < {rows})
        place = right + rows[:, None] * right_0 + columns * right_1
        block = tl.load(place, mask=inside[:, None] & (columns < {wide}), other=0.0)
        place = left + rows[None, :] * left_0 + across * left_1
        weights = tl.load(place, mask=inside[None, :] & (across < {narrow}), other=0.0)
        total = tl.dot(weights, block, total, input_precision='{_PRECISION}')
    place = parts + (tl.program_id(1) * {narrow} + across) * {wide} + columns
    tl.store(place, total, mask=(across < {narrow}) & (columns < {wide}))"""
    arguments = (left, *left.stride(), right, *right.stride(), parts)
    _launch(text, tiles, (chunks, splits), *arguments)
    return parts.sum(0)


def _processors(device: Any) -> int:
    """Return how many multiprocessors a GPU has; Triton's interpreter is one."""
    if device.type != "cuda":
        return 1
    number: int = import_module("torch").cuda.get_device_properties(device).multi_processor_count
    return number


def _long(*matrices: Any) -> str:
    """Return what makes numbers of rows and columns long, where places in memory have to be."""
    ends = (n * stride for m in matrices for n, stride in zip(m.shape, m.stride(), strict=True))
    return ".to(tl.int64)" if max(ends, default=0) >= 2**31 else ""


def _padded(width: int) -> int:
    """Return the columns of a tile that tensor cores take: a power of two, 16 at least."""
    return max(16, 1 << (width - 1).bit_length())


def _launch(text: str, tiles: _Tiles, grid: tuple[int, ...], *arguments: Any) -> None:
    """Compile a kernel, once, and run it."""
    try:
        _compiled(text)[grid](*arguments, num_warps=tiles.warps, num_stages=tiles.stages)
    except Exception as error:  # no Triton, no compiler of C for it, more memory than there is
        raise NotByRowsError(str(error)) from error


@cache
def _compiled(text: str) -> Any:
    """Return the kernel of a text; Triton reads it where tracebacks read source."""
    imports = "import triton\nimport triton.language as tl\n"
    if "libdevice" in text:
        imports += "from triton.language.extra import libdevice\n"
    source = f"{imports}\n@triton.jit\n{text}\n"
    name = f"<kernel {len(linecache.cache)} of rows>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    found: dict[str, Any] = {"__name__": __name__}
    exec(compile(source, name, "exec"), found)  # written above, of a table
    return found["kernel"]
