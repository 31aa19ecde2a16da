"""The options of ``cli train``: a row each, of which the command line makes Click's and its help.

Contract: names, values and words alone, so that ``--help`` comes at once; what the values mean, and
which go together, is checked where they are used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["BACKENDS", "DTYPES", "ENGINES", "OPTIMIZERS", "TRAINING", "Option", "option"]

DTYPES = ("float32", "float64")
BACKENDS = ("numpy", "torch", "jax")
ENGINES = ("local", "dask")
OPTIMIZERS = ("sgd", "lbfgs")


class Option(NamedTuple):
    """Hold an option's spellings, the name of its value among them where it is another, and more.

    `how` is what Click's ``option`` takes; `choices` are the values that it may have, if listed.
    """

    names: tuple[str, ...]
    choices: tuple[str, ...]
    how: dict[str, Any]


def option(*names: str, choices: tuple[str, ...] = (), **how: Any) -> Option:
    """Return a row.

    >>> option("--seed", type=int, default=0).how["default"]
    0
    """
    return Option(names, choices, how)


TRAINING = (
    option("--input", "sample", default="x", metavar="NAME", help="The sample's name."),
    option("--label", default="y", metavar="NAME", help="The one-hot label's name."),
    option("--logits", metavar="FORMULA", help="What predictions are read from."),
    option("--shape", multiple=True, metavar="NAME=R,C", help="Declare R,C, R or scalar."),
    option("--data", metavar="PATH|mnist", help="A folder of IDX files; the bundled MNIST."),
    option("--epochs", type=int, default=10, help="Passes over the images, at most."),
    option("--batch-size", metavar="N|all", help="Images a step, 128 by default, or all."),
    option("--lr", type=float, help="The initial rate, in place of a short trial's."),
    option("--momentum", type=float, default=0.0, help="From 0, below 1."),
    option(
        "--optimizer",
        choices=OPTIMIZERS,
        default="sgd",
        help="lbfgs takes all images for a step; each evaluation of its line search is an epoch.",
    ),
    option("--dtype", choices=DTYPES, default="float32", help="Of all arithmetic."),
    option("--seed", type=int, default=0, help="Of the start and of the batches' order."),
    option("--validation", type=int, metavar="N", help="Images held out for reports."),
    option("--limit", type=int, metavar="N", help="Use the first N training images."),
    option("--save", default="model.npz", metavar="FILE.npz", help="Where the model goes."),
    option("--resume", metavar="FILE.npz", help="Go on from a saved model, the rate falling anew."),
    option("--backend", choices=BACKENDS, default="numpy", help="What computes."),
    option("--device", metavar="NAME", help="cpu, cuda:0, …; the backend's own by default."),
    option("--engine", choices=ENGINES, default="local", help="dask: over blocks of images."),
    option("--scheduler", metavar="ADDRESS", help="Of a dask cluster; threads without it."),
    option("--report", metavar="FILE.html", help="Write a page on the training and its result."),
)
