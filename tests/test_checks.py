"""Errors say what was found, what is allowed and what to do; what is right passes."""

import numpy as np
import pytest
import torch
from chinese_bert_tools import build
from torch import nn
from transformers import BertConfig

from hanziformers.modeling.checks import (
    check_glyphs,
    check_ids,
    check_inputs,
    check_length,
    check_mask,
    check_plain,
    check_rates,
    check_sizes,
    check_tensors,
    own_weight,
    require,
)

SHAPE, COUNT = (2, 3, 3), 5


def images(count=COUNT, dtype=torch.uint8):
    return torch.arange(count * 18).to(dtype).view(count, *SHAPE)


def test_a_field_is_named_with_its_value():
    require(BertConfig(), True, "x", 3, "4")
    with pytest.raises(ValueError, match=r"x='3' is not allowed in BertConfig; allowed is 4"):
        require(BertConfig(), False, "x", "3", "4")


def test_sizes_and_rates():
    config = BertConfig(classifier_dropout=None, type_vocab_size=1)
    check_sizes(config, ("hidden_size", "type_vocab_size"))
    check_rates(config, ("hidden_dropout_prob", "classifier_dropout"))
    config.type_vocab_size, config.classifier_dropout = 0, 1.0
    with pytest.raises(ValueError, match="type_vocab_size=0.*an integer of 1 or more"):
        check_sizes(config, ("hidden_size", "type_vocab_size"))
    with pytest.raises(ValueError, match=r"classifier_dropout=1\.0.*\[0, 1\)"):
        check_rates(config, ("hidden_dropout_prob", "classifier_dropout"))


@pytest.mark.parametrize("bad", [-1, 5, 2**40])
def test_ids_outside_are_named(bad):
    with pytest.raises(ValueError, match=rf"rows holds {bad}; allowed are 0 to 4 \(of a bank\)\. Read it"):
        check_ids("rows", torch.tensor([[0, 4], [bad, 1]]), 5, "of a bank", "Read it")
    with pytest.raises(ValueError, match=r"resize_token_embeddings"):
        check_ids("ids", torch.tensor(bad), 5, "the vocabulary")


@pytest.mark.parametrize("ids", [None, torch.tensor([0, 4]), torch.zeros(0, dtype=torch.long),
                                 torch.full((2,), 9, device="meta")])  # fmt: skip
def test_ids_that_pass(ids):
    check_ids("ids", ids, 5, "the vocabulary")


class Around(nn.Module):
    """An adapter that shows the weight of what it stands around."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    @property
    def weight(self):
        return self.base.weight


class Computed(Around):
    @property
    def weight(self):
        return self.base.weight + 1


def test_a_table_that_can_be_written_to():
    table = nn.Embedding(5, 3)
    assert own_weight(table) is own_weight(Around(table)) is table.weight
    check_plain(table, nn.Embedding)
    with pytest.raises(
        TypeError, match=r"test_checks.Around cannot be resized; needed is torch\..*Embedding\. Do it before"
    ):
        check_plain(Around(table), nn.Embedding)
    quantized = nn.Module()
    quantized.weight = nn.Parameter(torch.zeros(5, 3, dtype=torch.int8), requires_grad=False)
    for wrong in (Computed(table), nn.ReLU(), quantized):
        with pytest.raises(TypeError, match=rf"{type(wrong).__name__} is computed or quantized.*merge_and_unload"):
            own_weight(wrong)


def test_length():
    check_length(40, 40)
    with pytest.raises(ValueError, match="41 tokens and the model 40 positions.*max_length=40.*stride"):
        check_length(41, 40)


def test_tensors_under_unknown_names_are_refused_and_options_pass():
    model = build()
    check_inputs(model, {"num_items_in_batch": torch.tensor(3), "output_hidden_states": True, "anything": None})
    with pytest.raises(TypeError, match="ChineseBertModel takes no offset_mapping, label; its inputs are input_ids, "):
        check_inputs(model, {"offset_mapping": torch.zeros(1), "use_cache": False, "label": nn.Parameter()})
    with pytest.raises(TypeError, match="takes no position_ids; its inputs are "):  # of a model that does not name them
        check_inputs(model, {"position_ids": torch.zeros(1, 3)})


@pytest.mark.parametrize("kind", [torch.long, torch.int32, torch.uint8, list, range, np.array])
def test_glyph_images_and_rows(kind):
    rows = torch.tensor([3, 4], dtype=kind) if isinstance(kind, torch.dtype) else kind([3, 4]) if kind is not range \
        else range(3, 5)  # fmt: skip
    for given in (images(2), images(2).numpy(), images(2).flatten(1)):
        found, numbers = check_glyphs(given, rows, SHAPE, COUNT)
        assert torch.equal(found, images(2))
        assert numbers.tolist() == [3, 4]
        assert numbers.dtype == torch.long
    assert check_glyphs(images(), None, SHAPE, COUNT)[1].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("given", "rows", "message"),
    [
        (images(dtype=torch.float32), None, "torch.float32; needed is torch.uint8"),
        (images(4), None, r"\(4, 2, 3, 3\); needed are \(2, 3, 3\) values for each of 5 rows \(pass rows"),
        (images(2)[:, :1], [0, 1], r"\(2, 1, 3, 3\); needed are \(2, 3, 3\)"),
        (images(1)[0, 0, 0], [0], "needed are"),
        (images(2), [0, 5], "rows holds 5; allowed are 0 to 4"),
        (images(2), [-1, 0], "rows holds -1; allowed are 0 to 4"),
        (images(2), [0.0, 1.0], "rows are torch.float32; needed are the numbers"),
        (images(5), torch.tensor([True, True, False, True, True]), r"rows are torch.bool.*mask.nonzero\(\)"),
    ],
)
def test_glyph_images_that_do_not_fit(given, rows, message):
    with pytest.raises(ValueError, match=message):
        check_glyphs(given, rows, SHAPE, COUNT)


@pytest.mark.parametrize("value", [[1, 2], (1,), np.ones(2, np.int64), 3])
def test_what_is_no_tensor_is_refused(value):
    check_tensors({"word_ids": torch.ones(2), "glyph_ids": None})
    with pytest.raises(TypeError, match=f"glyph_ids is of the type {type(value).__name__}; .* return_tensors=.pt."):
        check_tensors({"word_ids": None, "glyph_ids": value})


@pytest.mark.parametrize("shape", [(1, 4), (3, 2), (3, 1), (4,), (3, 1, 4), (3, 1, 4, 4), (3, 5), (6, 4)])
def test_masks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"attention_mask has the shape .*; needed is \(3, 4\): 1 for each token"):
        check_mask(torch.ones(shape), (3, 4))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float32])
def test_masks_of_0_and_1_pass_in_any_dtype(dtype):
    check_mask(torch.tensor([[1, 0], [0, 1]]).to(dtype), (2, 2))
    check_mask(torch.zeros(2, 0, dtype=dtype), (2, 0))
    check_mask(torch.ones(2, 2, dtype=dtype, device="meta"), (2, 2))
    check_mask(None, (2, 2))


@pytest.mark.parametrize("value", [2, -1, 0.5, -1e9, float("-inf"), float("nan")])
def test_masks_of_other_values_are_refused(value):
    with pytest.raises(ValueError, match=f"attention_mask holds {value}; allowed are 1 for a token and 0"):
        check_mask(torch.tensor([[1, value]]), (1, 2))
