"""The configuration of GlyphCRM: presets, files, and values that are refused."""

import json

import pytest
from huggingface_hub.errors import StrictDataclassError

from hanziformers import GlyphCrmConfig

WRONG_CONFIGS = {
    "glyph dropout": ({"glyph_dropout_prob": -0.1}, r"glyph_dropout_prob=-0\.1.*\[0, 1\)"),
    "size": ({"glyph_size": 50}, "glyph_size=50.*multiple of 24"),
    "no size": ({"glyph_size": 0}, "glyph_size=0.*multiple of 24"),
    "channels": ({"first_block_channels": 0}, "first_block_channels=0.*1 or more"),
    "channels above": ({"second_block_channels": -1}, "second_block_channels=-1.*1 or more"),
    "small bank": ({"glyph_vocab_size": 18611}, "glyph_vocab_size=18611.*None or 18612"),
    "maps": ({"position_maps": "none"}, "position_maps='none'.*'paper' or 'released'"),
    "styles": ({"glyph_styles": ["song", "kai"]}, r"glyph_styles=\['song', 'kai'\].*one name.*song"),
    "no style": ({"glyph_styles": []}, r"glyph_styles=\[\].*one name"),
    "cnn": ({"glyph_cnn": "swin"}, "glyph_cnn='swin'.*'han_glyph' or 'none'"),
    "norm": ({"feature_norm": "batch"}, "feature_norm='batch'.*None or 'standard' or 'whiten'"),
    "no epsilon": ({"feature_norm_epsilon": 0.0}, r"feature_norm_epsilon=0\.0.*above 0 and below 1"),
    "epsilon": ({"feature_norm_epsilon": 1.0}, r"feature_norm_epsilon=1\.0.*above 0 and below 1"),
    "images": ({"feature_norm_images": 1}, "feature_norm_images=1.*2 or more"),
    "interval": ({"feature_norm_interval": 0}, "feature_norm_interval=0.*1 or more"),
    "no pixels": ({"glyph_cnn": "none", "glyph_size": 0}, "glyph_size=0.*any of 1 or more"),
    "tied": ({"tie_word_embeddings": True}, "tie_word_embeddings=True.*False"),
    "tied to the id table": ({"tie_word_embeddings": True, "id_embeddings": True}, "tie_word_embeddings=True.*False"),
    "no row of [UNK]": ({"id_embeddings": True, "unk_token_id": 18612}, "unk_token_id=18612.*0 to 18611"),
    "negative row of [UNK]": ({"id_embeddings": True, "unk_token_id": -1}, "unk_token_id=-1.*0 to 18611"),
}


@pytest.mark.parametrize("name", list(WRONG_CONFIGS))
def test_wrong_configurations_are_explained(name):
    fields, message = WRONG_CONFIGS[name]
    with pytest.raises((ValueError, StrictDataclassError), match=f"(?s){message}"):
        GlyphCrmConfig(**fields)


def test_presets():
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "glyph_size")
    base, released = GlyphCrmConfig.base(), GlyphCrmConfig.released(num_labels=7)
    for config in (base, released):
        assert [getattr(config, name) for name in names] == [768, 12, 12, 3072, 18612, 48]
        assert (config.first_block_channels, config.second_block_channels) == (64, 128)
        assert (config.max_position_embeddings, config.glyph_dropout_prob, config.layer_norm_eps) == (512, 0.1, 1e-12)
        assert config.classifier_dropout == 0
    assert not base.id_embeddings  # the paper's model reads glyph images alone
    assert (base.position_maps, released.position_maps, released.num_labels) == ("paper", "released", 7)
    assert GlyphCrmConfig.base(num_hidden_layers=3).num_hidden_layers == 3
    assert GlyphCrmConfig.released(position_maps="paper").position_maps == "paper"


@pytest.mark.parametrize(("rows", "wanted"), [(None, 50), (50, 50), (77, 77)])
def test_the_bank_has_the_vocabulary_and_more(rows, wanted):
    assert GlyphCrmConfig(glyph_size=72).glyph_shape == (1, 72, 72)
    assert GlyphCrmConfig(vocab_size=50, glyph_vocab_size=rows).num_glyphs == wanted


def test_round_trip(tmp_path):
    more = {"glyph_styles": ["kai"], "glyph_binary": False, "font_manifest": {"kai": {"font": "LXGW"}}}
    more |= {"id_embeddings": True, "unk_token_id": 100, "feature_norm": "whiten", "feature_norm_interval": 7}
    config = GlyphCrmConfig.released(
        hidden_size=48, glyph_size=72, glyph_vocab_size=20000, id2label={0: "O", 1: "B"}, classifier="mlp", **more
    )
    config.save_pretrained(tmp_path)
    loaded = GlyphCrmConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    assert (loaded.hidden_size, loaded.glyph_size, loaded.num_glyphs) == (48, 72, 20000)
    assert (loaded.position_maps, loaded.id2label) == ("released", {0: "O", 1: "B"})
    assert {name: getattr(loaded, name) for name in more} == more
    assert loaded.classifier == "mlp"
    assert (GlyphCrmConfig().glyph_styles, GlyphCrmConfig().glyph_binary) == (["song"], True)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "glyph_crm"
