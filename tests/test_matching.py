"""The matching index."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.graph import matching_index

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")


def by_definition(exists: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fraction of the connections of two units, except those between them, that the other unit matches."""
    n_units = len(exists)
    result = np.zeros((n_units, n_units))
    for i in range(n_units):
        for j in range(n_units):
            rest = [unit for unit in range(n_units) if unit not in (i, j)]
            if i == j or not rest:
                continue
            pairs = [(exists[i, unit], exists[j, unit]) for unit in rest]
            pairs += [(exists[unit, i], exists[unit, j]) for unit in rest]
            total = sum(int(a) + int(b) for a, b in pairs)
            result[i, j] = 2 * sum(bool(a and b) for a, b in pairs) / total if total else 0.0
    return result


def test_the_matching_index_equals_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_allclose(matching_index(BCT["top5_union"]), BCT["matching"], rtol=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_the_matching_index_follows_its_definition_directed_or_not(seed: int) -> None:
    exists = np.random.default_rng(seed).random((14, 14)) < 0.25
    for network in (exists, exists | exists.T):
        # bctpy 0.6.1 is wrong by up to 0.9 here, and not symmetric
        index = matching_index(network)
        np.testing.assert_allclose(index, by_definition(network), rtol=1e-15)
        np.testing.assert_array_equal(index, index.T)


def test_identical_neighbourhoods_match_and_disjoint_ones_do_not() -> None:
    exists = np.zeros((8, 8), dtype=bool)
    exists[0, 2:5] = exists[1, 2:5] = True
    exists[0, 1] = exists[1, 0] = True  # the connection between the two is ignored
    exists[5, 6:] = True
    index = matching_index(exists | exists.T)
    assert index[0, 1] == 1.0
    assert index[0, 5] == 0.0
    assert index[2, 3] == index[3, 4] == 1.0
    assert (np.diagonal(index) == 0).all()


def test_weights_and_self_connections_are_ignored() -> None:
    exists = BCT["top5_union"][0]
    weighted = exists * np.random.default_rng(0).normal(size=exists.shape) + np.eye(100)
    np.testing.assert_array_equal(matching_index(weighted), matching_index(exists))


def test_batches_with_empty_and_nan_networks_are_measured_without_output(capsys: pytest.CaptureFixture[str]) -> None:
    networks = np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan), 1 - np.eye(4)]).reshape(3, 1, 4, 4)
    index = matching_index(networks)
    assert index.shape == (3, 1, 4, 4)
    assert (index[0] == 0).all()
    assert np.isnan(index[1]).all()
    assert (index[2] == 1 - np.eye(4)).all()
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match="matching index needs square matrices"):
        matching_index(np.ones((2, 3)))
