"""PyTorch module that computes many networks of a user's own module at once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from spatialnets.cores.modules.module_contract import ModuleSpec, states_of
from spatialnets.cores.modules.orientation import as_projection, as_weight
from spatialnets.errors import UserError

Compute: TypeAlias = Callable[[Mapping[str, Tensor], Tensor], Tensor]

__all__ = ["WrappedModule"]

RESERVED_NAMES = frozenset(
    {"recurrent", "input", "readout", "readout_bias", "positions", "core", "obstacle", "plain", "way"}
)
"""Names that parameters cannot have in a run, where they get a trailing underscore."""


class WrappedModule(nn.Module):
    """Networks built by `Wrapped`.

    Each parameter and buffer of the user's module becomes one of this module, with the network as first dimension and
    ``.`` replaced by ``_`` in its name. Recurrent and input weights have the orientation of the toolkit here and are
    converted to that of the user's module at every call.

    Parameters
    ----------
    spec
        How to build a module, and where its weights are.
    modules
        One module per network.
    n_inputs
        Number of inputs.

    Attributes
    ----------
    recurrent
        ``(network, gate, pre, post)``.
    input
        ``(network, gate, input, post)``.
    """

    recurrent: Tensor
    input: Tensor

    def __init__(self, spec: ModuleSpec, modules: Sequence[nn.Module], n_inputs: int) -> None:
        super().__init__()
        self.spec, self.n_inputs = spec, n_inputs
        self._template = (modules[0],)  # in a tuple, so that its parameters are not registered here
        self._names: dict[str, str] = {}
        self._batching_errors: dict[tuple[str, torch.dtype], str] = {}
        blocks = {spec.weight: "recurrent", spec.input_weight: "input"}
        for path, parameter in modules[0].named_parameters():
            stacked = torch.stack([module.get_parameter(path).detach() for module in modules])
            if path in blocks:
                stacked = as_projection(stacked, len(spec.gates), spec.orientation).contiguous()
            name = self._names[path] = blocks.get(path) or self._free_name(path)
            if parameter.requires_grad:
                self.register_parameter(name, nn.Parameter(stacked))
            else:
                self.register_buffer(name, stacked)
        for path, _ in modules[0].named_buffers():
            name = self._names[path] = self._free_name(path)
            self.register_buffer(name, torch.stack([module.get_buffer(path) for module in modules]))
        self.execution()

    def execution(self) -> str:
        """Describe how networks are computed on the CPU: as one batch, or network by network and why."""
        inputs = torch.randn(2, 3, 4, self.n_inputs, generator=torch.Generator().manual_seed(0))
        error = self.batching_error(inputs)
        return f"network by network ({error})" if error else "as one batch of networks"

    def _free_name(self, path: str) -> str:
        name = path.replace(".", "_")
        while name in RESERVED_NAMES or name in self._names.values() or hasattr(self, name):
            name += "_"
        return name

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        compute = self._compute_each if self.batching_error(inputs) else self._compute_batch
        return compute(self._tensors(), inputs)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}

    def train(self, mode: bool = True) -> WrappedModule:
        """Set training mode, also in the user's module."""
        self._template[0].train(mode)
        return super().train(mode)

    def batching_error(self, inputs: Tensor) -> str:
        """Return why networks cannot be computed as one batch on this device in this precision; empty if they can.

        On the first call, a few steps of two networks are computed as a batch and one by one, and states and gradients
        are compared. Later calls return the same answer.

        Raises
        ------
        UserError
            If the module works neither way.
        """
        key = (inputs.device.type, inputs.dtype)
        if key not in self._batching_errors:
            two = [0, min(1, len(self.recurrent) - 1)]
            few = inputs[two, :3, :4].detach()
            tensors = {path: tensor.detach()[two] for path, tensor in self._tensors().items()}
            try:
                expected = self._states_and_gradients(self._compute_each, tensors, few)
            except RuntimeError as error:
                raise UserError(
                    f"the module of {self.spec.name} does not work in {str(inputs.dtype).removeprefix('torch.')} on "
                    f"{inputs.device}: {error}"
                ) from error
            self._batching_errors[key] = self._compare_batch(tensors, few, expected)
        return self._batching_errors[key]

    def _compare_batch(self, tensors: Mapping[str, Tensor], inputs: Tensor, expected: Sequence[Tensor]) -> str:
        with warnings.catch_warnings():
            # PyTorch warns where it falls back to a loop over the batch
            warnings.filterwarnings("error", message="There is a performance drop")
            try:
                results = self._states_and_gradients(self._compute_batch, tensors, inputs)
            except Exception as error:  # whatever the user's code raises
                operation = re.search(r"aten::\w+", str(error))
                if operation is not None:
                    return f"PyTorch has no batching rule for {operation.group()}"
                lines = str(error).strip().splitlines() or [type(error).__name__]
                return lines[0].partition(". ")[0].rstrip(".")
        # up to float32 rounding over a few steps, because sums are taken in another order
        same = all(torch.allclose(*pair, rtol=1e-4, atol=1e-5) for pair in zip(results, expected, strict=True))
        return "" if same else "a batch gives different states or gradients"

    @staticmethod
    def _states_and_gradients(compute: Compute, tensors: Mapping[str, Tensor], inputs: Tensor) -> list[Tensor]:
        """Return states, and the gradients of a weighted sum of all states with different weights."""
        with torch.enable_grad():
            leaves = {
                path: tensor.clone().requires_grad_(tensor.is_floating_point()) for path, tensor in tensors.items()
            }
            states = compute(leaves, inputs)
            weights = torch.linspace(0.5, 1.5, states.numel(), dtype=states.dtype, device=states.device)
            trainable = [leaf for leaf in leaves.values() if leaf.requires_grad]
            gradients = torch.autograd.grad((states.flatten() * weights).sum(), trainable, allow_unused=True)
        return [states.detach(), *(gradient for gradient in gradients if gradient is not None)]

    def _tensors(self) -> dict[str, Tensor]:
        """Return parameters and buffers by path, in the orientation of the user's module, with the network first."""
        tensors = {path: getattr(self, name) for path, name in self._names.items()}
        for path in (self.spec.weight, self.spec.input_weight):
            tensors[path] = as_weight(tensors[path], self.spec.orientation)
        return tensors

    def _call(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return states_of(functional_call(self._template[0], dict(tensors), (inputs,)))

    def _compute_batch(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return vmap(self._call)(dict(tensors), inputs)

    def _compute_each(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        networks = range(len(inputs))
        return torch.stack([self._call({path: tensors[path][k] for path in tensors}, inputs[k]) for k in networks])

    def to_module(self, network: int) -> nn.Module:
        """Return one network as a module of the user's class, on the CPU, in evaluation mode."""
        module = self.spec.build(self.n_inputs, self.recurrent.shape[-1], seed=0)
        tensors = self._tensors()
        with torch.no_grad():
            for path, tensor in [*module.named_parameters(), *module.named_buffers()]:
                tensor.copy_(tensors[path][network])
        return module.eval()
