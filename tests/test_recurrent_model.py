"""Models of LSTMs from scratch: how they are initialised, also on the meta device, their parts and their rates."""

import pytest
import torch
from bilstm_tools import SIZES, build
from torch import nn

from hanziformers import BiLstmConfig, BiLstmForTokenClassification
from hanziformers.modeling.recurrent_model import init_lstm, max_over_tokens

WIDER = {"hidden_size": 64, "embedding_dim": 50, "vocab_size": 400, "glyph_vocab_size": 400}


def check_lstm(lstm):
    for name, weight in lstm.named_parameters():
        for number, gate in enumerate(weight.chunk(4)):
            if name.startswith("bias"):
                forget = number == 1 and name.startswith("bias_ih")
                assert gate.eq(1 if forget else 0).all(), name
            elif name.startswith("weight_hh"):
                torch.testing.assert_close(gate @ gate.T, torch.eye(len(gate)), atol=1e-5, rtol=0)
            else:
                bound = (6 / sum(gate.shape)) ** 0.5
                assert 0.9 * bound < gate.abs().max() <= bound, name


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}])
def test_gates_are_initialised_one_by_one(options):
    lstm = nn.LSTM(30, 24, **options)
    init_lstm(lstm)
    check_lstm(lstm)


def check_model(model):
    base = model.base_model
    for lstm in (module for module in model.modules() if isinstance(module, nn.LSTM)):
        check_lstm(lstm)
    table = base.embeddings.ids.weight
    assert not table[0].any()
    assert table[1:].std().item() == pytest.approx(0.1, rel=0.05)
    for linear in (model.classifier.dense, base.image_classification.dense):
        bound = (6 / sum(linear.weight.shape)) ** 0.5
        assert 0.9 * bound < linear.weight.abs().max() <= bound
        assert not linear.bias.any()
    cnn = base.glyph_bank.encoder
    # U(-0.1, 0.1), or He et al.'s
    spread = {"uniform": 0.1 / 3**0.5, "kaiming": (2 / 50) ** 0.5}[base.config.glyph_initializer]
    assert cnn.conv1.weight.std().item() == pytest.approx(spread, rel=0.1)
    assert not base.glyph_bank.glyphs.any()
    assert not cnn.mean.any()
    assert cnn.std.eq(1).all()


@pytest.mark.parametrize("own", [{}, {"glyph_initializer": "kaiming"}], ids=["default", "kaiming"])
def test_new_models_are_initialised(tmp_path, own):
    config = BiLstmConfig(**{**SIZES, **WIDER, "classifier": "crf", **own})
    assert config.glyph_initializer == own.get("glyph_initializer", "uniform")
    model = BiLstmForTokenClassification(config)
    check_model(model)
    # loading starts on the meta device: what a checkpoint lacks must be made
    few = {"bilstm.lstm.layer.0.forwards.weight_hh_l0": torch.full((128, 32), 7.0)}
    model.save_pretrained(tmp_path, state_dict=few)
    loaded = BiLstmForTokenClassification.from_pretrained(tmp_path)
    weight = loaded.bilstm.lstm.layer[0].forwards.weight_hh_l0
    assert weight.eq(7).all()  # what was read stays
    nn.init.orthogonal_(weight[:32]), nn.init.orthogonal_(weight[32:64]), nn.init.orthogonal_(weight[64:96])
    nn.init.orthogonal_(weight[96:])
    check_model(loaded)


def test_groups_hold_every_parameter_once():
    model = build(classifier="crf")
    groups = model.parameter_groups(2e-3, weight_decay=0.01)
    assert {(group["name"], group["lr"]) for group in groups} == {
        (name, 2e-3) for name in ("rest", "glyph", "embedding")
    }
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    groups = model.parameter_groups(2e-3, glyph_lr=0, embedding_lr=1e-4)
    assert {(group["name"], group["lr"]) for group in groups} == {("rest", 2e-3), ("embedding", 1e-4)}
    frozen = {name.split(".")[2] for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {"glyphs"}
    assert {group["name"] for group in build(glyce=False).parameter_groups()} == {"rest", "embedding"}


def test_there_is_no_attention_to_choose():
    with pytest.raises(ValueError, match="sdpa|scaled_dot_product_attention"):
        BiLstmForTokenClassification._from_config(BiLstmConfig(**SIZES), attn_implementation="sdpa")
    with pytest.raises(ValueError, match="does not support (gradient|activation) checkpointing"):
        build().gradient_checkpointing_enable()


@pytest.mark.parametrize("sides", ["right", "left"])
def test_the_maximum_is_over_tokens_alone(sides):
    hidden = torch.randn(3, 4, 5) - 5  # all below 0, which stands at padding
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    mask = mask.flip(1) if sides == "left" else mask
    hidden = hidden.masked_fill(mask[..., None] == 0, 0).requires_grad_()
    found = max_over_tokens(hidden, mask)
    torch.testing.assert_close(found[1], hidden[1][mask[1] == 1].amax(0))
    assert not found[2].any()
    found.sum().backward()
    assert not hidden.grad[mask == 0].any()
    torch.testing.assert_close(max_over_tokens(hidden, None)[0], hidden[0].amax(0))
    assert max_over_tokens(hidden[:, :0], None).tolist() == [[0.0] * hidden.shape[2]] * len(hidden)
