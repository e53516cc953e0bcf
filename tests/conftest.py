"""One cache for a session of tests, empty at first: nothing an earlier version computed can pass for this one's."""

import os
import shutil
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # workers of xdist share that of their parent
        os.environ["SPATIALNETS_CACHE"] = tempfile.mkdtemp(prefix="spatialnets-cache-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["SPATIALNETS_CACHE"], ignore_errors=True)
