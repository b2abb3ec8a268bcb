"""One process of several that train together: `glyph_crm_ranks.py FILE` as a rank."""

import sys

import torch
from glyph_crm_tools import NO_DROPOUT, build, make_inputs
from torch.nn.parallel import DistributedDataParallel

from hanziformers import GlyphCrmForMaskedLM


def model_and_batch(**fields):
    """The same in every process: 4 examples, of which the first two consist of one character."""
    torch.manual_seed(0)
    model = build(GlyphCrmForMaskedLM, **NO_DROPOUT, **fields).train()
    inputs = make_inputs(4, 9, labels=torch.randint(0, 50, (4, 9)))
    inputs["input_ids"][:2] = inputs["glyph_ids"][:2] = 7
    return model, inputs


class Wrapped(torch.nn.Module):
    """Hides from DDP which buffers need not be sent, so that it sends all."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, **inputs):
        return self.model(**inputs)


def train_with_statistics(wrap, rank, ranks):
    """Three steps of a model with `feature_norm`; its statistics, which must be the same in every process."""
    model, inputs = model_and_batch(feature_norm="whiten", feature_norm_interval=2)
    parallel = DistributedDataParallel(wrap(model))
    for _ in range(3):
        model.zero_grad()
        parallel(**{name: value.chunk(ranks)[rank] for name, value in inputs.items()}).loss.backward()
        descend(model)
    found = statistics(model)
    for value in found:
        everywhere = [torch.empty_like(value) for _ in range(ranks)]
        torch.distributed.all_gather(everywhere, value)
        assert all(torch.equal(other, value) for other in everywhere)
    return found


def descend(model):
    """A step of plain descent."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.sub_(0.05 * parameter.grad)


def statistics(model):
    """All buffers of the norms before HanGlyph's linear layers."""
    norms = model.base_model.embeddings.characters.encoder.feature_norms
    return [value.clone() for norm in norms for value in norm.buffers()]


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model, inputs = model_and_batch()
    size = 4 // ranks
    part = {name: value[rank * size : (rank + 1) * size] for name, value in inputs.items()}
    if rank == 0:
        part.pop("extra_glyphs")
    assert (part["glyph_ids"].unique().numel() == 1) == (rank == 0)
    images = model.base_model.embeddings.characters.glyphs
    version = images._version
    parallel = DistributedDataParallel(model)
    for _ in range(2):  # the second step would wait for ever if the first had left the ranks out of step
        model.zero_grad()
        parallel(**part).loss.backward()
    assert images._version == version  # glyph images are not sent around
    found = {name: p.grad for name, p in model.named_parameters()}
    normed = [train_with_statistics(wrap, rank, ranks) for wrap in (lambda model: model, Wrapped)]
    if rank == 0:
        torch.save({"gradients": found, "statistics": normed}, sys.argv[1])
    torch.distributed.barrier()
    del parallel
    torch.distributed.destroy_process_group()
