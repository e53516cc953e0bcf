"""Every installed core, together with the other components."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spatialnets import registry
from spatialnets.constraints import Dale, Mask, NoSelf
from spatialnets.cores import GRU, LIF, RNN
from spatialnets.cores.modules.rnn import RNNModule
from spatialnets.geometries import Cortex, Grid, Sphere
from spatialnets.networks.recording import rebuild, record
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Constraint, Geometry, Recurrent, RecurrentCore, Regularizer
from spatialnets.regularizers import L1, Both, Communicability, Distance
from spatialnets.tasks import OneChoice
from spatialnets.testing import check_core
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard
from spatialnets.training.trainer import Trainer

CORES = [pytest.param(name, id=name) for name in registry.names("core") if name != "imported"]
TASK = OneChoice(goal_steps=4, delay_steps=2, choice_steps=4)


REQUIRED: dict[str, dict[str, Any]] = {"wrapped": {"module_factory": "torch.nn:GRU"}}


def core_of(name: str, **fields: Any) -> RecurrentCore:
    core: RecurrentCore = registry.load("core", name)(**REQUIRED.get(name, {}), **fields)
    return core


@cache
def units(geometry: Geometry) -> StoredGeometry:
    return StoredGeometry(
        geometry.positions(),
        geometry.distances(),
        geometry.length_unit,
        steps_per_unit=geometry.steps_per_unit(),
    )


def train(
    core: RecurrentCore, regularizer: Regularizer, geometry: Geometry, epochs: int = 2, noise: float = 0.0
) -> Trainer:
    shard = Shard(
        index=0,
        group="x",
        networks=(0, 1),
        seeds=(5, 6),
        geometry="x",
        core=core,
        regularizer=regularizer,
        task=TASK,
        training=Training(
            epochs=epochs,
            trials_per_epoch=96,
            batch_size=32,
            validation_trials=64,
            learning_rate=0.01,
            recurrent_noise=noise,
        ),
    )
    trainer = Trainer(shard, units(geometry))
    for _ in range(epochs):
        trainer.run_epoch(lambda updates, epoch: None)
    return trainer


GRID, SPHERE, CORTEX = Grid((3, 2, 2)), Sphere(n=12), Cortex(source="fsaverage5_white", n=12)


@pytest.mark.parametrize("geometry", [GRID, SPHERE, CORTEX], ids=["grid", "sphere", "cortex"])
@pytest.mark.parametrize(
    "regularizer", [Distance(0.01), Communicability(0.01), Both(0.01)], ids=["distance", "communicability", "both"]
)
@pytest.mark.parametrize("name", CORES)
def test_every_core_learns_under_every_penalty_on_every_geometry(
    name: str, regularizer: Regularizer, geometry: Geometry
) -> None:
    scores = train(core_of(name), regularizer, geometry).history.scores
    assert np.isfinite(scores["loss"]).all()
    penalties = np.array(scores["penalty"])
    assert (np.diff(penalties, axis=0) < 0).all()


def test_only_paying_gates_shrink() -> None:
    trainer = train(GRU(paying_gates=("update",)), L1(10.0), GRID)
    before, after = (abs(trainer.dataset()["weights"].sel(epoch=epoch)).sum(("pre", "post")) for epoch in (0, 2))
    decrease = 1 - (after / before).mean("network")
    assert float(decrease.sel(gate="update")) > 0.2
    assert abs(float(decrease.sel(gate="reset"))) < 0.1
    assert abs(float(decrease.sel(gate="candidate"))) < 0.1


# Constraints

ALLOWED = (np.random.default_rng(0).random((12, 12)) < 0.4).astype(float)


@pytest.mark.parametrize("name", CORES)
def test_constraints_hold_after_training(name: str) -> None:
    constraints: tuple[Constraint, ...] = (Dale(0.75), Mask(source=tuple(map(tuple, ALLOWED))), NoSelf())
    trainer = train(core_of(name, constraints=constraints), L1(0.01), GRID)
    shard = trainer.dataset()
    weights = shard["weights"].to_numpy().reshape(2, 3, -1, 12, 12)
    signs = Dale(0.75).signs(12).numpy()
    assert (weights * signs[:, None] >= 0).all()
    assert (weights[..., ALLOWED == 0] == 0).all()
    assert (np.diagonal(weights, axis1=-2, axis2=-1) == 0).all()
    assert (weights[..., (ALLOWED != 0) & ~np.eye(12, dtype=bool)] != 0).mean() > 0.9
    assert not np.array_equal(weights[:, 2], weights[:, 0])
    final = trainer.ensemble.projections()["recurrent"].detach().numpy()
    np.testing.assert_array_equal(final, weights[:, 2])


# Recording


@pytest.mark.parametrize("name", CORES)
def test_stored_networks_are_rebuilt_exactly(name: str) -> None:
    core = core_of(name)
    trainer = train(core, L1(0.001), GRID)
    shard = trainer.dataset()
    recording = record(shard, 2, core, TASK, trials=30)
    inputs = torch.from_numpy(np.stack([trials.inputs for trials in recording.trials]))
    rebuilt = rebuild(shard, 2, core, TASK)
    with torch.no_grad():
        # products in a different order, over 10 steps; weights are equal
        torch.testing.assert_close(rebuilt(inputs, [9]), trainer.ensemble(inputs, [9]), rtol=0, atol=1e-5)
        states = trainer.ensemble.recurrent(inputs).numpy()
    np.testing.assert_allclose(recording.states, states, atol=1e-5)
    assert np.isfinite(states).all()
    for ours, theirs in zip(rebuilt.parameters(), trainer.ensemble.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_fixed_time_constants_are_rebuilt_from_the_seed() -> None:
    core = LIF(learn_tau=False)
    trainer = train(core, L1(0.001), GRID)
    inputs = torch.randn(2, 5, 10, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = rebuild(trainer.dataset(), 2, core, TASK)(inputs, [9]), trainer.ensemble(inputs, [9])
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)  # products in a different order, over 10 steps


def test_gates_are_stored_by_name() -> None:
    shard = train(GRU(), L1(0.001), GRID, epochs=1).dataset()
    assert shard["weights"].dims == ("network", "epoch", "gate", "pre", "post")
    assert shard["weights_input"].dims == ("network", "epoch", "gate", "input", "post")
    assert shard["gate"].to_numpy().tolist() == ["reset", "update", "candidate"]
    assert "gate" not in train(RNN(), L1(0.001), GRID, epochs=1).dataset().coords


NOISY = [name for name in registry.names("core") if registry.load("core", name).takes_noise]


@pytest.mark.parametrize("name", NOISY)
def test_recurrent_noise_changes_training(name: str) -> None:
    quiet, noisy = (train(core_of(name), L1(0.001), GRID, epochs=1, noise=noise).dataset() for noise in (0.0, 0.3))
    assert not np.array_equal(quiet["weights"].isel(epoch=1), noisy["weights"].isel(epoch=1))
    np.testing.assert_array_equal(quiet["weights"].isel(epoch=0), noisy["weights"].isel(epoch=0))


# Cores that violate the contract


class BrokenModule(RNNModule):
    defect = ""

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        if self.defect == "ignores noise":
            return super().forward(inputs)
        if self.defect == "adds a constant" and noise is not None:
            return super().forward(inputs, noise) + 0.001
        states = super().forward(inputs, noise)
        if self.defect == "mixes networks":
            return states + 0 * states.mean()
        return states


@dataclass(frozen=True)
class Broken(RNN):
    defect: str = ""

    def build(self, n_inputs: int, n_units: int, generators: Any) -> Recurrent:
        module = BrokenModule(n_inputs, n_units, generators, self.nonlinearity, self.gain)
        module.defect = self.defect
        return module

    def trace(self, states: Tensor) -> Tensor:
        match self.defect:
            case "last step only":
                return states[:, :, -1]
            case "detached":
                return states.detach()
            case "acausal":
                return states - states.mean(dim=2, keepdim=True)
        return states


@dataclass(frozen=True)
class Misnamed(RNN):
    gates = ("one", "other")


@pytest.mark.parametrize(
    ("core", "message"),
    [
        (Misnamed(), r"must have 2 gates \(one, other\), not 1"),
        (Broken(defect="ignores noise"), "noise must change states"),
        (Broken(defect="adds a constant"), "noise of 0 must not change states"),
        (Broken(defect="mixes networks"), "must not affect others"),
        (Broken(defect="last step only"), "must keep the shape"),
        (Broken(defect="detached"), "must reach|must be differentiable"),
        (Broken(defect="acausal"), "must not depend on later states"),
    ],
    ids=lambda value: getattr(value, "defect", type(value).__name__),
)
def test_check_core_detects_violations_of_the_contract(core: RecurrentCore, message: str) -> None:
    with pytest.raises((AssertionError, RuntimeError), match=message):
        check_core(core)
