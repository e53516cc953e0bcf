import numpy as np
import pytest
import torch
from scipy.linalg import expm

from spatialnets.graph.communicability import communicability
from spatialnets.graph.exponential import exponential_without_identity


def random_magnitudes(n_networks: int = 4, n_units: int = 30, spread: float = 0.0) -> torch.Tensor:
    """Magnitudes whose out-strengths differ by factors of about exp(spread)."""
    generator = torch.Generator().manual_seed(2)
    magnitudes = torch.randn(n_networks, n_units, n_units, generator=generator, dtype=torch.float64).abs()
    scale = (spread * torch.randn(n_networks, n_units, 1, generator=generator, dtype=torch.float64)).exp()
    return magnitudes * scale


def by_definition(magnitudes: torch.Tensor) -> torch.Tensor:
    root = magnitudes.sum(dim=-1).sqrt()
    matrix = magnitudes / root[..., :, None] / root[..., None, :]
    result = torch.matrix_exp(matrix)
    return result - torch.diag_embed(result.diagonal(dim1=-2, dim2=-1))


def test_two_units_with_reciprocal_connections() -> None:
    # exp of [[0, 1], [1, 0]] is [[cosh, sinh], [sinh, cosh]]; here out-strengths are 3 and 5
    result = communicability(torch.tensor([[0.0, 3.0], [5.0, 0.0]], dtype=torch.float64))
    matrix = np.array([[0, 3 / np.sqrt(15)], [5 / np.sqrt(15), 0]])
    expected = expm(matrix)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(result, expected, rtol=1e-14)
    np.testing.assert_allclose(expected, np.sinh(1) * matrix, rtol=1e-14)


def test_the_communicability_of_a_chain_counts_its_walks() -> None:
    # 0 -> 1 -> 2: exp(M) = 1 + M + M^2 / 2; the last unit has no outgoing weights, so M is zero towards it
    result = communicability(torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]], dtype=torch.float64))
    np.testing.assert_allclose(result, [[0, 1, 0], [0, 0, 0], [0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_the_series_equals_the_exponential(spread: float) -> None:
    magnitudes = random_magnitudes(spread=spread)
    # float64 rounding relative to the largest entry of a row; entries are sums of thousands of terms
    torch.testing.assert_close(communicability(magnitudes), by_definition(magnitudes), rtol=1e-11, atol=1e-13)
    single = communicability(magnitudes.float()).double()
    # float32 rounding, far above the remainder of the series, 2e-10
    torch.testing.assert_close(single, by_definition(magnitudes), rtol=2e-5, atol=1e-6)


def test_the_gradient_equals_that_of_the_exponential() -> None:
    magnitudes = random_magnitudes(spread=1.0).requires_grad_()
    factors = random_magnitudes(spread=0.5)
    (gradient,) = torch.autograd.grad((factors * communicability(magnitudes)).sum(), magnitudes)
    (expected,) = torch.autograd.grad((factors * by_definition(magnitudes)).sum(), magnitudes)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-10)  # float64 rounding, entries of both signs


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (2, 1, 4, 4)])
def test_the_backward_pass_passes_gradcheck(shape: tuple[int, ...], diagonal: bool) -> None:
    magnitudes = torch.rand(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: communicability(values, diagonal=diagonal), magnitudes)


@pytest.mark.parametrize("degree", [6, 12, 18])
def test_the_backward_pass_equals_automatic_differentiation_of_the_series(degree: int) -> None:
    matrix = (random_magnitudes(n_units=7) / 7).requires_grad_()
    factors = random_magnitudes(n_units=7, spread=1.0)
    series, term = torch.zeros_like(matrix), torch.eye(7, dtype=torch.float64)
    for power in range(1, degree + 1):
        term = term @ matrix / power
        series = series + term
    result = exponential_without_identity(matrix, degree)
    torch.testing.assert_close(result, series, rtol=1e-13, atol=0)  # float64 rounding of a few positive terms
    (gradient,) = torch.autograd.grad((factors * result).sum(), matrix)
    (expected,) = torch.autograd.grad((factors * series).sum(), matrix)
    torch.testing.assert_close(gradient, expected, rtol=1e-13, atol=0)


def test_a_second_derivative_is_refused() -> None:
    magnitudes = random_magnitudes(n_units=4).requires_grad_()
    penalty = (magnitudes * communicability(magnitudes)).sum()
    (slope,) = torch.autograd.grad(penalty, magnitudes, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_transposing_the_weights_changes_communicability() -> None:
    magnitudes = random_magnitudes(spread=1.0)
    assert not torch.allclose(communicability(magnitudes.mT), communicability(magnitudes).mT, rtol=1e-2)


def test_scaling_all_weights_does_not_change_communicability() -> None:
    magnitudes = random_magnitudes()
    torch.testing.assert_close(communicability(7 * magnitudes), communicability(magnitudes), rtol=1e-12, atol=1e-14)


def test_renumbering_units_renumbers_communicability() -> None:
    magnitudes, order = random_magnitudes(), torch.randperm(30, generator=torch.Generator().manual_seed(1))
    renumbered = magnitudes[:, order][:, :, order]
    torch.testing.assert_close(
        communicability(renumbered), communicability(magnitudes)[:, order][:, :, order], rtol=1e-12, atol=1e-14
    )  # sums in a different order


def test_units_without_weights_do_not_affect_others() -> None:
    magnitudes = random_magnitudes(n_units=10)
    magnitudes[:, 4] = 0  # no outgoing weights; s^-1/2 := 0 also removes the incoming ones
    magnitudes[:, :, 4] = 0
    result = communicability(magnitudes)
    kept = [unit for unit in range(10) if unit != 4]
    torch.testing.assert_close(result[:, kept][:, :, kept], by_definition(magnitudes[:, kept][:, :, kept]))
    assert bool((result[:, 4] == 0).all())
    assert bool((result[:, :, 4] == 0).all())


@pytest.mark.parametrize("tiny", [0.0, 1e-45, 1e-38, 1e-30])
def test_vanishing_rows_stay_finite(tiny: float) -> None:
    magnitudes = random_magnitudes().float()
    magnitudes[0, 3] = tiny
    magnitudes[1] = tiny
    magnitudes.requires_grad_()
    result = communicability(magnitudes)
    (gradient,) = torch.autograd.grad((magnitudes * result).sum(), magnitudes)
    assert bool(torch.isfinite(result).all())
    assert bool(torch.isfinite(gradient).all())


def test_matrices_that_are_not_square_are_refused() -> None:
    for magnitudes in (torch.ones(2, 3, 4), np.ones((2, 3, 4))):
        with pytest.raises(ValueError, match="communicability needs square matrices"):
            communicability(magnitudes)


# Arrays


def test_arrays_give_the_same_communicability_as_tensors_and_scipy() -> None:
    magnitudes = random_magnitudes(spread=1.0)
    result = communicability(magnitudes.numpy())
    assert isinstance(result, np.ndarray)
    # sums in a different order
    np.testing.assert_allclose(result, communicability(magnitudes).numpy(), rtol=1e-13, atol=1e-15)
    root = np.sqrt(magnitudes.numpy()[1].sum(axis=1))
    expected = expm(magnitudes.numpy()[1] / np.outer(root, root))
    np.testing.assert_allclose(communicability(magnitudes[1].tolist(), diagonal=True), expected, rtol=1e-11)


@pytest.mark.parametrize("as_array", [False, True])
def test_the_diagonal_is_kept_on_request(as_array: bool) -> None:
    magnitudes = random_magnitudes()
    values = magnitudes.numpy() if as_array else magnitudes
    kept, without = (np.asarray(communicability(values, diagonal=diagonal)) for diagonal in (True, False))
    off_diagonal = ~np.eye(30, dtype=bool)
    np.testing.assert_array_equal(kept[:, off_diagonal], without[:, off_diagonal])
    root = magnitudes[0].sum(dim=-1).sqrt()
    exponential = torch.matrix_exp(magnitudes[0] / root[:, None] / root)
    np.testing.assert_allclose(kept[0].diagonal(), exponential.diagonal(), rtol=1e-12)


def test_arrays_with_units_without_weights_stay_finite_and_nan_stays_in_its_network() -> None:
    magnitudes = random_magnitudes(3).numpy()
    expected = communicability(magnitudes[2])
    magnitudes[0, 4] = 0
    magnitudes[1, 3, 2] = np.inf
    result = communicability(magnitudes)
    assert np.isfinite(result[0]).all()
    assert (result[0, 4] == 0).all()
    assert np.isnan(result[1]).all()
    np.testing.assert_allclose(result[2], expected, rtol=1e-13, atol=1e-15)  # float64 sums in any order
    assert (communicability(np.zeros((3, 3))) == 0).all()
    with pytest.raises(ValueError, match="non-negative"):
        communicability(-magnitudes[2])
