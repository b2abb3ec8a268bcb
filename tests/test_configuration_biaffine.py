"""The configuration of the parser."""

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from hanziformers import BiaffineConfig


def test_sizes_of_the_input():
    assert BiaffineConfig(glyce=False).input_size == 100
    assert BiaffineConfig(pos_tags=["NOUN"], tag_dim=7, embedding_dim=10, glyph_dim=16, glyph_groups=2).input_size == 33


def test_saved_and_loaded(tmp_path):
    config = BiaffineConfig(pos_tags=["NOUN", "VERB"], id2label={0: "nsubj", 1: "root"})
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.to_diff_dict() == config.to_diff_dict()
    assert loaded.pos_tags == ["NOUN", "VERB"]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("arc_size", 0, "an integer of 1 or more"),
        ("relation_size", 0, "an integer of 1 or more"),
        ("tag_dim", 0, "an integer of 1 or more"),
        ("pos_tags", ["NOUN", "NOUN"], "a list of different names"),
        ("classifier", "crf", "'linear': biaffine attention"),
    ],
)
def test_what_is_refused(field, value, allowed):
    with pytest.raises(StrictDataclassError, match=f"(?s){field}=.* is not allowed.*{allowed}"):
        BiaffineConfig(**{field: value})
