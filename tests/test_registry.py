from importlib.metadata import EntryPoint
from itertools import combinations

import numpy as np
import pytest
import torch

from spatialnets import UserError, registry
from spatialnets.geometries import Grid
from spatialnets.regularizers import L1
from spatialnets.rng import numpy_stream, torch_stream


def test_every_component_has_the_name_under_which_it_is_registered() -> None:
    for family in registry.FAMILIES:
        for name in registry.names(family):
            assert registry.name_of(family, registry.load(family, name)) == name


def test_a_class_can_be_named_by_its_module() -> None:
    assert registry.load("geometry", "spatialnets.geometries:Grid") is Grid
    assert registry.name_of("geometry", L1) == "spatialnets.regularizers.magnitude:L1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grdi", "there is no geometry 'grdi': did you mean 'grid'"),
        ("absent.module:Grid", "cannot be imported: No module named 'absent'"),
        ("spatialnets.geometries:Gird", "cannot be imported"),
        ("spatialnets.errors:nearest", "is not a class but function"),
    ],
)
def test_a_component_that_cannot_be_loaded_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        registry.load("geometry", name)


def test_a_name_that_two_packages_register_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    group = registry.FAMILIES["geometry"]
    claims = [
        EntryPoint("grid", "spatialnets.geometries.grid:Grid", group),
        EntryPoint("grid", "spatialnets.geometries.grid:Grid", group),  # the same entry twice is not a conflict
        EntryPoint("sphere", "spatialnets.geometries.sphere:Sphere", group),
        EntryPoint("sphere", "strangers:Ball", group),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: claims)
    registry._claims.cache_clear()
    try:
        assert registry.load("geometry", "grid") is Grid
        with pytest.raises(UserError, match="the geometry 'sphere': spatialnets.* and strangers:Ball .*module:Class"):
            registry.load("geometry", "sphere")
    finally:
        registry._claims.cache_clear()


def test_random_streams_depend_only_on_seed_purpose_and_step() -> None:
    keys = [(0, "noise", 0), (1, "noise", 0), (0, "weights", 0), (0, "noise", 1)]
    numbers = [numpy_stream(*key).normal(size=4) for key in keys]
    tensors = [torch.randn(4, generator=torch_stream(*key)) for key in keys]
    for one, other in combinations(range(4), 2):
        assert not np.array_equal(numbers[one], numbers[other])
        assert not torch.equal(tensors[one], tensors[other])
    np.testing.assert_array_equal(numbers[0], numpy_stream(*keys[0]).normal(size=4))
    assert torch.equal(tensors[0], torch.randn(4, generator=torch_stream(*keys[0])))
