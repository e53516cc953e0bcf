"""Write data/neurogym_statistics.npz: statistics of trials of the 20 tasks of neurogym 2.3.1, for comparison with ours.

Run ``python tests/neurogym_statistics.py`` where neurogym is installed (pip install neurogym==2.3.1 torch). The tests
do not run it; they apply `statistics` to our own trials.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRIALS = 3000
PERIODS = 5  # fixation, stimulus, delay, test, decision


def statistics(
    inputs: NDArray[np.float32], answers: NDArray[np.int64], starts: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Summarise trials of one task.

    Parameters
    ----------
    inputs
        Fixation, ring one and ring two, ``(trial, time, 33)``, padded.
    answers
        Correct output at each step, ``(trial, time)``, padded with -1.
    starts
        First step of each of the five periods, and the end, ``(trial, 6)``.

    Returns
    -------
    dict
        ``lengths`` and ``share``: combinations of period lengths, and their frequencies. ``mean`` and ``square``: mean
        input and mean squared input of each channel in each period, ``(period, channel)``; ``mean_deviation`` and
        ``square_deviation``: their standard deviations over trials. ``answers``: frequency with which each output is
        correct, ``(period, output)``. ``relative``: distribution of the difference between the direction of the answer
        and the direction with the strongest input, ``(stimulus or test, ring, difference)``; the last entry is
        fixation.
    """
    lengths, counts = np.unique(np.diff(starts, axis=1), axis=0, return_counts=True)
    step = np.arange(inputs.shape[1])
    summary: dict[str, NDArray[Any]] = {"lengths": lengths, "share": counts / counts.sum()}
    means = np.zeros((len(inputs), PERIODS, inputs.shape[2]))
    squares = np.zeros_like(means)
    correct = np.zeros((PERIODS, 17))
    for period in range(PERIODS):
        within = (step >= starts[:, period, None]) & (step < starts[:, period + 1, None])
        weights = within / np.maximum(within.sum(axis=1, keepdims=True), 1)
        means[:, period] = np.einsum("kt,ktc->kc", weights, inputs)
        squares[:, period] = np.einsum("kt,ktc->kc", weights, inputs.astype(float) ** 2)
        if within.any():
            correct[period] = np.bincount(answers[within], minlength=17) / within.sum()
    decided = answers[np.arange(len(inputs)), starts[:, 4]]
    relative = np.zeros((2, 2, 17))
    for interval, period in enumerate((1 if (np.diff(starts[:, 1:3]) > 0).all() else 4, 3)):
        for ring in range(2):
            strongest = means[:, period, 1 + 16 * ring : 17 + 16 * ring].argmax(axis=1)
            difference = np.where(decided > 0, (decided - 1 - strongest) % 16, 16)
            relative[interval, ring] = np.bincount(difference, minlength=17) / len(inputs)
    return {
        **summary,
        "mean": means.mean(axis=0),
        "mean_deviation": means.std(axis=0),
        "square": squares.mean(axis=0),
        "square_deviation": squares.std(axis=0),
        "answers": correct,
        "relative": relative,
    }


def trials_of(name: str, count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Draw trials of a neurogym task, excluding samples of direction 8 in category matching."""
    from neurogym.envs.collections import yang19

    env = getattr(yang19, name)(dt=100)
    env.seed(seed)
    env.reset()
    drawn: list[tuple[NDArray[Any], NDArray[Any], list[int]]] = []
    while len(drawn) < count:
        env.new_trial()
        trial, task = env.unwrapped.trial, env.unwrapped
        if name in ("dmc", "dnmc") and np.isclose(trial["sample_theta"], np.pi):
            continue
        starts = [task.end_ind["fixation"]]
        for period, alternative in (("stimulus", "stim1"), ("delay", ""), ("test", "stim2"), ("decision", "")):
            key = {"stimulus": "sample"}.get(period, period) if "sample" in task.end_ind else period
            key = alternative if alternative in task.end_ind else key
            present = key in task.end_ind and not (name.startswith("rt") and period == "stimulus")
            starts.append(task.end_ind[key] if present else starts[-1])
        drawn.append((np.array(task.ob), np.array(task.gt), [0, *starts]))
        assert starts[-1] == len(task.ob)
    longest = max(len(observations) for observations, _, _ in drawn)
    inputs = np.zeros((count, longest, 33), dtype=np.float32)
    answers = np.full((count, longest), -1, dtype=np.int64)
    for row, (observations, correct, _) in enumerate(drawn):
        inputs[row, : len(observations)], answers[row, : len(correct)] = observations, correct
    return inputs, answers, np.array([starts for _, _, starts in drawn])


TASKS = (
    *("go", "rtgo", "dlygo", "anti", "rtanti", "dlyanti", "dm1", "dm2", "ctxdm1", "ctxdm2", "multidm"),
    *("dlydm1", "dlydm2", "ctxdlydm1", "ctxdlydm2", "multidlydm", "dms", "dnms", "dmc", "dnmc"),
)


def main() -> None:
    """Write the file."""
    arrays: dict[str, NDArray[Any]] = {"trials": np.array(TRIALS)}
    for seed, name in enumerate(TASKS):
        for key, values in statistics(*trials_of(name, TRIALS, seed=seed)).items():
            arrays[f"{name}__{key}"] = values.astype(np.int16 if key == "lengths" else np.float32)
    np.savez_compressed(Path(__file__).parent / "data" / "neurogym_statistics.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
