"""`spatialnets show`."""

from __future__ import annotations

from spatialnets.cli.arguments import RunFolder
from spatialnets.cli.tables import counted


def show(folder: RunFolder) -> None:
    """Show what a run contains: networks, accuracies, diverged networks, sessions and disk space."""
    from rich.console import Console
    from rich.table import Table

    from spatialnets.errors import printable
    from spatialnets.paper import PASS_ACCURACY
    from spatialnets.runs.run import Run

    run = Run.open(folder)
    computed = run.computed
    done, total = sum(len(shard.networks) for shard in computed), sum(run.shards.lengths)
    unfinished = " (unfinished)" if len(computed) < len(run.shards) else ""
    print(f"{run.name} in {run.folder}: {done:,} of {total:,} networks{unfinished}")
    accuracy_columns = "mean validation accuracy", f"accuracy ≥ {PASS_ACCURACY}"
    table = Table("group", "networks", "last epoch", "strength", *accuracy_columns, "diverged")
    reasons = []
    for group in run.groups:
        if group not in {shard.group for shard in computed}:
            table.add_row(group, "0", *[""] * 5)
            continue
        scores = run.scores(group)
        accuracy, strength = scores["validation_accuracy"].isel(epoch=-1), scores["strength"]
        passed, is_known = accuracy >= PASS_ACCURACY, bool(accuracy.notnull().any())
        ends = dict.fromkeys(f"{float(end):.3g}" for end in (strength.min(), strength.max()))
        table.add_row(
            group,
            f"{scores.sizes['network']:,}",
            str(int(scores["epoch"][-1])),
            " to ".join(ends) if bool(strength.notnull().any()) else "-",
            f"{float(accuracy.mean()):.3f}" if is_known else "unknown",
            f"{int(passed.sum())} ({100 * float(passed.mean()):.0f} %)" if is_known else "unknown",
            str(int((scores["status"] == "diverged").sum())),
        )
        reasons += [
            f"network {int(network)} of {group}: {reason}"
            for network, reason in zip(scores["network"].to_numpy(), scores["reason"].to_numpy(), strict=True)
            if reason
        ]
    Console().print(table)
    for line in reasons:
        print(printable(line))
    created, sessions = run.provenance["created"], counted(len(run.provenance["sessions"]), "session")
    size = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
    print(f"created {printable(created)}; {sessions}; {size / 1e6:,.1f} MB on disk")
    report = run.folder / "report.html"
    print(f"report: {report}" if report.exists() else f"No report yet. Write it with: spatialnets report {run.folder}")
