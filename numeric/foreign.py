"""Somebody's NumPy function, called in a process of its own.

Cut from the judging so that what can go wrong with a file, a process and a return value is told
here, as an ``InputError`` that says where: the file, the line, the shapes of the arguments.

Contract: the process is started once and answers one call after the other; it is ended when the
function is closed or its time is over, and no other process is touched.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from derive.errors import InputError, suggestion
from numeric import foreign_worker
from numeric.foreign_worker import read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

__all__ = ["SECONDS", "Answer", "ForeignFunction", "split_spec"]

SECONDS = 30.0  # to load and answer everything: importing a large library may take ten of them
CLOSING = 2.0  # seconds that a process takes to end, after its streams
REAL = "fiub"  # kinds of entries


@dataclass(frozen=True)
class Answer:
    """What one call returned: the value, the gradients, and which arguments it has changed.

    ``gradients`` are arrays by name, a sequence of arrays, one array, or None where only a value
    was returned.
    """

    value: Any
    gradients: Any
    changed: tuple[str, ...]


def split_spec(spec: str) -> tuple[Path, str]:
    """Split FILE.py:NAME, and find the file.

    Raises:
        InputError: where it is no such pair, or there is no such file.

    >>> split_spec("loss")
    Traceback (most recent call last):
    ...
    derive.errors.InputError: --function loss: expected FILE.py:NAME, for example loss.py:loss.
    """
    file, colon, name = spec.rpartition(":")
    if not colon or not file or not name.isidentifier():
        stem = Path(spec.strip(":") or "loss").stem
        stem = stem if stem.isidentifier() else "loss"
        raise InputError(f"--function {spec}: expected FILE.py:NAME, for example {stem}.py:{stem}.")
    path = Path(file).expanduser()
    if path.is_dir():
        raise InputError(f"--function {spec}: {file} is a folder, expected a Python file.")
    if not path.is_file():
        folder = path.parent
        known = [other.name for other in folder.glob("*.py")] if folder.is_dir() else []
        near = suggestion(path.name, known)
        raise InputError(f"--function {spec}: no file {file} from {Path.cwd()}.{near}")
    if path.suffix != ".py":
        raise InputError(
            f"--function {spec}: {path.name} is no Python file, expected FILE.py:NAME."
        )
    return path, name


class ForeignFunction:
    """Call a function of a file in a process of its own, within a time limit.

    Args:
        spec: FILE.py:NAME.
        parameters: the names that the function is to take.
        seconds: how long all calls together may take, with loading the file.

    Raises:
        InputError: for whatever the file, the function or a call does other than return numbers.
    """

    def __init__(self, spec: str, parameters: Sequence[str], seconds: float = SECONDS) -> None:
        self.path, self.name = split_spec(spec)
        self.parameters = tuple(parameters)
        self._seconds = self._left = seconds
        self._frames: queue.Queue[Any] = queue.Queue()
        command = [sys.executable, "-P", "-B", foreign_worker.__file__, str(self.path), self.name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self._receive, daemon=True).start()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                return  # what was not read is lost with the process

    def __call__(self, arguments: Mapping[str, Any]) -> Answer:
        """Call the function with arrays by name.

        Raises:
            InputError: where it raises, ends the process, is late, or returns what is no number.
        """
        shapes = ", ".join(
            f"{name} of shape {np.shape(array)}" if np.ndim(array) else f"{name} a number"
            for name, array in arguments.items()
        )
        dtypes = {str(np.asarray(array).dtype) for array in arguments.values()}
        doing = f"called with {shapes} ({', '.join(sorted(dtypes))})"
        header, arrays = self._ask({"names": list(arguments)}, list(arguments.values()), doing)
        if header["status"] == "raised":
            raise self._raised(header, doing)
        parts = zip(header["parts"], arrays, self._labels(header), strict=True)
        value, *rest = [self._part(instead, array, label) for instead, array, label in parts]
        gradients = header["gradients"]
        if gradients == "array":
            gradients = rest[0]
        elif gradients is not None:
            by_name = isinstance(gradients, list)
            gradients = dict(zip(gradients, rest, strict=True)) if by_name else tuple(rest)
        return Answer(value, gradients, tuple(header["changed"]))

    def _start(self) -> None:
        """Wait until the function is loaded, and see that it takes the parameters."""
        header, _ = self._await("while the file was loaded")
        where, status = f"{self.path}:{self.name}", header["status"]
        if status == "raised":
            raise self._raised(header, "while the file was loaded")
        if status == "missing":
            known = ", ".join(header["known"][:20]) or "none"
            near = suggestion(self.name, header["known"])
            raise InputError(
                f"{where}: the file defines no '{self.name}'.{near} Functions: {known}."
            )
        if status == "uncallable":
            raise InputError(f"{where}: expected a function, got a value of type {header['type']}.")
        takes = header["takes"]
        if takes is None:
            return
        missing = [name for name in self.parameters if name not in takes and not header["any"]]
        unknown = [name for name in header["needs"] if name not in self.parameters]
        if missing or unknown:
            raise InputError(
                f"{where}: expected the parameters {', '.join(self.parameters)}, named as the "
                f"formula's variables, got {', '.join(takes) or 'none'}. Rename them, or give "
                "others a default."
            )

    def _labels(self, header: Mapping[str, Any]) -> list[str]:
        gradients = header["gradients"]
        if isinstance(gradients, list):
            return ["the value", *(f"the gradient by {name}" for name in gradients)]
        return ["the value", *("a gradient" for _ in header["parts"][1:])]

    def _part(self, instead: Mapping[str, Any] | None, array: Any, label: str) -> Any:
        """Return a part of what was returned, of which a huge array is all zeros."""
        where = f"{self.path}:{self.name} returned"
        if instead is not None and "what" in instead:
            hint = " Return a value, or (value, gradients) with gradients a dict by name."
            raise InputError(f"{where} {instead['what']} for {label}, expected real numbers.{hint}")
        if instead is not None:
            zero = np.zeros((), np.dtype(instead["dtype"]))
            return np.broadcast_to(zero, instead["shape"])
        if array.dtype.kind not in REAL:
            raise InputError(
                f"{where} {array.dtype} numbers for {label}, expected real ones. Return the real "
                "part, if what is imaginary is round-off."
            )
        return array

    def _raised(self, header: Mapping[str, Any], doing: str) -> InputError:
        place = self.path if header["line"] is None else f"{self.path}, line {header['line']}"
        what = f"{header['type']}: {header['message']}" if header["message"] else header["type"]
        text = f"\n  {header['text']}" if header["text"] else ""
        if header["type"] == "SystemExit":
            what = "it ends the process (SystemExit), expected it to return"
        at = f"{self.name} was {doing}" if doing.startswith("called") else doing
        return InputError(f"{place}: {what}, {at}{text}")

    def _ask(
        self, header: Mapping[str, Any], arrays: Sequence[Any], doing: str
    ) -> tuple[dict[str, Any], list[Any]]:
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, header, arrays)
        except OSError:
            raise self._ended(doing) from None
        return self._await(doing)

    def _await(self, doing: str) -> tuple[dict[str, Any], list[Any]]:
        """Wait for an answer as long as there is time."""
        began = monotonic()
        try:
            frame = self._frames.get(timeout=max(self._left, 0.0))
        except queue.Empty:
            raise InputError(
                f"{self.path}:{self.name} took more than {self._seconds:g} seconds, {doing}. It is "
                "called some hundred times with small arrays; declare smaller ones with --shape."
            ) from None
        self._left -= monotonic() - began
        if frame is None:
            raise self._ended(doing)
        found: tuple[dict[str, Any], list[Any]] = frame
        return found

    def _ended(self, doing: str) -> InputError:
        try:
            code = self._process.wait(CLOSING)
        except subprocess.TimeoutExpired:
            return InputError(
                f"{self.path}:{self.name} closed the streams of its process, {doing}."
            )
        how = f"with exit code {code}"
        if code < 0 and -code in set(signal.Signals):
            how = f"by the signal {signal.Signals(-code).name}"
        return InputError(f"{self.path}:{self.name} ended its process {how}, {doing}.")

    def _receive(self) -> None:
        """Put every answer into the queue, and None at the end."""
        stream = self._process.stdout
        assert stream is not None
        with stream:
            try:
                while (frame := read_frame(stream)) is not None:
                    self._frames.put(frame)
            except (OSError, ValueError, EOFError):
                pass  # the process ended within a frame
            self._frames.put(None)
