"""`spatialnets new`: packages with a working component."""

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
from spatialnets.templates import component_name, write_package

QUICK = "geometry"
FAMILIES = [pytest.param(family, marks=[] if family == QUICK else [pytest.mark.slow]) for family in registry.FAMILIES]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_package_passes_its_own_tests(family: str, tmp_path: Path) -> None:
    write_package(family, "my-own", tmp_path / "my-own")
    paths = os.pathsep.join(filter(None, [str(tmp_path / "my-own"), os.environ.get("PYTHONPATH")]))
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(argv, cwd=tmp_path / "my-own", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_a_new_package_has_metadata_a_short_component_and_a_test(family: str, tmp_path: Path) -> None:
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
    (component,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "MyOwn"]
    assert component.end_lineno is not None
    code = [node for node in ast.walk(component) if isinstance(node, ast.stmt)]
    lines = {line for node in code for line in range(node.lineno, (node.end_lineno or 0) + 1) if not _is_text(node)}
    assert len(lines - {line for node in code if _is_text(node) for line in _lines(node)}) < 40
    assert not any("$" in path.read_text(encoding="utf-8") for path in written)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_a_new_package_passes_the_linter(family: str, tmp_path: Path) -> None:
    write_package(family, "my-own", tmp_path)
    argv = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "120", "--select", "B,E,F,NPY,PT"]
    done = subprocess.run([*argv, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_command_writes_into_the_current_folder_by_default(command: Callable[..., Outcome]) -> None:
    outcome = command("new", "geometry", "my-helix")
    assert outcome.code == 0
    assert "my-helix-package/spatialnets_my_helix.py" in outcome.out
    assert "next: cd my-helix-package && pip install" in outcome.out
    assert Path("my-helix-package/tests/test_my_helix.py").exists()
    again = command("new", "geometry", "my-helix")
    assert again.code == 2
    assert "my-helix-package exists already; choose another folder with --out" in again.err
    assert command("new", "geometry", "my-helix", "--out", "other").code == 0
    assert Path("other/pyproject.toml").exists()


def test_a_folder_that_is_not_empty_is_refused_and_unchanged(command: Callable[..., Outcome]) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("mine", encoding="utf-8")
    assert command("new", "task", "my-task", "--out", "mine").code == 2
    assert [path.name for path in Path("mine").iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("geometrie", "mine", "there is no family 'geometrie': did you mean 'geometry'"),
        ("geometry", "class", "is a Python keyword"),
        ("geometry", "match", "is a Python keyword"),
        ("geometry", "My Helix", "is not a valid name"),
        ("geometry", "2d", "is not a valid name"),
        ("geometry", "-x", "is not a valid name"),
        ("geometry", "a--b", "is not a valid name"),
        ("geometry", "../up", "is not a valid name"),
        ("geometry", "grid", "the geometry 'grid' exists already, in the package spatialnets"),
        ("geometry", "random-box", "the geometry 'random_box' exists already"),
        ("task", "task", "would define a class Task"),
        ("geometry", "class-var", "would define a class ClassVar"),
    ],
)
def test_invalid_and_used_names_are_refused(family: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        component_name(family, name)


def test_a_name_that_another_family_uses_is_valid() -> None:
    assert component_name("task", "grid") == "grid"
