"""A user's own PyTorch module as a core."""

import dataclasses
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spatialnets import DeclarationError, Experiment, UserError
from spatialnets.cores import GRU, LSTM, RNN, Wrapped
from spatialnets.cores.modules.orientation import as_projection, as_weight
from spatialnets.engines.job import importable_elsewhere
from spatialnets.engines.train_job import TrainJob
from spatialnets.networks.ensemble import Ensemble
from spatialnets.networks.recording import rebuild, record
from spatialnets.protocols import RecurrentCore, Snapshot
from spatialnets.regularizers import Both
from spatialnets.testing import check_core

HERE = __name__


class Linear(nn.Module):
    """One time step, with weights two levels below the top of the module."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.ih, self.hh = nn.Linear(n_inputs, n_units, bias=False), nn.Linear(n_units, n_units)

    def forward(self, inputs: Tensor, state: Tensor) -> Tensor:
        return torch.tanh(self.ih(inputs) + self.hh(state))


class Normed(nn.Module):
    """Recurrent network with layer norm, nested parameters and a buffer."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.cell, self.norm = Linear(n_inputs, n_units), nn.LayerNorm(n_units)
        self.register_buffer("first", torch.rand(n_units))

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        state, states = self.get_buffer("first").expand(len(inputs), -1), []
        for step in range(inputs.shape[1]):
            state = self.norm(self.cell(inputs[:, step], state))
            states.append(state)
        return torch.stack(states, dim=1), None


class Branching(Normed):
    """Branches on a number, which cannot be batched."""

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        states, nothing = super().forward(inputs)
        return (states * 2 if float(states.detach().sum()) > 1e9 else states), nothing


def fails(n_inputs: int, n_units: int) -> nn.Module:
    raise RuntimeError("no module of this size")


def relu_rnn(n_inputs: int, n_units: int) -> nn.Module:
    return nn.RNN(n_inputs, n_units, nonlinearity="relu", batch_first=True)


TORCH = [Wrapped(f"torch.nn:{name}") for name in ("RNN", "GRU", "LSTM")]
NORMED = Wrapped(Normed, "cell.hh.weight", "cell.ih.weight")
RELU = Wrapped(relu_rnn, "weight_hh_l0", "weight_ih_l0")


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def experiment(core: Wrapped, *overrides: str) -> Experiment:
    return (
        Experiment.from_preset("sernn_demo")
        .replace(core=core)
        .override(
            "networks=3",
            "training.epochs=2",
            "training.trials_per_epoch=64",
            "training.batch_size=32",
            "training.validation_trials=64",
            "geometry.shape=[3, 2, 2]",
            *overrides,
        )
    )


@pytest.mark.parametrize("core", [*TORCH, NORMED, RELU], ids=lambda core: core.module_factory)
def test_a_wrapped_module_fulfils_the_contract_of_a_core(core: Wrapped) -> None:
    check_core(core)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_states_equal_those_of_the_module(name: str) -> None:
    core = Wrapped(f"torch.nn:{name}")
    recurrent: Any = core.build(3, 7, generators(0, 1))
    inputs = torch.randn(2, 4, 6, 3, generator=generators(2)[0])
    for network in range(2):
        module = recurrent.to_module(network)
        assert type(module) is getattr(nn, name)
        # float32 rounding over six steps: memory at another address may be summed in a different order
        torch.testing.assert_close(module(inputs[network])[0], recurrent(inputs)[network], rtol=1e-5, atol=1e-6)
        blocks = recurrent.projections()["recurrent"][network]
        stacked = torch.cat([gate.mT for gate in blocks])  # torch.nn stacks gates, each (post, pre)
        assert torch.equal(stacked, module.weight_hh_l0)


@pytest.mark.parametrize("orientation", ["post_pre", "pre_post"])
def test_a_matrix_of_several_gates_survives_the_conversion_and_back(orientation: str) -> None:
    shape = (2, 15, 4) if orientation == "post_pre" else (2, 4, 15)
    weight = torch.randn(shape, generator=generators(0)[0])
    projection = as_projection(weight, 3, orientation)
    assert projection.shape == (2, 3, 4, 5)
    assert torch.equal(as_weight(projection, orientation), weight)
    row = weight[0, 5:10, 2] if orientation == "post_pre" else weight[0, 2, 5:10]
    assert torch.equal(projection[0, 1, 2], row)


@pytest.mark.parametrize(
    ("core", "other"), [(RNN(), RELU), (GRU(), TORCH[1]), (LSTM(), TORCH[2])], ids=["rnn", "gru", "lstm"]
)
def test_states_and_penalty_of_a_wrapped_module_equal_those_of_the_native_core(
    core: RecurrentCore, other: Wrapped
) -> None:
    native: Any = core.build(8, 12, generators(0, 1, 2))
    wrapped: Any = other.build(8, 12, generators(0, 1, 2))
    with torch.no_grad():
        for name, block in native.projections().items():
            wrapped.projections()[name].copy_(block)
        wrapped.bias_ih_l0.copy_(native.bias.flatten(1))
        wrapped.bias_hh_l0.zero_()
    inputs = torch.randn(3, 5, 9, 8, generator=generators(3)[0])
    distances = torch.rand(12, 12, generator=generators(4)[0])

    def measure(recurrent: Any) -> tuple[Tensor, ...]:
        states = recurrent(inputs)
        penalty = Both((0.1, 0.2, 0.3)).penalty(Snapshot(recurrent.projections()["recurrent"], distances))
        (by_penalty,) = torch.autograd.grad(penalty.sum(), recurrent.recurrent, retain_graph=True)
        (by_both,) = torch.autograd.grad(states.square().sum() + penalty.sum(), recurrent.recurrent)
        return states, penalty, by_penalty.view(3, -1, 12, 12), by_both.view(3, -1, 12, 12)

    ours, theirs = measure(native), measure(wrapped)
    # float32 rounding of sums in a different order (torch.nn stores transposed weights), over nine steps
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-5, atol=0)
    torch.testing.assert_close(ours[2], theirs[2], rtol=1e-4, atol=1e-5)
    assert torch.allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-6)
    assert torch.allclose(ours[3], theirs[3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("core", [NORMED, RELU], ids=["as one batch", "network by network"])
def test_a_network_learns_the_same_alone_and_in_a_batch_of_fifty(core: Wrapped) -> None:
    def train(seeds: tuple[int, ...], index: int) -> Tensor:
        ensemble = Ensemble(core, 8, 6, 4, seeds).double()
        optimizer = torch.optim.SGD(ensemble.parameters(), lr=0.1)
        for update in range(3):
            inputs = torch.randn(4, 5, 8, generator=generators(update)[0]).double().expand(len(seeds), -1, -1, -1)
            optimizer.zero_grad()
            ensemble(inputs, steps=[4]).square().sum().backward()
            optimizer.step()
        return ensemble.projections()["recurrent"][index].detach()

    # float64 rounding of sums in another order, 1e-16, which these large updates multiply by up to 10,000
    assert torch.allclose(train((7,), 0), train(tuple(range(50)), 7), rtol=1e-9, atol=1e-9)


def test_networks_are_computed_as_one_batch_where_possible_and_otherwise_the_reason_is_given() -> None:
    def execution(core: Wrapped) -> str:
        return core.facts(3, 5)["module"]

    assert execution(NORMED).endswith("as one batch of networks")
    assert "network by network (PyTorch has no batching rule for aten::rnn_tanh)" in execution(TORCH[0])
    assert "network by network (" in execution(Wrapped(Branching, "cell.hh.weight", "cell.ih.weight"))
    batched: Any = NORMED.build(3, 5, generators(0, 1))
    looped: Any = Wrapped(Branching, "cell.hh.weight", "cell.ih.weight").build(3, 5, generators(0, 1))
    inputs = torch.randn(2, 4, 6, 3, generator=generators(2)[0])
    # float32 rounding of sums in a different order, over six steps
    assert torch.allclose(batched(inputs), looped(inputs), rtol=1e-5, atol=1e-6)


def test_building_depends_on_its_generator_alone_and_leaves_the_global_generator_untouched() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one: Any = NORMED.build(3, 5, generators(4))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    two: Any = NORMED.build(3, 5, generators(3, 4))
    assert torch.equal(one.recurrent[0], two.recurrent[1])
    assert torch.equal(one.first[0], two.first[1])  # a buffer


class Names(Normed):
    """Has parameters whose names clash with each other and with reserved names."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__(n_inputs, n_units)
        self.readout, self.cell_hh_bias = (nn.Parameter(torch.ones(n_units)) for _ in range(2))
        self.frozen = nn.Parameter(torch.full((n_units,), 0.5), requires_grad=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        return super().forward(inputs)[0] * self.readout * self.cell_hh_bias * self.frozen, None


class Gain(Normed):
    """Has a scalar parameter."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__(n_inputs, n_units)
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        return super().forward(inputs)[0] * self.gain, None


def test_a_parameter_may_be_a_scalar(tmp_path: Path) -> None:
    run = experiment(Wrapped(Gain, "cell.hh.weight", "cell.ih.weight")).run(tmp_path, workers=1, report=False)
    assert not (run["sernn"]["status"] == "diverged").any()


def test_every_parameter_has_a_unique_name() -> None:
    ensemble = Ensemble(Wrapped(Names, "cell.hh.weight", "cell.ih.weight"), 3, 5, 2, (0, 1))
    assert set(ensemble.projections()) == {"recurrent", "input", "readout"}
    names = {"readout_", "cell_hh_bias", "cell_hh_bias_", "norm_weight", "norm_bias", "readout_bias"}
    assert set(ensemble.own_parameters()) == names
    assert ensemble.get_buffer("recurrent.frozen").shape == (2, 5)


@pytest.mark.parametrize("core", [NORMED, TORCH[1]], ids=["as one batch", "network by network"])
def test_a_run_can_be_resumed_exactly_and_recorded(core: Wrapped, tmp_path: Path) -> None:
    declaration = experiment(core)
    assert Experiment.from_yaml(_write(tmp_path, declaration)).groups["sernn"].ensembles[0].core == core
    whole = declaration.run(tmp_path / "whole", workers=1, report=False)
    from spatialnets.training.trainer import Trainer

    stopped = Trainer(*_shard(declaration))
    stopped.run_epoch(lambda updates, epoch: None)
    stopped.save(tmp_path / "checkpoint.npz")
    resumed = Trainer(*_shard(declaration))
    resumed.restore(tmp_path / "checkpoint.npz")
    resumed.run_epoch(lambda updates, epoch: None)
    shard = whole.shards[0].load()
    for name, values in resumed.dataset().data_vars.items():
        if values.dtype.kind == "f":
            np.testing.assert_array_equal(values, shard[name])

    parts = whole.parts("sernn", 0)
    assert bool((shard["weights"].sel(epoch=2) != shard["weights"].sel(epoch=0)).any())
    rebuilt = rebuild(shard, 2, parts.core, parts.task)
    for name, block in rebuilt.projections().items():
        stored = shard["weights" if name == "recurrent" else f"weights_{name}"].sel(epoch=2).to_numpy()
        np.testing.assert_array_equal(block.detach().numpy().reshape(stored.shape), stored)
    states = record(shard, 2, parts.core, parts.task, trials=16).states
    assert states.shape == (3, 16, 12, 12)
    assert np.isfinite(states).all()
    assert "module" in whole.provenance["cores"]["sernn"]


def _write(folder: Path, declaration: Experiment) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(declaration.to_yaml(), encoding="utf-8")
    return path


def _shard(declared: Experiment) -> tuple[Any, Any]:
    from spatialnets.engines.compute import shard_size
    from spatialnets.networks.stored_geometry import StoredGeometry

    shard = declared.shards(shard_size(declared))[0]
    return shard, StoredGeometry.of(declared.geometries[shard.geometry])


@pytest.mark.slow
def test_a_run_of_a_wrapped_module_has_a_report(tmp_path: Path) -> None:
    run = experiment(Wrapped("torch.nn:LSTM", paying_gates=("input", "cell"))).run(tmp_path / "run", workers=2)
    assert (run.folder / "report.html").exists()


def test_validate_prints_how_networks_are_computed(command: Callable[..., Any]) -> None:
    Path("mine.yaml").write_text(experiment(TORCH[1]).to_yaml(), encoding="utf-8")
    outcome = command("validate", "mine.yaml")
    assert outcome.code == 0
    assert "sernn: torch.nn:GRU is computed network by network" in outcome.out


def test_constraints_hold_on_a_wrapped_module() -> None:
    from spatialnets.constraints import NoSelf

    ensemble = Ensemble(dataclasses.replace(TORCH[0], constraints=(NoSelf(),)), 3, 5, 2, (0, 1))
    assert not bool(ensemble.projections()["recurrent"].diagonal(dim1=-2, dim2=-1).any())
    assert ensemble(torch.ones(2, 4, 6, 3), steps=[5]).isfinite().all()


def test_double_precision_works_or_is_refused_with_a_message() -> None:
    double: Any = NORMED.build(3, 5, generators(0))
    assert double.double()(torch.ones(1, 2, 4, 3, dtype=torch.float64)).dtype == torch.float64
    single: Any = Wrapped(Single, "cell.hh.weight", "cell.ih.weight").build(3, 5, generators(0))
    with pytest.raises(UserError, match="does not work in float64 on cpu"):
        single.double()(torch.ones(1, 2, 4, 3, dtype=torch.float64))


class Single(Normed):
    """Converts its inputs to float32."""

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        return super().forward(inputs.float())


# Declarations


def test_wrapped_cores_compare_and_pickle_by_value() -> None:
    assert Wrapped(Normed, "cell.hh.weight", "cell.ih.weight") == NORMED
    assert NORMED.module_factory == f"{HERE}:Normed"
    assert pickle.loads(pickle.dumps(NORMED)) == NORMED
    assert Wrapped(nn.GRU) == TORCH[1]
    assert len({NORMED, TORCH[0], dataclasses.replace(NORMED)}) == 2


def test_a_factory_without_an_import_name_is_refused() -> None:
    with pytest.raises(ValueError, match="define it with def or class at the top level of a module"):
        Wrapped(lambda n_inputs, n_units: nn.RNN(n_inputs, n_units), "weight_hh_l0")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"module_factory": "nowhere_at_all:make", "weight": "w"}, "cannot be imported (ModuleNotFoundError"),
        ({"module_factory": f"{HERE}:absent", "weight": "w"}, "cannot be imported (AttributeError"),
        ({"module_factory": "torch.nn:GRUU"}, "has no attribute 'GRUU'"),
        ({"module_factory": "absent", "weight": "w"}, "expected package.module:function"),
        ({"module_factory": f"{HERE}:HERE", "weight": "w"}, "is of type str; expected a function or a class"),
        (
            {"module_factory": Normed},
            "missing weight (recurrent weights, such as 'cell.hh.weight') and input_weight (input weights, such as "
            "'cell.ih.weight'); expected names of parameters of the module, which are cell.ih.weight, cell.hh.weight, "
            "cell.hh.bias, norm.weight, norm.bias",
        ),
        ({"module_factory": Normed, "weight": "w"}, "missing input_weight (input weights, such as 'cell.ih.weight');"),
        ({"module_factory": f"{HERE}:fails"}, "expected names of parameters of the module"),
        ({"module_factory": Normed, "weight": "w", "input_weight": "w"}, "expected two different parameters"),
        ({"module_factory": Normed, "weight": "w", "input_weight": "v", "orientation": "up"}, "orientation must be"),
        (
            {"module_factory": Normed, "weight": "w", "input_weight": "v", "gates": ("a", "a")},
            "gates must have different names",
        ),
        ({"module_factory": "torch.nn:GRU", "paying_gates": ("rset",)}, "some of reset, update, candidate"),
    ],
)
def test_an_invalid_declaration_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, UserError)) as error:
        Wrapped(**fields)
    assert message in str(error.value)


def test_a_factory_that_cannot_be_imported_is_reported_with_its_line(tmp_path: Path) -> None:
    text = experiment(NORMED).to_yaml().replace(f"{HERE}:Normed", f"{HERE}:Normad")
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError, match=r"mine.yaml:\d+.*core.*Normad' cannot be imported"):
        Experiment.from_yaml(path)


def test_a_module_defined_in_a_script_is_trained_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def job(core: Wrapped) -> Any:
        return TrainJob(None, dataclasses.replace(_shard(experiment(NORMED))[0], core=core))  # type: ignore[arg-type]

    assert importable_elsewhere(job(NORMED))
    monkeypatch.setattr(sys.modules["__main__"], "defined_here", relu_rnn, raising=False)
    assert not importable_elsewhere(job(Wrapped("__main__:defined_here", "weight_hh_l0", "weight_ih_l0")))


class Spiking(nn.Module):
    """Recurrent spiking units of snntorch."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        import snntorch

        self.into = nn.Linear(n_inputs, n_units, bias=False)
        self.lif = snntorch.RLeaky(beta=0.9, all_to_all=True, linear_features=n_units)

    def forward(self, inputs: Tensor) -> Tensor:
        (spikes, potential), states = self.lif.reset_mem(), []
        for step in range(inputs.shape[1]):
            spikes, potential = self.lif(self.into(inputs[:, step]), spikes, potential)
            states.append(spikes)
        return torch.stack(states, dim=1)


def test_spiking_units_of_snntorch_learn_under_a_penalty(tmp_path: Path) -> None:
    pytest.importorskip("snntorch")
    core = Wrapped(Spiking, "lif.recurrent.weight", "into.weight")
    recurrent: Any = core.build(8, 12, generators(0, 1))
    inputs = 3 * torch.randn(2, 4, 20, 8, generator=generators(2)[0])
    states = recurrent(inputs)
    assert set(states.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(recurrent.to_module(1)(inputs[1]), states[1])
    run = experiment(core, "training.epochs=1").run(tmp_path / "run", workers=1, report=False)
    weights = run["sernn"]["weights"]
    assert bool((weights.sel(epoch=1) != weights.sel(epoch=0)).any())
    assert np.isfinite(record(run["sernn"], 1, core, run.parts("sernn", 0).task, trials=8).states).all()
