"""The simulation of large runs drives real engines, and the model of their costs computes what its page shows."""

from dataclasses import replace
from pathlib import Path

import costs
import nothing
import pytest
import simulation
from costs import Cluster, Work

from spatialnets import Run
from spatialnets.engines.claim import refused_jobs
from spatialnets.engines.orders import read_order, train_jobs, write_orders
from spatialnets.engines.slurm import commands
from spatialnets.errors import RunError

WORK = Work("a hundred networks", 100, seconds=2.0, gibibytes=(1.0, 0.5), megabytes=20.0)
CLUSTER = Cluster(
    nodes=2,
    cores=4,
    gibibytes=10.0,
    start=3.0,
    stays=False,
    starts=10.0,
    driver=0.01,
    changes=9.0,
    changes_per_second=1000.0,
    files=3,
    report=(1.0, 0.5, 0.02),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose twenty shards of nothing were stored by a worker process."""
    folder = tmp_path_factory.mktemp("scaling") / "run"
    simulation.prepare(folder)
    figures = simulation.drive("processes", folder, 20, workers=1)
    assert all(value > 0 for value in figures.values())
    return Run.open(folder)


def test_every_shard_of_nothing_holds_the_network_that_the_plan_expects(run: Run) -> None:
    assert run.finished
    assert [shard.load()["network"].item() for shard in run.shards] == list(range(20))


def test_a_shard_leaves_its_file_and_a_checksum_and_nothing_else(run: Run) -> None:
    assert len(list((run.folder / "shards").iterdir())) == 2 * 20
    assert not list((run.folder / "engine").rglob("*shard*"))
    assert not list((run.folder / "checkpoints").glob("*"))


def test_a_folder_written_by_hand_is_a_finished_run(run: Run, tmp_path: Path) -> None:
    nothing.prepared_file(tmp_path / "run").write_bytes(nothing.prepared_file(run.folder).read_bytes())
    simulation.by_hand(tmp_path / "run", 3)
    again = Run.open(tmp_path / "run")
    assert again.finished
    for shard, other in zip(again.shards, run.shards, strict=False):
        shard.check()
        assert shard.path.read_bytes() == other.path.read_bytes()


def test_the_stand_in_does_one_line_of_a_file_of_orders(run: Run, tmp_path: Path) -> None:
    orders = write_orders(run, train_jobs(run, [3, 12]))
    content = run.shards[12].path.read_bytes()
    run.shards[12].path.unlink()
    nothing.main(["-m", "spatialnets", "work", str(run.folder), "--orders", str(orders), "--line", "1"])
    assert run.shards[12].path.read_bytes() == content
    orders.unlink()


def test_a_process_reads_only_its_own_line_of_a_file_of_orders(run: Run) -> None:
    path = write_orders(run, train_jobs(run, range(20)))
    lines = path.read_bytes().splitlines()
    assert len({len(line) for line in lines}) == 1
    path.write_bytes(b"\n".join(b"?" * len(line) if place != 7 else line for place, line in enumerate(lines)) + b"\n")
    assert read_order(path, 7) == {"shard": 7}  # although all others are damaged
    with pytest.raises(RunError, match="line 8 of .* is not a valid order"):
        read_order(path, 8)
    for line in (-1, 20):
        with pytest.raises(RunError, match=f"has lines 0 to 19; there is no line {line}"):
            read_order(path, line)
    path.write_bytes(b"")
    with pytest.raises(RunError, match="there is no line 0"):
        read_order(path, 0)
    path.unlink()


def test_refused_jobs_are_found_in_one_listing(run: Run) -> None:
    assert refused_jobs(run) == set()
    folder = run.folder / "engine" / "refused"
    folder.mkdir(exist_ok=True)
    (folder / "shard-00003.txt").write_text("no memory\n", encoding="utf-8")
    assert refused_jobs(run) == {"shard-00003"}


@pytest.mark.parametrize(
    ("configuration", "size"),
    [
        ("MaxArraySize            = 4001\nSchedulerParameters     = (null)\n", 4001),
        ("MaxArraySize            = 1001\nSchedulerParameters     = bf_interval=1,max_array_tasks=1000\n", 1000),
        ("MaxArraySize            = 4\nSchedulerParameters     = max_array_tasks=1000,bf_interval=1\n", 4),
        ("ClusterName             = max_array_tasks=7\n", commands.DEFAULT_MAX_ARRAY_SIZE),
    ],
)
def test_an_array_of_slurm_keeps_to_both_limits_of_the_cluster(
    monkeypatch: pytest.MonkeyPatch, configuration: str, size: int
) -> None:
    monkeypatch.setattr(commands, "_run", lambda *words: configuration)
    assert commands.max_array_size() == size


def test_the_model_agrees_with_a_computation_by_hand() -> None:
    cost = costs.cost_of(WORK, CLUSTER, 4)
    # a shard of four takes 1 + 3 x 0.5 = 2.5 GiB, so that four fit a node; 25 shards in rounds of eight, the last of
    # which starts after three rounds of 3 + 4 x 2 = 11 s
    assert (cost.shards, cost.processes, cost.limit) == (25, 8, "cores")
    assert cost.seconds == pytest.approx(3 * 11 + 11)
    assert cost.core_hours == pytest.approx((100 * 2 + 25 * 3) / 3600)
    assert cost.report == pytest.approx(1 + 25 * 0.5 + 100 * 0.02)
    assert (cost.gigabytes, cost.files) == (2.0, 75)


@pytest.mark.parametrize(
    ("change", "limit", "seconds"),
    [
        ({"starts": 0.5}, "scheduler", 24 / 0.5 + 11),
        ({"driver": 3.0}, "driver", 24 * 3 + 11),
        ({"changes_per_second": 4.5}, "file system", 24 * 2 + 11),
        ({"gibibytes": 2.6}, "cores", 12 * 11 + 11),  # one shard per node
        ({"stays": True}, "cores", 3 * 8 + 8 + 3),  # each process starts once
        ({"nodes": 7}, "one shard", 2.4 + 11),  # the scheduler starts the last one 2.4 s after the first
    ],
)
def test_the_slowest_part_decides_how_long_a_run_takes(change: dict[str, float], limit: str, seconds: float) -> None:
    cost = costs.cost_of(WORK, replace(CLUSTER, **change), 4)  # type: ignore[arg-type]
    assert cost.limit == limit
    assert cost.seconds == pytest.approx(seconds)


def test_the_best_number_of_networks_per_shard_balances_the_scheduler_and_the_cores() -> None:
    slow = replace(CLUSTER, nodes=1000, starts=1.0)
    times = {size: costs.cost_of(WORK, slow, size).seconds for size in costs.SIZES}
    # n networks per shard take about 100 / n + 2 n seconds, which is least at the square root of 50
    assert costs.best_size(WORK, slow) == min(times, key=lambda size: times[size]) == 8


def test_the_page_shows_what_the_model_computes() -> None:
    page = (Path(__file__).parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")
    for table in costs.tables(costs.constants_of()).split("\n\n"):
        assert table in page
