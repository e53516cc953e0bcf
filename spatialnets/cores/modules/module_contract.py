"""Build a user's recurrent PyTorch module, and check that it can be trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spatialnets.errors import UserError, nearest

__all__ = ["ModuleSpec", "check_module", "states_of"]

N_TRIALS, N_STEPS = 3, 4


class ModuleSpec(NamedTuple):
    """How to build a recurrent PyTorch module, and where its weights are.

    Parameters
    ----------
    name, factory
        Import name of the factory, for messages, and the function itself.
    weight, input_weight, orientation, gates
        See `spatialnets.cores.Wrapped`.
    """

    name: str
    factory: Callable[[int, int], Any]
    weight: str
    input_weight: str
    orientation: str
    gates: tuple[str, ...]

    def build(self, n_inputs: int, n_units: int, seed: int) -> nn.Module:
        """Return a new module whose random initial values depend only on the seed; other generators are untouched.

        Raises
        ------
        UserError
            If the factory raises an error or returns something else.
        """
        is_torch = isinstance(self.factory, type) and issubclass(self.factory, nn.RNNBase)
        options: dict[str, Any] = {"batch_first": True} if is_torch else {}
        random_state = torch.get_rng_state()
        try:
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds accelerators as well
            module = self.factory(n_inputs, n_units, **options)
        except Exception as error:  # whatever the user's code raises
            raise UserError(
                f"module_factory {self.name}({n_inputs}, {n_units}) raised {type(error).__name__}: {error}; it is "
                "called with the number of inputs and the number of units"
            ) from error
        finally:
            torch.set_rng_state(random_state)
        if not isinstance(module, nn.Module):
            raise UserError(f"module_factory {self.name} returned {type(module).__name__}; expected a torch.nn.Module")
        return module


def states_of(output: Any) -> Any:
    """Return the states in the output of a module: the output itself, or its first element if it is a tuple."""
    return output[0] if isinstance(output, (tuple, list)) and output else output


def check_module(spec: ModuleSpec, n_inputs: int, n_units: int) -> None:
    """Check that a factory builds modules that can be trained, by calling one on a few random inputs.

    Raises
    ------
    UserError
        If the module violates the contract; the message says how.
    """
    module, twin = (spec.build(n_inputs, n_units, seed=0) for _ in range(2))
    subject = f"the module of {spec.name}"
    _check_parameters(spec, module, n_inputs, n_units, subject)
    twin_values = twin.state_dict()
    for path, value in module.state_dict().items():
        if isinstance(value, Tensor) and not torch.equal(value, twin_values[path]):
            raise UserError(
                f"{subject}: '{path}' differs between two modules built with the same seed; draw initial values with "
                "torch, on the CPU, without a seed or generator of your own"
            )
    inputs = torch.randn(N_TRIALS, N_STEPS, n_inputs, generator=torch.Generator().manual_seed(0))
    eval_states = _states(module.eval(), inputs, n_units, subject)
    states = _states(module.train(), inputs, n_units, subject)
    states_again = _states(module, inputs, n_units, subject)
    eval_states_again = _states(module.eval(), inputs, n_units, subject)
    if not (torch.equal(states, states_again) and torch.equal(eval_states, eval_states_again)):
        raise UserError(
            f"{subject} returned different states for the same inputs: it draws random numbers, as dropout does, or "
            "keeps something between calls, such as the last state or the statistics of batch norm. Every call must "
            "start from the same state"
        )
    module.train()
    _check_independence(module, inputs, states, n_units, subject)
    _check_gradients(module, states, subject)


def _check_parameters(spec: ModuleSpec, module: nn.Module, n_inputs: int, n_units: int, subject: str) -> None:
    parameters = dict(module.named_parameters())
    for name, parameter in parameters.items():
        if nn.parameter.is_lazy(parameter):
            raise UserError(f"{subject}: parameter '{name}' has no shape yet; give its sizes instead of a lazy module")
        if not parameter.is_floating_point():
            dtype = str(parameter.dtype).removeprefix("torch.")
            raise UserError(f"{subject}: parameter '{name}' is {dtype}; parameters must be real floating-point numbers")
    blocks = [("weight", spec.weight, n_units), ("input_weight", spec.input_weight, n_inputs)]
    missing = [(field, path) for field, path, _ in blocks if path not in parameters]
    if missing:
        names = " or ".join(f"'{path}' ({field})" for field, path in missing)
        raise UserError(f"{subject} has no parameter {names}: {nearest(missing[0][1], parameters)}")
    n_gates = len(spec.gates)
    for field, path, n_pre in blocks:
        expected, axes = (n_gates * n_units, n_pre), "(gates x post, pre)"
        if spec.orientation == "pre_post":
            expected, axes = (n_pre, n_gates * n_units), "(pre, gates x post)"
        if (shape := tuple(parameters[path].shape)) != expected:
            raise UserError(
                f"{subject}: {field} '{path}' has shape {shape}; expected {axes} = {expected} for {n_units} units, "
                f"{n_inputs} inputs, gates {', '.join(spec.gates)} and orientation {spec.orientation}"
            )
        if not parameters[path].requires_grad:
            raise UserError(f"{subject}: {field} '{path}' has requires_grad=False; it must be trainable")


def _states(module: nn.Module, inputs: Tensor, n_units: int, subject: str) -> Tensor:
    shape = tuple(inputs.shape)
    try:
        output = module(inputs)
    except Exception as error:  # whatever the user's code raises
        raise UserError(
            f"{subject} raised {type(error).__name__}: {error}; it was called with float32 inputs (trial, time, input) "
            f"of shape {shape}"
        ) from error
    states = states_of(output)
    if not isinstance(states, Tensor):
        raise UserError(
            f"{subject} returned {type(output).__name__}; expected states (trial, time, unit), or a tuple whose first "
            "element is the states"
        )
    expected = (*shape[:2], n_units)
    if tuple(states.shape) != expected:
        raise UserError(
            f"{subject} returned states of shape {tuple(states.shape)} for inputs of shape {shape}; expected "
            f"(trial, time, unit) = {expected}"
        )
    if not bool(torch.isfinite(states).all()):
        raise UserError(f"{subject} returned states that are not finite, before any training")
    return states


def _check_independence(module: nn.Module, inputs: Tensor, states: Tensor, n_units: int, subject: str) -> None:
    """Check that trials are independent and states causal, by changing the second half of one trial's inputs."""
    half = N_STEPS // 2
    changed = inputs.clone()
    changed[0, half:] += 1
    # up to float32 rounding, because sums may be taken in another order
    same = torch.isclose(_states(module, changed, n_units, subject), states, rtol=1e-4, atol=1e-5)
    if not bool(same[1:].all()):
        raise UserError(
            f"{subject}: the inputs of one trial changed the states of another. Inputs are (trial, time, input): set "
            "batch_first=True in modules of torch.nn, and do not mix trials, as batch norm does"
        )
    if not bool(same[0, :half].all()):
        raise UserError(f"{subject}: later inputs changed earlier states; it must not look ahead (bidirectional=False)")


def _check_gradients(module: nn.Module, states: Tensor, subject: str) -> None:
    trainable = {path: parameter for path, parameter in module.named_parameters() if parameter.requires_grad}
    unreached = list(trainable)
    if states.requires_grad:
        gradients = torch.autograd.grad(states.sum(), list(trainable.values()), allow_unused=True)
        unreached = [path for path, gradient in zip(trainable, gradients, strict=True) if gradient is None]
    if unreached:
        raise UserError(
            f"{subject}: no gradient flows from the states to {', '.join(unreached)}. Remove what the states do not "
            "depend on, such as a readout, or set requires_grad=False to keep the initial values"
        )
