"""Time training by the emitted gradient against a loop written by hand, on the bundled MNIST.

Both train softmax regression on all 60,000 images for the same epochs with batches of 128, in
float32; ours is the loop of `cli train` on the gradient that is derived and emitted from the
formula of softmax-ce, and computes the loss as well. Runs are interleaved, so that a slow moment of
the machine hits both; what counts is the ratio of medians. In turn with them are timed the same
loop on the code as it is printed, without the memory order of `derive.layout`, and whole processes
of `cli train`, which derive and check the gradient and read the data as well.

Usage: python benchmarks/training.py [--runs 7] [--epochs 10]
Prints the machine, one line a side, and one line of JSON. OPENBLAS_NUM_THREADS=1 in the environment
measures without the threads of the BLAS.
"""

from __future__ import annotations

import argparse
import subprocess
import sysconfig
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from parts.measuring import finish, machine, met, versions

from derive.batch import batched
from derive.emit import emit
from derive.problems import load_problem
from numeric.classifier import build_classifier
from numeric.data import load, one_hot, scale
from numeric.model import evaluate
from numeric.train import Settings, Training

BATCH = 128
TARGET = 0.9  # our loop's seconds to those of the loop written by hand
CLI = str(Path(sysconfig.get_path("scripts")) / "cli")


def by_hand(x, y, epochs, after_step=None):
    """Train as one would by hand, and return W (784, 10), b (10,) and the loop's seconds."""
    order = np.random.default_rng(0)
    W, b = np.zeros((784, 10), np.float32), np.zeros(10, np.float32)
    began = time.perf_counter()
    for _ in range(epochs):
        rate = 0.3 / BATCH
        for i in order.permutation(len(x) // BATCH):
            rows = slice(i * BATCH, i * BATCH + BATCH)
            z = x[rows] @ W
            z += b
            z -= z.max(1, keepdims=True)
            np.exp(z, out=z)
            z /= z.sum(1, keepdims=True)
            z -= y[rows]
            W -= rate * (x[rows].T @ z)
            b -= rate * z.sum(0)
            if after_step:
                after_step(W, b)
    return W, b, time.perf_counter() - began


def as_printed(classifier):
    """Return the objective whose code is that of `cli derive --format numpy`."""
    batch = batched(classifier.derivation, ["x", "y"])
    names = {expr: name for name, expr in batch.values.items()}
    emitted = emit((batch.value, *batch.gradient.values()), batch.variables, names)

    def value_and_grad(**arrays):
        value, *gradients = emitted.function(*(arrays[name] for name in batch.variables))
        return value, dict(zip(batch.gradient, gradients, strict=True))

    return replace(classifier.objective, value_and_grad=value_and_grad, in_place=None)


def loop(objective, x, y, epochs):
    """Train by the loop of `cli train`, and return it when it is done."""
    training = Training(objective, x, y, Settings(epochs=epochs, batch_size=BATCH))
    for _epoch in training.epochs():
        pass
    return training


def process(epochs):
    """Run `cli train` in a folder of its own, and return the seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [CLI, "train", "--epochs", str(epochs)], cwd=folder, check=True, capture_output=True
        )
        return time.perf_counter() - began


def compare(runs, epochs):
    """Return the seconds and the test accuracies of interleaved runs, one round not counted."""
    mnist = load(validation=0)
    x, y = scale(mnist.train.images), one_hot(mnist.train.labels, mnist.classes)
    test = scale(mnist.test.images), one_hot(mnist.test.labels, mnist.classes)
    classifier = build_classifier(load_problem("softmax-ce"), x.shape[1], mnist.classes)
    model, printed = classifier.objective, as_printed(classifier)
    hand_seconds, seconds, printed_seconds, process_seconds = [], [], [], []
    for _ in range(1 + runs):
        W, b, elapsed = by_hand(x, y, epochs)
        hand_seconds.append(elapsed)
        training = loop(model, x, y, epochs)
        seconds.append(training.seconds)
        printed_seconds.append(loop(printed, x, y, epochs).seconds)
        process_seconds.append(process(epochs))
    del hand_seconds[0], seconds[0], printed_seconds[0], process_seconds[0]
    hand = {"W": W.T, "b": b[:, None]}
    return {
        "seconds": median(seconds),
        "hand_seconds": median(hand_seconds),
        "ratio": median(seconds) / median(hand_seconds),
        "as_printed_seconds": median(printed_seconds),
        "process_seconds": median(process_seconds),
        "test_accuracy": evaluate(model, training.parameters, *test).accuracy,
        "hand_test_accuracy": evaluate(model, hand, *test).accuracy,
        "all_seconds": seconds,
        "all_hand_seconds": hand_seconds,
        "all_process_seconds": process_seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    result = compare(options.runs, options.epochs)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    for side, prefix in (("written by hand", "hand_"), ("emitted", "")):
        seconds, accuracy = result[prefix + "seconds"], result[prefix + "test_accuracy"]
        print(f"{side:<16} {seconds:.3f} s, median of {options.runs}, test accuracy {accuracy:.2%}")
    verdict = met(result["ratio"] <= TARGET)
    print(f"ratio            {result['ratio']:.3f}, target ≤ {TARGET}: {verdict}")
    print(f"as printed       {result['as_printed_seconds']:.3f} s, without derive/layout.py")
    print(f"cli train        {result['process_seconds']:.3f} s, the whole process")
    result |= {"runs": options.runs, "epochs": options.epochs, "targets": {"ratio": TARGET}}
    finish("training", **result, versions=versions())


if __name__ == "__main__":
    main()
