"""A training from data to saved model: prepared, run epoch by epoch, evaluated once, written.

Printing is the caller's; everything that a header, a line or a JSON object says comes from here.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from derive.errors import InputError, RefusedError
from derive.problems import load_problem
from numeric import model as models
from numeric.backends import Backend, open_backend
from numeric.check import Report, Verdict
from numeric.classifier import Classifier, build_classifier, check_on_data
from numeric.data import Dataset, load, one_hot, scale
from numeric.files import ensure_writable, whole_file
from numeric.order import Order, refuse_strange_names
from numeric.request import name_pairs, scalars_to_train
from numeric.tables import loss_text
from numeric.train import Epoch, Settings, Training

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Session", "training_session"]


class Session:
    """Prepare a training: read the data, derive and check the gradient, refuse a wrong one.

    `began` is when all of it began, by `perf_counter`.

    Raises:
        InputError: for options that do not fit the formula or the data, an unwritable file.
        DataError: for data that is missing or corrupt.
        RefusedError: when the gradient cannot be derived or fails its check on the data.
    """

    def __init__(self, order: Order, settings: Settings, began: float) -> None:
        self.order, self.settings, self.began = order, settings, began
        refuse_strange_names(order)
        if order.save is not None:
            ensure_writable(order.save)
        if order.report is not None:
            _refuse_the_models_place(order)
            ensure_writable(order.report, "the report", "--report")
        self.backend: Backend = open_backend(
            order.backend,
            order.device,
            dtype=settings.dtype,
            engine=order.engine,
            scheduler=order.scheduler,
        )
        earlier = models.load(order.resume) if order.resume is not None else None
        self.dataset: Dataset = load(order.data, limit=order.limit, validation=order.validation)
        self.classifier: Classifier = build_classifier(
            order.problem,
            self.dataset.train.images.shape[1],
            self.dataset.classes,
            sample=order.sample,
            label=order.label,
            logits=order.logits,
            shapes=order.shapes,
            portable=not self.backend.is_numpy,
        )
        self.check: Report = check_on_data(self.classifier, self.dataset, settings.seed)
        if self.check.verdict is not Verdict.PASS:
            worst = next(v for v in self.check.variables if v.verdict is self.check.verdict)
            raise RefusedError(
                f"The gradient by {worst.name} does not pass its check on the data "
                f"({worst.verdict.value}: {worst.reason}); training does not start."
            )
        self.training = self._training(earlier)
        self.test: models.Evaluation | None = None
        self.history: list[Epoch] = []

    def _training(self, earlier: models.Model | None) -> Training:
        data, dtype = self.dataset, self.settings.dtype
        pairs = [
            (scale(part.images, dtype), one_hot(part.labels, data.classes, dtype))
            for part in (data.train, data.validation)
        ]
        if earlier is not None and earlier.formula != self.classifier.formula.source:
            raise InputError(
                f"{self.order.resume}: trained with {earlier.formula}, which is not "
                f"{self.classifier.formula.source}. Pass the same formula."
            )
        expected = dict(self.classifier.objective.parameters)
        found = {n: array.shape for n, array in earlier.parameters.items()} if earlier else expected
        for name in [*expected, *found]:
            if found.get(name) != expected.get(name):
                raise InputError(
                    f"{self.order.resume}: its parameter {name} has shape {found.get(name)}, "
                    f"expected {expected.get(name)}. Train anew, or declare the shapes that the "
                    "model has."
                )
        return Training(
            self.classifier.objective,
            *pairs[0],
            self.settings,
            validation=pairs[1] if len(data.validation) else None,
            start=earlier.parameters if earlier else None,
            epochs_done=earlier.epochs if earlier else 0,
            backend=self.backend,
        )

    @property
    def header(self) -> list[str]:
        """What is trained, on what, and how."""
        data, settings, formula = self.dataset, self.settings, self.classifier.formula
        shapes = ", ".join(
            f"{name} {'x'.join(map(str, shape)) or 'scalar'}"
            for name, shape in self.classifier.objective.parameters.items()
        )
        errors = [v.error for v in self.check.variables if v.error is not None]
        return [
            f"Formula     {formula.source}",
            f"Data        {data.source}: {len(data.train)} training, {len(data.validation)} "
            f"validation, {len(data.test)} test images of "
            f"{data.image_shape[0]}x{data.image_shape[1]}",
            f"Parameters  {self.parameter_count} ({shapes})",
            f"Settings    {self._method}, {settings.dtype}, seed {settings.seed}"
            + (f", by {self.backend.where}" if self.backend.where else ""),
            f"Gradient    checked on the data at full size: {self.check.verdict.value}, worst "
            f"error {max(errors, default=0.0):.1e}",
        ]

    @property
    def _method(self) -> str:
        settings = self.settings
        if self.training.rate is None:
            return (
                f"at most {settings.epochs} passes over all training images, each an evaluation "
                "of loss and gradient, L-BFGS with a strong-Wolfe line search"
            )
        return (
            f"{settings.epochs} epochs, batch size {settings.batch_size}, learning rate "
            f"{self.training.rate:g} falling to 0, momentum {settings.momentum:g}"
        )

    @property
    def warnings(self) -> list[str]:
        """What may be meant otherwise, a line each."""
        declared = {**self.order.problem.shapes, **self.order.shapes}
        lines = scalars_to_train(self.classifier.formula, declared)
        if self.order.resume is not None and self.training.rate is not None:
            lines.append("Hint: the learning rate begins anew and falls to 0 over these epochs.")
        return lines

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(array.size for array in self.training.parameters.values())

    def epochs(self) -> Iterator[Epoch]:
        """Train, and yield a record after each epoch."""
        for epoch in self.training.epochs():
            self.history.append(epoch)
            yield epoch

    def line(self, epoch: Epoch) -> str:
        """Report an epoch in a line."""
        parts = [f"Epoch {epoch.number:3d}", f"loss {loss_text(epoch.loss)}"]
        if epoch.validation is not None:
            parts.append(f"validation accuracy {100 * epoch.validation.accuracy:.2f} %")
        return "   ".join([*parts, f"{epoch.seconds:.2f} s"])

    @property
    def closing(self) -> list[str]:
        """Why training ended, a line where that is no matter of course."""
        return [] if self.settings.optimizer == "sgd" else [f"Ended: {self.training.ended}"]

    def evaluate(self) -> models.Evaluation:
        """Touch the test set, once."""
        part, dtype = self.dataset.test, self.settings.dtype
        self.test = models.evaluate(
            self.classifier.objective,
            self.training.parameters,
            scale(part.images, dtype),
            one_hot(part.labels, self.dataset.classes, dtype),
        )
        return self.test

    def conclude(self, path: str) -> Iterator[str]:
        """Save the model, evaluate it, write the report if one is asked for; a line of each."""
        self.save(path)
        yield from self.closing
        yield f"Model saved to {path}"
        yield f"Test accuracy: {100 * self.evaluate().accuracy:.2f} %"
        if self.order.report is not None:
            from numeric.training_report import training_page

            with whole_file(self.order.report, "the report", "--report") as stream:
                stream.write(f"{training_page(self)}\n".encode())
            yield f"Report written to {self.order.report}"
        self.backend.close()

    def interrupted(self, path: str) -> str:
        """Save the model as it is, and say what there is and what there is not."""
        self.save(path)
        report = f" No report is written to {self.order.report}." if self.order.report else ""
        return f"The model so far is saved to {path}.{report} Go on with --resume {path}."

    def save(self, path: str) -> None:
        """Write the model as it is now."""
        rate = replace(self.settings, lr=self.training.rate)
        models.save(
            models.Model(
                parameters=self.training.parameters,
                formula=self.classifier.formula.source,
                logits=self.classifier.logits,
                input=self.order.sample,
                label=self.order.label,
                shapes=self.classifier.shapes,
                image_shape=self.dataset.image_shape,
                classes=self.dataset.classes,
                epochs=self.training.epochs_done,
                settings=asdict(rate),
                source=self.dataset.source,
                versions={**models.versions(), **self.backend.versions},
            ),
            path,
        )

    def as_json(self, path: str | None) -> dict[str, Any]:
        """Return the one line that ``--json`` ends with."""
        part, dtype = self.dataset.train, self.settings.dtype
        training = models.evaluate(
            self.classifier.objective,
            self.training.parameters,
            scale(part.images, dtype),
            one_hot(part.labels, self.dataset.classes, dtype),
        )
        test = self.test or self.evaluate()
        errors = [v.error for v in self.check.variables if v.error is not None]
        return {
            "schema": 1,
            "test_accuracy": test.accuracy,
            "train_accuracy": training.accuracy,
            "test_loss": test.loss,
            "epochs": self.training.epochs_done,
            "seconds": self.training.seconds,
            "seconds_per_epoch": self.training.seconds
            / max(1, sum(e.passes for e in self.history)),
            "wall_seconds": perf_counter() - self.began,
            "parameters": self.parameter_count,
            "gradient_check": {
                "verdict": self.check.verdict.value,
                "max_error": max(errors, default=None),
            },
            "model": path,
        }


def training_session(formula: str | None, *, began: float | None = None, **options: Any) -> Session:
    """Prepare what ``train`` is asked for, softmax-ce by default; the options are the command's.

    ``began`` is when the command began, by ``perf_counter``; without it, it begins here.

    Raises:
        InputError: for an option out of range.
    """
    began = perf_counter() if began is None else began
    size = options["batch_size"]
    if size not in (None, "all") and not (size.isascii() and size.isdigit()):
        raise InputError(f"--batch-size {size}: expected a whole number from 1, or 'all'.")
    settings = Settings(
        epochs=options["epochs"],
        batch_size=size if size in (None, "all") else int(size),
        lr=options["lr"],
        momentum=options["momentum"],
        dtype=options["dtype"],
        seed=options["seed"],
        optimizer=options["optimizer"],
    )
    shapes = {name: texts[-1] for name, texts in name_pairs(options["shape"], "--shape").items()}
    names = {field.name for field in fields(Order)} - {"problem", "shapes", "data"}
    data = None if options["data"] in (None, "mnist") else options["data"]
    problem = load_problem("softmax-ce" if formula is None else formula)
    order = Order(problem, shapes, data=data, **{n: options[n] for n in names})
    return Session(order, settings, began)


def _refuse_the_models_place(order: Order) -> None:
    """Refuse a report that would overwrite the model."""
    report, save = str(order.report), order.save
    if save is not None and Path(report).resolve() == Path(save).resolve():
        raise InputError(f"--report {report}: the model goes there (--save). Name another file.")
