"""What every engine keeps, and the words that choose one."""

import importlib.util
from pathlib import Path

import pytest

from spatialnets import Experiment
from spatialnets.engine import Engine
from spatialnets.engines.choosing import engine_from
from spatialnets.engines.dask import Dask
from spatialnets.engines.here import Here
from spatialnets.engines.processes import Processes
from spatialnets.errors import DeclarationError, UserError
from spatialnets.testing import check_engine

WITHOUT_DASK = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed: pip install 'spatialnets[dask]'"
)


@pytest.mark.parametrize(
    "engine",
    [Here(workers=2), Processes(workers=1), pytest.param(Dask(workers=2), marks=[WITHOUT_DASK, pytest.mark.slow])],
    ids=lambda engine: type(engine).__name__,
)
def test_the_contract_is_kept(engine: Engine, tmp_path: Path) -> None:
    check_engine(engine, tmp_path)


def test_an_engine_that_forgets_a_job_breaks_it(tmp_path: Path) -> None:
    class Forgetful(Here):
        def do(self, run, jobs, progress):  # type: ignore[no-untyped-def]
            super().do(run, jobs[1:], progress)

    with pytest.raises(AssertionError, match="Forgetful left 1 shards undone"):
        check_engine(Forgetful(workers=1), tmp_path)


def test_words_choose_an_engine() -> None:
    assert engine_from([]) == Here()
    assert engine_from(["engine=processes"], workers=3) == Processes(workers=3)
    assert engine_from(["engine.workers=2"], workers=3) == Here(workers=2)
    assert engine_from(["engine=dask", "engine.scheduler=tcp://head:8786"]) == Dask(scheduler="tcp://head:8786")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["engine=sluurm"], "no engine is called 'sluurm'"),
        (["engine=proceses"], "did you mean 'processes'?"),
        (["engine.wrokers=2"], "unknown key, did you mean 'workers'?"),
        (["engine.workers=many"], "expected a whole number, got 'many'"),
        (["engine.workers=0"], "workers must be 1 or more, not 0"),
        (["engine"], "expected engine=NAME or engine.FIELD=VALUE"),
        (["engine.a.b=1"], "expected engine=NAME or engine.FIELD=VALUE"),
    ],
)
def test_wrong_words_are_answered(words: list[str], said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        engine_from(words)
    assert said in str(caught.value)


def test_an_experiment_holds_no_engine() -> None:
    with pytest.raises(DeclarationError, match="where to compute is no part of an experiment"):
        Experiment.from_declaration({"extends": "sernn_demo", "engine": "here"})


def test_workers_belong_to_the_engine_where_one_is_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give it to the engine instead"):
        Experiment.from_preset("sernn_demo").run(tmp_path, workers=2, engine=Here())
