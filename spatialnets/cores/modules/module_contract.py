"""What a torch module must keep to be trained as a recurrent core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spatialnets.errors import UserError, nearest

if TYPE_CHECKING:
    from spatialnets.cores.wrapped import Wrapped

__all__ = ["check_module", "first_of", "made"]

N_TRIALS, N_STEPS = 3, 4


def first_of(answer: Any) -> Any:
    """Return the states of what a module answers: the answer, or the first of several."""
    return answer[0] if isinstance(answer, (tuple, list)) and answer else answer


def made(core: Wrapped, n_inputs: int, n_units: int, seed: int) -> nn.Module:
    """Return a new module; all that is random about it comes from the seed, and no other chance is touched.

    Raises
    ------
    UserError
        If the factory fails or gives something else.
    """
    factory: Any = core.factory()
    of_torch = isinstance(factory, type) and issubclass(factory, nn.RNNBase)
    before = torch.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds accelerators as well
        module: Any = factory(n_inputs, n_units, **({"batch_first": True} if of_torch else {}))
    except Exception as error:  # whatever the user's code raises
        raise UserError(
            f"module_factory {core.module_factory}({n_inputs}, {n_units}) raised {type(error).__name__}: {error}; "
            "it is called with the number of inputs and the number of units"
        ) from error
    finally:
        torch.set_rng_state(before)
    if not isinstance(module, nn.Module):
        raise UserError(
            f"module_factory {core.module_factory} gave {type(module).__name__}; expected a torch.nn.Module"
        )
    return module


def check_module(core: Wrapped, n_inputs: int, n_units: int) -> None:
    """Check that a factory gives modules that can be trained, by trying one on a few inputs.

    Raises
    ------
    UserError
        Naming what the module does not keep.
    """
    module, again = (made(core, n_inputs, n_units, seed=0) for _ in range(2))
    told = f"the module of {core.module_factory}"
    _check_parameters(core, module, n_inputs, n_units, told)
    other = again.state_dict()
    for path, one in module.state_dict().items():
        if isinstance(one, Tensor) and not torch.equal(one, other[path]):
            raise UserError(
                f"{told}: '{path}' differs between two modules of the same seed; draw initial values by torch, on the "
                "CPU, without a seed or generator of your own"
            )
    inputs = torch.randn(N_TRIALS, N_STEPS, n_inputs, generator=torch.Generator().manual_seed(0))
    working = _states(module.eval(), inputs, n_units, told)
    states = _states(module.train(), inputs, n_units, told)
    again_states = _states(module, inputs, n_units, told)
    still_working = _states(module.eval(), inputs, n_units, told)
    if not (torch.equal(states, again_states) and torch.equal(working, still_working)):
        raise UserError(
            f"{told} gave other states when it was given the same inputs again: it draws random numbers, as dropout "
            "does, or keeps something between calls, as batch norm does or a state that it goes on from. Begin every "
            "call anew"
        )
    module.train()
    _check_order(module, inputs, states, n_units, told)
    _check_learning(core, module, states, told)


def _check_parameters(core: Wrapped, module: nn.Module, n_inputs: int, n_units: int, told: str) -> None:
    parameters = dict(module.named_parameters())
    for name, parameter in parameters.items():
        if nn.parameter.is_lazy(parameter):
            raise UserError(f"{told}: parameter '{name}' has no shape yet; build it with its sizes, not lazily")
        if not parameter.is_floating_point():
            kind = str(parameter.dtype).removeprefix("torch.")
            raise UserError(f"{told}: parameter '{name}' is {kind}; parameters must be real floating-point numbers")
    n_gates = len(core.gates)
    blocks = [("weight", core.weight, n_units), ("input_weight", core.input_weight, n_inputs)]
    for field, path, n_pre in blocks:
        assert path is not None  # the blueprint has seen to it
        if path not in parameters:
            raise UserError(f"{told} has no parameter '{path}' ({field}): {nearest(path, parameters)}")
        expected, words = (n_gates * n_units, n_pre), "(gates x post, pre)"
        if core.orientation == "pre_post":
            expected, words = (n_pre, n_gates * n_units), "(pre, gates x post)"
        if (shape := tuple(parameters[path].shape)) != expected:
            raise UserError(
                f"{told}: {field} '{path}' has shape {shape}; expected {words} = {expected} for {n_units} units, "
                f"{n_inputs} inputs, gates {', '.join(core.gates)} and orientation {core.orientation}"
            )
        if not parameters[path].requires_grad:
            raise UserError(f"{told}: {field} '{path}' has requires_grad=False; it must be learned")


def _states(module: nn.Module, inputs: Tensor, n_units: int, told: str) -> Tensor:
    shape = tuple(inputs.shape)
    try:
        answer = module(inputs)
    except Exception as error:  # whatever the user's code raises
        raise UserError(
            f"{told} raised {type(error).__name__}: {error}; it was called with float32 inputs (trial, time, input) of "
            f"shape {shape}"
        ) from error
    states = first_of(answer)
    if not isinstance(states, Tensor):
        raise UserError(
            f"{told} returned {type(answer).__name__}; expected states (trial, time, unit), or a tuple of which they "
            "are the first"
        )
    expected = (*shape[:2], n_units)
    if tuple(states.shape) != expected:
        raise UserError(
            f"{told} returned states of shape {tuple(states.shape)} for inputs of shape {shape}; expected "
            f"(trial, time, unit) = {expected}"
        )
    if not bool(torch.isfinite(states).all()):
        raise UserError(f"{told} returned states that are not finite, before any training")
    return states


def _check_order(module: nn.Module, inputs: Tensor, states: Tensor, n_units: int, told: str) -> None:
    """Find out modules that take time for trials, or look ahead, by changing the second half of one trial."""
    half = N_STEPS // 2
    changed = inputs.clone()
    changed[0, half:] += 1
    # float32 rounding, where sums are taken in another order
    kept = torch.isclose(_states(module, changed, n_units, told), states, rtol=1e-4, atol=1e-5)
    if not bool(kept[1:].all()):
        raise UserError(
            f"{told}: the inputs of one trial changed the states of another; inputs are (trial, time, input), so write "
            "batch_first=True where torch.nn asks for it, and mix no trials, as batch norm does"
        )
    if not bool(kept[0, :half].all()):
        raise UserError(f"{told}: later inputs changed earlier states; it must not look ahead (bidirectional=False)")


def _check_learning(core: Wrapped, module: nn.Module, states: Tensor, told: str) -> None:
    learned = {path: parameter for path, parameter in module.named_parameters() if parameter.requires_grad}
    unreached = list(learned)
    if states.requires_grad:
        gradients = torch.autograd.grad(states.sum(), list(learned.values()), allow_unused=True)
        unreached = [path for path, gradient in zip(learned, gradients, strict=True) if gradient is None]
    if unreached:
        raise UserError(
            f"{told}: learning does not reach {', '.join(unreached)}: no gradient flows there from the states. Leave "
            "out what states do not need, such as a readout, or set requires_grad=False to keep it as it is"
        )
