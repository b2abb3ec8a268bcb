"""The configuration of the labeller of semantic roles: sizes, and what no model can be built from."""

import pytest
from huggingface_hub.errors import StrictDataclassError

from hanziformers import SrlConfig


def test_the_width_of_the_input_counts_what_is_read():
    word, glyphs, predicate, tag, relation = 100, 64, 16, 32, 64
    assert SrlConfig().input_size == word + glyphs + predicate
    assert SrlConfig(glyce=False, pos_tags=["NOUN"]).input_size == word + predicate + tag
    assert SrlConfig(relations=["nsubj", "obj"]).input_size == word + glyphs + predicate + relation


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pruning_order": -1}, "pruning_order=-1 is not allowed in SrlConfig; allowed is None or an integer of 0"),
        ({"num_highway_layers": 0}, "num_highway_layers=0"),
        ({"predicate_dim": 0}, "predicate_dim=0"),
        ({"classifier": "crf"}, "classifier='crf' is not allowed in SrlConfig; allowed is 'linear'"),
        ({"pos_tags": ["NOUN", "VERB", "NOUN"]}, "pos_tags=.* a list of different names"),
        ({"relations": ["obj", "obj"]}, "relations=.* a list of different names"),
        ({"hidden_size": 7}, "hidden_size=7"),
    ],
)
def test_values_from_which_nothing_can_be_built_are_refused(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        SrlConfig(**fields)


def test_saves_and_loads(tmp_path):
    config = SrlConfig(pruning_order=0, pos_tags=["NOUN"], relations=[], id2label={0: "O", 1: "A0"})
    config.save_pretrained(tmp_path)
    loaded = SrlConfig.from_pretrained(tmp_path)
    assert (loaded.pruning_order, loaded.pos_tags, loaded.relations) == (0, ["NOUN"], [])
    assert loaded.id2label == {0: "O", 1: "A0"}
