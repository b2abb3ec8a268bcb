"""One process of several that train a Glyce, or a host of it, together: `glyce_ranks.py FILE SWITCH [TOOLS]`."""

import importlib
import sys

import torch
from torch.nn.parallel import DistributedDataParallel


def model_and_batch(switch, tools="glyce_tools"):
    """The same in every process: 4 texts, of which the first two consist of one character."""
    tools = importlib.import_module(tools)
    torch.manual_seed(0)
    model, inputs = tools.build(**tools.SWITCHES[switch], **tools.NO_DROPOUT).train(), tools.make_inputs()
    inputs["glyph_ids"][:2] = 7
    return model, {**inputs, "labels": tools.make_labels(inputs)}


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    model, inputs = model_and_batch(*sys.argv[2:])
    part = {name: value[2 * rank : 2 * rank + 2] for name, value in inputs.items()}
    parallel = DistributedDataParallel(model)
    for _ in range(2):  # the second step would wait for ever if the first had left the ranks out of step
        model.zero_grad()
        parallel(**part).loss.backward()
    if rank == 0:
        torch.save({name: p.grad for name, p in model.named_parameters()}, sys.argv[1])
    torch.distributed.barrier()
    del parallel
    torch.distributed.destroy_process_group()
