from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Lasso, LassoCV
from sklearn.metrics import explained_variance_score

from spatialnets import Experiment, Run, UserError
from spatialnets.analyses.decoding import Decoding, decode, decoded
from spatialnets.analyses.energy import Energy
from spatialnets.analyses.functional_connectivity import FunctionalConnectivity
from spatialnets.analyses.selection import Recorded, made_of, parts_of, passing, scored_epoch, varies
from spatialnets.analyses.selectivity import Selectivity
from spatialnets.analyses.spatial_coding import SpatialCoding
from spatialnets.cores import RNN
from spatialnets.experiments.group import Networks
from spatialnets.networks.recording import codes_of, record, windows
from spatialnets.protocols import Analysis, FloatArray
from spatialnets.tasks import OneChoice
from spatialnets.testing import check_analysis

OF_ANY = Decoding(trials=60, accuracy=0.0)
ANALYSES = [
    OF_ANY,
    SpatialCoding(sets=20, top=5, decoding=OF_ANY),
    Selectivity(decoding=OF_ANY),
    Energy(trials=60, accuracy=0.0),
    FunctionalConnectivity(trials=60, accuracy=0.0),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run in which one network diverges."""
    words = (
        "networks=1",
        "groups.sernn.regularizer.strength={list: [0.01, 1e38]}",
        "training.epochs=2",
        "training.trials_per_epoch=128",
        "geometry.shape=[3, 2, 2]",
    )
    folder = tmp_path_factory.mktemp("decoding") / "run"
    return Experiment.from_preset("sernn_demo").override(*words).run(folder, workers=1, report=False)


def trials(noise: float, units: int = 6, count: int = 240) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Codes of the task, and units of which one follows the goal, one the choices, one both; the last is silent."""
    generator = np.random.default_rng(0)
    drawn = OneChoice().trials(count, generator)
    codes = {name: columns.astype(float) for name, columns in drawn.codes.items()}
    goal, choices = codes["goal"] @ [0.0, 1, 2, 4], codes["choices"] @ [3.0, 0, 1, 0]
    states = np.stack([goal, choices, goal + choices, *generator.normal(size=(units - 4, count)), np.zeros(count)])
    return states.T + noise * generator.normal(size=(count, units)) * (np.arange(units) < units - 1), codes


# Oracle: scikit-learn, one unit at a time


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_explained_variance_is_what_scikit_learn_gives_step_by_step(noise: float) -> None:
    states, codes = trials(noise)
    drops, explained = decode(states, codes, seed=3)
    predictors = np.concatenate(list(codes.values()), axis=1)
    generator = np.random.default_rng(3)
    held_out = [part for _ in range(2) for part in np.array_split(generator.permutation(len(states)), 3)]
    for unit in range(states.shape[1] - 1):
        target = states[:, unit]
        alpha = LassoCV(cv=5).fit(predictors, target).alpha_
        whole, without = [], []
        for held in held_out:
            kept = np.delete(np.arange(len(states)), held)
            model = Lasso(alpha=alpha).fit(predictors[kept], target[kept])
            whole.append(explained_variance_score(target[held], model.predict(predictors[held])))
            for place in range(3):
                zeroed = predictors[held].copy()
                zeroed[:, 4 * place : 4 * place + 4] = 0
                without.append(explained_variance_score(target[held], model.predict(zeroed)))
        assert explained[unit] == pytest.approx(np.mean(whole), abs=1e-8)  # float64 sums in another order
        expected = np.mean(whole) - np.reshape(without, (6, 3)).mean(axis=0)
        np.testing.assert_allclose(drops[unit], expected, atol=1e-8)


# What was planted


def test_units_that_follow_goal_or_choices_are_told_apart() -> None:
    drops, explained = decode(*trials(0.1))
    goal, choices, both, chance, _, silent = drops
    assert goal[0] > 0.9
    assert np.abs(goal[1:]).max() < 0.05
    assert choices[1] > 0.9
    assert abs(choices[0]) < 0.05
    assert both[0] > 0.3
    assert both[1] > 0.1
    assert np.abs(chance).max() < 0.1
    assert (silent == 0).all()
    assert (explained[:3] > 0.95).all()
    assert explained[5] == 0


def test_codes_that_share_the_work_explain_little_alone() -> None:
    states, codes = trials(0.0)
    twice = {"goal": codes["goal"], "again": codes["goal"][:, ::-1]}
    drops, explained = decode(states[:, :1], twice)
    assert explained[0] > 0.99
    assert drops[0].sum() < 1.3
    alone, _ = decode(states[:, :1], {"goal": codes["goal"]})
    assert alone[0, 0] > 0.99


# Properties


def test_rescaling_and_shifting_a_unit_changes_nothing() -> None:
    states, codes = trials(0.3)
    before, whole = decode(states, codes)
    after, again = decode(100 * states + 5, codes)
    np.testing.assert_allclose(after, before, atol=1e-6)  # alphas scale along; the tolerance is relative
    np.testing.assert_allclose(again, whole, atol=1e-6)


def test_a_unit_is_decoded_alone_as_in_company() -> None:
    states, codes = trials(0.3)
    together, _ = decode(states, codes)
    damaged = states.copy()
    damaged[7, 0] = np.nan
    found, explained = decode(damaged, codes)
    assert np.isnan(found[0]).all()
    assert np.isnan(explained[0])
    np.testing.assert_allclose(found[1:], together[1:], atol=1e-12)
    np.testing.assert_allclose(decode(states[:, [2]], codes)[0][0], together[2], atol=1e-12)


def test_what_varies_by_rounding_alone_is_silent() -> None:
    states = np.float32(3) + np.array([[0.0, 0.0, 0.0], [2e-7, 1e-2, 0.0]], dtype=np.float32)
    assert varies(states).tolist() == [False, True, False]
    assert not varies(np.zeros((5, 2))).any()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: decode(np.zeros((9, 2)), {}), "no code"),
        (lambda: decode(np.zeros((9, 2)), {"goal": np.zeros((8, 2))}), "expected states"),
        (lambda: decode(np.zeros((9, 2)), {"goal": np.zeros(9)}), "expected states"),
        (lambda: decode(np.zeros((5, 2)), {"goal": np.zeros((5, 2))}), "6 trials or more"),
        (lambda: Decoding(trials=3), "trials must be 6 or more"),
        (lambda: Decoding(steps_per_window=0), "steps_per_window must be 1 or more"),
        (lambda: Decoding(predictors=("goal", "goal")), "predictors must differ"),
        (lambda: Decoding(input_noise=-0.1), "input_noise must be finite"),
        (lambda: Energy(accuracy=1.5), "accuracy must be between 0 and 1"),
        (lambda: Energy(epoch=-1), "epoch must be 0 or more"),
    ],
)
def test_decodings_that_cannot_be_are_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


# On a run


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda analysis: type(analysis).__name__)
def test_analyses_of_function_keep_their_contract_where_something_is_measured(analysis: Analysis, run: Run) -> None:
    check_analysis(analysis, run)
    found = analysis.measure(run)
    diverged = run.map(lambda shard: shard[["status"]])["status"].to_numpy() == "diverged"
    assert diverged.sum() == 1
    assert found["epoch"].to_numpy().tolist() == [2]  # the last, because there is no ninth
    for name, values in found.data_vars.items():
        assert np.isnan(values.to_numpy()[diverged]).all(), name
    if not isinstance(analysis, SpatialCoding):  # where no unit prefers a code, there is no set
        assert all(np.isfinite(values.to_numpy()[~diverged]).any() for values in found.data_vars.values())


def test_networks_that_have_not_learned_are_not_measured(run: Run) -> None:
    found = Decoding(trials=60).measure(run)
    assert np.isnan(found["explained_variance"]).all()
    assert found["explained_variance"].shape == (3, 1, 12, 3, 3)


def test_a_run_is_decoded_as_its_recordings_are(run: Run) -> None:
    found = OF_ANY.measure(run)
    assert found["predictor"].to_numpy().tolist() == ["goal", "choices", "correct"]
    assert found["window_start"].to_numpy().tolist() == [0, 5, 10]
    assert found["explained_variance"].dtype == np.float32
    place = int(np.flatnonzero(found["group"].to_numpy() == "l1")[0])
    shard = run["l1"].isel(network=[0])
    recording = record(shard, 2, RNN(), run.parts("l1", 0).task, trials=60)
    for window in (0, 2):
        drops, explained = decode(windows(recording.states[0])[:, window], codes_of(recording.trials[0]))
        # float32 in the table
        np.testing.assert_allclose(found["explained_variance"][place, 0, :, window], drops, atol=1e-6)
        np.testing.assert_allclose(found["explained_variance_all"][place, 0, :, window], explained, atol=1e-6)


def test_only_asked_predictors_are_decoded(run: Run) -> None:
    found = replace(OF_ANY, predictors=("choices",)).measure(run)
    assert found["predictor"].to_numpy().tolist() == ["choices"]
    with pytest.raises(UserError, match="has no code colour; it has goal, choices, correct"):
        replace(OF_ANY, predictors=("colour",)).measure(run)


def test_a_stored_decoding_is_used_if_made_by_the_same_settings(run: Run, tmp_path: Path) -> None:
    shard, parts = run["sernn"], parts_of(run)
    table = OF_ANY.measure(run)
    marked = table.assign(explained_variance=table["explained_variance"] + 7).assign_attrs(analysis=repr(OF_ANY))
    (tmp_path / "analyses").mkdir()
    marked.to_netcdf(tmp_path / "analyses" / "decoding.nc", engine="h5netcdf")
    for of, shift in ((OF_ANY, 7), (replace(OF_ANY, seed=1), 0)):
        for some in (shard, shard.isel(network=[1, 0])):
            found = decoded(of, some, parts, tmp_path)["explained_variance"].to_numpy()
            expected = of.of_shard(some, parts)["explained_variance"].to_numpy() + shift
            np.testing.assert_allclose(found, expected, atol=1e-5)  # float32
    fresh = decoded(OF_ANY, shard, parts, run.folder)["explained_variance"]  # this run has nothing stored
    np.testing.assert_array_equal(fresh, OF_ANY.of_shard(shard, parts)["explained_variance"])


def test_the_scored_epoch_is_the_last_of_a_short_training() -> None:
    shard = xr.Dataset(
        {"validation_accuracy": (("network", "epoch"), [[0.1, 0.95, 0.89], [0.2, 0.5, np.nan], [0, 0, 0.9]])},
        {"epoch": [0, 1, 2]},
    )
    assert [scored_epoch(shard, epoch) for epoch in (9, 2, 1)] == [2, 2, 1]
    assert passing(shard, 2, 0.9).tolist() == [False, False, True]
    assert passing(shard, 1, 0.9).tolist() == [True, False, False]
    assert passing(shard, 2, 0.0).tolist() == [True, False, True]


def test_fields_that_differ_per_network_are_those_of_the_network(run: Run) -> None:
    made = parts_of(run)["sernn"]
    assert [one.numbers for one in made] == [(0, 1)]
    assert made_of(parts_of(run), "sernn", 1).core == RNN()
    assert isinstance(run.parts("sernn", 0), Networks)


def test_an_analysis_of_states_need_not_repeat_what_is_recorded() -> None:
    assert issubclass(Decoding, Recorded)
    with pytest.raises(TypeError, match="abstract"):
        Recorded()  # type: ignore[abstract]


def test_a_mapped_function_can_be_sent_to_another_process(run: Run) -> None:
    import pickle

    for analysis in ANALYSES:
        arguments: dict[str, Any] = {"parts": parts_of(run)}
        if not isinstance(analysis, Recorded):
            arguments["folder"] = run.folder
        function = partial(analysis.of_shard, **arguments)  # type: ignore[attr-defined]
        again = pickle.loads(pickle.dumps(function))
        xr.testing.assert_identical(again(run["l1"]), function(run["l1"]))


def test_a_unit_that_is_constant_among_the_trials_left_out_explains_nothing_there() -> None:
    shown = np.repeat(np.arange(8), [12, 4, 4, 4, 4, 4, 4, 4])
    codes = {"shown": np.eye(8, dtype=np.float32)[shown]}
    rising = 0.3 + 0.5 * (shown == 1)[:, None, None]  # in four of forty trials
    states = (rising * np.ones((1, 5, 1))).astype(np.float32).mean(axis=1, dtype=np.float64)
    for seed in range(10):
        explained, _ = decode(states, codes, seed)
        assert np.abs(explained).max() < 3  # it was 1e30 where all four were among those that fitted
