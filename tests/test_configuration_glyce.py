"""The configuration of Glyce: the paper's preset, the published one, and what is refused."""

import pytest
from glyce_tools import SIZES
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hanziformers import GlyceConfig

TABLE_1 = ["bronze", "lishu", "seal", "wei", "traditional", "song", "fangsong", "cao"]


def test_defaults_are_the_papers_preset():
    config = GlyceConfig()
    assert config.glyph_styles == TABLE_1
    assert (config.glyph_shape, config.glyph_dim, config.glyph_groups) == ((8, 12, 12), 1024, 16)
    assert (config.glyph_normalize, config.glyph_scale, config.glyph_batch_norm) == (True, 1, False)
    assert (config.glyph_cnn, config.task_layer, config.num_task_layers) == ("tianzige", "transformers", 2)
    assert (config.image_loss_weight, config.image_loss_decay) == (0.1, 0.8)
    assert (config.fused_size, config.num_task_heads, config.num_glyphs, config.num_positions) == (1792, 28, 21128, 512)
    config.glyph_styles.append("kai")
    assert GlyceConfig().glyph_styles == TABLE_1


def test_the_published_form():
    config = GlyceConfig.released(hidden_size=768)
    assert (config.glyph_styles, config.glyph_size, config.glyph_dim, config.glyph_groups) == (["song"], 19, 768, 8)
    assert (config.glyph_normalize, config.glyph_scale, config.glyph_batch_norm) == (False, 255, True)
    assert (config.fused_size, config.num_task_heads, config.image_loss_decay) == (1536, 24, 0.1)
    dropouts = ("glyph_dropout", "embedding_dropout", "task_dropout", "classifier_dropout")
    assert {getattr(config, name) for name in dropouts} == {0.5}
    bq = GlyceConfig.released(glyph_styles=["song"] * 8, glyph_dim=384, task_dropout=0.1)
    assert (bq.glyph_shape, bq.task_dropout, bq.glyph_dropout) == ((8, 19, 19), 0.1, 0.5)


def test_widths_follow_the_encoder():
    assert GlyceConfig(semantic_config={"model_type": "electra"}).fused_size == 1024 + 256
    assert GlyceConfig(use_glyphs=False).fused_size == 768
    for width, heads in ((40, 1), (24, 1), (128, 2), (200, 2), (202, 2), (199, 1)):
        config = GlyceConfig(**{**SIZES, "glyph_dim": width - 24 or 8, "task_num_attention_heads": None,
                                "use_glyphs": width != 24, "glyph_cnn": "vanilla"})  # fmt: skip
        assert (config.fused_size, config.num_task_heads) == (width, heads)


def test_saved_as_one_file(tmp_path):
    config = GlyceConfig(semantic_config={"model_type": "roberta", "type_vocab_size": 1}, **SIZES)
    config.font_manifest, config.task_layer = {"song": "x"}, "cnn"
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    known = {"transformers_version": loaded.transformers_version, "_name_or_path": ""}
    assert loaded.to_dict() | known == config.to_dict() | known
    assert (loaded.semantic_config.model_type, loaded.max_position_embeddings, loaded.num_glyphs) == ("roberta", 40, 60)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"glyph_styles": []}, r"glyph_styles=\[\].*a list of one or more names"),
        ({"glyph_styles": ["song", ""]}, "glyph_styles=.*a list of one or more names"),
        ({"glyph_size": 5}, "glyph_size=5.*6 or more"),
        ({"glyph_dim": 18}, "glyph_dim=18.*a multiple of 4"),
        ({"glyph_dim": 0}, "glyph_dim=0.*1 or more"),
        ({"glyph_groups": 3}, "glyph_groups=3.*one of 1, 2, 4: .*a quarter of glyph_dim=16"),
        ({"glyph_groups": 32, "glyph_dim": 64}, "glyph_groups=32.*one of 1, 2, 4, 8, 16: "),
        ({"glyph_dim": 60, "glyph_groups": 5}, "glyph_groups=5.*one of 1, 3: it and its half divide"),
        ({"glyph_groups": 0}, "glyph_groups=0"),
        ({"glyph_cnn": "cnn"}, "glyph_cnn='cnn'.*'tianzige' or 'vanilla' or 'resnet'"),
        ({"glyph_initializer": "torch"}, "glyph_initializer='torch'.*'kaiming' or 'uniform'"),
        ({"glyph_scale": 0}, "glyph_scale=0.*a number above 0"),
        ({"glyph_vocab_size": 49}, r"glyph_vocab_size=49.*None or 50 \(vocab_size\) and more"),
        ({"glyph_dropout": 1.0}, r"glyph_dropout=1.0.*\[0, 1\)"),
        ({"embedding_dropout": -0.1}, "embedding_dropout=-0.1"),
        ({"task_dropout": 1}, "task_dropout=1"),
        ({"classifier_dropout": 1.0}, "classifier_dropout=1.0"),
        ({"image_loss_weight": 1.1}, "image_loss_weight=1.1.*from 0 to 1"),
        ({"image_loss_decay": -1}, "image_loss_decay=-1.*from 0 to 1"),
        ({"task_layer": "lstm"}, "task_layer='lstm'.*'transformers' or 'bilstm' or 'cnn' or 'bimpm' or 'none'"),
        ({"bimpm_hidden_size": 7, "task_layer": "bimpm"}, "bimpm_hidden_size=7.*an even number"),
        ({"bimpm_hidden_size": 0}, "bimpm_hidden_size=0.*1 or more"),
        ({"bimpm_perspectives": 0}, "bimpm_perspectives=0.*1 or more"),
        (
            {"semantic_config": {"model_type": "roberta", "type_vocab_size": 1}, "task_layer": "bimpm"},
            "type_vocab_size.*2 or more with task_",
        ),
        ({"semantic_config": {"model_type": "distilbert"}, "task_layer": "bimpm"}, "type_vocab_size=0.*2 or more"),
        ({"num_task_layers": 0}, "num_task_layers=0.*1 or more"),
        (
            {"task_num_attention_heads": 7},
            r"task_num_attention_heads=7.*a divisor of 40 \(glyph_dim=16 \+ hidden_size=24\)",
        ),
        ({"task_num_attention_heads": 7, "use_glyphs": False}, r"a divisor of 24 \(hidden_size\)"),
        ({"task_num_attention_heads": 0}, "task_num_attention_heads=0"),
        ({"task_intermediate_size": 0}, "task_intermediate_size=0"),
        ({"task_layer": "bilstm", "glyph_dim": 17, "glyph_cnn": "resnet"}, r"glyph_dim=41.*is even"),
        ({"hidden_size": 26}, "hidden_size=26.*a multiple of .*num_attention_heads, 4"),
        ({"num_attention_heads": 0}, "num_attention_heads=0.*1 or more"),
        ({"classifier": "softmax"}, "classifier='softmax'.*'crf'"),
        ({"use_glyphs": "no"}, "use_glyphs"),
        ({"vocab_size": 0}, "vocab_size=0"),
    ],
)
def test_wrong_values_are_explained(wrong, message):
    with pytest.raises(StrictDataclassError, match=f"(?s){message}"):
        GlyceConfig(**{**SIZES, **wrong})


def test_only_what_a_cnn_has_is_checked():
    assert (
        GlyceConfig(**{**SIZES, "glyph_cnn": "vanilla", "glyph_dim": 17, "task_num_attention_heads": None}).fused_size
        == 41
    )
    assert GlyceConfig(**{**SIZES, "task_layer": "cnn", "task_num_attention_heads": 7}).fused_size == 40
