"""Steps of training on a GPU, recorded once and replayed: Python is slower than the GPU there.

A recording reads and writes the memory that it was made with. So results stay in one of two places:
a call that is given the results in the one writes the other. What comes from elsewhere is copied to
a place of its own, but for samples that are too many for that: those are read where they are, with
recordings of their own.

Contract: the results of the function, which changes no argument. They hold until the next call that
is not given them, and until the one after that where it is. A function that cannot be recorded,
since the processor has to know a number on the way, is called each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Graphs", "Placed"]

_FEW = 2**23  # bytes of samples that are copied rather than read where they are


class Placed(dict[str, Any]):
    """Samples by name, in memory where they stay."""


class Graphs:
    """A function of tensors by name, of `Placed` samples and of numbers, as CUDA graphs.

    ``torch`` is the library, which computes on ``device``; ``record`` takes a function and returns
    what does again what that did.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        torch: Any,
        device: Any,
        record: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
    ) -> None:
        self._function, self._torch, self._device = function, torch, device
        self._record = record or _Recorder(torch)
        # By the place written and the memory read: what replays, and what keeps that memory.
        self._replays: dict[Any, tuple[Callable[[], None], list[Any]]] = {}
        self._places: dict[Any, Any] = {}  # 0 and 1 of results, others of arguments
        self._leaves_of: dict[int, set[int]] = {0: set(), 1: set()}  # of results, by their ids
        self._can_record = True

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns, in memory that a later call writes."""
        used = {id(leaf) for leaf in _leaves(arguments)}
        free = [place for place, leaves in self._leaves_of.items() if leaves.isdisjoint(used)]
        if not (self._can_record and free):
            return self._function(*arguments)
        given = [self._there(i, argument) for i, argument in enumerate(arguments)]
        target = free[0]
        key = (target, *map(id, _leaves(given)))
        if key not in self._replays:
            results = self._function(*given)  # once in vain, so that all is compiled
            place = self._place(target, results)
            try:
                replay = self._record(lambda: self._copy(place, self._function(*given)))
            except RuntimeError:  # it has to wait for the GPU
                self._can_record = False
                return results
            self._replays[key] = replay, given
        self._replays[key][0]()
        return self._places[target]

    def _place(self, target: int, results: Any) -> Any:
        """Return the place of results, made like the first of them."""
        if target not in self._places:
            place = _mapped(self._torch.empty_like, results)
            self._leaves_of[target] = {id(leaf) for leaf in _leaves(place)}
            self._places[target] = place
        return self._places[target]

    def _there(self, position: int, argument: Any) -> Any:
        """Return an argument in memory that recordings read."""
        if not isinstance(argument, dict):
            if (position,) not in self._places:
                options = {"dtype": self._torch.float64, "device": self._device}
                self._places[position,] = self._torch.zeros((), **options)
            return self._places[position,].fill_(argument)  # without waiting for the GPU
        if isinstance(argument, Placed):
            if sum(leaf.nbytes for leaf in argument.values()) > _FEW:
                return argument
            return self._copied((position, *(a.shape for a in argument.values())), argument)
        ids = {id(leaf) for leaf in _leaves(argument)}
        if any(ids <= leaves for leaves in self._leaves_of.values()):
            return argument
        return self._copied((position,), argument)

    def _copied(self, key: Any, argument: Any) -> Any:
        """Copy an argument to the place that it has by this key."""
        if key not in self._places:
            self._places[key] = _mapped(self._torch.clone, argument)
        else:
            self._copy(self._places[key], argument)
        return self._places[key]

    def _copy(self, place: Any, found: Any) -> None:
        self._torch._foreach_copy_([*_leaves(place)], [*_leaves(found)])  # in one kernel


class _Recorder:
    """Record CUDA graphs, which share the memory of their intermediates: one runs at a time."""

    def __init__(self, torch: Any) -> None:
        self._torch, self._pool = torch, None

    def __call__(self, step: Callable[[], None]) -> Callable[[], None]:
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, pool=self._pool):
            step()
        self._pool = graph.pool()
        replay: Callable[[], None] = graph.replay
        return replay


def _leaves(tree: Any) -> Iterator[Any]:
    """Yield the tensors in dictionaries, tuples and lists."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (tuple, list)):
        yield tree
        return
    for branch in tree:
        yield from _leaves(branch)


def _mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply a function to the tensors in dictionaries and tuples."""
    if isinstance(tree, dict):
        return type(tree)({name: _mapped(function, branch) for name, branch in tree.items()})
    if isinstance(tree, tuple):
        return tuple(_mapped(function, branch) for branch in tree)
    return function(tree)
