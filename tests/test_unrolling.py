"""Unrolled cores at the steps that the loss sees, and the sums of gradients over steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from spatialnets import registry
from spatialnets.cores import ALIF, GRU, LIF, LSTM, RNN, Leaky
from spatialnets.cores.modules import gru, lif, lstm, rnn
from spatialnets.cores.modules.nonlinearity import tanh
from spatialnets.cores.modules.unrolling import DriveGradients, arriving_gradients, join_inputs, join_weights
from spatialnets.networks.ensemble import Ensemble
from spatialnets.protocols import RecurrentCore, SteppedRecurrent
from spatialnets.testing import check_core

MODULES: dict[str, Any] = {"rnn": rnn, "leaky": rnn, "gru": gru, "lstm": lstm, "lif": lif, "alif": lif}
CORES = [RNN(), RNN("tanh"), Leaky("softplus"), GRU(), LSTM(), LIF(), ALIF(readout_tau_ms=None), LIF(reset="zero")]


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def build(core: RecurrentCore, n_units: int = 9) -> Any:
    module: Any = core.build(4, n_units, [torch.Generator().manual_seed(seed) for seed in range(2)])
    return module.double()


def test_every_unrolled_core_takes_steps() -> None:
    cores = {name: registry.load("core", name) for name in registry.names("core")}
    assert {name for name, core in cores.items() if core.takes_steps} == set(MODULES)


@pytest.mark.parametrize("core", CORES, ids=repr)
@pytest.mark.parametrize("steps", [[6], [0, 3, 4], list(range(7))], ids=len)
def test_the_trace_at_steps_has_the_values_and_gradients_of_the_trace_of_all_steps(
    core: RecurrentCore, steps: list[int]
) -> None:
    module = build(core)
    inputs, noise = (2 * draw(2, 5, 7, 4)).requires_grad_(), draw(2, 5, 7, 9)
    leaves = [inputs, *module.parameters()]
    states, seen = module.states_and_trace(inputs, noise, steps)
    expected = module(inputs, noise)
    trace = core.trace(expected).transpose(1, 2)[:, steps]
    assert torch.equal(states, expected)
    torch.testing.assert_close(seen, trace, rtol=1e-12, atol=1e-12)  # float64 rounding over 7 steps
    of_states, of_trace = draw(*states.shape), draw(*seen.shape)
    for factor in (0, 1):  # without and with a penalty on all states
        ours = (seen * of_trace).sum()
        ours = ours + (states * of_states).sum() if factor else ours
        theirs = (trace * of_trace).sum() + factor * (expected * of_states).sum()
        gradients = (torch.autograd.grad(loss, leaves, retain_graph=True) for loss in (ours, theirs))
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)  # float64 rounding over 7 steps


@pytest.mark.parametrize("name", list(MODULES))
def test_the_gradient_of_all_states_is_stored_only_if_the_loss_uses_all_states(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = []

    def record(n_steps: int, grad_states: Tensor | None, *others: Any) -> Any:
        stored.append(grad_states is not None)
        return arriving_gradients(n_steps, grad_states, *others)

    monkeypatch.setattr(MODULES[name], "arriving_gradients", record)
    ensemble = Ensemble(registry.load("core", name)(), 4, 9, 3, (0, 1))
    states, outputs = ensemble.states_and_outputs(draw(2, 5, 7, 4, dtype=torch.float32), [6])
    outputs.sum().backward(retain_graph=True)
    assert not any(stored)
    (outputs.sum() + states.sum()).backward()
    assert any(stored)


@dataclass(frozen=True)
class Doubled(RNN):
    def trace(self, states: Tensor) -> Tensor:
        return 2 * states


def test_a_subclass_with_another_trace_or_module_does_not_take_steps() -> None:
    plain, doubled = (Ensemble(core, 4, 9, 3, (0, 1)) for core in (RNN(), Doubled()))
    inputs = draw(2, 5, 7, 4, dtype=torch.float32)
    assert (RNN.takes_steps, Doubled.takes_steps) == (True, False)
    # float32 rounding of sums of 9 products
    torch.testing.assert_close(doubled(inputs, [2, 6]), 2 * plain(inputs, [2, 6]), rtol=1e-5, atol=1e-6)


@dataclass(frozen=True)
class Late(RNN):
    takes_steps = True

    def build(self, n_inputs: int, n_units: int, generators: Any) -> SteppedRecurrent:
        return LateModule(n_inputs, n_units, generators, self.nonlinearity, self.gain)


class LateModule(rnn.RNNModule):
    def states_and_trace(self, inputs: Tensor, noise: Tensor | None, steps: Any) -> tuple[Tensor, Tensor]:
        return super().states_and_trace(inputs, noise, [step - 1 for step in steps])


def test_check_core_detects_a_trace_at_other_steps() -> None:
    with pytest.raises(AssertionError, match="must return the trace at the steps"):
        check_core(Late())


@pytest.mark.parametrize("core", [RNN(), Doubled(), LIF()], ids=repr)
def test_outputs_at_steps_from_the_end_and_at_no_steps(core: RecurrentCore) -> None:
    ensemble = Ensemble(core, 4, 9, 3, (0, 1))
    inputs = draw(2, 5, 7, 4, dtype=torch.float32)
    assert torch.equal(ensemble(inputs, [-1, 0]), ensemble(inputs, [6, 0]))
    assert ensemble(inputs, []).shape == (2, 5, 0, 3)
    with pytest.raises(IndexError):
        ensemble(inputs, [7])


@pytest.mark.parametrize(("n_steps", "n_trials"), [(1, 3), (7, 3), (7, 200), (3, 700), (4, 0)])
def test_gradients_of_weights_are_sums_over_all_steps_and_trials(n_steps: int, n_trials: int) -> None:
    inputs, input_weights = draw(2, n_steps, n_trials, 4), draw(2, 4, 6)
    joint, expected = join_inputs(inputs, 5), draw(2, n_steps, n_trials, 6)
    joint[:, 1:, :, :5] = draw(2, n_steps, n_trials, 5)
    gradients = DriveGradients(joint, 6, input_weights)
    for step in reversed(range(n_steps)):
        gradients[step].copy_(expected[:, step])
        if step + 1 < n_steps:
            assert torch.equal(gradients[step + 1], expected[:, step + 1])  # still there for the step before
        gradients.add(step)
    # float64 rounding of sums of up to 2,100 products
    sums = torch.einsum("ktbi,ktbj->kij", joint[:, :-1], expected)
    torch.testing.assert_close(gradients.weights, sums, rtol=1e-10, atol=1e-10)
    assert gradients.inputs is not None
    torch.testing.assert_close(
        gradients.inputs, torch.einsum("kij,ktbj->ktbi", input_weights, expected), rtol=1e-12, atol=1e-12
    )


def test_one_product_gives_the_drive() -> None:
    inputs, recurrent, input_weights, bias = draw(2, 3, 7, 4), draw(2, 5, 6), draw(2, 4, 6), draw(2, 6)
    joint = join_inputs(inputs, 5)
    joint[:, 1:, :, :5] = draw(2, 3, 7, 5)
    drive = joint[:, :-1] @ join_weights(recurrent, input_weights, bias)[:, None]
    expected = joint[:, :-1, :, :5] @ recurrent[:, None] + inputs @ input_weights[:, None] + bias[:, None, None]
    torch.testing.assert_close(drive, expected, rtol=1e-12, atol=1e-12)  # float64 rounding of sums of 10 products


@pytest.mark.parametrize(("dtype", "ulp"), [(torch.float32, 2.0**-23), (torch.float64, 2.0**-52)])
def test_the_hyperbolic_tangent_is_accurate_to_rounding(dtype: torch.dtype, ulp: float) -> None:
    values = torch.cat([torch.linspace(-30, 30, 100_001, dtype=dtype), torch.logspace(-12, 0, 999, dtype=dtype)])
    result = tanh(values, out=values.clone()).numpy()
    exact = np.tanh(values.numpy().astype(np.longdouble))
    # sigmoid is accurate to about two units in the last place of a number up to 1, and is doubled
    assert abs(result - exact).max() < 3 * ulp
    assert (abs(result) <= 1).all()
    edges = torch.tensor([0.0, torch.inf, -torch.inf, torch.nan], dtype=dtype)
    np.testing.assert_array_equal(tanh(edges, out=edges).numpy(), [0.0, 1.0, -1.0, np.nan])


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_penalties_on_activity_reach_the_weights_through_all_states(name: str) -> None:
    ensemble = Ensemble(registry.load("core", name)(), 4, 9, 3, (0, 1)).double()
    inputs = draw(2, 5, 7, 4)
    states, outputs = ensemble.states_and_outputs(inputs, [6])
    parameters = [block for name, block in ensemble.named_parameters() if "readout" not in name]
    both = torch.autograd.grad(outputs.sum() + states.square().sum(), parameters, retain_graph=True)
    apart = [
        torch.autograd.grad(loss, parameters, retain_graph=True) for loss in (outputs.sum(), states.square().sum())
    ]
    for together, one, other in zip(both, *apart, strict=True):
        torch.testing.assert_close(together, one + other, rtol=1e-10, atol=1e-10)  # float64 rounding
