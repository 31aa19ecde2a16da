"""Whole trainings through the emitted gradient: accuracy, repetition, resumption, what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from derive.errors import InputError, RefusedError
from numeric import model as models
from numeric import session as session_module
from numeric.data import load
from numeric.options import TRAINING
from numeric.session import training_session

LOADED = cache(load)
DEFAULTS = {row.names[-1].lstrip("-").replace("-", "_"): row.how.get("default") for row in TRAINING}
DEFAULTS |= {"shape": (), "save": None}
FIELDS = {
    "schema": int,
    "test_accuracy": float,
    "train_accuracy": float,
    "test_loss": float,
    "epochs": int,
    "seconds": float,
    "seconds_per_epoch": float,
    "wall_seconds": float,
    "parameters": int,
    "gradient_check": dict,
    "model": str,
}


@pytest.fixture(autouse=True)
def data_read_once(monkeypatch):
    monkeypatch.setattr(session_module, "load", LOADED)


def prepare(formula="softmax-ce", **options):
    return training_session(formula, **{**DEFAULTS, **options})


def train(formula="softmax-ce", **options):
    session = prepare(formula, **options)
    epochs = list(session.epochs())
    return session, epochs


def small(**options):
    return train(**{"limit": 2000, "epochs": 2, **options})


# --- The default run ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_default_run_reaches_92_percent(seed):
    session, epochs = train(seed=seed)
    assert session.evaluate().accuracy >= 0.92
    assert len(epochs) == 10
    assert epochs[-1].validation.accuracy > 0.92


def test_lbfgs_reaches_92_percent_in_fifty_passes():
    session, epochs = train(optimizer="lbfgs", epochs=50)
    assert session.evaluate().accuracy >= 0.92
    assert sum(epoch.passes for epoch in epochs) == 50
    record = session.as_json(None)
    assert record["epochs"] == 50
    assert record["seconds_per_epoch"] == pytest.approx(record["seconds"] / 50)
    assert "at most 50 passes over all training images" in "\n".join(session.header)
    assert session.closing == ["Ended: all passes over the data used"]


def test_lbfgs_ends_early_where_it_has_converged():
    formula = "crossentropy(softmax(W*x + b), y) + 0.5*normF(W)^2"
    session, epochs = train(
        formula, logits="W*x + b", shape=("b=10",), limit=500, optimizer="lbfgs", epochs=500
    )
    record, passes = session.as_json(None), sum(epoch.passes for epoch in epochs)
    assert record["epochs"] == passes < 100
    assert record["seconds_per_epoch"] == pytest.approx(record["seconds"] / passes)
    assert session.closing[0].startswith("Ended: converged, no entry of the gradient exceeds")


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9}, {"batch_size": "all"}, {"optimizer": "lbfgs"}]
)
def test_a_seed_gives_the_same_parameters_bit_by_bit(options):
    one, other = (small(seed=3, **options)[0].training.parameters for _ in range(2))
    assert {n: a.tobytes() for n, a in one.items()} == {n: a.tobytes() for n, a in other.items()}
    different = small(seed=4, **options)[0].training.parameters
    assert different["W"].tobytes() != one["W"].tobytes()


def test_plain_gradient_descent_lowers_the_loss_at_every_step():
    _, epochs = small(batch_size="all", epochs=8, lr=0.1)
    losses = [epoch.loss for epoch in epochs]
    assert losses == sorted(losses, reverse=True)


def test_a_network_is_trained():
    session, _ = small(
        formula="crossentropy(softmax(V*relu(W*x + b) + c), y)",
        shape=("W=32,784", "V=10,32", "b=32", "c=10", "x=784", "y=10"),
        epochs=4,
    )
    assert session.evaluate().accuracy > 0.8
    assert session.parameter_count == 32 * 784 + 32 + 10 * 32 + 10


# --- What is said ---------------------------------------------------------------------------------


def test_the_header_says_what_is_trained_on_what_and_how():
    header = "\n".join(prepare(limit=1000).header)
    assert "crossentropy(softmax(W*x + b), y)" in header
    assert "1000 training, 5000 validation, 10000 test images of 28x28" in header
    assert "7850 (W 10x784, b 10x1)" in header
    assert "10 epochs, batch size 128" in header
    assert "float32, seed 0" in header
    assert "pass, worst error" in header


def test_an_epoch_is_a_line():
    session, epochs = small()
    lines = [session.line(epoch) for epoch in epochs]
    assert lines[0].startswith("Epoch   1   loss ")
    assert "validation accuracy" in lines[1]
    assert lines[1].endswith(" s")
    alone, epochs = small(validation=0)
    assert "validation" not in alone.line(epochs[0])


def test_the_json_has_the_fields_of_the_specification():
    session, _ = small()
    record = json.loads(json.dumps(session.as_json("model.npz")))
    assert {name: type(record[name]) for name in FIELDS} == FIELDS
    assert record["schema"] == 1
    assert record["parameters"] == 7850
    assert record["epochs"] == 2
    assert record["gradient_check"]["verdict"] == "pass"
    assert 0 < record["gradient_check"]["max_error"] < 1e-6
    assert 0 < record["seconds"] < record["wall_seconds"]
    assert record["seconds_per_epoch"] == pytest.approx(record["seconds"] / 2)
    assert record["test_accuracy"] == session.test.accuracy


def test_the_test_set_is_touched_once(monkeypatch):
    session = prepare(limit=500, epochs=2)
    touched = []
    right = models.evaluate

    def counting(objective, parameters, inputs, targets):
        touched.append(len(inputs))
        return right(objective, parameters, inputs, targets)

    monkeypatch.setattr(session_module.models, "evaluate", counting)
    list(session.epochs())
    assert 10_000 not in touched
    accuracy = session.evaluate().accuracy
    assert session.as_json(None)["test_accuracy"] == accuracy
    assert touched.count(10_000) == 1


# --- Saving and resuming --------------------------------------------------------------------------


def test_a_training_is_resumed(tmp_path):
    path = str(tmp_path / "model.npz")
    first, epochs = small()
    first.save(path)
    second, more = small(resume=path)
    assert [epoch.number for epoch in (*epochs, *more)] == [1, 2, 3, 4]
    assert more[0].loss < epochs[0].loss
    assert second.as_json(None)["epochs"] == 4
    saved = models.load(path)
    assert (saved.formula, saved.logits) == ("crossentropy(softmax(W*x + b), y)", "W*x + b")
    assert saved.settings["lr"] == first.training.rate
    for name, array in saved.parameters.items():
        np.testing.assert_array_equal(array, first.training.parameters[name])


def test_a_model_file_holds_no_number_that_json_has_not(tmp_path):
    path = tmp_path / "model.npz"
    small()[0].save(str(path))
    strange = replace(models.load(path), settings={"lr": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        models.save(strange, tmp_path / "strange.npz")
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_of_another_formula_is_not_resumed(tmp_path):
    path = str(tmp_path / "model.npz")
    small()[0].save(path)
    with pytest.raises(InputError, match="Pass the same formula"):
        prepare("crossentropy(softmax(W*x), y)", limit=500, resume=path)


@pytest.mark.parametrize("change", ["shape", "missing", "extra"])
def test_a_model_of_other_parameters_is_not_resumed(monkeypatch, change):
    saved = small()[0]
    W, b = (saved.training.parameters[name] for name in ("W", "b"))
    parameters = {
        "shape": {"W": W[:, :-1], "b": b},
        "missing": {"W": W},
        "extra": {"W": W, "b": b, "c": b},
    }[change]
    model = models.Model(
        parameters,
        saved.classifier.formula.source,
        "W*x + b",
        "x",
        "y",
        {},
        (28, 28),
        10,
        2,
        {},
        "",
    )
    monkeypatch.setattr(session_module.models, "load", lambda _: model)
    with pytest.raises(InputError, match=r"its parameter \w has shape"):
        prepare(limit=500, resume="model.npz")


# --- What is asked for ----------------------------------------------------------------------------


def test_without_a_formula_softmax_regression_is_trained():
    assert prepare(None, limit=500).header == prepare("softmax-ce", limit=500).header


def test_the_clock_runs_from_where_the_command_began(monkeypatch):
    monkeypatch.setattr(session_module, "perf_counter", lambda: 1000.0)
    assert small(began=900.0)[0].as_json(None)["wall_seconds"] == 100
    assert small()[0].as_json(None)["wall_seconds"] == 0


def test_a_scalar_that_training_would_change_is_a_hint():
    formula = "crossentropy(softmax(W*x), y) + c*norm2(W)^2"
    (line,) = prepare(formula, limit=500).warnings
    assert "c is a scalar by its letter, and is trained" in line
    assert prepare(formula, limit=500, shape=("c=scalar",)).warnings == []


def test_a_bias_that_is_a_scalar_unless_declared_is_a_hint():
    (line,) = prepare("crossentropy(softmax(W*x + b), y)", limit=500).warnings
    assert "--shape b=10" in line
    for shape in ("b=10", "b=scalar"):
        declared = prepare("crossentropy(softmax(W*x + b), y)", limit=500, shape=(shape,))
        assert declared.warnings == []


# --- Refusals -------------------------------------------------------------------------------------


@pytest.fixture
def ridge(tmp_path):
    file = tmp_path / "ridge.toml"
    formula = "crossentropy(softmax(W*x), y) + c*normF(W)^2"
    file.write_text(f'formula = "{formula}"\ndata = ["x", "y", "c", "Z"]\n')
    return str(file)


def test_data_that_has_no_value_is_refused_before_anything_is_read(ridge, monkeypatch):
    monkeypatch.setattr(session_module, "load", lambda *_, **__: pytest.fail("the data are read"))
    with pytest.raises(
        InputError, match=r"ridge\.toml: data: .* got 'c'.* out of data to train it"
    ):
        prepare(ridge)


def test_a_sample_that_the_formula_has_not_is_told_first(ridge):
    with pytest.raises(InputError, match="no variable 'u' for the data"):
        prepare(ridge, sample="u", limit=500)


def test_training_does_not_start_with_a_wrong_gradient(monkeypatch):
    build = session_module.build_classifier

    def broken(*arguments, **how):
        found = build(*arguments, **how)
        right = found.objective.value_and_grad

        def wrong(**arrays):
            value, gradients = right(**arrays)
            return value, {name: 1.01 * gradient for name, gradient in gradients.items()}

        return replace(found, objective=replace(found.objective, in_place=wrong))

    monkeypatch.setattr(session_module, "build_classifier", broken)
    with pytest.raises(RefusedError, match=r"does not pass its check on the data \(fail"):
        prepare(limit=500)


@pytest.mark.parametrize("size", ["0", "-3", "1.5", "many", ""])
def test_a_batch_size_that_is_none_is_an_error(size):
    with pytest.raises(InputError, match="--batch-size"):
        prepare(batch_size=size)


def test_an_unwritable_model_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        prepare(save=str(tmp_path / "nowhere" / "model.npz"))


def test_the_report_does_not_take_the_models_place(tmp_path):
    path = str(tmp_path / "model.npz")
    with pytest.raises(InputError, match="the model goes there"):
        prepare(save=path, report=path)
