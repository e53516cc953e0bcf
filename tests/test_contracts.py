"""The public contracts: every installed component satisfies its contract, and violations are detected."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nilearn
import numpy as np
import pytest
import torch
import xarray as xr

from spatialnets import Analysis, Experiment, Geometry, Run, registry
from spatialnets.aliases import FloatArray
from spatialnets.geometries import Grid
from spatialnets.protocols import Product, Regularizer, Snapshot, Sum, WiringRegularizer
from spatialnets.regularizers import L1, Both, Communicability, Distance
from spatialnets.tasks import OneChoice, Phase
from spatialnets.testing import (
    check_analysis,
    check_constraint,
    check_core,
    check_geometry,
    check_regularizer,
    check_task,
)

DATA = Path(__file__).parent / "data"
TETRAHEDRON = (
    [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]],
    [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]],
)
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "points": [{"coordinates": np.random.default_rng(0).normal(size=(20, d))} for d in (1, 2, 3, 5)],
    "grid": [{}, {"shape": (4,)}, {"shape": (3, 2), "spacing": 2.5}],
    "sphere": [{}, {"n": 2}, {"n": 37, "radius": 60.0}],
    "sheet": [{}, {"shape": (1, 4)}],
    "torus": [{}, {"shape": (3, 4), "spacing": 0.3}],
    "random_box": [{}, {"n": 2, "size": (1.0,)}],
    "parcellation": [{"source": Path(nilearn.__file__).parent / "datasets" / "data" / "dosenbach_2010.csv"}],
    "connectome": [{"source": [[0, 30, 90], [30, 0, 40], [90, 0, 0]], "names": ("V1", "V2", "MT")}],
    "mesh": [{"source": TETRAHEDRON, "n": 4}, {"source": TETRAHEDRON, "n": 3, "metric": "euclidean"}],
    "ellipsoid": [{"n": 20}],
    "cortex": [{"source": "fsaverage5_white", "n": 20}],
    "learnable": [{"start": Grid((3, 2)), "repulsion": 0.0}],
    "with_ends": [{"inputs": Grid((2,)), "input_offset": (0.0, 0.0, -1.0)}],
    "union": [{"areas": (Grid((2, 2)), Grid((3,))), "across": 5.0, "offsets": ((0, 0, 0), (0, 0, 2))}],
    "l1": [{"strength": 0.3}],
    "l2": [{"strength": 0.3}],
    "distance": [{"strength": 0.3}, {"strength": 0.3, "power": 0.5}],
    "communicability": [{"strength": 0.3}, {"strength": 0.3, "factor": 2.0}, {"strength": 0.3, "factor": 0.5}],
    "both": [{"strength": 0.3}, {"strength": 0.3, "power": 2.0, "factor": 0.5}],
    "activity": [{"strength": 0.3}],
    "weighted_activity": [{"strength": 0.3}, {"strength": 0.3, "power": 0.5}],
    "nuclear": [{"strength": 0.3}],
    "target_connectome": [
        {"strength": 0.3, "source": np.random.default_rng(0).random((6, 6)), "normalise": normalise}
        for normalise in (True, False)
    ],
    "repulsion": [{"strength": 0.3}, {"strength": 0.3, "power": 2.0}],
    "sum": [{"terms": (L1(0.1), Both(0.2))}],
    "product": [{"strength": 0.3, "factors": (Distance(1.0), Communicability(1.0), L1(1.0))}],
    "rnn": [{}, {"nonlinearity": "tanh", "gain": 0.8}],
    "leaky": [{}, {"nonlinearity": "softplus", "tau_ms": 50.0, "gain": 0.5}, {"dt_ms": 100.0}],
    "gru": [{}],
    "lstm": [{}, {"gain": 0.8, "forget_bias": 0.0}],
    "wrapped": [{"module_factory": f"torch.nn:{name}"} for name in ("RNN", "GRU", "LSTM")],
    "lif": [{}, {"reset": "zero", "surrogate": "arctan", "tau_shape": None, "learn_tau": False}],
    "alif": [{}, {"adaptation": 1.0, "surrogate": "triangular", "readout_tau_ms": None}],
    "dale": [{}, {"excitatory": 0.5}],
    "layers": [{}, {"feedback": True, "within": False}],
    "low_rank": [{"rank": 2}],
    "mask": [{"source": np.random.default_rng(0).integers(0, 2, (6, 6))}, {"radius": 2.0}],
    "one_choice": [{}, {"problems": "hard"}, {"labels": "shuffled"}, {"delay_steps": 0, "goal_steps": 1}],
    "neurogym": [{"env": "GoNogo-v0"}, {"env": "yang19.dms-v0", "settings": {"dt": 50}}],
    "arrays": [
        {"inputs": DATA / "tiny_arrays.npz"},
        {"inputs": DATA / "tiny_arrays.npz", "targets": DATA / "tiny_numbers.npy", "problem": "regression"},
    ],
    "sequential_digits": [{}, {"by": "pixel", "part": "validation", "answer_steps": 5}],
    "sequential_mnist": [{"source": DATA / "tiny_mnist.npz"}],
    "spiking_digits": [{"source": DATA / "tiny_spikes.h5", "n_steps": 20, "channels": 35}],
    "phases": [
        {
            "variables": {"cue": 3},
            "inputs": {"fixation": 1, "cue": 3},
            "outputs": 3,
            "trial": (Phase("cue", 2, {"cue": "cue"}), Phase("delay", (1, 3)), Phase("answer", 2, ask="cue")),
        }
    ],
    "perceptual_decision": [{}, {"coherences": (0.1,), "stimulus_steps": (3, 9), "noise": 0.0}],
    "delayed_match_to_sample": [{}, {"stimuli": 2, "delay_steps": (0, 4)}],
    "parametric_working_memory": [{}, {"frequencies": (10.0,), "delay_steps": (5, 10)}],
    "context_decision": [{}, {"fixation_steps": 0, "delay_steps": 0}],
    "go_no_go": [{}, {"go_share": 0.8, "fixation_weight": 0.0}],
    "n_back": [{}, {"n": 1, "items": 3, "gap_steps": 0}],
    "copy_memory": [{}, {"symbols": 2, "length": 3, "delay_steps": 1}],
    "yang": [{}, {"tasks": ("rtanti",)}, {"tasks": ("multidm", "dnmc"), "dt_ms": 20.0, "fixation_weight": 0.0}],
}
CHECKS = {
    "geometry": check_geometry,
    "regularizer": check_regularizer,
    "core": check_core,
    "constraint": check_constraint,
    "task": check_task,
}
MARKS = {
    "neurogym": pytest.mark.skipif(find_spec("neurogym") is None, reason="neurogym is not installed"),
}
COMPONENTS = [
    pytest.param(family, name, arguments, id=f"{name}-{index}", marks=MARKS.get(name, ()))
    for family in CHECKS
    for name in registry.names(family)
    if name != "imported"  # a placeholder for networks trained elsewhere, see tests/test_importing.py
    for index, arguments in enumerate(EXAMPLES.get(name, [{}]))
]


@pytest.mark.parametrize(("family", "name", "arguments"), COMPONENTS)
def test_every_installed_component_satisfies_its_contract(family: str, name: str, arguments: dict[str, Any]) -> None:
    component = registry.load(family, name)(**arguments)
    CHECKS[family](component)  # type: ignore[operator]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run in which one network diverges."""
    words = (
        "networks=1",
        "groups.sernn.regularizer.strength={list: [0.1, 1e38]}",
        "training.epochs=2",
        "training.trials_per_epoch=128",
        "geometry.shape=[3, 2, 2]",
    )
    folder = tmp_path_factory.mktemp("contract") / "run"
    return Experiment.from_preset("sernn_demo").override(*words).run(folder, workers=1, report=False)


@pytest.mark.parametrize("name", registry.names("analysis"))
def test_every_installed_analysis_satisfies_its_contract(name: str, run: Run) -> None:
    analysis = registry.load("analysis", name)()
    check_analysis(analysis, run)
    diverged = analysis.measure(run).isel(network=1, epoch=-1)
    assert not any((values.astype(float).fillna(0) != 0).any() for values in diverged.data_vars.values())


@dataclass(frozen=True)
class Nameless(Analysis):
    def measure(self, run: Run) -> xr.Dataset:
        return run.map(lambda shard: shard[["weights"]].sum(("pre", "post")))


def test_check_analysis_detects_measurements_without_a_name(run: Run) -> None:
    with pytest.raises(AssertionError, match="needs a long_name"):
        check_analysis(Nameless(), run)


@dataclass(frozen=True)
class Twisted(Grid):
    """A grid whose distances are invalid."""

    defect: str = "asymmetric"

    def distances(self) -> FloatArray:
        distances = super().distances()
        match self.defect:
            case "asymmetric":
                return np.asarray(np.triu(distances))
            case "detour":
                distances[0, 1] = distances[1, 0] = 100
            case "nan":
                distances[0, 1] = np.nan
            case "diagonal":
                distances[3, 3] = 1
            case "float32":
                return np.asarray(distances.astype(np.float32))
        return distances


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("asymmetric", r"distances\(\) must be symmetric"),
        ("detour", r"distances\(\) violates the triangle inequality"),
        ("nan", r"distances\(\) must be finite"),
        ("diagonal", r"distances\(\) must be 0 on the diagonal"),
        ("float32", r"distances\(\) must be float64"),
    ],
)
def test_check_geometry_detects_distances_that_are_not_a_metric(defect: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_geometry(Twisted(defect=defect))


@dataclass(frozen=True)
class Unequal(Grid):
    cache: list[int] = field(default_factory=lambda: [1])


def test_check_geometry_detects_a_geometry_that_is_not_hashable() -> None:
    with pytest.raises((AssertionError, TypeError)):
        check_geometry(Unequal())


@dataclass(frozen=True)
class Mixing(L1):
    """Charges every network for the weights of the first."""

    def price(self, weights: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        return weights[:1].mean() * weights.new_ones(())


@dataclass(frozen=True)
class Detached(L1):
    """Cuts the gradient of its price."""

    def price(self, weights: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        return weights.detach() ** 2


@dataclass(frozen=True)
class Unguarded(WiringRegularizer):
    """Divides by out-strength, which may be zero."""

    def price(self, weights: torch.Tensor, distances: torch.Tensor | None) -> torch.Tensor:
        return 1 / weights.sum(dim=-1, keepdim=True)


@dataclass(frozen=True)
class Summed(Regularizer):
    """Returns one number for all networks."""

    def penalty(self, snapshot: Snapshot) -> torch.Tensor:
        return snapshot.weights.abs().sum()


@pytest.mark.parametrize(
    ("regularizer", "message"),
    [
        (Mixing(0.1), "must not depend on other networks"),
        (Unguarded(0.1), "must be finite"),
        (Summed(), r"must have shape \(network,\)"),
    ],
)
def test_check_regularizer_detects_violations_of_the_contract(regularizer: Regularizer, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_regularizer(regularizer)


def test_check_regularizer_detects_a_wrong_gradient() -> None:
    with pytest.raises(Exception, match="(?i)gradient|jacobian"):
        check_regularizer(Detached(0.1))


class Careless(OneChoice):
    """Scores every step."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().loss(outputs, targets, mask) + outputs.square().mean(dim=(1, 2, 3))


def test_check_task_detects_a_loss_that_ignores_the_mask() -> None:
    with pytest.raises(AssertionError, match="must not matter"):
        check_task(Careless())


def test_abstract_classes_cannot_be_instantiated() -> None:
    for abstract in (Geometry, Regularizer, WiringRegularizer):
        with pytest.raises(TypeError, match="abstract"):
            abstract()  # type: ignore[abstract, call-arg]
    assert issubclass(Product, WiringRegularizer)
    assert issubclass(Sum, Regularizer)
