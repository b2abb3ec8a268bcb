"""The heads: against transformers' own BERT heads on a toy family, and what tools read of them in every family."""

import inspect

import chinese_bert_tools as chinese_bert
import glyph_crm_tools as glyph_crm
import numpy as np
import pytest
import torch
from chinese_bert_tools import assert_same, tensors
from export_tools import needs_newer_torch
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DynamicCache,
    Trainer,
    TrainingArguments,
)
from transformers.models.bert.modeling_bert import BertPreTrainedModel
from transformers.utils.generic import find_labels

from hanziformers import ChineseBertForMaskedLM
from hanziformers.modeling import task_heads, token_heads
from hanziformers.modeling.task_heads import position_loss

BERT_INPUTS = ["input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds"]
FAMILIES = {
    "ChineseBert": (chinese_bert, ["pinyin_ids", "glyph_ids"]),
    "GlyphCrm": (glyph_crm, ["glyph_ids", "extra_glyphs"]),
}
HEADS = [*chinese_bert.HEADS, *glyph_crm.HEADS]
LABELS = {
    "PreTraining": ["labels", "next_sentence_label"],
    "QuestionAnswering": ["start_positions", "end_positions"],
}


def family_of(cls):
    return next(tools for name, tools in FAMILIES.items() if cls.__name__.startswith(name))


def labels_of(cls):
    return next((names for end, names in LABELS.items() if cls.__name__.endswith(end)), ["labels"])


# ---------------------------------------------------------------------------------------------- against BERT's heads


class ToyModel(BertModel):
    """A BERT with one more input, which it must get."""

    def forward(self, input_ids=None, attention_mask=None, token_type_ids=None, position_ids=None, inputs_embeds=None,
                shade_ids=None, **kwargs):  # fmt: skip
        assert (shade_ids == 7).all()
        return super().forward(input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds, **kwargs)


class ToyTaskModel(BertPreTrainedModel):
    """All that a family must say."""

    extra_inputs = ("shade_ids",)
    vector_inputs = {}

    def __init__(self, config):
        super().__init__(config)
        self.bert = ToyModel(config, add_pooling_layer=self.reads != "tokens")
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)

    def sequence_vector(self, out):
        return out.pooler_output


STOCK = {
    "ForMaskedLM": BertForMaskedLM,
    "ForPreTraining": BertForPreTraining,
    "ForSequenceClassification": BertForSequenceClassification,
    "ForTokenClassification": BertForTokenClassification,
    "ForQuestionAnswering": BertForQuestionAnswering,
    "ForMultipleChoice": BertForMultipleChoice,
}


def toy(name, tied=True):
    """A head of the toy family and BERT's own with the same weights."""
    sizes = {name: value for name, value in chinese_bert.SIZES.items() if not name.startswith(("glyph", "pinyin"))}
    config = BertConfig(**sizes, tie_word_embeddings=tied)
    config.classifier = "linear"
    keys = {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
            "cls.predictions.decoder.bias": "cls.predictions.bias"}  # fmt: skip
    body = {"_tied_weights_keys": keys} if name in ("ForMaskedLM", "ForPreTraining") else {}
    head = getattr(token_heads if name == "ForTokenClassification" else task_heads, name)
    cls = type(f"Toy{name}", (head, ToyTaskModel), body)
    ours, stock = cls(config).eval(), STOCK[name](config).eval()
    state = {key.replace("cls.seq_relationship", "seq_relationship"): v for key, v in stock.state_dict().items()}
    info = ours.load_state_dict(state, strict=False)
    assert info.missing_keys == []
    assert info.unexpected_keys == ([] if tied or "cls.predictions.bias" not in state else ["cls.predictions.bias"])
    return ours, stock


def toy_inputs(name):
    shape = (4, 3, 9) if name == "ForMultipleChoice" else (4, 9)
    inputs = {"input_ids": torch.randint(0, 50, shape), "attention_mask": torch.ones(shape, dtype=torch.long)}
    inputs["token_type_ids"] = torch.randint(0, 2, shape)
    labels = {"labels": torch.randint(0, 2, (4, 9))}
    if name == "ForQuestionAnswering":
        labels = {"start_positions": torch.tensor([0, 3, 8, 30]), "end_positions": torch.tensor([1, 3, 40, 5])}
    elif name in ("ForSequenceClassification", "ForMultipleChoice"):
        labels = {"labels": torch.randint(0, 2, (4,))}
    elif name == "ForPreTraining":
        labels["next_sentence_label"] = torch.randint(0, 2, (4,))
    return inputs, labels, torch.full(shape, 7)


@pytest.mark.parametrize("name", list(STOCK))
def test_equal_to_the_heads_of_bert(name):
    ours, stock = toy(name)
    inputs, labels, shades = toy_inputs(name)
    found, wanted = ours(**inputs, **labels, shade_ids=shades), stock(**inputs, **labels)
    assert type(found) is type(wanted)
    assert list(found) == list(wanted)
    assert_same(tensors(found), tensors(wanted), atol=1e-6)
    assert_same(tensors(ours(**inputs, shade_ids=shades)), tensors(stock(**inputs)), atol=1e-6)
    as_tuple = ours(*inputs.values(), shade_ids=shades, return_dict=False)
    assert [value.shape for value in as_tuple] == [value.shape for value in stock(**inputs, return_dict=False)]
    states = ours(**inputs, shade_ids=shades, output_hidden_states=True).hidden_states
    assert_same(states, stock(**inputs, output_hidden_states=True).hidden_states)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", ["ForMaskedLM", "ForPreTraining"])
def test_the_decoder_is_tied_as_the_configuration_says(name, tied, tmp_path):
    ours, _ = toy(name, tied)
    words, head = ours.get_input_embeddings(), ours.cls.predictions
    assert (head.decoder.weight is words.weight) == tied
    assert ("bias" in head._parameters) == tied
    assert not tied or head.bias is head.decoder.bias
    inputs, labels, shades = toy_inputs(name)
    ours(**inputs, **labels, shade_ids=shades).loss.backward()
    assert [key for key, p in ours.named_parameters() if p.grad is None] == []
    ours.save_pretrained(tmp_path)
    loaded, info = type(ours).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert torch.equal(loaded.cls.predictions.decoder.weight, head.decoder.weight)
    loaded.resize_token_embeddings(60)
    assert loaded.get_output_embeddings().weight.shape == (60, 24)
    assert (loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight) == tied
    assert loaded(**inputs, shade_ids=shades)[0].shape == (4, 9, 60)


def test_positions_outside_are_not_scored_and_none_is_no_nan():
    logits = torch.randn(3, 5)
    found = position_loss(logits, torch.tensor([[2], [9], [-1]]))
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits[:1], torch.tensor([2])))
    assert position_loss(logits, torch.tensor([5, 9, -100])).item() == 0


# ---------------------------------------------------------------------------------------------- what tools read


@pytest.mark.parametrize("cls", HEADS)
def test_the_signature_names_every_input(cls):
    own, labels = family_of(cls)[1], labels_of(cls)
    names = [*BERT_INPUTS, *labels, *own, "kwargs"]
    assert list(inspect.signature(cls.forward).parameters) == ["self", *names]
    model = family_of(cls)[0].build(cls)
    parameters = inspect.signature(model.forward).parameters
    # all may be passed by position too, as torch.jit.trace and the ONNX exporter built on it do
    assert list(parameters) == [*inspect.getfullargspec(model.forward).args[1:], "kwargs"] == names
    assert all(parameter.default is None for name, parameter in parameters.items() if name != "kwargs")
    assert "TransformersKwargs" in str(parameters["kwargs"].annotation)
    assert find_labels(cls) == labels
    assert all(f"{name}: [B" in cls.forward.__doc__ for name in labels)
    assert not cls.accepts_loss_kwargs


@pytest.mark.parametrize("cls", [*chinese_bert.EVERY, *glyph_crm.EVERY])
def test_unknown_inputs_are_refused(cls):
    tools = family_of(cls)[0]
    model, inputs = tools.build(cls), tools.inputs_for(cls)
    wrong = "extra_glyphs" if tools is chinese_bert else "pinyin_ids"
    with pytest.raises(TypeError, match=rf"takes no {wrong}; its inputs are input_ids, .*glyph_ids"):
        model(**inputs, **{wrong: inputs["input_ids"]})
    with pytest.raises(TypeError, match="takes no label"):
        model(**inputs, label=inputs["input_ids"])
    # nor in other forms, which the layers would take for options: prefix tuning of PEFT gives a cache
    for name, value in {"past_key_values": DynamicCache(), "label": [0, 1], "ids": np.zeros(3)}.items():
        with pytest.raises(TypeError, match=f"takes no {name}"):
            model(**inputs, **{name: value})
    model(**inputs, use_cache=False)
    model(**inputs, num_items_in_batch=torch.tensor(3), output_hidden_states=True)


def test_a_subclass_may_have_a_forward_of_its_own():
    class Weighted(ChineseBertForMaskedLM):
        def forward(self, input_ids=None, weight=1.0, **kwargs):
            return super().forward(input_ids, **kwargs).logits * weight

    class Same(ChineseBertForMaskedLM):
        pass

    assert list(inspect.signature(Weighted.forward).parameters) == ["self", "input_ids", "weight", "kwargs"]
    assert Same.forward is ChineseBertForMaskedLM.forward
    model, inputs = chinese_bert.build(Weighted), chinese_bert.make_inputs()
    half = model(**inputs, weight=0.5)
    torch.testing.assert_close(half, ChineseBertForMaskedLM.forward(model, **inputs).logits / 2)


@pytest.mark.parametrize("cls", HEADS)
def test_a_subclass_by_another_name_has_the_same_loss(cls):
    """Transformers takes the loss from the name of the class, and that of the next token where it finds none."""
    tools = family_of(cls)
    model, inputs = tools[0].build(cls), tools[0].inputs_for(cls)
    other = type("Mine", (cls,), {})(model.config).eval()
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(**inputs).loss, model(**inputs).loss)


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("cls", [*chinese_bert.EVERY, *glyph_crm.EVERY])
def test_tuples_may_be_asked_for(cls, labels, tmp_path):
    """By the configuration, by from_pretrained or by the call; never of the base model within a head."""
    tools = family_of(cls)[0]
    model, inputs = tools.build(cls), tools.inputs_for(cls, labels=labels)
    wanted = list(model(**inputs).values())
    with_states = list(model(**inputs, output_hidden_states=True).values())
    assert type(model(**inputs, return_dict=False)) is tuple
    model.save_pretrained(tmp_path)
    loaded = cls.from_pretrained(tmp_path, return_dict=False)
    model.config.return_dict = False
    for variant in (model, loaded):
        found = variant(**inputs)
        assert type(found) is tuple
        assert_same(found, wanted)
        assert_same(list(variant(**inputs, return_dict=True).values()), wanted)
        *found, states = variant(**inputs, output_hidden_states=True)
        assert_same(found, with_states[:-1])
        assert_same(states, with_states[-1])


CHOICES = [chinese_bert.ChineseBertForMultipleChoice, glyph_crm.GlyphCrmForMultipleChoice]


@pytest.mark.parametrize("cls", CHOICES)
@pytest.mark.parametrize("extras", [3, 1, 0])
def test_choices_may_be_flattened_as_the_collator_does(cls, extras):
    """DataCollatorForMultipleChoice views all that follows the choices as one axis."""
    tools = family_of(cls)[0]
    model, inputs = tools.build(cls), tools.inputs_for(cls)
    if "extra_glyphs" in inputs:
        inputs["extra_glyphs"] = inputs["extra_glyphs"][:, :, :extras]
        inputs["glyph_ids"].clamp_(max=59 + extras)
    flat = {name: value if value.dim() < 3 else value.reshape(4, 3, -1) for name, value in inputs.items()}
    assert max(value.dim() for value in flat.values()) == 3
    assert_same(tensors(model(**flat)), tensors(model(**inputs)), atol=0)


@pytest.mark.parametrize("cls", CHOICES)
def test_vectors_of_choices_that_do_not_fit_are_explained(cls):
    tools = family_of(cls)[0]
    model, inputs = tools.build(cls), tools.inputs_for(cls)
    name = "pinyin_ids" if tools is chinese_bert else "extra_glyphs"
    inputs[name] = inputs[name].flatten(2)[..., :-1]
    with pytest.raises(ValueError, match=f"{name}.*needed"):
        model(**inputs)


def test_choices_of_glyph_crm_are_scored_each_by_itself():
    model = glyph_crm.build(glyph_crm.GlyphCrmForMultipleChoice)
    inputs = glyph_crm.inputs_for(glyph_crm.GlyphCrmForMultipleChoice)
    labels = inputs.pop("labels")
    output = model(**inputs, labels=labels)
    torch.testing.assert_close(output.loss, torch.nn.functional.cross_entropy(output.logits, labels))
    for choice in range(3):
        one = {name: value[:, choice] for name, value in inputs.items()}
        wanted = model.classifier(model.glyph_crm(**one).last_hidden_state[:, 0])
        torch.testing.assert_close(output.logits[:, choice : choice + 1], wanted, atol=1e-5, rtol=0)
    bank, parts = model.get_input_embeddings(), {name: value.flatten(0, 1) for name, value in inputs.items()}
    vectors = bank(parts["glyph_ids"], parts["extra_glyphs"]).unflatten(0, (4, 3))
    rest = {name: inputs[name] for name in ("attention_mask", "token_type_ids")}
    torch.testing.assert_close(model(inputs_embeds=vectors, **rest).logits, output.logits, atol=1e-5, rtol=0)


@needs_newer_torch
@pytest.mark.parametrize("cls", HEADS)
@pytest.mark.parametrize("strict", [True, False])
def test_exported(cls, strict):
    torch._dynamo.reset()
    tools = family_of(cls)[0]
    model, inputs = tools.build(cls, num_hidden_layers=1), tools.inputs_for(cls, labels=False)
    with torch.no_grad():
        wanted = tensors(model(**inputs))
        exported = torch.export.export(model, (), inputs, strict=strict).module()
        found = exported(**inputs)
    assert_same(tensors(found) if isinstance(found, dict) else list(found), wanted)


# ---------------------------------------------------------------------------------------------- the Trainer


class Examples(Dataset):
    """The examples of a batch, with a column that no model knows."""

    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch["input_ids"])

    def __getitem__(self, index):
        return {name: value[index] for name, value in self.batch.items()} | {"line": "x"}


@pytest.mark.parametrize("name", ["ChineseBertForTokenClassification", "ChineseBertForMultipleChoice",
                                  "GlyphCrmForTokenClassification", "GlyphCrmForPreTraining",
                                  "GlyphCrmForMultipleChoice"])  # fmt: skip
def test_trained_by_the_trainer_with_noise_on_the_embeddings(name, tmp_path):
    """NEFTune hooks `get_input_embeddings()`; the columns of the data set reach the model, but for the unknown one."""
    cls = next(cls for cls in HEADS if cls.__name__ == name)
    (tools, own), seen, losses = family_of(cls), [], {}
    batch = tools.inputs_for(cls)
    for alpha in (None, 5.0):
        torch.manual_seed(1)
        model = tools.build(cls, **glyph_crm.NO_DROPOUT)
        model.base_model.register_forward_pre_hook(lambda m, a, inputs: seen.append(inputs), with_kwargs=True)
        before = {name: value.clone() for name, value in model.named_parameters()}
        arguments = TrainingArguments(
            str(tmp_path), max_steps=1, per_device_train_batch_size=4, neftune_noise_alpha=alpha, report_to="none",
            use_cpu=True, save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = Trainer(model, arguments, train_dataset=Examples(batch))
        losses[alpha] = trainer.train().training_loss
        assert any(not torch.equal(value, before[name]) for name, value in model.named_parameters())
        assert not model.get_input_embeddings()._forward_hooks
    given = {name for name, value in seen[0].items() if value is not None} - {"return_dict"}
    assert given == batch.keys() - set(labels_of(cls))
    assert set(seen[0]) - set(BERT_INPUTS) - {"num_items_in_batch", "return_dict"} == set(own)
    assert 0 < losses[None] != losses[5.0] < 100
