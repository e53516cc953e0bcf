"""Batched products of small matrices, with the fast CPU kernel if PyTorch has it and without."""

from collections.abc import Iterator

import pytest
import torch

from spatialnets.cores import GRU, LIF, LSTM, RNN, Leaky
from spatialnets.graph import products
from spatialnets.graph.products import add_products, add_summed_products
from spatialnets.protocols import RecurrentCore


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_tensor(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def disable_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_kernel", lambda: None)


@pytest.mark.parametrize("keep", [0.0, 1.0, 0.25])
@pytest.mark.parametrize(("rows", "depth", "columns"), [(128, 100, 100), (7, 109, 33), (64, 64, 300), (3, 8, 8)])
def test_products_are_added_to_the_scaled_target(keep: float, rows: int, depth: int, columns: int) -> None:
    left, right, onto = random_tensor(3, rows, depth), random_tensor(3, depth, columns), random_tensor(3, rows, columns)
    expected = keep * onto.double() + left.double() @ right.double()
    assert add_products(onto, left, right, keep=keep) is onto
    torch.testing.assert_close(onto.double(), expected, rtol=1e-5, atol=1e-4)  # sums of up to 109 products


def test_matrices_may_be_slices_of_larger_tensors() -> None:
    states, weights = random_tensor(2, 5, 40, 130), random_tensor(2, 120, 110)
    expected = states.clone()
    expected[:, 1, :, :110] = states[:, 0, :, :120] @ weights
    add_products(states[:, 1, :, :110], states[:, 0, :, :120], weights, keep=0)
    torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-4)  # sums of 120 products


@pytest.mark.parametrize(
    ("onto", "left", "right"),
    [
        ((3, 70, 70), (1, 70, 70), (3, 70, 70)),
        ((3, 70, 70), (3, 70, 70), (1, 70, 70)),
        ((3, 70, 70), (3, 70, 71), (3, 70, 70)),
        ((3, 70, 69), (3, 70, 70), (3, 70, 70)),
        ((3, 71, 70), (3, 70, 70), (3, 70, 70)),
    ],
)
def test_mismatched_shapes_are_refused_before_memory_is_read(
    onto: tuple[int, ...], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    with pytest.raises(RuntimeError):
        add_products(random_tensor(*onto), random_tensor(*left), random_tensor(*right))
    with pytest.raises(RuntimeError):
        add_summed_products(random_tensor(*onto), random_tensor(*left).mT, random_tensor(*right))


@pytest.mark.parametrize("inputs", [(1, 4, 5, 9), (1, 4, 5, 7), (3, 4, 5, 8)])
def test_a_core_refuses_inputs_of_the_wrong_size(inputs: tuple[int, ...]) -> None:
    core = RNN().build(8, 100, [torch.Generator().manual_seed(0)])
    with pytest.raises(RuntimeError):
        core(torch.zeros(inputs))


def test_zero_trials_give_empty_states_and_zero_gradients() -> None:
    core = RNN().build(8, 100, [torch.Generator().manual_seed(0)])
    states = core(torch.zeros(1, 0, 5, 8))
    assert states.shape == (1, 0, 5, 100)
    states.sum().backward()
    assert not any(bool(parameter.grad.any()) for _, parameter in core.named_parameters() if parameter.grad is not None)


def test_the_previous_content_is_ignored_if_keep_is_0() -> None:
    onto = torch.full((1, 70, 70), torch.nan)
    add_products(onto, random_tensor(1, 70, 70), random_tensor(1, 70, 70), keep=0)
    assert bool(torch.isfinite(onto).all())


def test_a_non_finite_network_does_not_affect_others() -> None:
    left, right = random_tensor(3, 70, 70), random_tensor(3, 70, 70)
    alone = add_products(torch.zeros(3, 70, 70), left, right)
    left[1] = torch.nan
    together = add_products(torch.zeros(3, 70, 70), left, right)
    assert torch.equal(together[[0, 2]], alone[[0, 2]])
    assert bool(torch.isnan(together[1]).all())


@pytest.mark.parametrize("samples", [100, 640, 1500])
def test_summed_products_include_all_samples(samples: int) -> None:
    before, after, onto = random_tensor(2, samples, 109), random_tensor(2, samples, 100), random_tensor(2, 109, 100)
    expected = onto.double() + before.double().mT @ after.double()
    add_summed_products(onto, before, after)
    torch.testing.assert_close(onto.double(), expected, rtol=1e-5, atol=1e-3)  # sums of up to 1,500 products


@pytest.mark.skipif(products._kernel() is None, reason="this version of PyTorch has no such kernel for this CPU")
def test_the_kernel_is_used_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    real = products._kernel()
    assert real is not None

    def record(*arguments: object) -> None:
        calls.append(arguments)
        real(*arguments)

    monkeypatch.setattr(products, "_kernel", lambda: record)

    def count_calls(units: int, dtype: torch.dtype = torch.float32) -> int:
        calls.clear()
        square = torch.zeros(2, units, units, dtype=dtype)
        add_products(square.clone(), square, square)
        return len(calls)

    assert count_calls(100) == 2  # one for each network
    assert count_calls(8) == count_calls(2000) == count_calls(100, torch.float64) == 0
    torch.set_num_threads(2)
    assert count_calls(100) == 0


@pytest.mark.parametrize("core", [RNN(), Leaky(), GRU(), LSTM(), LIF()], ids=lambda core: type(core).__name__)
def test_cores_compute_the_same_with_and_without_the_kernel(
    core: RecurrentCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = random_tensor(2, 12, 6, 5)

    def states_and_gradients() -> list[torch.Tensor]:
        module = core.build(5, 70, [torch.Generator().manual_seed(seed) for seed in range(2)])
        states = module(inputs)
        states.square().sum().backward()
        return [states.detach(), *(parameter.grad for _, parameter in module.named_parameters())]

    with_kernel = states_and_gradients()
    disable_kernel(monkeypatch)
    for expected, result in zip(with_kernel, states_and_gradients(), strict=True):
        torch.testing.assert_close(
            result, expected, rtol=1e-4, atol=1e-4
        )  # rounding in six steps, forward and backward
