"""Programs of others on saved folders: transformers' example scripts (its wheel lacks them), peft, captum and so on.

Each flow does what the script of its name does between reading its files and writing its results.
"""

import copy

import bilstm_tools
import chinese_bert_tools
import glyce_tools
import glyph_crm_tools
import lattice_lstm_tools
import mpm_cner_tools
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from chinese_bert_tools import assert_same, no_grad, with_grad
from datasets import Dataset
from font_tools import RARE, rare_font
from glyph_tools import SPECIAL
from mpm_cner_parts import make_processor
from torch.utils.data import DataLoader
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForMultipleChoice,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from hanziformers import (
    BiLstmModel,
    ChineseBertForSequenceClassification,
    ChineseBertModel,
    ChineseBertTokenizer,
    GlyceModel,
    GlyphCrmForSequenceClassification,
    GlyphCrmModel,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    LatticeLstmModel,
    LatticeLstmTokenizer,
    MpmCnerModel,
    WordTokenizer,
)
from hanziformers.registration import FAMILIES

KNOWN = "银行长很忙今天气好不是一块石头了"
VOCABULARY = {token: index for index, token in enumerate([*SPECIAL, *KNOWN])}
TEXTS = ["银行很忙", f"{RARE[0]}今天{RARE[1]}", "好", f"行长{RARE[2]}不是石头", "今天天气很好", f"了{RARE[:4]}"]
# the programs give texts to a tokenizer as they are: models of words are for programs of their own
OF_TEXTS = {config.model_type: found for config, found in FAMILIES.items() if found[AutoTokenizer] is not WordTokenizer}
ALL_HEADS = [name for name, found in OF_TEXTS.items() if AutoModelForSequenceClassification in found]


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    font = str(rare_font(tmp_path_factory.mktemp("font") / "rare.ttf"))
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]}, save_fonts=True)
    return HanziProcessor(image_processor, GlyphCrmTokenizer(VOCABULARY))


@pytest.fixture(scope="module")
def folders(processor, tmp_path_factory):
    """Model type -> a folder of a tiny model with all that belongs to it."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    chinese_bert_tools.build(ChineseBertModel, vocab_size=len(VOCABULARY)).save_pretrained(folder / "chinese_bert")
    ChineseBertTokenizer(VOCABULARY).save_pretrained(folder / "chinese_bert")
    glyph_crm_tools.build_for(processor, GlyphCrmModel).save_pretrained(folder / "glyph_crm")
    processor.save_pretrained(folder / "glyph_crm")
    seen = glyce_tools.make_processor(VOCABULARY, processor.image_processor.fonts["song"][0])
    sizes = {"vocab_size": len(VOCABULARY), "glyph_vocab_size": seen.tokenizer.glyph_vocab_size}
    glyce_tools.build(GlyceModel, **sizes).save_pretrained(folder / "glyce")
    seen.save_pretrained(folder / "glyce")
    bilstm_tools.build(BiLstmModel, **sizes, hidden_size=24).save_pretrained(folder / "bilstm")
    seen.save_pretrained(folder / "bilstm")
    words = LatticeLstmTokenizer(VOCABULARY, lexicon_file=["银行", "行长", "今天", "天气"], extra_characters="龘")
    seen = HanziProcessor(seen.image_processor, words)
    lattice_lstm_tools.build(LatticeLstmModel, **sizes, num_words=4, hidden_size=24).save_pretrained(
        folder / "lattice_lstm"
    )
    seen.save_pretrained(folder / "lattice_lstm")
    hears = make_processor(fonts=processor.image_processor.fonts)
    sizes = {"vocab_size": len(hears.tokenizer), "glyph_vocab_size": hears.tokenizer.glyph_vocab_size, "glyph_size": 48}
    sizes |= {"num_syllables": 1 + len(hears.tokenizer.syllables), "special_token_ids": [0, 2, 3]}
    mpm_cner_tools.build(MpmCnerModel, **sizes).save_pretrained(folder / "mpm_cner")
    hears.save_pretrained(folder / "mpm_cner")
    return {name: str(folder / name) for name in OF_TEXTS}


@pytest.fixture(params=ALL_HEADS)
def folder(folders, request):
    """Of a family with heads for all of these tasks."""
    return folders[request.param]


@pytest.fixture(params=list(OF_TEXTS))
def tagger(folders, request):
    """Of any family that reads texts: all of them label tokens."""
    return folders[request.param]


def load(folder, auto_class, **options):
    """As the scripts do, which ask for the size of the table of input embeddings."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), auto_class.from_pretrained(folder, **options)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    return tokenizer, model


def train(model, tokenizer, data, collator, output):
    """A Trainer after two steps of training."""
    arguments = TrainingArguments(
        output_dir=str(output), max_steps=2, per_device_train_batch_size=3, per_device_eval_batch_size=2, use_cpu=True,
        report_to=[], disable_tqdm=True, save_strategy="no", dataloader_pin_memory=False, learning_rate=1e-3,
    )  # fmt: skip
    trainer = Trainer(
        model, arguments, train_dataset=data, eval_dataset=data, processing_class=tokenizer, data_collator=collator
    )
    assert np.isfinite(trainer.train().training_loss)
    assert np.isfinite(trainer.evaluate()["eval_loss"])
    return trainer


# ---------------------------------------------------------------------------------------------- transformers' scripts


@pytest.mark.parametrize("pad_to_max_length", [True, False])
def test_run_glue(folder, tmp_path, pad_to_max_length):
    tokenizer, model = load(folder, AutoModelForSequenceClassification, num_labels=3)
    # what default_data_collator stacks has no characters that are rendered on the fly
    texts = [text for text in TEXTS if not pad_to_max_length or not set(text) & set(RARE)]
    data = Dataset.from_dict({"sentence1": texts, "sentence2": texts[::-1], "label": [0, 1, 2] * (len(texts) // 3)})

    def encode(examples):
        padding = "max_length" if pad_to_max_length else False
        return tokenizer(examples["sentence1"], examples["sentence2"], padding=padding, max_length=24, truncation=True)

    collator = default_data_collator if pad_to_max_length else DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8)
    trainer = train(model, tokenizer, data.map(encode, batched=True), collator, tmp_path)
    assert trainer.predict(trainer.eval_dataset).predictions.shape == (len(texts), 3)


def test_run_ner_no_trainer(tagger):
    labels = {"id2label": {0: "O", 1: "B-RARE"}, "label2id": {"O": 0, "B-RARE": 1}}
    tokenizer, model = load(tagger, AutoModelForTokenClassification, **labels)
    data = Dataset.from_dict(
        {"tokens": [list(text) for text in TEXTS], "ner_tags": [[c in RARE for c in text] for text in TEXTS]}
    )

    def encode(examples):
        encoded = tokenizer(examples["tokens"], truncation=True, max_length=16, is_split_into_words=True)
        encoded["labels"] = [
            [-100 if word is None else int(tags[word]) for word in encoded.word_ids(row)]
            for row, tags in enumerate(examples["ner_tags"])
        ]
        return encoded

    data = data.map(encode, batched=True, remove_columns=data.column_names)
    accelerator = Accelerator(cpu=True)
    loader = DataLoader(data, collate_fn=DataCollatorForTokenClassification(tokenizer), batch_size=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    losses = []
    for _ in range(8):
        for batch in loader:
            loss = model(**batch).loss
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    assert sum(losses[-len(loader) :]) < sum(losses[: len(loader)])  # the last pass over the data, and the first
    model.eval()
    for batch in loader:
        with torch.no_grad():
            found = model(**batch).logits.argmax(-1)
        padded = accelerator.pad_across_processes(found, dim=1, pad_index=-100)
        assert accelerator.gather_for_metrics((padded, batch["labels"]))[0].shape == batch["labels"].shape


def test_run_qa(folder, tmp_path):
    tokenizer, model = load(folder, AutoModelForQuestionAnswering)
    contexts, answers = [f"今天{RARE}天气很好", f"银行{RARE}很忙是不是石头"], ["天气", "石头"]

    def encode(examples):
        encoded = tokenizer(
            examples["question"], examples["context"], truncation="only_second", max_length=14, stride=3,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        owners, starts, ends = encoded.pop("overflow_to_sample_mapping"), [], []
        for window, offsets in enumerate(encoded.pop("offset_mapping")):
            answer = examples["answer"][owners[window]]
            begin = examples["context"][owners[window]].index(answer)
            inside = [token for token, part in enumerate(encoded.sequence_ids(window))
                      if part == 1 and begin <= offsets[token][0] < begin + len(answer)]  # fmt: skip
            starts.append(inside[0] if inside else 0)
            ends.append(inside[-1] if inside else 0)
        return {**encoded, "start_positions": starts, "end_positions": ends}

    data = Dataset.from_dict({"question": ["好不好"] * 2, "context": contexts, "answer": answers})
    data = data.map(encode, batched=True, remove_columns=data.column_names)
    assert len(data) >= 4
    assert any(data["start_positions"])
    trainer = train(model, tokenizer, data, DataCollatorWithPadding(tokenizer), tmp_path)
    start, end = trainer.predict(data).predictions
    assert start.shape == end.shape
    assert len(start) == len(data)


def test_run_swag(folder, tmp_path):
    """The collator of multiple choice flattens all that follows the choices: [B, C, L * 8] pinyin_ids, and so on."""
    tokenizer, model = load(folder, AutoModelForMultipleChoice)
    data = Dataset.from_dict({"start": TEXTS, "label": [0, 1, 2] * 2})

    def encode(examples):
        first = [text for text in examples["start"] for _ in range(3)]
        second = ["银行", f"天{RARE[5]}", "很好很好"] * len(examples["start"])
        encoded = tokenizer(first, second, truncation=True, max_length=16)
        return {name: [rows[i : i + 3] for i in range(0, len(rows), 3)] for name, rows in encoded.items()}

    data = data.map(encode, batched=True, remove_columns=["start"])
    collator = DataCollatorForMultipleChoice(tokenizer, pad_to_multiple_of=4)
    trainer = train(model, tokenizer, data, collator, tmp_path)
    assert trainer.predict(data).predictions.shape == (6, 3)
    texts = [{name: rows[choice] for name, rows in data[row].items() if name != "label"}
             for row in (0, 1) for choice in range(3)]  # fmt: skip
    for side in ("right", "left"):
        tokenizer.padding_side = side
        batch = collator([data[0], data[1]])
        labels = batch.pop("labels")
        assert {value.dim() for value in batch.values()} == {3}
        padded = tokenizer.pad(texts, return_tensors="pt", pad_to_multiple_of=4)
        unflattened = {name: value.unflatten(0, (2, 3)) for name, value in padded.items()}
        assert_same(
            no_grad(model.eval(), {**batch, "labels": labels}), no_grad(model, {**unflattened, "labels": labels})
        )


# ---------------------------------------------------------------------------------------------- captum

HYBRID = {"id_embeddings": True}


@pytest.fixture(params=["chinese_bert", "glyph_crm", "hybrid"])
def classifier(request, processor):
    """A model with three classes and the batch of a few texts."""
    if request.param == "chinese_bert":
        tokenizer = ChineseBertTokenizer(VOCABULARY)
        sizes = {"vocab_size": len(VOCABULARY), "num_labels": 3}
        model = chinese_bert_tools.build(ChineseBertForSequenceClassification, **sizes)
    else:
        tokenizer, more = processor.tokenizer, HYBRID if request.param == "hybrid" else {}
        model = glyph_crm_tools.build_for(processor, GlyphCrmForSequenceClassification, num_labels=3, **more)
    return model, tokenizer(TEXTS, padding=True, return_tensors="pt")


def test_integrated_gradients_of_captum(classifier, warnings):
    """As the README says: from the embeddings on, with all that names a character set to [PAD] in the baseline."""
    captum = pytest.importorskip("captum.attr")
    model, batch = classifier
    ids = [name for name in batch if name in ("input_ids", "pinyin_ids", "glyph_ids")]
    names = [*ids, *(name for name in batch if name not in ids)]

    def logits(*values):
        return model(**dict(zip(names, values, strict=True))).logits

    inputs, rest = tuple(batch[name] for name in ids), tuple(batch[name] for name in names[len(ids) :])
    baselines = tuple(torch.zeros_like(value) for value in inputs)
    explained = captum.LayerIntegratedGradients(logits, model.base_model.embeddings)
    parts = explained.attribute(inputs, baselines, target=1, additional_forward_args=rest, n_steps=20)
    parts = parts if isinstance(parts, tuple) else (parts,)
    scores = sum(part.sum(-1) for part in parts)  # [B, L]
    with torch.no_grad():
        wanted = (logits(*inputs, *rest) - logits(*baselines, *rest))[:, 1]
    torch.testing.assert_close(scores.sum(-1).float(), wanted, rtol=0.02, atol=1e-3)
    assert scores[batch["attention_mask"] == 1].abs().min() > 0
    assert not warnings


def test_shapley_values_of_captum(classifier):
    """Tokens are left out one after the other; the same number in the masks for all that names a character."""
    captum = pytest.importorskip("captum.attr")
    model, batch = classifier
    batch = {name: value[3:4] for name, value in batch.items()}
    ids = [name for name in batch if name in ("input_ids", "pinyin_ids", "glyph_ids")]
    inputs, baselines = [batch[name] for name in ids], [torch.zeros_like(batch[name]) for name in ids]
    tokens = torch.arange(batch["input_ids"].shape[1])
    masks = tuple((torch.zeros_like(value).movedim(1, -1) + tokens).movedim(-1, 1).contiguous() for value in inputs)

    def logits(*values):
        return model(**{**batch, **dict(zip(ids, values, strict=True))}).logits

    sampling = captum.ShapleyValueSampling(logits)
    parts = sampling.attribute(tuple(inputs), tuple(baselines), target=1, feature_mask=masks, n_samples=2)
    scores = parts[0]  # [1, L]; the other parts hold the same for each of their values
    wanted = (logits(*inputs) - logits(*baselines))[:, 1]
    torch.testing.assert_close(scores.sum(-1).to(wanted.dtype), wanted, rtol=0.02, atol=1e-4)
    assert (scores != 0).sum() > 5


def test_gradient_times_input(classifier):
    """On the vectors of the input embeddings, which the model takes in place of ids."""
    model, batch = classifier
    table = model.get_input_embeddings()
    wanted = no_grad(model, batch)
    if "glyph_ids" in batch:
        ids = [batch["input_ids"]] if model.config.to_dict().get("id_embeddings") else []
        vectors = table(batch.pop("glyph_ids"), batch.pop("extra_glyphs"), *ids)
        batch.pop("input_ids")
    else:
        vectors, batch["glyph_ids"] = table(batch["input_ids"]), batch.pop("input_ids")
    vectors = vectors.detach().requires_grad_()
    output = model(**batch, inputs_embeds=vectors).logits
    torch.testing.assert_close(output, wanted[0], atol=1e-5, rtol=0)
    (gradient,) = torch.autograd.grad(output[:, 1].sum(), vectors)
    assert (vectors * gradient).sum(-1)[batch["attention_mask"] == 1].abs().min() > 0


# ---------------------------------------------------------------------------------------------- others


def test_sentence_transformers(tagger, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers import models

    modules = [models.Transformer(tagger), models.Pooling(24)]
    embedder = sentence_transformers.SentenceTransformer(modules=modules, device="cpu")
    found = embedder.encode(TEXTS, batch_size=4)
    tokenizer, model = AutoTokenizer.from_pretrained(tagger), AutoModel.from_pretrained(tagger)
    for text, vector in zip(TEXTS, found, strict=True):
        hidden = no_grad(model, tokenizer(text, return_tensors="pt"))[0]
        np.testing.assert_allclose(vector, hidden[0].mean(0), atol=1e-5)
    embedder.save(str(tmp_path))
    again = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_array_equal(again.encode(TEXTS, batch_size=4), found)


def test_peft_trains_saves_and_loads_an_adapter(folder, tmp_path):
    """Its own class for a task, as its documentation shows; the new classifier is saved with the adapter."""
    peft = pytest.importorskip("peft")
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "embedding_dropout", "classifier_dropout")
    no_dropout = {name: 0.0 for name in names if hasattr(AutoConfig.from_pretrained(folder), name)}
    tokenizer, model = load(folder, AutoModelForSequenceClassification, num_labels=3, **no_dropout)
    parts = {name.split(".")[-1] for name, _ in model.named_modules()}
    layers = list({"query", "value", "word_embeddings", "ids"} & parts)  # LSTMs have a table of ids alone
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="SEQ_CLS", target_modules=layers))
    data = Dataset.from_list([{**tokenizer(text), "label": row % 3} for row, text in enumerate(TEXTS)])
    train(adapted, tokenizer, data, DataCollatorWithPadding(tokenizer), tmp_path / "run")
    adapted.save_pretrained(tmp_path / "adapter")
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    wanted = no_grad(adapted.eval(), batch)
    loaded = peft.AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter", num_labels=3)
    assert_same(no_grad(loaded.eval(), batch), wanted)
    assert_same(no_grad(loaded.merge_and_unload(), batch), wanted)


def test_quantized_and_copied(folder):
    tokenizer, model = load(folder, AutoModelForSequenceClassification, num_labels=3)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    wanted = no_grad(model.eval(), batch)
    copied = copy.deepcopy(model)
    assert_same(no_grad(copied, batch), wanted, atol=0)
    quantized = torch.ao.quantization.quantize_dynamic(copied, {torch.nn.Linear}, dtype=torch.qint8)
    assert type(quantized.classifier) is not torch.nn.Linear
    found = no_grad(quantized, batch)
    assert_same(found, wanted, atol=0.3)
    assert_same(with_grad(quantized, batch), found)
    assert_same(no_grad(model, batch), wanted, atol=0)
