"""Communicability by random probes: unbiased, of known error, and part of training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CUBE, tiny
from torch import Tensor

from spatialnets import Snapshot, training
from spatialnets.graph import stochastic_communicability
from spatialnets.graph.communicability import communicability
from spatialnets.graph.stochastic_communicability import estimated_price
from spatialnets.protocols import Sum
from spatialnets.regularizers import L1, Both, Communicability, Distance
from spatialnets.testing import check_regularizer
from spatialnets.training.trainer import Trainer, train

REPLICATES = 2000


def networks(count: int = 3, n_units: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weights of uneven out-strengths, some zero, and distances that are no metric, self-connections included."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(count, n_units, n_units, generator=generator, dtype=torch.float64)
    weights = weights * torch.rand(count, n_units, 1, generator=generator, dtype=torch.float64)
    weights[0, 2] = 0  # a unit that sends nothing
    return weights, torch.rand(n_units, n_units, generator=generator, dtype=torch.float64)


def drawn(count: int, n_units: int, probes: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randint(0, 2, (count, n_units, probes), generator=generator, dtype=torch.float64) - 1


def generators(count: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + seed) for seed in range(count)]


def exact(weights: Tensor, distances: Tensor) -> Tensor:
    magnitudes = weights.abs()
    return (magnitudes * distances * communicability(magnitudes)).sum(dim=(1, 2))


def by_autograd(weights: Tensor, distances: Tensor, signs: Tensor) -> Tensor:
    """The same estimate written as its formula, with whole matrices and autograd."""
    magnitudes = weights.abs()
    strengths = magnitudes.sum(dim=2, keepdim=True)
    alive = strengths > 0
    root = strengths.where(alive, 1).rsqrt().where(alive, 0)
    with torch.no_grad():
        right, left = stochastic_communicability._slowest(magnitudes, strengths, root)
        scale = strengths.where(alive, 1).sqrt()
    identity = torch.eye(weights.shape[1], dtype=weights.dtype)
    matrix = magnitudes * root * root.mT
    price = magnitudes * distances * (1 - identity)
    reached = torch.matrix_exp(matrix) - identity - matrix
    beside = identity - right @ left.mT
    exactly = (price @ left).mT @ reached @ right + left.mT @ reached @ beside @ price.mT @ right
    each = ((beside.mT @ price @ (signs / scale)) * (reached @ beside @ (signs * scale))).sum(dim=1)
    return (price * matrix).sum(dim=(1, 2))[:, None] + exactly[:, 0] + each


@pytest.mark.parametrize("tile", [2**22, 45, 1])
@pytest.mark.parametrize("own_distances", [False, True])
def test_value_and_gradient_are_those_of_the_formula_in_tiles_of_any_size(
    monkeypatch: pytest.MonkeyPatch, own_distances: bool, tile: int
) -> None:
    monkeypatch.setattr(stochastic_communicability, "_TILE", tile)
    weights, distances = networks()
    distances = torch.stack([distances, 2 * distances, distances.mT]) if own_distances else distances
    signs, price = drawn(3, 7, 5), torch.rand(3, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    given = (weights.requires_grad_(), distances.requires_grad_())
    found, expected = estimated_price(*given, signs), by_autograd(*given, signs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)  # float64, sums in another order
    ours = torch.autograd.grad((price * found).sum(), given)
    theirs = torch.autograd.grad((price * expected).sum(), given)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)  # the same; entries of both signs cancel


def test_value_and_gradient_are_unbiased() -> None:
    weights, distances = networks(count=1)
    one = weights.clone().requires_grad_()
    value = exact(one, distances)
    (slope,) = torch.autograd.grad(value.sum(), one)
    many = weights.expand(REPLICATES, -1, -1).clone().requires_grad_()
    found = estimated_price(many, distances, drawn(REPLICATES, 7, 2)).mean(dim=1)
    (slopes,) = torch.autograd.grad(found.sum(), many)
    for each, expected in ((found.detach(), value.detach()[0]), (slopes.flatten(1), slope.flatten())):
        error = each.std(dim=0) / REPLICATES**0.5
        # of at most 49 normal deviates none is beyond 4.5 standard errors, but in 1 of 3,000 draws; this one is seeded
        assert bool(((each.mean(dim=0) - expected).abs() <= 4.5 * error + 1e-12).all())
        assert bool((error.mean() < 0.02 * expected.abs().mean()).all())  # or else the test could not fail


def test_the_variance_is_one_over_the_probes_and_known_to_those_who_pay() -> None:
    weights, distances = networks(count=1)
    many = Snapshot(weights.expand(REPLICATES, -1, -1), distances)
    variances = []
    for probes in (2, 32):
        penalty = Both(0.5, method="stochastic", probes=probes)
        paid = penalty.penalty(replace(many, probes=generators(REPLICATES)))
        said = penalty.standard_error(replace(many, probes=generators(REPLICATES)))
        variances.append(float(paid.var()))
        # the variance of n deviates is known to sqrt(2 / n), 3 %; 4 times that, and as much for their mean square
        assert float(said.square().mean()) == pytest.approx(variances[-1], rel=0.25)
    assert variances[0] / variances[1] == pytest.approx(16, rel=0.2)  # each known to 3 %


@pytest.mark.parametrize("penalty", [Both, Communicability])
def test_what_estimates_keeps_the_promises_of_regularizers(penalty: type[Both | Communicability]) -> None:
    check_regularizer(penalty(0.1, method="stochastic", probes=3))
    check_regularizer(penalty(0.1, method="stochastic") + L1(0.1))


def test_without_probes_the_price_is_exact_and_with_them_near_it() -> None:
    weights, distances = networks(n_units=60)
    some = Snapshot(weights, distances)
    for price in (Both(0.5, power=2.0), Communicability(0.5)):
        estimate = replace(price, method="stochastic", probes=16)
        assert torch.equal(estimate.penalty(some), price.penalty(some))
        assert torch.equal(estimate.standard_error(some), torch.zeros(3, dtype=torch.float64))
        probed = replace(some, probes=generators(3))
        error = estimate.standard_error(replace(some, probes=generators(3)))
        deviation = (estimate.penalty(probed) - price.penalty(some)).abs()
        assert bool((deviation < 4.5 * error).all())  # normal deviates; seeded
        assert bool((error < 0.05 * price.penalty(some)).all())  # 0.3 to 2 %: what is large is had exactly


def test_gates_and_networks_have_probes_and_distances_of_their_own() -> None:
    weights, distances = networks(count=4)
    gated = Snapshot(weights.view(2, 2, 7, 7), torch.stack([distances, distances.mT]), probes=generators(2))
    price = Both(1.0, method="stochastic", probes=4000)
    expected = torch.stack(
        [exact(weights[:2], distances).sum(), exact(weights[2:], distances.mT).sum()]  # gates add up
    )
    error = price.standard_error(replace(gated, probes=generators(2)))
    assert bool(((price.penalty(gated) - expected).abs() < 4.5 * error).all())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Both(0.1, factor=0.5, method="stochastic"), "factor=0.5: write factor=1 or method=exact"),
        (lambda: Communicability(0.1, detach=True, method="stochastic"), "write detach=false or method=exact"),
        (lambda: Both(0.1, method="stochastic", probes=1), "probes must be 2 or more, not 1"),
        (lambda: Both(0.1, method="guess"), "method must be exact or stochastic, not 'guess'"),  # type: ignore[arg-type]
        (lambda: Distance(0.1) * Communicability(0.1, method="stochastic"), "kind: both with method: stochastic"),
    ],
)
def test_what_cannot_be_estimated_is_refused(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


def test_as_many_generators_as_networks_are_asked_for() -> None:
    weights, distances = networks()
    with pytest.raises(ValueError, match="one generator for each of 3 networks, not 2"):
        Both(0.1, method="stochastic").penalty(Snapshot(weights, distances, probes=generators(2)))


ESTIMATED = tiny(regularizer=Both(0.1, method="stochastic", probes=2))


def test_training_by_estimates_goes_on_bit_for_bit(tmp_path: Path) -> None:
    first = Trainer(ESTIMATED, CUBE)
    first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(ESTIMATED, CUBE).identical(train(ESTIMATED, CUBE, tmp_path / "checkpoint.npz"))


def test_a_network_draws_the_same_probes_alone_and_every_update_others() -> None:
    together = train(ESTIMATED, CUBE)
    alone = train(replace(ESTIMATED, seeds=(4,), networks=(1,)), CUBE)
    for name in ("loss", "penalty_standard_error"):
        np.testing.assert_allclose(alone[name][0], together[name][1], rtol=1e-4)  # float32, batched products
    trainer = Trainer(ESTIMATED, CUBE)
    first, again = (trainer.penalties(None, 0.0)["both"] for _ in range(2))
    assert torch.equal(first, again)
    trainer.optimizer.updates += 1
    assert not torch.equal(first, trainer.penalties(None, 0.0)["both"])


def test_a_run_keeps_the_exact_penalty_of_few_units_and_the_error_of_an_estimate() -> None:
    data = train(ESTIMATED, CUBE)
    error = data["penalty_standard_error"].to_numpy()
    assert error.shape == (2, 3)
    assert (error > 0).all()
    weights = torch.tensor(data["weights"].to_numpy()[:, -1])
    paid = Both(0.1).penalty(Snapshot(weights, torch.tensor(CUBE.costs)))
    np.testing.assert_allclose(data["penalty"][:, -1], paid, rtol=1e-6)  # float32
    assert "penalty_standard_error" not in train(tiny(regularizer=Both(0.1)), CUBE)


def test_a_run_keeps_the_estimate_of_many_units(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(ESTIMATED, CUBE)
    monkeypatch.setattr(training, "EXACT_UNITS", 7)
    data = train(ESTIMATED, CUBE)
    np.testing.assert_array_equal(data["weights"], whole["weights"])  # what is kept is not what is learned by
    np.testing.assert_array_equal(data["penalty_standard_error"], whole["penalty_standard_error"])
    deviation = np.abs(data["penalty"] - whole["penalty"]) / data["penalty_standard_error"]
    assert (deviation > 0).all()
    assert np.median(deviation) < 4  # of two probes, errors are themselves known to a factor of two


def test_each_term_of_a_sum_draws_its_own_probes_and_errors_add_in_squares() -> None:
    price = Both(0.1, method="stochastic", probes=2)
    sum_of_two = Trainer(tiny(regularizer=Sum(terms=(price, price, L1(0.1)))), CUBE)
    paid = sum_of_two.penalties(None, 0.0)
    assert not torch.equal(paid["both"], paid["both_2"])
    alone = Trainer(tiny(regularizer=price), CUBE)
    assert torch.equal(alone.penalties(None, 0.0)["both"], paid["both"])
    one, both = (float(np.mean(found.scores["penalty_standard_error"][0])) for found in (alone, sum_of_two))
    assert one < both < 5 * one
