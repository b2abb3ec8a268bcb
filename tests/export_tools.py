"""Models and batches of several sizes, for the tests of exported graphs."""

import chinese_bert_tools as chinese_bert
import glyph_crm_tools as glyph_crm
import pytest
import torch
from packaging.version import Version
from transformers.modeling_outputs import ModelOutput

needs_newer_torch = pytest.mark.skipif(
    Version(torch.__version__) < Version("2.7"),
    reason="torch 2.6 exports and fully compiles no model of transformers with open sizes",
)
EVERY = [*glyph_crm.EVERY, *chinese_bert.EVERY]
EXAMPLE = (2, 7, 2)  # B, L and E of the batch that a graph is made from
SIZES = [(4, 9, 5), (1, 12, 1), (3, 5, 0), (2, 40, 3)]  # and of those that it has to serve
CHOICES = 3


def build(cls, **fields):
    """A tiny model; its tables hold vectors that no graph may serve."""
    tools = glyph_crm if cls in glyph_crm.EVERY else chinese_bert
    model = tools.build(cls, num_hidden_layers=1, **fields)
    with torch.no_grad():
        model(**batch_of(cls, *EXAMPLE))
    return model


def batch_of(cls, size, length, extras):
    """Inputs without labels; `extras` None leaves extra_glyphs out, 0 gives an empty axis."""
    texts = size * CHOICES if "MultipleChoice" in cls.__name__ else size
    if cls in glyph_crm.EVERY:
        batch = glyph_crm.make_inputs(texts, length, extras or 1)
        if not extras:
            batch["glyph_ids"] = batch["glyph_ids"].clamp(max=glyph_crm.SIZES["glyph_vocab_size"] - 1)
            batch["extra_glyphs"] = batch["extra_glyphs"][:, :0]
        if extras is None:
            del batch["extra_glyphs"]
    else:
        batch = chinese_bert.make_inputs(texts, length)
    if texts == size:
        return batch
    return {name: value.unflatten(0, (size, CHOICES)) for name, value in batch.items()}


def axes_of(batch):
    """The axes that a graph has to keep open: input -> {axis: name}."""
    first = ["batch", "choices"][: batch["input_ids"].dim() - 1]  # [B, L] or [B, C, L]
    return {name: dict(enumerate([*first, "extras" if name == "extra_glyphs" else "length"])) for name in batch}


def outputs(found):
    """The tensors of a model's output, or of what a graph gives in its place, in order."""
    return list(found.values()) if isinstance(found, ModelOutput | dict) else list(found)


def assert_serves(run, model, cls, extras=True, tolerance=1e-5, empty=True):
    """Compares `run(batch)` with the model at all sizes; `extras` None: without extra_glyphs; `empty`: none too."""
    for size, length, count in [EXAMPLE, *(sizes for sizes in SIZES if empty or sizes[-1])]:
        batch = batch_of(cls, size, length, count if extras else None)
        with torch.no_grad():
            wanted = outputs(model(**batch))
            found = outputs(run(batch))
        assert len(found) == len(wanted) > 0
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=tolerance, rtol=0)
