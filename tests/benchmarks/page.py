"""The page of the documentation that says how fast everything is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictures import PICTURES
from targets import TARGETS

HEAD = """# Benchmarks

How fast it is, and how much memory it takes. `make benchmark` measures all of this and writes this page. Seconds differ
from machine to machine and from hour to hour; ratios are of programs that took turns, or ran one after the other, in
this one run. The baseline of training is what one would write without the toolkit: one network at a time,
`torch.nn.RNN`, autograd, `torch.linalg.matrix_exp` and `torch.optim.Adam`.
"""

LOAD = "load before it began (processes that want a core)"
QUIET = 0.5  # what a machine with an open editor has; one more process that computes is 1


def number(value: float) -> str:
    """Return a number with three digits, or all before the point."""
    if value != value:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def text(found: Mapping[str, Any], pictures: str) -> str:
    """Return the page.

    Parameters
    ----------
    found
        What `benchmark.py --out` stores.
    pictures
        The folder of the pictures, as seen from the page.
    """
    lines = [HEAD]
    load = found["machine it ran on"][LOAD]
    if load > QUIET:
        lines += [
            f"**The machine was busy when this was measured** (load {load} before it began): seconds are larger than they "
            "are on a quiet one, and a target that is not met here may be met there.",
            "",
        ]
    lines += ["## Targets", "", "| what | to reach | reached | met |", "|---|---|---|---|"]
    lines += [
        f"| {target.what} | {target.reach} | {target.reached(found['figures'])} | {target.met(found['figures'])} |"
        for target in TARGETS
    ]
    lines += ["", "## Machine", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in found["machine it ran on"].items()]
    lines += [f"| minutes that all of this took | {number(found['minutes'])} |"]
    for name, figures in found["figures"].items():
        lines += ["", f"## `{name}`", "", found["about"][name], "", "| what | figure |", "|---|---:|"]
        lines += [f"| {label} | {number(value)} |" for label, value in figures.items()]
        if name in PICTURES:
            _, file, words = PICTURES[name]
            lines += ["", f"![{words}]({pictures}/{file})"]
    return "\n".join(lines) + "\n"


def write(found: Mapping[str, Any], path: Path) -> None:
    """Write the page, and its pictures into a folder of its name beside it."""
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (draw, file, _) in PICTURES.items():
        if name in found["figures"]:
            draw(found["figures"][name], folder / file)
    path.write_text(text(found, folder.name), encoding="utf-8")
