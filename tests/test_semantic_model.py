"""What models around an encoder of text share: learning rates of their parts, and buffers of theirs."""

import glyce_tools
import mpm_cner_tools
import pytest
from torch import nn

from hanziformers.modeling.semantic_model import rate_groups


def test_a_parameter_belongs_to_the_part_that_holds_it():
    model = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.LayerNorm(3), "c": nn.Linear(3, 1)})
    rates = {"one": 0.1, "other": 0.0, "rest": 0.3}
    groups = rate_groups(nn.Sequential(model), {"one": [model["a"]], "other": [model["b"]]}, rates, 0.01)
    found = [(group["name"], len(group["params"]), group["lr"], group["weight_decay"]) for group in groups]
    assert found == [("one", 1, 0.1, 0.01), ("one", 1, 0.1, 0.0), ("rest", 1, 0.3, 0.01), ("rest", 1, 0.3, 0.0)]
    assert [weight.requires_grad for weight in model["b"].parameters()] == [False, False]
    model["a"].requires_grad_(False)
    assert {group["name"] for group in rate_groups(model, {}, rates, 0)} == {"rest"}
    assert not model["a"].weight.requires_grad  # a rate above 0 unfreezes nothing


@pytest.mark.parametrize("tools", [glyce_tools, mpm_cner_tools])
def test_no_images_are_sent_around(tools):
    model = tools.build()
    assert set(model._ddp_params_and_buffers_to_ignore) == {name for name, _ in model.named_buffers()}


def test_what_a_batch_norm_notes_is_sent_around():
    """Each rank notes its own mean; the images are the same everywhere."""
    model = glyce_tools.build(glyph_batch_norm=True)
    kept = {name for name, _ in model.named_buffers()} - set(model._ddp_params_and_buffers_to_ignore)
    assert {name.split(".")[-1] for name in kept} == {"running_mean", "running_var", "num_batches_tracked"}
