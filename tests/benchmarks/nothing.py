"""A stand-in for `spatialnets work` that stores a prepared shard: it starts in 0.1 s, without xarray and PyTorch."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from spatialnets.files.atomic import write_checked
from spatialnets.files.locks import hold

__all__ = ["MARK", "content_of", "prepared_file", "store"]

MARK = 0x5EED_0F_4E07_41A6  # the network and seed of the prepared shard, replaced by the number of a network


def prepared_file(run: Path) -> Path:
    """Return the path of the prepared shard, beside the folder of a run."""
    return run.parent / "prepared.nc"


def content_of(prepared: bytes, network: int) -> bytes:
    """Return the file of the shard that holds one network."""
    return prepared.replace(struct.pack("<q", MARK), struct.pack("<q", network))


def store(run: Path, index: int) -> None:
    """Store a shard with the file operations of a process that has trained it: claim, file, checksum."""
    path = run / "shards" / f"{index:05d}.nc"
    claim = run / "engine" / "claims" / f"shard-{index:05d}"
    lock = hold(claim)
    if lock is None or path.exists():
        return
    write_checked(path, content_of(prepared_file(run).read_bytes(), index))
    (run / "engine" / "refused" / f"shard-{index:05d}.txt").unlink(missing_ok=True)
    claim.unlink()
    os.close(lock)


def main(arguments: list[str]) -> None:
    """Do one line of a file of orders; arguments as those of `python -m spatialnets work`."""
    run = Path(arguments[arguments.index("work") + 1])
    orders = Path(arguments[arguments.index("--orders") + 1])
    number = int(arguments[arguments.index("--line") + 1])
    with open(orders, encoding="utf-8") as lines:
        order = next(json.loads(line) for place, line in enumerate(lines) if place == number)
    store(run, order["shard"])
    print(f"shard {order['shard']} is done")


if __name__ == "__main__":
    main(sys.argv[1:])
