"""Topology correction of voxel masks."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from spatialnets.geometries.anatomy.topology import AROUND, CENTRE, _may_join, grow

BY_FACES = ndimage.generate_binary_structure(3, 1)
BY_CORNERS = np.ones((3, 3, 3), dtype=bool)
WITHOUT_CORNERS = ndimage.generate_binary_structure(3, 2)


def ball(radius: float, size: int = 21) -> NDArray[np.bool_]:
    steps = np.indices((size,) * 3) - size // 2
    return np.asarray((steps**2).sum(axis=0) <= radius**2)


def torus(size: int = 31) -> NDArray[np.bool_]:
    x, y, z = np.indices((size,) * 3) - size // 2
    return np.asarray((np.hypot(x, y) - 9) ** 2 + z**2 <= 16)


def euler_number(voxels: NDArray[np.bool_]) -> int:
    """Return the Euler number of the surface around voxels: vertices minus edges plus faces."""
    vertices, faces, _, _ = measure.marching_cubes(np.pad(voxels, 1).astype(np.float32), 0.5)
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    return len(vertices) - len(edges) + len(faces)


def count_components(voxels: NDArray[np.bool_], structure: NDArray[np.bool_], within: NDArray[np.bool_]) -> int:
    """Return the number of connected components of neighbours that touch the centre, by definition."""
    label, _ = ndimage.label(voxels & within, structure)
    touching = structure & voxels & within
    return len(np.unique(label[touching]))


def may_join_by_definition(block: NDArray[np.bool_]) -> bool:
    around = BY_CORNERS.copy()
    around[1, 1, 1] = False
    for voxels in (block, ~block):
        if count_components(voxels, BY_CORNERS, around) != 1:
            return False
        if count_components(voxels, BY_FACES, WITHOUT_CORNERS & around) != 1:
            return False
    joined = block.copy()
    joined[1, 1, 1] = True
    return well_composed(joined)


def well_composed(voxels: NDArray[np.bool_]) -> bool:
    """Return whether no two voxels (or gaps) touch only at an edge or a corner, by checking all squares and cubes."""
    for axis in range(3):
        one, two = (other for other in range(3) if other != axis)
        a, b = voxels, np.roll(np.roll(voxels, -1, one), -1, two)
        c, d = np.roll(voxels, -1, one), np.roll(voxels, -1, two)
        critical = (a == b) & (c == d) & (a != c)
        inner: list[slice] = [slice(None)] * 3
        inner[one] = inner[two] = slice(0, -1)
        if critical[tuple(inner)].any():
            return False
    shape = np.array(voxels.shape) - 1
    for corner in np.ndindex(*shape):
        cube = voxels[tuple(slice(start, start + 2) for start in corner)]
        for few in (cube, ~cube):
            if few.sum() == 2 and (np.argwhere(few).sum(axis=0) == 1).all():
                return False
    return True


def test_a_voxel_may_be_added_exactly_if_the_definition_allows_it() -> None:
    generator = np.random.default_rng(5)
    outcomes = []
    for smoothness in np.repeat([0.0, 0.5, 1.0, 2.0], 800):
        slope = np.einsum("a,axyz->xyz", generator.normal(size=3), np.indices((3, 3, 3)) - 1)
        block = smoothness * slope + generator.normal(size=(3, 3, 3)) > generator.normal()
        block[1, 1, 1] = False
        if not well_composed(block):
            continue  # grown sets are always well-composed
        code = sum(1 << index for index, voxel in enumerate(block.ravel()) if voxel)
        assert _may_join(code) == may_join_by_definition(block), block
        outcomes.append(_may_join(code))
    assert len(outcomes) > 400
    assert 0.1 < np.mean(outcomes) < 0.9  # both outcomes occur often


def test_the_neighbourhood_has_26_bits_and_excludes_the_centre() -> None:
    assert AROUND.bit_count() == 26
    assert AROUND & CENTRE == 0


def test_a_ball_stays_a_ball() -> None:
    mask = ball(8)
    grown = grow(mask, ndimage.distance_transform_edt(mask))
    assert (grown <= mask).all()
    assert grown.sum() > 0.99 * mask.sum()  # single voxels at the poles touch only at edges


def test_a_handle_is_cut_where_priority_is_lowest() -> None:
    mask = torus()
    assert euler_number(mask) == 0
    thin = np.where(np.indices(mask.shape)[0] < 12, 0.0, 1.0)  # one side has the lowest priority
    grown = grow(mask, thin)
    assert euler_number(grown) == 2
    removed = np.argwhere(mask & ~grown)
    assert (removed[:, 0] < 12).mean() > 0.9
    assert grown.sum() > 0.95 * mask.sum()


@pytest.mark.parametrize("seed", range(6))
def test_the_result_is_connected_without_cavities_or_handles(seed: int) -> None:
    generator = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(generator.normal(size=(24, 24, 24)), 1.5)
    mask = field > np.quantile(field, 0.45)  # a sponge with many handles
    grown = grow(mask, field)
    assert (grown <= mask).all()
    assert grown.sum() > 0.3 * mask.sum()
    padded = np.pad(grown, 1)
    for voxels in (padded, ~padded):
        assert ndimage.label(voxels, BY_FACES)[1] == 1
        assert ndimage.label(voxels, BY_CORNERS)[1] == 1
    assert well_composed(padded)
    assert euler_number(grown) == 2


def test_an_empty_mask_stays_empty_and_a_single_voxel_stays() -> None:
    assert not grow(np.zeros((4, 4, 4), dtype=bool), np.zeros((4, 4, 4))).any()
    one = np.zeros((3, 3, 3), dtype=bool)
    one[0, 0, 0] = True
    assert np.array_equal(grow(one, one.astype(float)), one)
