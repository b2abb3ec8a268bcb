"""The labeller of semantic roles: what it reads and what it does not, its labels, loss, errors and initial weights."""

import pytest
import torch
from srl_tools import ROLES, SIZES, build, make_inputs
from torch import nn

from hanziformers import SrlForTokenClassification, SrlModel

KEPT_BY_2 = [0, 1, 2, 3, 4, 5, 6, 7]
KEPT_BY_1 = [0, 1, 3, 4, 5, 7]
KEPT_BY_0 = [1, 4, 5]
OF_WORDS = ("word_ids", "attention_mask", "heads", "tag_ids", "relation_ids", "glyph_ids", "labels")


def select(inputs, row, words):
    """The sentence of a row, with these words alone."""
    found = {name: value[row : row + 1] for name, value in inputs.items()}
    found |= {name: value[:, words] for name, value in found.items() if name in OF_WORDS}
    return {**found, "predicate": torch.tensor([words.index(int(inputs["predicate"][row]))])}


@pytest.mark.parametrize("glyce", [True, False])
@pytest.mark.parametrize(("order", "kept"), [(0, KEPT_BY_0), (1, KEPT_BY_1), (2, KEPT_BY_2), (None, KEPT_BY_2)])
def test_reads_the_words_that_are_kept_as_if_they_were_the_sentence(order, kept, glyce):
    model, inputs = build(pruning_order=order, glyce=glyce), make_inputs()
    logits = model(**inputs).logits
    model.config.pruning_order = None
    expected = model(**select(inputs, 0, kept)).logits[0]
    torch.testing.assert_close(logits[0, kept], expected, rtol=1e-5, atol=1e-6)
    pruned = sorted({*range(8)} - {*kept})
    assert [ROLES[index] for index in logits[0, pruned].argmax(-1)] == ["O"] * len(pruned)


@pytest.mark.parametrize("order", [0, 1, 2, None])
def test_a_sentence_has_the_same_roles_alone_and_in_a_batch(order):
    model, inputs = build(pruning_order=order), make_inputs()
    together = model(**inputs).logits
    for row, count in ((0, 8), (1, 3)):
        alone = model(**select(inputs, row, list(range(count)))).logits[0]
        torch.testing.assert_close(together[row, :count], alone, rtol=1e-5, atol=1e-6)


def test_words_that_are_pruned_are_not_read():
    model, inputs = build(pruning_order=1), make_inputs()
    expected = model(**inputs).logits
    for name in ("word_ids", "tag_ids", "relation_ids", "glyph_ids"):
        inputs[name][0, [2, 6]] = 1  # 小 and 鲜 are two steps away from the path
    assert torch.equal(model(**inputs).logits, expected)
    model.config.pruning_order = 2
    assert not torch.allclose(model(**inputs).logits, expected)


@pytest.mark.parametrize("name", ["word_ids", "tag_ids", "relation_ids", "glyph_ids", "predicate"])
def test_everything_else_is_read(name):
    model, inputs = build(pruning_order=1), make_inputs()
    expected = model(**inputs).logits
    inputs[name] = inputs[name].clone()
    inputs[name][0] = torch.where(inputs[name][0] == 2, 1, 2)
    assert not torch.allclose(model(**inputs).logits[0], expected[0])


def test_labels_of_words_that_are_not_read_are_not_scored():
    model, inputs = build(pruning_order=1), make_inputs()
    labels = torch.randint(0, 4, (2, 8))
    out = model(**inputs, labels=labels)
    read = torch.zeros(2, 8, dtype=torch.bool)
    read[0, KEPT_BY_1], read[1, :3] = True, True
    torch.testing.assert_close(out.loss, nn.functional.cross_entropy(out.logits[read], labels[read]))
    assert torch.equal(model(**inputs, labels=labels.masked_fill(~read, 3)).loss, out.loss)
    assert torch.equal(model.srl(**inputs).keep, read.long())


def test_trains_every_weight():
    model, inputs = build(pruning_order=1, use_image_loss=True).train(), make_inputs()
    model(**inputs, labels=torch.randint(0, 4, (2, 8))).loss.backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []
    assert model.srl(**inputs).image_loss > 0
    assert model.eval().srl(**inputs).image_loss is None


def test_hidden_states_stand_at_their_words():
    model, inputs = build(pruning_order=0), make_inputs()
    out = model(**inputs, output_hidden_states=True)
    assert [state.shape[-1] for state in out.hidden_states] == [model.config.input_size, 8, 8]
    for state in out.hidden_states:
        assert state.shape[:2] == (2, 8)
        assert state[0, [0, 2, 3, 6, 7]].eq(0).all()
        assert state[0, KEPT_BY_0].ne(0).any(-1).all()


def test_gates_of_highway_layers_begin_nearly_closed(tmp_path):
    model = build()
    biases = [gate.bias for gate in model.srl.highway.gate]
    assert len(biases) == 2
    assert all(bias.eq(-1).all() for bias in biases)
    with torch.no_grad():
        biases[0].fill_(3)
    model.save_pretrained(tmp_path)
    loaded = SrlForTokenClassification.from_pretrained(tmp_path)
    assert [gate.bias[0].item() for gate in loaded.srl.highway.gate] == [3, -1]
    deeper = SrlForTokenClassification.from_pretrained(tmp_path, num_highway_layers=3)
    assert [gate.bias[0].item() for gate in deeper.srl.highway.gate] == [3, -1, -1]


def test_reloads_to_the_same_roles(tmp_path):
    model, inputs = build(pruning_order=1), make_inputs()
    model.save_pretrained(tmp_path)
    loaded = SrlForTokenClassification.from_pretrained(tmp_path)
    assert loaded.config.pruning_order == 1
    assert torch.equal(loaded(**inputs).logits, model(**inputs).logits)


def test_what_is_not_configured_is_not_read():
    model, inputs = build(pos_tags=[], relations=[], glyce=False), make_inputs()
    for name in ("tag_ids", "relation_ids", "glyph_ids", "extra_glyphs", "heads"):
        del inputs[name]
    assert model(**inputs).logits.shape == (2, 8, 4)
    assert model.config.input_size == 6 + 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicate": None}, "predicate is missing"),
        ({"word_ids": None}, "word_ids is missing"),
        ({"heads": None}, "heads are missing; needed are those of all words, .* or set pruning_order=None"),
        ({"heads": torch.zeros(2, 7)}, r"heads are of the shape \(2, 7\)"),
        ({"heads": torch.zeros(2, 8, dtype=torch.long)}, "have 8 roots"),
        ({"predicate": torch.tensor([5, 3])}, "the predicate of sentence 1 is word 3, and the sentence has 3 words"),
        ({"tag_ids": None}, "tag_ids are missing; needed are .* config.pos_tags"),
        ({"relation_ids": torch.full((2, 8), 4)}, "relation_ids holds 4; allowed are 0 to 3"),
        ({"glyph_ids": None}, "glyph_ids are missing"),
        ({"word_ids": torch.full((2, 8), 30)}, "word_ids holds 30; allowed are 0 to 29"),
        ({"tag_ids": torch.ones(2, 9, dtype=torch.long)}, r"tag_ids are of the shape \(2, 9\); needed are \(2, 8\)"),
        ({"relation_ids": torch.ones(1, 8, dtype=torch.long)}, r"relation_ids are of the shape \(1, 8\)"),
        ({"glyph_ids": torch.ones(2, 9, 3, dtype=torch.long)}, r"glyph_ids are \(2, 9, 3\); needed is \[B, T, W\]"),
        ({"attention_mask": torch.ones(2, 7)}, r"attention_mask has the shape \(2, 7\); needed is \(2, 8\)"),
        ({"labels": torch.ones(1, 8, dtype=torch.long)}, r"labels have the shape \(1, 8\); needed is \(2, 8\)"),
        ({"labels": torch.full((2, 8), 4)}, "labels holds 4; allowed are 0 to 3 .roles of config.id2label."),
        ({"labels": torch.full((2, 8), -1)}, "labels holds -1; allowed are 0 to 3"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build(pruning_order=1)(**{**make_inputs(), **change})


class Traced(torch.nn.Module):
    """The logits of a model, from inputs in the order of `names`."""

    names = ("word_ids", "attention_mask", "predicate", "heads")

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs, strict=True))).logits


@pytest.mark.filterwarnings("ignore")
def test_a_traced_graph_prunes_longer_sentences_too():
    model = build(pruning_order=1, pos_tags=[], relations=[], glyce=False)
    inputs = [make_inputs()[name] for name in Traced.names]
    graph = torch.jit.trace(Traced(model), inputs, check_trace=False)
    assert torch.allclose(graph(*inputs), Traced(model)(*inputs), atol=1e-6)
    chain = torch.arange(40)[None]  # every word hangs on the one before, so that the path of the last one has them all
    words = torch.arange(40)[None] % 29 + 1
    for predicate in (39, 20):
        longer = [words, torch.ones_like(words), torch.tensor([predicate]), chain]
        assert torch.allclose(graph(*longer), Traced(model)(*longer), atol=1e-6)


def test_a_pruning_order_that_keeps_no_word_is_refused():
    model = build(pruning_order=1)
    model.config.pruning_order = -1
    with pytest.raises(ValueError, match="config.pruning_order=-1 is not allowed: no word would be read; allowed is"):
        model(**make_inputs())


def test_predicates_are_checked_without_pruning_too():
    with pytest.raises(ValueError, match="the predicate of sentence 1 is word 3"):
        build()(**{**make_inputs(), "predicate": torch.tensor([5, 3])})


def test_an_unknown_input_is_refused():
    with pytest.raises(TypeError, match="takes no input_ids"):
        build()(**make_inputs(), input_ids=torch.ones(2, 8, dtype=torch.long))


def test_pruning_needs_the_label_of_words_without_a_role():
    model = build(pruning_order=1, id2label={0: "A0", 1: "A1"}, label2id={"A0": 0, "A1": 1})
    with pytest.raises(ValueError, match=r"none of the labels \['A0', 'A1'\] is 'O'"):
        model(**make_inputs())


def test_the_base_model_alone(tmp_path):
    model = build(pruning_order=1)
    model.save_pretrained(tmp_path)
    base, inputs = SrlModel.from_pretrained(tmp_path), make_inputs()
    assert torch.equal(base(**inputs).last_hidden_state, model.srl(**inputs).last_hidden_state)
    assert base.get_input_embeddings().weight.shape == (SIZES["vocab_size"], 6)


def test_takes_vectors_of_words():
    model, inputs = build(pruning_order=1), make_inputs()
    expected = model(**inputs).logits
    vectors = model.get_input_embeddings()(inputs.pop("word_ids"))
    torch.testing.assert_close(model(**inputs, inputs_embeds=vectors).logits, expected)


def test_the_vocabulary_grows_without_the_bank():
    model = build(pruning_order=1)
    model.resize_token_embeddings(33)
    assert model.config.num_glyphs == SIZES["glyph_vocab_size"]
    assert model(**make_inputs()).logits.shape == (2, 8, 4)


def test_rates_of_parts():
    groups = {group["name"]: group["lr"] for group in build().parameter_groups(rest_lr=1e-3, glyph_lr=1e-4)}
    assert groups == {"rest": 1e-3, "glyph": 1e-4, "embedding": 1e-3}


def test_labels_of_pruned_words_alone_teach_nothing():
    model, inputs = build(pruning_order=0).train(), make_inputs()
    labels = torch.full((2, 8), -100)
    labels[0, [0, 2]] = 1  # neither is on the path
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())
    assert model.eval()(**inputs, labels=labels).loss == 0
