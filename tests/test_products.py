"""Batched products of small matrices, by the block kernel and by PyTorch."""

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from spatialnets.cores import GRU, LIF, LSTM, RNN, Leaky
from spatialnets.graph import products
from spatialnets.graph.communicability import communicability
from spatialnets.graph.products import add_products, add_summed_products, block_kernel, block_products
from spatialnets.protocols import RecurrentCore

SIZES = (8, 33, 64, 69, 70, 100)  # columns of the right matrices of these tests, or a divisor of them

NO_KERNEL = "this version of PyTorch has no such kernel for this machine"


@pytest.fixture(autouse=True, params=["torch", "block"])
def method(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each test with both methods; on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    if request.param == "block" and block_kernel() is None:
        pytest.skip(NO_KERNEL)
    with block_products(SIZES if request.param == "block" else ()):
        yield request.param
    torch.set_num_threads(before)


def random_tensor(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


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


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The calls of the block kernel from now on."""
    kernel, recorded = block_kernel(), list[tuple[object, ...]]()
    if kernel is None:
        pytest.skip(NO_KERNEL)

    def record(*arguments: object) -> None:
        recorded.append(arguments)
        kernel(*arguments)

    monkeypatch.setattr(products, "block_kernel", lambda: record)
    return recorded


def test_the_kernel_multiplies_exactly_the_matrices_for_which_it_was_chosen(
    calls: list[tuple[object, ...]], method: str
) -> None:
    def count_calls(rows: int, depth: int, columns: int, dtype: torch.dtype = torch.float32) -> int:
        calls.clear()
        left, right = torch.zeros(2, rows, depth, dtype=dtype), torch.zeros(2, depth, columns, dtype=dtype)
        add_products(torch.zeros(2, rows, columns, dtype=dtype), left, right)
        return len(calls)

    with block_products([100]):
        for rows in (1, 8, 100, 128):  # whatever the number of trials
            assert count_calls(rows, 109, 100) == 2  # one for each network
            assert count_calls(rows, 400, 100) == count_calls(rows, 100, 400) == 2  # gates
            assert count_calls(rows, 100, 4) == count_calls(rows, 99, 99) == 0
        assert count_calls(128, 109, 100, torch.float64) == 0
        with block_products([]):
            assert count_calls(128, 109, 100) == 0
        assert count_calls(128, 109, 100) == 2
    assert count_calls(128, 20, 20) == 0


def test_the_choice_holds_for_one_thread_only(calls: list[tuple[object, ...]]) -> None:
    square = random_tensor(1, 20, 20)
    with block_products([20]):
        thread = threading.Thread(target=lambda: add_products(square.clone(), square, square))
        thread.start()
        thread.join()
        assert not calls
        add_products(square.clone(), square, square)
    assert len(calls) == 1


@pytest.mark.parametrize("core", [RNN(), Leaky(), GRU(), LSTM(), LIF()], ids=lambda core: type(core).__name__)
def test_cores_compute_the_same_by_both_methods(core: RecurrentCore, calls: list[tuple[object, ...]]) -> None:
    inputs = random_tensor(2, 12, 6, 5)

    def states_and_gradients() -> list[torch.Tensor]:
        module = core.build(5, 70, [torch.Generator().manual_seed(seed) for seed in range(2)])
        states = module(inputs)
        states.square().sum().backward()
        return [states.detach(), *(parameter.grad for _, parameter in module.named_parameters())]

    assert_same_by_both_methods(states_and_gradients, 70, calls)


@pytest.mark.parametrize("core", [RNN(), Leaky(), GRU(), LSTM(), LIF()], ids=lambda core: type(core).__name__)
def test_the_kernel_computes_every_product_with_recurrent_weights(
    core: RecurrentCore, calls: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pytorch = torch.Tensor.baddbmm_

    def refuse(onto: torch.Tensor, left: torch.Tensor, right: torch.Tensor, **options: float) -> torch.Tensor:
        assert 5 + 1 in (onto.shape[1], right.shape[1]), "only inputs and a bias are left to PyTorch"
        return by_pytorch(onto, left, right, **options)

    module = core.build(5, 70, [torch.Generator().manual_seed(seed) for seed in range(2)])
    monkeypatch.setattr(torch.Tensor, "baddbmm_", refuse)
    with block_products([70]):
        module(random_tensor(2, 12, 6, 5)).square().sum().backward()
    assert calls


def test_communicability_is_the_same_by_both_methods(calls: list[tuple[object, ...]]) -> None:
    weights = random_tensor(2, 40, 40).abs()

    def value_and_gradient() -> list[torch.Tensor]:
        leaf = weights.clone().requires_grad_()
        result = communicability(leaf)
        (gradient,) = torch.autograd.grad((weights * result).sum(), leaf)
        return [result.detach(), gradient]

    assert_same_by_both_methods(value_and_gradient, 40, calls)


def assert_same_by_both_methods(
    compute: Callable[[], list[torch.Tensor]], units: int, calls: list[tuple[object, ...]]
) -> None:
    with block_products([]):
        expected = compute()
        assert not calls
    with block_products([units]):
        results = compute()
        assert calls
    for one, other in zip(results, expected, strict=True):
        # rounding in six steps, or in four products one after another, forward and backward
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
