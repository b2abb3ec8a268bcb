"""BiMPM over words: the model written out from its parts, what the switch removes, all ways it is run."""

import pytest
import torch
from bimpm_tools import LENGTHS, NO_DROPOUT, build, make_inputs, row_of
from chinese_bert_tools import assert_same, gradients, no_grad, tensors, with_grad
from export_tools import needs_newer_torch
from torch.export import Dim
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForSequenceClassification

from hanziformers import BiMpmConfig
from hanziformers.modeling.modeling_bimpm import BiMpmForSequenceClassification, BiMpmModel

# ---------------------------------------------------------------------------------------------- against its parts


def glyphs_of(model, inputs):
    """The glyph vector [D] of every word: the maximum over its characters, one image at a time."""
    bank, found = model.base_model.glyph_bank, torch.zeros(*inputs["word_ids"].shape, 16)
    for row, rows in enumerate(inputs["glyph_ids"].tolist()):
        for position, word in enumerate(rows):
            images = [bank.glyphs[i] if i < 40 else inputs["extra_glyphs"][row, i - 40] for i in word if i > 0]
            if images:
                vectors = [bank.encoder(image.view(1, 2, 8, 8) / 255)[0] for image in images]
                found[row, position] = torch.stack(vectors).amax(0)
    return found


@pytest.mark.parametrize("fields", [{}, {"glyce": False}, {"num_hidden_layers": 2}])
def test_equal_to_its_parts(fields):
    model, inputs = build(**fields), make_inputs()
    base = model.bimpm
    vectors = base.embeddings.ids(inputs["word_ids"])
    if model.config.glyce:
        vectors = torch.cat([vectors, glyphs_of(model, inputs)], -1)
    mask, types = inputs["attention_mask"] > 0, inputs["token_type_ids"] > 0
    words, pairs = base.layers(vectors, mask & ~types, mask & types)
    out = base(**inputs)
    torch.testing.assert_close(out.last_hidden_state, words, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.pooler_output, pairs, atol=1e-5, rtol=1e-4)
    for logits in (with_grad(model, inputs), no_grad(model, inputs)):
        torch.testing.assert_close(logits[0], model.classifier(pairs), atol=1e-5, rtol=1e-4)
    assert out.pooler_output.shape == (4, 10)
    assert len(base.layers.context.layer) == model.config.num_hidden_layers


def test_every_pair_is_read_as_if_it_were_alone():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)[0]
    for row, pair in enumerate(LENGTHS):
        torch.testing.assert_close(no_grad(model, row_of(inputs, row, sum(pair)))[0][0], wanted[row])


def test_what_it_does_not_read_changes_nothing():
    """Without a mask all are words; without glyphs there are no rows to read."""
    model, inputs = build(), make_inputs([(3, 4), (4, 3)])
    wanted = no_grad(model, inputs)
    assert_same(no_grad(model, {**inputs, "attention_mask": None}), wanted)
    vectors = {**inputs, "inputs_embeds": model.get_input_embeddings()(inputs["word_ids"]), "word_ids": None}
    assert_same(no_grad(model, vectors), wanted)
    model = build(glyce=False)
    plain = {name: value for name, value in inputs.items() if "glyph" not in name}
    assert_same(no_grad(model, plain), no_grad(model, inputs))


def test_a_sentence_of_a_pair_may_be_empty():
    model, inputs = build(), make_inputs([(3, 0), (0, 4), (2, 2)])
    wanted = no_grad(model, inputs)[0]
    assert wanted.isfinite().all()
    for row, length in ((0, 3), (1, 4)):  # as beside other pairs
        torch.testing.assert_close(no_grad(model, row_of(inputs, row, length))[0][0], wanted[row])
    nothing = {name: value[:1, :0] for name, value in inputs.items() if name != "extra_glyphs"}
    assert no_grad(model, nothing)[0].shape == (1, 3)


# ---------------------------------------------------------------------------------------------- training


def test_the_loss_is_eq_2_and_reaches_every_parameter():
    model, inputs = build(**NO_DROPOUT), make_inputs(labels=torch.tensor([0, 2, 1, 1]))
    task = model(**inputs).loss  # in evaluation that of the task alone
    torch.testing.assert_close(task, F.cross_entropy(model(**inputs).logits, inputs["labels"]))
    model.train()
    loss, labels = model(**inputs).loss, inputs.pop("labels")
    images = model.bimpm(**inputs).image_loss
    torch.testing.assert_close(loss, 0.9 * task + 0.1 * images)
    assert images > 1
    model(**inputs, labels=labels).loss.backward()
    assert gradients(model).keys() == {name for name, _ in model.named_parameters()}
    model.base_model.set_epoch(2)
    torch.testing.assert_close(model(**inputs, labels=labels).loss, (1 - 0.064) * task + 0.064 * images)


def test_glyphs_do_not_drown_words():
    """Else all words are alike for cosines, and nothing is learnt. With the sizes that a model has by default."""
    config = BiMpmConfig(vocab_size=50, glyph_vocab_size=40)
    model, inputs = BiMpmModel(config).eval(), make_inputs(extras=0)
    model.set_glyphs(torch.randint(0, 256, (40, *config.glyph_shape), dtype=torch.uint8))
    del inputs["extra_glyphs"]
    with torch.no_grad():
        vectors = model(**inputs, output_hidden_states=True).hidden_states[0]
    ids, glyphs = vectors.split((config.embedding_dim, config.glyph_dim), -1)
    norms = [part.norm(dim=-1)[inputs["attention_mask"] == 1].mean() for part in (ids, glyphs)]
    assert 0 < norms[1] < norms[0]


def test_dropouts_are_those_of_the_configuration():
    rates = {"embedding_dropout": 0.11, "hidden_dropout": 0.22, "classifier_dropout": 0.33}
    model = build(**rates)
    layers = model.bimpm.layers
    found = (model.bimpm.embeddings.dropout, layers.dropout, layers.context.dropout, model.dropout)
    assert [part.p for part in found] == [0.11, 0.22, 0.22, 0.33]


def test_groups_hold_every_parameter_once():
    model = build()
    groups = model.parameter_groups(weight_decay=0.01)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert {group["name"] for group in groups} == {"rest", "glyph", "embedding"}


# ---------------------------------------------------------------------------------------------- saving and sizes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("glyce", [True, False])
def test_saved_models_come_back_whole(glyce, dtype, tmp_path):
    model, inputs = build(glyce=glyce).to(dtype), make_inputs()
    model.save_pretrained(tmp_path)
    for auto_class, wanted in ((AutoModelForSequenceClassification, model), (AutoModel, model.bimpm)):
        loaded, info = auto_class.from_pretrained(tmp_path, dtype="auto", output_loading_info=True)
        assert type(loaded) is type(wanted)
        assert not info["missing_keys"]
        assert_same(no_grad(loaded, inputs), no_grad(wanted, inputs), atol=0)
    assert any("glyph" in name for name in model.state_dict()) == glyce


def test_what_a_checkpoint_lacks_is_initialised(tmp_path):
    """Loading starts on the meta device, where the perspectives hold anything."""
    whole = build(num_perspectives=40)
    kept = {name: value for name, value in whole.state_dict().items() if "embeddings.ids" in name}
    whole.save_pretrained(tmp_path, state_dict=kept)
    loaded = BiMpmForSequenceClassification.from_pretrained(tmp_path)
    fresh = dict(build(num_perspectives=40).named_parameters())
    for name, value in loaded.named_parameters():
        assert value.isfinite().all(), name
        if value.dim() > 1 and value.numel() > 300:
            assert value.std().item() == pytest.approx(fresh[name].std().item(), rel=0.25), name
    assert loaded.bimpm.layers.matching.perspectives.std().item() == pytest.approx((2 / 5) ** 0.5, rel=0.1)


def test_the_bank_does_not_follow_the_words():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)
    assert model.resize_token_embeddings(53).num_embeddings == model.config.vocab_size == 53
    assert model.config.num_glyphs == len(model.bimpm.glyph_bank.glyphs) == 40
    assert_same(no_grad(model, inputs), wanted)


# ---------------------------------------------------------------------------------------------- ways to run


def test_hidden_states_and_tuples():
    model, inputs = build(), make_inputs()
    out = model(**inputs, output_hidden_states=True)
    assert [tuple(states.shape) for states in out.hidden_states] == [(4, 9, 28), (4, 9, 10)]
    model.config.output_hidden_states = True
    assert len(model(**inputs).hidden_states) == 2
    assert isinstance(model.bimpm(**inputs, return_dict=False), tuple)


def test_bfloat16_is_near_float32():
    model, inputs = build(), make_inputs(labels=torch.tensor([0, 2, 1, 1]))
    wanted, near = with_grad(model, inputs), {"atol": 0.1, "rtol": 0.05}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    model.to(torch.bfloat16)
    assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    model.train()(**inputs).loss.backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


@needs_newer_torch
@pytest.mark.filterwarnings("ignore:The tensor attributes.*_flat_weights")  # torch's LSTM keeps a list of its weights
def test_an_exported_graph_serves_other_numbers_of_pairs():
    """Not other lengths: torch's LSTM is written out in a graph, step by step."""
    torch._dynamo.reset()
    names, model = ("word_ids", "attention_mask", "token_type_ids"), build(glyce=False)
    batches = [[(2, 1), (1, 1)], [(1, 2), (1, 1), (1, 1)], [(1, 2)]]
    batches = [{name: make_inputs(lengths)[name] for name in names} for lengths in batches]
    shapes = {name: {0: Dim("batch")} for name in names}
    with torch.no_grad():
        program = torch.export.export(model, (), batches[0], dynamic_shapes=shapes, strict=False).module()
    for batch in batches:
        assert_same(tensors(program(**batch)), no_grad(model, batch))


def test_words_come_first():
    model, inputs = build(), make_inputs()
    words = inputs.pop("word_ids")
    for one in (model, model.bimpm):
        assert_same(tensors(one(words, **inputs)), tensors(one(word_ids=words, **inputs)))


def test_shapes_can_be_had_from_the_meta_device():
    model, inputs = build(BiMpmModel).to("meta"), {name: value.to("meta") for name, value in make_inputs().items()}
    assert model(**inputs).pooler_output.shape == (4, 10)


# ---------------------------------------------------------------------------------------------- wrong inputs

WRONG_INPUTS = {
    "no types": ({"token_type_ids": None}, "token_type_ids are missing. BiMPM matches the two sentences of a pair"),
    "types of another shape": ({"token_type_ids": torch.ones(4, 1).long()}, r"token_type_ids have the shape \(4, 1\)"),
    "mask": ({"attention_mask": torch.ones(4, 1).long()}, r"attention_mask has the shape \(4, 1\); needed is \(4, 9\)"),
    "values of a mask": ({"attention_mask": torch.full((4, 9), 2)}, "attention_mask holds 2; allowed are 1"),
    "type": ({"token_type_ids": torch.full((4, 9), 2)}, "token_type_ids holds 2; allowed are 0 to 1"),
    "id": ({"word_ids": torch.full((4, 9), 50)}, "word_ids holds 50; allowed are 0 to 49"),
    "no words": ({"word_ids": None}, "exactly one is needed of word_ids"),
    "glyphs": ({"glyph_ids": None}, "glyph_ids are missing; needed is .*glyce=False"),
    "characters": ({"glyph_ids": torch.ones(4, 9).long()}, r"glyph_ids are \(4, 9\); needed is \[B, T, W\]"),
    "glyph": ({"glyph_ids": torch.full((4, 9, 2), 42)}, "glyph_ids holds 42; allowed are 0 to 41"),
}


@pytest.mark.parametrize("name", list(WRONG_INPUTS))
@pytest.mark.parametrize("cls", [BiMpmModel, BiMpmForSequenceClassification])
def test_wrong_inputs_are_explained(cls, name):
    wrong, message = WRONG_INPUTS[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        build(cls)(**{**make_inputs(), **wrong})


@pytest.mark.parametrize("name", list(make_inputs()))
def test_lists_are_refused(name):
    inputs = make_inputs()
    with pytest.raises(TypeError, match=f"{name} is of the type list; needed is a tensor"):
        build()(**{**inputs, name: inputs[name].tolist()})


@pytest.mark.parametrize("name", ["input_ids", "position_ids"])
def test_inputs_of_bert_are_refused(name):
    with pytest.raises(TypeError, match=f"BiMpmModel takes no {name}; its inputs are word_ids"):
        build()(**make_inputs(), **{name: torch.ones(4, 9).long()})
