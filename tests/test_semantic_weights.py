"""Encoders of text that were trained before: which part of what is there is taken."""

import glyce_tools
import mpm_cner_tools
import pytest
import torch
from transformers import BertConfig, BertModel

from hanziformers import GlyceForTokenClassification, GlyceModel, MpmCnerModel
from hanziformers.modeling.semantic_weights import load_semantic, semantic_config

WHOLES = {
    "glyce": lambda: glyce_tools.build(),
    "glyce without glyphs": lambda: glyce_tools.build(**glyce_tools.SWITCHES["encoder alone"]),
    "mpm_cner": lambda: mpm_cner_tools.build(MpmCnerModel),
}


@pytest.mark.parametrize("name", list(WHOLES))
@pytest.mark.parametrize("saved", [False, True])
def test_of_a_model_around_an_encoder_that_is_taken(name, saved, tmp_path):
    """A stage goes on from what the stage before has saved, whatever that had around its encoder."""
    whole = WHOLES[name]()
    whole.save_pretrained(tmp_path)
    source, semantic = tmp_path if saved else whole, whole.base_model.semantic
    config = semantic_config(source, False)
    assert (type(config), config.hidden_size) == (BertConfig, 24)
    assert config is not semantic.config
    own = BertModel(config, add_pooling_layer=False)
    load_semantic(own, source, False)
    assert all(torch.equal(value, own.state_dict()[key]) for key, value in semantic.state_dict().items())
    assert own.state_dict().keys() == semantic.state_dict().keys()


def test_what_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(TypeError, match="semantic is a Linear; needed is a folder, a name of the Hub, or a PreTrained"):
        semantic_config(torch.nn.Linear(2, 2), False)
    whole = glyce_tools.build()
    state = {name: value for name, value in whole.state_dict().items() if "layer.1.output" not in name}
    whole.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match=r"are not those of the GlyceModel.*layer\.1\.output\..* is missing"):
        GlyceForTokenClassification.from_encoders(tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        GlyceModel.from_encoders(tmp_path / "nowhere")
