"""Stochastic estimates of the cost of communicability: unbiased, with known error, and used in training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CUBE, tiny
from torch import Tensor

from spatialnets import Snapshot
from spatialnets.graph import stochastic_communicability
from spatialnets.graph.communicability import communicability
from spatialnets.graph.stochastic_communicability import estimate_communicability_cost
from spatialnets.protocols import Sum
from spatialnets.regularizers import L1, Both, Communicability, Distance
from spatialnets.rng import Stream
from spatialnets.testing import check_regularizer
from spatialnets.training import penalties
from spatialnets.training.trainer import Trainer, train

REPLICATES = 2000


def networks(count: int = 3, n_units: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weights with uneven out-strengths, some zero, and arbitrary distances, including self-distances."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(count, n_units, n_units, generator=generator, dtype=torch.float64)
    weights = weights * torch.rand(count, n_units, 1, generator=generator, dtype=torch.float64)
    weights[0, 2] = 0  # a unit without outgoing weights
    return weights, torch.rand(n_units, n_units, generator=generator, dtype=torch.float64)


def random_signs(count: int, n_units: int, probes: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randint(0, 2, (count, n_units, probes), generator=generator, dtype=torch.float64) - 1


def probes_of(count: int) -> Stream:
    return Stream.of(range(count), "probes")


def exact(weights: Tensor, distances: Tensor) -> Tensor:
    magnitudes = weights.abs()
    return (magnitudes * distances * communicability(magnitudes)).sum(dim=(1, 2))


def by_autograd(weights: Tensor, distances: Tensor, signs: Tensor) -> Tensor:
    """The same estimate from its formula, with full matrices and autograd."""
    magnitudes = weights.abs()
    strengths = magnitudes.sum(dim=2, keepdim=True)
    alive = strengths > 0
    root = strengths.where(alive, 1).rsqrt().where(alive, 0)
    with torch.no_grad():
        q, p = stochastic_communicability._leading_eigenvectors(magnitudes, strengths, root)
        scale = strengths.where(alive, 1).sqrt()
    identity = torch.eye(weights.shape[1], dtype=weights.dtype)
    matrix = magnitudes * root * root.mT
    b = magnitudes * distances * (1 - identity)
    f = torch.matrix_exp(matrix) - identity - matrix
    deflation = identity - q @ p.mT
    exact_terms = (b @ p).mT @ f @ q + p.mT @ f @ deflation @ b.mT @ q
    estimated = ((deflation.mT @ b @ (signs / scale)) * (f @ deflation @ (signs * scale))).sum(dim=1)
    return (b * matrix).sum(dim=(1, 2))[:, None] + exact_terms[:, 0] + estimated


@pytest.mark.parametrize("tile", [2**22, 45, 1])
@pytest.mark.parametrize("per_network", [False, True])
def test_value_and_gradient_equal_the_formula_for_any_tile_size(
    monkeypatch: pytest.MonkeyPatch, per_network: bool, tile: int
) -> None:
    monkeypatch.setattr(stochastic_communicability, "_TILE", tile)
    weights, distances = networks()
    distances = torch.stack([distances, 2 * distances, distances.mT]) if per_network else distances
    signs, factors = (
        random_signs(3, 7, 5),
        torch.rand(3, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64),
    )
    inputs = (weights.requires_grad_(), distances.requires_grad_())
    estimates, expected = estimate_communicability_cost(*inputs, signs), by_autograd(*inputs, signs)
    torch.testing.assert_close(estimates, expected, rtol=1e-12, atol=0)  # float64, sums in a different order
    gradients = torch.autograd.grad((factors * estimates).sum(), inputs)
    expected_gradients = torch.autograd.grad((factors * expected).sum(), inputs)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-12)  # entries of both signs cancel


def test_value_and_gradient_are_unbiased() -> None:
    weights, distances = networks(count=1)
    single = weights.clone().requires_grad_()
    value = exact(single, distances)
    (gradient,) = torch.autograd.grad(value.sum(), single)
    many = weights.expand(REPLICATES, -1, -1).clone().requires_grad_()
    estimates = estimate_communicability_cost(many, distances, random_signs(REPLICATES, 7, 2)).mean(dim=1)
    (gradients,) = torch.autograd.grad(estimates.sum(), many)
    for samples, expected in ((estimates.detach(), value.detach()[0]), (gradients.flatten(1), gradient.flatten())):
        error = samples.std(dim=0) / REPLICATES**0.5
        # one of at most 49 normal deviates exceeds 4.5 standard errors in 1 of 3,000 draws; the seed is fixed
        assert bool(((samples.mean(dim=0) - expected).abs() <= 4.5 * error + 1e-12).all())
        assert bool((error.mean() < 0.02 * expected.abs().mean()).all())  # otherwise the test could not fail


def test_the_variance_is_inverse_to_the_number_of_probes_and_reported() -> None:
    weights, distances = networks(count=1)
    many = Snapshot(weights.expand(REPLICATES, -1, -1), distances)
    variances = []
    for probes in (2, 32):
        penalty = Both(0.5, method="stochastic", probes=probes)
        estimates = penalty.penalty(replace(many, probes=probes_of(REPLICATES)))
        errors = penalty.standard_error(replace(many, probes=probes_of(REPLICATES)))
        variances.append(float(estimates.var()))
        # the relative error of a variance is sqrt(2 / n), 3 %; four times that for each of the two
        assert float(errors.square().mean()) == pytest.approx(variances[-1], rel=0.25)
    assert variances[0] / variances[1] == pytest.approx(16, rel=0.2)  # each with an error of 3 %


@pytest.mark.parametrize("penalty", [Both, Communicability])
def test_stochastic_regularizers_satisfy_the_contract_of_regularizers(penalty: type[Both | Communicability]) -> None:
    check_regularizer(penalty(0.1, method="stochastic", probes=3))
    check_regularizer(penalty(0.1, method="stochastic") + L1(0.1))


def test_the_penalty_is_exact_without_probes_and_close_with_them() -> None:
    weights, distances = networks(n_units=60)
    snapshot = Snapshot(weights, distances)
    for regularizer in (Both(0.5, power=2.0), Communicability(0.5)):
        stochastic = replace(regularizer, method="stochastic", probes=16)
        assert torch.equal(stochastic.penalty(snapshot), regularizer.penalty(snapshot))
        assert torch.equal(stochastic.standard_error(snapshot), torch.zeros(3, dtype=torch.float64))
        error = stochastic.standard_error(replace(snapshot, probes=probes_of(3)))
        estimate = stochastic.penalty(replace(snapshot, probes=probes_of(3)))
        deviation = (estimate - regularizer.penalty(snapshot)).abs()
        assert bool((deviation < 4.5 * error).all())  # normal deviates; the seed is fixed
        assert bool((error < 0.05 * regularizer.penalty(snapshot)).all())  # 0.3 to 2 %: large terms are exact


def test_each_gate_and_network_has_its_own_probes_and_distances() -> None:
    weights, distances = networks(count=4)
    gated = Snapshot(weights.view(2, 2, 7, 7), torch.stack([distances, distances.mT]), probes=probes_of(2))
    regularizer = Both(1.0, method="stochastic", probes=4000)
    expected = torch.stack(
        [exact(weights[:2], distances).sum(), exact(weights[2:], distances.mT).sum()]  # gates add up
    )
    error = regularizer.standard_error(replace(gated, probes=probes_of(2)))
    assert bool(((regularizer.penalty(gated) - expected).abs() < 4.5 * error).all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Both(0.1, factor=0.5, method="stochastic"), "write factor=1 or method=exact"),
        (lambda: Communicability(0.1, detach=True, method="stochastic"), "write detach=false or method=exact"),
        (lambda: Both(0.1, method="stochastic", probes=1), "probes must be 2 or more, not 1"),
        (lambda: Both(0.1, method="guess"), "method must be exact or stochastic, not 'guess'"),  # type: ignore[arg-type]
        (lambda: Distance(0.1) * Communicability(0.1, method="stochastic"), "kind: both with method: stochastic"),
    ],
)
def test_costs_that_cannot_be_estimated_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_probes_of_each_network_are_required() -> None:
    weights, distances = networks()
    with pytest.raises(ValueError, match="probes are needed for each of 3 networks, not 2"):
        Snapshot(weights, distances, probes=probes_of(2))
    with pytest.raises(ValueError, match=r"probes must be a spatialnets.rng.Stream, not list: write Stream.of\(seeds"):
        Snapshot(weights, distances, probes=[torch.Generator()] * 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a stochastic estimate needs a snapshot with probes"):
        Communicability(0.1, method="stochastic").estimates(Snapshot(weights), None)


ESTIMATED = tiny(regularizer=Both(0.1, method="stochastic", probes=3))


def test_training_with_estimates_resumes_bit_for_bit(tmp_path: Path) -> None:
    first = Trainer(ESTIMATED, CUBE)
    first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(ESTIMATED, CUBE).identical(train(ESTIMATED, CUBE, tmp_path / "checkpoint.npz"))


def test_probes_depend_on_the_network_and_the_update_only() -> None:
    together = train(ESTIMATED, CUBE)
    alone = train(replace(ESTIMATED, seeds=(4,), networks=(1,)), CUBE)
    for name in ("loss", "penalty_standard_error"):
        np.testing.assert_allclose(alone[name][0], together[name][1], rtol=1e-4)  # float32, batched products
    trainer = Trainer(ESTIMATED, CUBE)
    first, repeated = (trainer.penalties.for_update(None, 0.0, 0)["both"] for _ in range(2))
    assert torch.equal(first, repeated)
    assert not torch.equal(first, trainer.penalties.for_update(None, 0.0, 1)["both"])


def test_a_run_stores_the_exact_penalty_for_few_units_and_the_error_of_the_estimate() -> None:
    data = train(ESTIMATED, CUBE)
    error = data["penalty_standard_error"].to_numpy()
    assert error.shape == (2, 3)
    assert (error > 0).all()
    weights = torch.tensor(data["weights"].to_numpy()[:, -1])
    expected = Both(0.1).penalty(Snapshot(weights, torch.tensor(CUBE.distances_in_steps())))
    np.testing.assert_allclose(data["penalty"][:, -1], expected, rtol=1e-6)  # float32
    assert "penalty_standard_error" not in train(tiny(regularizer=Both(0.1)), CUBE)


def test_a_run_stores_the_estimate_for_many_units(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(ESTIMATED, CUBE)
    monkeypatch.setattr(penalties, "EXACT_UNITS", 7)
    data = train(ESTIMATED, CUBE)
    np.testing.assert_array_equal(data["weights"], whole["weights"])  # storing the estimate does not change training
    np.testing.assert_array_equal(data["penalty_standard_error"], whole["penalty_standard_error"])
    deviation = np.abs(data["penalty"] - whole["penalty"]) / data["penalty_standard_error"]
    assert (deviation > 0).all()
    assert np.median(deviation) < 4  # with three probes, the errors themselves are uncertain by a factor of two


def test_each_term_of_a_sum_draws_its_own_probes_and_squared_errors_add() -> None:
    regularizer = Both(0.1, method="stochastic", probes=2)
    sum_of_two = Trainer(tiny(regularizer=Sum(terms=(regularizer, regularizer, L1(0.1)))), CUBE)
    terms = sum_of_two.penalties.for_update(None, 0.0, 0)
    assert not torch.equal(terms["both"], terms["both_2"])
    single = Trainer(tiny(regularizer=regularizer), CUBE)
    assert torch.equal(single.penalties.for_update(None, 0.0, 0)["both"], terms["both"])
    single_error, sum_error = (
        float(np.mean(trainer.history.scores["penalty_standard_error"][0])) for trainer in (single, sum_of_two)
    )
    assert single_error < sum_error < 5 * single_error
