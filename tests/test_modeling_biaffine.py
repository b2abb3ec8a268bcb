"""The parser: losses against slow ones, padding, labels that are refused, trees, saving and loading."""

import itertools

import pytest
import torch
from biaffine_tools import HEADS, RELATIONS, SIZES, batch, make
from torch.nn import functional as F
from transformers import AutoModel

from hanziformers import BiaffineConfig, BiaffineForDependencyParsing
from hanziformers.modeling.dependency_trees import decode_heads


def test_losses_are_those_of_the_right_heads():
    model, inputs = make(), batch()
    out = model(**inputs, head_labels=HEADS, relation_labels=RELATIONS)
    model.train()
    for part in model.modules():
        part.p = 0.0  # no dropout, and relations to the right heads
    gold = model(**inputs, head_labels=HEADS, relation_labels=RELATIONS)
    arcs, relations = [], []
    for row, word in itertools.product(range(3), range(5)):
        if HEADS[row, word] != -100:
            length = int(inputs["attention_mask"][row].sum())
            scores = out.arc_logits[row, word + 1, : length + 1].clone()
            scores[word + 1] = -float("inf")  # a word is not its own head
            arcs.append(-scores.log_softmax(-1)[HEADS[row, word]])
        if RELATIONS[row, word] != -100:
            relations.append(-gold.relation_logits[row, word].log_softmax(-1)[RELATIONS[row, word]])
    expected = torch.stack(arcs).mean() + torch.stack(relations).mean()
    torch.testing.assert_close(out.loss, expected)
    assert torch.equal(gold.heads, HEADS.where(HEADS >= 0, -1))


def test_relations_are_scored_for_the_heads_that_were_found():
    model, inputs = make(), batch()
    out = model(**inputs)
    assert torch.equal(out.heads, decode_heads(out.arc_logits, [5, 3, 1])[:, 1:])
    hidden = model.root(model.biaffine(**inputs).last_hidden_state)
    words, heads = model.relation_words(hidden), model.relation_heads(hidden)
    for word, head in enumerate(out.heads[0].tolist(), 1):
        expected = model.relations(words[:1, word : word + 1], heads[:1, head : head + 1])[0, :, 0, 0]
        torch.testing.assert_close(out.relation_logits[0, word - 1], expected)
    trees = model.decode(**inputs)
    assert torch.equal(trees.heads, out.heads)
    assert torch.equal(trees.relations >= 0, inputs["attention_mask"] == 1)
    assert torch.equal(trees.relations[0], out.relation_logits[0].argmax(-1))


@pytest.mark.parametrize("glyce", [True, False])
def test_padding_and_neighbours_change_nothing(glyce):
    model = make(glyce=glyce)
    together = model(**batch(more=3))
    for row, length in enumerate((5, 3, 1)):
        alone = {name: value[row : row + 1, :length] for name, value in batch().items()}
        out = model(**alone)
        torch.testing.assert_close(together.arc_logits[row, 1 : length + 1, : length + 1], out.arc_logits[0, 1:])
        assert torch.equal(together.heads[row, :length], out.heads[0])
        assert (together.heads[row, length:] == -1).all()
        lowest = torch.finfo(torch.float32).min
        assert (together.arc_logits[row, :, length + 1 :] == lowest).all()


def test_no_words_at_all():
    model = make()
    some = batch((2, 1))
    some["attention_mask"][1] = 0
    assert model.decode(**some).heads.tolist()[1] == [-1, -1]
    none = {name: value[:, :0] for name, value in batch((2, 1)).items()}
    assert model.decode(**none).heads.shape == (2, 0)
    labels = torch.zeros(2, 0, dtype=torch.long)
    assert model.train()(**none, head_labels=labels, relation_labels=labels).loss == 0


def test_a_new_parser_prefers_nothing():
    model = BiaffineForDependencyParsing(BiaffineConfig(**SIZES, glyce=False)).eval()
    out = model(**batch((4,)))
    assert out.heads.tolist() == [[0, 1, 1, 1]]  # all trees are equally good
    assert not out.relation_logits.any()
    labels = {"head_labels": torch.tensor([[0, 1, 1, 1]]), "relation_labels": torch.tensor([[0, 1, 2, 0]])}
    expected = torch.log(torch.tensor(4.0)) + torch.log(torch.tensor(3.0))  # of 4 heads and 3 relations
    torch.testing.assert_close(model(**batch((4,)), **labels).loss, expected)


@pytest.mark.parametrize("glyce", [True, False])
def test_learns_trees_by_heart(glyce):
    model = make(glyce=glyce, use_image_loss=False)
    model.init_weights()
    inputs, labels = batch(), {"head_labels": HEADS, "relation_labels": RELATIONS}
    optimizer = torch.optim.Adam(model.parameters(), 3e-2)
    model.train()
    for part in model.modules():
        part.p = 0.0
    for _ in range(80):
        optimizer.zero_grad()
        loss = model(**inputs, **labels).loss
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    assert model.training
    trees = model.decode(**inputs)
    assert model.training  # as before
    assert torch.equal(trees.heads[HEADS >= 0], HEADS[HEADS >= 0])
    assert torch.equal(trees.relations[RELATIONS >= 0], RELATIONS[RELATIONS >= 0])


def test_glyphs_and_their_loss_are_in_training():
    model, inputs = make().train(), batch()
    labels = {"head_labels": HEADS, "relation_labels": RELATIONS}
    model.base_model.image_loss_weight = 0.5
    torch.manual_seed(3)
    both = model(**inputs, **labels).loss
    model.base_model.image_loss_weight = 0.0
    torch.manual_seed(3)
    alone = model(**inputs, **labels).loss
    assert not torch.isclose(both, alone)
    both.backward()
    assert all(one.grad is not None for one in model.parameters())


def test_parts_of_speech_are_read_where_the_configuration_says_so():
    model, inputs = make(pos_tags=["NOUN", "VERB"]), batch()
    tags = torch.tensor([[1, 2, 1, 0, 1], [1, 2, 1, 0, 0], [2, 0, 0, 0, 0]])
    found = model(**inputs, tag_ids=tags).arc_logits
    assert not torch.allclose(found, model(**inputs, tag_ids=tags.flip(0)).arc_logits)
    with pytest.raises(ValueError, match="tag_ids are missing; needed is .3, 5.* does not find them"):
        model(**inputs)
    with pytest.raises(ValueError, match="tag_ids holds 3; allowed are 0 to 2"):
        model(**inputs, tag_ids=tags + 1)
    plain = make()
    assert torch.equal(plain(**inputs).arc_logits, plain(**inputs, tag_ids=tags).arc_logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relation_labels": None}, "relation_labels are missing; needed are both kinds"),
        ({"head_labels": HEADS[:, :4]}, r"head_labels are of the shape \(3, 4\)"),
        ({"head_labels": HEADS.clamp(max=1).index_fill(1, torch.tensor([0]), 6)}, r"head_labels\[0, 0\] is 6; allowed"),
        ({"head_labels": HEADS.index_fill(1, torch.tensor([0]), 4)}, r"head_labels\[1, 0\] is 4; .* 1 to 3 but"),
        ({"head_labels": HEADS.index_fill(1, torch.tensor([0]), 1)}, r"head_labels\[0, 0\] is 1; .* itself, 1"),
        ({"relation_labels": RELATIONS.where(RELATIONS < 2, 4)}, "relation_labels holds 4; allowed are 0 to 2"),
        ({"attention_mask": batch()["attention_mask"].flip(1)}, "attention_mask has padding before a word"),
    ],
)
def test_labels_that_do_not_exist_are_refused(change, message):
    given = {**batch(), "head_labels": HEADS, "relation_labels": RELATIONS, **change}
    with pytest.raises(ValueError, match=message):
        make()(**given)


def test_no_tree_is_sought_among_padding_on_any_device():
    words = batch()["attention_mask"].flip(1).bool()
    with pytest.raises(ValueError, match="attention_mask has padding before a word"):
        make()._trees(torch.zeros(3, 6, 6), words)  # on a GPU nothing else looks at the mask


def test_graphs_are_refused_with_what_to_do():
    class Arcs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = make(glyce=False)

        def forward(self, word_ids):
            return self.model(word_ids=word_ids).arc_logits

    with pytest.raises(ValueError, match="no graph .* can hold.* Export model.base_model"):
        torch.jit.trace(Arcs(), batch()["word_ids"])


def test_saved_and_loaded(tmp_path):
    model, inputs = make(), batch()
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is BiaffineForDependencyParsing
    assert torch.equal(model(**inputs).arc_logits, loaded(**inputs).arc_logits)


def test_weights_that_a_checkpoint_lacks_are_new_and_sound(tmp_path):
    model = make()
    kept = {name: value for name, value in model.state_dict().items() if not name.startswith(("arcs", "root"))}
    model.save_pretrained(tmp_path, state_dict=kept)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert not loaded.arcs.weight.any()
    assert 0 < loaded.root.weight.std() < 1


def test_half_precision():
    model, inputs = make(glyce=False).bfloat16(), batch()
    out = model(**inputs, head_labels=HEADS, relation_labels=RELATIONS)
    assert out.arc_logits.dtype == torch.bfloat16
    assert out.loss.isfinite()
    full = F.cross_entropy(out.arc_logits[0, 1:].float(), HEADS[0])
    assert full.isfinite()
