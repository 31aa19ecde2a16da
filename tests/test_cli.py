"""The command line: what a user types, what is printed where, and the exit code."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import cli
from derive.functions import ELSEWHERE, FUNCTION_NAMES
from derive.problems import problem_names
from derive.syntax import parse
from numeric import session
from numeric.model import Evaluation, load
from numeric.predict import recognise

PROBLEMS = ["relu-l2", "softmax-ce"]


NAN, INF = float("nan"), float("inf")


def run(*args: str, stdin: str | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.main, list(args), input=stdin, prog_name="cli")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def mnist_like(folder: Path, train: int = 60, test: int = 20, size: int = 5) -> Path:
    """Write a small data set of IDX files, gzipped or not, that is easy to learn."""
    rng = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        images = rng.integers(0, 40, (count, size, size)).astype(np.uint8)
        images.reshape(count, -1)[np.arange(count), labels] = 255
        header = struct.pack(">IIII", 0x803, count, size, size)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        packed = gzip.compress(struct.pack(">II", 0x801, count) + labels.tobytes())
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(packed)
    return folder


def strictly(text: str) -> object:
    """Read JSON as the standard has it, without NaN and Infinity."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


class TestDerive:
    def test_both_problems_are_one_html_page(self):
        code, out, _ = run("derive", "--format", "html")
        assert code == 0
        assert out.startswith("<!DOCTYPE html>\n")
        assert (out.count("<html"), out.count("<article>")) == (1, 2)

    def test_without_a_formula_both_problems_are_derived(self):
        code, out, err = run("derive")
        assert (code, err) == (0, "")
        for sign in (r"\nabla_{x} f = 2 \, W^{\top}", r"\nabla_{b} L = \operatorname{softmax}"):
            assert sign in out

    def test_json_of_both_is_an_array_and_of_one_an_object(self):
        assert isinstance(json.loads(run("derive", "--format", "json")[1]), list)
        one = json.loads(run("derive", "relu-l2", "--format", "json")[1])
        assert {r["wrt"]: r["formula"] for r in one["results"]} == {
            "W": "2*relu(W*x)*x'",
            "x": "2*W'*relu(W*x)",
        }
        assert one["shapes"] == {"W": ["m", "n"], "x": ["n", "1"]}
        assert all(r["checked"]["points"] >= 3 for r in one["results"])
        assert all(r["assumptions"] == ["step(0) = 0"] for r in one["results"])

    @pytest.mark.parametrize(
        "args",
        [
            ["-x'*A*x", "--wrt", "x"],
            ["--wrt", "x", "-x'*A*x"],
            ["--wrt=x", "-x'*A*x"],
            ["--wrt", "x", "--", "-x'*A*x"],
        ],
    )
    def test_a_formula_may_begin_with_a_minus_sign(self, args):
        code, out, _ = run("derive", "--format", "json", *args)
        assert code == 0
        assert [result["wrt"] for result in json.loads(out)["results"]] == ["x"]

    @pytest.mark.parametrize("formula", ["-o'*x", "-v'*x", "-q'*q", "--x'*x", "-(y'*x)"])
    def test_no_character_of_a_formula_is_an_option(self, formula):
        code, out, _ = run("derive", formula, "--format", "json")
        assert code == 0
        assert json.loads(out)["formula"] == formula

    def test_a_formula_comes_from_standard_input_or_a_file(self, tmp_path):
        assert (
            json.loads(run("derive", "-", "--format", "json", stdin="x'*x # square\n")[1])[
                "results"
            ][0]["formula"]
            == "2*x"
        )
        file = tmp_path / "mine.toml"
        file.write_text('formula = "norm2(A*x - y)^2"\ndata = ["A", "y"]\n[shapes]\nA = "p,q"\n')
        found = json.loads(run("derive", str(file), "--format", "json")[1])
        assert found["results"][0]["formula"] == "2*A'*(A*x - y)"
        assert found["shapes"]["A"] == ["p", "q"]

    def test_wrt_shape_and_assume_are_heeded(self):
        args = ["-(y'*log(softmax(z)))", "--wrt", "z", "--shape", "z=k", "--assume", "y=simplex"]
        (result,) = json.loads(run("derive", *args, "--format", "json")[1])["results"]
        assert (result["shape"], result["formula"]) == (["k", "1"], "softmax(z) - y")
        assert "sum(y) = 1" in result["assumptions"]

    def test_concrete_sizes_are_written_out(self):
        args = ["norm2(W*x)^2", "--shape", "W=2,3", "--explicit", "--format", "pretty"]
        code, out, _ = run("derive", *args)
        assert code == 0
        assert "W = [ W₁₁   W₁₂   W₁₃ ]" in out

    def test_a_byte_order_mark_is_no_part_of_a_formula(self):
        for command in ("derive", "verify"):
            assert run(command, "-", stdin="\ufeffx'*x\n") == run(command, "x'*x")

    def test_output_goes_to_a_file(self, tmp_path):
        target = tmp_path / "out.tex"
        code, out, err = run("derive", "relu-l2", "-o", str(target))
        assert (code, out) == (0, "")
        assert str(target) in err
        assert target.read_text("utf-8") == run("derive", "relu-l2", "-o", "-")[1]
        assert run("derive", "relu-l2", "-q", "-o", str(target))[2] == ""

    def test_emitted_modules_check_themselves(self, tmp_path):
        for extra in ([], ["--batch", "x,y"]):
            module = tmp_path / "emitted.py"
            run("derive", "softmax-ce", "--format", "numpy", "-o", str(module), *extra)
            done = subprocess.run(
                [sys.executable, "-I", str(module)], capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert "gradient by W" in done.stdout

    def test_two_modules_are_not_written_to_one_file(self, tmp_path):
        target = tmp_path / "two.py"
        code, out, err = run("derive", "--format", "numpy", "-o", str(target))
        assert (code, out) == (2, "")
        assert str(target) in err
        assert "Name one problem" in err
        assert not target.exists()

    @pytest.mark.parametrize("where", [[], ["-o", "-"]])
    def test_two_modules_on_standard_output_come_with_a_warning(self, where):
        code, out, err = run("derive", "--format", "numpy", *where)
        assert code == 0
        assert out.count("def value_and_grad(") == 2
        assert len(err.splitlines()) == 1
        assert "Name one problem" in err
        assert run("derive", "--format", "numpy", "-q", *where) == (0, out, "")
        assert run("derive", "relu-l2", "--format", "numpy")[2] == ""

    def test_the_listing_names_every_problem(self):
        code, out, _ = run("derive", "--list")
        assert code == 0
        assert set(problem_names()) <= set(out.split())
        assert {"relu", "softmax", "crossentropy", "eye"} <= set(out.split())

    def test_a_batch_shows_both_derivations(self):
        _, out, _ = run("derive", "softmax-ce", "--batch", "x,y", "--format", "pretty")
        assert "∇_W L = (s − y) xᵀ        →    ∇_W L = (s − y)ᵀ x/N" in out

    def test_a_refusal_in_json_is_an_object_with_the_reason(self):
        code, out, err = run("derive", "spectral(X)", "--format", "json")
        assert code == 3
        found = json.loads(out)
        assert found["schema"] == 1
        assert "spectral" in found["refused"]
        assert "spectral" in err


class TestVerify:
    def test_both_problems_are_right(self):
        code, out, _ = run("verify")
        assert code == 0
        assert out.count("Verdict: PASS") == 2
        assert "FAIL" not in out

    def test_the_table_names_entries_and_errors(self):
        _, out, _ = run("verify", "relu-l2")
        header = next(line for line in out.splitlines() if line.startswith("variable"))
        for column in ("shape", "points", "worst entry", "expected", "got", "error", "verdict"):
            assert column in header

    def test_json_has_one_result_a_variable(self):
        found = json.loads(run("verify", "softmax-ce", "--json")[1])
        assert [result["wrt"] for result in found["results"]] == ["W", "b"]
        for result in found["results"]:
            assert result["verdict"] == "pass"
            assert result["claim"] is None
            assert result["mistake"] is None
            assert result["points"] >= 3
            assert 0 < result["detection_floor"] < 1e-6
            assert result["right"]
        assert found["lines"] == []

    def test_json_has_null_for_what_is_no_number(self, monkeypatch):
        found = {"expected": 0.0, "got": NAN, "bounds": (-INF, INF)}
        monkeypatch.setattr("numeric.report.verification_json", lambda *_: found)
        code, out, _ = run("verify", "relu-l2", "--json")
        assert code == 0
        assert strictly(out) == {"expected": 0.0, "got": None, "bounds": [None, None]}

    def test_a_wrong_rule_fails_with_exit_code_1(self, monkeypatch):
        from dataclasses import replace
        from types import MappingProxyType

        from derive import nodes, operations

        row = operations.OPERATIONS[nodes.Softmax]
        broken = replace(row, pullback=lambda g, out, z: (g,))
        table = MappingProxyType({**operations.OPERATIONS, nodes.Softmax: broken})
        monkeypatch.setattr(operations, "OPERATIONS", table)
        code, out, _ = run("verify", "softmax-ce")
        assert code == 1
        assert "Verdict: FAIL" in out
        assert (
            json.loads(run("verify", "softmax-ce", "--json")[1])["results"][0]["verdict"] == "fail"
        )
        code, out, err = run("derive", "softmax-ce")
        assert (code, out) == (3, "")
        assert "fails its check" in err

    def test_a_seed_gives_the_same_report_and_another_one_another(self):
        first, again, other = (run("verify", "relu-l2", "--seed", s)[1] for s in ("1", "1", "2"))
        assert first == again != other


class TestTrain:
    @pytest.fixture
    def data(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data").mkdir()
        return str(mnist_like(tmp_path / "data"))

    def test_header_epochs_and_last_line(self, data):
        code, out, _ = run("train", "--data", data, "--epochs", "3", "--batch-size", "8")
        assert code == 0
        lines = out.splitlines()
        assert [line.split()[0] for line in lines[:5]] == [
            "Formula",
            "Data",
            "Parameters",
            "Settings",
            "Gradient",
        ]
        assert sum(line.startswith("Epoch") for line in lines) == 3
        assert lines[-1].startswith("Test accuracy: ")
        assert lines[-1].endswith(" %")
        assert Path("model.npz").is_file()

    def test_json_is_the_last_line(self, data):
        args = ["--data", data, "--epochs", "2", "--json", "--save", "here.npz"]
        code, out, err = run("train", *args)
        assert code == 0
        found = json.loads(out.splitlines()[-1])
        assert len(out.splitlines()) == 1
        assert "Epoch" in err
        assert found["schema"] == 1
        assert found["parameters"] == 10 * 25 + 10
        assert (found["epochs"], found["model"]) == (2, "here.npz")
        assert found["gradient_check"]["verdict"] == "pass"
        for field in ("test_accuracy", "train_accuracy", "test_loss", "seconds_per_epoch"):
            assert isinstance(found[field], float)
        assert 0 < found["seconds"] < found["wall_seconds"]

    def test_json_has_null_for_a_loss_that_is_infinite(self, data, monkeypatch):
        evaluation = Evaluation(loss=INF, accuracy=0.5)
        monkeypatch.setattr("numeric.session.models.evaluate", lambda *_: evaluation)
        code, out, _ = run("train", "--data", data, "--epochs", "1", "--json")
        assert code == 0
        assert strictly(out)["test_loss"] is None

    def test_wall_seconds_begin_with_the_command(self, data, monkeypatch):
        prepare, clock = session.training_session, [0.0]

        def late(*args, **options):
            clock[0] += 1000  # what imports may take, and reading the formula
            return prepare(*args, **options)

        monkeypatch.setattr(cli, "perf_counter", lambda: clock[0])
        monkeypatch.setattr(session, "perf_counter", lambda: clock[0])
        monkeypatch.setattr(session, "training_session", late)
        _, out, _ = run("train", "--data", data, "--epochs", "1", "--json")
        assert json.loads(out)["wall_seconds"] == 1000

    @pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
    def test_an_empty_formula_is_not_the_default_one(self, data, text):
        for args, stdin in ((["-"], text), ([text], None)):
            code, out, err = run("train", *args, "--data", data, "--epochs", "1", stdin=stdin)
            assert (code, out) == (2, "")
            assert "empty" in err

    @pytest.mark.parametrize(
        ("logits", "message"),
        [
            ("V*x", "--logits V*x: 'V' is neither the input nor a parameter"),
            ("W*x - y", "'y' is neither the input nor a parameter"),
            ("x", "the shape is (25, 1), expected (10, 1)"),
            ("sum(W*x)", "the shape is (), expected (10, 1)"),
            ("b", "does not depend on the input 'x'"),
            ("W*", "expected a value"),
        ],
    )
    def test_logits_that_predict_nothing_are_told_before_training(self, data, logits, message):
        formula = ["norm2(W*x + b - y)^2", "--logits", logits, "--shape", "b=10"]
        code, out, err = run("train", *formula, "--data", data, "--epochs", "1")
        assert (code, out) == (2, "")
        assert message in err
        assert not Path("model.npz").exists()

    def test_logits_of_the_user_are_what_predictions_are_read_from(self, data):
        formula = ["norm2(W*x + b - y)^2", "--logits", "2*(W*x + b)", "--shape", "b=10"]
        assert run("train", *formula, "--data", data, "--epochs", "1", "--dtype", "float64")[0] == 0
        model = load("model.npz")
        image = np.linspace(0, 1, 25)
        expected = 2 * (model.parameters["W"] @ image + model.parameters["b"].ravel())
        (found,) = recognise(model, image[None], ["ramp"])
        logits = np.log(found.probabilities)
        np.testing.assert_allclose(logits - logits[0], expected - expected[0], atol=1e-9)

    def test_the_same_seed_gives_the_same_model(self, data):
        for name, seed in (("a", "4"), ("b", "4"), ("c", "5")):
            run("train", "--data", data, "--epochs", "2", "--seed", seed, "--save", f"{name}.npz")
        a, b, c = (Path(f"{name}.npz").read_bytes() for name in "abc")
        assert a == b != c

    def test_plain_gradient_descent(self, data):
        code, out, _ = run("train", "--data", data, "--batch-size", "all", "--epochs", "2")
        assert code == 0
        assert "batch size all" in out

    def test_a_network_of_the_user(self, data):
        formula = "crossentropy(softmax(V*relu(W*x + b) + c), y)"
        shapes = ["--shape", "W=7,25", "--shape", "b=7", "--shape", "c=10"]
        code, out, _ = run("train", formula, *shapes, "--data", data, "--epochs", "1")
        assert code == 0
        assert f"{7 * 25 + 7 + 70 + 10} (V 10x7, W 7x25, b 7x1, c 10x1)" in out

    def test_training_refuses_a_wrong_gradient(self, data, monkeypatch):
        from dataclasses import replace
        from types import MappingProxyType

        from derive import nodes, operations

        row = operations.OPERATIONS[nodes.CrossEntropy]
        broken = replace(row, pullback=lambda g, out, p, y: (p, y))
        table = MappingProxyType({**operations.OPERATIONS, nodes.CrossEntropy: broken})
        monkeypatch.setattr(operations, "OPERATIONS", table)
        code, _, err = run("train", "--data", data)
        assert code == 3
        assert "training does not start" in err
        assert not Path("model.npz").exists()

    def test_resuming_goes_on(self, data):
        run("train", "--data", data, "--epochs", "2", "--save", "a.npz")
        args = ["--data", data, "--epochs", "1", "--resume", "a.npz", "--json"]
        code, out, err = run("train", *args)
        assert code == 0
        assert json.loads(out)["epochs"] == 3
        assert "Hint: the learning rate begins anew" in err

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt_saves_the_model_and_exits_with_130(self, tmp_path, number):
        command = [sys.executable, "-m", "cli", "train", "--epochs", "100000"]
        command += ["--report", "page.html"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            for line in process.stdout:
                if line.startswith("Epoch"):
                    process.send_signal(number)
                    break
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "model.npz. No report is written to page.html. Go on with --resume" in err
        assert "Traceback" not in err
        assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
        code, out, _ = run("predict", str(tmp_path / "model.npz"), "--index", "0,1")
        assert code == 0
        assert out.count("test image") == 2


class TestScalarsThatMayBeMeantAsVectors:
    FORMULA = "crossentropy(softmax(W*x + b), y)"

    @pytest.mark.parametrize("command", ["derive", "verify"])
    def test_one_is_told_in_a_line_unless_it_is_declared_or_q_is_given(self, command):
        code, out, err = run(command, self.FORMULA)
        assert code == 0
        assert err.splitlines() == [
            "Hint: b is a scalar and is added to every entry of a vector; for a vector declare "
            "--shape b=m, to keep it --shape b=scalar."
        ]
        assert run(command, self.FORMULA, "-q") == (0, out, "")
        assert run(command, self.FORMULA, "--shape", "b=scalar") == (0, out, "")

    def test_train_tells_of_one_and_trains(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        data = ["--data", str(mnist_like(tmp_path)), "--epochs", "1", "--json"]
        code, out, err = run("train", self.FORMULA, *data)
        assert (code, len(out.splitlines())) == (0, 1)
        assert [line.split(";")[1] for line in err.splitlines() if "Hint" in line] == [
            " for a vector declare --shape b=10, to keep it --shape b=scalar."
        ]
        declared = run("train", self.FORMULA, "--shape", "b=10", *data)
        assert (declared[0], "Hint" in declared[2]) == (0, False)


class TestShapesThatNoFormulaHas:
    @pytest.mark.parametrize(
        ("arguments", "parts"),
        [
            (["derive", "relu-l2", "--shape", "w=2,3", "-q"], ["Did you mean 'W'?", "W, x"]),
            (["verify", "--shape", "b=m", "--shape", "weights=2"], ["weights=2", "W, x, b, y"]),
            (["derive", "norm2(A*x)^2", "--shape", "m=3"], ["'m' is a size", "--shape A=m,n"]),
            (["train", "--shape", "bias=10", "--shape", "b=m"], ["bias=10", "W, x, b, y"]),
            (["train", "--input", "y"], ["--input and --label are both 'y'"]),
        ],
    )
    def test_one_is_refused_and_the_names_are_told(self, arguments, parts):
        code, out, err = run(*arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        for part in parts:
            assert part in err

    def test_a_hand_derivation_has_its_named_values_too(self, tmp_path):
        notes = tmp_path / "notes.txt"
        notes.write_text("z = W*x\nf = norm2(z)^2\ndf/dz = 2*z\n", encoding="utf-8")
        asked = ["verify", "--derivation", str(notes), "--shape", "z=3"]
        assert run(*asked)[0] == 0
        code, out, err = run(*asked, "--shape", "Q=2")
        assert (code, out, "Known: W, x, z, f" in err) == (2, "", True)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("Unable to allocate 74.5 GiB"), "Unable to allocate 74.5 GiB"),
        (MemoryError(), "not enough memory"),
        (RecursionError("maximum recursion depth exceeded"), "recursion depth"),
    ],
    ids=["memory", "memory, no reason", "recursion"],
)
class TestWhatIsTooLarge:
    @pytest.fixture(autouse=True)
    def exhausted(self, error, monkeypatch):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr("numeric.request.verify", fail)
        monkeypatch.setattr("numeric.session.training_session", fail)

    @pytest.mark.parametrize("command", ["derive", "verify", "train"])
    def test_is_undecided_in_one_line_that_says_what_to_do(self, command, reason):
        code, out, err = run(command, "softmax-ce")
        assert (code, out) == (3, "")
        assert len(err.splitlines()) == 1
        for part in (reason, "--shape", "--limit"):
            assert part in err

    def test_is_refused_in_json_too(self, reason):
        code, out, _ = run("derive", "softmax-ce", "--format", "json")
        assert code == 3
        assert reason in json.loads(out)["refused"]


BAD_USAGE = [
    (["derive", "relu-l3"], 2, "Did you mean 'relu-l2'"),
    (["derive", "softmax-cee"], 2, "Did you mean 'softmax-ce'"),
    (["derive", "--wtr", "x", "x'*x"], 2, "--wrt"),
    (["derive", "x'*x", "--wrt", "X"], 2, "'X' is not a variable"),
    (["derive", "x'*x", "--format", "latx"], 2, "latex"),
    (["derive", "W*x + "], 2, "expected a value"),
    (["derive", "sum(x*y)"], 2, "inner sizes differ"),
    (["derive", "sofmax(x)"], 3, "Did you mean 'softmax'"),
    (["derive", "trace(X)"], 3, "No function 'trace'. Did you mean 'tr'?"),
    (["derive", "sum(transpose(A))"], 3, "No function 'transpose'. Did you mean A'?"),
    (["derive", "W*x", "--order", "2"], 3, "needs a scalar"),
    (["derive", ""], 2, "empty"),
    (["derive", "nowhere.toml"], 2, "No such file"),
    (["derive", "x'*x", "--shape", "x"], 2, "expected NAME=VALUE"),
    (["derive", "x'*x", "--shape", "x=0"], 2, "expected sizes from 1"),
    (["derive", "x'*x", "--shape", "x=2,3,4"], 2, "got 3 sizes"),
    (["derive", "x'*x", "--assume", "x=onehott"], 2, "Did you mean 'onehot'"),
    (["derive", "x'*x", "--assume", "y=onehot"], 2, "no such variable"),
    (["derive", "x'*x", "-o", "nowhere/out.tex"], 2, "nowhere/out.tex"),
    (["derive", "x'*x", "--batch", "z"], 2, "no such variable"),
    (["derive", "relu-l2", "--seed", "-1"], 2, "--seed"),
    (["verify", "relu-l2", "--seed", "-1"], 2, "--seed"),
    (["train", "--seed", "-1"], 2, "--seed"),
    (["verify", "log(-norm2(x)^2 - 1)"], 3, "No point was found"),
    (["derve"], 2, "Did you mean 'derive'"),
    (["train", "--epochs", "0"], 2, "--epochs 0"),
    (["train", "--batch-size", "some"], 2, "expected a whole number"),
    (["train", "--lr", "-1"], 2, "--lr"),
    (["train", "--data", "nowhere"], 4, "nowhere"),
    (["train", "--save", "nowhere/m.npz"], 2, "nowhere/m.npz"),
    (["train", "--resume", "nowhere.npz"], 2, "nowhere.npz"),
    (["train", "norm2(W*x - y)^2"], 2, "--logits"),
    (["train", "crossentropy(softmax(V*relu(W*x)), y)"], 2, "Declare it"),
    (["train", "relu-l2"], 2, "no variable 'y'"),
    (["train", "--optimizer", "lbfgs", "--momentum", "0.9"], 2, "--momentum 0.9"),
    (["train", "--device", "cuda"], 2, "Known: cpu"),
    (["train", "--scheduler", "tcp://127.0.0.1:1"], 2, "Add --engine dask"),
    (["train", "--report", "nowhere/r.html"], 2, "nowhere/r.html"),
    (["predict", "nowhere.npz", "--index", "1"], 2, "nowhere.npz"),
]


@pytest.mark.parametrize(("args", "code", "message"), BAD_USAGE, ids=lambda v: str(v)[:50])
def test_bad_usage_is_told_in_few_lines(args, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(*args)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) <= 5
    assert list(tmp_path.iterdir()) == []


def test_what_other_systems_call_a_function_is_told_as_what_it_is_here():
    for name, here in ELSEWHERE.items():
        assert name not in FUNCTION_NAMES
        assert here.strip("'") in FUNCTION_NAMES or parse(here)
        code, out, err = run("derive", f"{name}(X)")
        assert (code, out) == (3, "")
        assert err.splitlines()[0] == f"Error: No function '{name}'. Did you mean {here}?"


def test_a_misspelt_assumption_of_a_problem_file_is_told(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('formula = "norm2(A*x)"\n[assume]\nx = "onehott"\n')
    for command in ("derive", "verify"):
        code, out, err = run(command, str(file))
        assert (code, out) == (2, "")
        assert "x=onehott: no such assumption. Did you mean 'onehot'?" in err


def test_data_without_a_value_in_training_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.toml"
    file.write_text(
        'formula = "crossentropy(softmax(W*x), y) + c*normF(W)^2"\ndata = ["x", "y", "c"]\n'
    )
    code, out, err = run("train", str(file), "--data", "nowhere")
    assert (code, out) == (2, "")
    for part in ("mine.toml: data", "input 'x' and the label 'y'", "got 'c'", "Write the number"):
        assert part in err
    assert list(tmp_path.iterdir()) == [file]


DAMAGE = {
    "missing": (lambda f: f.unlink(), "train-images"),
    "truncated": (lambda f: f.write_bytes(f.read_bytes()[:-7]), "bytes"),
    "mislabelled": (lambda f: f.write_bytes(b"\0\0\x08\x01" + f.read_bytes()[4:]), "labels"),
    "empty": (lambda f: f.write_bytes(b""), "train-images"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_data_is_told_with_exit_code_4(damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    folder = mnist_like(tmp_path / "data")
    hurt, message = DAMAGE[damage]
    hurt(folder / "train-images-idx3-ubyte")
    code, _, err = run("train", "--data", "data")
    assert code == 4
    assert message in err
    assert len(err.strip().splitlines()) <= 3
    assert not Path("model.npz").exists()


class Full(io.StringIO):
    """A standard output that takes nothing."""

    number = errno.ENOSPC

    def write(self, _):
        raise OSError(self.number, os.strerror(self.number))


class TestAStandardOutputThatCannotBeWritten:
    @pytest.mark.parametrize(
        "args", [["derive", "relu-l2"], ["derive", "--list"], ["verify", "relu-l2"]], ids=str
    )
    def test_is_told_in_a_line(self, args, monkeypatch, capsys):
        monkeypatch.setattr(sys, "stdout", Full())
        with pytest.raises(SystemExit) as left:
            cli.main(args, prog_name="cli")
        assert left.value.code == 2
        expected = f"Error: standard input or output: {os.strerror(errno.ENOSPC)}. Redirect it.\n"
        assert capsys.readouterr().err == expected

    def test_a_reader_that_has_gone_is_left_quietly(self, monkeypatch, capsys):
        monkeypatch.setattr(Full, "number", errno.EPIPE)
        monkeypatch.setattr(sys, "stdout", Full())
        with pytest.raises(SystemExit) as left:
            cli.main(["derive", "--list"], prog_name="cli")
        assert (left.value.code, capsys.readouterr().err) == (1, "")

    @pytest.mark.skipif(os.name != "posix", reason="redirects as sh does")
    @pytest.mark.parametrize(
        ("redirection", "reason"), [(">&-", "It is closed"), (">/dev/full", "No space left")]
    )
    @pytest.mark.parametrize("arguments", ["derive relu-l2", "train --help"])
    def test_so_it_is_where_the_shell_redirects_it(self, arguments, redirection, reason, tmp_path):
        if "/dev/full" in redirection and not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        command = f'"$0" -m cli {arguments} {redirection}'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert f"Error: standard input or output: {reason}" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_a_closed_one_is_not_needed_for_a_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "stdout", None)
        target = tmp_path / "out.tex"
        with pytest.raises(SystemExit) as left:
            cli.main(["derive", "relu-l2", "-o", str(target)], prog_name="cli")
        sys.stdout.close()
        assert left.value.code == 0
        assert target.exists()


def test_python_cli_py_is_the_same_program(tmp_path):
    root = Path(cli.__file__).parent
    done = subprocess.run(
        [sys.executable, "cli.py", "derive", "x'*x", "--format", "json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == run("derive", "x'*x", "--format", "json")[1]


def test_an_installed_command_exists_under_both_names():
    folder = Path(sys.executable).parent
    for name in ("cli", "chainrule"):
        assert shutil.which(name, path=str(folder))


def test_version_is_printed():
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("chainrule")


def test_no_colour_where_nobody_asked(monkeypatch):
    assert "\x1b" not in run("verify", "relu-l2")[1]
