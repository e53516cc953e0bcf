"""Products of many small matrices: the processor's own kernel, where torch has it, and torch's products elsewhere."""

from collections.abc import Iterator

import pytest
import torch

from spatialnets.cores import GRU, LIF, LSTM, RNN, Leaky
from spatialnets.graph import products
from spatialnets.graph.products import add_products, add_summed_products
from spatialnets.protocols import RecurrentCore

# single precision has 24 bits; sums of a hundred products of numbers near 1 are off by some units in the last place
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_kernel", lambda: None)


@pytest.mark.parametrize("keep", [0.0, 1.0, 0.25])
@pytest.mark.parametrize(("rows", "depth", "columns"), [(128, 100, 100), (7, 109, 33), (64, 64, 300), (3, 8, 8)])
def test_products_are_added_to_what_is_kept(keep: float, rows: int, depth: int, columns: int) -> None:
    left, right, onto = drawn(3, rows, depth), drawn(3, depth, columns), drawn(3, rows, columns)
    expected = keep * onto.double() + left.double() @ right.double()
    assert add_products(onto, left, right, keep=keep) is onto
    torch.testing.assert_close(onto.double(), expected, rtol=1e-5, atol=1e-4)  # sums of up to 109 products


def test_matrices_may_be_parts_of_larger_ones() -> None:
    states, weights = drawn(2, 5, 40, 130), drawn(2, 120, 110)
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
def test_what_does_not_fit_is_refused_and_never_read(
    onto: tuple[int, ...], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    with pytest.raises(RuntimeError):
        add_products(drawn(*onto), drawn(*left), drawn(*right))
    with pytest.raises(RuntimeError):
        add_summed_products(drawn(*onto), drawn(*left).mT, drawn(*right))


@pytest.mark.parametrize("inputs", [(1, 4, 5, 9), (1, 4, 5, 7), (3, 4, 5, 8)])
def test_a_core_refuses_other_inputs_than_it_was_built_for(inputs: tuple[int, ...]) -> None:
    core = RNN().build(8, 100, [torch.Generator().manual_seed(0)])
    with pytest.raises(RuntimeError):
        core(torch.zeros(inputs))


def test_no_trials_have_no_states() -> None:
    core = RNN().build(8, 100, [torch.Generator().manual_seed(0)])
    states = core(torch.zeros(1, 0, 5, 8))
    assert states.shape == (1, 0, 5, 100)
    states.sum().backward()
    assert not any(bool(parameter.grad.any()) for _, parameter in core.named_parameters() if parameter.grad is not None)


def test_what_is_not_kept_does_not_matter() -> None:
    onto = torch.full((1, 70, 70), torch.nan)
    add_products(onto, drawn(1, 70, 70), drawn(1, 70, 70), keep=0)
    assert bool(torch.isfinite(onto).all())


def test_a_network_that_is_not_finite_leaves_its_neighbours_alone() -> None:
    left, right = drawn(3, 70, 70), drawn(3, 70, 70)
    alone = add_products(torch.zeros(3, 70, 70), left, right)
    left[1] = torch.nan
    beside = add_products(torch.zeros(3, 70, 70), left, right)
    assert torch.equal(beside[[0, 2]], alone[[0, 2]])
    assert bool(torch.isnan(beside[1]).all())


@pytest.mark.parametrize("samples", [100, 640, 1500])
def test_summed_products_are_those_of_all_samples(samples: int) -> None:
    before, after, onto = drawn(2, samples, 109), drawn(2, samples, 100), drawn(2, 109, 100)
    expected = onto.double() + before.double().mT @ after.double()
    add_summed_products(onto, before, after)
    torch.testing.assert_close(onto.double(), expected, rtol=1e-5, atol=1e-3)  # sums of up to 1,500 products


@pytest.mark.skipif(products._kernel() is None, reason="this torch has no such kernel for this processor")
def test_the_kernel_is_used_where_it_is_the_better_one(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[object, ...]] = []
    real = products._kernel()
    assert real is not None

    def noting(*words: object) -> None:
        used.append(words)
        real(*words)

    monkeypatch.setattr(products, "_kernel", lambda: noting)

    def product(units: int, dtype: torch.dtype = torch.float32) -> int:
        used.clear()
        square = torch.zeros(2, units, units, dtype=dtype)
        add_products(square.clone(), square, square)
        return len(used)

    assert product(100) == 2  # one for each network
    assert product(8) == product(2000) == product(100, torch.float64) == 0
    torch.set_num_threads(2)
    assert product(100) == 0


@pytest.mark.parametrize("core", [RNN(), Leaky(), GRU(), LSTM(), LIF()], ids=lambda core: type(core).__name__)
def test_cores_compute_the_same_with_and_without_the_kernel(
    core: RecurrentCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = drawn(2, 12, 6, 5)

    def outcome() -> list[torch.Tensor]:
        module = core.build(5, 70, [torch.Generator().manual_seed(seed) for seed in range(2)])
        states = module(inputs)
        states.square().sum().backward()
        return [states.detach(), *(parameter.grad for _, parameter in module.named_parameters())]

    with_kernel = outcome()
    without_kernel(monkeypatch)
    for one, other in zip(with_kernel, outcome(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)  # roundings of six steps, forth and back
