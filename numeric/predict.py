"""Recognising digits with a trained model: in arrays, in bundled test images and in image files.

Contract: what a model sees is like what it was trained on. A photograph or a drawing is first
brought into the form of an MNIST image: bright on dark, cropped to its ink, scaled to 20 of 28
pixels, its centre of mass in the middle. The model's own formula then gives the logits.

Source of the form: http://yann.lecun.com/exdb/mnist, "the original black and white images".
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import ChainRuleError, DataError, InputError
from numeric.classifier import logits_function, read_logits
from numeric.data import load as load_data
from numeric.data import scale
from numeric.model import load as load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numeric.model import Array, Model

__all__ = [
    *("Prediction", "as_json", "bundled_images", "draw"),
    *("read_image", "recognise", "recognise_all"),
]

_INK_SHARE = 20 / 28  # of MNIST's height and width, the most that the ink takes
# Decoders that a stranger's file is handed to; Pillow has others, one of which runs a program.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_LARGEST_SIDE = 1024  # pixels; a larger image is shrunk before it is looked at
# Chosen on bundled images enlarged and drawn on noisy paper; brightness runs from 0 to 1.
_FAINTEST_INK = 0.1  # difference from the background below which an image is blank
_PAPER = 0.25  # share of the strongest ink below which a pixel is paper
_SHADES = " ░▒"  # of a cell whose halves are both less than half bright


@dataclass(frozen=True)
class Prediction:
    """Hold the digit that a model sees in an image, and how probable it takes every digit to be."""

    image: str
    digit: int
    probabilities: tuple[float, ...]


def recognise(
    model: Model, images: Array, names: Sequence[str], *, source: str = "the model"
) -> list[Prediction]:
    """Recognise images with a trained model.

    p = softmax(logits), the digit being the largest entry's index

    Shapes: images (N, d), one a row, from 0 (dark) to 1; one name an image. `source` is what
    messages call the model.

    Raises: DataError where the model's formula does not give one logit a class.
    """
    logits = _read_logits(model, source)
    if not len(images):
        return []
    dtype = np.result_type(np.float32, *model.parameters.values())
    with np.errstate(all="ignore"):
        rows = logits(**model.parameters, **{model.input: images.astype(dtype)})
    infinite = ~np.isfinite(rows).all(axis=1)
    if infinite.any():
        raise DataError(
            f"{source}: {model.logits} is not finite for {names[int(infinite.argmax())]}, "
            "expected finite logits. The training diverged; train again with a lower --lr."
        )
    return [
        Prediction(name, int(row.argmax()), tuple(row.tolist()))
        for name, row in zip(names, _softmax(rows), strict=True)
    ]


def recognise_all(
    path: str | Path, images: Sequence[str], index: str | None = None
) -> tuple[list[Prediction], list[str]]:
    """Recognise image files, then bundled test images "N,…", with the model in a file.

    Returns the predictions, and drawings of what the model saw.

    Raises: InputError for an image that cannot be used, or none; DataError for a damaged model.
    """
    if not images and index is None:
        raise InputError("No image: expected image files, or --index N,… for bundled test images.")
    model, names = load_model(path), list(images)
    _check_input(model, str(path))
    rows = [read_image(image, model.image_shape) for image in images]
    if index is not None:
        bundled, bundled_names = bundled_images(_indices(index), model)
        rows, names = [*rows, *bundled], [*names, *bundled_names]
    predictions = recognise(model, np.stack(rows), names, source=str(path))
    return predictions, [draw(row, model.image_shape) for row in rows]


def as_json(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Return what `predict --json` prints.

    >>> as_json([Prediction("seven.png", 1, (0.25, 0.75))])["results"]
    [{'image': 'seven.png', 'digit': 1, 'probabilities': (0.25, 0.75)}]
    """
    return {"schema": 1, "results": [asdict(each) for each in predictions]}


def _read_logits(model: Model, source: str) -> Callable[..., Array]:
    """Compile the formula that predictions are read from, at the shapes that the model declares."""
    _check_input(model, source)
    try:
        known = [model.input, *model.parameters]
        formula = read_logits(model.logits, model.shapes, known, model.classes)
        return logits_function(formula.expr, formula.variables, model.input)
    except (ChainRuleError, TypeError) as error:
        raise DataError(
            f"{source}: cannot predict from its logits '{model.logits}': {error}\n"
            "Train the model again, or pass an intact copy."
        ) from error


def _check_input(model: Model, source: str) -> None:
    height, width = model.image_shape
    found, pixels = model.shapes.get(model.input), height * width
    if min(height, width) < 1 or found not in ([pixels, 1], [pixels]):
        raise DataError(
            f"{source}: its input '{model.input}' has shape {found}, expected {[pixels, 1]} for "
            f"images of {height} × {width} pixels. Train it again, or pass an intact copy."
        )


def _softmax(rows: Array) -> Array:
    """Return softmax(z) = exp(z - max z) / Σ exp(z - max z) of every row, in double precision."""
    rows = rows.astype(np.float64)
    exponentials: Array = np.exp(rows - rows.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def bundled_images(indices: Sequence[int], model: Model) -> tuple[Array, list[str]]:
    """Return bundled MNIST test images, one a row from 0 to 1, and what to call them.

    Raises: InputError for an index out of range, or where the model takes images of another size.
    """
    if tuple(model.image_shape) != (28, 28):
        height, width = model.image_shape
        raise InputError(
            f"--index: the bundled images are 28 × 28 pixels, the model takes {height} × {width}. "
            "Pass image files, or a model trained on MNIST."
        )
    test = load_data().test
    if strange := [index for index in indices if not 0 <= index < len(test)]:
        raise InputError(
            f"--index {strange[0]}: expected 0 to {len(test) - 1}, the bundled test images."
        )
    return scale(test.images[list(indices)]), [f"test image {index}" for index in indices]


def _indices(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"--index {text}: expected whole numbers, for example 0,7,42.") from error


def read_image(path: str | Path, image_shape: tuple[int, int]) -> Array:
    """Read an image file into the form that the model was trained on, of shape (height · width,).

    An image of exactly the model's size on a dark background is taken as it is.

    Raises: InputError for a file that is missing, no image, damaged, too large or blank.
    """
    grey = _read_grey(path)
    paper = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    darkest, brightest = grey.min(), grey.max()
    if max(brightest - paper, paper - darkest) < _FAINTEST_INK:
        raise InputError(
            f"{path}: the image is blank, its brightness {paper:.0%} nearly everywhere; expected "
            "a digit. Pass an image with more contrast."
        )
    dark = bool(brightest - paper >= paper - darkest)
    if dark and grey.shape == tuple(image_shape):
        return grey.ravel()
    ink = np.clip(grey - paper if dark else paper - grey, 0, None)
    ink /= ink.max()
    ink[ink < _PAPER] = 0
    return _centred(_fitted(ink, image_shape), image_shape).ravel()


def draw(image: Array, image_shape: tuple[int, int]) -> str:
    """Draw an image as text, a column a character and two rows a line; the ink is the text.

    >>> print(draw(np.array([1, 0, 0.6, 0.2, 0, 1, 0.7, 0.2]), (2, 4)))
    ▀▄█░
    """
    height, width = image_shape
    pixels = np.zeros((height + height % 2, width))
    pixels[:height] = np.reshape(image, image_shape)
    cells = zip(pixels[::2], pixels[1::2], strict=True)
    return "\n".join("".join(map(_cell, upper, lower)) for upper, lower in cells)


def _cell(upper: float, lower: float) -> str:
    halves = {(True, True): "█", (True, False): "▀", (False, True): "▄"}
    shade = _SHADES[min(int((upper + lower) * len(_SHADES)), len(_SHADES) - 1)]
    return halves.get((bool(upper >= 0.5), bool(lower >= 0.5)), shade)


def _read_grey(path: str | Path) -> Array:
    """Return the brightness of an image file's pixels, from 0 to 1, of shape (height, width)."""
    try:
        # No import statement: types are checked where Pillow need not be installed.
        Image, ImageOps = import_module("PIL.Image"), import_module("PIL.ImageOps")
    except ImportError as error:
        raise InputError(
            f"{path}: reading image files takes Pillow, which is not installed. Install it: "
            "pip install 'chainrule[images]'. Bundled images (--index) do without."
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Path(path).open("rb") as stream, Image.open(stream, formats=_FORMATS) as image:
                return _brightness(ImageOps.exif_transpose(image), Image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"{path}: the image is too large, expected at most {Image.MAX_IMAGE_PIXELS} pixels "
            f"({error}). Scale it down."
        ) from error
    # Whatever a decoder meets in a damaged file, it raises: there is no common class.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, Image.UnidentifiedImageError):
            reason = "its content is of no known kind"
        raise InputError(
            f"{path}: cannot be read as an image ({reason}); expected one of "
            f"{', '.join(_FORMATS)}. Check the path, or save the image as PNG again."
        ) from error


def _brightness(image: Any, Image: Any) -> Array:
    """Return the brightness of a Pillow image, flattened on white, or on black if that shows it."""
    deep = image.mode[0] in "IF"  # 16 or 32 bits a pixel, of unknown range: the image's own
    image = image.convert("F" if deep else "RGBA")
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    if deep:
        values = np.asarray(image, np.float64)
        if not np.isfinite(values).all():
            raise ValueError("some pixels are not finite numbers")
        stretched: Array = (values - values.min()) / (np.ptp(values) or 1)
        return stretched.astype(np.float32)
    sheets = (Image.new("RGBA", image.size, colour) for colour in ("white", "black"))
    on_white, on_black = (
        scale(np.asarray(Image.alpha_composite(sheet, image).convert("L"))) for sheet in sheets
    )
    return on_white if np.ptp(on_white) >= _FAINTEST_INK else on_black


def _fitted(ink: Array, image_shape: tuple[int, int]) -> Array:
    """Crop ink to its box; scale it, aspect kept, to the share of an image that MNIST's take."""
    Image = import_module("PIL.Image")
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ratio = min(_INK_SHARE * size / side for size, side in zip(image_shape, ink.shape, strict=True))
    height, width = (max(1, round(side * ratio)) for side in ink.shape)
    scaled = Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC)
    fitted: Array = np.clip(np.asarray(scaled), 0, None)
    fitted /= fitted.max()
    return fitted


def _centred(ink: Array, image_shape: tuple[int, int]) -> Array:
    """Place ink in a dark image so that its centre of mass falls on the middle pixel."""
    image = np.zeros(image_shape, ink.dtype)
    corner = []
    for axis, size in enumerate(image_shape):
        mass = ink.sum(axis=1 - axis)
        centre = float(mass @ np.arange(len(mass)) / mass.sum())
        corner.append(min(max(round(size / 2 - centre), 0), size - len(mass)))
    top, left = corner
    image[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return image
