"""The benchmarks: their programs run, and their page shows the results."""

import json
import re
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import benchmark
import pytest
from page import LOAD, text, write
from targets import NO_GPU, TARGETS
from timing import SMALLEST, peak_gibibytes, watch

RESULTS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "benchmark.json").read_text(encoding="utf-8"))
SLOW = ("paper", "networks", "start", "surface", "machine", "growth", "cores", "size")
"""Benchmarks that take seconds, mostly because they start other processes."""


def row(page: str, what: str) -> list[str]:
    lines = [line for line in page.splitlines() if line.startswith(f"| {what} |")]
    assert len(lines) == 1
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


def test_every_target_has_a_row_on_the_page() -> None:
    page = text(RESULTS, "benchmarks")
    for target in TARGETS:
        assert row(page, target.what)[1] == target.reach
    assert len(TARGETS) == 10


def test_every_figure_is_in_the_section_of_its_benchmark() -> None:
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text(RESULTS, "x"), re.M | re.S))
    assert sections.keys() == RESULTS["figures"].keys() == benchmark.BENCHMARKS.keys()
    for name, figures in RESULTS["figures"].items():
        for label in figures:
            row(sections[name], label)


def test_the_page_marks_what_was_not_measured() -> None:
    page = text({**RESULTS, "figures": {}}, "x")
    for target in TARGETS:
        reached, met = row(page, target.what)[2:]
        assert met == "-"
        assert reached == NO_GPU if "H200" in target.what else "?" in reached


@pytest.mark.parametrize(
    ("minutes", "met"), [(60.0, "no"), (30.0, "yes"), (20.0, "yes, and the stretch goal"), (float("nan"), "-")]
)
def test_a_target_is_met_on_the_right_side_of_its_limit(minutes: float, met: str) -> None:
    results = deepcopy(RESULTS)
    results["figures"]["paper"]["minutes for 2,000 networks and 10 epochs"] = minutes
    assert row(text(results, "x"), TARGETS[1].what)[3] == met


def test_a_larger_ratio_is_better() -> None:
    results = deepcopy(RESULTS)
    for ratio, met in ((1.9, "no"), (2.0, "yes"), (4.0, "yes, and the stretch goal")):
        results["figures"]["paper"]["ratio"] = ratio
        assert row(text(results, "x"), TARGETS[0].what)[3] == met


def test_every_target_refers_to_figures_that_are_measured() -> None:
    only_in_full = {"ratio, 1000 units", "seconds per update: stochastic, 10000 units"}
    for target in TARGETS:
        for figure in target.figures:
            assert figure.name in RESULTS["figures"][figure.benchmark] or figure.name in only_in_full


@pytest.mark.parametrize(("load", "busy"), [(0.2, False), (1.5, True)])
def test_the_page_warns_if_the_machine_was_busy(load: float, busy: bool) -> None:
    results = deepcopy(RESULTS)
    results["machine it ran on"][LOAD] = load
    assert ("The machine was busy" in text(results, "x")) is busy


def test_the_page_is_written_with_its_pictures(tmp_path: Path) -> None:
    write(RESULTS, tmp_path / "benchmarks.md")
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)
    assert shown == ["benchmarks/size.png", "benchmarks/networks.png"]
    assert all((tmp_path / picture).read_bytes().startswith(b"\x89PNG") for picture in shown)


def test_the_memory_of_a_child_is_separated_from_that_of_its_parent() -> None:
    hold = "held = bytearray(300 * 2**20); import time; time.sleep(0.3)"
    usage = watch([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"])
    assert usage.driver < 0.1 < 0.29 < usage.worker < 0.4  # 300 MiB are 0.293 GiB; a bare interpreter is 0.01
    assert usage.worker < usage.together < usage.worker + usage.driver + 0.01  # at one moment, some MiB of noise
    assert peak_gibibytes() > 0


def test_a_failing_command_is_reported_with_its_output() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nit broke"):
        watch([sys.executable, "-c", "import sys; print('it broke'); sys.exit(3)"])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in benchmark.BENCHMARKS]
)
def test_a_benchmark_runs_in_its_smallest_form(name: str) -> None:
    figures = benchmark.BENCHMARKS[name](SMALLEST)
    assert figures.keys() == RESULTS["figures"][name].keys()
    assert all(isinstance(value, float) for value in figures.values())


def test_an_unknown_benchmark_is_reported_with_the_valid_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "papre"])
    with pytest.raises(SystemExit) as stopped:
        benchmark.main()
    assert stopped.value.code == 2
    assert "unknown benchmark: papre (valid: paper, machine" in capsys.readouterr().err
