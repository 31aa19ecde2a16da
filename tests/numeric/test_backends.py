"""Training with torch, JAX or dask gives what NumPy gives; what is not there is refused.

What is installed is tested, torch, JAX and dask with the extras of these names; refusals always.
"""

import sys
from contextlib import closing
from functools import cache

import numpy as np
import pytest

from derive.errors import InputError, RefusedError
from derive.problems import load_problem
from numeric.backends import open_backend
from numeric.classifier import build_classifier
from numeric.train import Settings, Training

NETWORK = "crossentropy(softmax(V*relu(W*x + b) + c), y)"
SHAPES = {"W": "5,6", "V": "3,5", "b": "5", "c": "3"}


@pytest.fixture(scope="module")
def samples():
    """Return 100 samples of 6 numbers with one-hot labels of 3 classes, in double precision."""
    random = np.random.default_rng(7)
    labels = random.integers(0, 3, 100)
    centres = random.standard_normal((3, 6))
    return centres[labels] + random.standard_normal((100, 6)), np.eye(3)[labels]


@cache
def objective(formula, portable):
    shapes = SHAPES if formula == NETWORK else {}
    problem = load_problem(formula)
    return build_classifier(problem, 6, 3, shapes=shapes, portable=portable).objective


@pytest.fixture(scope="module")
def cluster():
    """Return the address of a scheduler in this process, with one worker of two threads."""
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    pytest.importorskip("dask", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", protocol="tcp"
    ) as found:
        yield found.scheduler_address


@pytest.fixture(params=["torch", "jax", "dask", "cluster"])
def where(request):
    """Return the options that ask for a backend, of those that are installed."""
    if request.param == "cluster":
        return {"engine": "dask", "scheduler": request.getfixturevalue("cluster")}
    pytest.importorskip(request.param, reason="the extra of its name is not installed")
    return {"engine": "dask"} if request.param == "dask" else {"name": request.param}


def run(samples, formula, settings, **where):
    """Train, and return the training, its parameters and its records."""
    x, y = (np.asarray(array, settings.dtype) for array in samples)
    with closing(open_backend(**where, dtype=settings.dtype)) as backend:
        functions = objective(formula, not backend.is_numpy)
        trained = Training(functions, x, y, settings, backend=backend, validation=(x, y))
        records = list(trained.epochs())
        return trained.rate, trained.parameters, records


@pytest.mark.parametrize("formula", ["softmax-ce", NETWORK])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 32, "momentum": 0.5},
        {"batch_size": 9, "seed": 3, "epochs": 1, "lr": 0.5},
        {"batch_size": "all"},
        {"optimizer": "lbfgs", "epochs": 6},
    ],
    ids=str,
)
def test_training_agrees_with_numpy_to_round_off(samples, formula, options, where):
    settings = Settings(**{"epochs": 3, **options}, dtype="float64")
    rate, expected, records = run(samples, formula, settings)
    rate_there, got, found = run(samples, formula, settings, **where)
    assert rate_there == rate
    for one, other in zip(records, found, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-10)
        assert (other.number, other.validation.accuracy) == (one.number, one.validation.accuracy)
    for name, array in expected.items():
        assert type(got[name]) is np.ndarray
        np.testing.assert_allclose(got[name], array, rtol=1e-9, atol=1e-11)


def test_single_precision_stays_single(samples, where):
    settings = Settings(epochs=2, batch_size=32)
    _, expected, records = run(samples, NETWORK, settings)
    _, got, found = run(samples, NETWORK, settings, **where)
    assert found[-1].loss == pytest.approx(records[-1].loss, rel=1e-5)
    for name, array in expected.items():
        assert got[name].dtype == np.float32
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-5)


def test_divergence_is_told_with_the_rate(samples, where):
    settings = Settings(epochs=9, lr=1e200, batch_size=32, dtype="float64")
    with pytest.raises(RefusedError, match=r"not a finite number, with --lr 1e\+200"):
        run(samples, NETWORK, settings, **where)


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "package", "message"),
    [
        ({"name": "torch"}, "torch", r"--backend torch: .*'chainrule\[torch\]'"),
        ({"name": "jax"}, "jax", r"--backend jax: .*'chainrule\[jax\]'"),
        ({"engine": "dask"}, "dask", r"--engine dask: .*'chainrule\[dask\]'"),
    ],
    ids=str,
)
def test_what_is_not_installed_is_told_with_what_installs_it(
    monkeypatch, options, package, message
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=message):
        open_backend(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "--device cuda: no such device for NumPy. Known: cpu."),
        ({"scheduler": "tcp://h:1"}, "--scheduler tcp://h:1: the local engine has none. Add"),
        ({"engine": "dask", "name": "jax"}, "--backend jax: --engine dask computes with NumPy."),
        ({"engine": "dask", "device": "cuda:1"}, "--device cuda:1: no such device for NumPy"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InputError) as caught:
        open_backend(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("device", ["quantum", "cuda:99", "cpu:99"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(backend, device):
    pytest.importorskip(backend, reason="the extra of its name is not installed")
    assert "cpu" in open_backend(backend, "cpu").where
    with pytest.raises(InputError, match=f"--device {device}: no such device .* Known: .*cpu"):
        open_backend(backend, device)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"--scheduler 127\.0\.0\.1:1: no answer within"),
        ("127.0.0.1", "expected an address such as"),
        ("teapot://127.0.0.1:1", "expected an address such as"),
        ("", "expected an address such as"),
    ],
)
def test_a_scheduler_that_does_not_answer_is_told(monkeypatch, address, message):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr("numeric.distributed._SECONDS", 0.5)
    with pytest.raises(InputError, match=message):
        open_backend(engine="dask", scheduler=address)
