"""The bank with an id table: what is fused, which id a character has, and what stays a bank's."""

import pytest
import torch
from glyph_crm_tools import SIZES, VALUES, random_glyphs

from hanziformers import GlyphCrmConfig
from hanziformers.modeling.han_glyph import HanGlyph
from hanziformers.modeling.hybrid_bank import HybridBank

HIDDEN = SIZES["hidden_size"]


@pytest.fixture
def bank():
    config = GlyphCrmConfig(**SIZES, id_embeddings=True, unk_token_id=3)
    bank = HybridBank(HanGlyph(config), config).eval()
    bank.set_glyphs(random_glyphs(60))
    return bank


def test_only_the_first_vector_is_fused(bank):
    ids, input_ids = torch.tensor([[7, 55, 61], [8, 8, 60]]), torch.tensor([[7, 3, 3], [9, 8, 3]])
    extra = random_glyphs(4).flatten(1).view(2, 2, VALUES)
    extra[0, 0] = 255  # blank rows are padding
    images = [bank.glyphs[i] if i < 60 else extra[b, i - 60].view(1, 24, 24) for b, row in enumerate(ids) for i in row]
    glyphs, *skipped = bank.encoder(torch.stack(images) / 255).unflatten(0, (2, 3)).chunk(3, -1)
    weight, bias = bank.fusion_linear.weight, bank.fusion_linear.bias
    fused = glyphs @ weight[:, :HIDDEN].T + bank.word_embeddings.weight[input_ids] @ weight[:, HIDDEN:].T + bias
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            found = bank(ids, extra, input_ids)
        torch.testing.assert_close(found, torch.cat([fused, *skipped], -1), atol=1e-5, rtol=0)


def test_without_input_ids_a_row_is_an_id_and_what_lies_beyond_is_unknown(bank):
    ids = torch.tensor([[0, 1, 49, 50, 59, 60]])
    extra = torch.full((1, 1, VALUES), 255, dtype=torch.uint8)
    wanted = bank(ids, extra, torch.tensor([[0, 1, 49, 3, 3, 3]]))
    assert torch.equal(bank(ids, extra), wanted)
    with pytest.raises(ValueError, match=r"input_ids holds 60.*0 to 49.*id table.*\[UNK\]'s id"):
        bank(ids, extra, ids)


@torch.no_grad()
def test_a_trained_table_and_fusion_are_never_stale(bank):
    ids = torch.tensor([[7, 8]])
    before = bank(ids)
    assert bank._table._entry is not None  # glyph vectors are kept, ...
    bank.word_embeddings.weight.data[7] += 1  # ... rows of the id table are not
    after = bank(ids)
    assert not torch.equal(after[0, 0, :HIDDEN], before[0, 0, :HIDDEN])
    assert torch.equal(after[0, 1], before[0, 1])
    bank.fusion_linear.bias.data += 1
    torch.testing.assert_close(bank(ids)[..., :HIDDEN], after[..., :HIDDEN] + 1)


def test_dropout_is_on_the_glyph_vector_of_each_copy():
    config = GlyphCrmConfig(**SIZES, id_embeddings=True, glyph_dropout_prob=0.5)
    bank = HybridBank(HanGlyph(config), config).train()
    seen = []
    bank.glyph_dropout.register_forward_hook(lambda _, inputs, output: seen.append(output[0]))
    vectors = bank(torch.full((1, 40), 7))[0]
    assert len({tuple(row) for row in (seen[0] == 0).tolist()}) == 40
    assert torch.equal(vectors[0, HIDDEN:], vectors[1, HIDDEN:])  # G1 and G2 have none


def test_the_padding_row_has_no_gradient(bank):
    bank.train()(torch.tensor([[0, 5]])).sum().backward()
    assert not bank.word_embeddings.weight.grad[0].any()
    assert bank.word_embeddings.weight.grad[5].any()
