"""Lattice-LSTM as a model: its parts, words, both directions, heads, checkpoints and a lexicon that grows."""

import pytest
import torch
from lattice_lstm_tools import NO_DROPOUT, build, labels_of, make_inputs
from torch import nn

from hanziformers import LatticeLstmForTokenClassification, LatticeLstmModel
from hanziformers.modeling.lattice_lstm import LatticeLSTM

KINDS = [("linear", True), ("mlp", False), ("crf", True), ("crf", False)]


def test_equal_to_its_parts():
    model, inputs = build(LatticeLstmModel), make_inputs()
    mask = inputs["attention_mask"].bool()
    vectors, _ = model.embeddings(inputs["input_ids"])
    assert vectors.shape[-1] == 7 + 16
    words = (torch.tensor([[3, 19, 0], [5, 6, -1], [-1, -1, -1]]), inputs["lexicon_spans"])
    out = model(**inputs, output_hidden_states=True)
    forwards, backwards = out.last_hidden_state.chunk(2, -1)
    assert torch.equal(forwards, model.forwards(vectors, mask, *words)[0])
    assert torch.equal(backwards, model.backwards(vectors, mask, *words)[0])
    assert (model.forwards.reverse, model.backwards.reverse) == (False, True)
    assert not out.last_hidden_state[~mask].any()
    assert torch.equal(out.hidden_states[0], vectors)
    assert torch.equal(out.hidden_states[1], out.last_hidden_state)
    assert torch.equal(out.pooler_output[2], out.last_hidden_state[2, :4].amax(0))


def test_words_matter_where_they_stand():
    model, inputs = build(LatticeLstmModel), make_inputs()
    whole = model(**inputs).last_hidden_state
    other = model(**{**inputs, "lexicon_ids": torch.tensor([[4, 20, 2], [6, 7, 0], [0, 0, 0]])}).last_hidden_state
    # the last word of the first text, from 5 to 6: read at 6 forwards, at 5 and then on to 0 backwards
    changed = (whole != other).any(-1)
    assert changed[0].tolist() == [True] * 8
    assert not changed[1:].any()
    forwards = (whole != other)[0, :, :6].any(-1)
    assert forwards.tolist() == [False] * 6 + [True] * 2
    empty = {"lexicon_ids": torch.zeros(3, 0).long(), "lexicon_spans": torch.zeros(3, 0, 2).long()}
    without = model(**{**inputs, **empty}).last_hidden_state
    assert torch.equal(without[2], whole[2])
    assert not torch.equal(without[1], whole[1])


@pytest.mark.parametrize(("classifier", "glyce"), KINDS)
def test_padding_on_either_side_changes_nothing(classifier, glyce):
    model, inputs = build(classifier=classifier, glyce=glyce), make_inputs()
    logits = model(**inputs).logits
    for row, length in enumerate((8, 6, 4)):
        own = {name: value[row : row + 1] for name, value in inputs.items()}
        own |= {name: own[name][:, :length] for name in ("input_ids", "attention_mask")}
        alone = model(**own).logits
        torch.testing.assert_close(alone[0], logits[row, :length])
        left = {name: nn.functional.pad(own[name], (3, 0)) for name in ("input_ids", "attention_mask")}
        moved = model(**{**own, **left}).logits  # words are counted from the first token
        torch.testing.assert_close(moved[0, 3:], alone[0])


@pytest.mark.parametrize(("classifier", "glyce"), KINDS)
def test_saved_models_come_back_whole(classifier, glyce, tmp_path):
    model, inputs = build(classifier=classifier, glyce=glyce), make_inputs()
    model.save_pretrained(tmp_path)
    loaded, info = LatticeLstmForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert torch.equal(loaded(**inputs).logits, model(**inputs).logits)


def test_what_a_checkpoint_lacks_is_initialised(tmp_path):
    """Loading starts on the meta device, and what no weight fills must be set again."""
    model = build(LatticeLstmModel)
    lacking = {name: weight for name, weight in model.state_dict().items() if not name.startswith("backwards.")}
    model.save_pretrained(tmp_path, state_dict=lacking)
    loaded = LatticeLstmModel.from_pretrained(tmp_path)
    assert torch.equal(loaded.forwards.word_emb.weight, model.forwards.word_emb.weight)
    fresh = loaded.backwards
    assert torch.equal(fresh.rnn.weight_hh, torch.eye(6).repeat(1, 3))
    torch.testing.assert_close(fresh.word_rnn.weight_ih @ fresh.word_rnn.weight_ih.T, torch.eye(5))
    assert not fresh.rnn.alpha_bias.any()
    for table in (fresh.word_emb, build(LatticeLstmModel).backwards.word_emb):
        assert 0.07 < table.weight.std() < 0.13  # initializer_range, as the vectors of ids


@pytest.mark.parametrize(("classifier", "glyce"), KINDS)
def test_every_parameter_learns(classifier, glyce):
    model, inputs = build(classifier=classifier, glyce=glyce, **NO_DROPOUT).train(), make_inputs()
    labels, losses = labels_of(inputs), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(25):
        optimizer.zero_grad()
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    if not glyce:  # with glyphs the loss of images comes beside that of labels
        kept = labels >= 0
        assert torch.equal(model.eval()(**inputs).logits.argmax(-1)[kept], labels[kept])


def test_a_batch_without_words_reaches_every_parameter():
    model, inputs = build(classifier="crf").train(), make_inputs(lexicon_ids=torch.zeros(3, 3).long())
    model(**inputs, labels=labels_of(inputs)).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize(("classifier", "glyce"), KINDS)
def test_bfloat16_and_autocast_are_near_float32(classifier, glyce, tmp_path):
    model, inputs = build(classifier=classifier, glyce=glyce), make_inputs()
    wanted = model(**inputs).logits
    with torch.autocast("cpu", torch.bfloat16):
        found = model(**inputs, labels=labels_of(inputs))
    torch.testing.assert_close(found.logits.float(), wanted, rtol=0, atol=0.1)
    assert found.loss.isfinite()
    model.save_pretrained(tmp_path)
    half = LatticeLstmForTokenClassification.from_pretrained(tmp_path, dtype=torch.bfloat16)
    torch.testing.assert_close(half(**inputs).logits.float(), wanted, rtol=0, atol=0.1)


def test_a_lexicon_grows_and_shrinks(tmp_path):
    model, inputs = build(classifier="crf"), make_inputs()
    wanted = model(**inputs).logits
    model.resize_words(23)
    assert model.config.num_words == 23
    assert torch.equal(model(**inputs).logits, wanted)
    newest = {**inputs, "lexicon_ids": inputs["lexicon_ids"].masked_fill(inputs["lexicon_ids"] == 1, 23)}
    assert not torch.equal(model(**newest).logits, wanted)
    model.save_pretrained(tmp_path)
    loaded = LatticeLstmForTokenClassification.from_pretrained(tmp_path)
    assert [part.num_words for part in loaded.modules() if isinstance(part, LatticeLSTM)] == [23, 23]
    loaded.base_model.resize_words(20)
    assert torch.equal(loaded(**inputs).logits, wanted)
    with pytest.raises(ValueError, match="lexicon_ids holds 23; allowed are 0 to 20"):
        loaded(**newest)
    with pytest.raises(ValueError, match="num_words=0 is not allowed"):
        loaded.resize_words(0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"attention_mask": torch.ones(3, 1, 1, 8)},
            r"attention_mask has the shape \(3, 1, 1, 8\); needed is \(3, 8\)",
        ),
        ({"attention_mask": torch.full((3, 8), 2)}, "attention_mask holds 2; allowed are 1"),
        ({"lexicon_ids": None}, "lexicon_ids are missing: pass the text through the tokenizer"),
        ({"lexicon_spans": None}, "lexicon_spans are missing"),
        ({"lexicon_ids": torch.full((3, 3), 21)}, r"lexicon_ids holds 21; allowed are 0 to 20 \(0 = padding"),
        ({"lexicon_ids": torch.full((3, 3), -1)}, "lexicon_ids holds -1"),
        ({"lexicon_ids": torch.ones(3, 3)}, "word_ids are torch.float32"),
        ({"lexicon_spans": torch.tensor([[[6, 8]] * 3] * 3)}, r"word_spans holds \(6, 8\) in row 0"),
        ({"lexicon_spans": torch.tensor([[[4, 6]] * 3] * 3)}, r"\(4, 6\) in row 1.*its positions are 0 to 5"),
        ({"lexicon_spans": torch.ones(3, 3).long()}, r"needed are \[B, M\] and \[B, M, 2\] with B = 3"),
        ({"lexicon_spans": torch.ones(3, 4, 2).long()}, r"shapes \(3, 3\) and \(3, 4, 2\)"),
        ({"lexicon_ids": torch.zeros(1, 3).long(), "lexicon_spans": torch.zeros(1, 3, 2).long()}, "with B = 3"),
        ({"position_ids": torch.arange(8)[None]}, "position_ids are not allowed"),
        (dict.fromkeys(("input_ids", "attention_mask", "glyph_ids"), torch.zeros(3, 0).long()), "with L >= 1"),
    ],
)
def test_wrong_inputs_are_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        build(glyce=False)(**make_inputs(**wrong))


@pytest.mark.parametrize("name", list(make_inputs()))
def test_lists_are_refused(name):
    inputs = make_inputs()
    with pytest.raises(TypeError, match=f"{name} is of the type list; needed is a tensor"):
        build(glyce=False)(**{**inputs, name: inputs[name].tolist()})


def test_decode_reads_words():
    model, inputs = build(classifier="crf"), make_inputs()
    decoded = model.decode(**inputs)
    text = inputs["input_ids"] >= 3
    assert torch.equal(decoded.tag_ids[text], model(**inputs).logits.argmax(-1)[text])
