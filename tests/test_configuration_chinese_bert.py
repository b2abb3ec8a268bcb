"""The configuration of ChineseBERT: presets, files, and values that are refused."""

import json

import pytest
from huggingface_hub.errors import StrictDataclassError

from hanziformers import ChineseBertConfig

WRONG_CONFIGS = {
    "norm": ({"feature_norm": "batch"}, "feature_norm='batch'.*None or 'standard' or 'whiten'"),
    "images": ({"feature_norm_images": 1}, "feature_norm_images=1.*2 or more"),
    "interval": ({"feature_norm_interval": 0}, "feature_norm_interval=0.*1 or more"),
    "pinyin length": ({"pinyin_length": 1000}, r"pinyin_length=1000.*2 \*\* 63"),
    "pinyin length of 64 bits": ({"pinyin_length": 13}, r"pinyin_length=13.*2 \*\* 63"),
    "kernel": ({"pinyin_kernel_size": 9}, "pinyin_kernel_size=9.*1 to pinyin_length=8"),
    "no kernel": ({"pinyin_kernel_size": 0}, "pinyin_kernel_size=0.*1 to pinyin_length=8"),
    "no styles": ({"glyph_styles": []}, r"glyph_styles=\[\].*one or more names"),
    "empty style": ({"glyph_styles": ["kai", ""]}, r"glyph_styles=\['kai', ''\].*one or more names"),
    "no glyph size": ({"glyph_size": 0}, "glyph_size=0.*1 or more"),
    "another width": (
        {"glyph_embedding_dim": 1700},
        "glyph_embedding_dim=1700.*glyph_styles=.*glyph_size=24.*1728.*leave glyph_embedding_dim out",
    ),
}


@pytest.mark.parametrize("name", list(WRONG_CONFIGS))
def test_wrong_configurations_are_explained(name):
    fields, message = WRONG_CONFIGS[name]
    with pytest.raises((ValueError, StrictDataclassError), match=f"(?s){message}"):
        ChineseBertConfig(**fields)


def test_configuration_presets():
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
    base, large = ChineseBertConfig.base(), ChineseBertConfig.large()
    assert [getattr(base, name) for name in names] == [768, 12, 12, 3072, 23236]
    assert [getattr(large, name) for name in names] == [1024, 24, 16, 4096, 23236]
    assert (base.max_position_embeddings, base.glyph_embedding_dim, base.layer_norm_eps) == (512, 3 * 24 * 24, 1e-12)
    assert (base.pinyin_vocab_size, base.pinyin_length, base.pinyin_embedding_size) == (32, 8, 128)
    assert ChineseBertConfig.large(num_hidden_layers=3).num_hidden_layers == 3
    assert ChineseBertConfig.base(num_labels=7).num_labels == 7


def test_configuration_round_trip_and_alias(tmp_path):
    config = ChineseBertConfig(
        hidden_size=48, classifier="mlp", classifier_dropout=0.3, id2label={0: "O", 1: "B"}, pinyin_map_len=40
    )
    assert config.pinyin_vocab_size == config.pinyin_map_len == 40
    config.save_pretrained(tmp_path)
    loaded = ChineseBertConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    assert (loaded.hidden_size, loaded.classifier, loaded.classifier_dropout) == (48, "mlp", 0.3)
    assert loaded.id2label == {0: "O", 1: "B"}
    config.pinyin_map_len = 33
    assert config.pinyin_vocab_size == 33
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["model_type"] == "chinese_bert"
    assert "glyph_embedding_dim" not in saved


def test_the_width_of_the_glyph_table_follows_from_the_images(tmp_path):
    config = ChineseBertConfig(glyph_styles=["kai", "song"], glyph_size=5, glyph_binary=True, vocab_size=70)
    assert (config.glyph_shape, config.glyph_embedding_dim, config.num_glyphs) == ((2, 5, 5), 50, 70)
    config.save_pretrained(tmp_path)
    assert ChineseBertConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "glyph_embedding_dim": 50}))
    loaded = ChineseBertConfig.from_pretrained(tmp_path)  # the same, said twice
    assert (loaded.glyph_embedding_dim, loaded.glyph_binary) == (50, True)
    path.write_text(json.dumps({**json.loads(path.read_text()), "glyph_embedding_dim": 51}))
    with pytest.raises((ValueError, StrictDataclassError), match="glyph_embedding_dim=51"):
        ChineseBertConfig.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="glyph_embedding_dim=7 .*50 follows"):
        config.glyph_embedding_dim = 7
    config.save_pretrained(tmp_path)
    assert ChineseBertConfig.from_pretrained(tmp_path, glyph_embedding_dim=50).to_dict() == config.to_dict()
    with pytest.raises(ValueError, match="glyph_embedding_dim=51 .*50 follows"):
        ChineseBertConfig.from_pretrained(tmp_path, glyph_embedding_dim=51)
    assert ChineseBertConfig().glyph_styles == ["fangsong", "xingkai", "lishu"]
    assert ChineseBertConfig().glyph_styles is not ChineseBertConfig().glyph_styles
