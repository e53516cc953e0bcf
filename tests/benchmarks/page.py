"""Write the documentation page of the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictures import PICTURES
from targets import TARGETS

HEAD = """# Benchmarks

This page shows how fast the toolkit is and how much memory it needs. `make benchmark` measures everything and writes
this page. Times differ between machines and vary from hour to hour, so the ratios compare programs that ran
alternately, or one after the other, in the same benchmark. The baseline of training is a program without the toolkit
(`tests/benchmarks/baseline.py`, frozen by a checksum): one network at a time, with `torch.nn.RNN`, autograd,
`torch.linalg.matrix_exp` and `torch.optim.Adam`.
"""

EARLIER = Path(__file__).parent / "earlier.json"
"""Figures of the targets on other machines and at earlier commits, one entry each, in the order of their columns."""

LOAD = "load at the start (processes that need a core)"
MAX_IDLE_LOAD = 0.5  # a machine with an open editor; one more computing process adds 1


def number(value: float) -> str:
    """Return a number with three significant digits, or without decimals from 1,000 on."""
    if value != value:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def earlier() -> list[dict[str, Any]]:
    """Return the entries of `EARLIER`."""
    return json.loads(EARLIER.read_text(encoding="utf-8"))


def name_of(entry: Mapping[str, Any]) -> str:
    """Return the title of an entry's column."""
    return f"{entry['processor']}, {entry['commit']}, {entry['date']}"


def keep(results: Mapping[str, Any], path: Path = EARLIER) -> None:
    """Add the figures of the targets to the file of earlier figures, in place of those of this machine and commit."""
    machine = results["machine it ran on"]
    figures: dict[str, dict[str, float]] = {}
    for figure in (figure for target in TARGETS for figure in target.figures):
        value = results["figures"].get(figure.benchmark, {}).get(figure.name)
        if value is not None and value == value:
            figures.setdefault(figure.benchmark, {})[figure.name] = float(f"{value:.4g}")
    entry = {**{name: machine[name] for name in ("processor", "commit", "date")}, "figures": figures}
    entries = json.loads(path.read_text(encoding="utf-8"))
    kept = [each for each in entries if (each["processor"], each["commit"]) != (entry["processor"], entry["commit"])]
    path.write_text(json.dumps([*kept, entry], indent=2) + "\n", encoding="utf-8")


def text(results: Mapping[str, Any], pictures: str) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    results
        The content of the file that `benchmark.py --out` writes.
    pictures
        The folder of the pictures, relative to the page.
    """
    lines = [HEAD]
    load = results["machine it ran on"][LOAD]
    if load > MAX_IDLE_LOAD:
        lines += [
            f"**The machine was busy during the measurement** (load {load} at the start): times are longer than on an "
            "idle machine, and a target that is missed here may be met there.",
            "",
        ]
    machine = results["machine it ran on"]
    before = [
        each for each in earlier() if (each["processor"], each["commit"]) != (machine["processor"], machine["commit"])
    ]
    columns = ["quantity", "target", f"measured: {machine['processor']}", "met", *(name_of(entry) for entry in before)]
    lines += [
        "## Targets",
        "",
        "The last columns are figures of other machines or earlier commits, as far as they were measured.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for target in TARGETS:
        cells = [target.what, target.reach, target.reached(results["figures"]), target.met(results["figures"])]
        lines += [f"| {' | '.join([*cells, *(target.reached(entry['figures']) for entry in before)])} |"]
    lines += ["", "## Machine", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in results["machine it ran on"].items()]
    lines += [f"| minutes in total | {number(results['minutes'])} |"]
    for name, figures in results["figures"].items():
        lines += ["", f"## `{name}`", "", results["about"][name], "", "| quantity | value |", "|---|---:|"]
        lines += [f"| {label} | {number(value)} |" for label, value in figures.items()]
        if name in PICTURES:
            _, file, caption = PICTURES[name]
            lines += ["", f"![{caption}]({pictures}/{file})"]
    return "\n".join(lines) + "\n"


def write(results: Mapping[str, Any], path: Path) -> None:
    """Write the page, and its pictures into a folder of the same name."""
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (draw, file, _) in PICTURES.items():
        if name in results["figures"]:
            draw(results["figures"][name], folder / file)
    path.write_text(text(results, folder.name), encoding="utf-8")
