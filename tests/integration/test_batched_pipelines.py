"""Pipelines that put several texts into one batch: transformers pads them itself, each key on the tokenizer's side."""

import pytest
import torch
from chinese_bert_tools import SIZES as CHINESE_BERT_SIZES
from glyph_crm_tools import SIZES as GLYPH_CRM_SIZES
from glyph_tools import SPECIAL
from test_glyph_crm_offsets import RARE, Squares
from transformers import pipeline

import hanziformers
from hanziformers import ChineseBertConfig, ChineseBertTokenizer, GlyphCrmConfig, GlyphCrmTokenizer

VOCABULARY = {token: row for row, token in enumerate([*SPECIAL, *"北京上海银行的很我在人一"])}
TASKS = {
    "feature-extraction": "Model",
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "fill-mask": "ForMaskedLM",
}
# batches of two: without, with one and with several characters outside of the bank; of one length, and of several
TEXTS = ["北京的很", f"{RARE[0]}上海{RARE[1]}", f"在{RARE}", "人", "人一", f"{RARE[2]}{RARE[3]}", "银行", "我在"]


def build(family, head, side):
    torch.manual_seed(0)
    if family == "ChineseBert":
        tokenizer = ChineseBertTokenizer(VOCABULARY, padding_side=side)
        config = ChineseBertConfig(**{**CHINESE_BERT_SIZES, "vocab_size": len(VOCABULARY)})
        return getattr(hanziformers, family + head)(config).eval(), tokenizer
    tokenizer = GlyphCrmTokenizer(VOCABULARY, padding_side=side)
    tokenizer.image_processor = Squares()
    sizes = {"vocab_size": len(VOCABULARY), "glyph_vocab_size": len(VOCABULARY)}
    model = getattr(hanziformers, family + head)(GlyphCrmConfig(**{**GLYPH_CRM_SIZES, **sizes})).eval()
    model.base_model.set_glyphs(torch.from_numpy(Squares().render(tokenizer.bank_tokens())))
    return model, tokenizer


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", ["GlyphCrm", "ChineseBert"])
def test_a_batch_is_that_of_the_tokenizer(family, task, side, warnings):
    """What the model computes for a pipeline's batch is what it computes for the texts padded by the tokenizer."""
    model, tokenizer = build(family, TASKS[task], side)
    texts = [text + "[MASK]" for text in TEXTS] if task == "fill-mask" else TEXTS
    outputs = []

    def keep(_, args, kwargs, output):
        outputs.append(output[0])

    hook = model.register_forward_hook(keep, with_kwargs=True)
    found = pipeline(task, model=model, tokenizer=tokenizer, device="cpu")(texts, batch_size=2)
    hook.remove()
    assert len(found) == len(texts)
    assert len(outputs) == len(texts) / 2
    for number, output in enumerate(outputs):
        batch = tokenizer(texts[2 * number : 2 * number + 2], padding=True, return_tensors="pt")
        with torch.no_grad():
            torch.testing.assert_close(output, model(**batch)[0], atol=1e-6, rtol=1e-5)
    assert not warnings


@pytest.mark.parametrize("side", ["right", "left"])
def test_each_character_keeps_its_own_image_on_either_side(side):
    """Two texts that differ in one character outside of the bank differ, whatever else is in their batch."""
    model, tokenizer = build("GlyphCrm", "Model", side)
    extract = pipeline("feature-extraction", model=model, tokenizer=tokenizer, device="cpu")
    long, vectors = f"北{RARE}", []
    for rare in RARE:
        alone = torch.tensor(extract([f"{rare}北京上海"])[0])
        first = torch.tensor(extract([f"{rare}北京上海", long], batch_size=2)[0])
        second = torch.tensor(extract([long, f"{rare}北京上海"], batch_size=2)[1])
        for batched in (first, second):  # the long text has more characters outside of the bank, and as many tokens
            torch.testing.assert_close(batched, alone, atol=1e-5, rtol=1e-4)
        vectors.append(alone[0, 1])
    assert torch.pdist(torch.stack(vectors)).min() > 1e-3
