"""One process of several that train together and accumulate gradients: `encode_once_ranks.py FILE` as a rank."""

import sys
from pathlib import Path

import torch
from glyph_crm_tools import NO_DROPOUT, build, make_inputs
from transformers import Trainer, TrainingArguments

from hanziformers import GlyphCrmForMaskedLM
from hanziformers.training.encode_once import EncodeOnce


class Keeper(Trainer):
    """A Trainer that keeps the gradients of every optimisation step."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False
        self.steps = []

    def _clip_grad_norm(self, model):
        named = self.model.named_parameters()
        self.steps.append({name: weight.grad.clone() for name, weight in named if weight.grad is not None})
        return super()._clip_grad_norm(model)


def keeper(folder, once, rows=14, model=None, eval_rows=None, **options):
    """A trainer of `rows` examples, 2 in a batch and 4 batches in a step: the last step has fewer of them."""
    torch.manual_seed(0)
    model = build(GlyphCrmForMaskedLM, **NO_DROPOUT) if model is None else model
    batch = make_inputs(rows, 9, labels=torch.randint(0, 50, (rows, 9)))
    data = [{name: value[row] for name, value in batch.items()} for row in range(rows)]
    usual = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "num_train_epochs": 1, "seed": 1}
    usual |= {"report_to": "none", "use_cpu": True, "disable_tqdm": True, "save_strategy": "no"}
    args = TrainingArguments(str(folder), **usual | options)
    return Keeper(model, args, train_dataset=data, eval_dataset=data[:4], callbacks=[EncodeOnce()] if once else [])


if __name__ == "__main__":
    found = {}
    for once in (False, True):
        trainer = keeper(Path(sys.argv[1]).parent, once)
        trainer.train()
        found[once] = trainer.steps
    assert torch.distributed.get_world_size() == 2
    if torch.distributed.get_rank() == 0:
        torch.save(found, sys.argv[1])
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
