"""The number of networks trained as one batch, and of batches trained at the same time."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Outcome
from tiny import OVERRIDES

from spatialnets import Experiment, Run
from spatialnets.engines.compute import MAX_NETWORKS_ON_CPU, SHARDS, shard_size
from spatialnets.errors import UserError
from spatialnets.runs.folder import open_or_create
from spatialnets.training import capacity
from spatialnets.training.capacity import bytes_per_network, cache_bytes, cores, fitting_workers, memory_bytes

PAPER = Experiment.from_preset("sernn_paper")
MEGABYTE = 2**20


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with two cores, 16 MB of cache for each, and 24 GB of memory."""
    monkeypatch.setattr(capacity, "cores", lambda: 2)
    monkeypatch.setattr(capacity, "cache_bytes", lambda: 16 * MEGABYTE)
    monkeypatch.setattr(capacity, "memory_bytes", lambda: 24 * 2**30)
    return monkeypatch


def test_this_machine_has_cores_cache_and_memory() -> None:
    assert cores() >= 1
    assert 2**14 <= cache_bytes() <= 2**31
    free = memory_bytes()
    assert free is None or free > 2**20


def test_lists_of_processors_are_counted() -> None:
    assert [capacity._count(cpus) for cpus in ("0", "0-3", "0-3,8", "0,64")] == [1, 4, 5, 2]


def test_a_shard_of_the_paper_holds_four_networks_on_this_machine(machine: pytest.MonkeyPatch) -> None:
    assert shard_size(PAPER) == 4


def test_a_shard_of_gated_networks_holds_as_many(machine: pytest.MonkeyPatch) -> None:
    assert shard_size(PAPER.override("core=lstm")) == 4


def test_modules_whose_gradients_autograd_computes_need_more_memory() -> None:
    wrapped = "core={kind: wrapped, module_factory: 'torch.nn:LSTM'}"
    own, autograd = (bytes_per_network(PAPER.override(core).shards(4)[0], 100)[1] for core in ("core=lstm", wrapped))
    assert own < autograd


def test_shards_of_small_networks_are_larger(machine: pytest.MonkeyPatch) -> None:
    assert shard_size(PAPER.override("geometry.shape=[3,3,2]")) == MAX_NETWORKS_ON_CPU


def test_every_core_gets_a_shard(machine: pytest.MonkeyPatch) -> None:
    assert shard_size(PAPER.override("networks=2", "geometry.shape=[3,3,2]")) == 2
    machine.setattr(capacity, "cores", lambda: 16)
    assert shard_size(PAPER.override("networks=8")) == 1


def test_less_cache_gives_smaller_shards_of_at_least_one_network(machine: pytest.MonkeyPatch) -> None:
    machine.setattr(capacity, "cache_bytes", lambda: 8 * MEGABYTE)
    assert shard_size(PAPER) == 2
    machine.setattr(capacity, "cache_bytes", lambda: 2**14)
    assert shard_size(PAPER) == 1


@pytest.mark.parametrize(("networks", "size"), [(10_000, 4), (50_000, 20), (160_000, 64), (1_000_000, 64)])
def test_shards_of_a_run_of_very_many_networks_are_larger(
    machine: pytest.MonkeyPatch, networks: int, size: int
) -> None:
    large = PAPER.override(f"networks={networks}")  # of each of two groups
    assert shard_size(large) == size
    if networks <= 160_000:
        assert len(large.shards(size)) <= SHARDS
    _, needed = bytes_per_network(PAPER.ensembles[0], 100)
    machine.setattr(capacity, "memory_bytes", lambda: 20 * needed)  # the shards of two cores must fit into 60 % of it
    assert shard_size(large) == min(size, 6)


def test_a_requested_size_is_used_unless_it_is_invalid(machine: pytest.MonkeyPatch) -> None:
    assert shard_size(PAPER, 50) == 50
    with pytest.raises(UserError, match="networks per shard must be 1 or more, not 0"):
        shard_size(PAPER, 0)


def test_workers_and_shards_fit_the_memory(machine: pytest.MonkeyPatch) -> None:
    shard = PAPER.shards(4)[0]
    states, needed = bytes_per_network(shard, 100)
    assert states == 4 * 128 * 50 * 100
    assert needed > capacity.STATE_COPIES * states
    assert fitting_workers([shard], [100]) == 2
    machine.setattr(capacity, "memory_bytes", lambda: 6 * needed)  # of which a share stays free: too little for eight
    assert fitting_workers([shard], [100]) == 1
    assert shard_size(PAPER) == 1
    machine.setattr(capacity, "memory_bytes", lambda: None)
    assert fitting_workers([shard], [100]) == 2


def test_the_meaning_of_auto_is_decided_once_and_written_into_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = PAPER.override("networks=1", "training.device=auto")
    with open_or_create(auto, tmp_path / "run", lambda: 4) as (run, shards):
        assert run.plan["device"] == shards[0].training.device == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: not run.plan["device"].startswith("cuda"))
    assert auto.groups["l1"].ensembles[0].training.device_here != run.plan["device"]  # auto now means the other one
    with open_or_create(auto, tmp_path / "run", lambda: 4) as (_, again):
        assert list(again) == list(shards)


def test_an_option_sets_the_number_of_networks_per_shard(command: Callable[..., Outcome], tmp_path: Path) -> None:
    arguments = ("run", "preset=sernn_demo", *OVERRIDES, "networks=3", "--workers", "1", "--no-report", "--quiet")
    assert command(*arguments, "--out", "run", "--networks-per-shard", "2").code == 0
    assert [len(shard.networks) for shard in Run.open(tmp_path / "run").shards] == [2, 1, 2, 1]
    refused = command(*arguments, "--out", "other", "--networks-per-shard", "0")
    assert refused.code == 2
    assert "networks per shard must be 1 or more, not 0" in refused.err
