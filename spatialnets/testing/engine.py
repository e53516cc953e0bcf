"""What any engine must keep."""

from __future__ import annotations

from pathlib import Path

from spatialnets.engine import Engine
from spatialnets.engines.computing import compute
from spatialnets.engines.progress import NoProgress
from spatialnets.experiment import Experiment

__all__ = ["check_engine"]

SMALL = (
    "networks=3",
    "training.epochs=2",
    "training.trials_per_epoch=64",
    "training.batch_size=32",
    "training.validation_trials=32",
    "geometry.shape=[2, 2, 2]",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
)


class _Counted(NoProgress):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        self.total, self.done = total, done

    def advance(self, count: int, status: str) -> None:
        self.done += count


def check_engine(engine: Engine, folder: Path) -> None:
    """Fail with a reason if an engine does not keep what every engine promises.

    It computes a run of six small networks in several shards, all of them, once, with the same bits as this process; it
    goes on with a run of which a shard is missing; and it reports how far it has come.

    Parameters
    ----------
    engine
        The engine to check.
    folder
        Where it can compute; a shared file system if it computes elsewhere. Nothing must be there yet.

    Raises
    ------
    AssertionError
        If a promise is broken.

    Examples
    --------
    >>> from spatialnets.engines.here import Here
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     check_engine(Here(workers=1), Path(folder) / "check")
    """
    from spatialnets.engines.here import Here

    name = type(engine).__name__
    experiment = Experiment.from_preset("sernn_demo").override(*SMALL)
    expected = compute(experiment, folder / "expected", Here(workers=1), networks_per_shard=2)
    progress = _Counted()
    run = compute(experiment, folder / "found", engine, progress, networks_per_shard=2)
    assert run.finished, f"{name} left {len(run.missing)} shards undone"
    assert progress.done == progress.total, f"{name} reported {progress.done} of {progress.total} updates"
    for group in expected.groups:
        assert expected[group].identical(run[group]), f"{name} changed the networks of group '{group}'"
    kept, lost = run.shards[0].path, run.shards[1].path
    before = kept.stat().st_mtime_ns
    lost.unlink()
    again = compute(experiment, folder / "found", engine, networks_per_shard=2)
    assert again.finished, f"{name} did not compute a shard that was missing"
    assert kept.stat().st_mtime_ns == before, f"{name} computed a shard that was there"
    for group in expected.groups:
        assert expected[group].identical(again[group]), (
            f"{name} changed the networks of group '{group}' that it went on with"
        )
    at_a_time = engine.at_a_time([])
    assert at_a_time >= 0, f"{name}.at_a_time() is {at_a_time}"
