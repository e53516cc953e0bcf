"""The choice between methods of multiplying matrices: measured once, stored in the plan, followed by every process."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import Outcome
from tiny import OVERRIDES

from spatialnets import Experiment, Run
from spatialnets.engines.compute import block_units, compute, estimate_seconds
from spatialnets.engines.local import Processes
from spatialnets.errors import RunError, UserError
from spatialnets.graph import product_choice, product_speed, products
from spatialnets.graph.product_choice import Products, choose_block_units
from spatialnets.graph.product_speed import measure_products
from spatialnets.graph.products import add_products, block_kernel
from spatialnets.progress import NoProgress

needs_kernel = pytest.mark.skipif(block_kernel() is None, reason="this version of PyTorch has no such kernel here")
EIGHT_UNITS = Experiment.from_preset("sernn_demo").override(*OVERRIDES, "geometry.shape=[2, 2, 2]", "training.epochs=2")


class Measurement:
    """A measurement in which the block kernel is so many times as fast as PyTorch's products."""

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self.measured: list[int] = []

    def __call__(self, units: int) -> dict[str, float]:
        self.measured.append(units)
        return {"block": 1e-3, "torch": self.ratio * 1e-3}


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[float], Measurement]:
    """Replace the measurement, and pretend that the machine has the kernel; in an empty cache."""
    monkeypatch.setenv("SPATIALNETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(product_speed, "block_kernel", lambda: add_products)

    def replace(ratio: float) -> Measurement:
        measurement = Measurement(ratio)
        monkeypatch.setattr(product_speed, "measure_products", measurement)
        return measurement

    return replace


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The calls of the block kernel from now on."""
    kernel, recorded = block_kernel(), list[tuple[object, ...]]()

    def record(*arguments: object) -> None:
        recorded.append(arguments)
        assert kernel is not None
        kernel(*arguments)

    monkeypatch.setattr(products, "block_kernel", lambda: record)
    return recorded


def same_weights(one: Run, other: Run) -> bool:
    return all(one[group].identical(other[group]) for group in one.groups)


@pytest.mark.parametrize(("ratio", "chosen"), [(0.5, []), (1.0, []), (1.05, []), (1.2, [100]), (2.0, [100])])
def test_the_kernel_is_chosen_if_it_is_at_least_ten_percent_faster(
    measure: Callable[[float], Measurement], ratio: float, chosen: list[int]
) -> None:
    measure(ratio)
    assert choose_block_units([100]) == chosen


def test_each_number_of_units_is_measured_once_for_each_processor_and_setting(
    measure: Callable[[float], Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure(2.0)
    assert choose_block_units([360, 100, 100]) == [100, 360]
    assert first.measured == [100, 360]
    second = measure(0.5)
    assert choose_block_units([100]) == [100]  # as cached
    assert not second.measured
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # makes no difference to one thread
    assert choose_block_units([100]) == [100]
    monkeypatch.setenv("MKL_ENABLE_INSTRUCTIONS", "AVX2")
    assert choose_block_units([100]) == []
    monkeypatch.delenv("MKL_ENABLE_INSTRUCTIONS")
    monkeypatch.setattr(product_choice, "version", lambda name: "3.0")
    assert choose_block_units([100]) == []
    assert second.measured == [100, 100]


def test_matrices_that_outgrow_the_cache_are_left_to_pytorch_without_a_measurement(
    measure: Callable[[float], Measurement],
) -> None:
    measurement = measure(2.0)
    assert choose_block_units([1024, 1025, 10_000]) == [1024]
    assert measurement.measured == [1024]


def test_the_user_overrides_the_measurement(
    measure: Callable[[float], Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    measurement = measure(2.0)
    assert choose_block_units([100, 2000], "torch") == []
    monkeypatch.setattr(products, "block_kernel", lambda: add_products)
    assert choose_block_units([100, 2000], "block") == [100, 2000]
    assert not measurement.measured
    with pytest.raises(UserError, match="products must be auto, block or torch, not 'fast'"):
        choose_block_units([100], "fast")  # type: ignore[arg-type]


@needs_kernel
def test_a_run_keeps_its_plan_and_says_what_it_ignores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = compute(EIGHT_UNITS, tmp_path / "run", workers=1, networks_per_shard=2, products="torch")
    compute(EIGHT_UNITS, tmp_path / "run", workers=1, networks_per_shard=2, products="torch")
    assert not capsys.readouterr().err
    again = compute(EIGHT_UNITS, tmp_path / "run", workers=1, networks_per_shard=1, products="block")
    assert again.plan == first.plan
    warning = capsys.readouterr().err
    assert "began with 2 networks per shard; 1 is ignored" in warning
    assert "products=block is ignored" in warning


@pytest.mark.parametrize("units", [0, -4])
def test_numbers_of_units_below_1_are_refused(units: int) -> None:
    for method in ("auto", "block", "torch"):
        with pytest.raises(ValueError, match=f"units must be 1 or more, not {units}"):
            choose_block_units([units], method)
    with pytest.raises(ValueError, match=f"units must be 1 or more, not {units}"), products.block_products([units]):
        pass


def test_without_the_kernel_pytorch_is_chosen_and_block_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPATIALNETS_CACHE", str(tmp_path))
    for module in (product_speed, products):
        monkeypatch.setattr(module, "block_kernel", lambda: None)
    assert choose_block_units([100]) == []
    with pytest.raises(UserError, match="does not have .* on this machine; write --products torch"):
        choose_block_units([100], "block")


@needs_kernel
def test_both_methods_are_measured_with_real_products(calls: list[tuple[object, ...]]) -> None:
    seconds = measure_products(30)
    assert set(seconds) == {"block", "torch"}
    assert all(0 < value < 1 for value in seconds.values())
    assert calls


def test_only_networks_in_single_precision_on_a_cpu_are_measured(measure: Callable[[float], Measurement]) -> None:
    measurement = measure(2.0)
    assert block_units(EIGHT_UNITS) == [8]
    assert block_units(EIGHT_UNITS.override("training.precision=float64")) == []
    assert block_units(EIGHT_UNITS.override("training.device=cuda")) == []
    assert measurement.measured == [8]


@needs_kernel
@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_the_estimated_time_is_that_of_the_method_that_a_run_would_use(
    measure: Callable[[float], Measurement], calls: list[tuple[object, ...]], ratio: float
) -> None:
    measure(ratio)
    assert estimate_seconds(EIGHT_UNITS, workers=1) > 0
    assert bool(calls) == (ratio > 1)


@needs_kernel
@pytest.mark.parametrize("chosen", ["block", "torch"])
def test_a_continued_run_follows_its_plan_whatever_is_faster_now(
    measure: Callable[[float], Measurement], calls: list[tuple[object, ...]], tmp_path: Path, chosen: Products
) -> None:
    class Stop(Exception):
        pass

    class Stopping(NoProgress):
        def advance(self, count: int, status: str) -> None:
            if "epoch 2" in status:
                raise Stop

    measure(2.0 if chosen == "block" else 0.5)
    whole = compute(EIGHT_UNITS, tmp_path / "whole", workers=1)
    assert whole.plan["block_products"] == ([8] if chosen == "block" else [])
    with pytest.raises(Stop):
        compute(EIGHT_UNITS, tmp_path / "run", workers=1, progress=Stopping())
    calls.clear()
    measurement = measure(1.0)
    (tmp_path / "cache").rename(tmp_path / "of another machine")
    run = compute(EIGHT_UNITS, tmp_path / "run", workers=1)
    assert bool(calls) == (chosen == "block")
    assert not measurement.measured
    assert run.plan["block_products"] == whole.plan["block_products"]
    assert same_weights(run, whole)


@needs_kernel
def test_worker_processes_follow_the_plan(tmp_path: Path) -> None:
    alone = compute(EIGHT_UNITS, tmp_path / "alone", workers=1, products="block", networks_per_shard=1)
    run = compute(EIGHT_UNITS, tmp_path / "run", products="block", networks_per_shard=1, engine=Processes(workers=2))
    assert run.plan["block_products"] == [8]
    assert same_weights(run, alone)


@needs_kernel
def test_a_machine_without_the_kernel_refuses_a_plan_that_names_it(
    command: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = ("preset=sernn_demo", *OVERRIDES, "geometry.shape=[2, 2, 2]", "--workers", "1", "--no-report", "--quiet")
    assert command("run", *declared, "--out", "run", "--products", "block").code == 0
    assert Run.open("run").plan["block_products"] == [8]
    for shard in Run.open("run").shards:
        shard.path.unlink()
    monkeypatch.setattr(products, "block_kernel", lambda: None)
    for words in (("work", "run", "0"), ("run", *declared, "--out", "run")):
        refused = command(*words)
        assert refused.code == 2
        assert "networks of 8 units are to be trained with oneDNN's block kernel" in refused.err
        assert "begin it again in another folder with --products torch" in " ".join(refused.err.split())
    assert command("run", *declared, "--out", "other", "--products", "torch").code == 0
    assert command("run", *declared, "--out", "third", "--products", "fast").code == 2


def test_a_plan_without_the_choice_opens_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    run = compute(EIGHT_UNITS, tmp_path / "run", workers=1, products="torch")
    path = run.folder / "plan.json"
    plan = json.loads(path.read_text())

    def write(content: object) -> None:
        path.write_text(json.dumps(content))
        digest = path.with_name("plan.json.sha256")
        digest.write_text(
            digest.read_text().replace(digest.read_text().split()[0], sha256(path.read_bytes()).hexdigest())
        )

    assert plan.pop("block_products") == []
    write(plan)
    assert Run.open(run.folder).plan["block_products"] == []
    for damaged in ("yes", [-1], [0], ["8"], {"8": 1}):
        write({**plan, "block_products": damaged})
        with pytest.raises(RunError, match="it has no valid block_products"):
            Run.open(run.folder)
