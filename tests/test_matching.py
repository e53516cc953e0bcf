"""The matching index."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.graph import matching_index

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")


def by_definition(exists: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of all connections of two units but those between them, the share that a connection of the other one matches."""
    n_units = len(exists)
    result = np.zeros((n_units, n_units))
    for one in range(n_units):
        for other in range(n_units):
            rest = [unit for unit in range(n_units) if unit not in (one, other)]
            if one == other or not rest:
                continue
            pairs = [(exists[one, unit], exists[other, unit]) for unit in rest]
            pairs += [(exists[unit, one], exists[unit, other]) for unit in rest]
            ends = sum(int(a) + int(b) for a, b in pairs)
            result[one, other] = 2 * sum(bool(a and b) for a, b in pairs) / ends if ends else 0.0
    return result


def test_it_is_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_allclose(matching_index(BCT["top5_union"]), BCT["matching"], rtol=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_its_definition_directed_or_not(seed: int) -> None:
    exists = np.random.default_rng(seed).random((14, 14)) < 0.25
    for network in (exists, exists | exists.T):
        # bctpy 0.6.1 is wrong by up to 0.9 here, and not symmetric
        found = matching_index(network)
        np.testing.assert_allclose(found, by_definition(network), rtol=1e-15)
        np.testing.assert_array_equal(found, found.T)


def test_twins_match_and_strangers_do_not() -> None:
    exists = np.zeros((8, 8), dtype=bool)
    exists[0, 2:5] = exists[1, 2:5] = True
    exists[0, 1] = exists[1, 0] = True  # what is between them does not count
    exists[5, 6:] = True
    found = matching_index(exists | exists.T)
    assert found[0, 1] == 1.0
    assert found[0, 5] == 0.0
    assert found[2, 3] == found[3, 4] == 1.0
    assert (np.diagonal(found) == 0).all()


def test_weights_and_self_connections_do_not_count() -> None:
    exists = BCT["top5_union"][0]
    weighted = exists * np.random.default_rng(0).normal(size=exists.shape) + np.eye(100)
    np.testing.assert_array_equal(matching_index(weighted), matching_index(exists))


def test_batches_nothing_and_nan_are_told_apart_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    networks = np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan), 1 - np.eye(4)]).reshape(3, 1, 4, 4)
    found = matching_index(networks)
    assert found.shape == (3, 1, 4, 4)
    assert (found[0] == 0).all()
    assert np.isnan(found[1]).all()
    assert (found[2] == 1 - np.eye(4)).all()
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match="matching index needs square matrices"):
        matching_index(np.ones((2, 3)))
