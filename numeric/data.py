"""Images and labels from IDX files: the bundled MNIST, or a folder of files named as MNIST's are.

Contract: whatever `load` returns is whole. Every file has been read to its end and agrees with its
own header, the files agree with one another, and the bundled ones with their checksums. Pixels stay
raw bytes here; `scale` and `one_hot` turn them into the numbers that training reads.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from derive.errors import DataError, InputError

__all__ = ["Dataset", "Float", "Split", "load", "one_hot", "scale"]

Float = Literal["float32", "float64"]
Bytes = NDArray[np.uint8]

_BUNDLED = Path(__file__).with_name("mnist")
# SHA-256 of the bundled files, uncompressed.
_CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_KINDS = {1: "labels", 3: "images"}  # by the number of dimensions in an IDX header
_LARGEST = 2**31  # bytes of one file, so that a damaged header cannot ask for all memory
_DEFLATE_RATIO = 1032  # bytes that one compressed byte can stand for at most
_UNSIGNED_BYTE = 0x08


@dataclass(frozen=True, eq=False)
class Split:
    """Hold images and their labels, one a row.

    Shapes: images (N, d), bytes 0..255 with d = height · width; labels (N,), bytes.
    """

    images: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> Split:
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold what a model is trained on, what epochs report, and what is looked at once, at the end.

    `image_shape` is (height, width) in pixels; labels run from 0 to `classes` - 1; `source` says
    where the files came from.
    """

    train: Split
    validation: Split
    test: Split
    image_shape: tuple[int, int]
    classes: int
    source: str


def load(
    folder: str | Path | None = None,
    *,
    limit: int | None = None,
    validation: int | None = None,
    classes: int = 10,
) -> Dataset:
    """Read a folder of IDX files, gzipped or not; without a folder, the bundled MNIST.

    The last `validation` training images are held out (by default a twelfth of them: 5,000 of
    MNIST's 60,000); of the others the first `limit` are kept.

    Raises: DataError for files that are missing, corrupt or disagree; InputError for a `limit` or
    a `validation` that leaves no training image.

    >>> mnist = load(limit=1000)
    >>> len(mnist.train), len(mnist.validation), len(mnist.test), mnist.image_shape
    (1000, 5000, 10000, (28, 28))
    """
    path = _BUNDLED if folder is None else Path(folder)
    train, shape = _read_pair(path, "train", classes)
    test, test_shape = _read_pair(path, "t10k", classes)
    if shape != test_shape:
        raise DataError(
            f"{path}: training images are {_by(shape)} pixels, test images {_by(test_shape)}; "
            "expected one size. Take both from the same data set."
        )
    source = "bundled MNIST" if folder is None else str(path)
    whole = Dataset(train, train[len(train) :], test, shape, classes, source)
    return _split(whole, limit, validation)


def scale(images: Bytes, dtype: Float = "float32") -> NDArray[Any]:
    """Return the pixels as numbers from 0 to 1, in the shape of `images`.

    >>> scale(np.array([[0, 51, 255]], np.uint8)).tolist()
    [[0.0, 0.20000000298023224, 1.0]]
    """
    return np.divide(images, np.dtype(dtype).type(255), dtype=dtype)


def one_hot(labels: Bytes, classes: int, dtype: Float = "float32") -> NDArray[Any]:
    """Return one row a label, 1 in the label's column and 0 elsewhere, of shape (N, classes).

    >>> one_hot(np.array([2, 0], np.uint8), 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    return np.eye(classes, dtype=dtype)[labels]


def _split(whole: Dataset, limit: int | None, validation: int | None) -> Dataset:
    available = len(whole.train)
    held_out = available // 12 if validation is None else validation
    if not 0 <= held_out < available:
        raise InputError(
            f"--validation {held_out}: expected 0 to {available - 1}, so that at least one of the "
            f"{available} training images of {whole.source} is left."
        )
    left = available - held_out
    kept = left if limit is None else limit
    if not 1 <= kept <= left:
        raise InputError(
            f"--limit {kept}: expected 1 to {left}, the training images of {whole.source} "
            f"without the {held_out} held out for validation."
        )
    return replace(whole, train=whole.train[:kept], validation=whole.train[left:])


def _read_pair(folder: Path, prefix: str, classes: int) -> tuple[Split, tuple[int, int]]:
    images_path = _find(folder, f"{prefix}-images-idx3-ubyte")
    labels_path = _find(folder, f"{prefix}-labels-idx1-ubyte")
    images, labels = _read_idx(images_path, 3), _read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{folder}: {images_path.name} holds {len(images)} images and {labels_path.name} "
            f"{len(labels)} labels; expected as many. Take both from the same data set."
        )
    if labels.max() >= classes:
        first = int(np.argmax(labels >= classes))
        raise DataError(
            f"{labels_path}: label {labels[first]} at index {first}, expected 0 to {classes - 1}. "
            "Correct the label, or leave its image out."
        )
    return Split(images.reshape(len(images), -1), labels), (images.shape[1], images.shape[2])


def _find(folder: Path, name: str) -> Path:
    """Return the file of that name, plain or gzipped."""
    hint = "Reinstall chainrule, or pass --data DIR." if folder == _BUNDLED else "Check --data."
    if not folder.exists():
        raise DataError(f"{folder}: no such folder, expected one of IDX files. {hint}")
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file, expected a folder of IDX files. {hint}")
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise DataError(f"{folder}: neither {name} nor {name}.gz is there. {hint}")


def _read_idx(path: Path, dimensions: int) -> Bytes:
    """Return the content of an IDX file of unsigned bytes, in the shape that its header declares.

    Source of the format: http://yann.lecun.com/exdb/mnist, "file formats for the MNIST database".
    """
    try:
        with _open(path) as stream:
            header = stream.read(4 + 4 * dimensions)
            shape = _declared_shape(path, header, dimensions)
            # Memory is taken before anything is read, so ask for no more than the file can hold.
            most = _DEFLATE_RATIO * path.stat().st_size
            body = stream.read(min(math.prod(shape), most) + 1)
    except EOFError as error:
        raise DataError(
            f"{path}: the gzip file is cut off, expected it to go on to its end mark. "
            "Copy it again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip file is corrupt ({error}). Copy it again.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check --data.") from error
    _check_length(path, shape, len(body))
    _check_digest(path, header, body)
    return np.frombuffer(body, np.uint8).reshape(shape)


def _open(path: Path) -> BinaryIO:
    """Open a file for reading, through gzip where its content, whatever its name, is gzipped."""
    with path.open("rb") as stream:
        gzipped = stream.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb")) if gzipped else path.open("rb")


def _declared_shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    expected = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if header[:4] != expected:
        raise DataError(
            f"{path}: begins with {_hexadecimal(header[:4])}, {_guess(header)}; expected "
            f"{_hexadecimal(expected)}, {_KINDS[dimensions]}. Check that the files are not swapped."
        )
    if len(header) < 4 + 4 * dimensions:
        raise DataError(
            f"{path}: ends after {len(header)} bytes, inside its header of {4 + 4 * dimensions}. "
            "Copy it again."
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4))
    if math.prod(shape) == 0:
        raise DataError(
            f"{path}: declares {_by(shape)} {_KINDS[dimensions]}, expected at least one. "
            "Pass a folder with images."
        )
    if math.prod(shape) > _LARGEST:
        raise DataError(
            f"{path}: declares {_by(shape)} = {math.prod(shape)} bytes, expected at most "
            f"{_LARGEST}. The header is damaged, or the set too large; copy it again or split it."
        )
    return shape


def _guess(header: bytes) -> str:
    """Say what a file is whose first bytes are not those expected."""
    if len(header) < 4:
        return f"{len(header)} bytes in all"
    if header[:3] == bytes([0, 0, _UNSIGNED_BYTE]):
        return _KINDS.get(header[3], f"an IDX file of {header[3]} dimensions")
    if header[:2] == b"\0\0" and 0x09 <= header[2] <= 0x0E:
        return f"an IDX file of numbers of type 0x{header[2]:02x}, not of bytes"
    return "neither an IDX nor a gzip file"


def _check_length(path: Path, shape: tuple[int, ...], length: int) -> None:
    declared = math.prod(shape)
    if length < declared:
        raise DataError(
            f"{path}: its header declares {_by(shape)} = {declared} bytes, but only {length} "
            "follow. The file is cut off or the count wrong; copy it again."
        )
    if length > declared:
        raise DataError(
            f"{path}: its header declares {_by(shape)} = {declared} bytes, but more follow. "
            "The count is wrong or something was appended; copy it again."
        )


def _check_digest(path: Path, header: bytes, body: bytes) -> None:
    """Compare a bundled file with the published one; other files have no checksum to keep."""
    if path.parent != _BUNDLED:
        return
    digest = hashlib.sha256(header)
    digest.update(body)
    expected = _CHECKSUMS[path.name.removesuffix(".gz")]
    if digest.hexdigest() != expected:
        raise DataError(
            f"{path}: SHA-256 is {digest.hexdigest()[:8]}…, expected {expected[:8]}…. "
            "The file is left as it is; reinstall chainrule, or pass --data with an intact copy."
        )


def _hexadecimal(content: bytes) -> str:
    return f"0x{content.hex()}" if content else "nothing"


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
