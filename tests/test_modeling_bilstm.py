"""BiLSTMs over characters: against torch's own LSTM, what the switch removes, padding, sizes, all ways they run."""

import copy
import warnings
from pathlib import Path

import glyce_ranks
import pytest
import torch
from bilstm_tools import NO_DROPOUT, SIZES, SWITCHES, build, make_inputs, make_labels, random_images
from chinese_bert_tools import assert_same, gradients, no_grad, tensors, with_grad
from export_tools import needs_newer_torch
from process_tools import run_ranks
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AutoModel, AutoModelForTokenClassification, Trainer, TrainingArguments

from hanziformers import (
    BiLstmForMultipleChoice,
    BiLstmForQuestionAnswering,
    BiLstmForSequenceClassification,
    BiLstmForTokenClassification,
    BiLstmModel,
)
from hanziformers.training.glyph_loss_callback import GlyphLossCallback

HEADS = [BiLstmForTokenClassification, BiLstmForSequenceClassification, BiLstmForQuestionAnswering]
EVERY = [BiLstmModel, *HEADS]


def inputs_for(cls, **more):
    inputs = make_inputs(**more)
    batch = torch.arange(len(inputs["input_ids"]))
    labels = {
        BiLstmForTokenClassification: {"labels": make_labels(inputs)},
        BiLstmForSequenceClassification: {"labels": batch % 5},
        BiLstmForQuestionAnswering: {"start_positions": batch, "end_positions": batch + 1},
    }
    return {**inputs, **labels.get(cls, {})}


# ---------------------------------------------------------------------------------------------- against its parts


def packed(model, vectors, lengths):
    """Torch's own bidirectional LSTMs on packed rows, with the same weights."""
    for layer in model.lstm.layer:
        lstm = nn.LSTM(vectors.shape[-1], layer.width // 2, batch_first=True, bidirectional=True)
        weights = layer.forwards.state_dict()
        weights |= {f"{name}_reverse": value for name, value in layer.backwards.state_dict().items()}
        lstm.load_state_dict(weights)
        rows = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        vectors = pad_packed_sequence(lstm(rows)[0], batch_first=True, total_length=vectors.shape[1])[0]
    return vectors


@pytest.mark.parametrize("training", [False, True])
def test_texts_without_any_token(training):
    ids = torch.zeros(2, 0, dtype=torch.long)
    found = build(BiLstmModel).train(training)(ids, ids)
    assert found.last_hidden_state.shape[:2] == (2, 0)
    assert found.pooler_output.shape[0] == 2
    assert not found.pooler_output.any()


@pytest.mark.parametrize("name", list(SWITCHES))
def test_equal_to_packed_rows(name):
    model, inputs = build(BiLstmModel, **SWITCHES[name]), make_inputs()
    mask = inputs["attention_mask"]
    vectors, _ = model.embeddings(inputs["input_ids"], inputs["glyph_ids"], inputs["extra_glyphs"])
    wanted = packed(model, vectors, mask.sum(1))
    for out in (model(**inputs), model(**inputs, output_hidden_states=True)):
        torch.testing.assert_close(out.last_hidden_state, wanted)
        assert out.image_loss is None
        for row, length in enumerate(mask.sum(1).tolist()):
            torch.testing.assert_close(out.pooler_output[row], wanted[row, :length].amax(0))
    assert [states.shape[-1] for states in out.hidden_states] == [model.config.input_size, 12, 12]
    torch.testing.assert_close(out.hidden_states[-1], wanted)
    model.config.output_hidden_states = True
    assert len(model(**inputs).hidden_states) == 3
    assert model(**inputs, output_hidden_states=False).hidden_states is None
    assert isinstance(model(**inputs, return_dict=False), tuple)


@pytest.mark.parametrize("classifier", ["crf", "linear", "mlp"])
@pytest.mark.parametrize("cls", HEADS)
def test_padding_changes_nothing_on_either_side(cls, classifier):
    model, inputs = build(cls, classifier=classifier), make_inputs()
    wanted = model(**inputs)
    left = dict(inputs)
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items() if name != "extra_glyphs"}
        out = model(**alone, extra_glyphs=inputs["extra_glyphs"][row : row + 1])
        for name, value in out.items():
            part = wanted[name][row, :length] if value.shape[1] == length else wanted[name][row]
            torch.testing.assert_close(value[0], part, atol=1e-5, rtol=1e-4)
        for name in alone:
            left[name] = left[name].clone()
            left[name][row] = inputs[name][row].roll(9 - length)
    if cls is BiLstmForSequenceClassification:
        torch.testing.assert_close(model(**left).logits, wanted.logits)
    elif cls is BiLstmForTokenClassification:
        lengths = inputs["attention_mask"].sum(1).tolist()
        for row, length in enumerate(lengths):
            found = model(**left).logits[row].roll(length - 9, 0)[:length]
            torch.testing.assert_close(found, wanted.logits[row, :length], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("classifier", ["crf", "linear"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 600)])
def test_texts_of_any_length(cls, classifier, shape):
    model = build(cls, classifier=classifier)
    for training in (False, True):
        out = model.train(training)(torch.randint(3, 50, shape))
        assert all(value.isfinite().all() for value in tensors(out))


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("classifier", ["crf", "linear"])
def test_a_text_of_padding_alone(cls, classifier):
    model, inputs = build(cls, classifier=classifier), inputs_for(cls)
    wanted = [value[1:] for value in no_grad(model, inputs) if value.dim()]
    inputs["attention_mask"][0] = 0
    for name in ("input_ids", "glyph_ids"):
        inputs[name][0] = 0
    if "start_positions" in inputs:
        inputs["start_positions"][0] = inputs["end_positions"][0] = -1
    found = [value[1:] for value in no_grad(model, inputs) if value.dim()]
    assert_same(found, wanted)
    out = model.train()(**inputs)
    sum(value.sum() for value in ([out.loss] if "loss" in out else tensors(out))).backward()
    assert all(grad.isfinite().all() for grad in gradients(model).values())


def test_rows_are_the_ids_of_the_vocabulary():
    """What BERT's own tokenizer gives is enough, for characters of the vocabulary."""
    model, inputs = build(), make_inputs()
    inputs = {name: value for name, value in inputs.items() if "glyph" not in name}
    assert_same(no_grad(model, inputs), no_grad(model, {**inputs, "glyph_ids": inputs["input_ids"]}))
    ids = inputs.pop("input_ids")
    vectors = {**inputs, "inputs_embeds": model.get_input_embeddings()(ids), "glyph_ids": ids}
    assert_same(no_grad(model, vectors), no_grad(model, {**inputs, "input_ids": ids}))


def test_what_an_lstm_does_not_take_is_refused():
    model, inputs = build(), make_inputs()
    with pytest.raises(ValueError, match="position_ids are not allowed: an LSTM reads tokens in their order"):
        model(**inputs, position_ids=torch.arange(9)[None])
    with pytest.raises(TypeError, match="takes no pinyin_ids; its inputs are input_ids"):
        model(**inputs, pinyin_ids=torch.zeros(4, 9, 8))
    assert_same(no_grad(model, inputs), no_grad(model, {**inputs, "token_type_ids": inputs["attention_mask"]}))


@pytest.mark.parametrize("cls", [BiLstmModel, BiLstmForTokenClassification, BiLstmForSequenceClassification])
def test_masks_that_say_nothing_of_every_token_are_refused(cls):
    """Texts, or their ends, would be left out; a mask for attention would not be read at all."""
    model, inputs = build(cls), make_inputs()
    mask = inputs.pop("attention_mask")
    for wrong in (mask[:1], mask[:, :-2], mask[:, :1], mask[0], mask[:, None, None], 2 * mask, (1 - mask) * -1e9):
        with pytest.raises(ValueError, match="attention_mask (has the shape|holds)"):
            model(**inputs, attention_mask=wrong)
    for name, value in {**inputs, "attention_mask": mask}.items():
        if name != "token_type_ids":  # which is not read
            with pytest.raises(TypeError, match=f"{name} is of the type list; needed is a tensor"):
                model(**{**inputs, name: value.tolist()})


@pytest.mark.parametrize("classifier", ["linear", "mlp", "crf"])
def test_labels_of_another_shape_are_refused(classifier):
    """They would be copied to every text, or to every token."""
    model, inputs = build(classifier=classifier), make_inputs()
    for shape in ((9,), (1, 9), (4, 1), (4, 8)):
        with pytest.raises(ValueError, match=r"labels have the shape .*; needed is that of input_ids, \(4, 9\)"):
            model(**inputs, labels=torch.zeros(shape, dtype=torch.long))


# ---------------------------------------------------------------------------------------------- the switch and losses


@pytest.mark.parametrize(
    ("name", "parts"),
    [("ids", ".embeddings.glyphs."), ("without image classification", ".embeddings.glyphs.classification.")],
)
def test_switches_remove_the_parts(name, parts, tmp_path):
    """No parameter and no buffer is left, in the checkpoint neither; the inputs may stay."""
    whole, model, inputs = build(), build(**SWITCHES[name]), make_inputs()
    assert set(model.state_dict()) == {key for key in whole.state_dict() if parts not in key}
    model.save_pretrained(tmp_path)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert_same(no_grad(loaded, inputs), no_grad(model, inputs))
    if name == "ids":
        texts = {key: value for key, value in inputs.items() if "glyph" not in key}
        assert_same(no_grad(model, texts), no_grad(model, inputs))
        with pytest.raises(ValueError, match="no bank of glyphs.*glyce=False"):
            model.base_model.set_glyphs(random_images(2))


@pytest.mark.parametrize("cls", HEADS)
@pytest.mark.parametrize("classifier", ["linear", "crf"])
def test_the_loss_is_eq_2(cls, classifier):
    model, inputs = build(cls, classifier=classifier, **NO_DROPOUT), inputs_for(cls)
    task = model(**inputs).loss  # in evaluation that of the task alone
    base = model.train().base_model
    scored = (inputs["glyph_ids"] > 2) & (inputs["glyph_ids"] < 50) & (inputs["attention_mask"] > 0)
    rows = inputs["glyph_ids"][scored]
    logits = base.image_classification.dense(base.glyph_bank.encoder(base.glyph_bank.glyphs[rows] / 255))
    images = F.cross_entropy(logits, rows)
    for weight in (0.1, 0.0, 1.0, 0.25):
        if weight != 0.1:  # that of the configuration
            base.image_loss_weight = weight
        torch.testing.assert_close(model(**inputs).loss, (1 - weight) * task + weight * images, atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("name", list(SWITCHES))
@pytest.mark.parametrize("cls", HEADS)
def test_every_parameter_gets_a_gradient(cls, name):
    model = build(cls, **SWITCHES[name]).train()
    model(**inputs_for(cls)).loss.backward()
    assert not [key for key, parameter in model.named_parameters() if parameter.grad is None]


def test_a_batch_without_any_image_still_reaches_every_parameter():
    """Or the ranks of a distributed run would wait for each other."""
    model, inputs = build().train(), inputs_for(BiLstmForTokenClassification)
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=2)
    model(**inputs).loss.backward()
    assert gradients(model).keys() == {name for name, _ in model.named_parameters()}
    assert all(grad.isfinite().all() for grad in gradients(model).values())


@pytest.mark.parametrize("cls", HEADS)
def test_a_trainer_trains_it_and_moves_its_schedule(cls, tmp_path):
    model, inputs = build(cls, classifier="crf", **NO_DROPOUT), inputs_for(cls, batch=8)
    rows = [{name: value[row] for name, value in inputs.items()} for row in range(8)]
    options = {"use_cpu": True, "max_steps": 60, "report_to": "none", "save_strategy": "no", "disable_tqdm": True}
    options |= {"learning_rate": 0.02, "per_device_train_batch_size": 8}
    arguments = TrainingArguments(str(tmp_path), **options)
    before = model.eval()(**inputs).loss.item()
    Trainer(model, arguments, train_dataset=rows, callbacks=[GlyphLossCallback()]).train()
    assert model.base_model.image_loss_weight == pytest.approx(0.1 * 0.8**59)
    assert model.eval()(**inputs).loss.item() < 0.5 * before


# ---------------------------------------------------------------------------------------------- saving and sizes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", list(SWITCHES))
def test_saved_models_come_back_whole(name, dtype, tmp_path):
    model, inputs = build(**SWITCHES[name]).to(dtype), make_inputs()
    model.train()(**inputs)
    model.eval().save_pretrained(tmp_path)
    for auto_class, wanted in ((AutoModelForTokenClassification, model), (AutoModel, model.bilstm)):
        loaded, info = auto_class.from_pretrained(tmp_path, dtype="auto", output_loading_info=True)
        assert type(loaded) is type(wanted)
        assert not info["missing_keys"]
        assert_same(no_grad(loaded, inputs), no_grad(wanted, inputs))
        found = loaded.state_dict()
        assert all(torch.equal(value, found[key]) for key, value in wanted.state_dict().items())


@pytest.mark.parametrize("name", ["both", "ids", "glyphs"])
def test_resizing_the_vocabulary(name, tmp_path):
    """The bank and the classifier of images follow, or a new token would have no image and no class."""
    model, inputs = build(glyph_vocab_size=50, **SWITCHES[name]), make_inputs()
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=49)
    wanted = no_grad(model, inputs)
    table = model.resize_token_embeddings(53)
    assert table is model.get_input_embeddings()
    assert (table.num_embeddings, model.config.vocab_size, model.config.num_glyphs) == (53, 53, 53)
    assert table.padding_idx == 0
    assert_same(no_grad(model, inputs), wanted)
    inputs["input_ids"][0, 1] = inputs["glyph_ids"][0, 1] = 52
    if name != "ids":
        bank, classification = model.bilstm.glyph_bank, model.bilstm.image_classification
        assert (len(bank.glyphs), classification.dense.out_features) == (53, 53)
        model.bilstm.set_glyphs(random_images(4)[3:], [52])
    model.train()(**inputs, labels=make_labels(inputs)).loss.backward()
    model.save_pretrained(tmp_path)
    assert BiLstmForTokenClassification.from_pretrained(tmp_path).config.vocab_size == 53
    model.resize_token_embeddings(40)
    assert model.config.vocab_size == model.config.num_glyphs == 40
    if name != "ids":
        with pytest.raises(ValueError, match="cannot be resized from 50 to 53.*rows of the glyph bank from 50 to 60"):
            build(**SWITCHES[name]).resize_token_embeddings(53)


# ---------------------------------------------------------------------------------------------- ways to run


def test_choices():
    model, inputs = build(BiLstmForMultipleChoice), make_inputs(batch=4)
    whole = {name: value.unflatten(0, (2, 2)) for name, value in inputs.items()}
    out = model(**whole, labels=torch.tensor([0, 1]))
    assert out.logits.shape == (2, 2)
    scores = model.classifier(model.bilstm(**inputs).pooler_output)
    torch.testing.assert_close(out.logits.flatten(), scores.flatten())


@pytest.mark.parametrize("cls", EVERY)
def test_bfloat16_is_near_float32(cls):
    model, inputs = build(cls), inputs_for(cls)
    wanted, near = with_grad(model, inputs), {"atol": 0.3, "rtol": 0.05}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([value.float() for value in with_grad(model, inputs)], wanted, **near)
        with_grad(copy.deepcopy(model).train(), inputs)
    model.to(torch.bfloat16)
    assert_same([value.float() for value in no_grad(model, inputs)], wanted, **near)
    sum(value.float().sum() for value in tensors(model.train()(**inputs))).backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


@pytest.mark.parametrize("name", ["both", "ids"])
def test_a_trace_serves_other_sizes(name):
    model, example = build(BiLstmForSequenceClassification, **SWITCHES[name]), make_inputs(2, 9, 3)
    no_grad(model, example)  # keeps vectors, which no trace may hold
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, example_kwarg_inputs=example, strict=False, check_trace=False)
    for sizes in ((4, 12, 2), (1, 5, 1)):
        inputs = make_inputs(*sizes)
        assert_same(list(traced(**inputs).values()), no_grad(model, inputs))


@needs_newer_torch
def test_compiled_and_exported_graphs_give_the_same():
    """Torch itself writes an LSTM out over the positions when it exports: other batches, but of that length."""
    torch._dynamo.reset()
    model = build(BiLstmForSequenceClassification, num_hidden_layers=1)
    inputs, other = make_inputs(2, 5), make_inputs(3, 5)
    compiled = torch.compile(model, backend="eager")
    assert_same(no_grad(compiled, inputs), no_grad(model, inputs))
    with torch.no_grad():
        model.bilstm.glyph_bank.encoder.conv1.bias.add_(1)
    assert_same(no_grad(compiled, inputs), with_grad(model, inputs))  # no table is baked into the graph
    with torch.no_grad():
        axes = {name: {0: torch.export.Dim("batch")} for name in inputs}
        exported = torch.export.export(model, (), inputs, dynamic_shapes=axes, strict=False).module()
    assert_same(tensors(exported(**other)), no_grad(model, other))


def test_a_crf_cannot_be_exported():
    with pytest.raises(ValueError, match="a CRF decodes in a loop"):
        torch.export.export(build(classifier="crf"), (), make_inputs(), strict=False)


def test_ranks_that_see_different_numbers_of_characters(tmp_path):
    """DDP: rank 0 sees one distinct character, rank 1 many; no parameter is left without a gradient."""
    run_ranks(Path(__file__).with_name("glyce_ranks.py"), tmp_path / "gradients.pt", "both", "bilstm_tools")
    found = torch.load(tmp_path / "gradients.pt")
    model, inputs = glyce_ranks.model_and_batch("both", "bilstm_tools")
    parts = []
    for rank in range(2):
        model.zero_grad()
        model(**{name: value[2 * rank : 2 * rank + 2] for name, value in inputs.items()}).loss.backward()
        parts.append(gradients(model))
    assert found.keys() == parts[0].keys() == {name for name, _ in model.named_parameters()}
    for name, value in found.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2, atol=1e-5, rtol=1e-4)


def test_an_adapter_trains_the_lstm_and_leaves_the_image_classification_alone():
    peft = pytest.importorskip("peft")
    options = {"task_type": "SEQ_CLS", "target_modules": ["ids"], "r": 2}
    model = peft.get_peft_model(build(BiLstmForSequenceClassification), peft.LoraConfig(**options)).train()
    model(**inputs_for(BiLstmForSequenceClassification)).loss.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == gradients(model).keys()
    assert not [name for name in trained if "classification" in name]


def test_sizes_follow_the_configuration():
    model = build(**{**SIZES, "hidden_size": 20, "num_hidden_layers": 3})
    assert [layer.width for layer in model.bilstm.lstm.layer] == [20, 20, 20]
    assert model.classifier.in_features == 20
