"""text[start:end] of every entity is the characters it names, where every character is a token, whatever the text.

The pipeline, the tokenizer and the model are the real ones; only the model's answer is fixed: logits by token id.
"""

import pytest
import torch
from glyph_tools import SPECIAL, NumberGlyphs
from test_pipeline_offsets import CITIES, GROUPING, LABELS, NASTY, STRATEGIES, expected_spans, spans
from transformers import pipeline

from hanziformers import (
    GlyphCrmConfig,
    GlyphCrmForTokenClassification,
    GlyphCrmTokenizer,
    MpmCnerConfig,
    MpmCnerForTokenClassification,
    MpmCnerTokenizer,
)

VOCABULARY = {token: row for row, token in enumerate([*SPECIAL, *"北京上海银行的很我在人一"])}
RARE = "𠀀𰻝各あ"
SYLLABLES = ["bei3", "jing1", "shang4", "hai3"]
FAMILIES = {
    "glyph_crm": (
        GlyphCrmConfig,
        GlyphCrmForTokenClassification,
        {"first_block_channels": 2, "second_block_channels": 2},
    ),
    "mpm_cner": (
        MpmCnerConfig,
        MpmCnerForTokenClassification,
        {
            "swin_embed_dim": 3,
            "swin_depths": [1],
            "swin_num_heads": [1],
            "lstm_hidden_size": 4,
            "num_syllables": 5,
            "special_token_ids": [0, 2, 3],
        },
    ),
}


class Squares(NumberGlyphs):
    """Bits of a checksum in a glyph image of 24 x 24."""

    def render(self, tokens):
        small = super().render(tokens).reshape(-1, 1, 4, 8)
        return small.repeat(6, axis=2).repeat(3, axis=3)


def make_tokenizer(family, **options):
    if family == "mpm_cner":
        return MpmCnerTokenizer(VOCABULARY, syllables=SYLLABLES, **options)
    return GlyphCrmTokenizer(VOCABULARY, **options)


def build(family, stock=False, **options):
    """A pipeline whose model calls the characters of two cities LOC, after it has looked at all the glyph images."""
    tokenizer, (config_class, model_class, sizes) = make_tokenizer(family, **options), FAMILIES[family]
    tokenizer.image_processor = Squares()
    config = config_class(
        vocab_size=len(tokenizer),
        glyph_size=24,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=512,
        id2label=dict(enumerate(LABELS)),
        label2id={label: row for row, label in enumerate(LABELS)},
        **sizes,
    )
    table = torch.zeros(len(tokenizer), len(LABELS))
    for token, row in VOCABULARY.items():
        table[row, LABELS.index(CITIES.get(token, "O"))] = 5 + row / 100

    def answer(model, args, kwargs, output):
        assert kwargs["extra_glyphs"].shape[::2] == (len(kwargs["input_ids"]), 576)
        sizes.add(kwargs["extra_glyphs"].shape[1])
        output.logits = table[kwargs["input_ids"]]
        return output

    sizes = set()
    model = model_class(config).eval()
    model.base_model.set_glyphs(torch.from_numpy(Squares().render(tokenizer.bank_tokens())))
    model.register_forward_hook(answer, with_kwargs=True)
    chosen = {} if stock else {"pipeline_class": tokenizer.token_classification_pipeline}
    return pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu", **chosen), sizes


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_city_beside_anything(family, strategy, stock):
    """In batches whose texts have different numbers of characters outside of the bank.

    Every token is one character here, so transformers' own pipeline is exact too.
    """
    pipe, sizes = build(family, stock)
    noises = [*NASTY.values(), RARE]
    texts = [f"{noise}北京 {noise}的上海{noise}" for noise in noises]
    for size in (1, 9) if strategy == "simple" else (9,):
        for text, entities in zip(texts, pipe(texts, aggregation_strategy=strategy, batch_size=size), strict=True):
            assert spans(entities) == expected_spans(text, strategy), text
            for entity in entities:
                assert entity["word"].replace(" ", "") == text[entity["start"] : entity["end"]]
    assert len(RARE) in sizes
    assert len(sizes) > 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", GROUPING)
def test_windows(family, strategy):
    pipe, sizes = build(family, model_max_length=16)
    texts = ["我" * shift + f"北京的{RARE}很{RARE[2]}的上海人" * 4 for shift in range(0, 8, 2)]
    for size in (1, 3) if strategy == "simple" else (3,):
        many = pipe(texts, aggregation_strategy=strategy, stride=4, batch_size=size)
        assert [spans(entities) for entities in many] == [expected_spans(text, strategy) for text in texts]
    assert max(sizes) == len(RARE)
