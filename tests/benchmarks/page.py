"""Write the documentation page of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictures import PICTURES
from targets import TARGETS

HEAD = """# Benchmarks

This page shows how fast the toolkit is and how much memory it needs. `make benchmark` measures everything and writes
this page. Times differ between machines and vary from hour to hour, so the ratios compare programs that ran
alternately, or one after the other, in the same benchmark. The baseline of training is a program without the toolkit:
one network at a time, with `torch.nn.RNN`, autograd, `torch.linalg.matrix_exp` and `torch.optim.Adam`.
"""

LOAD = "load at the start (processes that need a core)"
MAX_IDLE_LOAD = 0.5  # a machine with an open editor; one more computing process adds 1


def number(value: float) -> str:
    """Return a number with three significant digits, or without decimals from 1,000 on."""
    if value != value:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


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
    lines += ["## Targets", "", "| quantity | target | measured | met |", "|---|---|---|---|"]
    lines += [
        f"| {target.what} | {target.reach} | {target.reached(results['figures'])} | {target.met(results['figures'])} |"
        for target in TARGETS
    ]
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
