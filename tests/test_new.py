"""`spatialnets new`: packages to begin with."""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

from spatialnets import UserError, registry
from spatialnets.templates import part_name, write_package

QUICK = "geometry"
FAMILIES = [pytest.param(family, marks=[] if family == QUICK else [pytest.mark.slow]) for family in registry.FAMILIES]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_it_writes_keeps_its_contract(family: str, tmp_path: Path) -> None:
    write_package(family, "my-own", tmp_path / "my-own")
    paths = os.pathsep.join(filter(None, [str(tmp_path / "my-own"), os.environ.get("PYTHONPATH")]))
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(argv, cwd=tmp_path / "my-own", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_what_it_writes_is_a_whole_package(family: str, tmp_path: Path) -> None:
    written = write_package(family, "my-own", tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        "pyproject.toml",
        "README.md",
        "spatialnets_my_own.py",
        "tests/test_my_own.py",
    }
    declared = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    entries = declared["project"]["entry-points"][registry.FAMILIES[family]]
    assert entries == {"my_own": "spatialnets_my_own:MyOwn"}
    tree = ast.parse((tmp_path / "spatialnets_my_own.py").read_text(encoding="utf-8"))
    (part,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "MyOwn"]
    assert part.end_lineno is not None
    code = [node for node in ast.walk(part) if isinstance(node, ast.stmt)]
    lines = {line for node in code for line in range(node.lineno, (node.end_lineno or 0) + 1) if not _is_text(node)}
    assert len(lines - {line for node in code if _is_text(node) for line in _lines(node)}) < 40
    assert not any("$" in path.read_text(encoding="utf-8") for path in written)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_what_it_writes_has_no_lint(family: str, tmp_path: Path) -> None:
    write_package(family, "my-own", tmp_path)
    argv = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "B,E,F,NPY,PT"]
    done = subprocess.run([*argv, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_command_writes_beside_where_it_is_called(command: Callable[..., Outcome]) -> None:
    outcome = command("new", "geometry", "my-helix")
    assert outcome.code == 0
    assert "my-helix-package/spatialnets_my_helix.py" in outcome.out
    assert "next: cd my-helix-package && pip install" in outcome.out
    assert Path("my-helix-package/tests/test_my_helix.py").exists()
    again = command("new", "geometry", "my-helix")
    assert again.code == 2
    assert "my-helix-package is there already; give another place with --out" in again.err
    assert command("new", "geometry", "my-helix", "--out", "other").code == 0
    assert Path("other/pyproject.toml").exists()


def test_a_folder_with_something_in_it_is_left_alone(command: Callable[..., Outcome]) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("mine", encoding="utf-8")
    assert command("new", "task", "my-task", "--out", "mine").code == 2
    assert [path.name for path in Path("mine").iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("family", "name", "said"),
    [
        ("geometrie", "mine", "no family is called 'geometrie': did you mean 'geometry'"),
        ("geometry", "class", "is a word of Python"),
        ("geometry", "match", "is a word of Python"),
        ("geometry", "My Helix", "is no name for a part"),
        ("geometry", "2d", "is no name for a part"),
        ("geometry", "-x", "is no name for a part"),
        ("geometry", "a--b", "is no name for a part"),
        ("geometry", "../up", "is no name for a part"),
        ("geometry", "grid", r"a geometry called 'grid' is installed already \(of spatialnets\)"),
        ("geometry", "random-box", "a geometry called 'random_box' is installed already"),
        ("task", "task", "would make a class Task"),
        ("geometry", "class-var", "would make a class ClassVar"),
    ],
)
def test_names_that_cannot_be_had_are_refused(family: str, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        part_name(family, name)


def test_a_name_of_another_family_may_be_had() -> None:
    assert part_name("task", "grid") == "grid"
