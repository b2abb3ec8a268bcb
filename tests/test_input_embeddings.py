"""Input vectors of characters and words: ids, glyphs or both, padding that trains nothing, a loss in training only."""

import pytest
import torch
from bilstm_tools import NO_DROPOUT, SIZES, make_inputs, random_images
from torch.nn import functional as F

from hanziformers import BiLstmConfig
from hanziformers.modeling.input_embeddings import CharacterEmbedding, WordEmbedding

KINDS = {"both": {}, "ids": {"glyce": False}, "glyphs": {"embedding_dim": 0}}
WORD_IDS = torch.tensor([[5, 7, 9, 0], [6, 5, 0, 0]])
# rows of the characters of words; 60 and 61 are an example's own, 0 and below are none
CHARACTERS = torch.tensor(
    [[[3, 4, 60], [5, 0, -1], [-1, 9, -100], [0, 0, 0]], [[61, 60, 3], [0, 0, 0], [0, 0, 0], [-1, -1, -1]]]
)
EXTRAS = torch.randint(1, 256, (2, 2, 128), dtype=torch.uint8)


def build(cls=CharacterEmbedding, **fields):
    config = BiLstmConfig(**{**SIZES, **NO_DROPOUT, **fields})
    embedding = cls(config)
    if config.glyce:
        embedding.glyph_bank.set_glyphs(random_images(config.num_glyphs))
    return embedding.eval()


def character_inputs():
    inputs = make_inputs()
    return {"ids": inputs["input_ids"]} | {name: inputs[name] for name in ("glyph_ids", "extra_glyphs")}


def word_inputs():
    return {"ids": WORD_IDS, "glyph_ids": CHARACTERS, "extra_glyphs": EXTRAS}


def vectors_of(embedding, rows, extras):
    """The glyph vectors of the rows [n] of one example, one at a time."""
    bank, found = embedding.glyph_bank, []
    for row in rows.tolist():
        image = bank.glyphs[row] if row < len(bank.glyphs) else extras[row - len(bank.glyphs)].view(2, 8, 8)
        found.append(bank.encoder(image[None] / 255)[0])
    return torch.stack(found)


@pytest.mark.parametrize("kind", list(KINDS))
def test_characters_are_ids_and_glyphs_side_by_side(kind):
    embedding, inputs = build(**KINDS[kind]), character_inputs()
    found, loss = embedding(**inputs)
    assert loss is None
    parts = [embedding.ids.weight[inputs["ids"]]]
    if kind != "ids":
        glyphs = [
            vectors_of(embedding, *pair) for pair in zip(inputs["glyph_ids"], inputs["extra_glyphs"], strict=True)
        ]
        parts.append(torch.stack(glyphs).masked_fill(inputs["ids"][..., None] == 0, 0))
    torch.testing.assert_close(found, torch.cat(parts, -1))
    assert found.shape[-1] == embedding.config.input_size
    assert not found[inputs["ids"] == 0].any()  # padding


@pytest.mark.parametrize("kind", list(KINDS))
def test_words_have_the_maximum_over_their_characters(kind):
    embedding = build(WordEmbedding, **KINDS[kind])
    found, loss = embedding(**word_inputs())
    assert loss is None
    parts = [embedding.ids.weight[WORD_IDS]]
    if kind != "ids":
        glyphs = torch.zeros(2, 4, 16)
        for example, word in ((0, 0), (0, 1), (0, 2), (1, 0)):
            rows = CHARACTERS[example, word]
            glyphs[example, word] = vectors_of(embedding, rows[rows > 0], EXTRAS[example]).amax(0)
        parts.append(glyphs)
    torch.testing.assert_close(found, torch.cat(parts, -1))
    assert not found[0, 3].any()


@pytest.mark.parametrize("pad", [0, 3])
def test_row_0_is_no_character_of_a_word_whatever_id_pads_words(pad):
    embedding = build(WordEmbedding, pad_token_id=pad, embedding_dim=0)
    found, _ = embedding(**word_inputs())
    torch.testing.assert_close(found[0, 1], vectors_of(embedding, torch.tensor([5]), None)[0])
    rows = torch.full((1, 1, 2), 3)  # character 3 is a character
    found, _ = embedding(torch.tensor([[pad]]), rows)
    torch.testing.assert_close(found[0, 0], vectors_of(embedding, torch.tensor([3]), None)[0])


@pytest.mark.parametrize(("cls", "inputs"), [(CharacterEmbedding, character_inputs()), (WordEmbedding, word_inputs())])
@pytest.mark.parametrize("kind", list(KINDS))
def test_padding_trains_nothing(cls, inputs, kind):
    embedding = build(cls, **KINDS[kind]).train()
    padded = {"ids": torch.zeros_like(inputs["ids"])}
    rows, images = torch.zeros_like(inputs["glyph_ids"]), {"extra_glyphs": inputs["extra_glyphs"]}
    vectors, loss = embedding(**padded, glyph_ids=rows, **images, attention_mask=torch.ones_like(padded["ids"]))
    (vectors.sum() + (0 if loss is None else loss)).backward()
    assert not vectors.any()
    assert not any(weight.grad is not None and weight.grad.any() for weight in embedding.parameters())


@pytest.mark.parametrize(("cls", "inputs"), [(CharacterEmbedding, character_inputs()), (WordEmbedding, word_inputs())])
def test_the_image_loss_is_the_mean_over_characters_in_training_only(cls, inputs):
    embedding = build(cls)
    mask = (inputs["ids"] > 0).long()
    mask[0, 1] = 0
    wanted, _ = embedding(**inputs, attention_mask=mask)
    embedding.train()
    vectors, loss = embedding(**inputs, attention_mask=mask)
    torch.testing.assert_close(vectors, wanted)
    rows = inputs["glyph_ids"]
    scored = (rows > 2) & (rows < (50 if cls is CharacterEmbedding else 60))  # those with a class, and with ink
    scored &= (mask > 0).view(*mask.shape, *[1] * (rows.dim() - 2))
    logits = embedding.image_classification.dense(vectors_of(embedding, rows[scored], None))
    torch.testing.assert_close(loss, F.cross_entropy(logits, rows[scored]))
    loss.backward()
    for part in embedding.glyph_bank.encoder.parameters():
        part.requires_grad_(False)
    assert embedding(**inputs, attention_mask=mask)[1] is None
    assert build(cls, use_image_loss=False).train()(**inputs)[1] is None


def test_rows_of_the_bank_have_classes_where_ids_are_words():
    assert build(CharacterEmbedding).image_classification.dense.out_features == 50
    assert build(WordEmbedding).image_classification.dense.out_features == 60


@pytest.mark.parametrize(("cls", "inputs"), [(CharacterEmbedding, character_inputs()), (WordEmbedding, word_inputs())])
def test_dropout_is_of_each_copy(cls, inputs):
    embedding = build(cls, embedding_dropout=0.5, glyph_dropout=0.5).train()
    ids = torch.full((1, 6), 7)
    rows = ids if cls is CharacterEmbedding else ids[..., None]
    first, second, *_ = embedding(ids, rows)[0][0]
    assert not torch.equal(first, second)


def test_distinct_characters_are_encoded_once_and_then_looked_up():
    embedding, inputs, sizes = build(), character_inputs(), []
    cnn = embedding.glyph_bank.encoder
    cnn.features, features = lambda images: sizes.append(len(images)) or features(images), cnn.features
    embedding.train()(**inputs)
    rows = inputs["glyph_ids"]
    assert sum(sizes) == len(rows[rows < 60].unique()) + 4  # and one of each text's own
    embedding.eval()
    with torch.no_grad():
        embedding(ids=inputs["ids"])
        sizes.clear()
        embedding(ids=inputs["ids"])
        assert not sizes
        cnn.conv1.weight.mul_(2)  # a vector of other weights would be stale
        embedding(ids=inputs["ids"])
    assert sizes


@pytest.mark.parametrize("kind", list(KINDS))
def test_vectors_in_the_place_of_ids(kind):
    embedding, inputs = build(**KINDS[kind]), character_inputs()
    ids = inputs.pop("ids")
    found, _ = embedding(None, inputs_embeds=embedding.ids(ids), **inputs)
    torch.testing.assert_close(found, embedding(ids, **inputs)[0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"exactly one is needed of input_ids \[B, L\] and inputs_embeds \[B, L, I\]; given are \{\}"),
        ({"ids": torch.ones(2, 3, 4, dtype=torch.long)}, r"given are \{'input_ids': \(2, 3, 4\)\}"),
        ({"ids": torch.tensor([[50]])}, "input_ids holds 50; allowed are 0 to 49"),
        ({"ids": torch.tensor([[-1]])}, "input_ids holds -1; allowed are 0 to 49"),
        ({"inputs_embeds": torch.ones(1, 2, 10)}, "glyph_ids are missing beside inputs_embeds.*glyce=False"),
        ({"inputs_embeds": torch.ones(1, 2, 9)}, r"inputs_embeds has the shape \(1, 2, 9\); needed is \[B, L, 10\]"),
        ({"ids": torch.ones(1, 2, dtype=torch.long), "glyph_ids": torch.ones(1, 3, dtype=torch.long)},
         r"glyph_ids has the shape \(1, 3\); needed is \(1, 2\)"),
        ({"ids": torch.ones(2, 2, dtype=torch.long), "extra_glyphs": EXTRAS}, "glyph_ids are missing beside extra"),
        ({"ids": torch.ones(1, 1, dtype=torch.long), "glyph_ids": torch.tensor([[60 + 0x94F6]])},
         "glyph_ids holds .*open id, 60 . the code point U.94F6"),
        ({"ids": torch.ones(2, 1, dtype=torch.long), "glyph_ids": torch.full((2, 1), 62), "extra_glyphs": EXTRAS},
         "glyph_ids holds 62; allowed are 0 to 61"),
        ({"ids": torch.ones(2, 1, dtype=torch.long), "glyph_ids": torch.full((2, 1), 60),
          "extra_glyphs": EXTRAS[..., :5]}, r"extra_glyphs are torch.uint8 \(2, 2, 5\)"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        build()(**{"ids": None, **inputs})


def test_words_need_the_rows_of_their_characters():
    embedding = build(WordEmbedding)
    message = r"glyph_ids are {}; needed is \[B, T, W\] with \(B, T\) = \(2, 4\).*tokenizer.*glyce=False"
    with pytest.raises(ValueError, match=message.format("missing")):
        embedding(WORD_IDS)
    with pytest.raises(ValueError, match=message.format(r"\(2, 4\)")):
        embedding(WORD_IDS, WORD_IDS)
    with pytest.raises(ValueError, match="exactly one is needed of word_ids"):
        embedding(None)
    with pytest.raises(ValueError, match="word_ids holds 54; allowed are 0 to 49"):
        embedding(WORD_IDS + 45, CHARACTERS, EXTRAS)
    assert build(WordEmbedding, glyce=False)(WORD_IDS)[0].shape == (2, 4, 10)


@pytest.mark.parametrize("shape", [(1, 1), (2, 0), (0, 3)])
def test_sizes_at_the_edge(shape):
    ids = torch.zeros(shape, dtype=torch.long)
    assert build()(ids)[0].shape == (*shape, 26)
    for width in (0, 1):
        assert build(WordEmbedding)(ids, ids[..., None].expand(*shape, width))[0].shape == (*shape, 26)


def test_a_model_around_it_initialises_the_cnn():
    """Unlike that of a GlyceEmbedding, which any model may hold."""
    for embedding in (build(), build(WordEmbedding)):
        assert not any(getattr(part, "_is_hf_initialized", False) for part in embedding.modules())
