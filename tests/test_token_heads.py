"""The head that labels tokens in every family: its CRF by that of the rows alone, and what tools do with it."""

import copy
import inspect

import chinese_bert_tools as chinese_bert
import glyph_crm_tools as glyph_crm
import numpy as np
import pytest
import torch
from crf_tools import as_lists
from export_tools import needs_newer_torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from hanziformers import ChineseBertForTokenClassification, GlyphCrmForTokenClassification
from hanziformers.modeling.token_heads import ForTokenClassification
from hanziformers.training.tag_schemes import decode_tags

PAD, CLS, SEP = 0, 1, 2
LABELS = ["B-人-名", "I-LOC", "O", "B-LOC", "I-人-名"]
FIELDS = {
    "classifier": "crf",
    "special_token_ids": [PAD, CLS, SEP],
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: index for index, label in enumerate(LABELS)},
}
FAMILIES = {
    ChineseBertForTokenClassification: chinese_bert,
    GlyphCrmForTokenClassification: glyph_crm,
}
every_family = pytest.mark.parametrize("cls", list(FAMILIES))


def build(cls, **fields):
    model = FAMILIES[cls].build(cls, **{**FIELDS, **fields})
    with torch.no_grad():
        for parameter in model.classifier.parameters():
            parameter.normal_()
    return model


def make_batch(cls, ids):
    """A batch with these ids; padding has no attention."""
    ids = torch.tensor(ids)
    batch = FAMILIES[cls].make_inputs(*ids.shape)
    batch |= {"input_ids": ids, "attention_mask": (ids != PAD).long()}
    return batch | ({"glyph_ids": ids} if "glyph_ids" in batch else {})


TEXTS = [[1, 7, 8, 9, 2, 0, 0], [1, 7, 8, 2, 9, 7, 2], [0, 0, 0, 1, 5, 6, 2], [1, 2, 0, 0, 0, 0, 0]]
ROWS = [[7, 8, 9], [7, 8], [9, 7], [5, 6]]  # left padding, a pair, a text without tokens
GOLD = [[-100, 3, 1, 2, -100, -100, -100], [-100, 2, 0, -100, 4, 2, -100], [-100] * 4 + [0, 4, -100], [-100] * 7]
INSIDE = [["B-LOC", "E-LOC", "O"], ["O", "S-人-名"], ["S-人-名", "O"], ["B-人-名", "E-人-名"]]


def rows_of(model, batch):
    """Emissions and mask of the rows, gathered by hand."""
    hidden = model.base_model(**batch).last_hidden_state
    where = [[(b, t) for b, t in cells] for cells in
             ([(0, 1), (0, 2), (0, 3)], [(1, 1), (1, 2)], [(1, 4), (1, 5)], [(2, 4), (2, 5)])]  # fmt: skip
    mask = torch.tensor([[len(cells) > position for position in range(3)] for cells in where])
    vectors = hidden.new_zeros(4, 3, hidden.shape[-1])
    for row, cells in enumerate(where):
        for position, (b, t) in enumerate(cells):
            assert batch["input_ids"][b, t] == ROWS[row][position]
            vectors[row, position] = hidden[b, t]
    return model.classifier.dense(vectors), mask, where


@every_family
def test_it_is_the_crf_of_the_tokens_alone(cls, warnings):
    model, batch = build(cls), make_batch(cls, TEXTS)
    emissions, mask, where = rows_of(model, batch)
    crf, out = model.classifier.crf, model(**batch, labels=torch.tensor(GOLD))
    gold = torch.tensor([[crf.inner_tags.index(tag) for tag in row] + [0] * (3 - len(row)) for row in INSIDE])
    torch.testing.assert_close(out.loss, crf.nll(emissions, mask, gold).sum() / len(TEXTS))
    assert model.repaired_labels == 1  # the second text of the pair begins with I-人-名: no entity crosses [SEP]
    assert sum("1 labels I-x of this batch" in message for message in warnings) == 1
    path, marginals, decoded = crf.decode(emissions, mask), crf.marginals(emissions, mask), model.decode(**batch)
    outside = torch.ones(4, 7, dtype=torch.bool)
    for row, cells in enumerate(where):
        for position, cell in enumerate(cells):
            tag = path[row, position]
            assert decoded.inner_tag_ids[cell] == tag
            label = crf.outer[tag]
            assert out.logits[cell].argmax() == decoded.tag_ids[cell] == label
            found = crf.sums(marginals[row, position])
            torch.testing.assert_close(decoded.tag_scores[cell], found[label])
            if found.argmax() == label:
                torch.testing.assert_close(out.logits[cell].softmax(-1), found, atol=2e-5, rtol=0)
            outside[cell] = False
    assert (out.logits.softmax(-1)[outside][:, LABELS.index("O")] == 1).all()
    assert (decoded.tag_ids[outside] == -1).all()
    assert not decoded.tag_scores[outside].any()
    scores = -crf.nll(emissions, mask, path.clamp(min=0))
    torch.testing.assert_close(
        decoded.scores, torch.stack([scores[0], scores[1] + scores[2], scores[3], scores[0] * 0])
    )


@every_family
def test_labels_in_any_order_and_what_stands_at_special_tokens(cls, warnings):
    model, batch = build(cls), make_batch(cls, TEXTS)
    gold = torch.tensor(GOLD)
    wanted = model(**batch, labels=gold).loss
    harmless = gold.masked_fill(gold == -100, LABELS.index("O"))
    torch.testing.assert_close(model(**batch, labels=harmless).loss, wanted)
    assert model.ignored_labels == 0
    wrong = gold.clone()
    wrong[0, 0] = wrong[3, 1] = LABELS.index("B-LOC")
    torch.testing.assert_close(model(**batch, labels=wrong).loss, wanted)
    assert (model.ignored_labels, model.repaired_labels) == (2, 3)
    assert len([message for message in warnings if "repaired_labels and ignored_labels of the model" in message]) == 1
    order = [4, 2, 0, 1, 3]  # the same labels under other ids
    names = [LABELS[index] for index in order]
    other = build(cls, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)})
    inner = [model.classifier.crf.inner_tags.index(tag) for tag in other.classifier.crf.inner_tags]
    state = model.state_dict()
    for name in ("dense.weight", "dense.bias", "crf.start", "crf.end", "crf.transitions"):
        value = state[f"classifier.{name}"][inner]
        state[f"classifier.{name}"] = value[:, inner] if name == "crf.transitions" else value
    other.load_state_dict(state)
    found = torch.tensor([[order.index(tag) if tag >= 0 else -100 for tag in row] for row in GOLD])
    torch.testing.assert_close(other(**batch, labels=found).loss, wanted)
    torch.testing.assert_close(other(**batch).logits, model(**batch).logits[..., order], atol=1e-5, rtol=0)


@every_family
def test_a_missing_label_is_summed_over(cls):
    model, batch = build(cls), make_batch(cls, [[1, 7, 8, 9, 2]])

    def loss(*tags):
        return model(**batch, labels=torch.tensor([[-100, *tags, -100]])).loss

    begin, inside = LABELS.index("B-LOC"), LABELS.index("I-LOC")
    ways = [loss(begin, tag, inside) for tag in (begin, inside)]  # what an I-LOC may continue
    torch.testing.assert_close(loss(begin, -100, inside), -(-torch.stack(ways)).logsumexp(0))
    torch.testing.assert_close(loss(-100, -100, -100), torch.tensor(0.0), atol=1e-5, rtol=0)


@every_family
def test_training_reaches_every_parameter(cls):
    """Also where a text, or all texts of a batch, have no tokens: other processes wait for the same gradients."""
    for ids, gold in ((TEXTS, GOLD), ([[1, 2, 0]], [[-100] * 3])):
        model = build(cls).train()
        model.gradient_checkpointing_enable()
        out = model(**make_batch(cls, ids), labels=torch.tensor(gold))
        out.loss.backward()
        assert out.loss.isfinite()
        with pytest.raises(ValueError, match=r"would not train the transitions .*give labels to the model"):
            out.logits.log_softmax(-1)[..., 0].mean().backward()
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        assert [name for name, parameter in trained if parameter.grad is None] == []
        assert all(parameter.grad.isfinite().all() for _, parameter in trained)


@every_family
def test_saved_and_loaded(cls, tmp_path):
    model, batch = build(cls, crf_scheme="IOB2"), make_batch(cls, TEXTS)
    model.save_pretrained(tmp_path)
    loaded, info = cls.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)
    assert copy.deepcopy(model).decode(**batch).tag_ids.equal(loaded.decode(**batch).tag_ids)
    # a new CRF on a checkpoint that has none, from the meta device: its tables hold what they should
    FAMILIES[cls].build(cls).save_pretrained(tmp_path / "linear")
    new, info = cls.from_pretrained(tmp_path / "linear", **FIELDS, output_loading_info=True)
    assert {key.split(".")[0] for key in info["missing_keys"]} == {"classifier"}
    fresh = build(cls).classifier.crf
    for name, table in fresh.named_buffers():
        assert torch.equal(table, getattr(new.classifier.crf, name)), name
    assert 0 < new.classifier.crf.transitions.abs().max() <= 0.1
    gold = decode_tags([LABELS[tag] for tag in as_lists(new.eval().decode(**batch).tag_ids)[0]], "IOB2")
    assert gold[1] == 0


@every_family
@pytest.mark.parametrize("how", ["autocast", "bfloat16"])
def test_low_precision(cls, how):
    model, batch = build(cls), make_batch(cls, TEXTS)
    wanted = model(**batch, labels=torch.tensor(GOLD))
    low = copy.deepcopy(model).bfloat16() if how == "bfloat16" else model
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"), torch.no_grad():
        found = low(**batch, labels=torch.tensor(GOLD))
        path = low.decode(**batch).tag_ids
    torch.testing.assert_close(found.loss, wanted.loss, rtol=0.05, atol=0.1)
    assert found.logits.dtype == found.loss.dtype == torch.float32
    assert torch.equal(found.logits.argmax(-1)[path >= 0], path[path >= 0])


def test_compiled():
    """The CRF is left out of the graph."""
    torch._dynamo.reset()
    model = build(ChineseBertForTokenClassification, num_hidden_layers=1)
    compiled, batch = torch.compile(model, backend="eager"), make_batch(ChineseBertForTokenClassification, TEXTS)
    found = compiled(**batch, labels=torch.tensor(GOLD))
    wanted = model(**batch, labels=torch.tensor(GOLD))
    torch.testing.assert_close(found.logits, wanted.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, wanted.loss)


@needs_newer_torch
@pytest.mark.parametrize("how", ["export", "strict export", "trace"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_graphs_of_other_texts_are_refused(how):
    torch._dynamo.reset()
    model = build(ChineseBertForTokenClassification, num_hidden_layers=1)
    batch = make_batch(ChineseBertForTokenClassification, TEXTS)
    record = {
        "export": lambda: torch.export.export(model, (), batch, strict=False),
        "strict export": lambda: torch.export.export(model, (), batch, strict=True),
        "trace": lambda: torch.jit.trace(model, example_kwarg_inputs=batch, strict=False, check_trace=False),
    }
    with pytest.raises(Exception, match=r"(?s)a CRF decodes in a loop .*train with classifier='linear'"):
        record[how]()


@every_family
def test_what_it_needs_is_said(cls):
    message = r"special_token_ids=None is not allowed .*special_token_ids=\[tokenizer.pad_token_id"
    with pytest.raises(ValueError, match=message):
        build(cls, special_token_ids=None)
    with pytest.raises(ValueError, match=r"id2label \['LABEL_0', 'LABEL_1'\].*Needed are IOB2"):
        FAMILIES[cls].build(cls, classifier="crf", special_token_ids=[0])
    with pytest.raises(ValueError, match="id2label .*None.* Needed are IOB2"):
        build(cls, id2label={0: "O", 2: "B-x"}, label2id={"O": 0, "B-x": 2})
    model, batch = build(cls), make_batch(cls, TEXTS)
    with pytest.raises(ValueError, match=r"labels holds 5; allowed are 0 to 4"):
        model(**batch, labels=torch.full((4, 7), 5))
    for wrong, what in (
        (torch.tensor(GOLD)[:, :-1], r"labels have the shape \(4, 6\); needed is that of input_ids, \(4, 7\)"),
        (torch.full((4, 8), -100), r"labels have the shape \(4, 8\)"),
        (torch.tensor(GOLD).flatten(), r"labels have the shape \(28,\)"),
        (torch.tensor(GOLD).float(), r"labels are torch.float32; needed are ids"),
    ):
        with pytest.raises(ValueError, match=what):
            model(**batch, labels=wrong)
    with pytest.raises(TypeError, match="takes no labels"):
        model.decode(**batch, labels=torch.tensor(GOLD))
    with pytest.raises(ValueError, match="decode is for classifier='crf', and this model has 'linear'"):
        FAMILIES[cls].build(cls).decode(**batch)


def test_vectors_alone_do_not_say_which_tokens_are_special():
    model = build(GlyphCrmForTokenClassification)
    batch = make_batch(GlyphCrmForTokenClassification, TEXTS)
    vectors = model.get_input_embeddings()(batch["glyph_ids"], batch["extra_glyphs"])
    with pytest.raises(ValueError, match="needs input_ids beside .*inputs_embeds do not say which they are"):
        model(inputs_embeds=vectors, attention_mask=batch["attention_mask"])
    del batch["input_ids"]
    assert model(**batch).logits.shape == (4, 7, 5)  # rows of the vocabulary in glyph_ids tell as well
    model = build(ChineseBertForTokenClassification)
    batch = make_batch(ChineseBertForTokenClassification, TEXTS)
    wanted, ids = model(**batch).logits, batch.pop("input_ids")
    more = {"inputs_embeds": model.get_input_embeddings()(ids), "glyph_ids": ids}
    torch.testing.assert_close(model(**batch, **more).logits, wanted, atol=1e-5, rtol=0)


class WithLayers(ChineseBertForTokenClassification):
    """A family with a layer between base model and classifier, which must see tokens of texts alone."""

    reads_rows = True

    def build_token_layers(self):
        self.summing = torch.nn.Linear(self.config.hidden_size, 10)
        return 10

    def token_features(self, vectors, mask):
        assert mask.sum(1).tolist() in ([3, 2, 2, 2], [0])
        assert not vectors[~mask].any()
        return self.summing(vectors.cumsum(1))


@pytest.mark.parametrize("classifier", ["linear", "mlp", "crf"])
def test_layers_between_base_model_and_classifier_see_rows(classifier):
    model = chinese_bert.build(WithLayers, **{**FIELDS, "classifier": classifier})
    batch = make_batch(ChineseBertForTokenClassification, TEXTS)
    out = model(**batch, labels=torch.tensor(GOLD))
    assert out.logits.shape == (4, 7, 5)
    out.loss.backward()
    assert model.summing.weight.grad.any()
    hidden = model.base_model(**batch).last_hidden_state
    if classifier == "linear":
        wanted = model.classifier(model.summing(hidden[1, 4] + hidden[1, 5]))
        torch.testing.assert_close(out.logits[1, 5], wanted)
        assert not out.logits[1, 6].any()
        scored = torch.tensor(GOLD) != -100
        loss = torch.nn.functional.cross_entropy(out.logits[scored], torch.tensor(GOLD)[scored])
        torch.testing.assert_close(out.loss, loss)
    model(**make_batch(ChineseBertForTokenClassification, [[1, 2, 0]]))


def test_a_glyph_crm_may_have_the_head_of_two_layers():
    model = glyph_crm.build(GlyphCrmForTokenClassification, classifier="mlp", num_labels=5)
    inputs = glyph_crm.make_inputs()
    hidden = model.base_model(**inputs).last_hidden_state
    first, last = model.classifier.dense_layer, model.classifier.dense_to_labels_layer
    torch.testing.assert_close(model(**inputs).logits, last(torch.tanh(first(hidden))))


class Examples(Dataset):
    """The texts, each with its labels."""

    def __init__(self, cls):
        self.batch = make_batch(cls, TEXTS) | {"labels": torch.tensor(GOLD)}

    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, index):
        return {name: value[index] for name, value in self.batch.items()}


@every_family
def test_the_trainers_own_argmax_is_the_best_path(cls, tmp_path):
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, per_device_train_batch_size=4, per_device_eval_batch_size=2, report_to="none",
        use_cpu=True, save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    data = Examples(cls)
    trainer = Trainer(build(cls), arguments, train_dataset=data, eval_dataset=data)
    assert 0 < trainer.train().training_loss < 100
    found = trainer.predict(data).predictions.argmax(-1)
    path = trainer.model.decode(
        **{name: value for name, value in data.batch.items() if name != "labels"}
    ).tag_ids.numpy()
    assert np.array_equal(found[path >= 0], path[path >= 0])


def test_a_trainer_that_computes_a_loss_of_its_own_is_refused(tmp_path):
    """Label smoothing takes the logits of training, which know nothing of transitions."""
    arguments = TrainingArguments(
        str(tmp_path), max_steps=1, report_to="none", use_cpu=True, save_strategy="no", disable_tqdm=True,
        label_smoothing_factor=0.1, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(build(cls := GlyphCrmForTokenClassification), arguments, train_dataset=Examples(cls))
    with pytest.raises(ValueError, match=r"label_smoothing_factor is not 0, or with a compute_loss"):
        trainer.train()


@every_family
def test_outputs_are_those_of_transformers(cls):
    """Tuples, hidden states, integers of any size as labels, masks of any dtype, and accumulated gradients."""
    model, batch, gold = build(cls), make_batch(cls, TEXTS), torch.tensor(GOLD)
    wanted = model(**batch, labels=gold)
    loss, logits = model(**batch, labels=gold, return_dict=False)
    assert torch.equal(loss, wanted.loss)
    assert torch.equal(logits, wanted.logits)
    assert len(model(**batch, output_hidden_states=True).hidden_states) == model.config.num_hidden_layers + 1
    assert torch.equal(model.decode(**batch, return_dict=False).tag_ids, model.decode(**batch).tag_ids)
    for dtype in (torch.int32, torch.int16):
        assert torch.equal(model(**batch, labels=gold.to(dtype)).loss, wanted.loss)
    no_missing = gold.masked_fill(gold == -100, LABELS.index("O"))
    assert torch.equal(model(**batch, labels=no_missing.to(torch.uint8)).loss, model(**batch, labels=no_missing).loss)
    for dtype in (torch.bool, torch.int32, torch.float32):
        assert torch.equal(model(**batch | {"attention_mask": batch["attention_mask"].to(dtype)}).logits, logits)
    # a mean over texts: halves of a batch, on several devices or one after the other, have it as their mean
    halves = [
        model(**{name: value[part] for name, value in batch.items()}, labels=gold[part]).loss
        for part in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(sum(halves) / 2, wanted.loss)


def test_adapters_train_and_save_the_crf(tmp_path):
    """PEFT keeps `classifier` beside an adapter: the CRF is within it."""
    peft = pytest.importorskip("peft")
    model, batch = build(ChineseBertForTokenClassification), make_batch(ChineseBertForTokenClassification, TEXTS)
    settings = peft.LoraConfig(task_type=peft.TaskType.TOKEN_CLS, target_modules=["query"])
    adapted = peft.get_peft_model(copy.deepcopy(model), settings)
    adapted(**batch, labels=torch.tensor(GOLD)).loss.backward()
    trained = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert any("crf.transitions" in name and p.grad.any() for name, p in trained.items())
    torch.optim.SGD(trained.values(), 1.0).step()
    wanted = adapted.eval()(**batch).logits
    adapted.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(copy.deepcopy(model), tmp_path).eval()
    assert torch.equal(again(**batch).logits, wanted)
    assert not torch.equal(model(**batch).logits, wanted)


def test_every_family_has_it():
    from hanziformers.registration import FAMILIES as REGISTERED

    taggers = [found for classes in REGISTERED.values() for found in classes.values()
               if inspect.isclass(found) and issubclass(found, ForTokenClassification)]  # fmt: skip
    assert set(FAMILIES) <= set(taggers)
