"""What the child process runs: load a function from a file, then call it once a request.

It is run by its path and imports nothing of this project, so that the file that it loads meets no
module of ours. Requests come on standard input and answers go to standard output, as frames: two
lengths, a JSON header, and arrays in NumPy's own format, never pickled. Both streams are taken away
from the function first: what it prints goes nowhere, and what it reads is empty.

Contract: the process ends when standard input does; whatever the function raises is an answer.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import json
import os
import struct
import sys
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["main", "read_frame", "write_frame"]

LENGTHS = struct.Struct("<QQ")
LARGEST = 2**24  # bytes of an array that is sent back; the points have some hundred entries
MESSAGE = 400  # characters of a message of the function's own


def main(path: str, name: str) -> None:
    """Load a function, say whether that succeeded, and answer requests until there are no more."""
    requests, answers = _own_streams()
    try:
        sys.path.insert(0, str(Path(path).resolve().parent))
        module = _load(Path(path))
        if not hasattr(module, name):
            known = [n for n, each in vars(module).items() if callable(each) and n[0] != "_"]
            return write_frame(answers, {"status": "missing", "known": known})
        function = getattr(module, name)
        if not callable(function):
            return write_frame(answers, {"status": "uncallable", "type": type(function).__name__})
    except BaseException as error:
        return write_frame(answers, _raised(error, path))
    write_frame(answers, {"status": "ready", **_parameters(function)})
    while (request := read_frame(requests)) is not None:
        header, arrays = request
        arguments = dict(zip(header["names"], arrays, strict=True))
        try:
            answer, results = _call(function, arguments)
        except BaseException as error:
            answer, results = _raised(error, path), []
        write_frame(answers, answer, results)
    return None


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keep standard input and output for the frames, and leave empty ones in their places."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        nowhere = os.open(os.devnull, flags)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    return requests, answers


def _load(path: Path) -> Any:
    """Run a file as a module of its own name, or of another where that is taken."""
    name = path.stem if path.stem not in sys.modules else f"_{path.stem}_"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names that a function takes and needs, None where it does not say."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"takes": None, "needs": [], "any": True}
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {
        "takes": [p.name for p in named],
        "needs": [p.name for p in named if p.default is p.empty],
        "any": any(p.kind == p.VAR_KEYWORD for p in found),
    }


def _call(
    function: Callable[..., Any], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """Call a function with arrays of its own, and describe what it returns and did to them."""
    before = {name: array.copy() for name, array in arguments.items()}
    returned = function(*_positional(function, arguments), **_by_name(function, arguments))
    value, gradients = returned, None
    if isinstance(returned, (tuple, list)) and len(returned) > 1:
        value, *rest = returned
        gradients = rest[0] if len(rest) == 1 else rest
    header: dict[str, Any] = {"status": "returned", "gradients": None}
    parts = [value]
    if isinstance(gradients, dict):
        header["gradients"] = [str(name) for name in gradients]
        parts += gradients.values()
    elif isinstance(gradients, (tuple, list)):
        header["gradients"] = len(gradients)
        parts += gradients
    elif gradients is not None:
        header["gradients"] = "array"
        parts.append(gradients)
    header["parts"], arrays = [], []
    for part in parts:
        found = _as_array(part)
        header["parts"].append(None if isinstance(found, np.ndarray) else found)
        arrays.append(found if isinstance(found, np.ndarray) else np.zeros(0))
    header["changed"] = [
        name for name in before if not np.array_equal(before[name], arguments[name], equal_nan=True)
    ]
    return header, arrays


def _positional(function: Any, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the arguments that a function takes by their places alone."""
    for name, kind in _kinds(function).items():
        if kind == inspect.Parameter.POSITIONAL_ONLY and name in arguments:
            yield arguments[name]


def _by_name(function: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    kinds = _kinds(function)
    alone = inspect.Parameter.POSITIONAL_ONLY
    return {n: array for n, array in arguments.items() if kinds.get(n) != alone}


def _kinds(function: Any) -> dict[str, Any]:
    try:
        return {p.name: p.kind for p in inspect.signature(function).parameters.values()}
    except (TypeError, ValueError):
        return {}


def _as_array(part: Any) -> Any:
    """Return numbers as an array, or in words or by its shape what cannot be sent."""
    try:
        array = np.asarray(part)
    except Exception:
        return {"what": f"a {type(part).__name__}"}
    if array.dtype.kind not in "fiubc":
        shown = repr(part) if part is None or isinstance(part, str) else f"a {type(part).__name__}"
        entries = f" of {array.dtype} entries" if isinstance(part, np.ndarray) else ""
        return {"what": shown[:80] + entries}
    if array.nbytes > LARGEST:
        return {"shape": list(array.shape), "dtype": str(array.dtype)}
    return array


def _raised(error: BaseException, path: str) -> dict[str, Any]:
    """Describe what was raised, by its last line in the file."""
    place, text = None, ""
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.realpath(frame.filename) == os.path.realpath(path):
            place, text = frame.lineno, frame.line or ""
    if isinstance(error, SyntaxError) and error.filename is not None:
        place, text = error.lineno, (error.text or "").strip()
        if os.path.realpath(error.filename) != os.path.realpath(path):
            text = f"{Path(error.filename).name}: {text}"
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:
        message = ""
    kind, shown = type(error).__name__, " ".join(str(message).split())[:MESSAGE]
    return {"status": "raised", "type": kind, "message": shown, "line": place, "text": text[:100]}


def write_frame(stream: IO[bytes], header: Mapping[str, Any], arrays: Sequence[Any] = ()) -> None:
    """Write a header and arrays.

    >>> stream = io.BytesIO()
    >>> write_frame(stream, {"names": ["x"]}, [np.ones((2, 1))])
    >>> stream.seek(0)
    0
    >>> read_frame(stream)[0], read_frame(stream)
    ({'names': ['x']}, None)
    """
    body, text = io.BytesIO(), json.dumps({**header, "count": len(arrays)}).encode()
    for array in arrays:
        np.save(body, array, allow_pickle=False)
    stream.write(LENGTHS.pack(len(text), body.tell()) + text + body.getvalue())
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], list[Any]] | None:
    """Read a header and arrays, None where the stream has ended."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    header_size, body_size = LENGTHS.unpack(lengths)
    text, content = stream.read(header_size), stream.read(body_size)
    if len(text) < header_size or len(content) < body_size:
        return None
    header, body = json.loads(text), io.BytesIO(content)
    return header, [np.load(body, allow_pickle=False) for _ in range(header.pop("count"))]


if __name__ == "__main__":
    main(*sys.argv[1:])
