"""A function of somebody's with the formula's variables: points in, value and gradients out.

Cut from the judging so that names are matched in one place: of parameters, which a Python keyword
changes, and of gradients, which come by name, in an order, or alone.

Contract: arguments are arrays of the dtype that is asked for; entries that are whole by assumption
stay so, so that labels are labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import InputError, RefusedError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from derive.derivation import Derivation
    from derive.language import Formula
    from numeric.foreign import Answer, ForeignFunction

__all__ = ["Given"]

WHOLE = {"onehot", "binary", "pm1"}
SAME = 1e-12  # relative: to which the same arguments give the same numbers


class Given:
    """Call a function with points of a formula.

    ``chosen`` are the names of the gradients that it is asked for, with their places in what it
    returns: a key, an index, or None where it returns one array. The gradients by those in
    ``single`` are taken for single precision.
    """

    def __init__(
        self, function: ForeignFunction, formula: Formula, parameters: Mapping[str, str]
    ) -> None:
        self.formula, self.single = formula, frozenset[str]()
        self.chosen: dict[str, Any] = {}
        self._function, self._parameters = function, dict(parameters)
        self._changed: dict[str, None] = {}
        self._ignored: list[str] = []

    def __call__(self, point: Mapping[str, Any], dtype: Any = np.float64) -> Answer:
        """Call the function at a point."""
        answer = self._function(
            {self._parameters[n]: a for n, a in self.named(point, dtype).items()}
        )
        self._changed |= dict.fromkeys(answer.changed)
        return answer

    def named(self, point: Mapping[str, Any], dtype: Any = np.float64) -> dict[str, Any]:
        """Return the variables' values at a point, whole entries rounded."""
        found = {}
        for name in self.formula.variables:
            array = np.array(point[name], dtype, order="C")
            whole = WHOLE.intersection(self.formula.assumptions.get(name, ()))
            found[name] = np.round(array) if whole else array
        return found

    def value(self, point: Mapping[str, Any], dtype: Any = np.float64) -> Any:
        """Return the value at a point."""
        return self(point, dtype).value

    def gradients(self, point: Mapping[str, Any], dtype: Any = np.float64) -> dict[str, Any]:
        """Return the gradients at a point that were chosen, by the formula's names."""
        return self.parts(point, dtype)[1]

    def parts(
        self, point: Mapping[str, Any], dtype: Any = np.float64
    ) -> tuple[Any, dict[str, Any]]:
        """Return the value and the chosen gradients at a point."""
        answer, found = self(point, dtype), {}
        for name, place in self.chosen.items():
            try:
                array = answer.gradients if place is None else answer.gradients[place]
            except (KeyError, IndexError, TypeError):
                raise InputError(
                    f"{self._where} returned no gradient by {name} at some points, expected the "
                    "same gradients for all arguments."
                ) from None
            array = np.asarray(array)
            if np.ndim(point[name]) == 0 and self._is_scalar and array.size == 1:
                array = array.reshape(())
            found[name] = array.astype(np.float32) if name in self.single else array
        return answer.value, found

    @property
    def _is_scalar(self) -> bool:
        return not getattr(self.formula.expr, "shape", ())

    @property
    def _where(self) -> str:
        return f"{self._function.path}:{self._function.name}"

    def require_steady(self, point: Mapping[str, Any]) -> None:
        """Refuse a function that returns other numbers for the same arguments.

        Raises:
            RefusedError: where it does.
        """
        first, again = self.value(point), self.value(point)
        if first.shape != again.shape or not np.allclose(
            first, again, rtol=SAME, atol=0, equal_nan=True
        ):
            raise RefusedError(
                f"{self._where} returned other numbers when it was called again with the same "
                "arguments. Leave out what is random, or fix its seed."
            )

    def returns_gradients(self, point: Mapping[str, Any]) -> bool:
        """Say whether anything is returned beside the value."""
        return self(point).gradients is not None

    def choose(
        self, derivation: Derivation, point: Mapping[str, Any], asked: Sequence[str]
    ) -> None:
        """Find each derivative in what the function returns.

        Raises:
            InputError: where one that was asked for is missing, or their number fits nothing.
        """
        if any(result.direction is not None for result in derivation.results):
            raise InputError(
                f"{self._where} returned derivatives of a matrix by a matrix, which are not "
                "checked. Return the value alone, or name other variables with --wrt."
            )
        gradients, wrt = self(point).gradients, derivation.wrt
        if isinstance(gradients, dict):
            self._choose_by_name(gradients, wrt, asked)
        elif isinstance(gradients, tuple):
            self._choose_by_order(gradients, wrt, point)
        elif len(wrt) == 1:
            self.chosen = {wrt[0]: None}
        else:
            raise InputError(
                f"{self._where} returned one gradient, expected {len(wrt)}: {', '.join(wrt)}. "
                "Return a dict by name, or name the variable with --wrt."
            )

    def _choose_by_name(
        self, gradients: Mapping[str, Any], wrt: Sequence[str], asked: Sequence[str]
    ) -> None:
        names = {parameter: name for name, parameter in self._parameters.items()}
        for key in gradients:
            name = key if key in self._parameters else names.get(key)
            if name is None:
                known = ", ".join(self._parameters)
                raise InputError(
                    f"{self._where} returned a gradient by '{key}', which is no variable."
                    f"{suggestion(key, self._parameters)} Known: {known}."
                )
            if name in wrt:
                self.chosen[name] = key
        missing = [name for name in wrt if name not in self.chosen]
        if missing and (asked or not self.chosen):
            raise InputError(
                f"{self._where} returned no gradient by {', '.join(missing)}, "
                f"got {', '.join(gradients) or 'none'}."
            )
        self._ignored = missing

    def _choose_by_order(
        self, gradients: Sequence[Any], wrt: Sequence[str], point: Mapping[str, Any]
    ) -> None:
        """Take the first order of names of which the number fits, or better the shapes too."""
        count, every = len(gradients), tuple(self.formula.variables)
        orders = [names for names in (tuple(wrt), every) if len(names) == count]
        if not orders:
            other = f", or {len(every)}: {', '.join(every)}" if every != tuple(wrt) else ""
            raise InputError(
                f"{self._where} returned {count} gradients, expected {len(wrt)}: "
                f"{', '.join(wrt)}{other}. Return a dict by name."
            )
        shapes = [np.shape(gradient) for gradient in gradients]
        fitting = [o for o in orders if [np.shape(point[name]) for name in o] == shapes]
        order = (fitting or orders)[0]
        self.chosen = {name: order.index(name) for name in wrt}

    def restrict(self, names: Iterable[str]) -> None:
        """Ask for no other gradients than these."""
        kept = set(names)
        self.chosen = {name: place for name, place in self.chosen.items() if name in kept}

    def remarks(self) -> list[str]:
        """Tell, a line each, what the function does that is no error."""
        found = []
        if self._changed:
            names = ", ".join(self._changed)
            found.append(f"Warning: the function changes its arguments in place: {names}.")
        if self._ignored:
            found.append(f"No gradient by {', '.join(self._ignored)} is returned.")
        return found
