"""`spatialnets status`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer


def status(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say how far a run is and who computes it, from another shell or another machine."""
    from spatialnets.engines.standing import standing
    from spatialnets.errors import printable
    from spatialnets.run import Run

    found = standing(Run.open(folder))
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    else:
        for line in found.words:
            print(printable(line))
