import math

import numpy as np
import pytest

import numeric.data
from derive.errors import InputError, RefusedError
from numeric.model import Objective, evaluate, initialise
from numeric.train import Settings, Training


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def classifier(classes, size):
    """Return softmax regression, its gradient derived by hand."""

    def logits(W, b, x):
        return x @ W.T + b.T

    def value(W, b, x, y):
        z = logits(W, b, x)
        top = z.max(axis=1, keepdims=True)
        total = np.exp(z - top).sum(axis=1, keepdims=True)
        return np.mean(top + np.log(total) - (y * z).sum(axis=1, keepdims=True))

    def value_and_grad(W, b, x, y):
        e = (softmax(logits(W, b, x)) - y) / len(x)
        return value(W, b, x, y), {"W": (x.T @ e).T, "b": e.sum(axis=0)[:, None]}

    shapes = {"W": (classes, size), "b": (classes, 1)}
    return Objective(shapes, value, value_and_grad, logits)


def hidden_layer(classes, width, size):
    """Return a network with one hidden layer of relu, its gradients derived by hand."""

    def hidden(V, a, x):
        return np.maximum(x @ V.T + a.T, 0)

    def logits(V, a, W, b, x):
        return hidden(V, a, x) @ W.T + b.T

    def value(V, a, W, b, x, y):
        return -np.mean(np.sum(y * np.log(softmax(logits(V, a, W, b, x))), axis=1))

    def value_and_grad(V, a, W, b, x, y):
        h = hidden(V, a, x)
        e = (softmax(h @ W.T + b.T) - y) / len(x)
        d = (e @ W) * (h > 0)
        gradients = {"V": d.T @ x, "a": d.sum(0)[:, None], "W": e.T @ h, "b": e.sum(0)[:, None]}
        return value(V, a, W, b, x, y), gradients

    shapes = {"V": (width, size), "a": (width, 1), "W": (classes, width), "b": (classes, 1)}
    return Objective(shapes, value, value_and_grad, logits)


def least_squares(size):
    def value(w, x, y):
        return np.mean((x @ w - y) ** 2)

    def value_and_grad(w, x, y):
        return value(w, x, y), {"w": 2 * x.T @ (x @ w - y) / len(x)}

    return Objective({"w": (size, 1)}, value, value_and_grad, lambda w, x: x @ w)


@pytest.fixture
def samples():
    """Return 100 samples of 5 numbers with one-hot labels of 3 classes, in double precision."""
    random = np.random.default_rng(7)
    labels = random.integers(0, 3, 100)
    centres = random.standard_normal((3, 5))
    return centres[labels] + random.standard_normal((100, 5)) / 2, np.eye(3)[labels]


def double(**options):
    return Settings(dtype="float64", **options)


def run(training):
    return list(training.epochs())


def recording(objective, calls):
    """Return the objective, with the first input of each batch it is called with noted."""

    def value_and_grad(**arguments):
        calls.append(float(arguments[objective.input][0, 0]))
        return objective.value_and_grad(**arguments)

    return Objective(objective.parameters, objective.value, value_and_grad, objective.logits)


def test_all_is_gradient_descent_by_hand(samples):
    x, y = samples
    objective = classifier(3, 5)
    training = Training(objective, x, y, double(epochs=4, batch_size="all", lr=0.8, seed=2))
    records = run(training)
    parameters = initialise(objective.parameters, 2, "float32")
    W, b = parameters["W"].astype(float), parameters["b"].astype(float)
    for step in range(4):
        assert records[step].loss == pytest.approx(objective.value(W, b, x, y), rel=1e-13)
        e = (softmax(x @ W.T + b.T) - y) / 100
        W, b = W - 0.8 * (1 - step / 4) * e.T @ x, b - 0.8 * (1 - step / 4) * e.sum(0)[:, None]
    assert np.allclose(training.parameters["W"], W, rtol=1e-12)
    assert np.allclose(training.parameters["b"], b, rtol=1e-12)


def test_momentum_is_the_heavy_ball_by_hand(samples):
    x, y = samples
    settings = double(epochs=5, batch_size="all", lr=0.1, momentum=0.7)
    training = Training(classifier(3, 5), x, y, settings)
    W, b = (training.parameters[name] for name in ("W", "b"))
    velocity_W, velocity_b = 0, 0
    run(training)
    for step in range(5):
        e = (softmax(x @ W.T + b.T) - y) / 100
        velocity_W, velocity_b = 0.7 * velocity_W + e.T @ x, 0.7 * velocity_b + e.sum(0)[:, None]
        rate = 0.1 * (1 - step / 5)
        W, b = W - rate * velocity_W, b - rate * velocity_b
    assert np.allclose(training.parameters["W"], W, rtol=1e-12)
    assert np.allclose(training.parameters["b"], b, rtol=1e-12)


def test_an_epoch_uses_every_sample_once_in_shuffled_batches(samples):
    x, y = samples
    calls = []
    training = Training(
        recording(classifier(3, 5), calls), x, y, double(epochs=3, batch_size=8, lr=0.1)
    )
    run(training)
    firsts = x[::8, 0].tolist()
    epochs = [calls[0:13], calls[13:26], calls[26:39]]
    assert len(calls) == 39
    for epoch in epochs:
        assert sorted(epoch) == sorted(firsts)
        assert epoch != firsts
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_mean_loss_weighs_a_shorter_batch_by_its_samples(samples):
    x, y = samples
    objective = classifier(3, 5)
    training = Training(objective, x, y, double(epochs=1, batch_size=64, lr=1e-12))
    start = training.parameters
    assert run(training)[0].loss == pytest.approx(objective.value(**start, x=x, y=y), rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum", [0, 0.9])
def test_the_same_seed_gives_the_same_bits(samples, dtype, momentum):
    x, y = (array.astype(dtype) for array in samples)
    settings = Settings(epochs=3, batch_size=8, momentum=momentum, dtype=dtype, seed=5)
    first, second = (Training(classifier(3, 5), x, y, settings) for _ in range(2))
    losses = [[epoch.loss for epoch in run(training)] for training in (first, second)]
    assert losses[0] == losses[1]
    for name, array in first.parameters.items():
        assert array.dtype == dtype
        assert array.tobytes() == second.parameters[name].tobytes()


def test_the_seed_decides_the_order_of_batches(samples):
    x, y = samples
    start = initialise({"W": (3, 5), "b": (3, 1)}, 0)
    orders = []
    for seed in (0, 0, 1):
        calls = []
        settings = double(epochs=1, batch_size=8, lr=0.1, seed=seed)
        run(Training(recording(classifier(3, 5), calls), x, y, settings, start=start))
        orders.append(calls)
    assert orders[0] == orders[1] != orders[2]


def test_training_goes_on_from_parameters_and_epochs_already_done(samples):
    x, y = samples
    objective = classifier(3, 5)
    first_calls, later_calls = [], []
    settings = double(epochs=2, batch_size=8, lr=0.1)
    first = Training(recording(objective, first_calls), x, y, settings)
    run(first)
    later = Training(
        recording(objective, later_calls), x, y, settings, start=first.parameters, epochs_done=2
    )
    for name, array in first.parameters.items():
        assert np.array_equal(later.parameters[name], array)
    assert [epoch.number for epoch in run(later)] == [3, 4]
    assert first_calls[:13] != later_calls[:13]
    assert objective.value(**later.parameters, x=x, y=y) < objective.value(
        **first.parameters, x=x, y=y
    )


@pytest.mark.parametrize("step", [1, 4, 14, 20])
@pytest.mark.parametrize("momentum", [0, 0.5])
def test_an_interrupted_run_shows_the_parameters_after_the_last_whole_step(samples, step, momentum):
    x, y = samples
    objective = classifier(3, 5)
    seen = []

    def value_and_grad(W, b, x, y):
        seen.append((W.copy(), b.copy()))
        if len(seen) == step:
            raise KeyboardInterrupt
        return objective.value_and_grad(W, b, x, y)

    stopping = Objective(objective.parameters, objective.value, value_and_grad, objective.logits)
    settings = double(epochs=2, batch_size=8, lr=0.5, momentum=momentum)
    training = Training(stopping, x, y, settings)
    start = training.parameters
    with pytest.raises(KeyboardInterrupt):
        run(training)
    assert training.epochs_done == (step - 1) // 13
    assert training.seconds > 0
    for name, before in zip(("W", "b"), seen[-1], strict=True):
        assert np.array_equal(training.parameters[name], before)
        assert np.array_equal(training.parameters[name], start[name]) == (step == 1)


def test_an_interruption_between_two_parameters_leaves_both_as_they_were(samples, monkeypatch):
    x, y = samples
    training = Training(classifier(3, 5), x, y, double(epochs=1, batch_size="all", lr=0.5))
    start = training.parameters
    subtract, calls = np.subtract, []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return subtract(*arguments, **options)

    monkeypatch.setattr(np, "subtract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(training)
    for name, array in start.items():
        assert np.array_equal(training.parameters[name], array)


def test_parameters_shown_earlier_do_not_change_later(samples):
    x, y = samples
    training = Training(classifier(3, 5), x, y, double(epochs=3, batch_size=8))
    kept = [(training.parameters, training.parameters["W"].copy()) for _ in training.epochs()]
    for parameters, copy in kept:
        assert np.array_equal(parameters["W"], copy)
    assert not np.array_equal(kept[0][1], kept[2][1])


def test_two_gradients_may_be_the_same_array(samples):
    x, _ = samples
    y = x.sum(axis=1, keepdims=True)

    def value(a, b, x, y):
        return np.mean((a + b - y) ** 2)

    def value_and_grad(a, b, x, y):
        slope = np.array(np.mean(2 * (a + b - y)))
        return value(a, b, x, y), {"a": slope, "b": slope}

    objective = Objective({"a": (), "b": ()}, value, value_and_grad, lambda a, b, x: x[:, :1])
    training = Training(objective, x, y, double(epochs=50, batch_size="all", lr=0.2))
    run(training)
    assert training.parameters["a"] == training.parameters["b"]
    assert 2 * training.parameters["a"] == pytest.approx(y.mean(), rel=1e-6)


def test_a_float32_parameter_stays_float32_beside_a_float64_gradient(samples):
    x, y = samples
    training = Training(classifier(3, 5), x, y, Settings(epochs=1, batch_size=8))
    run(training)
    assert {array.dtype for array in training.parameters.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("batch_size", [8, "all"])
def test_a_diverging_run_is_stopped_with_the_rate_to_lower(samples, batch_size):
    x, _ = samples
    y = x.sum(axis=1, keepdims=True)
    settings = double(epochs=400, batch_size=batch_size, lr=1e6)
    with pytest.raises(RefusedError) as caught:
        run(Training(least_squares(5), x, y, settings))
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert "diverged in epoch" in message
    assert "not a finite number, with --lr 1e+06" in message
    assert "Lower --lr, for example to 100000" in message
    assert "\n" not in message


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_training_before_its_step(samples, loss):
    x, y = samples

    def value_and_grad(W, b, x, y):
        return loss, {"W": np.ones((3, 5)), "b": np.ones((3, 1))}

    objective = Objective({"W": (3, 5), "b": (3, 1)}, lambda **_: loss, value_and_grad, None)
    training = Training(objective, x, y, double(lr=0.1))
    start = training.parameters
    with pytest.raises(RefusedError, match="in epoch 1: the loss is not a finite number"):
        run(training)
    assert np.array_equal(training.parameters["W"], start["W"])


def test_parameters_that_stop_being_finite_in_the_last_step_are_noticed(samples):
    x, y = samples

    def value_and_grad(W, b, x, y):
        return 1.0, {"W": np.full((3, 5), np.inf), "b": np.zeros((3, 1))}

    objective = Objective({"W": (3, 5), "b": (3, 1)}, lambda **_: 1.0, value_and_grad, None)
    with pytest.raises(RefusedError, match="an entry of W is not a finite number"):
        run(Training(objective, x, y, double(epochs=1, batch_size="all", lr=0.1)))


@pytest.mark.parametrize("scale", [1, 10, 100])
@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("batch_size", [8, "all"])
def test_the_default_rate_is_low_enough_for_steep_losses(samples, scale, momentum, batch_size):
    x, _ = samples
    x = x * scale
    y = x.sum(axis=1, keepdims=True)
    settings = double(epochs=100, batch_size=batch_size, momentum=momentum)
    training = Training(least_squares(5), x, y, settings)
    records = run(training)
    assert records[-1].loss < records[0].loss / 50
    assert training.rate < 1
    if batch_size == "all":
        curvature = np.linalg.eigvalsh(2 * x.T @ x / len(x))[-1]
        assert 0.4 < training.rate * curvature < 2 * (1 + momentum)  # above that it diverges


def test_the_default_rate_does_not_strand_a_loss_that_saturates(samples):
    x, y = samples

    def value(w, x, y):
        return 1000 * float(w) ** 2 / (1 + float(w) ** 2)

    def value_and_grad(w, x, y):
        return value(w, x, y), {"w": 2000 * w / (1 + w**2) ** 2}

    objective = Objective({"w": ()}, value, value_and_grad, lambda w, x: x)
    start = {"w": np.array(0.1)}
    training = Training(objective, x, y, double(batch_size="all", epochs=50), start=start)
    assert run(training)[-1].loss < 1e-6


def test_the_default_rate_is_the_highest_where_it_can_be(samples):
    x, y = samples
    assert Training(classifier(3, 5), x, y, double()).rate == 1
    assert Training(classifier(3, 5), x, y, double(momentum=0.75)).rate == 0.25
    assert Training(classifier(3, 5), x, y, double(lr=3.5, momentum=0.75)).rate == 3.5


def test_validation_is_evaluated_after_each_epoch_with_its_parameters(samples):
    x, y = samples
    objective = classifier(3, 5)
    held_out = x[80:], y[80:]
    training = Training(objective, x[:80], y[:80], double(epochs=3), validation=held_out)
    for number, epoch in enumerate(training.epochs(), start=1):
        assert epoch.number == number
        assert epoch.validation == evaluate(objective, training.parameters, *held_out)
        assert 0 < epoch.validation.accuracy <= 1


def test_seconds_are_those_of_the_steps_alone(samples, monkeypatch):
    x, y = samples
    clock = iter(range(100))
    monkeypatch.setattr("numeric.train.perf_counter", lambda: float(next(clock)))
    training = Training(classifier(3, 5), x, y, double(epochs=3), validation=(x, y))
    assert [epoch.seconds for epoch in training.epochs()] == [1, 2, 3]
    assert next(clock) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "--epochs 0: expected a whole number from 1"),
        ({"batch_size": 0}, "--batch-size 0: expected a whole number from 1, or 'all'"),
        ({"lr": 0.0}, "--lr 0.0: expected a finite number above 0"),
        ({"lr": float("inf")}, "--lr inf: expected a finite number above 0"),
        ({"lr": -1.0}, "--lr -1.0"),
        ({"lr": math.inf}, "--lr inf"),
        ({"lr": math.nan}, "--lr nan"),
        ({"momentum": 1.0}, "--momentum 1.0: expected a number from 0, below 1"),
        ({"momentum": -0.1}, "--momentum -0.1"),
        ({"momentum": math.nan}, "--momentum nan"),
        ({"seed": -1}, "--seed -1: expected a whole number from 0"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(InputError) as caught:
        Settings(**options)
    assert message in str(caught.value)


@pytest.fixture(scope="module")
def mnist():
    """Return training, validation and test samples of the bundled MNIST, as training reads them."""
    dataset = numeric.data.load()
    return [
        (numeric.data.scale(split.images), numeric.data.one_hot(split.labels, dataset.classes))
        for split in (dataset.train, dataset.validation, dataset.test)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_softmax_regression_reaches_92_percent_on_the_test_images(mnist, seed):
    train, validation, test = mnist
    objective = classifier(10, 784)
    training = Training(objective, *train, Settings(seed=seed), validation=validation)
    records = run(training)
    assert len(records) == 10
    assert records[-1].validation.accuracy >= 0.935
    assert evaluate(objective, training.parameters, *test).accuracy >= 0.92


def test_plain_gradient_descent_is_steady_by_default(mnist):
    train, validation, _ = mnist
    settings = Settings(batch_size="all")
    records = run(Training(classifier(10, 784), *train, settings, validation=validation))
    losses = [epoch.validation.loss for epoch in records]
    assert losses == sorted(losses, reverse=True)
    assert records[-1].validation.accuracy >= 0.87


def test_a_network_with_a_hidden_layer_trains_from_the_same_defaults(mnist):
    train, validation, _ = mnist
    objective = hidden_layer(10, 32, 784)
    training = Training(objective, *train, Settings(epochs=3), validation=validation)
    assert run(training)[-1].validation.accuracy >= 0.945  # softmax regression ends below 0.943
