"""Glyce by the ordinary scripts: words, pairs, and the stages of a strategy. Tiny models, no network."""

import json
import random
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from process_tools import run_program
from safetensors.torch import load_file
from script_tools import as_flags, main_of
from test_conllu_files import word
from transformers import AutoModelForTokenClassification, BertConfig, BertModel, BertTokenizer, pipeline

from hanziformers import GlyceModel

SAMPLE = Path(__file__).parents[1] / "data" / "ner_sample"
SIZES = "hidden_size=24,num_hidden_layers=1,num_attention_heads=2,intermediate_size=32,max_position_embeddings=32,"
OWN_SIZES = "glyph_dim=16,glyph_groups=2,num_task_layers=1,task_intermediate_size=32"
WORDS = {"我": "PRON", "他们": "PRON", "看": "VERB", "喜欢": "VERB", "书": "NOUN", "电影": "NOUN", "。": "PUNCT"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences of three words as CoNLL-U, pairs of which 1 are those of equal texts, and a vocabulary."""
    folder, rng = tmp_path_factory.mktemp("glyce"), random.Random(0)
    characters = sorted({*"".join(WORDS)})
    parts = {part: [form for form, own in WORDS.items() if own == part] for part in ("PRON", "VERB", "NOUN", "PUNCT")}
    for split, count in (("train", 64), ("test", 16)):
        sentences = [
            "\n".join(word(index, rng.choice(forms), part) for index, (part, forms) in enumerate(parts.items(), 1))
            for _ in range(count)
        ]
        (folder / f"{split}.conllu").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    pairs = [("".join(rng.sample(characters, 3)), str(number % 2)) for number in range(60)]
    lines = [f"{text}\t{text if label == '1' else text[::-1]}\t{label}" for text, label in pairs]
    (folder / "pairs.tsv").write_text("\n".join([*lines, "我\t书\t-"]) + "\n", encoding="utf-8")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    sizes = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", SIZES)}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(folder / "bert")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    return folder


def options(data, **own):
    new = {"model_type": "glyce", "vocab_file": data / "vocab.txt", "config_overrides": SIZES + OWN_SIZES}
    new |= {"vocabulary_bank": True, "glyph_styles": "song"}
    common = {"seed": 1, "disable_tqdm": True, "save_total_limit": 1, "learning_rates": "glyph=3e-3,rest=3e-3"}
    return as_flags({**({} if "model_name_or_path" in own else new), **common, "learning_rate": 3e-3, **own})


@pytest.mark.parametrize("task", ["cws", "pos"])
def test_words(data, tmp_path, task):
    folder = tmp_path / "words"
    files = {"train_file": data / "train.conllu", "test_file": data / "test.conllu", "output_dir": folder}
    own = {**files, "task_name": task, "classifier": "crf", "num_train_epochs": 10}
    results = main_of("run_ner")([*options(data, **own), "--do_train", "--do_predict"])
    labels = {"cws": {"W"}, "pos": {"NOUN", "PRON", "PUNCT", "VERB"}}[task]
    assert set(results["test"]["by_label"]) == labels
    assert results["test"]["f1"] > 0.9
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert all("".join(entity["text"] for entity in row["entities"]) == row["text"] for row in rows)
    card = (folder / "README.md").read_text(encoding="utf-8")
    kind = {"cws": "words: W.", "pos": "words with their parts of speech: NOUN, PRON, PUNCT, VERB."}[task]
    assert f"`GlyceForTokenClassification`, trained from scratch, for {kind}" in card
    assert {"cws": "- chinese-word-segmentation", "pos": "- part-of-speech"}[task] in card
    assert AutoModelForTokenClassification.from_pretrained(folder).config.classifier == "crf"
    found = pipeline("token-classification", model=str(folder), aggregation_strategy="simple")("他们看书。")
    assert [entity["end"] - entity["start"] for entity in found] == [2, 1, 1, 1]


def test_pairs_are_matched(data, tmp_path):
    """BiMPM as the layers of the task, from files to a pipeline, which refuses single texts."""
    folder = tmp_path / "matched"
    overrides = f"{SIZES}{OWN_SIZES},task_layer=bimpm,bimpm_hidden_size=24,bimpm_perspectives=4"
    own = {"train_file": data / "pairs.tsv", "output_dir": folder, "test_fraction": 0.2, "num_train_epochs": 1}
    results = main_of("run_classification")(
        [*options(data, **own, config_overrides=overrides), "--do_train", "--do_predict"]
    )
    assert {"accuracy", "f1"} < set(results["test"])
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    classify = pipeline("text-classification", model=str(folder))
    assert classify.model.config.special_token_ids == [0, 2, 3]
    for row in rows[:4]:
        found = classify({"text": row["text"], "text_pair": row["text_pair"]})
        found = found[0] if isinstance(found, list) else found
        assert found["label"] == row["label"]
        assert found["score"] == pytest.approx(row["scores"][row["label"]], abs=1e-4)
    with pytest.raises(ValueError, match="1 of 1 texts are no pairs"):
        classify(rows[0]["text"])


def test_pairs_in_stages(data, tmp_path, monkeypatch):
    """Glyph-Joint: the semantic encoder is frozen, then the checkpoint is loaded again, and all of it is trained."""
    epochs = []
    set_epoch = GlyceModel.set_epoch
    monkeypatch.setattr(GlyceModel, "set_epoch", lambda self, t: epochs.append((t, set_epoch(self, t))))
    main, weights, tests = main_of("run_classification"), [], []
    bert = {"semantic_encoder": data / "bert", "vocab_file": "", "config_overrides": OWN_SIZES}
    stages = [{**bert, "learning_rate": 0}, {"model_name_or_path": tmp_path / "0", "seed": 2}]
    for number, own in enumerate(stages):
        files = {"train_file": data / "pairs.tsv", "output_dir": tmp_path / str(number), "test_fraction": 0.2}
        files |= {"num_train_epochs": 2, "per_device_train_batch_size": 11}
        results = main([*options(data, **files, **own), "--do_train", "--do_predict"])
        assert {"accuracy", "precision", "recall", "f1"} < set(results["test"])
        weights.append(load_file(tmp_path / str(number) / "model.safetensors"))
        tests.append([json.loads(line)["text"] for line in (tmp_path / str(number) / "predictions.jsonl").open()])
        assert epochs[0][0] == 0.0
        assert [round(t, 3) for t, _ in epochs] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
        epochs.clear()
    assert len(tests[0]) == 12
    assert tests[0] == tests[1]  # whatever the seed
    report = json.loads((tmp_path / "0" / "coverage.json").read_text(encoding="utf-8"))
    assert (report["train"]["read"]["unlabelled"], report["test"]["read"]) == (1, None)
    card = (tmp_path / "1" / "README.md").read_text(encoding="utf-8")
    assert "| test | 20% of the training data |" in card
    assert "Precision, recall and f1 are those of the label 1." in card
    moved = {name for name, weight in weights[1].items() if not torch.equal(weight, weights[0][name])}
    own = {name for name in weights[1] if name.startswith("glyce.semantic.encoder")}
    assert own <= moved
    bert = {f"glyce.semantic.{name}": weight for name, weight in load_file(data / "bert" / "model.safetensors").items()}
    assert all(torch.equal(weights[0][name], bert[name]) for name in own)
    assert any(name.startswith("glyce.glyph_bank.encoder") for name in moved)


def test_the_quickstart(tmp_path, monkeypatch, capsys):
    """Its two processes are forks of one that has torch loaded already."""
    lines = (SAMPLE / "test.jsonl").read_text(encoding="utf-8").splitlines()[:32]
    (tmp_path / "few.jsonl").write_text("\n".join(lines), encoding="utf-8")
    few = ["--max_train_samples", "64", "--glyph_styles", "song", "--num_train_epochs", "1", "--output_dir", "glyce"]
    few += ["--validation_file", "few.jsonl", "--test_file", "few.jsonl"]
    outputs = []

    def run(command, **options):
        done = run_program(*command[1:])
        assert done.returncode == 0, done.stderr[-3000:]
        outputs.append(done.stdout)
        return done

    main = main_of("quickstart")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(main.__globals__, "subprocess", SimpleNamespace(run=run))
    main(["--model_type", "glyce", *few])
    assert re.search(r"^test precision [0-9.]+ recall [0-9.]+ f1 [0-9.]+$", outputs[0], re.MULTILINE)
    assert len(outputs) == 2
    assert "in a second process: the same" in capsys.readouterr().out
    assert json.loads((tmp_path / "glyce" / "config.json").read_text())["model_type"] == "glyce"
