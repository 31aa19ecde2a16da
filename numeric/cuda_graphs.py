"""Steps of training on a GPU, recorded once and replayed: Python is slower than the GPU there.

A recording reads and writes the memory that it was made with. So results stay in one of two places,
which take turns: a call reads the one and writes the other, and its result holds until the call
after the next. Other arguments are copied to a place of their own, but for samples that are too
many for that: those are read where they are, with recordings of their own.

Contract: the results of the function, which changes no argument. One that cannot be recorded, since
the processor has to know a number on the way, is called each time.
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
        self._replays: dict[Any, Callable[[], None]] = {}
        self._places: dict[Any, Any] = {}  # 0 and 1 of results, others of arguments
        self._can_record = True

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns; the call after the next overwrites it."""
        if not self._can_record:
            return self._function(*arguments)
        state = [a for a in arguments if isinstance(a, dict) and not isinstance(a, Placed)]
        source = next((place for place in (0, 1) if self._is_in(place, state)), None)
        given = [self._there(i, a, source) for i, a in enumerate(arguments)]
        key = (source, *(id(a) for a in given if isinstance(a, Placed)))
        target = 1 if source == 0 else 0
        if key not in self._replays:
            results = self._function(*given)  # once in vain, so that all is compiled
            self._places.setdefault(target, _mapped(self._torch.empty_like, results))
            try:
                self._replays[key] = self._record(lambda: self._step(given, target))
            except RuntimeError:  # it has to wait for the GPU
                self._can_record = False
                return results
        self._replays[key]()
        return self._places[target]

    def _step(self, given: list[Any], target: int) -> None:
        """Call the function, and copy its results to their place."""
        self._copy(self._places[target], self._function(*given))

    def _is_in(self, place: int, state: list[Any]) -> bool:
        """Return whether all state is what a call has returned, at a place."""
        there = {id(leaf) for leaf in _leaves(self._places.get(place, ()))}
        return bool(state) and all(id(leaf) in there for leaf in _leaves(state))

    def _there(self, position: int, argument: Any, source: int | None) -> Any:
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
        return argument if source is not None else self._copied((position,), argument)

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
