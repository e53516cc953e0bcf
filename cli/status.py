"""`spatialnets status`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.words import Trust
from spatialnets.errors import printable

if TYPE_CHECKING:
    from spatialnets.engines.status import Status


def status(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    trust: Trust = False,
) -> None:
    """Say how far a run is and who computes it, on this or another machine."""
    from spatialnets.engines.status import status_of
    from spatialnets.runs.run import Run

    found = status_of(Run.open(folder, trusted=trust))
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
        return
    for line in _lines(found):
        print(printable(line))  # it may quote a stranger's file


def _lines(found: Status) -> list[str]:
    from spatialnets.progress import clock_words

    shards = f"{found.shards:,} shards" if found.shards != 1 else "1 shard"
    lines = [f"{found.name} in {found.folder}: {found.networks:,} of {found.of:,} networks, in {shards}"]
    by = found.by or {}
    who = f"{by.get('engine')}, process {by.get('pid')} on {by.get('host')}, since {by.get('since')}" if by else ""
    if found.computed:
        lines.append(f"computed by {who}" if who else "computed now; who does it has not said so yet")
        if found.left_seconds is not None:
            lines.append(f"about {clock_words(found.left_seconds)} left at the pace of this sitting")
    elif found.scheduler and who:
        lines.append(f"submitted by {who}")
    elif found.jobs:
        lines.append(f"processes are at {', '.join(found.jobs)}, and nobody sees to the rest")
    elif found.networks < found.of:
        lines.append(f"nobody computes it; the last one was killed ({who})" if who else "nobody computes it")
    if found.scheduler:
        lines.append(found.scheduler)
    lines += [("under way: " if found.computed else "begun: ") + str(shard) for shard in found.begun]
    if found.stored_seconds_ago is not None:
        lines.append(f"last stored {clock_words(found.stored_seconds_ago)} ago")
    if found.cancelled:
        lines.append("it was cancelled")
    lines += [f"refused: {key}: {'; '.join(reason.splitlines())}" for key, reason in found.refused.items()]
    if not found.computed and not found.scheduler and found.networks < found.of:
        lines.append(f"go on with: spatialnets resume {found.folder}")
    return lines
