"""README and documentation: their Python runs, and their YAML and commands are valid experiments."""

import re
import shlex
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from spatialnets import DeclarationError, Experiment, registry
from spatialnets.engines.choice import is_engine_override, parse_engine

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(
    r"(?:<!-- (?P<mark>\w+) -->\n)?^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A code block of a page; `mark` is the word in a comment above it, such as slow or wrong."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    """Return the code blocks of a page in one language, in order."""
    content = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            content.count("\n", 0, match.start("text")) + 1,
            match["language"],
            match["mark"] or "",
            textwrap.dedent(match["text"]),
        )
        for match in FENCE.finditer(content)
        if match["language"] == language
    ]


def pages_with(language: str, mark: str | None = None) -> list[Any]:
    """Return the pages with a code block of a language (and mark), as parameters of a test."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if any(mark in (None, block.mark) for block in blocks(page, language))
    ]


def run_page(page: Path, slow: bool, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the Python of a page from top to bottom, as a reader would; return the number of blocks."""
    # in a registered module, because dataclasses look up their module
    module = ModuleType("page_of_the_docs")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    count = 0
    for block in blocks(page, "python"):
        if slow or block.mark != "slow":
            padded = "\n" * (block.line - 1) + block.text  # so that a traceback shows the line of the page
            exec(compile(padded, str(page), "exec"), module.__dict__)
            count += 1
    return count


@pytest.mark.parametrize("page", pages_with("python", mark=""))
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page(page, slow=False, monkeypatch=monkeypatch) > 0


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("python", mark="slow"))
def test_the_python_of_a_page_that_trains_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_page(page, slow=True, monkeypatch=monkeypatch) > 0


@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_compiles(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block.text, str(block), "exec")


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_the_yaml_of_a_page_is_an_experiment(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        file = tmp_path / "mine.yaml"
        file.write_text(block.text, encoding="utf-8")
        if block.mark != "wrong":
            assert Experiment.from_yaml(file).groups, block
            continue
        with pytest.raises(DeclarationError) as raised:
            Experiment.from_yaml(file)
        # the page shows the messages, without the folder
        for line in str(raised.value).replace(str(file), file.name).splitlines():
            message, _, _ = line.partition(" (valid: ")  # the valid words depend on the installed packages
            assert message in page.read_text(encoding="utf-8")


def commands() -> list[Any]:
    """Return the arguments of every `spatialnets` command in a shell block."""
    parameters = []
    for page in PAGES:
        for block in blocks(page, "bash"):
            for offset, line in enumerate(block.text.splitlines()):
                words = shlex.split(line, comments=True)
                if words and words[0] == "spatialnets":
                    parameters.append(pytest.param(words[1:], id=f"{page.relative_to(ROOT)}:{block.line + offset}"))
    return parameters


@pytest.mark.parametrize("words", commands())
def test_a_command_in_the_docs_exists(words: list[str]) -> None:
    from spatialnets.cli.app import app

    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert words[0].startswith("--") or words[0] in names


@pytest.mark.parametrize("words", [param for param in commands() if param.values[0][0] in ("run", "validate")])
def test_an_experiment_in_a_command_is_valid(words: list[str]) -> None:
    overrides = [word for word in words[1:] if "=" in word and not word.startswith("-")]
    presets = [word.removeprefix("preset=") for word in overrides if word.startswith("preset=")]
    if not presets:
        pytest.skip("starts from a file that the reader writes")
    parse_engine([word for word in overrides if is_engine_override(word)])
    others = [word for word in overrides if not word.startswith("preset=") and not is_engine_override(word)]
    experiment = Experiment.from_preset(presets[0]).override(*others)
    assert experiment.groups


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_every_built_in_component_is_in_the_docs(family: str) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    built_in = [
        name for name in registry.names(family) if registry.load(family, name).__module__.startswith("spatialnets.")
    ]
    assert [name for name in built_in if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_to_a_file_is_valid(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
