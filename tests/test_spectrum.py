"""Eigenvalues and entropies."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from spatialnets.graph import (
    communicability,
    eigenvalues,
    entropy,
    shannon_entropy,
    spectral_abscissa,
    spectral_entropy,
    spectral_radius,
)

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
WEIGHTS = BCT["weights"].astype(np.float64)


def test_entropy_equals_that_of_scipy() -> None:
    rows = np.abs(WEIGHTS)
    expected = scipy.stats.entropy(rows, base=2, axis=-1).mean(axis=-1)
    np.testing.assert_allclose(shannon_entropy(WEIGHTS), expected, rtol=1e-12)
    of_pairs = communicability(rows, diagonal=True)
    np.testing.assert_allclose(
        shannon_entropy(of_pairs), scipy.stats.entropy(of_pairs, base=2, axis=-1).mean(axis=-1), rtol=1e-12
    )


def test_uniform_rows_have_the_maximum_entropy() -> None:
    assert float(shannon_entropy(np.full((16, 16), 0.3))) == pytest.approx(4.0, rel=1e-14)
    assert float(shannon_entropy(np.roll(np.eye(9), 2, axis=1))) == 0.0
    halves = np.kron(np.eye(2), np.full((4, 4), 7.0))  # 0 log 0 is 0
    assert float(shannon_entropy(halves)) == pytest.approx(2.0, rel=1e-14)


def test_units_without_outgoing_weights_are_left_out() -> None:
    weights = np.full((8, 8), 1.0)
    weights[3] = 0
    assert float(shannon_entropy(weights)) == pytest.approx(3.0)
    assert np.isnan(shannon_entropy(np.stack([np.zeros((3, 3)), np.full((3, 3), np.inf)]))).all()


def test_eigenvalues_of_a_ring_are_roots_of_unity() -> None:
    ring = 0.5 * np.roll(np.eye(12), 1, axis=1)
    values = eigenvalues(ring)
    np.testing.assert_allclose(np.abs(values), 0.5, rtol=1e-12)
    assert (np.diff(values.real) <= 1e-12).all()
    assert float(spectral_radius(ring)) == pytest.approx(0.5)
    assert float(spectral_abscissa(ring)) == pytest.approx(0.5)
    assert float(spectral_entropy(ring)) == pytest.approx(np.log2(12))


def test_signs_matter_for_the_spectrum() -> None:
    weights = np.diag([-3.0, 1.0, 0.0])
    assert float(spectral_radius(weights)) == 3.0
    assert float(spectral_abscissa(weights)) == 1.0
    assert float(spectral_entropy(weights)) == pytest.approx(scipy.stats.entropy([3, 1], base=2))


def test_orthogonal_initial_weights_have_the_maximum_spectral_entropy() -> None:
    orthogonal = np.linalg.qr(np.random.default_rng(0).normal(size=(100, 100)))[0]
    assert float(spectral_entropy(orthogonal)) == pytest.approx(np.log2(100), rel=1e-12)
    assert (
        spectral_entropy(WEIGHTS[1:]) < np.log2(100) - 0.04
    ).all()  # lower after training; the first network hardly changed


def test_batch_shapes_are_kept_and_non_finite_networks_are_nan() -> None:
    weights = np.stack([WEIGHTS[0], np.full((100, 100), np.nan), np.zeros((100, 100))]).reshape(3, 1, 100, 100)
    assert eigenvalues(weights).shape == (3, 1, 100)
    assert spectral_radius(weights).ravel()[[0, 2]].tolist() == [float(spectral_radius(WEIGHTS[0])), 0.0]
    assert np.isnan(spectral_radius(weights)[1, 0])
    assert np.isnan(spectral_entropy(weights)[1:]).all()
    with pytest.raises(ValueError, match="the spectrum needs square matrices"):
        spectral_radius(np.ones((2, 3)))


def test_entropy_is_nan_if_all_parts_are_0_or_any_is_nan() -> None:
    assert np.isnan(entropy([[0.0, 0.0], [1.0, np.nan]])).all()
