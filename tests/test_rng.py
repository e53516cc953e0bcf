"""Numbers from a counter: the published generator, the same bits everywhere, normal and independent."""

import hashlib
import os
import platform
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from spatialnets import compiled
from spatialnets.compiled import HAS_NUMBA
from spatialnets.rng import Stream, philox, philox_kernels

needs_numba = pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed, so there is nothing to compare")

# kat_vectors of Random123: counter, key, words
PUBLISHED = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute as where numba is not installed."""
    monkeypatch.setattr(compiled, "HAS_NUMBA", False)


def numbers(words: str) -> list[int]:
    return [int(word, 16) for word in words.split()]


@pytest.mark.parametrize(("counter", "key", "words"), PUBLISHED)
def test_the_generator_gives_the_published_words(counter: str, key: str, words: str) -> None:
    c, k = numbers(counter), numbers(key)
    tensors = philox.philox([torch.tensor([word]) for word in c], [torch.tensor([word]) for word in k])
    assert [int(word) for word in tensors] == numbers(words)
    if HAS_NUMBA:
        filled = np.zeros((4, 3), dtype=np.uint32)
        philox_kernels.fill_words(k[0], k[1], c[0] - 1, c[1], c[2], c[3], filled)
        assert filled[:, 1].tolist() == numbers(words)


def exact_normals(seed: int, purpose: str, n: int, update: int, epoch: int) -> NDArray[np.float64]:
    """Box and Muller's transform in float64 with NumPy's functions, from the documented key, counter and order."""
    blocks = -(-n // 4)
    key = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())]).generate_state(2, np.uint32)
    counter = [torch.arange(blocks)] + [torch.full((blocks,), word) for word in (0, update, epoch)]
    words = philox.philox(counter, [torch.tensor(int(word)) for word in key])
    lanes = []
    for radii, directions in ((words[0], words[1]), (words[2], words[3])):
        radius = np.sqrt(-2 * np.log(((radii.numpy() >> 9) + 0.5) / 2**23))
        angle = np.pi / 2 * (((directions.numpy() >> 9) % 2**21 + 0.5) / 2**21)
        lanes.append(radius * np.cos(angle) * np.where(directions.numpy() >> 31, -1, 1))
        lanes.append(radius * np.sin(angle) * np.where(directions.numpy() >> 30 & 1, -1, 1))
    return np.concatenate(lanes)[:n]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 2047, 5000])
def test_normals_are_the_transform_of_box_and_muller_in_the_documented_order(n: int) -> None:
    values = Stream.of([3, 2**40 + 1], "test").at(update=7, epoch=2).normals((n,)).numpy()
    expected = np.stack([exact_normals(seed, "test", n, 7, 2) for seed in (3, 2**40 + 1)])
    # relative errors of 1.9 (radius) and 3.1 (direction) units in the last place, 6e-8, and one of the product
    np.testing.assert_allclose(values, expected, rtol=4e-7, atol=0)


def test_a_shape_only_arranges_the_numbers() -> None:
    stream = Stream.of([1, 2], "test")
    assert torch.equal(stream.normals((3, 5, 4)).flatten(1), stream.normals((60,)))
    assert stream.normals((0, 5)).shape == (2, 0, 5)
    assert stream.signs((0,)).shape == (2, 0)


# The same bits


@needs_numba
@pytest.mark.parametrize("n", [1, 3, 2046, 2048, 2049, 4095, 25_603])
def test_normals_have_the_same_bits_with_numba_and_without(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    stream, size = Stream.of(range(60), "test").at(2**32 - 1, 2**31), torch.linspace(0, 3, 60)
    start = torch.linspace(-1, 1, n).repeat(60, 1)
    start[:, 0] = -0.0
    added, values = start.clone(), stream.normals((n,), size)
    stream.add_normals_to(added, size)
    plain(monkeypatch)
    added_plain, plain_values = start.clone(), stream.normals((n,), size)
    stream.add_normals_to(added_plain, size)
    for one, other in ((values, plain_values), (added, added_plain)):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert torch.equal(added, start + values)


EVERY_WORD = np.arange(2**23, dtype=np.uint32) << np.uint32(9)  # 23 bits are used of each word


@needs_numba
@pytest.mark.slow
def test_every_radius_and_every_direction_has_the_same_bits_and_a_small_error() -> None:
    words, constant = torch.from_numpy(EVERY_WORD.astype(np.int64)), 123456789
    fixed = np.full(2**23, constant, dtype=np.uint32)
    radius, directions = philox._radius(words), philox._direction(words)
    first, second = np.empty((2, 2**23), dtype=np.float32)
    philox_kernels._fill_pairs(EVERY_WORD, fixed, first, second)
    for values, factor in zip((first, second), philox._direction(torch.tensor([constant])), strict=True):
        np.testing.assert_array_equal(values, (radius * factor).numpy())
    philox_kernels._fill_pairs(fixed, EVERY_WORD, first, second)
    for values, direction in zip((first, second), directions, strict=True):
        np.testing.assert_array_equal(values, (philox._radius(torch.tensor([constant])) * direction).numpy())

    k = np.arange(2**23)
    angle = np.pi / 2 * (k % 2**21 + 0.5) / 2**21
    expected = np.sqrt(-2 * np.log((k + 0.5) / 2**23))
    np.testing.assert_allclose(radius, expected, rtol=1.2e-7, atol=0)  # every value was checked: 1.11e-7
    signs = np.where(k >> 22, -1, 1), np.where(k >> 21 & 1, -1, 1)
    for direction, exact, sign in zip(directions, (np.cos(angle), np.sin(angle)), signs, strict=True):
        np.testing.assert_allclose(direction, exact * sign, rtol=1.9e-7, atol=0)  # 1.88e-7


# Changes only if the stream changes, which needs a new format of runs.
DIGEST = "927ed56296119063a7045f348eec8af97710d04f4810c7872aac412874288637"


def digest() -> str:
    stream, values = Stream.of(range(20), "sample").at(5, 9), torch.ones(20, 20_000)
    stream.add_normals_to(values, torch.arange(20) / 8)
    return hashlib.sha256(values.numpy().tobytes() + stream.signs((100,)).numpy().tobytes()).hexdigest()


def test_the_stream_is_the_one_that_runs_were_computed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    assert digest() == DIGEST
    plain(monkeypatch)
    assert digest() == DIGEST


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"ATEN_CPU_CAPABILITY": "default", "NUMBA_CPU_NAME": "generic"},
        {"ATEN_CPU_CAPABILITY": "avx2"},
        {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"},
        {"OMP_NUM_THREADS": "3"},
    ],
    ids=lambda environment: "-".join(environment.values()),
)
def test_every_processor_and_number_of_threads_gives_these_bits(environment: dict[str, str]) -> None:
    if "NUMBA_CPU_FEATURES" in environment and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("these are features of x86 processors")
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_rng as test\n"
        "print(test.digest()); test.compiled.HAS_NUMBA = False; print(test.digest())"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True, text=True)
    assert run.stdout.split() == [DIGEST, DIGEST]


def test_float64_gets_the_numbers_of_float32() -> None:
    stream, size = Stream.of([1, 2], "test"), torch.tensor([0.1, 3.0], dtype=torch.float64)
    expected = stream.normals((1000,)).double() * size[:, None]
    assert torch.equal(stream.normals((1000,), size), expected)
    values = torch.ones(2, 1000, dtype=torch.float64)
    stream.add_normals_to(values, size)
    assert torch.equal(values, 1 + expected)


def test_values_that_are_not_contiguous_get_the_same_noise() -> None:
    stream, size = Stream.of([1, 2], "test"), torch.tensor([0.1, 3.0])
    values, transposed = torch.ones(2, 30, 40), torch.ones(2, 40, 30).mT
    stream.add_normals_to(values, size)
    stream.add_normals_to(transposed, size)
    assert torch.equal(values, transposed)


def test_a_network_has_the_same_numbers_alone_and_among_others() -> None:
    seeds = [5, 0, 7_000_000_000, 3]
    together = Stream.of(seeds, "test").at(3, 1)
    for row, seed in enumerate(seeds):
        alone = Stream.of([seed], "test").at(3, 1)
        assert torch.equal(alone.normals((4097,))[0], together.normals((4097,))[row])
        assert torch.equal(alone.signs((4097,))[0], together.signs((4097,))[row])


def test_threads_that_draw_at_once_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [Stream.of([seed], "test").normals((20_000,)) for seed in range(16)]
    for numba in {HAS_NUMBA, False}:
        monkeypatch.setattr(compiled, "HAS_NUMBA", numba)
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda seed: Stream.of([seed], "test").normals((20_000,)), range(16)))
        assert all(torch.equal(*pair) for pair in zip(drawn, expected, strict=True))


def test_mistakes_are_refused_with_what_to_write() -> None:
    stream = Stream.of([1, 2], "test")
    with pytest.raises(
        ValueError, match=r"keys must be int64 of shape \(network, 2\).*write Stream.of\(seeds, purpose"
    ):
        Stream(torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"update must be from 0 to 2\*\*32 - 1, not 4294967296"):
        stream.at(2**32)
    with pytest.raises(ValueError, match="epoch must be from 0"):
        stream.at(0, -1)
    with pytest.raises(ValueError, match=r"draw must be from 0 to 2\*\*31 - 1, not 2147483648"):
        stream.signs((1,), draw=2**31)
    with pytest.raises(ValueError, match="values of 3 networks and .* do not match the 2 networks of the stream"):
        stream.add_normals_to(torch.zeros(3, 1), torch.ones(3))


# Normal and independent. All seeds are fixed, so that these tests either always pass or always fail; a bound that a
# correct generator exceeds in 1 of 1,000 choices of seeds is therefore enough.

RARE = 1e-3
SEEDS = 300
N = 12_000


def sample(seeds: int = SEEDS, purpose: str = "test", update: int = 0, epoch: int = 0) -> NDArray[np.float32]:
    return Stream.of(range(seeds), purpose).at(update, epoch).normals((N,)).numpy()


def largest_allowed(comparisons: int, n: int) -> float:
    """Return the bound of the largest of many correlations of independent samples (Bonferroni)."""
    return float(stats.norm.isf(RARE / 2 / comparisons)) / n**0.5


def correlations(rows: NDArray[np.float32], others: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Return the correlations of all pairs of rows, or of each row with that of the others."""
    rows = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    if others is None:
        return np.asarray((rows @ rows.T / rows.shape[1])[np.triu_indices(len(rows), 1)], dtype=np.float64)
    others = (others - others.mean(axis=1, keepdims=True)) / others.std(axis=1, keepdims=True)
    return np.asarray((rows * others).mean(axis=1, dtype=np.float64))


def test_moments_are_those_of_a_normal_distribution() -> None:
    values = sample().astype(np.float64)
    n = values.size
    moments = [(values**power).mean() for power in (1, 2, 3, 4)]
    # variances of powers of a standard normal deviate: 1, 2, 15, 96
    for moment, expected, variance in zip(moments, (0, 1, 0, 3), (1, 2, 15, 96), strict=True):
        assert abs(moment - expected) < stats.norm.isf(RARE / 2) * (variance / n) ** 0.5
    for row in (values.mean(axis=1) * N**0.5, (values**2 - 1).mean(axis=1) * (N / 2) ** 0.5):
        assert np.abs(row).max() < stats.norm.isf(RARE / 2 / SEEDS)  # of each network
        assert stats.kstest(row, "norm").pvalue > RARE


def test_the_distribution_is_normal_to_the_tails() -> None:
    values = sample(100).astype(np.float64)
    pvalues = np.array([stats.kstest(row, "norm").pvalue for row in values])
    assert pvalues.min() > RARE / len(values)
    assert stats.kstest(pvalues, "uniform").pvalue > RARE
    assert stats.kstest(values[:, :7].ravel(), "norm").pvalue > RARE  # the first numbers of many seeds
    many = np.abs(sample(2000)).ravel()
    for threshold in (3.0, 4.0, 5.0):
        expected = 2 * stats.norm.sf(threshold) * many.size
        assert abs((many > threshold).sum() - expected) < stats.norm.isf(RARE / 2) * expected**0.5 + 1
    assert many.max() < 5.8


def test_networks_are_independent() -> None:
    values = sample()
    pairs = SEEDS * (SEEDS - 1) // 2
    assert np.abs(correlations(values)).max() < largest_allowed(pairs, N)
    # squares, skewed and with heavy tails, are compared as ranks
    ranks = np.argsort(np.argsort(np.abs(values), axis=1), axis=1).astype(np.float32)
    assert np.abs(correlations(ranks)).max() < largest_allowed(pairs, N)


def test_purposes_updates_epochs_and_draws_are_independent() -> None:
    stream = Stream.of(range(SEEDS), "test")
    others = {
        "purpose": sample(purpose="tesu"),
        "update": sample(update=1),
        "far update": sample(update=2**31),
        "epoch": sample(epoch=1),
        "draw": stream.normals((N,), draw=1).numpy(),
        "signs": stream.signs((N,)).numpy(),
    }
    first = sample()
    for name, other in others.items():
        found = correlations(first, other)
        assert np.abs(found).max() < largest_allowed(SEEDS, N), name
        assert abs(found.mean()) < stats.norm.isf(RARE / 2) / (SEEDS * N) ** 0.5, name
    swapped = correlations(sample(update=1, epoch=2), sample(update=2, epoch=1))
    assert np.abs(swapped).max() < largest_allowed(SEEDS, N)


def test_neighbouring_numbers_of_a_network_are_independent() -> None:
    values = sample()
    blocks = N // 4
    lags = [*range(1, 41), 128, 512, 2048, blocks - 1, blocks, blocks + 1, 2 * blocks, 3 * blocks]
    for transformed in (values, np.abs(values)):
        row = transformed.ravel()  # a few pairs belong to two networks, which are independent as well
        row = (row - row.mean()) / row.std()
        for lag in lags:
            assert abs(row[:-lag] @ row[lag:]) < stats.norm.isf(RARE / 2 / len(lags) / 2) * row.size**0.5, lag


def test_signs_are_fair_and_independent() -> None:
    signs = Stream.of(range(SEEDS), "test").signs((N,))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    values = signs.numpy()
    assert np.abs(values.mean(axis=1)).max() < stats.norm.isf(RARE / 2 / SEEDS) / N**0.5
    assert np.abs(values.mean(axis=0)).max() < stats.norm.isf(RARE / 2 / N) / SEEDS**0.5
    assert np.abs(correlations(values)).max() < largest_allowed(SEEDS * (SEEDS - 1) // 2, N)
    blocks = -(-N // 128)
    for lag in (*range(1, 41), blocks - 1, blocks, blocks + 1, 32 * blocks):
        assert abs((values[:, :-lag] * values[:, lag:]).mean(dtype=np.float64)) < 4.5 / (SEEDS * (N - lag)) ** 0.5


def test_signs_have_the_type_and_shape_asked_for() -> None:
    stream = Stream.of([1, 2], "test")
    signs: Tensor = stream.signs((3, 4), torch.float64)
    assert (signs.dtype, signs.shape) == (torch.float64, (2, 3, 4))
    assert torch.equal(signs.float(), stream.signs((3, 4)))
    assert not torch.equal(stream.signs((3, 40)), stream.signs((3, 40), draw=1))
