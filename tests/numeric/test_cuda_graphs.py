"""Recordings of steps give what the steps give; here they are recorded by calling them again."""

from weakref import ref

import pytest

from numeric.cuda_graphs import Graphs, Placed

torch = pytest.importorskip("torch", reason="the extra torch is not installed")


def step(parameters, velocity, batch, rate):
    """Return a loss, parameters and a velocity, as new tensors."""
    r = batch["x"] @ parameters["w"] - batch["y"]
    velocity = {"w": 0.5 * velocity["w"] + batch["x"].T @ r}
    return (r * r).sum(), {"w": parameters["w"] - rate * velocity["w"]}, velocity


class Recorder:
    """Count recordings and calls; a call in vain shows that a recording reads no other memory."""

    def __init__(self):
        self.recordings = self.replays = 0

    def __call__(self, function):
        self.recordings += 1

        def replay():
            self.replays += 1
            function()

        return replay


def batches(rows, number):
    torch.manual_seed(rows)
    found = [{"x": torch.randn(rows, 4), "y": torch.randn(rows, 1)} for _ in range(number)]
    return [Placed(batch) for batch in found]


def run(function, data, rates):
    state = {"w": torch.zeros(4, 1)}, {"w": torch.zeros(4, 1)}
    losses, earlier = [], state
    for batch, rate in zip(data, rates, strict=True):
        expected = [tree["w"].clone() for tree in state]
        earlier, (loss, *state) = state, function(*state, batch, rate)
        losses.append(float(loss))
        for tree, array in zip(earlier, expected, strict=True):
            assert torch.equal(tree["w"], array)  # what a call was given is as it was
    return losses, state[0]["w"].clone()


@pytest.mark.parametrize(("few", "recordings"), [(2**23, 5), (0, 7)], ids=["copied", "in place"])
def test_recordings_give_what_the_function_gives(monkeypatch, few, recordings):
    monkeypatch.setattr("numeric.cuda_graphs._FEW", few)
    data = 3 * [*batches(8, 2), *batches(5, 1)]
    rates = [0.01 / (1 + i) for i in range(len(data))]
    record = Recorder()
    losses, parameters = run(Graphs(step, torch, "cpu", record), data, rates)
    expected, found = run(step, data, rates)
    assert losses == expected
    assert torch.equal(parameters, found)
    assert (record.recordings, record.replays) == (recordings, len(data))


def test_what_cannot_be_recorded_is_called():
    def refuse(_):
        raise RuntimeError("operation not permitted when stream is capturing")

    data, rates = batches(8, 3), [0.01] * 3
    assert run(Graphs(step, torch, "cpu", refuse), data, rates)[0] == run(step, data, rates)[0]


def test_no_argument_is_changed_wherever_it_comes_from():
    graphs, (batch, other) = Graphs(step, torch, "cpu", Recorder()), batches(8, 2)
    fresh = {"w": torch.randn(4, 1)}
    first = graphs({"w": torch.randn(4, 1)}, {"w": torch.zeros(4, 1)}, batch, 0.1)[1:]
    second = graphs(*first, batch, 0.1)[1:]
    for state in (  # in their place, in part elsewhere, of both places, and exchanged
        *(second, first),
        *((first[0], fresh), (fresh, first[1]), (second[0], fresh), (fresh, second[1])),
        *((first[0], second[1]), (second[0], first[1])),
        *(first[::-1], second[::-1], (first[0], first[0])),
    ):
        before = [tree["w"].clone() for tree in state]
        expected = step(*state, other, 0.2)
        loss, *found = graphs(*state, other, 0.2)
        assert torch.equal(loss, expected[0])
        for got, tree in zip(found, expected[1:], strict=True):
            assert torch.equal(got["w"], tree["w"])
        for tree, array in zip(state, before, strict=True):
            assert torch.equal(tree["w"], array)


def test_a_recording_keeps_the_samples_that_it_reads(monkeypatch):
    monkeypatch.setattr("numeric.cuda_graphs._FEW", 0)
    graphs = Graphs(step, torch, "cpu", lambda function: lambda: None)  # it holds nothing itself
    (batch,) = batches(8, 1)
    images = ref(batch["x"])
    graphs({"w": torch.ones(4, 1)}, {"w": torch.zeros(4, 1)}, batch, 0.1)
    del batch
    assert images() is not None
