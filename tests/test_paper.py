"""The paper's main claims, on a hundred networks of each group: some minutes on two cores."""

from pathlib import Path

import pytest

from spatialnets import Experiment
from spatialnets.progress import Lines
from spatialnets.report.measured import measured
from spatialnets.report.scorecard import scorecard


@pytest.mark.paper
def test_every_claim_on_the_scorecard_is_met(tmp_path: Path) -> None:
    experiment = Experiment.from_preset("sernn_paper").override("networks=100")
    run = experiment.run(out=tmp_path, progress=Lines())
    scores = scorecard(measured(run, experiment.analyses))
    assert len(scores) == 9
    verdicts = {score.claim: (score.ours, score.verdict) for score in scores}
    assert all(verdict in ("yes", "-") for _, verdict in verdicts.values()), verdicts
    assert sum(verdict == "yes" for _, verdict in verdicts.values()) == 8
