"""One process of several that train together: `glyph_crm_ranks.py FILE` as a rank."""

import sys

import torch
from glyph_crm_tools import NO_DROPOUT, build, make_inputs
from torch.nn.parallel import DistributedDataParallel

from hanziformers import GlyphCrmForMaskedLM


def model_and_batch():
    """The same in every process: 4 examples, of which the first two consist of one character."""
    torch.manual_seed(0)
    model = build(GlyphCrmForMaskedLM, **NO_DROPOUT).train()
    inputs = make_inputs(4, 9, labels=torch.randint(0, 50, (4, 9)))
    inputs["input_ids"][:2] = inputs["glyph_ids"][:2] = 7
    return model, inputs


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
    if rank == 0:
        torch.save({name: p.grad for name, p in model.named_parameters()}, sys.argv[1])
    torch.distributed.barrier()
    del parallel
    torch.distributed.destroy_process_group()
