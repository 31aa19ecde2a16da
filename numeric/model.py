"""A model: the functions it is made of, its parameters, and the file that keeps them.

Contract: a model file is a plain `.npz`, one array a parameter and one text of JSON, written whole
or not at all and read without unpickling anything. Equal models give equal files, byte for byte.
"""

from __future__ import annotations

import io
import json
import platform
import zipfile
import zlib
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, get_origin, get_type_hints

import numpy as np
from numpy.typing import DTypeLike, NDArray

from derive.errors import DataError, InputError
from numeric.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "Evaluation",
    "Model",
    "Objective",
    "evaluate",
    "initialise",
    "load",
    "predict",
    "save",
    "versions",
]

Array = NDArray[Any]
Parameters = dict[str, Array]

_ROWS = 4096  # samples a call when a whole set is evaluated, so that intermediates stay small
_DESCRIPTION = "_description"  # no variable can have this name: names begin with a letter
# What reading a damaged or foreign archive raises.
_UNUSABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, MemoryError),
    *(ValueError, TypeError, KeyError, AttributeError),
)


@dataclass(frozen=True)
class Objective:
    """Hold the functions that training and prediction call, and the names of their arguments.

    Shapes: `parameters` maps a name to its shape, the input is (N, d) and the label (N, k), one
    sample a row. All arguments are passed by name.

    - `value(**parameters, input, label)` returns the mean loss over the rows.
    - `value_and_grad(**parameters, input, label)` returns it and {name: gradient}.
    - `in_place` does the same faster, in memory that its next call overwrites.
    - `logits(**parameters, input)` returns (N, k), the largest in the predicted class's column.
    """

    parameters: Mapping[str, tuple[int, ...]]
    value: Callable[..., Any]
    value_and_grad: Callable[..., tuple[Any, Mapping[str, Array]]]
    logits: Callable[..., Array]
    input: str = "x"
    label: str = "y"
    in_place: Callable[..., tuple[Any, Mapping[str, Array]]] | None = None


@dataclass(frozen=True)
class Evaluation:
    """Hold the mean loss over a set of samples and the share that is classified right."""

    loss: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class Model:
    """Hold trained parameters and all that is needed to use them and to train them again.

    `shapes` are those of one sample's formula, `logits` is the formula that predictions are read
    from, `epochs` counts the whole epochs behind the parameters, `source` names the data.
    """

    parameters: Parameters
    formula: str
    logits: str
    input: str
    label: str
    shapes: dict[str, list[int]]
    image_shape: tuple[int, int]
    classes: int
    epochs: int
    settings: dict[str, Any]
    source: str
    versions: dict[str, str] = field(default_factory=lambda: versions())


def initialise(
    shapes: Mapping[str, tuple[int, ...]], seed: int = 0, dtype: DTypeLike = "float32"
) -> Parameters:
    """Draw the parameters that training starts from.

    A matrix (m, n) is normal with variance 1/n, so that inputs of unit variance give outputs of
    unit variance; column vectors and scalars are zero.

    >>> start = initialise({"W": (2, 3), "b": (2, 1)}, seed=0)
    >>> start["W"].shape, start["b"].ravel().tolist()
    ((2, 3), [0.0, 0.0])
    """
    random = np.random.default_rng(seed)
    start: Parameters = {}
    for name, shape in shapes.items():
        if len(shape) == 2 and shape[1] > 1:
            start[name] = (random.standard_normal(shape) / np.sqrt(shape[1])).astype(dtype)
        else:
            start[name] = np.zeros(shape, dtype)
    return start


def predict(objective: Objective, parameters: Mapping[str, Array], inputs: Array) -> Array:
    """Return the logits of every sample; their argmax along a row is the predicted class.

    Shapes: inputs (N, d), result (N, k).
    """
    chunks = [inputs[start : start + _ROWS] for start in range(0, len(inputs), _ROWS)]
    return np.concatenate(
        [objective.logits(**parameters, **{objective.input: chunk}) for chunk in chunks]
    )


def evaluate(
    objective: Objective, parameters: Mapping[str, Array], inputs: Array, targets: Array
) -> Evaluation:
    """Return mean loss and accuracy over samples of which `targets` holds the one-hot labels.

    Shapes: inputs (N, d), targets (N, k).

    >>> same = Objective({}, lambda x, y: np.mean((x - y) ** 2), lambda x, y: (0, {}), lambda x: x)
    >>> evaluate(same, {}, np.eye(4), np.eye(4)[[0, 1, 2, 2]])
    Evaluation(loss=0.125, accuracy=0.75)
    """
    total = 0.0
    for start in range(0, len(inputs), _ROWS):
        rows = slice(start, start + _ROWS)
        sample = {objective.input: inputs[rows], objective.label: targets[rows]}
        total += float(objective.value(**parameters, **sample)) * len(inputs[rows])
    predicted = predict(objective, parameters, inputs).argmax(axis=1)
    accuracy = float(np.mean(predicted == targets.argmax(axis=1)))
    return Evaluation(total / len(inputs), accuracy)


def versions() -> dict[str, str]:
    """Return the versions of what computes the parameters.

    >>> sorted(versions())
    ['chainrule', 'numpy', 'python', 'sympy']
    """
    found = {"python": platform.python_version()}
    for package in ("chainrule", "numpy", "sympy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def save(model: Model, path: str | Path) -> None:
    """Write a model to `path`, whole or not at all: an earlier file stays until the new is whole.

    Raises: InputError where the file cannot be written.
    """
    with whole_file(path, "the model", "--save") as stream:
        _write(model, stream)


def load(path: str | Path) -> Model:
    """Read a model that `save` wrote.

    Raises: InputError where there is no such file or it cannot be read; DataError where it is
    damaged or not a model.

    >>> load("nowhere.npz")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    derive.errors.InputError: nowhere.npz: cannot be read (No such file or directory). ...
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Pass a file that `train --save` wrote."
        ) from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read(archive)
    except _UNUSABLE as error:
        raise DataError(
            f"{path}: expected a model that `train --save` wrote, found none ({error}). "
            "Train it again, or pass an intact copy."
        ) from error


def _write(model: Model, stream: BinaryIO) -> None:
    description = {name: getattr(model, name) for name in _described()}
    description |= {"schema": 1, "parameters": list(model.parameters)}
    arrays = {**model.parameters, _DESCRIPTION: np.array(json.dumps(description, allow_nan=False))}
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def _read(archive: zipfile.ZipFile) -> Model:
    description = json.loads(str(_read_array(archive, _DESCRIPTION)[()]))
    values = {name: description[name] for name in _described()}
    for name, kind in _described().items():
        if not isinstance(values[name], kind):
            raise TypeError(f"its {name} is {values[name]!r}")
    parameters = {name: _read_array(archive, name) for name in description["parameters"]}
    for name, array in parameters.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"its parameter {name} holds something other than finite numbers")
        if values["shapes"].get(name) != list(array.shape):
            raise ValueError(f"its parameter {name} is not of the shape that it declares")
    height, width = values.pop("image_shape")
    return Model(parameters=parameters, image_shape=(int(height), int(width)), **values)


def _read_array(archive: zipfile.ZipFile, name: str) -> Array:
    content = io.BytesIO(
        archive.read(f"{name}.npy")
    )  # the whole member, so that its CRC is checked
    array: Array = np.lib.format.read_array(content, allow_pickle=False)
    return array


def _described() -> dict[str, type]:
    """Return the fields of a model that its JSON holds, with their types there."""
    hints = get_type_hints(Model)
    del hints["parameters"]
    kinds = {name: get_origin(hint) or hint for name, hint in hints.items()}
    return {name: list if kind is tuple else kind for name, kind in kinds.items()}
