"""What models around a bank of glyph images share: rates of their parts, buffers, sizes, what FSDP and loading say."""

import bilstm_tools
import glyce_tools
import mpm_cner_tools
import pytest
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification

from hanziformers.modeling.character_model import rate_groups

TOOLS = [bilstm_tools, glyce_tools, mpm_cner_tools]


def test_a_parameter_belongs_to_the_part_that_holds_it():
    model = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.LayerNorm(3), "c": nn.Linear(3, 1)})
    rates = {"one": 0.1, "other": 0.0, "rest": 0.3}
    groups = rate_groups(nn.Sequential(model), {"one": [model["a"]], "other": [model["b"]]}, rates, 0.01)
    found = [(group["name"], len(group["params"]), group["lr"], group["weight_decay"]) for group in groups]
    assert found == [("one", 1, 0.1, 0.01), ("one", 1, 0.1, 0.0), ("rest", 1, 0.3, 0.01), ("rest", 1, 0.3, 0.0)]
    assert [weight.requires_grad for weight in model["b"].parameters()] == [False, False]
    model["a"].requires_grad_(False)
    assert {group["name"] for group in rate_groups(model, {}, rates, 0)} == {"rest"}
    assert not model["a"].weight.requires_grad  # a rate above 0 unfreezes nothing
    with pytest.raises(ValueError, match=r"no parameter is trained.*\{'rest': 0\}.*one above 0"):
        rate_groups(model, {}, {"rest": 0}, 0)


@pytest.mark.parametrize("tools", TOOLS)
def test_no_images_are_sent_around(tools):
    model = tools.build()
    assert set(model._ddp_params_and_buffers_to_ignore) == {name for name, _ in model.named_buffers()}
    assert any(name.endswith("glyph_bank.glyphs") or name.endswith("bank.glyphs") for name, _ in model.named_buffers())


@pytest.mark.parametrize("tools", [bilstm_tools, glyce_tools])
def test_what_a_batch_norm_notes_is_sent_around(tools):
    """Each rank notes its own mean; the images are the same everywhere."""
    model = tools.build(glyph_batch_norm=True)
    kept = {name for name, _ in model.named_buffers()} - set(model._ddp_params_and_buffers_to_ignore)
    assert {name.split(".")[-1] for name in kept} == {"running_mean", "running_var", "num_batches_tracked"}


@pytest.mark.parametrize("fields", bilstm_tools.SWITCHES.values(), ids=bilstm_tools.SWITCHES)
def test_fsdp_shards_what_there_is(fields):
    """It looks for every module that is not to be split, and refuses the name of one that a switch removed."""
    model = bilstm_tools.build(**fields)
    FullyShardedDataParallelPlugin(auto_wrap_policy="transformer_based_wrap").set_auto_wrap_policy(model)
    names = {type(part).__name__ for part in model.modules()}
    assert names & {"GlyceBank", "BiLSTM"} == model._no_split_modules


@pytest.mark.parametrize("tools", TOOLS)
def test_weights_of_other_sizes_are_named(tools, tmp_path):
    model = tools.build()
    model.save_pretrained(tmp_path)
    message = r"the weights in .* do not fit the configuration: .* has the shape \(.*\) there and \(.*\) in the model"
    for loader in (type(model), AutoModelForTokenClassification):
        with pytest.raises(RuntimeError, match=rf"{message} \(\d+ such weights\)\. Leave sizes.*With ignore_") as error:
            loader.from_pretrained(tmp_path, hidden_size=32)
        assert ("from_encoders" in str(error.value)) == hasattr(model, "from_encoders")
    loaded, info = type(model).from_pretrained(
        tmp_path, hidden_size=32, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert loaded.config.hidden_size == 32
    assert len(info["mismatched_keys"]) > 10


@pytest.mark.parametrize("family", ["bimpm", "biaffine", "srl"])
def test_the_bank_of_words_stays_when_the_vocabulary_grows(family, tmp_path):
    """Also where the configuration leaves its size to the vocabulary."""
    sizes = {"hidden_size": 8, "embedding_dim": 4, "glyph_dim": 4, "glyph_size": 8, "glyph_groups": 1}
    config = AutoConfig.for_model(family, **sizes, glyph_styles=["song"], vocab_size=20)
    model = AutoModel.from_config(config)
    assert model.resize_token_embeddings(20).num_embeddings == 20
    assert model.config.glyph_vocab_size is None
    assert model.resize_token_embeddings(25).num_embeddings == 25
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).config
    assert (again.vocab_size, again.num_glyphs) == (25, 20)
