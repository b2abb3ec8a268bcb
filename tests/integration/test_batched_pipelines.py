"""Pipelines that put several texts into one batch: transformers pads them itself, each key on the tokenizer's side."""

import pytest
import torch
from chinese_bert_tools import SIZES as CHINESE_BERT_SIZES
from glyce_tools import SIZES as GLYCE_SIZES
from glyph_crm_tools import SIZES as GLYPH_CRM_SIZES
from glyph_tools import SPECIAL
from mpm_cner_tools import SIZES as MPM_CNER_SIZES
from mpm_cner_tools import random_images
from test_character_offsets import RARE, Squares
from transformers import pipeline

import hanziformers
from hanziformers import (
    ChineseBertConfig,
    ChineseBertTokenizer,
    GlyceConfig,
    GlyceTokenizer,
    GlyphCrmConfig,
    GlyphCrmTokenizer,
    MpmCnerConfig,
    MpmCnerTokenizer,
)
from hanziformers.tokenization.syllables import toned_syllables

VOCABULARY = {token: row for row, token in enumerate([*SPECIAL, *"北京上海银行的很我在人一"])}
TASKS = {
    "feature-extraction": "Model",
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "fill-mask": "ForMaskedLM",
}
# batches of two: without, with one and with several characters outside of the bank; of one length, and of several
TEXTS = ["北京的很", f"{RARE[0]}上海{RARE[1]}", f"在{RARE}", "人", "人一", f"{RARE[2]}{RARE[3]}", "银行", "我在"]
SYLLABLES = sorted({syllable for syllable in toned_syllables("".join(TEXTS)) if syllable})


def build(family, head, side):
    torch.manual_seed(0)
    if family == "ChineseBert":
        tokenizer = ChineseBertTokenizer(VOCABULARY, padding_side=side)
        config = ChineseBertConfig(**{**CHINESE_BERT_SIZES, "vocab_size": len(VOCABULARY)})
        return getattr(hanziformers, family + head)(config).eval(), tokenizer
    sizes = {"vocab_size": len(VOCABULARY), "glyph_vocab_size": len(VOCABULARY)}
    if family == "GlyphCrm":
        tokenizer, config = (
            GlyphCrmTokenizer(VOCABULARY, padding_side=side),
            GlyphCrmConfig(**{**GLYPH_CRM_SIZES, **sizes}),
        )
    elif family == "Glyce":
        tokenizer = GlyceTokenizer(VOCABULARY, padding_side=side)
        config = GlyceConfig(**{**GLYCE_SIZES, **sizes, "glyph_styles": ["song"], "glyph_size": 24})
    else:
        tokenizer = MpmCnerTokenizer(VOCABULARY, padding_side=side, syllables=SYLLABLES)
        sizes |= {"num_syllables": 1 + len(SYLLABLES), "special_token_ids": [0, 2, 3]}
        config = MpmCnerConfig(**{**MPM_CNER_SIZES, **sizes})
    tokenizer.image_processor = Squares()
    model = getattr(hanziformers, family + head)(config).eval()
    model.base_model.set_glyphs(torch.from_numpy(Squares().render(tokenizer.bank_tokens())))
    if hasattr(model.base_model, "set_sounds"):
        model.base_model.set_sounds(random_images(1 + len(SYLLABLES), 3))
    return model, tokenizer


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("family", "task"),
    [
        *((family, task) for family in ("GlyphCrm", "ChineseBert") for task in TASKS),
        *(("Glyce", task) for task in TASKS if task != "fill-mask"),
        ("MpmCner", "feature-extraction"),
        ("MpmCner", "token-classification"),
    ],
)
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
@pytest.mark.parametrize("family", ["GlyphCrm", "Glyce", "MpmCner"])
def test_each_character_keeps_its_own_image_on_either_side(family, side):
    """Two texts that differ in one character outside of the bank differ, whatever else is in their batch."""
    model, tokenizer = build(family, "Model", side)
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
