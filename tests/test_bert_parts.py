"""What every family shares with BERT: positions, token types, and a last look at the configuration."""

import pytest
import torch
from chinese_bert_tools import SIZES, build
from glyph_crm_tools import build as build_glyph_crm
from torch import nn

from hanziformers import ChineseBertConfig, ChineseBertModel, GlyphCrmForTokenClassification, GlyphCrmModel
from hanziformers.modeling.bert_parts import PositionedEmbeddings


class Embeddings(PositionedEmbeddings):
    """The parts that a family sets."""

    def __init__(self):
        super().__init__()
        self.config = ChineseBertConfig(**SIZES)
        self.position_embeddings, self.token_type_embeddings = nn.Embedding(40, 24), nn.Embedding(2, 24)
        self.count_positions()


TYPES, POSITIONS = torch.tensor([[0, 1, 1], [1, 0, 0]]), torch.tensor([[5, 2, 39], [0, 0, 7]])


@pytest.mark.parametrize("types", [None, TYPES])
@pytest.mark.parametrize("positions", [None, POSITIONS, POSITIONS[:1]])
def test_position_and_token_type_are_added(types, positions):
    embeddings, vectors = Embeddings(), torch.randn(2, 3, 24)
    found = embeddings.add_positions(vectors, types, positions)
    for example in range(2):
        for token in range(3):
            row = torch.arange(3) if positions is None else positions[example % len(positions)]
            wanted = vectors[example, token] + embeddings.position_embeddings.weight[row[token]]
            wanted = wanted + embeddings.token_type_embeddings.weight[0 if types is None else types[example, token]]
            torch.testing.assert_close(found[example, token], wanted)


@pytest.mark.parametrize(
    ("length", "types", "positions", "message"),
    [
        (41, None, None, "41 tokens.*40 positions"),
        (3, TYPES + 1, None, "token_type_ids holds 2.*0 to 1"),
        (3, None, POSITIONS + 1, "position_ids holds 40.*0 to 39"),
        (3, None, POSITIONS - 1, "position_ids holds -1.*0 to 39"),
    ],
)
def test_what_does_not_exist_is_refused(length, types, positions, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        Embeddings().add_positions(torch.zeros(2, length, 24), types, positions)


def test_positions_are_not_saved_and_come_back(tmp_path):
    model = build()
    assert "embeddings.position_ids" not in model.state_dict()
    model.save_pretrained(tmp_path)
    loaded = ChineseBertModel.from_pretrained(tmp_path)  # made on the meta device, where a buffer has no values
    assert torch.equal(loaded.embeddings.position_ids, torch.arange(40)[None])


LATE = {
    "classifier": "gru",
    "position_maps": "relased",
    "glyph_initializer": "kaimin",
    "tie_word_embeddings": True,
    "is_decoder": True,
}


@pytest.mark.parametrize("field", list(LATE))
def test_a_field_that_is_set_late_is_checked_when_a_model_is_built(field, tmp_path):
    """Keywords of from_pretrained come after the configuration was made, and would choose another thing silently."""
    model = build_glyph_crm(GlyphCrmForTokenClassification)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{field}.*is not allowed in GlyphCrmConfig"):
        GlyphCrmForTokenClassification.from_pretrained(tmp_path, **{field: LATE[field]})
    setattr(model.config, field, LATE[field])
    with pytest.raises(ValueError, match=f"{field}.*is not allowed in GlyphCrmConfig"):
        GlyphCrmModel(model.config)
