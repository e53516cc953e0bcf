"""The source tree, its packaging and its metadata agree, and modules import each other without circles."""

import ast
import importlib
import importlib.metadata
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import spatialnets
from spatialnets import registry

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
AT_THE_ROOT = ("geometries", "tasks", "cli")
ENTRIES = [
    (group, name, value) for group, entries in PROJECT["entry-points"].items() for name, value in entries.items()
]


def folder_of(package: str) -> Path:
    """Return where a package's files lie, as setuptools looks for them: the longest mapped prefix decides."""
    prefix, rest = package, ""
    while prefix not in SETUPTOOLS["package-dir"]:
        prefix, _, last = prefix.rpartition(".")
        rest = f"{last}/{rest}"
    return ROOT / SETUPTOOLS["package-dir"][prefix] / rest


def packages_in_the_tree() -> set[str]:
    """Return every package of the tree under its import name; rglob follows no links."""
    found = set()
    for top in ("spatialnets", *AT_THE_ROOT):
        for file in (ROOT / top).rglob("__init__.py"):
            package = ".".join(file.parent.relative_to(ROOT).parts)
            found.add(package if top == "spatialnets" else f"spatialnets.{package}")
    return found


def pins() -> dict[str, list[Requirement]]:
    """Return the pins of constraints.txt by canonical name; there may be one per range of Pythons."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("name", AT_THE_ROOT)
def test_each_link_leads_to_its_folder(name: str) -> None:
    link = ROOT / "spatialnets" / name
    if not link.is_symlink():
        pytest.skip("this clone has no links; they serve only tools that read the tree")
    assert link.resolve() == ROOT / name


def test_every_folder_with_an_init_is_a_declared_package_and_no_other() -> None:
    assert set(SETUPTOOLS["packages"]) == packages_in_the_tree()
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"]))


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_a_package_is_imported_from_the_folder_that_is_declared(package: str) -> None:
    file = importlib.import_module(package).__file__
    assert file is not None
    assert Path(file).resolve() == (folder_of(package) / "__init__.py").resolve()


def test_every_file_that_is_no_module_goes_into_the_wheel() -> None:
    patterns = SETUPTOOLS["package-data"]["*"]
    others = [
        file
        for package in SETUPTOOLS["packages"]
        for file in folder_of(package).iterdir()
        if file.is_file() and file.suffix not in (".py", ".pyc") and not file.name.startswith(".")
    ]
    assert [file for file in others if not any(fnmatch(file.name, pattern) for pattern in patterns)] == []


@pytest.mark.parametrize("pattern", SETUPTOOLS["package-data"]["*"])
def test_every_kind_of_package_data_exists(pattern: str) -> None:
    assert any(True for package in SETUPTOOLS["packages"] for _ in folder_of(package).glob(pattern))


@pytest.mark.parametrize(("group", "name", "value"), ENTRIES, ids=[f"{group}:{name}" for group, name, _ in ENTRIES])
def test_every_entry_point_leads_to_a_class(group: str, name: str, value: str) -> None:
    module, _, attribute = value.partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), type)


def test_every_entry_point_belongs_to_a_family() -> None:
    assert set(PROJECT["entry-points"]) == set(registry.FAMILIES.values())


def test_the_installed_entry_points_are_those_of_pyproject() -> None:
    # Entry points are metadata of the installation: after a change in pyproject.toml, `make install`.
    installed = {
        (entry.group, entry.name, entry.value)
        for entry in importlib.metadata.distribution("spatialnets").entry_points
        if entry.group != "console_scripts"
    }
    assert installed == set(ENTRIES)


@pytest.mark.parametrize("script", PROJECT["scripts"].values())
def test_every_script_leads_to_a_function(script: str) -> None:
    module, _, attribute = script.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert spatialnets.__version__ == version
    assert citation["version"] == version
    assert re.search(rf"^## \[{re.escape(version)}\]", changelog, re.MULTILINE)


def test_every_public_name_loads() -> None:
    assert [name for name in spatialnets.__all__ if not hasattr(spatialnets, name)] == []


# neurogym is for an environment of its own: it asks for numpy 2.2
@pytest.mark.parametrize(
    "dependency",
    [
        *PROJECT["dependencies"],
        *(line for extra, lines in PROJECT["optional-dependencies"].items() for line in lines if extra != "neurogym"),
        *PYPROJECT["build-system"]["requires"],
    ],
)
def test_every_dependency_is_pinned_within_its_bounds(dependency: str) -> None:
    wanted = Requirement(dependency)
    pinned = pins().get(canonicalize_name(wanted.name), [])
    assert pinned, f"constraints.txt has no line for {wanted.name}"
    for pin in pinned:
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert wanted.specifier.contains(exact.version)


@pytest.mark.parametrize(
    ("system", "machine", "python", "wheels"),
    [
        ("linux", "x86_64", "3.11", True),
        ("linux", "aarch64", "3.14", True),
        ("darwin", "arm64", "3.15", True),
        ("win32", "AMD64", "3.12", True),
        ("darwin", "x86_64", "3.11", False),
        ("linux", "ppc64le", "3.11", False),
        ("linux", "x86_64", "3.16", False),
    ],
)
def test_numba_is_installed_where_it_has_wheels(system: str, machine: str, python: str, wheels: bool) -> None:
    (numba,) = (Requirement(line) for line in PROJECT["dependencies"] if line.startswith("numba"))
    assert numba.marker is not None
    environment = {"sys_platform": system, "platform_machine": machine, "python_version": python}
    assert numba.marker.evaluate(environment) is wheels


def test_constraints_name_one_exact_version_each() -> None:
    for name, pinned in pins().items():
        assert all(pin.url is None and not pin.extras for pin in pinned), name
        assert all([spec.operator for spec in pin.specifier] == ["=="] for pin in pinned), name
        assert len(pinned) == 1 or all(pin.marker for pin in pinned), f"{name}: two pins need markers"


MAX_ROOT_MODULES = 12
UPWARD = {  # objects that offer the front door as methods; pyproject.toml has the same list for import-linter
    ("spatialnets.experiments.experiment", "spatialnets.workflow"),
    ("spatialnets.runs.run", "spatialnets.workflow"),
}


def source_files() -> dict[str, Path]:
    """Return the source file of every module, by its import name."""
    files = {}
    for package in SETUPTOOLS["packages"]:
        for file in folder_of(package).glob("*.py"):
            files[package if file.stem == "__init__" else f"{package}.{file.stem}"] = file
    return files


def imports_at_run_time(file: Path, modules: set[str]) -> set[str]:
    """Return the modules that a file imports: at its top, within functions, and by name in a table for lazy loading.

    Imports for type checking are left out, because they do not run.
    """
    imported: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for statement in node.orelse:
                visit(statement)
            return
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            imported.update(names & modules, {node.module} if names - modules else set())
        elif isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["_HOME"]:
            assert isinstance(node.value, ast.Dict)
            imported.update(f"spatialnets.{ast.literal_eval(key)}" for key in node.value.keys if key)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(file.read_text(encoding="utf-8")))
    return imported & modules


def import_graph() -> nx.DiGraph:
    files = source_files()
    graph = nx.DiGraph()
    for module, file in files.items():
        graph.add_edges_from((module, other) for other in imports_at_run_time(file, set(files)) if other != module)
    return graph


def circles(graph: nx.DiGraph) -> list[list[str]]:
    return [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]


def test_modules_import_each_other_without_circles_but_for_two_methods() -> None:
    graph = import_graph()
    assert graph.number_of_nodes() > 200
    assert set(graph.edges) >= UPWARD
    assert circles(graph)  # the two methods do close circles: without the exception the test below would see them
    graph.remove_edges_from(UPWARD)
    assert circles(graph) == []


def test_import_linter_excepts_the_same_two_methods() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    (layers,) = (contract for contract in contracts if contract["type"] == "layers")
    assert {tuple(line.split(" -> ")) for line in layers["ignore_imports"]} == UPWARD
    listed = {name for layer in layers["layers"] for name in layer.split(" | ")}
    top = {".".join(module.split(".")[:2]) for module in source_files() if module.count(".")}
    assert top - listed == {"spatialnets.__main__", "spatialnets.presets"}


def test_lazy_imports_and_tables_count_as_imports_and_type_hints_do_not(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from spatialnets.report import page\n"
        "from spatialnets import registry\n"
        "def lazily():\n    import spatialnets.rng\n    from spatialnets.errors import UserError\n"
        "_HOME = {'runs.run': ('Run',)}\n",
        encoding="utf-8",
    )
    modules = {f"spatialnets.{name}" for name in ("registry", "rng", "errors", "report.page", "runs.run")}
    assert imports_at_run_time(file, modules) == modules - {"spatialnets.report.page"}


def test_the_root_of_the_package_stays_small() -> None:
    assert len(list((ROOT / "spatialnets").glob("*.py"))) <= MAX_ROOT_MODULES
