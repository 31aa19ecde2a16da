"""What the documents show is what happens: the README and docs/ run, block by block.

```console  `$ command` (continued by `> ` lines) and what it prints, both streams. A line that is
            `…` or `...` stands for any lines, a `…` within a line for anything. `$?` works.
```python   A doctest, or without a prompt a program.

The blocks of a document run in order, in one temporary folder. Other blocks (```sh) do not run.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sysconfig
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from derive.render.operations_page import operations_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]

EACH_DOCUMENT = pytest.mark.parametrize(
    "path", [path.relative_to(ROOT) for path in DOCUMENTS], ids=str
)


class Block(NamedTuple):
    line: int
    language: str
    text: str


@EACH_DOCUMENT
def test_blocks_do_what_they_show(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path):
        where = f"{path}:{block.line}"
        if block.language == "console":
            run_console(block, where, tmp_path)
        else:
            run_python(block, where, names)


def test_the_page_of_operations_is_that_of_the_table(golden: Callable[[str, str], None]) -> None:
    golden("../../docs/operations.md", operations_page())


def test_readme_has_a_tour_that_runs() -> None:
    assert any(block.language == "console" for block in blocks(Path("README.md")))


def blocks(path: Path) -> list[Block]:
    source = (ROOT / path).read_text(encoding="utf-8")
    fence = re.compile(r"^```(console|python)\b[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [
        Block(source.count("\n", 0, match.start()) + 2, *match.groups())
        for match in fence.finditer(source)
    ]


def console_steps(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block with the lines that it is said to print."""
    before, *steps = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert (bool(steps), before.strip()) == (True, ""), "a console block begins with `$ command`"
    for step in steps:
        command, *lines = step.rstrip().split("\n")
        while lines and re.match(r"> |>$", lines[0]):
            command += "\n" + lines.pop(0)[2:]
        yield command, lines


def matches(expected: list[str], got: list[str]) -> bool:
    patterns = [
        "(?:.*\n)*"
        if line.strip() in {"…", "..."}
        else ".*".join(map(re.escape, line.rstrip().split("…"))) + "\n"
        for line in expected
    ]
    return re.fullmatch("".join(patterns), "".join(f"{line}\n" for line in got)) is not None


def run_console(block: Block, where: str, folder: Path) -> None:
    status = 0
    scripts = sysconfig.get_path("scripts")
    settings = {"NO_COLOR": "1", "COLUMNS": "80", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    for command, expected in console_steps(block):
        result = subprocess.run(
            ["bash", "-c", f"(exit {status})\n{command}"],
            cwd=folder,
            env={**os.environ, **settings, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        status = result.returncode
        got = [line.rstrip() for line in result.stdout.rstrip().splitlines()]
        if not matches(expected, got):
            difference = unified_diff(expected, got, where, f"$ {command}", lineterm="")
            pytest.fail("\n".join(difference), pytrace=False)


def run_python(block: Block, where: str, names: dict[str, object]) -> None:
    if ">>>" not in block.text:
        exec(compile(block.text, where, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, where, where, block.line - 1)
    complaints: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=complaints.append, clear_globs=False)
    names.update(test.globs)
    if complaints:
        pytest.fail("".join(complaints), pytrace=False)


@pytest.mark.parametrize(
    ("expected", "got", "verdict"),
    [
        (["a", "…", "z"], ["a", "b", "c", "z"], True),
        (["a", "...", "z"], ["a", "z"], True),
        (["took … s (2.0)"], ["took 1.23 s (2.0)"], True),
        (["took … s (2.0)"], ["took 1.23 s (2x0)"], False),
        (["took …", "z"], ["took 1", "2", "z"], False),
        (["a..."], ["abc"], False),
        (["a"], ["a", "b"], False),
        ([], [], True),
    ],
)
def test_output_is_matched_exactly_but_for_wildcards(
    expected: list[str], got: list[str], verdict: bool
) -> None:
    assert matches(expected, got) is verdict
