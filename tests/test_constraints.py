"""Constraints on weights, and whether weights satisfy them after training."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conftest import Outcome
from tiny import CUBE, OVERRIDES, random, tiny

from spatialnets import Experiment, UserError
from spatialnets.constraints import Dale, Layers, LowRank, Mask, NoSelf
from spatialnets.cores import GRU, RNN
from spatialnets.geometries import Grid, Union
from spatialnets.networks.ensemble import Ensemble
from spatialnets.networks.recording import rebuild
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Constraint, Projection
from spatialnets.regularizers import L1
from spatialnets.testing import check_constraint
from spatialnets.training.trainer import Trainer, train

N = 8
UNITS = Projection("recurrent", (N, N), torch.tensor(CUBE.distances_in_steps()), np.repeat([0, 1], 4))
LAYERED = StoredGeometry.of(Union(areas=(Grid((2, 2)), Grid((2, 2))), across=2.0, offsets=((0, 0, 0), (0, 0, 2))))
ONES = torch.ones(1, 1, N, N, dtype=torch.float64)
PATTERN = random(N, N) > 0
ALL: list[tuple[Constraint, ...]] = [
    (Dale(),),
    (NoSelf(),),
    (Mask(source=PATTERN),),  # type: ignore[arg-type]
    (Mask(radius=1.5),),
    (LowRank(2),),
    (Layers(),),
    (Layers(feedback=True), Dale(0.5), NoSelf()),
    (Dale(), Mask(radius=3.0)),
]


def class_names(constraints: tuple[Constraint, ...]) -> str:
    return " ".join(type(each).__name__ for each in constraints)


def satisfies(constraint: Constraint, weights: torch.Tensor, projection: str = "recurrent") -> bool:
    """Return whether weights ``(…, pre, post)`` satisfy a constraint exactly."""
    matrices = weights.reshape(-1, *weights.shape[-2:]).double()
    match constraint:
        case Dale():
            return bool((matrices * constraint.signs(N)[:, None] >= 0).all())
        case NoSelf():
            return bool((torch.diagonal(matrices, dim1=1, dim2=2) == 0).all())
        case Mask() if constraint.radius is None:
            return bool((matrices[:, ~torch.tensor(PATTERN)] == 0).all())
        case Mask(radius=float(radius)):
            return bool((matrices[:, CUBE.distances_in_steps() > radius] == 0).all())
        case LowRank():
            values = torch.linalg.svdvals(matrices)
            return bool((values[:, constraint.rank :] < 1e-6 * values[:, :1]).all())  # float32 products
        case Layers():
            return bool((matrices[:, 4:, :4] == 0).all()) if not constraint.feedback else True
    raise AssertionError


# Closed forms


def test_dale_preserves_magnitudes_and_sets_signs() -> None:
    free = torch.tensor(random(1, 1, N, N))
    weights = Dale(0.75).constrained((free,), UNITS)
    assert Dale(0.75).signs(N).tolist() == [1, 1, -1, 1, 1, 1, -1, 1]
    torch.testing.assert_close(weights.abs(), free.abs())
    assert (weights[0, 0, [2, 6]] <= 0).all()


@pytest.mark.parametrize(("n_units", "excitatory"), [(100, 0.8), (10, 0.5), (7, 0.7), (400, 0.9)])
def test_inhibitory_units_have_the_given_share_and_are_spread_evenly(n_units: int, excitatory: float) -> None:
    inhibitory = np.flatnonzero(Dale(excitatory).signs(n_units).numpy() < 0)
    assert len(inhibitory) == round((1 - excitatory) * n_units)
    assert np.ptp(np.diff(inhibitory)) <= 1


@pytest.mark.parametrize("n_units", [20, 100])
def test_dale_balances_initial_weights_and_preserves_the_spectral_radius(n_units: int) -> None:
    before = torch.linalg.qr(torch.tensor(random(3, 1, n_units, n_units))).Q * 0.9
    units = Projection("recurrent", (n_units, n_units), None, np.zeros(n_units, dtype=np.int64))
    after = Dale().initial(before, units)
    radii = torch.linalg.eigvals(after).abs().amax(dim=-1)
    torch.testing.assert_close(radii, torch.full((3, 1), 0.9, dtype=torch.float64))
    signs = Dale().signs(n_units)
    excites, inhibits = (after.abs().sum(dim=-1)[..., signs == sign].sum(dim=-1) for sign in (1, -1))
    torch.testing.assert_close(excites, inhibits, rtol=0.1, atol=0)  # magnitudes of a random orthogonal matrix


def test_dale_does_not_change_the_initial_spectral_radius_of_networks() -> None:
    for gain in (1.0, 0.5):
        recurrent = Ensemble(RNN(gain=gain, constraints=(Dale(),)), 3, 20, 2, (0, 1)).projections()["recurrent"]
        radii = torch.linalg.eigvals(recurrent).abs().amax(dim=-1).detach().numpy()
        np.testing.assert_allclose(radii, gain, rtol=1e-4)  # float32


def test_no_self_removes_only_the_diagonal() -> None:
    free = torch.tensor(random(2, 3, N, N))
    weights = NoSelf().constrained((free,), UNITS)
    assert torch.equal(weights, free * (1 - torch.eye(N)))


def test_a_mask_allows_connections_where_the_source_is_neither_zero_nor_missing(tmp_path: Path) -> None:
    source = np.where(PATTERN, random(N, N, seed=1), 0)
    source[0, 0] = np.nan
    np.save(tmp_path / "mask.npy", source)
    expected = PATTERN & ~np.isnan(source)
    for value in (source, tmp_path / "mask.npy", str(tmp_path / "mask.npy")):
        weights = Mask(source=value).constrained((ONES,), UNITS)  # type: ignore[arg-type]
        np.testing.assert_array_equal(weights[0, 0].numpy() != 0, expected)


def test_mask_radius_is_in_steps_of_the_papers_grid() -> None:
    weights = Mask(radius=1.5 * CUBE.steps_per_unit).constrained((ONES,), UNITS)
    np.testing.assert_array_equal(weights[0, 0].numpy() != 0, CUBE.distances <= 1.5)
    both = Mask(source=PATTERN, radius=1.5 * CUBE.steps_per_unit)  # type: ignore[arg-type]
    weights = both.constrained((ONES,), UNITS)
    np.testing.assert_array_equal(weights[0, 0].numpy() != 0, PATTERN & (CUBE.distances <= 1.5))


def test_low_rank_starts_from_the_best_approximation() -> None:
    weights = torch.tensor(random(2, 1, N, N))
    approximation = LowRank(3).initial(weights, UNITS)
    left, values, right = torch.linalg.svd(weights)
    expected = left[..., :3] @ torch.diag_embed(values[..., :3]) @ right[..., :3, :]
    torch.testing.assert_close(approximation, expected)
    assert [each.shape for each in LowRank(3).free(weights, UNITS)] == [(2, 1, N, 3)] * 2


@pytest.mark.parametrize("feedback", [True, False])
@pytest.mark.parametrize("within", [True, False])
def test_layers_connect_to_the_next_area(feedback: bool, within: bool) -> None:
    area = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    units = replace(UNITS, parts=area)
    weights = Layers(feedback=feedback, within=within).constrained((ONES,), units)[0, 0].numpy()
    for pre in range(N):
        for post in range(N):
            step = area[post] - area[pre]
            assert weights[pre, post] == (step == 1 or (step == 0 and within) or (step == -1 and feedback))
    inputs = Projection("input", (3, N), None, area)
    into = Layers().constrained((torch.ones(1, 1, 3, N),), inputs)[0, 0].numpy()
    np.testing.assert_array_equal(into, np.tile(area == 0, (3, 1)))
    readout = Projection("readout", (N, 2), None, area)
    out = Layers().constrained((torch.ones(1, 1, N, 2),), readout)[0, 0].numpy()
    np.testing.assert_array_equal(out, np.tile(area[:, None] == 2, (1, 2)))


# Training


@pytest.mark.parametrize("core", [RNN(), GRU()], ids=["rnn", "gru"])
@pytest.mark.parametrize("constraints", ALL, ids=class_names)
def test_weights_satisfy_constraints_at_every_epoch(constraints: tuple[Constraint, ...], core: Any) -> None:
    geometry = LAYERED if any(isinstance(each, Layers) for each in constraints) else CUBE
    shard = tiny({"learning_rate": 0.01}, core=replace(core, constraints=constraints), regularizer=L1(0.01))
    data = train(shard, geometry)
    weights = torch.tensor(data["weights"].to_numpy())
    for constraint in constraints:
        assert satisfies(constraint, weights), constraint
    assert (data["weights"][:, -1] != data["weights"][:, 0]).any()
    assert (data["status"] == "trained").all()


def test_networks_learn_under_constraints() -> None:
    task = {"epochs": 8, "trials_per_epoch": 960, "learning_rate": 0.01}
    data = train(tiny(task, core=RNN(constraints=(NoSelf(), Dale()))), CUBE)
    assert (data["loss"][:, -1] < 0.8 * data["loss"][:, 1]).all()


@pytest.mark.parametrize("constraints", ALL, ids=class_names)
def test_a_network_can_be_rebuilt_from_stored_data(constraints: tuple[Constraint, ...]) -> None:
    geometry = LAYERED if any(isinstance(each, Layers) for each in constraints) else CUBE
    shard = tiny(core=RNN(constraints=constraints))
    trainer = Trainer(shard, geometry)
    trainer.run_epoch(lambda updates, epoch: None)
    again = rebuild(trainer.dataset(), 1, shard.core, shard.task)
    inputs = trainer.training_trials.batch(0, 4).inputs
    with torch.no_grad():
        torch.testing.assert_close(again(inputs, [4]), trainer.ensemble(inputs, [4]))


@pytest.mark.parametrize("constraints", ALL, ids=class_names)
def test_interrupted_training_continues_bit_for_bit(constraints: tuple[Constraint, ...], tmp_path: Path) -> None:
    geometry = LAYERED if any(isinstance(each, Layers) for each in constraints) else CUBE
    shard = tiny(core=RNN(constraints=constraints))
    first = Trainer(shard, geometry)
    first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(shard, geometry).identical(train(shard, geometry, tmp_path / "checkpoint.npz"))


def test_a_mask_of_all_connections_changes_nothing() -> None:
    double = {"precision": "float64"}
    plain = train(tiny(double), CUBE)
    masked = train(tiny(double, core=RNN(constraints=(Mask(source=np.ones((N, N))),))), CUBE)  # type: ignore[arg-type]
    np.testing.assert_allclose(masked["weights"], plain["weights"], rtol=1e-6, atol=1e-8)  # stored as float32


# Errors


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ((NoSelf(), LowRank(2)), "a constraint that is learned as factors must come first"),
        ((LowRank(2), Mask(source=PATTERN)), "cannot be combined: a later one violates LowRank"),  # type: ignore[arg-type]
        ((LowRank(2), Dale()), "cannot be combined: a later one violates LowRank"),
        ((Dale(0.99),), "both types of units are needed"),
        ((LowRank(9),), "at most the number of units, 8, not 9"),
        ((Layers(),), "two or more areas"),
        ((Mask(source=np.ones((3, 3))),), "source has 3 units; the network has 8"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_impossible_constraints_are_refused(constraints: tuple[Constraint, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Trainer(tiny(core=RNN(constraints=constraints)), CUBE)


def test_invalid_parameters_are_refused() -> None:
    for share in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="excitatory must be more than 0"):
            Dale(share)
    with pytest.raises(ValueError, match="rank must be 1 or more"):
        LowRank(0)
    with pytest.raises(ValueError, match="mask needs source"):
        Mask()
    for radius in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="radius must be positive"):
            Mask(radius=radius)


# Experiments


def test_constraints_can_be_declared_saved_and_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", PATTERN.astype(float))
    words = (
        "geometry.shape=[2, 2, 2]",
        f"core.constraints=[{{kind: dale, excitatory: 0.5}}, {{kind: mask, source: {tmp_path / 'mask.npy'}}}, "
        "{kind: no_self}]",
    )
    experiment = Experiment.from_preset("sernn_demo").override(*words, *OVERRIDES)
    run = experiment.run(tmp_path / "run", workers=1, report=False)
    group = next(iter(run.groups))
    core = experiment.groups[group].ensembles[0].core
    assert core.constraints == (Dale(0.5), Mask(source=str(tmp_path / "mask.npy")), NoSelf())
    again = Experiment.from_yaml(run.folder / "experiment.yaml")
    assert again.digest == experiment.digest
    assert again.groups[group].ensembles[0].core == core
    weights = torch.tensor(run[group]["weights"].to_numpy())
    assert all(satisfies(constraint, weights) for constraint in (Dale(0.5), Mask(source=PATTERN), NoSelf()))  # type: ignore[arg-type]


def test_errors_in_constraints_name_their_location(command: Callable[..., Outcome]) -> None:
    outcome = command("validate", "preset=sernn_demo", "core.constraints=[{kind: dale, exitatory: 0.5}]")
    assert outcome.code == 2
    assert "core.constraints.0.exitatory: unknown key: did you mean 'excitatory'?" in outcome.err


# The contract


@dataclass(frozen=True)
class Faulty(Constraint):
    fault: str = ""
    projections: ClassVar[tuple[str, ...]] = ("recurrent",)

    def constrained(self, free: tuple[torch.Tensor, ...], projection: Projection) -> torch.Tensor:
        (weights,) = free
        match self.fault:
            case "shape":
                return weights[..., :-1]
            case "halving":
                return weights / 2
            case "mixes networks":
                return weights * torch.where(weights.sum() > 0, 1, 0) if len(weights) > 1 else weights
            case "gates":
                return weights.mean(dim=1, keepdim=True).expand_as(weights)
            case "detached":
                return weights.detach() + 0 * weights
            case "infinite":
                return weights / 0
        return weights

    def initial(self, weights: torch.Tensor, projection: Projection) -> torch.Tensor:
        return weights[:1] if self.fault == "initial" else super().initial(weights, projection)


@dataclass(frozen=True)
class BadProjection(Faulty):
    projections: ClassVar[tuple[str, ...]] = ("feedback",)


@dataclass(frozen=True)
class BadInitial(Constraint):
    """A constraint whose initial weights violate it."""

    def constrained(self, free: tuple[torch.Tensor, ...], projection: Projection) -> torch.Tensor:
        return free[0].abs()

    def initial(self, weights: torch.Tensor, projection: Projection) -> torch.Tensor:
        return -weights.abs()


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (Faulty("shape"), r"constrained\(\) must have shape"),
        (Faulty("halving"), "weights that satisfy the constraint must not change"),
        (Faulty("mixes networks"), "must not depend on other networks|must not change"),
        (Faulty("gates"), "must not depend on other gates"),
        (Faulty("detached"), "the gradient must reach all free parameters"),
        (Faulty("infinite"), "must be finite"),
        (Faulty("initial"), r"initial\(\) must have shape"),
        (BadInitial(), r"initial\(\) must satisfy the constraint"),
        (BadProjection(), "projections must be some of recurrent, input, readout, not feedback"),
    ],
    ids=str,
)
def test_check_constraint_rejects_violations_of_the_contract(constraint: Constraint, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_constraint(constraint)


def test_check_constraint_accepts_a_valid_constraint() -> None:
    check_constraint(Faulty())
