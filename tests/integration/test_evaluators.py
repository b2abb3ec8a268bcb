"""The metrics as anybody uses them: by evaluate.load and evaluate.evaluator, on saved checkpoints, without a hub."""

import json
from pathlib import Path

import evaluate
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from process_tools import run_program
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer, pipeline

import hanziformers  # noqa: F401
from hanziformers.training.metrics import CLASSIFICATION_SCORES, EXACT_ENTITIES
from hanziformers.training.model_loading import ModelArguments, load_model
from hanziformers.training.ner_data import read_ner
from hanziformers.training.ner_features import encode_ner
from hanziformers.training.ner_task import NerScorer
from hanziformers.training.tag_schemes import Entity, encode_tags

SAMPLE = Path(__file__).parents[1] / "data" / "ner_sample" / "test.jsonl"
TINY = "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=48,max_position_embeddings=128"
OWN = {
    "chinese_bert": ",pinyin_embedding_size=8",
    "glyph_crm": ",glyph_size=24,first_block_channels=2,second_block_channels=4",
}
TAGGERS = {**OWN, "mpm_cner": ",swin_embed_dim=3,lstm_hidden_size=16"}
TAGS = ["O", *(f"{prefix}-{label}" for label in ("LOC", "ORG", "PER") for prefix in "BI")]


def is_plain(text):
    return not any(character.isascii() or character.isspace() for character in text)


@pytest.fixture(scope="module")
def rows():
    """Sentences, of which every character is a token, with their entities."""
    data = read_ner(SAMPLE)[0].select(range(60))
    return [(row["text"], [Entity(**entity) for entity in row["entities"]]) for row in data if is_plain(row["text"])]


@pytest.fixture(scope="module")
def vocabulary(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    known = sorted({character for text, _ in rows for character in text})
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known]) + "\n", encoding="utf-8")
    return str(path)


def saved(folder, vocabulary, model_type, auto_class, labels):
    """A folder of an untrained model whose classifier is sharp: it names many labels."""
    torch.manual_seed(5)
    args = ModelArguments(model_type=model_type, vocab_file=vocabulary, config_overrides=TINY + TAGGERS[model_type])
    if model_type == "mpm_cner":
        args.glyph_encoder = args.phonetic_encoder = "random"
    args.vocabulary_bank = model_type != "chinese_bert"
    model, processing_class, _ = load_model(args, auto_class, labels)
    # with a CRF, its Linear
    torch.nn.init.normal_(getattr(model.classifier, "dense", model.classifier).weight, std=4)
    model.save_pretrained(folder)
    processing_class.save_pretrained(folder)
    return str(folder)


def as_dataset(rows):
    return Dataset.from_list([{"text": text, "entities": [one._asdict() for one in found]} for text, found in rows])


@pytest.mark.parametrize("model_type", list(TAGGERS))
def test_token_classification(rows, vocabulary, tmp_path, model_type):
    """A folder, and a model with its tokenizer; the figures are those of fine_tune's scorer."""
    folder = saved(tmp_path, vocabulary, model_type, AutoModelForTokenClassification, TAGS)
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = model(**tokenizer([text for text, _ in rows], padding=True, return_tensors="pt")).logits.numpy()
    # every second text has what the model finds as its gold standard, so that there is something right and wrong
    found = NerScorer(encode_ner(as_dataset(rows), tokenizer, TAGS, 64)[0], TAGS).entities(logits)
    mixed = [(text, found[number] if number % 2 else gold) for number, (text, gold) in enumerate(rows)]
    expected = NerScorer(encode_ner(as_dataset(mixed), tokenizer, TAGS, 64)[0], TAGS).scores(logits)
    assert 0.1 < expected["f1"] < 0.9

    features = Features({"tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=TAGS))})
    tagged = [{"tokens": list(text), "ner_tags": encode_tags(gold, len(text))} for text, gold in mixed]
    evaluator, data = evaluate.evaluator("token-classification"), Dataset.from_list(tagged, features)
    scores = evaluator.compute(model_or_pipeline=folder, data=data, metric=EXACT_ENTITIES, join_by="")
    assert {name: scores[name] for name in expected} == pytest.approx(expected)
    assert scores["samples_per_second"] > 0
    again = evaluator.compute(
        model_or_pipeline=model, tokenizer=tokenizer, data=data, metric=evaluate.load(EXACT_ENTITIES), join_by=""
    )
    assert again["f1"] == scores["f1"]


@pytest.mark.parametrize("model_type", list(OWN))
@pytest.mark.parametrize("pair", [None, "text_pair"])
def test_text_classification(rows, vocabulary, tmp_path, model_type, pair):
    """Labels by name, or ids with a mapping."""
    names = ["bad", "good", "fair"]
    folder = saved(tmp_path, vocabulary, model_type, AutoModelForSequenceClassification, names)
    texts = [text for text, _ in rows]
    classify = pipeline("text-classification", folder)
    inputs = [{"text": text, "text_pair": text[::-1]} if pair else {"text": text} for text in texts]
    said = [classify(one) for one in inputs]
    said = [one[0]["label"] if isinstance(one, list) else one["label"] for one in said]
    gold = [label if number % 2 else names[number % 3] for number, label in enumerate(said)]
    data = Dataset.from_dict({"text": texts, "text_pair": [text[::-1] for text in texts], "label": gold})
    evaluator = evaluate.evaluator("text-classification")
    options = {"model_or_pipeline": folder, "metric": CLASSIFICATION_SCORES, "second_input_column": pair}
    found = evaluator.compute(data=data, **options)
    assert found["accuracy"] == sum(a == b for a, b in zip(said, gold, strict=True)) / len(said)
    by_id = data.cast_column("label", ClassLabel(names=names))
    mapping = {name: number for number, name in enumerate(names)}
    assert evaluator.compute(data=by_id, label_mapping=mapping, **options)["macro_f1"] == pytest.approx(
        found["macro_f1"]
    )


def test_metrics_load_by_their_paths_in_a_fresh_process(tmp_path):
    """Offline, with an empty cache of modules; the file and the siblings that it imports are copied."""
    program = """
import evaluate, json, sys
from hanziformers.training.metrics import CLASSIFICATION_SCORES, EXACT_ENTITIES
entity = {"start": 0, "end": 2, "label": "LOC"}
entities = evaluate.load(EXACT_ENTITIES)
entities.add(prediction=[entity], reference=[entity])
entities.add_batch(predictions=[[]], references=[[entity, {**entity, "end": 3}]])
classes = evaluate.load(CLASSIFICATION_SCORES)
print(json.dumps([entities.compute(by_label=True), classes.compute(predictions=[1, 0], references=[1, 1])]))
print(type(entities).__module__)
"""
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = run_program(program, environment=environment)
    assert done.returncode == 0, done.stderr
    results, module = done.stdout.splitlines()
    entities, classes = json.loads(results)
    assert entities["precision"] == 1.0
    assert entities["recall"] == pytest.approx(1 / 3)
    assert entities["by_label"]["LOC"]["support"] == 3
    assert classes["accuracy"] == 0.5
    assert module.startswith("evaluate_modules.")
