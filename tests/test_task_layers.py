"""The layers of a task: equal to plain ones on each text alone, whatever stands beside it."""

import pytest
import torch
from glyce_tools import NO_DROPOUT, SIZES
from torch import nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertEncoder

from hanziformers import GlyceConfig
from hanziformers.modeling.task_layers import build_task_layers

KINDS = ["transformers", "bilstm", "cnn"]
WIDTH = 40


def layers_of(kind, **fields):
    return build_task_layers(GlyceConfig(**{**SIZES, "task_layer": kind, **NO_DROPOUT, **fields}))


def alone(kind, layers, hidden):
    """The vectors [1, L, W] of one text without padding, by torch's own layers and BERT's."""
    if kind == "transformers":
        sizes = {"hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 31, "num_hidden_layers": 2}
        encoder = BertEncoder(BertConfig(**sizes, attn_implementation="eager")).eval()
        encoder.load_state_dict(layers.state_dict())
        return encoder(hidden).last_hidden_state
    for layer in layers.layer:
        if kind == "bilstm":
            lstm = nn.LSTM(WIDTH, WIDTH // 2, batch_first=True, bidirectional=True)
            state = {f"{name}": value for name, value in layer.forwards.state_dict().items()}
            state |= {f"{name}_reverse": value for name, value in layer.backwards.state_dict().items()}
            lstm.load_state_dict(state)
            hidden = lstm(hidden)[0]
        else:
            found = torch.nn.functional.gelu(layer.convolution(hidden.transpose(1, 2))).transpose(1, 2)
            hidden = layer.LayerNorm(hidden + found)
    return hidden


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_is_read_as_if_it_were_alone(kind):
    """Padding may stand on either side, and may hold inf and nan; a text may be empty."""
    layers = layers_of(kind).eval()
    hidden, mask = torch.randn(5, 7, WIDTH), torch.ones(5, 7, dtype=torch.long)
    mask[1, 4:], mask[2, :3], mask[3, 1:] = 0, 0, 0
    if kind == "bilstm":
        mask[4] = 0
    hidden[1, 4:] = 1e4
    with torch.no_grad():
        found = layers(hidden, mask)
        for row in range(5):
            part = mask[row] > 0
            if part.any():
                wanted = alone(kind, layers, hidden[row : row + 1, part])
                torch.testing.assert_close(found[row : row + 1, part], wanted, atol=1e-5, rtol=1e-4)
        assert_equal = torch.testing.assert_close
        assert_equal(layers(hidden[:1], None), layers(hidden[:1], mask[:1]), atol=1e-5, rtol=1e-4)
        assert_equal(layers(hidden[:1], torch.ones(1, 1, 7, 7) > 0), layers(hidden[:1], None), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_as_many_layers_as_asked_for(kind, count):
    layers = layers_of(kind, num_task_layers=count)
    assert len(layers.layer) == count
    hidden = torch.randn(2, 5, WIDTH, requires_grad=True)
    layers(hidden, torch.ones(2, 5)).sum().backward()
    assert all(weight.grad is not None for weight in layers.parameters())
    assert hidden.grad.isfinite().all()


def test_sizes_come_from_the_configuration():
    assert layers_of("none") is None
    layer = layers_of("transformers", task_num_attention_heads=None, task_intermediate_size=None).layer[0]
    assert layer.intermediate.dense.out_features == 4 * WIDTH
    assert layer.attention.self.num_attention_heads == 1
    assert layers_of("bilstm", use_glyphs=False).layer[0].width == 24
    assert layers_of("cnn", use_glyphs=False).layer[0].convolution.weight.shape == (24, 24, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_that_of_the_task(kind):
    layers = layers_of(kind, task_dropout=0.5)
    rates = {module.p for module in layers.modules() if isinstance(module, nn.Dropout)}
    assert rates == {0.5}
    hidden = torch.randn(1, 6, WIDTH)
    assert not torch.equal(layers.train()(hidden, None), layers(hidden, None))
    assert torch.equal(layers.eval()(hidden, None), layers(hidden, None))
