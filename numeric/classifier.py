"""A formula and a data set put together: the objective that training runs, and its check.

The formula speaks of one sample: an input, its one-hot label, and parameters. Its sizes come from
the data, its batched form from a rewriting, its code from emission, and before any training the
emitted gradient is held against differences of the emitted loss on real samples at full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import Integer

from derive.batch import batched, batched_rows
from derive.derivatives import differentiate
from derive.emit import emit
from derive.errors import FormulaError, InputError
from derive.graph import postorder, shape_of
from derive.kinks import kinks
from derive.language import Formula, read_formula
from derive.nodes import RowSoftmax, Softmax
from derive.notation import TEXT
from numeric.check import Report, check
from numeric.model import Array, Objective, initialise
from numeric.row_blocks import RowBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from derive.batch import Batch
    from derive.derivation import Derivation
    from derive.problems import Problem
    from numeric.data import Dataset

__all__ = ["Classifier", "build_classifier", "check_on_data", "logits_function", "read_logits"]

CHECK_SAMPLES = 64
CHECK_ENTRIES = 32  # a larger parameter is probed along random directions and at some entries


@dataclass(frozen=True)
class Classifier:
    """A classifier's formula at the data's sizes, and the functions that train it."""

    derivation: Derivation
    objective: Objective
    logits: str
    kinks: Callable[..., Any] | None

    @property
    def formula(self) -> Formula:
        """The formula of one sample."""
        return self.derivation.formula

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shape of every variable of one sample's formula."""
        variables = self.formula.variables.items()
        return {name: list(_shape(variable)) for name, variable in variables}


def build_classifier(
    problem: Problem,
    features: int,
    classes: int,
    *,
    sample: str = "x",
    label: str = "y",
    logits: str | None = None,
    shapes: Mapping[str, str] | None = None,
    portable: bool = False,
) -> Classifier:
    """Derive, batch and emit a classifier's loss and gradients at the data's sizes.

    Args:
        problem: a scalar formula of one sample.
        features: the length of the input.
        classes: the length of the one-hot label.
        sample: the input's name.
        label: the label's name.
        logits: the formula that predictions are read from; a softmax's argument by default.
        shapes: declarations that add to the problem's.
        portable: whether the gradient takes the arrays of any library, in any thread, or NumPy's
            alone and is as fast on them as can be.

    Raises:
        InputError: where the formula lacks the input or the label, or leaves a size open; where
            the logits are not one number a class, of the input and the parameters.
        RefusedError: where the gradient or its batched form cannot be derived.
    """
    formula = _at_sizes(problem, {sample: features, label: classes}, shapes or {})
    parameters = [name for name in formula.variables if name not in (sample, label)]
    predictor = _logits(formula, logits, (sample, label), classes).expr
    derivation = differentiate(formula, wrt=parameters)
    batch = batched(derivation, [sample, label])
    shapes_of_parameters = {name: _shape(formula.variables[name]) for name in parameters}
    objective = _objective(
        batch,
        shapes_of_parameters,
        logits_function(predictor, formula.variables, sample),
        (sample, label),
        portable,
    )
    places, order = kinks(batch.value), tuple(batch.variables)
    kinked = _all(emit(places, batch.variables).function, order) if places else None
    return Classifier(derivation, objective, TEXT(predictor), kinked)


def _objective(
    batch: Batch,
    parameters: dict[str, tuple[int, ...]],
    logits: Callable[..., Array],
    names: tuple[str, str],
    portable: bool,
) -> Objective:
    """Compile the batched loss and gradients for training."""
    by_value = {expr: name for name, expr in batch.values.items()}
    outputs = (batch.value, *batch.gradient.values())
    emitted = emit(outputs, batch.variables, by_value, tuned=not portable)
    value = emit([batch.value], batch.variables, by_value, tuned=True)
    order = tuple(batch.variables)
    return Objective(
        parameters,
        _first(value.function, order),
        _with_names(emitted.function, order, tuple(batch.gradient)),
        logits,
        *names,
        None if portable else _with_names(RowBlocks(emitted, names), order, tuple(batch.gradient)),
    )


def _at_sizes(problem: Problem, lengths: Mapping[str, int], shapes: Mapping[str, str]) -> Formula:
    """Read the formula with the data's sizes in place of the names they have in its shapes."""
    formula = read_formula(problem.formula, {**problem.shapes, **shapes}, problem.assume)
    numbers: dict[str, int] = {}
    for name, length in lengths.items():
        if name not in formula.variables:
            raise InputError(
                f"The formula has no variable '{name}' for the data; it has "
                f"{', '.join(formula.variables)}. Name them with --input and --label."
            )
        shape = shape_of(formula.variables[name])
        if len(shape) != 2 or shape[1] != 1:
            raise InputError(f"'{name}' should be a column vector, it has shape {_text(shape)}.")
        if shape[0].is_Integer and shape[0] != length:
            raise InputError(f"'{name}' has {shape[0]} entries, the data has {length} there.")
        if numbers.setdefault(str(shape[0]), length) != length:
            raise InputError(
                f"The input and the label have one size, {shape[0]}, in the formula, and "
                f"{' and '.join(map(str, lengths.values()))} entries in the data."
            )
    concrete = {}
    for name, variable in formula.variables.items():
        sizes = [numbers.get(str(size), size) for size in shape_of(variable)]
        concrete[name] = ",".join(map(str, sizes)) or "scalar"
        open_sizes = [str(size) for size in sizes if not str(size).isdigit()]
        if open_sizes:
            raise InputError(
                f"The data does not say how large '{open_sizes[0]}' is, in {name}: "
                f"{concrete[name]}. Declare it, for example --shape "
                f"{name}={concrete[name].replace(open_sizes[0], '64')}."
            )
    return read_formula(problem.formula, concrete, problem.assume)


def _text(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _shape(variable: Any) -> tuple[int, ...]:
    return tuple(int(Integer(size)) for size in shape_of(variable))


def _logits(formula: Formula, text: str | None, data: tuple[str, str], classes: int) -> Formula:
    """Read what predictions are read from: the text given, or the one softmax's argument."""
    where = f"--logits {text}"
    if text is None:
        text = TEXT(_softmax_argument(formula))
        where = f"The softmax's argument {text}"
    known = [data[0], *(name for name in formula.variables if name not in data)]
    shapes = {name: _shape(variable) for name, variable in formula.variables.items()}
    try:
        return read_logits(text, shapes, known, classes)
    except FormulaError:
        raise
    except InputError as error:
        raise InputError(
            f"{where}: {error}. Pass --logits FORMULA, of shape ({classes}, 1) and with "
            f"{', '.join(known)} alone."
        ) from error


def read_logits(
    text: str, shapes: Mapping[str, Sequence[int]], known: Sequence[str], classes: int
) -> Formula:
    """Read a formula of what prediction knows: the input, first, and the parameters.

    Shapes: those of one sample, () for a scalar; the result is (classes, 1), one number a class.

    Raises:
        InputError: where the formula is another, without the place or what to do next.
        RefusedError: for a function that is not known.

    >>> read_logits("W*x", {"W": (10, 784), "x": (784, 1)}, ["x", "W"], 10).expr
    W*x
    """
    declared = {name: ",".join(map(str, sizes)) or "scalar" for name, sizes in shapes.items()}
    formula = read_formula(text, declared)
    if strange := [name for name in formula.variables if name not in known]:
        raise InputError(f"'{strange[0]}' is neither the input nor a parameter")
    shape = _text(shape_of(formula.expr))
    if shape != f"({classes}, 1)":
        raise InputError(f"the shape is {shape}, expected ({classes}, 1), one a class")
    if known[0] not in formula.variables or not formula.expr.has(formula.variables[known[0]]):
        raise InputError(f"it does not depend on the input '{known[0]}', so that all are alike")
    return formula


def _softmax_argument(formula: Formula) -> Any:
    found = [node for node in postorder(formula.expr) if isinstance(node, (Softmax, RowSoftmax))]
    if len(found) != 1:
        raise InputError(
            f"The formula has {len(found)} softmaxes, so what predictions are read from is open. "
            "Say it with --logits FORMULA, for example --logits 'W*x + b'."
        )
    return found[0].args[0]


def logits_function(
    predictor: Any, variables: Mapping[str, Any], sample: str
) -> Callable[..., Array]:
    """Compile what predictions are read from: of the parameters and (N, d) inputs, (N, k).

    Raises:
        InputError: where it depends on something that prediction does not have.
    """
    used = {name: v for name, v in variables.items() if name == sample or predictor.has(v)}
    rows, arguments = batched_rows(predictor, used, [sample])
    function = emit([rows], arguments).function

    def logits(**arrays: Any) -> Array:
        result: Array = function(*(arrays[name] for name in arguments))[0]
        return result

    return logits


def _first(function: Callable[..., tuple[Any, ...]], order: tuple[str, ...]) -> Callable[..., Any]:
    return lambda **arrays: function(*[arrays[name] for name in order])[0]


def _all(function: Callable[..., tuple[Any, ...]], order: tuple[str, ...]) -> Callable[..., Any]:
    return lambda **arrays: function(*[arrays[name] for name in order])


def _with_names(
    function: Callable[..., tuple[Any, ...]], order: tuple[str, ...], names: tuple[str, ...]
) -> Callable[..., tuple[Any, dict[str, Any]]]:
    def value_and_grad(**arrays: Any) -> tuple[Any, dict[str, Any]]:
        value, *gradients = function(*[arrays[name] for name in order])
        return value, dict(zip(names, gradients, strict=True))

    return value_and_grad


def check_on_data(classifier: Classifier, dataset: Dataset, seed: int = 0) -> Report:
    """Check the emitted gradient at the data's full size, on the first training samples.

    Small parameters are checked by entries, large ones along directions and at some entries. The
    parameters are random, so that no entry is special.
    """
    from numeric.data import one_hot, scale

    objective = classifier.objective
    samples = dataset.train[:CHECK_SAMPLES]
    point: dict[str, Array] = {
        **initialise(objective.parameters, seed, "float64"),
        objective.input: scale(samples.images, "float64"),
        objective.label: one_hot(samples.labels, dataset.classes, "float64"),
    }

    trained_with = objective.in_place or objective.value_and_grad

    def gradients(**arrays: Any) -> Any:
        return {name: np.array(found) for name, found in trained_with(**arrays)[1].items()}

    with np.errstate(all="ignore"):
        return check(
            objective.value,
            gradients,
            [point],
            kinks=classifier.kinks,
            wrt=list(objective.parameters),
            max_entries=CHECK_ENTRIES,
            seed=seed,
        )
