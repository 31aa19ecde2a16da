"""What tests share: golden files, and LaTeX parsed by a real engine."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

# One BLAS thread: two that wait for each other on a busy machine cost a test minutes. Set before
# anything imports NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden"
KATEX = TESTS / "katex"

# Outputs and another language's packages: nothing to collect.
collect_ignore = ["golden", "katex"]

# A slow machine is no failure; a failing example comes with what replays it.
hypothesis.settings.register_profile("chainrule", deadline=None, print_blob=True)
hypothesis.settings.load_profile("chainrule")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the golden files with what the tests produce; read the change as a diff",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with ``tests/golden/NAME``: ``golden("derive/relu-l2.tex", text)``."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        elif not path.is_file():
            pytest.fail(f"no tests/golden/{name}; write it with --update-golden", pytrace=False)
        elif difference := _difference(name, path.read_bytes().decode("utf-8"), text):
            pytest.fail(f"{difference}\nIf this is meant: --update-golden", pytrace=False)

    return compare


def _difference(name: str, expected: str, got: str) -> str:
    """Return the unified diff of two texts, '' when they are equal to the last character."""
    if expected == got:
        return ""
    names = f"tests/golden/{name}", "this run"
    lines = difflib.unified_diff(expected.split("\n"), got.split("\n"), *names, lineterm="")
    return "\n".join(lines)


@pytest.fixture(scope="session")
def katex() -> Callable[[list[str]], list[str | None]]:
    """Parse LaTeX strings with KaTeX in strict mode: None for a good one, else the complaint.

    Without Node.js or the engine the test is skipped, and fails where the variable CI is set.
    """
    node = shutil.which("node")
    missing = "Node.js" if node is None else "KaTeX"
    if node is None or not (KATEX / "node_modules" / "katex").is_dir():
        reason = f"{missing} is not installed: `make katex` installs KaTeX, through npm"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)

    def parse(formulas: list[str]) -> list[str | None]:
        engine = subprocess.run(
            [node, str(KATEX / "parse.mjs")],
            input=json.dumps(formulas),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert engine.returncode == 0, engine.stderr
        complaints: list[str | None] = json.loads(engine.stdout)
        return complaints

    return parse
