"""`spatialnets show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(folder: Annotated[Path, typer.Argument(help="The run's folder.")]) -> None:
    """Say what a run holds: networks, scores, what diverged, how long it took."""
    from rich.console import Console
    from rich.table import Table

    from spatialnets.errors import printable
    from spatialnets.paper import PASS_ACCURACY
    from spatialnets.runs.run import Run

    run = Run.open(folder)
    done = sum(len(shard.networks) for shard in run.shards if shard.done)
    total = sum(len(shard.networks) for shard in run.shards)
    print(f"{run.name} in {run.folder}: {done:,} of {total:,} networks" + ("" if run.finished else " (unfinished)"))
    table = Table(
        "group", "networks", "epochs", "strength", "mean validation accuracy", f"at least {PASS_ACCURACY}", "diverged"
    )
    diverged = []
    for group in run.groups:
        if not any(shard.done for shard in run.shards if shard.group == group):
            table.add_row(group, "0", *[""] * 5)
            continue
        scores = run.scores(group)
        last = scores.isel(epoch=-1)
        accuracy, out = last["validation_accuracy"], scores["status"] == "diverged"
        table.add_row(
            group,
            f"{scores.sizes['network']:,}",
            str(int(scores["epoch"][-1])),
            f"{float(scores['strength'].min()):.3g} to {float(scores['strength'].max()):.3g}"
            if bool(scores["strength"].notnull().any())
            else "-",
            f"{float(accuracy.mean()):.3f}" if bool(accuracy.notnull().any()) else "not known",
            f"{int((accuracy >= PASS_ACCURACY).sum())} ({100 * float((accuracy >= PASS_ACCURACY).mean()):.0f} %)",
            str(int(out.sum())),
        )
        diverged += [
            f"network {int(network)} of {group}: {reason}"
            for network, reason in zip(scores["network"].to_numpy(), scores["reason"].to_numpy(), strict=True)
            if reason
        ]
    Console().print(table)
    for line in diverged:
        print(printable(line))
    provenance = run.provenance
    sessions = provenance["sessions"]
    size = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
    print(f"begun {printable(provenance['created'])}; {len(sessions)} sitting(s); {size / 1e6:,.1f} MB on disk")
    report = run.folder / "report.html"
    print(f"report: {report}" if report.exists() else f"no report yet: spatialnets report {run.folder}")
