"""What models around an encoder of text share: what FSDP shards, whatever the encoder is."""

import glyce_tools
import mpm_cner_tools
import pytest
from accelerate.utils import FullyShardedDataParallelPlugin


def families():
    return [(tools, fields) for tools in (glyce_tools, mpm_cner_tools) for fields in tools.SWITCHES.values()]


@pytest.mark.parametrize(("tools", "fields"), families())
def test_fsdp_shards_what_there_is(tools, fields):
    """It looks for every module that is not to be split, and refuses the name of one that a switch removed."""
    for kind in ({}, {"model_type": "roberta", "type_vocab_size": 1, "pad_token_id": 0}):
        model = tools.build(semantic=kind, **fields)
        plugin = FullyShardedDataParallelPlugin(auto_wrap_policy="transformer_based_wrap")
        plugin.set_auto_wrap_policy(model)
        names = {type(part).__name__ for part in model.modules()}
        assert model._no_split_modules <= names
        assert names & {"GlyceBank", "CharacterBank", "BiLSTM", "ConvolutionLayer"} <= model._no_split_modules
