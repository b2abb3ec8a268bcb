"""BiLSTM-CRF and LSTM classifier by the ordinary scripts, with glyphs and without: they learn from scratch."""

import json
import random

import pytest
from script_tools import as_flags, main_of
from test_conllu_files import word
from transformers import AutoModelForTokenClassification, pipeline

from hanziformers import BiLstmForTokenClassification

WORDS = {"我": "PRON", "他们": "PRON", "看": "VERB", "喜欢": "VERB", "书": "NOUN", "电影": "NOUN", "。": "PUNCT"}
SIZES = "embedding_dim=24,hidden_size=48,glyph_dim=16,glyph_groups=2"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences of four words as CoNLL-U, texts by whether they praise, and a vocabulary."""
    folder, rng = tmp_path_factory.mktemp("bilstm"), random.Random(0)
    parts = {part: [form for form, own in WORDS.items() if own == part] for part in ("PRON", "VERB", "NOUN", "PUNCT")}
    for split, count in (("train", 96), ("test", 16)):
        sentences = [
            "\n".join(word(index, rng.choice(forms), part) for index, (part, forms) in enumerate(parts.items(), 1))
            for _ in range(count)
        ]
        (folder / f"{split}.conllu").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
        texts = [(rng.choice("好坏"), rng.sample("我他们看书电影。", 6)) for _ in range(count)]
        lines = [f"{int(judged == '好')}\t{''.join(rng.sample([judged, *rest], 7))}" for judged, rest in texts]
        (folder / f"{split}.tsv").write_text("\n".join(["label\ttext", *lines]) + "\n", encoding="utf-8")
    characters = sorted({*"".join(WORDS), *"好坏他"})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return folder


def options(data, kind, folder, overrides, **own):
    new = {"model_type": "bilstm", "vocab_file": data / "vocab.txt", "config_overrides": SIZES + overrides}
    new |= {"vocabulary_bank": True, "glyph_styles": "song", "seed": 1, "disable_tqdm": True, "output_dir": folder}
    files = {"train_file": data / f"train.{kind}", "test_file": data / f"test.{kind}"}
    return [*as_flags({**new, **files, "learning_rate": 0.01, **own}), "--do_train", "--do_predict"]


@pytest.mark.parametrize("overrides", ["", ",glyce=false"])
def test_a_tagger(data, tmp_path, overrides):
    own = {"task_name": "pos", "classifier": "crf", "num_train_epochs": 10}
    results = main_of("run_ner")(options(data, "conllu", tmp_path, overrides, **own))
    assert results["test"]["f1"] > 0.9
    model = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert type(model) is BiLstmForTokenClassification
    assert (model.config.classifier, model.config.glyce) == ("crf", not overrides)
    assert (model.bilstm.glyph_bank is None) == bool(overrides)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    without = " without some of its parts (`glyce=False`)" if overrides else ""
    assert f"`BiLstmForTokenClassification`{without}, trained from scratch" in card
    found = pipeline("token-classification", model=str(tmp_path), aggregation_strategy="simple")("他们看书。" * 300)
    assert found[-1]["end"] == 1500  # a text of any length


@pytest.mark.parametrize("overrides", ["", ",glyce=false"])
def test_a_classifier(data, tmp_path, overrides):
    rates = {"num_train_epochs": 8} | ({} if overrides else {"learning_rates": "glyph=3e-3,embedding=2e-2"})
    results = main_of("run_classification")(options(data, "tsv", tmp_path, overrides, **rates))
    assert results["test"]["accuracy"] > 0.9
    coverage = json.loads((tmp_path / "coverage.json").read_text(encoding="utf-8"))
    assert coverage["train"]["used"]["truncated_texts"] == 0
    found = pipeline("text-classification", model=str(tmp_path))(["好书。", "坏书。"], top_k=1)
    assert [one[0]["label"] for one in found] == ["1", "0"]


def test_a_rate_of_a_part_that_there_is_not_is_refused(data, tmp_path):
    own = {"classifier": "crf", "task_name": "cws", "learning_rates": "semantic=1e-4"}
    with pytest.raises(ValueError, match="names 'semantic'; parts of a BiLstmForTokenClassification are glyph, embed"):
        main_of("run_ner")(options(data, "conllu", tmp_path, "", **own))
