"""A geometry from another package, through its entry point and as an object."""

from pathlib import Path

import pytest
from spatialnets_helix import Helix  # installed by `make test` from tests/plugin

from spatialnets import Experiment, registry
from spatialnets.testing import check_geometry

WORDS = ("networks=1", "training.epochs=1", "training.trials_per_epoch=128", "geometry.n=12")


def test_a_strangers_geometry_keeps_the_contract() -> None:
    check_geometry(Helix())


def test_a_strangers_geometry_is_found_by_its_name() -> None:
    assert "helix" in registry.names("geometry")
    assert registry.load("geometry", "helix") is Helix
    assert registry.distribution("geometry", "helix") == "spatialnets-helix"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_strangers_geometry_is_one_word_away(tmp_path: Path, workers: int) -> None:
    by_word = Experiment.from_preset("sernn_demo").override("geometry=helix", *WORDS)
    by_object = Experiment.from_preset("sernn_demo").override(*WORDS[:-1]).replace(geometry=Helix(n=12))
    assert by_word.digest == by_object.digest
    run = by_word.run(out=tmp_path, workers=workers, report=False)
    assert run["sernn"].attrs["length_unit"] == "mm"
    assert run["sernn"]["position"].shape == (12, 3)


def test_a_strangers_mistakes_are_said_like_our_own() -> None:
    with pytest.raises(Exception, match="must be positive"):
        Experiment.from_preset("sernn_demo").override("geometry=helix", "geometry.pitch=-1.0")
