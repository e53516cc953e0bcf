"""What every engine promises."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatialnets.engines.compute import compute
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Job
from spatialnets.engines.local import Here
from spatialnets.errors import RunError
from spatialnets.experiments.experiment import Experiment
from spatialnets.progress import NoProgress, Progress
from spatialnets.runs.run import Run

__all__ = ["check_engine"]

WORDS = (
    "networks=4",
    "training.epochs=2",
    "training.trials_per_epoch=64",
    "training.batch_size=32",
    "training.validation_trials=32",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
)


@dataclass
class _Counted(NoProgress):
    """Counts what it is told."""

    total: int = 0
    done: int = 0

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        self.total, self.done = total, done

    def advance(self, count: int, status: str) -> None:
        self.done += count


@dataclass(frozen=True)
class _Noted(Engine):
    """Passes jobs on and notes them."""

    inner: Engine | None = None
    handed: tuple[list[str], ...] = ()

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        assert self.inner is not None
        self.handed[0].extend(job.key for job in jobs)
        self.inner.do(run, jobs, progress)


def check_engine(engine: Engine, folder: Path) -> None:
    """Check that an engine keeps its promises.

    All jobs are done when it returns, with the very bits of `Here` in this process; progress reaches its end; what is
    stored is not computed again; a job that is refused is reported by its line, as `RunError`.

    Parameters
    ----------
    engine
        Any engine that waits for what it has begun.
    folder
        An empty folder; where jobs are done elsewhere, one that is seen there.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     check_engine(Here(workers=1), Path(folder))
    """
    name, progress = type(engine).__name__, _Counted()
    experiment = Experiment.from_preset("sernn_demo").override(*WORDS)
    alone = compute(experiment, folder / "alone", networks_per_shard=2, engine=Here(workers=1))
    handed: list[str] = []
    noted = _Noted(inner=engine, handed=(handed,))
    run = compute(experiment, folder / "run", None, progress, networks_per_shard=2, engine=noted)
    assert handed == [f"shard-{shard.index:05d}" for shard in alone.shards]
    for one, other in zip(alone.shards, run.shards, strict=True):
        assert other.done, f"{name}: shard {other.index} must be done when do() returns"
        same = alone.load_shard(one).identical(run.load_shard(other))
        assert same, f"{name}: shard {other.index} must have the bits that Here computes"
    assert progress.done == progress.total, f"{name}: progress must reach {progress.total}, not {progress.done}"

    kept = {shard.index: shard.path.stat().st_mtime_ns for shard in run.shards[1:]}
    run.shards[0].path.unlink()
    compute(experiment, folder / "run", engine=engine)
    now = {shard.index: shard.path.stat().st_mtime_ns for shard in run.shards[1:]}
    assert run.shards[0].done, f"{name}: a shard that was lost must be computed again"
    assert now == kept, f"{name}: what is stored must not be computed again"

    run.shards[0].path.unlink()
    checkpoints = run.checkpoint(0).parent
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.write_text("no folder, so that no checkpoint can be written", encoding="utf-8")
    said = ""
    try:
        compute(experiment, folder / "run", engine=engine)
    except RunError as error:
        said = str(error)
    assert said, f"{name}: a job that is refused must be reported"
    assert len(said.splitlines()) == 1, f"{name}: a refused job must be reported in one line, not {said}"
    assert "00000.npz" in said, f"{name}: a refused job must be reported by its own line, not {said}"
