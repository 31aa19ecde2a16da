"""Rules about the repository itself: its layout, its package, its command line."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("derive/**/*.py"), *ROOT.glob("numeric/**/*.py"), ROOT / "cli.py"]
)
MODULES = [path for path in SOURCES if path.name not in {"__init__.py", "cli.py"}]

EACH_SOURCE = pytest.mark.parametrize("path", SOURCES, ids=str)
EACH_MODULE = pytest.mark.parametrize("path", MODULES, ids=str)


# --- Source ---------------------------------------------------------------------------------------

NEVER = {"derive": {"numeric", "cli"}, "numeric": {"click", "cli"}}
NOT_ON_IMPORT = {"derive": {"numpy", "click"}}


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def imported(node: ast.AST) -> set[str]:
    """Return the top-level packages that one statement imports."""
    match node:
        case ast.Import(names=names):
            return {alias.name.partition(".")[0] for alias in names}
        case ast.ImportFrom(module=str(module), level=0):
            return {module.partition(".")[0]}
    return set()


def run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that importing a module runs: no function's body, nothing for types."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from run_on_import(child)


@EACH_SOURCE
def test_imports_run_in_one_direction(path: Path) -> None:
    package, tree = path.parts[0], parse(path)
    anywhere = set().union(*map(imported, ast.walk(tree)))
    on_import = set().union(*map(imported, run_on_import(tree)))
    assert anywhere & NEVER.get(package, set()) == set()
    assert on_import & NOT_ON_IMPORT.get(package, set()) == set()


@EACH_SOURCE
def test_module_says_why_it_is_there(path: Path) -> None:
    assert ast.get_docstring(parse(path))


@EACH_MODULE
def test_module_lists_what_it_offers(path: Path) -> None:
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    names = module.__all__
    assert [name for name in names if not hasattr(module, name)] == []
    assert len(set(names)) == len(names)


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    has = ast.get_docstring(node) is not None
    return (first.end_lineno or 0) - first.lineno + 1 if has else 0


@EACH_SOURCE
def test_module_and_functions_are_short(path: Path) -> None:
    lengths = [
        (node.name, (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node))
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [(name, length) for name, length in lengths if length > 40] == []
    length = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert length < 300


# --- Files ----------------------------------------------------------------------------------------


def files_in_git() -> list[Path]:
    """Return the files of the checkout that git has or would take, relative to its root."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = "git -c safe.directory=* ls-files -z --cached --others --exclude-standard"
    listing = subprocess.run(
        command.split(), cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    names = set(listing.stdout.split("\0")) - {""}
    return sorted(path for path in map(Path, names) if (ROOT / path).is_file())


def test_no_file_names_a_folder_of_one_machine() -> None:
    folder = re.compile(rb"(?<![\w.*-])/(work|home|root|Users)/\w")
    texts = {path: (ROOT / path).read_bytes() for path in files_in_git()}
    found = {str(path): match.group() for path, text in texts.items() if b"\0" not in text
             for match in folder.finditer(text)}  # fmt: skip
    assert found == {}


def test_license_and_changelog_are_there() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_node_packages_are_pinned_by_checksum_not_by_address() -> None:
    lock = json.loads((ROOT / "tests/katex/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_latex_engine_refuses_what_latex_would_not_print(
    katex: Callable[[list[str]], list[str | None]],
) -> None:
    good = r"\nabla_{W} f = 2\,a \odot \mathbb{1}[z > 0]"
    complaints = katex([good, r"\frac{1", r"\nabla_W ƒ", r"\unknown", r"\href{a}{b}"])
    assert [complaint is None for complaint in complaints] == [True, False, False, False, False]


def test_wheel_ships_the_packages_and_nothing_else(tmp_path: Path) -> None:
    """Build from a clean copy, through the build backend as pip does, but without a network."""
    copy, files = tmp_path / "copy", files_in_git()
    for path in files:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy / path)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    result = subprocess.run(
        [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    (wheel,) = (copy / "dist").glob("*.whl")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = ["METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"]
    metadata += [f"licenses/{name}" for name in project["license-files"]]
    expected = [str(path) for path in files if path.parts[0] in {"derive", "numeric", "cli.py"}]
    expected += [f"chainrule-{project['version']}.dist-info/{name}" for name in metadata]
    with zipfile.ZipFile(wheel) as archive:
        shipped = archive.namelist()
    assert [name for name in shipped if name not in expected] == []
    assert [name for name in expected if name not in shipped] == []


# --- Command line ---------------------------------------------------------------------------------


def commands() -> dict[str, click.Command]:
    """Return the commands of `cli` by name."""
    main = importlib.import_module("cli").main
    context = click.Context(main)
    return {name: main.get_command(context, name) for name in main.list_commands(context)}


def options(command: click.Command) -> list[click.Option]:
    return [item for item in command.params if isinstance(item, click.Option) and not item.hidden]


def test_every_command_and_option_has_help() -> None:
    assert [name for name, command in commands().items() if not command.help] == []
    silent = {
        (name, option.name)
        for name, command in commands().items()
        for option in options(command)
        if not option.help
    }
    assert silent == set()


def test_every_command_and_option_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = {f"cli {name}" for name in commands()}
    for command in commands().values():
        for option in options(command):
            spellings = option.opts, option.secondary_opts
            names |= {max(group, key=len) for group in spellings if group}
    assert {name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", readme)} == set()


@pytest.mark.parametrize("command", ["", "derive", "verify", "train", "predict"])
def test_help_loads_neither_sympy_nor_numpy(command: str) -> None:
    program = (
        "import sys, cli\n"
        "try: cli.main(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    arguments = [*command.split(), "--help"]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Usage:")
    assert {"sympy", "numpy"} & set(result.stderr.split()) == set()
