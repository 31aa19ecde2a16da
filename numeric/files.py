"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from derive.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ensure_writable", "whole_file"]


@contextmanager
def whole_file(path: str | Path, what: str, option: str) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` once it is complete.

    ``what`` and ``option`` name the contents and the way to choose another place, for the message.

    Raises:
        InputError: where the file cannot be written.
    """
    with _unwritable_as_input_error(Path(path), what, option):
        temporary = _temporary_beside(Path(path))
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, os.path.realpath(path))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def ensure_writable(path: str | Path, what: str = "the model", option: str = "--save") -> None:
    """Check that a file can be written at ``path``, and leave nothing there.

    Raises:
        InputError: where the folder is missing or cannot be written to, or where something other
            than a file is in the way.

    >>> ensure_writable("nowhere/model.npz")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    derive.errors.InputError: nowhere/model.npz: the model cannot be written there ...
    """
    with _unwritable_as_input_error(Path(path), what, option):
        temporary = _temporary_beside(Path(path))
        temporary.open("xb").close()
        temporary.unlink()


def _temporary_beside(path: Path) -> Path:
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(0, "something that is not a file is in the way")
    if target.exists() and not os.access(target, os.W_OK):
        raise OSError(0, "the file there is write-protected")
    return target.parent / f".{secrets.token_hex(8)}.tmp"


@contextmanager
def _unwritable_as_input_error(path: Path, what: str, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: {what} cannot be written there ({error.strerror}). "
            f"Choose a file in a writable folder with {option}."
        ) from error
