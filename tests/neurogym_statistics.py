"""Write data/neurogym_statistics.npz: what trials of the 20 tasks of neurogym 2.3.1 are like, to compare ours with.

To be run where neurogym is installed (pip install neurogym==2.3.1 torch), not by the tests:
``python tests/neurogym_statistics.py``. `statistics` is what the tests apply to our own trials.
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
        Fixation, ring one, ring two: ``(trial, time, 33)``, padded.
    answers
        The right output at each step, ``(trial, time)``, padded with -1.
    starts
        Where the five periods start, and the end, ``(trial, 6)``.

    Returns
    -------
    dict
        ``lengths`` and their ``share``: each combination of lengths that occurs, and how often. ``mean``, ``square``:
        the mean input, and its square, of each channel in each period, ``(period, channel)``, and their standard
        deviations over trials, ``mean_deviation``, ``square_deviation``. ``answers``: how often each output is right,
        ``(period, output)``. ``relative``: how often the answer of the decision lies so many directions from where the
        stimulus, or the test, is strongest on each ring, ``(stimulus or test, ring, difference)``, the last for
        fixation.
    """
    lengths, counts = np.unique(np.diff(starts, axis=1), axis=0, return_counts=True)
    step = np.arange(inputs.shape[1])
    found: dict[str, NDArray[Any]] = {"lengths": lengths, "share": counts / counts.sum()}
    means = np.zeros((len(inputs), PERIODS, inputs.shape[2]))
    squares = np.zeros_like(means)
    right = np.zeros((PERIODS, 17))
    for period in range(PERIODS):
        within = (step >= starts[:, period, None]) & (step < starts[:, period + 1, None])
        weights = within / np.maximum(within.sum(axis=1, keepdims=True), 1)
        means[:, period] = np.einsum("kt,ktc->kc", weights, inputs)
        squares[:, period] = np.einsum("kt,ktc->kc", weights, inputs.astype(float) ** 2)
        if within.any():
            right[period] = np.bincount(answers[within], minlength=17) / within.sum()
    decided = answers[np.arange(len(inputs)), starts[:, 4]]
    relative = np.zeros((2, 2, 17))
    for place, period in enumerate((1 if (np.diff(starts[:, 1:3]) > 0).all() else 4, 3)):
        for ring in range(2):
            strongest = means[:, period, 1 + 16 * ring : 17 + 16 * ring].argmax(axis=1)
            difference = np.where(decided > 0, (decided - 1 - strongest) % 16, 16)
            relative[place, ring] = np.bincount(difference, minlength=17) / len(inputs)
    return {
        **found,
        "mean": means.mean(axis=0),
        "mean_deviation": means.std(axis=0),
        "square": squares.mean(axis=0),
        "square_deviation": squares.std(axis=0),
        "answers": right,
        "relative": relative,
    }


def trials_of(name: str, count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Draw trials of a task of neurogym, without samples of direction 8 where categories are matched."""
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
        for one, other in (("stimulus", "stim1"), ("delay", ""), ("test", "stim2"), ("decision", "")):
            period = {"stimulus": "sample"}.get(one, one) if "sample" in task.end_ind else one
            period = other if other in task.end_ind else period
            present = period in task.end_ind and not (name.startswith("rt") and one == "stimulus")
            starts.append(task.end_ind[period] if present else starts[-1])
        drawn.append((np.array(task.ob), np.array(task.gt), [0, *starts]))
        assert starts[-1] == len(task.ob)
    longest = max(len(seen) for seen, _, _ in drawn)
    inputs = np.zeros((count, longest, 33), dtype=np.float32)
    answers = np.full((count, longest), -1, dtype=np.int64)
    for row, (seen, right, _) in enumerate(drawn):
        inputs[row, : len(seen)], answers[row, : len(seen)] = seen, right
    return inputs, answers, np.array([starts for _, _, starts in drawn])


TASKS = (
    *("go", "rtgo", "dlygo", "anti", "rtanti", "dlyanti", "dm1", "dm2", "ctxdm1", "ctxdm2", "multidm"),
    *("dlydm1", "dlydm2", "ctxdlydm1", "ctxdlydm2", "multidlydm", "dms", "dnms", "dmc", "dnmc"),
)


def main() -> None:
    """Write the file."""
    found: dict[str, NDArray[Any]] = {"trials": np.array(TRIALS)}
    for place, name in enumerate(TASKS):
        for key, values in statistics(*trials_of(name, TRIALS, seed=place)).items():
            found[f"{name}__{key}"] = values.astype(np.int16 if key == "lengths" else np.float32)
    np.savez_compressed(Path(__file__).parent / "data" / "neurogym_statistics.npz", **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
