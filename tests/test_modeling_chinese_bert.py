"""ChineseBERT against vectors of the published classes and against a slow obvious version of its embeddings."""

import json

import pytest
import torch
from chinese_bert_tools import (
    CASES,
    CLASSES,
    EVERY,
    HEADS,
    ORACLES,
    UNREAD_POOLER,
    assert_same,
    assert_table_is_fresh,
    build,
    gradients,
    inputs_for,
    make_inputs,
    no_grad,
    oracle,
    tensors,
    with_grad,
    write_in_place,
)
from export_tools import needs_newer_torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize, prune
from transformers import AutoModel

from hanziformers import (
    ChineseBertConfig,
    ChineseBertForMaskedLM,
    ChineseBertForMultipleChoice,
    ChineseBertForQuestionAnswering,
    ChineseBertForSequenceClassification,
    ChineseBertForTokenClassification,
    ChineseBertModel,
)

# ---------------------------------------------------------------------------------------------- reference vectors


def load_oracle(name, cls=None, folder=None, **kwargs):
    folder = folder or ORACLES / name
    fields = json.loads((folder / "config.json").read_text())
    config = ChineseBertConfig.from_pretrained(
        folder, classifier="mlp" if name == "tokcls" and oracle_has_mlp() else "linear"
    )
    assert (config.hidden_size, config.vocab_size, config.num_labels) == (64, 300, fields["num_labels"])
    return (cls or CLASSES[name]).from_pretrained(folder, config=config, output_loading_info=True, **kwargs)


def oracle_has_mlp():
    return any("dense_to_labels_layer" in key for key in load_file(ORACLES / "tokcls" / "model.safetensors"))


def assert_clean(info, missing=frozenset(), unexpected=frozenset()):
    assert set(info["missing_keys"]) == set(missing)
    assert set(info["unexpected_keys"]) == set(unexpected)
    assert not info["mismatched_keys"]


def case_inputs(name, case):
    inputs = load_file(ORACLES / name / "inputs.safetensors")
    if case != "full":
        inputs.pop("token_type_ids")
        inputs.pop("labels", None)
    if case == "no_mask":
        inputs = {key: value[:1] for key, value in inputs.items() if key != "attention_mask"}
    if case == "pos":
        inputs["position_ids"] = torch.arange(5, 5 + inputs["input_ids"].shape[1])[None]
    return inputs


def assert_equals_oracle(model, name, case, eager):
    wanted = load_file(ORACLES / name / "outputs.safetensors")
    output = model(**case_inputs(name, case), output_hidden_states=True, output_attentions=eager)
    compared = 0
    for key, value in wanted.items():
        where, field, *index = key.split(".")
        if where != case or (field == "attentions" and not eager):
            continue
        found = output[field][int(index[0])] if index else output[field]
        torch.testing.assert_close(found, value, atol=1e-5, rtol=0, msg=lambda text, key=key: f"{key}: {text}")
        compared += 1
    assert compared >= (6 if eager else 4)


@pytest.fixture(scope="module", params=["safetensors", "bin"])
def checkpoint_folder(request, tmp_path_factory):
    """The folder of an oracle as it is, or with the same weights in a pytorch_model.bin only."""

    def folder(name):
        if request.param == "safetensors":
            return ORACLES / name
        new = tmp_path_factory.mktemp(f"{name}_bin")
        (new / "config.json").write_text((ORACLES / name / "config.json").read_text())
        torch.save(load_file(ORACLES / name / "model.safetensors"), new / "pytorch_model.bin")
        return new

    return folder


@oracle
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", list(CLASSES))
def test_every_output_equals_the_published_classes(name, attention, checkpoint_folder):
    model, info = load_oracle(name, folder=checkpoint_folder(name), attn_implementation=attention)
    assert_clean(info)
    assert not model.training
    for case in CASES[name]:
        assert_equals_oracle(model, name, case, attention == "eager")
        with torch.no_grad():
            assert_equals_oracle(model, name, case, attention == "eager")
        with torch.inference_mode():
            assert_equals_oracle(model, name, case, attention == "eager")


@oracle
@pytest.mark.parametrize("name", list(CLASSES))
def test_parts_of_the_embeddings_equal_the_published_ones(name):
    model, _ = load_oracle(name)
    emb, inputs = model.base_model.embeddings, case_inputs(name, "full")
    wanted = {k: v for k, v in load_file(ORACLES / name / "outputs.safetensors").items() if k.startswith("emb.")}
    ids, pinyin_ids, types = (inputs[key] for key in ("input_ids", "pinyin_ids", "token_type_ids"))
    images = emb.glyph_embeddings(ids)
    pinyin = emb.pinyin_embeddings(pinyin_ids.flatten(0, 1)).unflatten(0, ids.shape)
    found = {"emb.word": emb.word_embeddings(ids), "emb.pinyin": pinyin, "emb.glyph_raw": images}
    found["emb.glyph"] = emb.glyph_map(images)
    found["emb.fused"] = emb.map_fc(torch.cat([found["emb.word"], pinyin, found["emb.glyph"]], -1))
    found["emb.embeddings"] = emb(ids, pinyin_ids, types)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():  # pixels of 0..255 make glyph and fusion large
        torch.testing.assert_close(found[key], value, atol=1e-5, rtol=1e-5, msg=lambda text, key=key: f"{key}: {text}")
    with torch.no_grad():
        torch.testing.assert_close(emb(ids, pinyin_ids, types), wanted["emb.embeddings"], atol=1e-5, rtol=0)


@oracle
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", ["mlm", "tokcls"])
def test_gradients_equal_the_published_ones(name, attention):
    model, _ = load_oracle(name, attn_implementation=attention)
    wanted = json.loads((ORACLES / name / "grads.json").read_text())
    loss = model(**case_inputs(name, "full")).loss
    loss.backward()
    assert loss.item() == pytest.approx(wanted["loss"], abs=1e-5)
    found = {key: None if p.grad is None else p.grad.norm().item() for key, p in model.named_parameters()}
    assert found.keys() == wanted["grad_norm"].keys()
    assert any(norm is None for norm in wanted["grad_norm"].values())  # the pooler
    for key, norm in wanted["grad_norm"].items():  # a key's bias cannot change a softmax: zero but for rounding
        assert found[key] == (None if norm is None else pytest.approx(norm, rel=1e-3, abs=1e-7)), key


@oracle
@pytest.mark.parametrize("name", ["base", "mlm"])
@pytest.mark.parametrize("cls", EVERY)
def test_checkpoints_of_one_class_load_into_the_others(name, cls, checkpoint_folder):
    model, info = load_oracle(name, cls, folder=checkpoint_folder(name))
    weights = load_file(ORACLES / name / "model.safetensors")
    heads = {key for key in model.state_dict() if key.startswith(("cls.", "classifier.", "qa_outputs."))}
    if cls is CLASSES[name]:
        assert_clean(info)
    elif name == "mlm":
        assert_clean(info, heads, {key for key in weights if key.startswith("cls.")})
    else:  # what is tied to the word table is not missing
        assert_clean(info, heads - {"cls.predictions.decoder.weight"})
    found, prefix = model.base_model.state_dict(), "bert." if name == "mlm" else ""
    for key, value in weights.items():
        if not key.startswith("cls.") and not key.endswith("position_ids"):
            torch.testing.assert_close(found[key.removeprefix(prefix)], value, atol=0, rtol=0)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    if cls is ChineseBertForMaskedLM:
        assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
        assert model.cls.predictions.decoder.bias is model.cls.predictions.bias
    wanted = load_file(ORACLES / name / "outputs.safetensors")
    inputs = case_inputs(name, "full")
    inputs.pop("labels", None)
    hidden = no_grad(model.base_model, inputs)[0]
    torch.testing.assert_close(hidden, wanted["full.hidden_states.2"], atol=1e-5, rtol=0)
    assert torch.equal(model.base_model.embeddings.position_ids, torch.arange(64)[None])


BASE_SIZE = {  # published class -> ours, fields
    "GlyceBertModel": (ChineseBertModel, {}),
    "GlyceBertForMaskedLM": (ChineseBertForMaskedLM, {}),
    "GlyceBertForSequenceClassification": (ChineseBertForSequenceClassification, {}),
    "GlyceBertForTokenClassification": (ChineseBertForTokenClassification, {}),
    "GlyceBertForTokenClassification+mlp": (ChineseBertForTokenClassification, {"classifier": "mlp"}),
    "GlyceBertForQuestionAnswering": (ChineseBertForQuestionAnswering, {}),
}
COUNTS = [147_337_984, 147_953_348, 147_339_522, 147_339_522, 147_930_114, 147_339_522]


def base_size(name):
    cls, fields = BASE_SIZE[name]
    with torch.device("meta"):
        return cls(ChineseBertConfig.base(**fields))


@pytest.mark.parametrize(("name", "count"), zip(BASE_SIZE, COUNTS, strict=True))
def test_parameter_counts_of_the_published_sizes(name, count):
    assert base_size(name).num_parameters() == count


@oracle
@pytest.mark.parametrize("name", list(BASE_SIZE))
def test_keys_and_shapes_are_the_published_ones(name):
    wanted = json.loads((ORACLES / "base_size_keys.json").read_text())[name]["keys"]
    found = {key: list(value.shape) for key, value in base_size(name).state_dict().items()}
    gone = set(wanted) - set(found)
    assert len(gone) == 1
    assert gone.pop().endswith("embeddings.position_ids")
    assert all(wanted[key] == shape for key, shape in found.items())


# ---------------------------------------------------------------------------------------------- heads


def hidden_of(model, inputs):
    names = ("input_ids", "attention_mask", "token_type_ids", "pinyin_ids")
    return model.bert(**{name: inputs[name] for name in names})


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("cls", HEADS)
def test_heads_without_gradients_equal_those_with(cls, labels):
    model, inputs = build(cls), inputs_for(cls, labels)
    kept = {name: value.clone() for name, value in inputs.items()}
    wanted = with_grad(model, inputs)
    assert_same(no_grad(model, inputs), wanted)
    as_tuple = model(**inputs, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert len(as_tuple) == len(wanted)
    assert (model(**inputs).loss is not None) == labels
    for name, value in inputs.items():  # positions and labels are the caller's
        assert torch.equal(value, kept[name]), name


def test_masked_lm_loss_is_the_mean_over_masked_places():
    model, inputs = build(ChineseBertForMaskedLM), inputs_for(ChineseBertForMaskedLM)
    inputs["labels"][:, ::2] = -100
    output = model(**inputs)
    places = inputs["labels"] != -100
    wanted = F.cross_entropy(output.logits[places], inputs["labels"][places])
    torch.testing.assert_close(output.loss, wanted)
    word = model.bert.embeddings.word_embeddings.weight
    hidden = model.cls.predictions.transform(hidden_of(model, inputs).last_hidden_state)
    torch.testing.assert_close(output.logits, F.linear(hidden, word, model.cls.predictions.bias), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("num_labels", "labels", "loss"),
    [
        (3, torch.tensor([0, 2, 1, 2]), F.cross_entropy),
        (3, torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]]), F.binary_cross_entropy_with_logits),
        (1, torch.tensor([0.5, -2.0, 1.0, 3.0]), lambda x, y: F.mse_loss(x.squeeze(-1), y)),
        (1, torch.tensor([[0.5], [-2.0], [1.0], [3.0]]), F.mse_loss),
    ],
    ids=["single", "multi", "regression", "regression-column"],
)
@pytest.mark.filterwarnings("error:Using a target size")
def test_sequence_classification_losses(num_labels, labels, loss):
    model = build(ChineseBertForSequenceClassification, num_labels=num_labels)
    inputs = make_inputs()
    output = model(**inputs, labels=labels)
    wanted = model.classifier(hidden_of(model, inputs).pooler_output)
    assert output.logits.shape == (4, num_labels)
    torch.testing.assert_close(output.logits, wanted)
    torch.testing.assert_close(output.loss, loss(wanted, labels))


@pytest.mark.parametrize("mlp", [False, True])
def test_token_classification_ignores_labels_of_padding(mlp):
    model = build(ChineseBertForTokenClassification, num_labels=5, classifier="mlp" if mlp else "linear")
    inputs = make_inputs()
    labels = torch.randint(0, 5, (4, 9))
    labels[0, 0] = -100
    output = model(**inputs, labels=labels)
    hidden = hidden_of(model, inputs).last_hidden_state
    if mlp:
        first, last = model.classifier.dense_layer, model.classifier.dense_to_labels_layer
        wanted = last(torch.tanh(first(hidden)))
    else:
        wanted = model.classifier(hidden)
    torch.testing.assert_close(output.logits, wanted)
    scored = (inputs["attention_mask"] == 1) & (labels != -100)
    assert 0 < scored.sum() < 35
    torch.testing.assert_close(output.loss, F.cross_entropy(wanted[scored], labels[scored]))
    changed = labels.masked_fill(inputs["attention_mask"] == 0, 4)
    torch.testing.assert_close(model(**inputs, labels=changed).loss, output.loss)
    as_bool = inputs | {"attention_mask": inputs["attention_mask"].bool()}
    torch.testing.assert_close(model(**as_bool, labels=labels).loss, output.loss)
    inputs.pop("attention_mask")
    output = model(**inputs, labels=labels)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits.flatten(0, 1), labels.flatten()))


@pytest.mark.parametrize("outside", [9, 1000, -1, -100])
def test_question_answering_does_not_score_positions_outside(outside):
    model, inputs = build(ChineseBertForQuestionAnswering), make_inputs()
    start, end = torch.tensor([1, outside, 2, 0]), torch.tensor([3, 4, outside, 8])
    given = start.clone(), end.clone()
    output = model(**inputs, start_positions=start, end_positions=end)
    assert torch.equal(start, given[0])
    assert torch.equal(end, given[1])
    assert output.start_logits.shape == output.end_logits.shape == (4, 9)
    wanted = model.qa_outputs(hidden_of(model, inputs).last_hidden_state)
    torch.testing.assert_close(torch.stack([output.start_logits, output.end_logits], -1), wanted)
    first = F.cross_entropy(output.start_logits[[0, 2, 3]], start[[0, 2, 3]])
    second = F.cross_entropy(output.end_logits[[0, 1, 3]], end[[0, 1, 3]])
    torch.testing.assert_close(output.loss, (first + second) / 2)


def test_multiple_choice_scores_each_choice_by_itself():
    model, inputs = build(ChineseBertForMultipleChoice), inputs_for(ChineseBertForMultipleChoice)
    labels = inputs.pop("labels")
    assert inputs["pinyin_ids"].shape == (4, 3, 9, 8)
    output = model(**inputs, labels=labels)
    assert output.logits.shape == (4, 3)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, labels))
    for choice in range(3):
        one = model(**{name: value[:, choice : choice + 1] for name, value in inputs.items()}).logits
        torch.testing.assert_close(output.logits[:, choice : choice + 1], one, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cls", EVERY)
def test_every_trainable_parameter_gets_a_gradient(cls, tmp_path):
    made = build(cls)
    made.save_pretrained(tmp_path)
    loaded = cls.from_pretrained(tmp_path)
    with_info, _ = cls.from_pretrained(tmp_path, output_loading_info=True)
    for model in (made, loaded, with_info):
        frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
        pooler = {f"bert.pooler.dense.{name}" for name in ("weight", "bias")}
        assert frozen == (pooler if cls in UNREAD_POOLER else set())
        model.train()
        output = model(**inputs_for(cls))
        loss = output.last_hidden_state.sum() + output.pooler_output.sum() if cls is ChineseBertModel else output.loss
        loss.backward()
        assert {name for name, p in model.named_parameters() if p.grad is None} == frozen


@pytest.mark.parametrize("cls", EVERY)
def test_saved_models_come_back_the_same(cls, tmp_path):
    model, inputs = build(cls, classifier="mlp"), inputs_for(cls)
    wanted = no_grad(model, inputs)
    model.save_pretrained(tmp_path)
    loaded, info = cls.from_pretrained(tmp_path, output_loading_info=True)
    assert_clean(info)
    assert loaded.config.classifier == "mlp"
    assert_same(no_grad(loaded, inputs), wanted, atol=1e-6)
    assert not any("position_ids" in key for key in load_file(tmp_path / "model.safetensors"))
    half = cls.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


# ---------------------------------------------------------------------------------------------- ways to run


@pytest.mark.parametrize("cls", [ChineseBertForMaskedLM, ChineseBertForMultipleChoice])
def test_gradient_checkpointing_gives_the_same_gradients(cls):
    model, inputs = build(cls, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train(), inputs_for(cls)
    found = []
    for reentrant in (None, False, True):
        model.zero_grad()
        if reentrant is not None:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            assert model.is_gradient_checkpointing
        loss = model(**inputs).loss
        loss.backward()
        found.append({"loss": loss.detach(), **gradients(model)})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cls", EVERY)
def test_bfloat16_is_near_float32(cls):
    model, inputs = build(cls), inputs_for(cls)
    wanted = with_grad(model, inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([v.float() for v in with_grad(model, inputs)], wanted, atol=0.15, rtol=0.05)
        assert_same([v.float() for v in no_grad(model, inputs)], wanted, atol=0.15, rtol=0.05)
    model.to(torch.bfloat16)
    assert_same([v.float() for v in no_grad(model, inputs)], wanted, atol=0.15, rtol=0.05)
    output = tensors(model(**inputs))
    assert_same([v.detach().float() for v in output], wanted, atol=0.15, rtol=0.05)
    assert {v.dtype for v in output if v.dim()} == {torch.bfloat16}
    sum(v.float().sum() for v in output).backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_hidden_states_and_attentions(attention):
    model, inputs = build(ChineseBertForTokenClassification, num_hidden_layers=3), make_inputs()
    model.set_attn_implementation(attention)
    output = model(**inputs, output_hidden_states=True)
    assert [tuple(h.shape) for h in output.hidden_states] == [(4, 9, 24)] * 4
    first = model.bert.embeddings(inputs["input_ids"], inputs["pinyin_ids"], inputs["token_type_ids"])
    torch.testing.assert_close(output.hidden_states[0], first)
    torch.testing.assert_close(output.hidden_states[-1], hidden_of(model, inputs).last_hidden_state)
    if attention == "eager":
        maps = model(**inputs, output_attentions=True).attentions
        assert [tuple(a.shape) for a in maps] == [(4, 4, 9, 9)] * 3
        for weights in maps:
            torch.testing.assert_close(weights.sum(-1), torch.ones(4, 4, 9))
            assert not weights[inputs["attention_mask"][:, None, None].eq(0).expand_as(weights)].any()


def test_padding_does_not_change_the_tokens():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)[0]
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items()}
        torch.testing.assert_close(no_grad(model, alone)[0][0], wanted[row, :length], atol=1e-5, rtol=0)


@needs_newer_torch
@pytest.mark.parametrize("cls", [ChineseBertModel, ChineseBertForTokenClassification])
def test_compiled_without_breaks_and_equal(cls):
    torch._dynamo.reset()
    model = build(cls, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    inputs = inputs_for(cls)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_same(no_grad(compiled, inputs), no_grad(model, inputs))
    write_in_place(model, inputs) if cls is ChineseBertModel else write_in_place(model.bert, inputs)
    assert_same(no_grad(compiled, inputs), with_grad(model, inputs))  # no table is baked into the graph
    model.train()
    found = []
    for run in (model, compiled):
        model.zero_grad()
        output = tensors(run(**inputs))
        sum(value.square().sum() for value in output).backward()
        found.append(([v.detach() for v in output], gradients(model)))
    assert_same(found[1][0], found[0][0])
    assert found[1][1].keys() == found[0][1].keys()
    for name, grad in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], grad, atol=1e-3, rtol=1e-4)


# ---------------------------------------------------------------------------------------------- glyph table, resizing


def glyph_table(model):
    return model.base_model.embeddings.glyph_embeddings.embedding.weight


@pytest.mark.parametrize("cls", [ChineseBertModel, ChineseBertForMaskedLM])
def test_glyphs_are_written_as_rows(cls):
    model = build(cls)
    images = torch.randint(0, 256, (50, 3, 3, 3), dtype=torch.uint8)
    model.base_model.set_glyphs(images)
    wanted = images.reshape(50, 27) / 255
    assert torch.equal(glyph_table(model).detach(), wanted)
    model.base_model.set_glyphs(torch.full((2, 27), 255, dtype=torch.uint8), torch.tensor([4, 49]))
    model.base_model.set_glyphs(images[:1].numpy(), [5])
    wanted[[4, 49]] = 1
    wanted[5] = wanted[0]
    assert torch.equal(glyph_table(model).detach(), wanted)
    assert glyph_table(model).requires_grad
    half = build(cls).to(torch.bfloat16)
    half.base_model.set_glyphs(images)
    assert torch.equal(glyph_table(half).detach(), (images.reshape(50, 27) / 255).bfloat16())


@pytest.mark.parametrize(
    ("shape", "rows", "dtype"),
    [
        ((50, 26), None, torch.uint8),
        ((49, 27), None, torch.uint8),
        ((50, 3, 3, 4), None, torch.uint8),
        ((27,), [1], torch.uint8),
        ((2, 26), [1, 2], torch.uint8),
        ((1, 27), [1, 2, 3], torch.uint8),
        ((2, 27), [1, 2, 3], torch.uint8),
        ((2, 27), [1, 50], torch.uint8),
        ((2, 27), [-1, 5], torch.uint8),
        ((50, 27), None, torch.float32),
        ((50, 27), None, torch.int64),
    ],
)
def test_glyphs_that_do_not_fit_are_refused(shape, rows, dtype):
    model = build()
    before = glyph_table(model).detach().clone()
    match = r"needed are \(3, 3, 3\) values|rows holds (50|-1)|needed is torch.uint8"
    with pytest.raises(ValueError, match=match):
        model.set_glyphs(torch.zeros(shape, dtype=dtype), rows)
    assert torch.equal(glyph_table(model).detach(), before)


@pytest.mark.parametrize("cls", EVERY)
def test_resizing_moves_both_tables(cls):
    model, inputs = build(cls), inputs_for(cls, labels=False)
    old_words, old_glyphs = model.get_input_embeddings().weight.clone(), glyph_table(model).detach().clone()
    wanted = no_grad(model, inputs)
    model.resize_token_embeddings(57)
    assert (model.config.vocab_size, len(glyph_table(model)), len(model.get_input_embeddings().weight)) == (57,) * 3
    assert torch.equal(glyph_table(model)[:50], old_glyphs)
    assert not glyph_table(model)[50:].any()
    assert glyph_table(model).requires_grad
    assert torch.equal(model.get_input_embeddings().weight[:50], old_words)
    found = no_grad(model, inputs)
    if cls is ChineseBertForMaskedLM:
        assert found[0].shape[-1] == 57
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        found = [found[0][..., :50]]
    assert_same(found, wanted)
    inputs["input_ids"][0].fill_(56)
    assert_table_is_fresh(model, inputs)
    model.resize_token_embeddings(20)
    assert (model.config.vocab_size, len(glyph_table(model)), len(model.get_input_embeddings().weight)) == (20,) * 3
    assert torch.equal(glyph_table(model).detach(), old_glyphs[:20])
    inputs["input_ids"].clamp_(max=19)
    assert_table_is_fresh(model, inputs)


def test_resizing_to_a_multiple_and_a_frozen_table(tmp_path):
    model = build(ChineseBertForMaskedLM)
    glyph_table(model).requires_grad_(False)
    model.resize_token_embeddings(51, pad_to_multiple_of=8)
    assert len(glyph_table(model)) == len(model.get_input_embeddings().weight) == 56
    assert not glyph_table(model).requires_grad
    model.save_pretrained(tmp_path)
    loaded = ChineseBertForMaskedLM.from_pretrained(tmp_path)
    assert torch.equal(glyph_table(loaded).detach(), glyph_table(model).detach())


def quantize_table(parent, name):
    table = getattr(parent, name)
    table.qconfig = torch.ao.quantization.float_qparams_weight_only_qconfig
    setattr(parent, name, torch.ao.nn.quantized.Embedding.from_float(table))


class Doubled(nn.Module):
    def forward(self, weight):
        return weight * 2


def replaced(model, kind):
    """A model in which something stands around a table, or in its place."""
    embeddings = model.base_model.embeddings
    glyphs = embeddings.glyph_embeddings
    if kind == "parametrized words":
        parametrize.register_parametrization(embeddings.word_embeddings, "weight", Doubled())
    elif kind == "parametrized glyphs":
        parametrize.register_parametrization(glyphs.embedding, "weight", Doubled())
    elif kind == "pruned glyphs":
        prune.random_unstructured(glyphs.embedding, "weight", 0.5)
    elif kind == "quantized words":
        quantize_table(embeddings, "word_embeddings")
    elif kind == "quantized glyphs":
        quantize_table(glyphs, "embedding")
    else:
        peft = pytest.importorskip("peft")
        options = {
            "lora words": {"target_modules": ["word_embeddings", "query"]},
            "dora words": {"target_modules": ["word_embeddings"], "use_dora": True},
            "lora glyphs": {"target_modules": ["glyph_embeddings.embedding"]},
            "token vectors": {"target_modules": ["query"], "trainable_token_indices": {"word_embeddings": [1, 4]}},
            "token glyphs": {
                "target_modules": ["query"],
                "trainable_token_indices": {"glyph_embeddings.embedding": [4]},
            },
            "saved words": {"target_modules": ["query"], "modules_to_save": ["word_embeddings"]},
            "saved glyphs": {"target_modules": ["query"], "modules_to_save": ["glyph_embeddings"]},
        }[kind]
        peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False, **options)).eval()
    return model


ADAPTED = ["lora words", "dora words", "lora glyphs", "token vectors", "token glyphs", "saved words", "saved glyphs"]
REPLACED = [*ADAPTED, "parametrized words", "parametrized glyphs", "quantized words", "quantized glyphs"]


@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings")
@pytest.mark.parametrize("kind", REPLACED)
@pytest.mark.parametrize("cls", [ChineseBertModel, ChineseBertForMaskedLM])
def test_tables_within_adapters_are_not_resized(cls, kind):
    """Asking for the present size changes nothing, as PEFT does; another one is refused before anything is changed."""
    model, inputs = replaced(build(cls), kind), inputs_for(cls, labels=False)
    wanted = no_grad(model, inputs)
    assert_same(with_grad(model, inputs), wanted)
    for size in ((), (None,), (50,)):
        assert model.resize_token_embeddings(*size) is model.get_input_embeddings()
    for arguments in ((57,), (20,), (None, 8)):
        with pytest.raises(TypeError, match="before adapters or quantization"):
            model.resize_token_embeddings(*arguments)
    assert model.config.vocab_size == 50
    assert_same(no_grad(model, inputs), wanted, atol=0)


@pytest.mark.parametrize("kind", ["lora glyphs", "saved glyphs", "lora words", "parametrized words"])
def test_glyphs_are_written_below_an_adapter(kind):
    model, inputs = replaced(build(), kind), make_inputs()
    before = no_grad(model, inputs)
    images = torch.randint(0, 256, (50, 27), dtype=torch.uint8)
    model.set_glyphs(images)
    assert torch.equal(model.embeddings.glyph_embeddings.embedding.weight.detach(), images / 255)
    assert_table_is_fresh(model, inputs)
    assert (no_grad(model, inputs)[0] - before[0]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["token glyphs", "parametrized glyphs", "pruned glyphs", "quantized glyphs"])
def test_glyphs_that_would_be_lost_are_refused(kind):
    """A weight that is computed when it is read takes what is written to it, and forgets it."""
    model, inputs = replaced(build(), kind), make_inputs()
    before = no_grad(model, inputs)
    with pytest.raises(TypeError, match="computed or quantized and cannot be written to"):
        model.set_glyphs(torch.zeros(50, 27, dtype=torch.uint8))
    assert_same(no_grad(model, inputs), before, atol=0)


# ---------------------------------------------------------------------------------------------- masks


def masked_by_hand(number=3, mask=4):
    """Ids 10..49 of which some are masked, with their pinyin, which stays; and the labels."""
    ids, pinyin_ids = torch.randint(10, 50, (2, 12)), torch.randint(1, 32, (2, 12, 8))
    labels = torch.full_like(ids, -100)
    labels.view(-1)[torch.randperm(24)[:number]] = 0
    labels = torch.where(labels == 0, ids, labels)
    return {"input_ids": ids.masked_fill(labels != -100, mask), "pinyin_ids": pinyin_ids, "labels": labels}, ids


@pytest.mark.parametrize("number", [2, 3, 20])
def test_pinyin_of_masked_characters_is_warned_of_once(number, warnings):
    model, (inputs, _) = build(ChineseBertForMaskedLM), masked_by_hand(number)
    hidden = inputs["pinyin_ids"].masked_fill((inputs["input_ids"] == 4)[..., None], 0)
    model(**inputs | {"pinyin_ids": hidden})
    assert not warnings
    kept = (inputs["labels"] == -100).nonzero()[0].tolist()  # a position that is predicted, but kept, does not matter
    inputs["labels"][tuple(kept)] = inputs["input_ids"][tuple(kept)]
    for _ in range(3):
        model(**inputs)
    assert len(warnings) == 1
    assert f"{number} masked positions (input id 4) still have the pinyin" in warnings[0]
    assert "DataCollatorForMaskedCharacters" in warnings[0]


def test_glyph_ids_of_masked_characters_are_warned_of(warnings):
    model, (inputs, ids) = build(ChineseBertForMaskedLM), masked_by_hand(1)
    inputs["pinyin_ids"].zero_()
    model(**inputs, glyph_ids=inputs["input_ids"])
    assert not warnings
    model(**inputs, glyph_ids=ids)
    assert ["glyph_ids shows the hidden character at 1 masked positions" in text for text in warnings] == [True]


def test_right_masks_are_not_warned_of(warnings):
    """Random tokens with a reading of their own, wrong characters with theirs (spelling correction), no mask at all."""
    model, (inputs, ids) = build(ChineseBertForMaskedLM), masked_by_hand(20)
    readings = torch.randint(1, 32, (50, 8))
    wrong = torch.where(torch.rand(2, 12) < 0.3, torch.randint(10, 50, (2, 12)), ids)
    wrong[0, :3] = 30  # a heteronym may be wrong twice
    pinyin_ids = readings[wrong]
    pinyin_ids[0, 0, 4] = 3
    model(input_ids=wrong, pinyin_ids=pinyin_ids, labels=ids)
    # the only wrong characters are one that the vocabulary lacks, twice, each with its own reading
    unknown = ids.clone()
    unknown[:, 5] = 1
    model(input_ids=unknown, pinyin_ids=torch.randint(1, 32, (2, 12, 8)), labels=ids)
    random = torch.where(inputs["labels"] == -100, ids, torch.randint(10, 50, (2, 12)))
    model(input_ids=random, pinyin_ids=readings[random], labels=inputs["labels"])
    model(input_ids=ids, pinyin_ids=inputs["pinyin_ids"], labels=ids)
    model(input_ids=ids, pinyin_ids=inputs["pinyin_ids"], labels=torch.full_like(ids, -100))
    model(**{name: value for name, value in inputs.items() if name != "labels"})
    assert not warnings


# ---------------------------------------------------------------------------------------------- bad input


def ids_of(batch, length, value=1):
    return torch.full((batch, length), value)


WRONG_INPUTS = {
    "flat pinyin": ({"pinyin_ids": torch.zeros(2, 48, dtype=torch.long)}, r"pinyin_ids.*\(2, 48\).*\(2, 6, 8\)"),
    "pinyin of 7": ({"pinyin_ids": torch.zeros(2, 6, 7, dtype=torch.long)}, r"pinyin_ids.*\(2, 6, 7\).*\(2, 6, 8\)"),
    "pinyin of another length": ({"pinyin_ids": torch.zeros(2, 5, 8, dtype=torch.long)}, r"pinyin_ids.*\(2, 5, 8\)"),
    "pinyin 32": ({"pinyin_ids": torch.full((2, 6, 8), 32)}, "pinyin_ids.* 32.*0 to 31"),
    "pinyin -1": ({"pinyin_ids": torch.full((2, 6, 8), -1)}, "pinyin_ids.* -1.*0 to 31"),
    "ids beyond": ({"input_ids": ids_of(2, 6, 50)}, "input_ids.* 50.*0 to 49.*resize_token_embeddings"),
    "ids below": ({"input_ids": ids_of(2, 6, -3)}, "input_ids.* -3.*0 to 49"),
    "glyphs beyond": ({"glyph_ids": ids_of(2, 6, 50)}, "glyph_ids.* 50.*0 to 49"),
    "token types beyond": ({"token_type_ids": ids_of(2, 6, 2)}, "token_type_ids.* 2.*0 to 1.*type_vocab_size"),
    "positions beyond": ({"position_ids": ids_of(2, 6, 40)}, "position_ids.* 40.*0 to 39.*max_position_embeddings"),
    "too long": ({"input_ids": ids_of(2, 41)}, "41 tokens.*40 positions.*truncation"),
    "both": ({"inputs_embeds": torch.zeros(2, 6, 24)}, "exactly one of input_ids and inputs_embeds"),
    "neither": ({"input_ids": None}, "exactly one of input_ids and inputs_embeds"),
    "two axes too many": (
        {"input_ids": torch.zeros(2, 3, 6, dtype=torch.long)},
        r"input_ids has the shape \(2, 3, 6\)",
    ),
    "no glyph_ids": ({"input_ids": None, "inputs_embeds": torch.zeros(2, 6, 24)}, "inputs_embeds.*glyph_ids"),
}


@pytest.mark.parametrize("name", list(WRONG_INPUTS))
@pytest.mark.parametrize("cls", [ChineseBertModel, ChineseBertForTokenClassification])
@pytest.mark.parametrize("grad", [True, False])
def test_wrong_inputs_are_explained(cls, name, grad):
    wrong, message = WRONG_INPUTS[name]
    model = build(cls)
    with pytest.raises(ValueError, match=f"(?s){message}"), torch.set_grad_enabled(grad):
        model(**{"input_ids": ids_of(2, 6), **wrong})


def test_the_longest_sequence_and_the_last_ids_are_taken():
    model = build()
    model(input_ids=ids_of(1, 40, 49), pinyin_ids=torch.full((1, 40, 8), 31), token_type_ids=ids_of(1, 40))


@oracle
def test_a_published_config_file_loads_and_is_saved_as_ours(tmp_path):
    assert json.loads((ORACLES / "tokcls" / "config.json").read_text())["model_type"] == "bert"
    config = ChineseBertConfig.from_pretrained(ORACLES / "tokcls")
    assert (config.hidden_size, config.num_labels) == (64, 5)
    model = ChineseBertModel.from_pretrained(ORACLES / "base")
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert (saved["model_type"], saved["architectures"]) == ("chinese_bert", ["ChineseBertModel"])
    again = AutoModel.from_pretrained(tmp_path)
    assert type(again) is ChineseBertModel
    inputs = case_inputs("base", "full")
    assert_same(no_grad(again, inputs), no_grad(model, inputs), atol=1e-6)


# ---------------------------------------------------------------------------------------------- weights kept elsewhere


@pytest.mark.parametrize("grad", [True, False])
def test_weights_offloaded_to_disk(grad, tmp_path):
    model, inputs = build(), make_inputs()
    model.save_pretrained(tmp_path)
    places = {"embeddings": "disk", "encoder": "cpu", "pooler": "cpu"}
    loaded = ChineseBertModel.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "offload")
    wanted = no_grad(model, inputs)
    with torch.set_grad_enabled(grad):
        for _ in range(2):
            assert_same([value.detach() for value in tensors(loaded(**inputs))], wanted)
