"""`spatialnets status`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.arguments import RunFolder, Trust
from spatialnets.cli.tables import counted
from spatialnets.errors import printable

if TYPE_CHECKING:
    from spatialnets.engines.status import Status

MAX_LINES = 20  # of shards in progress


def status(
    folder: RunFolder,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    trust: Trust = False,
) -> None:
    """Show the progress of a run and the processes that compute it, on this or another machine."""
    from spatialnets.engines.status import status_of
    from spatialnets.runs.run import Run

    result = status_of(Run.open(folder, trusted=trust))
    if as_json:
        print(json.dumps(dataclasses.asdict(result), indent=2))
        return
    for line in _lines(result):
        print(printable(line))  # it may quote an untrusted file


def _lines(result: Status) -> list[str]:
    from spatialnets.progress import clock_time

    done = f"{result.networks:,} of {counted(result.of, 'network')}"
    lines = [f"{result.name} in {result.folder}: {done}, in {counted(result.shards, 'shard')}"]
    by = result.by or {}
    who = f"process {by.get('pid')} on {by.get('host')} with engine {by.get('engine')}, started {by.get('since')}"
    if result.computed:
        lines.append(f"Being computed by {who}" if by else "A process is about to compute this run.")
        if result.left_seconds is not None:
            lines.append(f"About {clock_time(result.left_seconds)} left at the pace of this session")
    elif result.scheduler and by:
        lines.append(f"Submitted by {who}")
    elif result.jobs:
        lines.append(f"Being computed: {', '.join(result.jobs)}; no process is computing the rest")
    elif result.networks < result.of:
        lines.append("No process is computing this run." + (f" The last one was killed: {who}" if by else ""))
    if result.scheduler:
        lines.append(result.scheduler)
    lines += [f"{'In progress' if result.computed else 'Interrupted'}: {shard}" for shard in result.begun[:MAX_LINES]]
    if len(result.begun) > MAX_LINES:
        lines.append(f"and {counted(len(result.begun) - MAX_LINES, 'further shard')}; --json lists all")
    if result.stored_seconds_ago is not None:
        lines.append(f"Last result stored {clock_time(result.stored_seconds_ago)} ago")
    if result.cancelled:
        lines.append("This run was cancelled.")
    lines += [f"Refused: {key}: {'; '.join(reason.splitlines())}" for key, reason in result.refused.items()]
    if not result.computed and not result.scheduler and result.networks < result.of:
        lines.append(f"Continue with: spatialnets resume {result.folder}")
    return lines
