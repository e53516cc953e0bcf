"""What weights may be, and that they are it after training."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conftest import Outcome
from tiny import CUBE, WORDS, random, tiny

from spatialnets import Experiment, UserError
from spatialnets.constraints import Dale, Layers, LowRank, Mask, NoSelf
from spatialnets.cores import GRU, RNN
from spatialnets.geometries import Grid, Union
from spatialnets.networks.ensemble import Ensemble
from spatialnets.networks.recording import rebuild
from spatialnets.protocols import Constraint, Projection
from spatialnets.regularizers import L1
from spatialnets.runs.folder import stored
from spatialnets.testing import check_constraint
from spatialnets.training.trainer import Trainer, train

N = 8
UNITS = Projection("recurrent", (N, N), torch.tensor(CUBE.costs), np.repeat([0, 1], 4))
LAYERED = stored(Union(areas=(Grid((2, 2)), Grid((2, 2))), across=2.0, offsets=((0, 0, 0), (0, 0, 2))))
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


def names(constraints: tuple[Constraint, ...]) -> str:
    return " ".join(type(each).__name__ for each in constraints)


def keeps(constraint: Constraint, weights: torch.Tensor, projection: str = "recurrent") -> bool:
    """Tell whether weights ``(…, pre, post)`` are exactly as a constraint wants them."""
    matrices = weights.reshape(-1, *weights.shape[-2:]).double()
    match constraint:
        case Dale():
            return bool((matrices * constraint.signs(N)[:, None] >= 0).all())
        case NoSelf():
            return bool((torch.diagonal(matrices, dim1=1, dim2=2) == 0).all())
        case Mask() if constraint.radius is None:
            return bool((matrices[:, ~torch.tensor(PATTERN)] == 0).all())
        case Mask(radius=float(radius)):
            return bool((matrices[:, CUBE.costs > radius] == 0).all())
        case LowRank():
            values = torch.linalg.svdvals(matrices)
            return bool((values[:, constraint.rank :] < 1e-6 * values[:, :1]).all())  # float32 products
        case Layers():
            return bool((matrices[:, 4:, :4] == 0).all()) if not constraint.feedback else True
    raise AssertionError


# Closed forms


def test_dale_keeps_magnitudes_and_gives_signs() -> None:
    free = torch.tensor(random(1, 1, N, N))
    made = Dale(0.75).constrained((free,), UNITS)
    assert Dale(0.75).signs(N).tolist() == [1, 1, -1, 1, 1, 1, -1, 1]
    torch.testing.assert_close(made.abs(), free.abs())
    assert (made[0, 0, [2, 6]] <= 0).all()


@pytest.mark.parametrize(("n_units", "excitatory"), [(100, 0.8), (10, 0.5), (7, 0.7), (400, 0.9)])
def test_inhibitory_units_are_as_many_as_said_and_spread_evenly(n_units: int, excitatory: float) -> None:
    inhibitory = np.flatnonzero(Dale(excitatory).signs(n_units).numpy() < 0)
    assert len(inhibitory) == round((1 - excitatory) * n_units)
    assert np.ptp(np.diff(inhibitory)) <= 1


@pytest.mark.parametrize("n_units", [20, 100])
def test_dale_begins_balanced_and_with_the_spectral_radius_it_was_given(n_units: int) -> None:
    before = torch.linalg.qr(torch.tensor(random(3, 1, n_units, n_units))).Q * 0.9
    units = Projection("recurrent", (n_units, n_units), None, np.zeros(n_units, dtype=np.int64))
    after = Dale().initial(before, units)
    radii = torch.linalg.eigvals(after).abs().amax(dim=-1)
    torch.testing.assert_close(radii, torch.full((3, 1), 0.9, dtype=torch.float64))
    signs = Dale().signs(n_units)
    excites, inhibits = (after.abs().sum(dim=-1)[..., signs == sign].sum(dim=-1) for sign in (1, -1))
    torch.testing.assert_close(excites, inhibits, rtol=0.1, atol=0)  # magnitudes of a random orthogonal matrix


def test_networks_with_dale_begin_with_the_radius_of_those_without() -> None:
    for gain in (1.0, 0.5):
        recurrent = Ensemble(RNN(gain=gain, constraints=(Dale(),)), 3, 20, 2, (0, 1)).projections()["recurrent"]
        radii = torch.linalg.eigvals(recurrent).abs().amax(dim=-1).detach().numpy()
        np.testing.assert_allclose(radii, gain, rtol=1e-4)  # float32


def test_no_self_takes_the_diagonal_away_and_nothing_else() -> None:
    free = torch.tensor(random(2, 3, N, N))
    made = NoSelf().constrained((free,), UNITS)
    assert torch.equal(made, free * (1 - torch.eye(N)))


def test_a_mask_is_open_where_the_source_is_neither_zero_nor_missing(tmp_path: Path) -> None:
    source = np.where(PATTERN, random(N, N, seed=1), 0)
    source[0, 0] = np.nan
    np.save(tmp_path / "mask.npy", source)
    expected = PATTERN & ~np.isnan(source)
    for given in (source, tmp_path / "mask.npy", str(tmp_path / "mask.npy")):
        made = Mask(source=given).constrained((ONES,), UNITS)  # type: ignore[arg-type]
        np.testing.assert_array_equal(made[0, 0].numpy() != 0, expected)


def test_a_radius_is_in_steps_of_the_papers_grid() -> None:
    made = Mask(radius=1.5 * CUBE.steps_per_unit).constrained((ONES,), UNITS)
    np.testing.assert_array_equal(made[0, 0].numpy() != 0, CUBE.distances <= 1.5)
    both = Mask(source=PATTERN, radius=1.5 * CUBE.steps_per_unit)  # type: ignore[arg-type]
    made = both.constrained((ONES,), UNITS)
    np.testing.assert_array_equal(made[0, 0].numpy() != 0, PATTERN & (CUBE.distances <= 1.5))


def test_low_rank_begins_with_the_best_approximation() -> None:
    weights = torch.tensor(random(2, 1, N, N))
    made = LowRank(3).initial(weights, UNITS)
    left, values, right = torch.linalg.svd(weights)
    expected = left[..., :3] @ torch.diag_embed(values[..., :3]) @ right[..., :3, :]
    torch.testing.assert_close(made, expected)
    assert [each.shape for each in LowRank(3).free(weights, UNITS)] == [(2, 1, N, 3)] * 2


@pytest.mark.parametrize("feedback", [True, False])
@pytest.mark.parametrize("within", [True, False])
def test_layers_lead_onward(feedback: bool, within: bool) -> None:
    part = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    units = replace(UNITS, parts=part)
    made = Layers(feedback=feedback, within=within).constrained((ONES,), units)[0, 0].numpy()
    for pre in range(N):
        for post in range(N):
            onward = part[post] - part[pre]
            assert made[pre, post] == (onward == 1 or (onward == 0 and within) or (onward == -1 and feedback))
    inputs = Projection("input", (3, N), None, part)
    into = Layers().constrained((torch.ones(1, 1, 3, N),), inputs)[0, 0].numpy()
    np.testing.assert_array_equal(into, np.tile(part == 0, (3, 1)))
    readout = Projection("readout", (N, 2), None, part)
    out = Layers().constrained((torch.ones(1, 1, N, 2),), readout)[0, 0].numpy()
    np.testing.assert_array_equal(out, np.tile(part[:, None] == 2, (1, 2)))


# In training


@pytest.mark.parametrize("core", [RNN(), GRU()], ids=["rnn", "gru"])
@pytest.mark.parametrize("constraints", ALL, ids=names)
def test_what_weights_may_be_they_are_at_every_epoch(constraints: tuple[Constraint, ...], core: Any) -> None:
    geometry = LAYERED if any(isinstance(each, Layers) for each in constraints) else CUBE
    shard = tiny({"learning_rate": 0.01}, core=replace(core, constraints=constraints), regularizer=L1(0.01))
    data = train(shard, geometry)
    weights = torch.tensor(data["weights"].to_numpy())
    for constraint in constraints:
        assert keeps(constraint, weights), constraint
    assert (data["weights"][:, -1] != data["weights"][:, 0]).any()
    assert (data["status"] == "trained").all()


def test_networks_are_learned_under_constraints() -> None:
    task = {"epochs": 8, "trials_per_epoch": 960, "learning_rate": 0.01}
    data = train(tiny(task, core=RNN(constraints=(NoSelf(), Dale()))), CUBE)
    assert (data["loss"][:, -1] < 0.8 * data["loss"][:, 1]).all()


@pytest.mark.parametrize("constraints", ALL, ids=names)
def test_a_network_can_be_built_again_from_what_was_kept(constraints: tuple[Constraint, ...]) -> None:
    geometry = LAYERED if any(isinstance(each, Layers) for each in constraints) else CUBE
    shard = tiny(core=RNN(constraints=constraints))
    trainer = Trainer(shard, geometry)
    trainer.run_epoch(lambda updates, epoch: None)
    again = rebuild(trainer.dataset(), 1, shard.core, shard.task)
    inputs = trainer.training_trials.batch(0, 4).inputs
    with torch.no_grad():
        torch.testing.assert_close(again(inputs, [4]), trainer.ensemble(inputs, [4]))


@pytest.mark.parametrize("constraints", ALL, ids=names)
def test_an_interrupted_training_goes_on_bit_for_bit(constraints: tuple[Constraint, ...], tmp_path: Path) -> None:
    geometry = LAYERED if any(isinstance(each, Layers) for each in constraints) else CUBE
    shard = tiny(core=RNN(constraints=constraints))
    first = Trainer(shard, geometry)
    first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(shard, geometry).identical(train(shard, geometry, tmp_path / "checkpoint.npz"))


def test_a_mask_of_all_changes_nothing() -> None:
    plain = train(tiny(), CUBE)
    open_ = train(tiny(core=RNN(constraints=(Mask(source=np.ones((N, N))),))), CUBE)  # type: ignore[arg-type]
    np.testing.assert_array_equal(open_["weights"], plain["weights"])


# What is refused


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        ((NoSelf(), LowRank(2)), "the one that is learned by factors must come first|a later one undoes"),
        ((LowRank(2), Mask(source=PATTERN)), "cannot be had together: a later one undoes LowRank"),  # type: ignore[arg-type]
        ((LowRank(2), Dale()), "cannot be had together|a later one undoes"),
        ((Dale(0.99),), "both kinds must be there"),
        ((LowRank(9),), "at most the number of units, 8, not 9"),
        ((Layers(),), "two or more parts"),
        ((Mask(source=np.ones((3, 3))),), "source is of 3 units, but there are 8 here"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_what_cannot_be_had_is_refused(constraints: tuple[Constraint, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Trainer(tiny(core=RNN(constraints=constraints)), CUBE)


def test_fields_that_mean_nothing_are_refused() -> None:
    for share in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="excitatory must be a share"):
            Dale(share)
    with pytest.raises(ValueError, match="rank must be 1 or more"):
        LowRank(0)
    with pytest.raises(ValueError, match="write source"):
        Mask()
    for radius in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="radius must be finite"):
            Mask(radius=radius)


# In an experiment


def test_constraints_are_declared_written_down_and_read_again(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", PATTERN.astype(float))
    words = (
        "geometry.shape=[2, 2, 2]",
        f"core.constraints=[{{kind: dale, excitatory: 0.5}}, {{kind: mask, source: {tmp_path / 'mask.npy'}}}, "
        "{kind: no_self}]",
    )
    experiment = Experiment.from_preset("sernn_demo").override(*words, *WORDS)
    run = experiment.run(tmp_path / "run", workers=1, report=False)
    group = next(iter(run.groups))
    core = experiment.groups[group].ensembles[0].core
    assert core.constraints == (Dale(0.5), Mask(source=str(tmp_path / "mask.npy")), NoSelf())
    again = Experiment.from_yaml(run.folder / "experiment.yaml")
    assert again.digest == experiment.digest
    assert again.groups[group].ensembles[0].core == core
    weights = torch.tensor(run[group]["weights"].to_numpy())
    assert all(keeps(constraint, weights) for constraint in (Dale(0.5), Mask(source=PATTERN), NoSelf()))  # type: ignore[arg-type]


def test_mistakes_in_constraints_are_said_at_their_place(command: Callable[..., Outcome]) -> None:
    outcome = command("validate", "preset=sernn_demo", "core.constraints=[{kind: dale, exitatory: 0.5}]")
    assert outcome.code == 2
    assert "core.constraints.0.exitatory: unknown key, did you mean 'excitatory'?" in outcome.err


# The contract can be broken


@dataclass(frozen=True)
class Wrong(Constraint):
    wrong: str = ""
    projections: ClassVar[tuple[str, ...]] = ("recurrent",)

    def constrained(self, free: tuple[torch.Tensor, ...], projection: Projection) -> torch.Tensor:
        (weights,) = free
        match self.wrong:
            case "shape":
                return weights[..., :-1]
            case "halving":
                return weights / 2
            case "batch-mates":
                return weights * torch.where(weights.sum() > 0, 1, 0) if len(weights) > 1 else weights
            case "gates":
                return weights.mean(dim=1, keepdim=True).expand_as(weights)
            case "detached":
                return weights.detach() + 0 * weights
            case "infinite":
                return weights / 0
        return weights

    def initial(self, weights: torch.Tensor, projection: Projection) -> torch.Tensor:
        return weights[:1] if self.wrong == "initial" else super().initial(weights, projection)


@dataclass(frozen=True)
class Elsewhere(Wrong):
    projections: ClassVar[tuple[str, ...]] = ("feedback",)


@dataclass(frozen=True)
class Unset(Constraint):
    """Begins with weights that are not as they must be."""

    def constrained(self, free: tuple[torch.Tensor, ...], projection: Projection) -> torch.Tensor:
        return free[0].abs()

    def initial(self, weights: torch.Tensor, projection: Projection) -> torch.Tensor:
        return -weights.abs()


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (Wrong("shape"), "must be"),
        (Wrong("halving"), "must change nothing"),
        (Wrong("batch-mates"), "must not depend on its batch-mates|must change nothing"),
        (Wrong("gates"), "gates must be constrained apart"),
        (Wrong("detached"), "learning must reach"),
        (Wrong("infinite"), "must be finite"),
        (Wrong("initial"), r"initial\(\) must be"),
        (Unset(), "weights to begin with must be as they must be"),
        (Elsewhere(), "projections must be some of recurrent, input, readout, not feedback"),
    ],
    ids=str,
)
def test_a_constraint_that_breaks_a_promise_is_found_out(constraint: Constraint, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_constraint(constraint)


def test_a_constraint_that_keeps_them_passes() -> None:
    check_constraint(Wrong())
