"""Whether operations are recorded, by every way there is on a CPU."""

import pytest
import torch
from export_tools import needs_newer_torch
from torch._subclasses.fake_tensor import FakeTensorMode

from hanziformers.modeling.tracing import has_open_sizes, is_traced

VALUES = torch.ones(3)


class Model(torch.nn.Module):
    """Notes what is said while it runs, and gives it."""

    def forward(self, values):
        self.seen = (is_traced(values), has_open_sizes())
        return values * (2 if is_traced(values) else 1) * (3 if has_open_sizes() else 1)


def test_a_model_that_runs():
    assert torch.equal(Model()(VALUES), VALUES)
    with torch.inference_mode():
        assert not is_traced(torch.nn.Parameter(VALUES))
    assert not is_traced(VALUES.to("meta"))  # no values either, but nothing is recorded: callers ask for it themselves


@needs_newer_torch
def test_compiled():
    torch._dynamo.reset()
    assert torch.equal(torch.compile(Model(), backend="eager", fullgraph=True)(VALUES), VALUES * 2)


@needs_newer_torch
@pytest.mark.filterwarnings("ignore:While compiling")
@pytest.mark.parametrize("strict", [True, False])
def test_exported(strict):
    torch._dynamo.reset()
    assert torch.equal(torch.export.export(Model(), (VALUES,), strict=strict).module()(VALUES), VALUES * 6)
    assert torch.equal(Model()(VALUES), VALUES)


def test_traced():
    assert torch.equal(torch.jit.trace(Model(), (VALUES,), check_trace=False)(VALUES), VALUES * 6)
    assert torch.equal(Model()(VALUES), VALUES)


def test_fake():
    model = Model()
    with FakeTensorMode() as mode:
        model(mode.from_tensor(VALUES))
    assert model.seen == (True, False)
