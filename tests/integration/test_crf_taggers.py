"""Taggers with a CRF from files to stock tools: run_ner.py, the pipeline, and a process without the package."""

import json

import pytest
import torch
from remote_tools import run_without_package
from script_tools import as_flags, main_of
from transformers import AutoModelForTokenClassification, AutoProcessor, pipeline

import hanziformers  # noqa: F401
from hanziformers.training.tag_schemes import decode_tags

TINY = "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=48,max_position_embeddings=64"
OWN = {
    "chinese_bert": ",glyph_size=12,pinyin_embedding_size=8",
    "glyph_crm": ",glyph_size=24,first_block_channels=2,second_block_channels=4",
    "mpm_cner": ",lstm_hidden_size=16",
}
TEXTS = ["他在北京。", "上海的北京人去上海。", "北"]
CITIES = ("北京", "上海")

# argv: the folders of taggers, texts, and the file for what it finds
REMOTE = """
found = {}
for name, folder in json.loads(sys.argv[1]).items():
    tag = transformers.pipeline("token-classification", folder, trust_remote_code=True)
    assert type(tag).__module__.startswith("transformers.pipelines.")
    assert type(tag.model).__module__.startswith("transformers_modules.")
    texts = json.loads(sys.argv[2])
    rows = [tag(texts, aggregation_strategy=how, batch_size=2) for how in ("none", "simple")]
    processor = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    decoded = tag.model.decode(**processor(texts, padding=True, return_tensors="pt"))
    found[name] = {key: value.tolist() for key, value in decoded.items()}
    found[name]["rows"] = json.loads(json.dumps(rows, default=float))
with open(sys.argv[3], "w") as file:
    json.dump(found, file)
"""


@pytest.fixture(scope="module")
def main():
    return main_of("run_ner")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sentences with cities, in columns with a label that breaks IOB2, and their vocabulary."""
    folder = tmp_path_factory.mktemp("cities")
    lines = []
    for index in range(48):
        first, second = CITIES[index % 2], CITIES[index // 2 % 2]
        lines += [f"{first[0]} B-LOC", f"{first[1]} I-LOC", *(f"{c} O" for c in "的人在"[: index % 3 + 1])]
        lines += [f"{second[0]} B-LOC", f"{second[1]} I-LOC", "。 O", ""]
    (folder / "train.bio").write_text("\n".join(lines), encoding="utf-8")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"北京上海的人在他去。"]
    (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    return folder


def options(data, output, **more):
    named = {split: data / "train.bio" for split in ("train_file", "test_file")} | {"output_dir": output}
    named |= {"num_train_epochs": 6, "learning_rate": 0.01, "per_device_train_batch_size": 8, "disable_tqdm": True}
    return [*as_flags(named | more), "--do_predict"]


@pytest.fixture(scope="module")
def trained(data, main, tmp_path_factory):
    """Model type -> folder and figures of a new tagger with a CRF."""
    made = {}
    for kind, sizes in OWN.items():
        folder = tmp_path_factory.mktemp(kind) / "tagger"
        new = {
            "model_type": kind,
            "vocab_file": data / "vocab.txt",
            "config_overrides": TINY + sizes,
            "classifier": "crf",
        }
        new |= {} if kind == "chinese_bert" else {"vocabulary_bank": True}
        new |= {"learning_rates": "swin=0,rest=1e-2"} if kind == "mpm_cner" else {}
        made[kind] = folder, main([*options(data, folder, **new), "--do_train"])
    return made


@pytest.mark.parametrize("kind", list(OWN))
def test_it_learns_and_the_stock_pipeline_finds_what_the_script_scores(trained, data, main, kind, tmp_path):
    folder, results = trained[kind]
    assert results["test"]["f1"] > 0.9
    config = AutoModelForTokenClassification.from_pretrained(folder).config
    assert (config.classifier, config.special_token_ids) == ("crf", [0, 2, 3])
    assert "--classifier crf" in (folder / "README.md").read_text(encoding="utf-8")
    again = ["--model_name_or_path", str(folder), *options(data, tmp_path / "out")]
    assert main(again)["test"] == results["test"]
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()][:12]
    tag = pipeline("token-classification", str(folder), aggregation_strategy="simple")
    found = tag([row["text"] for row in rows], batch_size=5)
    for row, entities in zip(rows, found, strict=True):
        assert [(e["start"], e["end"]) for e in entities] == [(e["start"], e["end"]) for e in row["entities"]]
        assert all(0.3 < e["score"] <= 1 for e in entities)


def test_a_checkpoint_changes_its_head(trained, data, main, tmp_path):
    """From a CRF to a Linear, and back on the checkpoint of that."""
    folder = trained["chinese_bert"][0]
    linear = {"model_name_or_path": folder, "classifier": "linear", "num_train_epochs": 2}
    main([*options(data, tmp_path / "linear", **linear), "--do_train"])
    back = {"model_name_or_path": tmp_path / "linear", "classifier": "crf", "num_train_epochs": 3}
    results = main([*options(data, tmp_path / "crf", **back), "--do_train"])
    assert results["test"]["f1"] > 0.9
    with pytest.raises(ValueError, match="labels tokens with classifier='linear'; 'crf' would have new weights"):
        main(options(data, tmp_path / "out", **back))


def test_it_decodes_without_the_package(trained, tmp_path):
    folders = {kind: str(folder) for kind, (folder, _) in trained.items()}
    arguments = json.dumps(folders), json.dumps(TEXTS), tmp_path / "found.json"
    run_without_package(REMOTE, *arguments, folder=tmp_path / "cache")
    found = json.loads((tmp_path / "found.json").read_text())
    for kind, folder in folders.items():
        tag, processor = pipeline("token-classification", folder), AutoProcessor.from_pretrained(folder)
        decoded = tag.model.decode(**processor(TEXTS, padding=True, return_tensors="pt"))
        for key, value in decoded.items():
            torch.testing.assert_close(torch.tensor(found[kind][key]), value, atol=1e-5, rtol=0)
        for how, rows in zip(("none", "simple"), found[kind]["rows"], strict=True):
            own = tag(TEXTS, aggregation_strategy=how)
            for one, other in zip(rows, own, strict=True):
                assert [(e["start"], e["end"]) for e in one] == [(e["start"], e["end"]) for e in other]
        names = tag.model.config.id2label
        for row in decoded.tag_ids.tolist():
            assert decode_tags([names[tag_id] for tag_id in row if tag_id >= 0], "IOB2")[1] == 0
