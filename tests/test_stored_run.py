"""A run folder that an earlier commit wrote (tests/data/run_format_4) opens, resumes and can be compared.

It holds two groups of two networks of eight units: one shard is complete, the other has a checkpoint after one of the
two updates of its second epoch. Nothing in it names a module of the package, so that modules can move.
"""

import json
import re
import shutil
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spatialnets
from spatialnets import DeclarationError, Experiment, Geometry, Run, RunError, registry
from spatialnets.experiments.blocks import identity
from spatialnets.files.atomic import write_checked
from spatialnets.training.checkpoint import updates_in
from spatialnets.workflow import compare, train

STORED = Path(__file__).parent / "data" / "run_format_4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "run"))


def test_its_experiment_has_the_hash_that_was_stored(folder: Path) -> None:
    run = Run.open(folder)
    assert run.plan["format"] == 4
    assert run.experiment().digest == run.plan["experiment"]
    assert set(run.experiment().geometries) == set(run.plan["geometries"])


def test_no_file_of_it_names_a_module_of_the_package(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert not re.search(rb"spatialnets[./]\w", path.read_bytes()), path


def test_it_opens_with_weights_scores_and_geometry(folder: Path) -> None:
    run = Run.open(folder)
    assert [shard.done for shard in run.shards] == [True, False]
    data = run["sernn"]
    assert data["weights"].dims == ("network", "epoch", "pre", "post")
    assert data["weights"].shape == (2, 3, 8, 8)
    assert np.isfinite(data["validation_loss"]).all()
    np.testing.assert_array_equal(data["distances"], run.geometry_of("sernn").distances)


def test_it_resumes_from_its_checkpoint(folder: Path) -> None:
    run = Run.open(folder)
    complete = run.shards[0].path.read_bytes()
    assert updates_in(run.checkpoint(1)) == 3
    run = train(run.experiment(), folder, workers=1, report=False)
    assert run.finished
    assert run.shards[0].path.read_bytes() == complete
    (session,) = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["sessions"][1:]
    assert session["shards"] == 1
    # the first epoch was trained by the earlier commit, and is part of the checkpoint
    with np.load(STORED / "checkpoints" / "00001.npz") as checkpoint:
        np.testing.assert_array_equal(
            run["l1"]["weights"].isel(epoch=[0, 1]), checkpoint["weights/weights"].squeeze(2).swapaxes(0, 1)
        )


def test_its_groups_can_be_compared_once_it_is_finished(folder: Path) -> None:
    run = train(Run.open(folder).experiment(), folder, workers=1, report=False)
    comparison = compare(run)
    assert [sample.group for sample in comparison.samples] == ["sernn", "l1"]
    assert run.compare().reasons == comparison.reasons == spatialnets.compare(run).reasons


def test_a_run_of_another_format_opens_and_is_refused_for_resuming(folder: Path) -> None:
    plan = Run.open(folder).plan
    write_checked(folder / "plan.json", json.dumps({**plan, "format": 5}).encode())
    run = Run.open(folder)
    assert run["sernn"]["weights"].shape == (2, 3, 8, 8)
    with pytest.raises(RunError, match="has no network 99 of group 'sernn'"):
        run.geometry_of("sernn", network=99)
    with pytest.raises(RunError, match=r"was written by another version \(format 5, not 4\) and cannot be continued"):
        train(run.experiment(), folder, workers=1, report=False)


# The hash of an experiment identifies its runs: it must survive new fields and other spellings.


def place(*fields: tuple[str, type, Any]) -> type[Geometry]:
    """Return a class `Place` with some fields, as two versions of a package might define it."""
    methods = {
        "positions": lambda self: np.arange(24.0).reshape(8, 3),
        "distances": lambda self: np.abs(np.subtract.outer(np.arange(8.0), np.arange(8.0))),
    }
    made = make_dataclass("Place", fields, bases=(Geometry,), namespace=methods, frozen=True, kw_only=True)
    made.__module__ = __name__
    return made


EARLIER = place(("width", float, 1.0))
LATER = place(("width", float, 1.0), ("depth", float, field(default=2.0, metadata={"added": "0.2"})))
UNMARKED = place(("width", float, 1.0), ("depth", float, 2.0))


def digest_on(geometry: Geometry) -> str:
    return Experiment.from_preset("sernn_demo").replace(geometry=geometry).digest


def test_a_field_that_was_added_later_enters_the_hash_only_when_it_is_not_at_its_default() -> None:
    assert digest_on(LATER()) == digest_on(LATER(depth=2.0)) == digest_on(EARLIER())  # type: ignore[call-arg]
    assert digest_on(LATER(depth=3.0)) != digest_on(EARLIER())  # type: ignore[call-arg]
    assert digest_on(LATER(width=3.0)) == digest_on(EARLIER(width=3.0)) != digest_on(EARLIER())  # type: ignore[call-arg]
    assert digest_on(UNMARKED()) != digest_on(EARLIER())


def test_a_field_that_was_added_later_is_left_out_of_nested_components_and_axes() -> None:
    classes = {"place": LATER}
    block = {"kind": "place", "width": 1.0, "depth": 2.0, "rescale": "mean"}
    earlier = {"kind": "place", "width": 1.0, "rescale": "mean"}
    assert identity("geometry", block, classes) == earlier
    assert identity("geometry", {"list": [block, {**block, "depth": 3.0}]}, classes) == {
        "list": [earlier, {**block, "depth": 3.0}]
    }
    assert identity("geometry", {"kind": "union", "areas": [block, block]}, classes) == {
        "kind": "union",
        "areas": [earlier, earlier],
    }
    assert identity("geometry", {**block, "depth": {"linspace": [2.0, 3.0]}}, classes) != earlier


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("regularizer=distance_communicability", "regularizer=both"),
        (
            "core={kind: torch_module, module_factory: torch.nn:GRU}",
            "core={kind: wrapped, module_factory: torch.nn:GRU}",
        ),
        ("core={kind: gru, penalized_gates: [candidate]}", "core={kind: gru, paying_gates: [candidate]}"),
        ("core.constraints=[no_self_connections]", "core.constraints=[no_self]"),
    ],
)
def test_an_alias_is_the_same_experiment_as_the_name_that_runs_store(alias: str, name: str) -> None:
    preset = Experiment.from_preset("sernn_demo")
    experiment, original = (preset.override(word, "regularizer.strength=0.1") for word in (alias, name))
    assert experiment.digest == original.digest
    assert experiment.to_yaml() == original.to_yaml()


def test_every_alias_leads_to_a_registered_component() -> None:
    for family, aliases in registry.ALIASES.items():
        for alias, name in aliases.items():
            assert name in registry.names(family)
            assert alias not in registry.names(family)
            assert registry.load(family, alias) is registry.load(family, name)


def test_a_field_given_under_two_names_is_refused() -> None:
    words = "core={kind: gru, paying_gates: [candidate], penalized_gates: [reset]}"
    with pytest.raises(DeclarationError, match="paying_gates: is given twice, under two names"):
        Experiment.from_preset("sernn_demo").override(words)
