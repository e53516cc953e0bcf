"""Plans by rule: the division of networks into shards, and runs of a hundred thousand shards made by hand."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialnets import Experiment, Run, RunError, UserError
from spatialnets.engines.driver import register_driver
from spatialnets.engines.job import one_per_ensemble
from spatialnets.engines.local import Here
from spatialnets.engines.orders import train_jobs, write_orders
from spatialnets.engines.status import status_of
from spatialnets.engines.train_job import results_of
from spatialnets.files.atomic import write_checked
from spatialnets.runs.folder import begin, open_or_create, write_plan
from spatialnets.runs.plan import MAX_PLANNED_NETWORKS, MAX_SHARDS, indices_in, plan_of
from spatialnets.runs.shards import ShardRecord
from spatialnets.training.checkpoint import HistoryMark, write_checkpoint
from spatialnets.training.shard import Division

PAPER = Experiment.from_preset("sernn_paper")


@given(st.lists(st.integers(1, 30), max_size=6), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_a_division_is_that_of_a_loop_over_ensembles(lengths: list[int], size: int) -> None:
    expected = [
        (place, tuple(range(length))[start : start + size])
        for place, length in enumerate(lengths)
        for start in range(0, length, size)
    ]
    division = Division(
        list(enumerate(lengths)), lengths, size, lambda index, one, part: (one[0], tuple(range(one[1]))[part])
    )
    assert list(division) == [division[index] for index in range(len(division))] == expected
    assert list(division[1:]) == expected[1:]
    if expected:
        assert division[-1] == expected[-1]
    everything = list(range(len(expected)))
    assert division.places(everything).tolist() == [place for place, _ in expected]
    assert division.sizes(everything).tolist() == [len(part) for _, part in expected]
    with pytest.raises(IndexError):
        division[len(expected)]


@pytest.mark.parametrize(
    "overrides",
    [
        ("networks=7",),
        ("networks=5", "task.delay_steps=list(5, 10)"),
        ("networks=1", "training.input_noise=list(0.1, 0.2, 0.3)", "task.delay_steps=list(5, 10, 5)"),
        ("networks=2", "regularizer.strength=list(0.1, 0.2)", "core.gain=list(1.0, 2.0)", "seed=range(2)"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 16])
def test_the_shards_of_a_stored_plan_are_those_of_the_experiment(
    overrides: tuple[str, ...], size: int, tmp_path: Path
) -> None:
    experiment = PAPER.override(*overrides)
    with open_or_create(experiment, tmp_path / "run", lambda: size) as (_, shards):
        stored = Run.open(tmp_path / "run").shards
        assert [(each.index, each.group, each.networks, each.geometry) for each in stored] == [
            (each.index, each.group, each.networks, each.geometry) for each in shards
        ]
        assert list(shards) == list(experiment.shards(size))
        for name, group in experiment.groups.items():
            numbers = [number for each in stored if each.group == name for number in each.networks]
            assert sorted(numbers) == list(range(group.networks))


def test_a_plan_of_any_number_of_networks_takes_less_than_a_kilobyte(tmp_path: Path) -> None:
    write_plan(begin(PAPER.override("networks=1000000"), tmp_path, 16))
    assert (tmp_path / "plan.json").stat().st_size < 1000
    shards = Run.open(tmp_path).shards
    assert len(shards) == 2 * math.ceil(10**6 / 16)
    assert shards[-1].networks == tuple(range(999_984, 1_000_000))
    assert shards[-1].path.name == "124999.nc"


def test_more_shards_than_can_be_planned_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2,000,000 shards; expected at most 1,000,000: ask for more networks"):
        begin(PAPER.override("networks=1000000"), tmp_path / "run", 1)
    assert not (tmp_path / "run").exists()
    assert MAX_SHARDS < 2 * 10**6 <= MAX_PLANNED_NETWORKS


def test_a_plan_that_divides_the_networks_otherwise_is_refused_for_training(tmp_path: Path) -> None:
    run = begin(PAPER.override("networks=4"), tmp_path, 2)
    write_plan(run)
    plan = plan_of(tmp_path)
    plan["ensembles"].reverse()
    write_checked(tmp_path / "plan.json", json.dumps(plan).encode())
    with pytest.raises(RunError, match=r"plan\.json divides other networks than experiment\.yaml declares"):
        train_jobs(Run.open(tmp_path), [0])


def touch(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch()


def test_files_of_shards_are_found_by_their_exact_names(tmp_path: Path) -> None:
    for name in ("00003.nc", "00000.nc", "123456.nc", "012345.nc", "3.nc", "00004.nc.sha256", ".00005.nc.9.tmp"):
        touch(tmp_path / "shards" / name)
    (tmp_path / "shards" / "00007.nc").symlink_to("absent")
    (tmp_path / "shards" / "00008.nc").symlink_to("00003.nc")
    assert indices_in(tmp_path / "shards", ".nc") == [0, 3, 8, 123456]
    assert indices_in(tmp_path / "absent", ".nc") == []


FINISHED = (0, 1, 4, 6, 7)  # shard 4 is the smaller last one of the first group
UPDATES = PAPER.override("training.epochs=3").updates // PAPER.networks


@pytest.fixture
def partly_done(tmp_path: Path) -> Run:
    """Return a run of ten shards, of which five are finished, and three others and one finished one have begun."""
    run = begin(PAPER.override("networks=18", "training.epochs=3"), tmp_path, 4)
    write_plan(run)
    for index in FINISHED:
        touch(run.shards[index].path)
    for index in (2, 7, 8, 9):
        write_checkpoint(run.checkpoint(index), {"updates": 50}, {"a": np.zeros(3)}, [], HistoryMark())
    return Run.open(tmp_path)


def test_the_status_counts_what_is_finished_begun_and_missing(partly_done: Run) -> None:
    assert [shard.index for shard in partly_done.missing] == [2, 3, 5, 8, 9]
    status = status_of(partly_done)
    assert (status.networks, status.of, status.shards) == (4 + 4 + 2 + 4 + 4, 36, 10)
    assert [(each.shard, each.group, each.updates, each.of, each.epoch) for each in status.begun] == [
        (index, group, 50, 120, 2) for index, group in ((2, "sernn"), (8, "l1"), (9, "l1"))
    ]
    assert status.stored_seconds_ago is not None
    assert status.stored_seconds_ago < 60


def test_the_remaining_time_follows_from_finished_and_begun_shards(
    partly_done: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatialnets.engines.status.MIN_SECONDS", 0.0)
    total = 36 * UPDATES
    done = 18 * UPDATES + 50 * (4 + 4 + 2)
    with register_driver(partly_done, Here(), total, 0, "updates"):
        note = partly_done.folder / "engine" / "engine.json"
        content = json.loads(note.read_text())
        note.write_text(json.dumps({**content, "since": "2026-01-01T00:00:00+00:00"}))
        left = status_of(partly_done).left_seconds
    since = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    assert left == pytest.approx((total - done) / done * since, rel=1e-3)  # months, and seconds between two clocks


def test_results_of_many_jobs_are_those_of_each_job(partly_done: Run) -> None:
    jobs = train_jobs(partly_done, list(range(10)))
    assert results_of(partly_done, jobs) == [(job.done(partly_done), job.progress(partly_done)) for job in jobs]
    assert [job.record.index for job in one_per_ensemble(partly_done, jobs[2:])] == [2, 5]


class Counted:
    """Counts the records that are built, and the files that are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records = self.questions = 0
        initialise, exists = ShardRecord.__init__, Path.exists

        def record(*arguments: Any, **fields: Any) -> None:
            self.records += 1
            initialise(*arguments, **fields)

        def question(path: Path) -> bool:
            self.questions += 1
            return exists(path)

        monkeypatch.setattr(ShardRecord, "__init__", record)
        monkeypatch.setattr(Path, "exists", question)


def test_the_status_of_a_hundred_thousand_shards_asks_for_few_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(PAPER.override("networks=800000"), tmp_path, 16)
    write_plan(run)
    for index in range(0, 100_000, 1000):
        touch(tmp_path / "shards" / f"{index:05d}.nc")
    write_checkpoint(run.checkpoint(7), {"updates": 50}, {"a": np.zeros(3)}, [], HistoryMark())
    counted = Counted(monkeypatch)
    status = status_of(Run.open(tmp_path))
    assert (status.networks, status.of, status.shards) == (1600, 1_600_000, 100_000)
    assert counted.records < 10
    assert counted.questions < 100


def test_orders_for_many_shards_check_the_components_of_each_ensemble_once(
    partly_done: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    monkeypatch.setattr("spatialnets.engines.orders.require_importable", lambda job, name: checked.append(name))
    write_orders(partly_done, train_jobs(partly_done, list(range(10))))
    assert checked == ["shard 0 (group 'sernn')", "shard 5 (group 'l1')"]
