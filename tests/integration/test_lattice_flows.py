"""Lattice-LSTM by run_ner.py, with a lexicon from the training text, and in pipelines of transformers' own."""

import json
import random

import pytest
from script_tools import as_flags, main_of
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

SIZES = "embedding_dim=16,hidden_size=24,word_size=8,glyph_dim=16,glyph_groups=2"
PLACES = ["南京市", "长江大桥", "北京", "上海市"]
PATTERNS = ["我在{}。", "{}很大", "他们从{}到{}去", "我很好"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences with places as JSON lines, and a vocabulary."""
    folder, rng = tmp_path_factory.mktemp("lattice"), random.Random(0)
    for split, count in (("train", 160), ("test", 24)):
        rows = []
        for _ in range(count):
            text, entities = "", []
            for part in rng.choice(PATTERNS).replace("{}", "|{}|").split("|"):
                found = rng.choice(PLACES) if part == "{}" else part
                if part == "{}":
                    entities.append({"start": len(text), "end": len(text) + len(found), "label": "LOC"})
                text += found
            rows.append(json.dumps({"text": text, "entities": entities}, ensure_ascii=False))
        (folder / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    characters = sorted({*"".join(PLACES + PATTERNS)} - {*"{}"})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return folder


def test_from_files_to_pipelines(data, tmp_path):
    folder = tmp_path / "tagger"
    options = {"model_type": "lattice_lstm", "classifier": "crf", "vocab_file": data / "vocab.txt"}
    options |= {"config_overrides": SIZES, "vocabulary_bank": True, "glyph_styles": "song", "output_dir": folder}
    options |= {"train_file": data / "train.jsonl", "test_file": data / "test.jsonl", "learning_rate": 1e-2, "seed": 1}
    flags = as_flags({**options, "num_train_epochs": 6, "disable_tqdm": True, "save_total_limit": 1})
    results = main_of("run_ner")([*flags, "--do_train", "--do_predict"])
    assert results["test"]["f1"] > 0.9
    words = (folder / "lexicon.txt").read_text(encoding="utf-8").split()
    assert {"南京", "北京", "上海"} <= {*words}  # rjieba's, of the training text
    model = AutoModelForTokenClassification.from_pretrained(folder)
    assert model.config.num_words == len(words)
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows]
    for side in ("right", "left"):
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side=side)
        tag = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple")
        for row, found in zip(rows, tag(texts, batch_size=5), strict=True):
            assert [row["text"][entity["start"] : entity["end"]] for entity in found] == [
                entity["text"] for entity in row["entities"]
            ]
