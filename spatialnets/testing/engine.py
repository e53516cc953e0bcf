"""The contract of engines."""

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

OVERRIDES = (
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
    """Counts the progress that it is given."""

    total: int = 0
    done: int = 0

    def begin(self, total: int, done: int, label: str, what: str = "updates") -> None:
        self.total, self.done = total, done

    def advance(self, count: int, status: str) -> None:
        self.done += count


@dataclass(frozen=True)
class _Recorder(Engine):
    """Records the jobs that it passes on to another engine."""

    inner: Engine | None = None
    received: tuple[list[str], ...] = ()

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        assert self.inner is not None
        self.received[0].extend(job.key for job in jobs)
        self.inner.do(run, jobs, progress)


def check_engine(engine: Engine, folder: Path) -> None:
    """Check that an engine satisfies its contract.

    - All jobs are done when it returns, with results identical to those of `Here` in this process.
    - Progress reaches its total.
    - Stored results are not computed again.
    - A job that fails is reported in one line, as a `RunError`.

    Parameters
    ----------
    engine
        Any engine that waits for its jobs.
    folder
        An empty folder, which is accessible wherever the engine does its jobs.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     check_engine(Here(workers=1), Path(folder))
    """
    name, progress = type(engine).__name__, _Counted()
    experiment = Experiment.from_preset("sernn_demo").override(*OVERRIDES)
    alone = compute(experiment, folder / "alone", networks_per_shard=2, engine=Here(workers=1))
    received: list[str] = []
    recorder = _Recorder(inner=engine, received=(received,))
    run = compute(experiment, folder / "run", None, progress, networks_per_shard=2, engine=recorder)
    assert received == [f"shard-{shard.index:05d}" for shard in alone.shards]
    for one, other in zip(alone.shards, run.shards, strict=True):
        assert other.done, f"{name}: shard {other.index} must be done when do() returns"
        same = one.load().identical(other.load())
        assert same, f"{name}: shard {other.index} must be identical to that of Here"
    assert progress.done == progress.total, f"{name}: progress must reach {progress.total}, not {progress.done}"

    before = {shard.index: shard.path.stat().st_mtime_ns for shard in run.shards[1:]}
    run.shards[0].path.unlink()
    compute(experiment, folder / "run", engine=engine)
    after = {shard.index: shard.path.stat().st_mtime_ns for shard in run.shards[1:]}
    assert run.shards[0].done, f"{name}: a lost shard must be computed again"
    assert after == before, f"{name}: stored shards must not be computed again"

    run.shards[0].path.unlink()
    checkpoints = run.checkpoint(0).parent
    shutil.rmtree(checkpoints, ignore_errors=True)
    checkpoints.write_text("a file, so that no checkpoint can be written", encoding="utf-8")
    message = ""
    try:
        compute(experiment, folder / "run", engine=engine)
    except RunError as error:
        message = str(error)
    assert message, f"{name}: a failed job must raise a RunError"
    assert len(message.splitlines()) == 1, f"{name}: a failed job must be reported in one line, not {message}"
    assert run.checkpoint(0).stem in message, (
        f"{name}: a failed job must be reported with its own message, not {message}"
    )
