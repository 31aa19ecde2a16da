"""The command line: read arguments, call ``derive`` and ``numeric``, print. No mathematics here.

SymPy and NumPy are imported inside the commands, so that help and errors come at once.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import sys
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from derive.errors import ChainRuleError, InputError, RefusedError, reason_of, suggestion
from derive.render import FORMS
from numeric.arguments import options_first
from numeric.options import TRAINING, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["main"]


@contextmanager
def messages() -> Iterator[None]:
    """Turn errors into messages and exit codes: the one place that does."""
    try:
        yield
    except (ChainRuleError, RecursionError, MemoryError) as error:
        click.echo(f"Error: {reason_of(error)}", err=True)
        raise click.exceptions.Exit(getattr(error, "exit_code", RefusedError.exit_code)) from error
    except OSError as error:
        if error.errno == errno.EPIPE or error.filename is not None:
            raise  # Click leaves quietly with a reader; a file is not standard output
        sys.stdout = io.StringIO()  # what the stream still holds would fail again at exit
        reason = error.strerror or "It is closed"
        click.echo(f"Error: standard input or output: {reason}. Redirect it.", err=True)
        raise click.exceptions.Exit(InputError.exit_code) from error
    except KeyboardInterrupt as error:
        click.echo("Interrupted.", err=True)
        raise click.exceptions.Exit(130) from error


class Group(click.Group):
    """The commands."""

    def make_context(self, *given: Any, **extra: Any) -> click.Context:
        """Read the group's own options, of which ``--help`` prints."""
        with messages():
            return super().make_context(*given, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with messages():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command; suggest the nearest for a misspelt one."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            known = f"{suggestion(args[0], self.commands)} Known: {', '.join(self.commands)}."
            raise InputError(f"No command '{args[0]}'.{known}")
        return super().resolve_command(ctx, args)


class FormulaCommand(click.Command):
    """A command whose FORMULA may begin with a minus sign, anywhere among the options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move what is no option behind ``--``, where Click takes it as it is."""
        takes_value = {
            name: isinstance(parameter, click.Option) and not parameter.is_flag
            for parameter in self.get_params(ctx)
            for name in (*parameter.opts, *parameter.secondary_opts)
            if name.startswith("-")
        }
        return super().parse_args(ctx, options_first(args, takes_value))


def options(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator that adds options in the order of their list."""
    return lambda command: functools.reduce(lambda c, add: add(c), reversed(decorators), command)


def click_option(row: Option) -> Callable[..., Any]:
    """Return the decorator that adds an option of a table."""
    how = {**row.how, "type": click.Choice(row.choices)} if row.choices else row.how
    return click.option(*row.names, **how)


CONVENTIONS = click.Choice(("frobenius", "entrywise", "free"))
SEEDS = click.IntRange(0)
SHARED = (
    click.option("--wrt", multiple=True, metavar="NAME", help="Differentiate by NAME."),
    click.option("--shape", multiple=True, metavar="NAME=R,C", help="Declare R,C, R or scalar."),
    click.option("--assume", multiple=True, metavar="NAME=KIND", help="Assume KIND of NAME."),
    click.option("--convention", type=CONVENTIONS, default="frobenius", help="For structures."),
    click.option("--order", type=click.IntRange(1, 2), default=1, help="2: the Hessian."),
    click.option("--batch", metavar="x,y", help="What varies by sample."),
    click.option("--steps/--no-steps", default=True, help="Show steps, or the results alone."),
    click.option("--explicit", is_flag=True, help="Write the entries out at concrete sizes."),
    click.option("-o", "output", metavar="FILE", help="Write to FILE; - is standard output."),
    click.option("--seed", type=SEEDS, default=0, help="Seed of the random points."),
    click.option("-q", "quiet", is_flag=True, help="Print no hints."),
    click.option("-v", "verbose", is_flag=True, help="Tell how long each formula took."),
    click.option("--no-color", is_flag=True, help="Print no colours."),
)


@click.group(cls=Group, context_settings={"max_content_width": 100})
@click.version_option(package_name="chainrule", prog_name="chainrule")
def main() -> None:
    """Derive gradients step by step, check them, and train with them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    elif sys.stdout is None:  # closed; Click would say nothing: what is written has to fail
        sys.stdout = open(os.devnull)  # noqa: SIM115 - open to the end


@main.command(cls=FormulaCommand)
@click.argument("formula", required=False)
@options(*SHARED)
@click.option("--format", "form", type=click.Choice(FORMS), default="latex", help="The form.")
@click.option("--list", "list_all", is_flag=True, help="List the problems and the operations.")
def derive(formula: str | None, list_all: bool, form: str, **given: Any) -> None:
    """Print the derivation and the gradient formulas of FORMULA.

    FORMULA is a built-in problem, a .toml problem file, a formula, or - for standard input.
    Without it, derive relu-l2 and softmax-ce. Every gradient is checked before it is shown.
    """
    from derive.render import render_all
    from derive.render.json_page import json_object
    from numeric.report import json_text
    from numeric.request import hint_of_two_modules, listing

    if list_all:
        click.echo(listing())
        return
    if form == "numpy" and formula is None:
        _hint([hint_of_two_modules(given["output"])], given)
    try:
        how = {"steps": given["steps"], "entries": given["explicit"]}
        pages = [request.page(**how) for request in _requests(formula, given)]
    except (RefusedError, RecursionError, MemoryError) as error:
        if form == "json":
            _write(json_text({"schema": 1, "refused": reason_of(error)}, pretty=True), given)
        raise
    if form == "json":
        objects = [json_object(page) for page in pages]
        _write(json_text(objects if formula is None else objects[0], pretty=True), given)
    else:
        _write(render_all(pages, form), given)


@main.command(cls=FormulaCommand)
@click.argument("formula", required=False)
@options(*SHARED)
@click.option("--claim", multiple=True, metavar="NAME=FORMULA", help="Check a gradient by NAME.")
@click.option("--derivation", metavar="FILE", help="Check a hand derivation; - is standard input.")
@click.option("--function", metavar="FILE.py:NAME", help="Check somebody's NumPy function.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(formula: str | None, as_json: bool, **given: Any) -> None:
    """Check the gradients of FORMULA, a gradient that is claimed, or a hand derivation.

    Without FORMULA, check relu-l2 and softmax-ce. Exit code 1 if something is wrong, 3 if something
    could not be decided.
    """
    from numeric.asked import check_notes, check_request, require_one
    from numeric.report import exit_code, json_text

    claims, derivation, function = (given[how] for how in ("claim", "derivation", "function"))
    require_one(formula, claims, derivation, function)
    if derivation:
        outcomes = [check_notes(derivation, _read(derivation) or "", given)]
    else:
        found = _requests(formula, given)
        outcomes = [check_request(request, claims, function) for request in found]
    if as_json:
        objects = [outcome.json for outcome in outcomes]
        _write(json_text(objects if len(objects) > 1 else objects[0], pretty=True), given)
    else:
        _write("\n\n".join(outcome.text for outcome in outcomes), given)
    sys.exit(exit_code(outcome.verdict for outcome in outcomes))


@main.command(cls=FormulaCommand)
@click.argument("formula", required=False)
@options(*map(click_option, TRAINING))
@click.option("--json", "as_json", is_flag=True, help="End with one line of JSON.")
def train(formula: str | None, as_json: bool, **given: Any) -> None:
    """Train a classifier with the generated gradients.

    FORMULA is a scalar formula of one sample, softmax-ce by default; what is neither its input nor
    its label is a parameter. Before training the gradient is checked on the data.
    """
    began = perf_counter()
    from numeric.interruption import termination_interrupts
    from numeric.report import json_text
    from numeric.session import training_session

    session = training_session(_read(formula), began=began, **given)
    _hint(session.warnings, given)
    say = functools.partial(click.echo, err=as_json)
    say("\n".join(session.header))
    try:
        with termination_interrupts():
            for epoch in _with_progress(session.epochs(), given["epochs"]):
                say(session.line(epoch))
    except KeyboardInterrupt:
        click.echo(session.interrupted(given["save"]), err=True)
        raise
    for line in session.conclude(given["save"]):
        say(line)
    if as_json:
        click.echo(json_text(session.as_json(given["save"])))


@main.command()
@click.argument("model", metavar="MODEL")
@click.argument("images", nargs=-1, metavar="IMAGE…")
@click.option("--index", metavar="N,…", help="Take bundled test images by their numbers.")
@click.option("--show", is_flag=True, help="Draw what the model sees.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(model: str, images: tuple[str, ...], index: str | None, **given: Any) -> None:
    """Recognise digits with a trained MODEL, in image files or in bundled test images."""
    from numeric.predict import as_json, recognise_all
    from numeric.report import json_text

    predictions, drawings = recognise_all(model, images, index)
    if given["as_json"]:
        click.echo(json_text(as_json(predictions)))
        return
    for found, drawing in zip(predictions, drawings, strict=True):
        if given["show"]:
            click.echo(drawing)
        click.echo(f"{found.image}: {found.digit} (probability {max(found.probabilities):.3f})")


def _requests(formula: str | None, given: dict[str, Any]) -> Iterator[Any]:
    """Yield what is asked for, after its hints; tell with -v how long each formula took."""
    from numeric.request import hints, requests

    names = ("shape", "assume", "wrt", "batch", "seed", "convention", "order")
    found = requests(_read(formula), **{name: given[name] for name in names})
    _hint(hints(found), given)
    for request in found:
        began = perf_counter()
        yield request
        if given["verbose"]:
            click.echo(f"{request.title}: {perf_counter() - began:.2f} s", err=True)


def _read(formula: str | None) -> str | None:
    """Return the formula; that of ``-`` from standard input, without a byte order mark."""
    return sys.stdin.read().removeprefix("\ufeff").strip() if formula == "-" else formula


def _hint(lines: Iterable[str], given: dict[str, Any]) -> None:
    """Print to standard error what -q suppresses."""
    for line in () if given.get("quiet") else lines:
        click.echo(line, err=True)


def _write(text: str, given: dict[str, Any]) -> None:
    """Print to standard output, verdicts in colour on a terminal, or write a file as a whole."""
    path = given["output"]
    if path is not None and path != "-":
        from numeric.files import whole_file

        with whole_file(path, "the output", "-o") as stream:
            stream.write(f"{text}\n".encode())
        _hint([f"Written to {path}."], given)
        return
    if sys.stdout.isatty() and not given["no_color"] and "NO_COLOR" not in os.environ:
        text = re.sub(r"\bPASS\b", click.style("PASS", fg="green"), text)
        text = re.sub(r"\bFAIL\b", click.style("FAIL", fg="red"), text)
    click.echo(text)


def _with_progress(epochs: Iterator[Any], count: int) -> Iterator[Any]:
    """Show a progress bar on a terminal; its line is cleared before each report."""
    if not sys.stderr.isatty():
        yield from epochs
        return
    with click.progressbar(length=count, label="Training", file=sys.stderr) as bar:
        for epoch in epochs:
            bar.update(epoch.passes)
            click.echo("\r\033[K", nl=False, err=True)
            yield epoch


if __name__ == "__main__":
    main(prog_name="cli")
