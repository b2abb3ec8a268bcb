"""What configurations around an encoder of text share: whose a field is, and which fields there are."""

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import BertConfig, ElectraConfig

from hanziformers import GlyceConfig, MpmCnerConfig

FAMILIES = [GlyceConfig, MpmCnerConfig]


@pytest.mark.parametrize("config_class", FAMILIES)
def test_fields_of_the_text_are_the_semantic_encoders(config_class):
    config = config_class(semantic_config=BertConfig(hidden_size=64, num_attention_heads=4), vocab_size=77)
    assert (config.hidden_size, config.semantic_config.vocab_size, config.num_glyphs) == (64, 77, 77)
    config.num_hidden_layers, config.max_position_embeddings = 3, 20
    assert (config.semantic_config.num_hidden_layers, config.semantic_config.max_position_embeddings) == (3, 20)
    assert config.get_text_config() is config.semantic_config
    assert "hidden_size" not in {name for name in config.to_dict() if name != "semantic_config"}


@pytest.mark.parametrize("config_class", FAMILIES)
def test_what_is_no_encoder_or_no_field_is_refused(config_class, tmp_path):
    name = config_class.__name__
    with pytest.raises(StrictDataclassError, match="(?s)hidden_size=26.*a multiple of the semantic encoder's"):
        config_class(hidden_size=26, num_attention_heads=4)
    config_class.check_names({"hidden_size": 3, "glyph_vocab_size": 3, "id2label": {}, "attn_implementation": "eager"})
    with pytest.raises(ValueError, match=f"glyph_szie=3: {name} has no such field; it has .*glyph_size"):
        config_class.check_names({"glyph_szie": 3})
    with pytest.raises((ValueError, StrictDataclassError), match="(?s)semantic_config has the model_type 'unheard'"):
        config_class(semantic_config={"model_type": "unheard"})
    with pytest.raises(StrictDataclassError, match=f"(?s)semantic_config.model_type='gpt2' is not allowed in {name}"):
        config_class(semantic_config={"model_type": "gpt2"})
    with pytest.raises(StrictDataclassError, match="(?s)model_type='glyph_crm'.*tokenizer of the whole"):
        config_class(semantic_config={"model_type": "glyph_crm"})
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"model_type='bert' is not allowed in {name}.*from_encoders"):
        config_class.from_pretrained(tmp_path)


@pytest.mark.parametrize("config_class", FAMILIES)
def test_an_encoder_of_another_kind_is_no_field_of_a_checkpoint(config_class, tmp_path):
    """transformers would keep the encoder that there is, and give it the fields of the other one."""
    config_class(hidden_size=48).save_pretrained(tmp_path)
    for other in ({"model_type": "electra"}, ElectraConfig(), {"model_type": "roberta", "hidden_size": 24}):
        with pytest.raises(ValueError, match=r"semantic_config.model_type='.*' is not allowed.*'bert'.*from_encoders"):
            config_class.from_pretrained(tmp_path, semantic_config=other)
    for same in ({"model_type": "bert", "hidden_size": 24}, {"hidden_size": 24}):
        assert config_class.from_pretrained(tmp_path, semantic_config=same).hidden_size == 24
