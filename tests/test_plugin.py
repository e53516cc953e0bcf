"""A geometry from another package, by the name of its entry point and as an object."""

from pathlib import Path

import pytest
from spatialnets_helix import Helix  # installed by `make test` from tests/plugin

from spatialnets import DeclarationError, Experiment, registry
from spatialnets.testing import check_geometry

OVERRIDES = ("networks=1", "training.epochs=1", "training.trials_per_epoch=128", "geometry.n=12")


def test_a_plugin_geometry_satisfies_the_contract() -> None:
    check_geometry(Helix())


def test_a_plugin_geometry_is_registered_by_name() -> None:
    assert "helix" in registry.names("geometry")
    assert registry.load("geometry", "helix") is Helix
    assert registry.distribution("geometry", "helix") == "spatialnets-helix"


@pytest.mark.parametrize("workers", [1, 2])
def test_one_override_selects_a_plugin_geometry(tmp_path: Path, workers: int) -> None:
    by_name = Experiment.from_preset("sernn_demo").override("geometry=helix", *OVERRIDES)
    by_object = Experiment.from_preset("sernn_demo").override(*OVERRIDES[:-1]).replace(geometry=Helix(n=12))
    assert by_name.digest == by_object.digest
    run = by_name.run(out=tmp_path, workers=workers, report=False)
    assert run["sernn"].attrs["length_unit"] == "mm"
    assert run["sernn"]["position"].shape == (12, 3)


def test_mistakes_in_a_plugin_geometry_are_reported_like_others() -> None:
    with pytest.raises(DeclarationError, match="override .*: geometry: radius, pitch and turns must be positive"):
        Experiment.from_preset("sernn_demo").override("geometry=helix", "geometry.pitch=-1.0")
