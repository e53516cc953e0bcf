"""Terms of a penalty: projections, schedules and stored names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CUBE, tiny

from spatialnets import Experiment, Snapshot, UserError
from spatialnets.geometries import Grid, Points, Sheet, WithEnds
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Regularizer
from spatialnets.regularizers import L1, L2, Activity, Both, Distance, Nuclear, Sum
from spatialnets.training.trainer import Trainer, train

# Schedules


def test_schedule_factors_are_interpolated_linearly() -> None:
    warm_up = L1(0.1, schedule=((1, 0), (3, 1), (5, 0.5)))
    for epoch, factor in ((0, 0), (1, 0), (1.5, 0.25), (2, 0.5), (3, 1), (4, 0.75), (5, 0.5), (99, 0.5)):
        assert warm_up.factor_at(epoch) == pytest.approx(factor)
    assert L1(0.1).factor_at(7.5) == 1
    assert L1(0.1, schedule=((2, 0.3),)).factor_at(0) == 0.3


@pytest.mark.parametrize("schedule", [((3, 0), (1, 1)), ((1, 0), (1, 1)), ((-1, 0),), ((float("nan"), 0),)])
def test_schedules_without_rising_epochs_are_refused(schedule: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="epochs must be 0 or later and rise"):
        L1(0.1, schedule=schedule)


@pytest.mark.parametrize("factor", [-1.0, float("inf"), float("nan")])
def test_invalid_schedule_factors_are_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        L1(0.1, schedule=((0, factor),))


def test_a_warm_up_from_zero_has_no_effect_on_the_first_update() -> None:
    warm_up = Trainer(tiny(regularizer=L1(0.5, schedule=((0, 0), (2, 1)))), CUBE)
    free = Trainer(tiny(regularizer=L1(0.0)), CUBE)
    assert warm_up.penalties.for_update(None, 0.0, 0)["l1"].tolist() == [0, 0]
    batch = warm_up.training_trials.batch(0, 32)
    for trainer in (warm_up, free):
        trainer.update(batch, epoch=0.0)
    for one, other in zip(warm_up.ensemble.parameters(), free.ensemble.parameters(), strict=True):
        assert torch.equal(one, other)
    warm_up.update(batch, epoch=1 / 3)
    free.update(batch, epoch=1 / 3)
    assert not torch.equal(warm_up.ensemble.projections()["recurrent"], free.ensemble.projections()["recurrent"])


def test_stored_penalties_follow_the_schedule() -> None:
    data = train(tiny(regularizer=L1(0.5, schedule=((0, 0), (2, 1)))), CUBE)
    total = np.abs(data["weights"].to_numpy()).sum(axis=(2, 3))
    np.testing.assert_allclose(data["penalty"], 0.5 * total * [0, 0.5, 1], rtol=1e-5)  # float32


def test_schedule_factors_change_from_update_to_update() -> None:
    trainer = Trainer(tiny(regularizer=L1(1.0, schedule=((0, 0), (2, 1)))), CUBE)
    full = Trainer(tiny(regularizer=L1(1.0)), CUBE).penalties.for_update(None, 0.0, 0)["l1"]
    for epoch in (1 / 3, 2 / 3, 1.5):
        torch.testing.assert_close(trainer.penalties.for_update(None, epoch, 0)["l1"], full * epoch / 2)


# Projections


def test_each_term_penalizes_the_weights_of_its_projection() -> None:
    total = Sum(
        terms=(L1(0.1), L1(0.2, projection="input"), L1(0.3, projection="readout"), L2(0.1, projection="input"))
    )
    data = train(tiny(regularizer=total), CUBE)
    for term, block, factor in (("l1", "weights", 0.1), ("l1_input", "weights_input", 0.2)):
        expected = factor * np.abs(data[block].to_numpy()).sum(axis=(2, 3))
        np.testing.assert_allclose(data[f"penalty_{term}"], expected, rtol=1e-5)  # float32
    expected = 0.3 * np.abs(data["weights_readout"].to_numpy()).sum(axis=(2, 3))
    np.testing.assert_allclose(data["penalty_l1_readout"], expected, rtol=1e-5)
    squares = 0.1 * np.square(data["weights_input"].to_numpy()).sum(axis=(2, 3))
    np.testing.assert_allclose(data["penalty_l2_input"], squares, rtol=1e-5)


def test_terms_are_stored_by_name_and_number() -> None:
    total = L1(0.1) + L1(0.2) + Both(0.1) + L1(0.1, projection="input") + L1(0.3)
    names = ["l1", "l1_2", "both", "l1_input", "l1_3"]
    trainer = Trainer(tiny(regularizer=total), CUBE)
    assert list(trainer.penalties.terms) == names
    data = trainer.dataset()
    assert [name for name in map(str, data) if name.startswith("penalty_")] == [f"penalty_{name}" for name in names]
    assert data["penalty_l1_2"].attrs["long_name"] == "penalty of the term l1_2"
    np.testing.assert_allclose(data["penalty_l1_2"], 2 * data["penalty_l1"], rtol=1e-6)
    np.testing.assert_allclose(data["penalty_l1_3"], 3 * data["penalty_l1"], rtol=1e-6)


def test_nested_sums_are_flattened() -> None:
    inner = Sum(terms=(L1(0.1), Distance(0.1)))
    assert [type(term) for term in Sum(terms=(inner, L2(0.1))).addends()] == [L1, Distance, L2]


def test_unknown_projections_are_refused() -> None:
    with pytest.raises(UserError, match="L1 penalizes the projection 'feedback'.*valid: input, readout, recurrent"):
        Trainer(tiny(regularizer=L1(0.1, projection="feedback")), CUBE)
    with pytest.raises(UserError, match="did you mean 'readout'"):
        Trainer(tiny(regularizer=L2(0.1) + L1(0.1, projection="readuot")), CUBE)


def test_projection_and_schedule_belong_to_terms() -> None:
    with pytest.raises(ValueError, match="set projection and schedule on the terms"):
        Sum(terms=(L1(0.1),), projection="input")
    with pytest.raises(ValueError, match="can be multiplied"):
        L1(0.1) * Distance(0.1, projection="input")
    product = L1(0.1, projection="input") * Distance(0.1, projection="input")
    assert product.projection == "input"


def test_projection_and_schedule_can_be_declared_and_saved(tmp_path: Path) -> None:
    overrides = ("regularizer={kind: l1, strength: 0.1, projection: readout, schedule: [[0, 0], [2, 1]]}",)
    experiment = Experiment.from_preset("sernn_demo").override(*overrides)
    regularizer = experiment.groups["sernn"].ensembles[0].regularizer
    assert (regularizer.projection, regularizer.schedule) == ("readout", ((0.0, 0.0), (2.0, 1.0)))
    (tmp_path / "again.yaml").write_text(experiment.to_yaml(), encoding="utf-8")
    assert Experiment.from_yaml(tmp_path / "again.yaml").digest == experiment.digest


@pytest.mark.parametrize("term", [Distance(0.1, projection="input"), Both(0.1, projection="readout")])
def test_penalties_on_length_need_positions_of_inputs_and_outputs(term: Regularizer) -> None:
    with pytest.raises(UserError, match=type(term).__name__):
        Trainer(tiny(regularizer=term), CUBE)


# Positions of inputs and outputs

ENDS = WithEnds(
    Grid((2, 2, 2)),
    inputs=Sheet((2, 4)),
    outputs=Grid((4,)),
    input_offset=(0.0, 0.0, -2.0),
    output_offset=(0.0, 5.0, 0.0),
)


def test_input_and_output_distances_are_straight_lines_in_steps() -> None:
    geometry = StoredGeometry.of(ENDS)
    inputs, outputs = geometry.projection_distances("input"), geometry.projection_distances("readout")
    assert inputs is not None
    assert outputs is not None
    assert (inputs.shape, outputs.shape) == ((8, 8), (8, 4))
    units, places = Grid((2, 2, 2)).positions(), Sheet((2, 4)).positions()
    expected = np.linalg.norm(places[3][:2] - units[5][:2]) ** 2 + (units[5][2] + 2) ** 2
    assert inputs[3, 5] == pytest.approx(np.sqrt(expected) * geometry.steps_per_unit)
    output_position = np.array([Grid((4,)).positions()[2][0], 5.0, 0.0])
    assert outputs[6, 2] == pytest.approx(np.linalg.norm(units[6] - output_position) * geometry.steps_per_unit)
    np.testing.assert_array_equal(
        geometry.distances_in_steps(), StoredGeometry.of(Grid((2, 2, 2))).distances_in_steps()
    )
    assert geometry.projection_distances("feedback") is None


def test_input_weights_are_penalized_by_length() -> None:
    geometry = StoredGeometry.of(ENDS)
    data = train(tiny(regularizer=Distance(0.1, projection="input")), geometry)
    weighted = np.abs(data["weights_input"].to_numpy()) * geometry.projection_distances("input")
    np.testing.assert_allclose(data["penalty"], 0.1 * weighted.sum(axis=(2, 3)), rtol=1e-5)  # float32


def test_wrong_numbers_of_inputs_or_outputs_are_refused() -> None:
    few = replace(ENDS, inputs=Sheet((1, 3)))
    with pytest.raises(UserError, match="positions for 3 inputs, but the task has 8"):
        Trainer(tiny(), StoredGeometry.of(few))
    with pytest.raises(UserError, match="positions for 5 outputs, but the task has 4"):
        Trainer(tiny(), StoredGeometry.of(replace(ENDS, outputs=Grid((5,)))))


def test_invalid_input_and_output_positions_are_refused() -> None:
    with pytest.raises(ValueError, match="neither inputs nor outputs is given"):
        WithEnds(Grid())
    flat = Points(coordinates=np.random.default_rng(0).normal(size=(4, 5)))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="5 dimensions"):
        StoredGeometry.of(WithEnds(Grid(), inputs=flat))


def test_input_and_output_positions_are_stored_and_read_again(tmp_path: Path) -> None:
    geometry = StoredGeometry.of(ENDS)
    geometry.write(tmp_path / "ends.npz")
    again = StoredGeometry.read(tmp_path / "ends.npz")
    np.testing.assert_array_equal(again.input_positions, geometry.input_positions)
    np.testing.assert_array_equal(again.projection_distances("readout"), geometry.projection_distances("readout"))


# States


def test_penalties_on_states_use_the_states_of_the_batch() -> None:
    trainer = Trainer(tiny(regularizer=Activity(1.0) + Nuclear(0.1)), CUBE)
    states = trainer.ensemble.states(trainer.training_trials.batch(0, 32).inputs)
    penalties = trainer.penalties.for_update(states, 0.0, 0)
    expected = Activity(1.0).penalty(Snapshot(torch.ones(2, 8, 8), states=states))
    torch.testing.assert_close(penalties["activity"], expected)
