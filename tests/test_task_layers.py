"""The layers of a task: equal to plain ones on each text, or pair, alone, whatever stands beside it."""

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


# ---------------------------------------------------------------------------------------------- BiMPM


def pairs(*lengths):
    """Vectors, ids, attention mask and types of pairs [CLS] text [SEP] text [SEP], with further padding in front."""
    longest = max(sum(pair) for pair in lengths) + 4
    ids, mask, types = torch.zeros(3, len(lengths), longest, dtype=torch.long)
    for row, (first, second) in enumerate(lengths):
        start, end = row % 2, row % 2 + first + second + 3
        ids[row, start:end] = torch.randint(3, 50, (end - start,))
        ids[row, start], ids[row, start + first + 1], ids[row, end - 1] = 1, 2, 2
        types[row, start + first + 2 : end] = 1
        mask[row, start:end] = 1
    return torch.randn(len(lengths), longest, WIDTH), ids, mask, types


def test_texts_of_a_pair_are_matched_without_special_tokens():
    layers = layers_of("bimpm").eval()
    lengths = [(4, 2), (1, 1), (1, 6), (5, 0), (0, 3)]
    hidden, ids, mask, types = pairs(*lengths)
    found = layers.match(hidden, ids, mask, types)
    assert found.shape == (5, WIDTH)
    words = ids > 2
    for row, (first, second) in enumerate(lengths):
        alone = hidden[row : row + 1, words[row]]
        part = torch.arange(first + second)[None] < first
        torch.testing.assert_close(found[row : row + 1], layers(alone, part, ~part)[1], atol=1e-5, rtol=1e-4)
    hidden[ids < 3] = float("nan")
    torch.testing.assert_close(layers.match(hidden, ids, mask, types), found)
    torch.testing.assert_close(layers.match(hidden, ids, None, types.masked_fill(mask < 1, 1)), found)
    # [MASK] and the like are words, of which only the mask says that they are padding
    longer = torch.cat([ids[:3], torch.full((3, 1), 7)], 1)
    mask, types, hidden = (torch.cat([one[:3], one[:3, :1] * 0], 1) for one in (mask, types, hidden))
    torch.testing.assert_close(layers.match(hidden, longer, mask, types), found[:3])


def test_sizes_of_bimpm():
    layers = layers_of("bimpm", bimpm_hidden_size=10, bimpm_perspectives=3, num_task_layers=1, task_dropout=0.5)
    assert layers.matching.perspectives.shape == (8, 3, 5)
    assert (len(layers.context.layer), layers.context.layer[0].width, layers.aggregation.width) == (1, 10, 10)
    assert (layers.dense.in_features, layers.dense.out_features, layers.dropout.p) == (20, WIDTH, 0.5)
    assert len(layers_of("bimpm").context.layer) == SIZES["num_task_layers"] == 2
    assert layers_of("bimpm", use_glyphs=False).dense.out_features == 24


def test_what_is_no_pair_is_refused():
    layers = layers_of("bimpm")
    hidden, ids, mask, types = pairs((4, 2), (3, 3), (2, 5))
    types[1:] = 0
    message = r"2 of 3 texts are no pairs: text 1 has no token of type 1\. BiMPM.*tokenizer\(text, pair\)"
    with pytest.raises(ValueError, match=message):
        layers.match(hidden, ids, mask, types)
    with pytest.raises(ValueError, match="token_type_ids are missing. BiMPM matches the two sentences of a pair"):
        layers.match(hidden, ids, mask, None)
    with pytest.raises(ValueError, match="needs input_ids or glyph_ids"):
        layers.match(hidden, None, mask, types)
    with pytest.raises(ValueError, match=r"special_token_ids=None is not allowed.*\[CLS\], \[SEP\] and \[PAD\]"):
        layers_of("bimpm", special_token_ids=None)
