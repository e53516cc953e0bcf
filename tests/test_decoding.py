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
from spatialnets.aliases import FloatArray
from spatialnets.analyses.decoding import Decoding, decode, load_or_decode
from spatialnets.analyses.energy import Energy
from spatialnets.analyses.functional_connectivity import FunctionalConnectivity
from spatialnets.analyses.selection import RecordingAnalysis, passing_mask, scored_epoch, setup_of, setups_of, varies
from spatialnets.analyses.selectivity import Selectivity
from spatialnets.analyses.spatial_coding import SpatialCoding
from spatialnets.cores import RNN
from spatialnets.experiments.group import EnsembleSpec
from spatialnets.networks.recording import codes_of, record, windows
from spatialnets.protocols import Analysis
from spatialnets.tasks import OneChoice
from spatialnets.testing import check_analysis

ALL_NETWORKS = Decoding(trials=60, accuracy=0.0)
ANALYSES = [
    ALL_NETWORKS,
    SpatialCoding(sets=20, top=5, decoding=ALL_NETWORKS),
    Selectivity(decoding=ALL_NETWORKS),
    Energy(trials=60, accuracy=0.0),
    FunctionalConnectivity(trials=60, accuracy=0.0),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run in which one network diverges."""
    overrides = (
        "networks=1",
        "groups.sernn.regularizer.strength={list: [0.01, 1e38]}",
        "training.epochs=2",
        "training.trials_per_epoch=128",
        "geometry.shape=[3, 2, 2]",
    )
    folder = tmp_path_factory.mktemp("decoding") / "run"
    return Experiment.from_preset("sernn_demo").override(*overrides).run(folder, workers=1, report=False)


def trials(noise: float, units: int = 6, count: int = 240) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Codes of the task, and units that follow the goal, the choices, both, or noise; the last unit is silent."""
    generator = np.random.default_rng(0)
    drawn = OneChoice().trials(count, generator)
    codes = {name: columns.astype(float) for name, columns in drawn.codes.items()}
    goal, choices = codes["goal"] @ [0.0, 1, 2, 4], codes["choices"] @ [3.0, 0, 1, 0]
    states = np.stack([goal, choices, goal + choices, *generator.normal(size=(units - 4, count)), np.zeros(count)])
    return states.T + noise * generator.normal(size=(count, units)) * (np.arange(units) < units - 1), codes


# Reference: scikit-learn, one unit at a time


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_explained_variance_equals_that_of_scikit_learn(noise: float) -> None:
    states, codes = trials(noise)
    drops, explained = decode(states, codes, seed=3)
    predictors = np.concatenate(list(codes.values()), axis=1)
    generator = np.random.default_rng(3)
    held_out = [fold for _ in range(2) for fold in np.array_split(generator.permutation(len(states)), 3)]
    for unit in range(states.shape[1] - 1):
        target = states[:, unit]
        alpha = LassoCV(cv=5).fit(predictors, target).alpha_
        whole, without = [], []
        for held in held_out:
            kept = np.delete(np.arange(len(states)), held)
            model = Lasso(alpha=alpha).fit(predictors[kept], target[kept])
            whole.append(explained_variance_score(target[held], model.predict(predictors[held])))
            for code in range(3):
                zeroed = predictors[held].copy()
                zeroed[:, 4 * code : 4 * code + 4] = 0
                without.append(explained_variance_score(target[held], model.predict(zeroed)))
        assert explained[unit] == pytest.approx(np.mean(whole), abs=1e-8)  # float64 sums in another order
        expected = np.mean(whole) - np.reshape(without, (6, 3)).mean(axis=0)
        np.testing.assert_allclose(drops[unit], expected, atol=1e-8)


# Simulated units


def test_units_that_follow_goal_or_choices_are_identified() -> None:
    drops, explained = decode(*trials(0.1))
    goal, choices, both, noise, _, silent = drops
    assert goal[0] > 0.9
    assert np.abs(goal[1:]).max() < 0.05
    assert choices[1] > 0.9
    assert abs(choices[0]) < 0.05
    assert both[0] > 0.3
    assert both[1] > 0.1
    assert np.abs(noise).max() < 0.1
    assert (silent == 0).all()
    assert (explained[:3] > 0.95).all()
    assert explained[5] == 0


def test_redundant_codes_explain_little_alone() -> None:
    states, codes = trials(0.0)
    redundant = {"goal": codes["goal"], "copy": codes["goal"][:, ::-1]}
    drops, explained = decode(states[:, :1], redundant)
    assert explained[0] > 0.99
    assert drops[0].sum() < 1.3
    alone, _ = decode(states[:, :1], {"goal": codes["goal"]})
    assert alone[0, 0] > 0.99


# Properties


def test_rescaling_and_shifting_a_unit_does_not_change_its_decoding() -> None:
    states, codes = trials(0.3)
    drops, explained = decode(states, codes)
    scaled_drops, scaled_explained = decode(100 * states + 5, codes)
    np.testing.assert_allclose(scaled_drops, drops, atol=1e-6)  # alphas scale with the states
    np.testing.assert_allclose(scaled_explained, explained, atol=1e-6)


def test_units_are_decoded_independently() -> None:
    states, codes = trials(0.3)
    together, _ = decode(states, codes)
    damaged = states.copy()
    damaged[7, 0] = np.nan
    drops, explained = decode(damaged, codes)
    assert np.isnan(drops[0]).all()
    assert np.isnan(explained[0])
    np.testing.assert_allclose(drops[1:], together[1:], atol=1e-12)
    np.testing.assert_allclose(decode(states[:, [2]], codes)[0][0], together[2], atol=1e-12)


def test_units_that_vary_only_by_rounding_are_silent() -> None:
    states = np.float32(3) + np.array([[0.0, 0.0, 0.0], [2e-7, 1e-2, 0.0]], dtype=np.float32)
    assert varies(states).tolist() == [False, True, False]
    assert not varies(np.zeros((5, 2))).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decode(np.zeros((9, 2)), {}), "at least one code"),
        (lambda: decode(np.zeros((9, 2)), {"goal": np.zeros((8, 2))}), "expected states"),
        (lambda: decode(np.zeros((9, 2)), {"goal": np.zeros(9)}), "expected states"),
        (lambda: decode(np.zeros((5, 2)), {"goal": np.zeros((5, 2))}), "number of trials must be 6 or more"),
        (lambda: Decoding(trials=3), "trials must be 6 or more"),
        (lambda: Decoding(steps_per_window=0), "steps_per_window must be 1 or more"),
        (lambda: Decoding(predictors=("goal", "goal")), "predictors must be different codes"),
        (lambda: Decoding(input_noise=-0.1), "input_noise must be finite"),
        (lambda: Energy(accuracy=1.5), "accuracy must lie between 0 and 1"),
        (lambda: Energy(epoch=-1), "epoch must be 0 or more"),
    ],
)
def test_invalid_settings_and_inputs_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# On a run


@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda analysis: type(analysis).__name__)
def test_analyses_of_activity_satisfy_their_contract(analysis: Analysis, run: Run) -> None:
    check_analysis(analysis, run)
    table = analysis.measure(run)
    diverged = run.map(lambda shard: shard[["status"]])["status"].to_numpy() == "diverged"
    assert diverged.sum() == 1
    assert table["epoch"].to_numpy().tolist() == [2]  # the last epoch, because there is no epoch 9
    for name, values in table.data_vars.items():
        assert np.isnan(values.to_numpy()[diverged]).all(), name
    if not isinstance(analysis, SpatialCoding):  # p is NaN if no unit prefers a code
        assert all(np.isfinite(values.to_numpy()[~diverged]).any() for values in table.data_vars.values())


def test_networks_that_have_not_learned_are_not_measured(run: Run) -> None:
    table = Decoding(trials=60).measure(run)
    assert np.isnan(table["explained_variance"]).all()
    assert table["explained_variance"].shape == (3, 1, 12, 3, 3)


def test_the_decoding_of_a_run_equals_that_of_its_recordings(run: Run) -> None:
    table = ALL_NETWORKS.measure(run)
    assert table["predictor"].to_numpy().tolist() == ["goal", "choices", "correct"]
    assert table["window_start"].to_numpy().tolist() == [0, 5, 10]
    assert table["explained_variance"].dtype == np.float32
    row = int(np.flatnonzero(table["group"].to_numpy() == "l1")[0])
    shard = run["l1"].isel(network=[0])
    recording = record(shard, 2, RNN(), run.parts("l1", 0).task, trials=60)
    for window in (0, 2):
        drops, explained = decode(windows(recording.states[0])[:, window], codes_of(recording.trials[0]))
        # float32 in the table
        np.testing.assert_allclose(table["explained_variance"][row, 0, :, window], drops, atol=1e-6)
        np.testing.assert_allclose(table["explained_variance_all"][row, 0, :, window], explained, atol=1e-6)


def test_only_requested_predictors_are_decoded(run: Run) -> None:
    table = replace(ALL_NETWORKS, predictors=("choices",)).measure(run)
    assert table["predictor"].to_numpy().tolist() == ["choices"]
    with pytest.raises(UserError, match="has no code colour; its codes are goal, choices, correct"):
        replace(ALL_NETWORKS, predictors=("colour",)).measure(run)


def test_a_stored_decoding_with_the_same_settings_is_reused(run: Run, tmp_path: Path) -> None:
    shard, setups = run["sernn"], setups_of(run)
    table = ALL_NETWORKS.measure(run)
    marked = table.assign(explained_variance=table["explained_variance"] + 7).assign_attrs(analysis=repr(ALL_NETWORKS))
    (tmp_path / "analyses").mkdir()
    marked.to_netcdf(tmp_path / "analyses" / "decoding.nc", engine="h5netcdf")
    for decoding, shift in ((ALL_NETWORKS, 7), (replace(ALL_NETWORKS, seed=1), 0)):
        for networks in (shard, shard.isel(network=[1, 0])):
            loaded = load_or_decode(decoding, networks, setups, tmp_path)["explained_variance"].to_numpy()
            expected = decoding.of_shard(networks, setups)["explained_variance"].to_numpy() + shift
            np.testing.assert_allclose(loaded, expected, atol=1e-5)  # float32
    new = load_or_decode(ALL_NETWORKS, shard, setups, run.folder)["explained_variance"]  # nothing is stored there
    np.testing.assert_array_equal(new, ALL_NETWORKS.of_shard(shard, setups)["explained_variance"])


def test_the_scored_epoch_is_the_last_of_a_short_training() -> None:
    shard = xr.Dataset(
        {"validation_accuracy": (("network", "epoch"), [[0.1, 0.95, 0.89], [0.2, 0.5, np.nan], [0, 0, 0.9]])},
        {"epoch": [0, 1, 2]},
    )
    assert [scored_epoch(shard, epoch) for epoch in (9, 2, 1)] == [2, 2, 1]
    assert passing_mask(shard, 2, 0.9).tolist() == [False, False, True]
    assert passing_mask(shard, 1, 0.9).tolist() == [True, False, False]
    assert passing_mask(shard, 2, 0.0).tolist() == [True, False, True]


def test_setups_contain_the_core_and_task_of_each_network(run: Run) -> None:
    assert [tuple(setup.numbers) for setup in setups_of(run)["sernn"]] == [(0, 1)]
    assert setup_of(setups_of(run), "sernn", 1).core == RNN()
    assert isinstance(run.parts("sernn", 0), EnsembleSpec)


def test_the_base_class_of_recording_analyses_is_abstract() -> None:
    assert issubclass(Decoding, RecordingAnalysis)
    with pytest.raises(TypeError, match="abstract"):
        RecordingAnalysis()  # type: ignore[abstract]


def test_mapped_functions_can_be_pickled(run: Run) -> None:
    import pickle

    for analysis in ANALYSES:
        arguments: dict[str, Any] = {"setups": setups_of(run)}
        if not isinstance(analysis, RecordingAnalysis):
            arguments["folder"] = run.folder
        function = partial(analysis.of_shard, **arguments)  # type: ignore[attr-defined]
        unpickled = pickle.loads(pickle.dumps(function))
        xr.testing.assert_identical(unpickled(run["l1"]), function(run["l1"]))


def test_units_that_are_constant_on_held_out_trials_have_no_explained_variance_there() -> None:
    shown = np.repeat(np.arange(8), [12, 4, 4, 4, 4, 4, 4, 4])
    codes = {"shown": np.eye(8, dtype=np.float32)[shown]}
    level = 0.3 + 0.5 * (shown == 1)[:, None, None]  # higher in four of forty trials
    states = (level * np.ones((1, 5, 1))).astype(np.float32).mean(axis=1, dtype=np.float64)
    for seed in range(10):
        explained, _ = decode(states, codes, seed)
        assert np.abs(explained).max() < 3  # 1e30 before this was handled, if all four were training trials
