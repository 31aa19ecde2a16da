"""Whatever a file, a process and a return value can do is told, and the process is ended."""

from __future__ import annotations

import os
import re
import sys
from textwrap import dedent

import numpy as np
import pytest

from derive.errors import InputError
from numeric.foreign import ForeignFunction, split_spec

POINT = {"x": np.array([[1.0], [2.0]])}


@pytest.fixture
def write(tmp_path):
    def write(text, name="loss.py"):
        path = tmp_path / name
        path.write_text(dedent(text))
        return f"{path}:f"

    return write


def test_a_function_is_called_many_times_in_one_process(write):
    spec = write("import os\ndef f(x):\n    return x.sum() + 0 * os.getpid(), {'x': os.getpid()}")
    with ForeignFunction(spec, ["x"]) as function:
        answers = [function({"x": POINT["x"] * n}) for n in range(5)]
    assert [float(answer.value) for answer in answers] == [0, 3, 6, 9, 12]
    (process,) = {int(answer.gradients["x"]) for answer in answers}
    assert process != os.getpid()


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        ("1.5", type(None)),
        ("1.5, {'x': x}", dict),
        ("1.5, (x,)", tuple),
        ("1.5, [x, x]", tuple),
        ("1.5, x, x", tuple),
        ("1.5, x", np.ndarray),
        ("[1.5, x]", np.ndarray),
    ],
)
def test_all_ways_to_return_gradients_are_understood(write, returned, kind):
    with ForeignFunction(write(f"def f(x):\n    return {returned}"), ["x"]) as function:
        answer = function(POINT)
    assert float(answer.value) == 1.5
    assert isinstance(answer.gradients, kind)


def test_dtypes_and_shapes_arrive_as_they_were_sent(write):
    spec = write("def f(**given):\n    return 1, dict(given)")
    sent = {
        "a": np.array(2.0),
        "lambda_": np.ones((2, 1), np.float32),
        "file": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    with ForeignFunction(spec, list(sent)) as function:
        received = function(sent).gradients
    assert list(received) == list(sent)
    for name, array in sent.items():
        assert received[name].dtype == array.dtype
        np.testing.assert_array_equal(received[name], array)


@pytest.mark.parametrize(
    "parameters", ["x, /", "x", "*, x", "x, n=3", "**kwargs", "x, *rest, **kwargs"]
)
def test_parameters_of_every_kind_are_filled(write, parameters):
    body = "(x if 'x' in locals() else kwargs['x'])"
    with ForeignFunction(
        write(f"def f({parameters}):\n    return {body}.sum()"), ["x"]
    ) as function:
        assert float(function(POINT).value) == 3


def test_the_folder_of_the_file_is_searched_and_ours_is_not(write):
    write("def twice(x):\n    return 2 * x", "points.py")  # a module of ours has that name
    spec = write("from points import twice\ndef f(x):\n    return twice(x).sum()")
    with ForeignFunction(spec, ["x"]) as function:
        assert float(function(POINT).value) == 6


def test_the_working_folder_stays(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("import os\ndef f(x):\n    return float(os.getcwd() == os.path.dirname(__file__))")
    with ForeignFunction("loss.py:f", ["x"]) as function:
        assert float(function(POINT).value) == 1


def test_what_it_prints_and_reads_disturbs_nothing(write):
    spec = write(
        """
        import os, subprocess, sys
        print("loading", flush=True)
        def f(x):
            print("x" * 10_000, flush=True)
            os.write(1, b"raw")
            print(sys.stdin.read(), file=sys.stderr)
            return x.sum()
        """
    )
    with ForeignFunction(spec, ["x"]) as function:
        assert [float(function(POINT).value) for _ in range(3)] == [3, 3, 3]


def test_what_it_changes_in_place_is_told_and_stays_its_own(write):
    with ForeignFunction(write("def f(x):\n    x *= 2\n    return x.sum()"), ["x"]) as function:
        answer = function(POINT)
    assert answer.changed == ("x",)
    assert POINT["x"].ravel().tolist() == [1, 2]


def test_a_file_of_the_name_of_a_known_module_is_loaded(write, tmp_path):
    write("def f(x):\n    return x.sum()", "json.py")
    with ForeignFunction(f"{tmp_path / 'json.py'}:f", ["x"]) as function:
        assert float(function(POINT).value) == 3


# --- Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def g(x):\n    return 1", r"the file defines no 'f'\..* Functions: g\."),
        ("f = 3", r"expected a function, got a value of type int"),
        (
            "def f(x):\n    return (1",
            r"loss\.py, line 2: SyntaxError: .* while the file was",
        ),
        ("import nowhere_to_be_found", r"line 1: ModuleNotFoundError: No module named 'nowhere"),
        ("a = 1\nb = a / 0", r"loss\.py, line 2: ZeroDivisionError: .*\n  b = a / 0"),
        ("import sys\nsys.exit(0)", r"line 2: it ends the process \(SystemExit\)"),
        ("import os\nos._exit(3)", r"ended its process with exit code 3, while the file was load"),
        ("def f(w):\n    return 1", r"expected the parameters x, .* got w\."),
        ("def f():\n    return 1", r"expected the parameters x, .* got none"),
        ("def f(x, y):\n    return 1", r"expected the parameters x, .* got x, y"),
    ],
)
def test_what_cannot_be_loaded_says_why(write, text, expected):
    with pytest.raises(InputError, match=expected):
        ForeignFunction(write(text), ["x"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "y = 1\n    raise ValueError('no\\n  good')",
            r"loss\.py, line 3: ValueError: no good, f was called with x of shape \(2, 1\) "
            r"\(float64\)\n  raise ValueError",
        ),
        ("return x @ x", r"line 2: ValueError: matmul: .*x of shape \(2, 1\)"),
        ("raise SystemExit", r"it ends the process \(SystemExit\), expected it to return"),
        ("raise KeyboardInterrupt", r"line 2: KeyboardInterrupt, f was called"),
        ("import os; os._exit(0)", r"ended its process with exit code 0, called with x"),
        ("pass", r"returned None for the value, expected real numbers"),
        ("return 'three'", r"returned 'three' for the value"),
        ("return 1j * x", r"returned complex128 numbers for the value"),
        ("return 1.0, {'x': 1j * x}", r"complex128 numbers for the gradient by x"),
        ("return 1.0, {'x': None}", r"returned None for the gradient by x"),
        ("return 1.0, {'x': x.astype(object)}", r"a ndarray of object entries"),
        ("return 1.0, {'x': [[1, 2], [3]]}", r"returned a list for the gradient by x"),
        ("return {'x': x}", r"returned a dict for the value"),
        ("return f(x)", r"line 2: RecursionError"),
    ],
)
def test_what_cannot_be_used_of_a_call_says_why(write, body, expected):
    with (
        ForeignFunction(write(f"def f(x):\n    {body}"), ["x"]) as function,
        pytest.raises(InputError, match=expected),
    ):
        function(POINT)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_crash_says_the_signal(write):
    text = "import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSEGV)"
    with (
        ForeignFunction(write(text), ["x"]) as function,
        pytest.raises(InputError, match="ended its process by the signal SIGSEGV, called with x"),
    ):
        function(POINT)


@pytest.mark.parametrize("text", ["while True: pass", "def f(x):\n    while True: pass"])
def test_what_takes_too_long_is_ended(write, text):
    def call():
        with ForeignFunction(write(text), ["x"], seconds=2.0) as function:
            function(POINT)

    with pytest.raises(InputError, match=r"took more than 2 seconds, (called|while the file)"):
        call()


def test_the_process_is_gone_after_a_time_limit(write, tmp_path):
    text = """
        import os, pathlib
        pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
        while True: pass
        """
    with pytest.raises(InputError):
        ForeignFunction(write(text), ["x"], seconds=2.0)
    if sys.platform != "win32":
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_huge_result_is_one_of_another_shape(write):
    text = "import numpy as np\ndef f(x):\n    return np.broadcast_to(1.0, (10**6, 10**6))"
    with ForeignFunction(write(text), ["x"]) as function:
        assert function(POINT).value.shape == (10**6, 10**6)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("loss", "expected FILE.py:NAME, for example loss.py:loss."),
        (":f", "expected FILE.py:NAME"),
        ("loss.py:", "expected FILE.py:NAME, for example loss.py:loss."),
        ("loss.py:3", "expected FILE.py:NAME"),
        ("los.py:f", "no file los.py from"),
        ("nowhere/loss.py:f", "no file nowhere/loss.py from"),
        (".:f", ". is a folder"),
        ("notes.txt:f", "notes.txt is no Python file"),
    ],
)
def test_a_file_that_is_not_there_is_told(tmp_path, monkeypatch, spec, expected):
    (tmp_path / "loss.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        split_spec(spec)
    assert ("Did you mean 'loss.py'?" in str(caught.value)) is (spec == "los.py:f")
