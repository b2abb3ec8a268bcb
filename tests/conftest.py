"""One thread for every test and subprocess, as the models are tiny and threads that wait for each other cost more."""

import gc
import logging
import os

import pytest
import torch
import transformers
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers.logging.enable_propagation()  # so that pytest's caplog sees what is logged
settings.register_profile("no deadline", deadline=None)  # other programs may run beside the tests
settings.load_profile("no deadline")
torch.set_num_threads(1)  # the variable comes too late for this process, and is for those that tests start


def pytest_collection_finish():
    """A Trainer collects garbage in every run: millions of objects that were imported need not be looked at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def warnings():
    """What hanziformers logs as a warning; a list that fills up."""

    class Keep(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    messages, handler, logger = [], Keep(logging.WARNING), logging.getLogger("transformers.hanziformers")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.fixture
def own_fonts(tmp_path, monkeypatch):
    """A cache of its own and no installed fonts: what a test sees does not depend on the machine."""
    from hanziformers.processors import fonts, system_fonts

    monkeypatch.setenv("HANZIFORMERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(system_fonts, "installed_files", dict)
    fonts._installed.cache_clear()
    yield
    fonts._installed.cache_clear()


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
