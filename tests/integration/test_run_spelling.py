"""run_spelling.py from files to a checkpoint: tiny models, real Trainer, no network."""

import json
import random
from pathlib import Path

import pytest
import torch
from process_tools import run_ranks, run_until
from remote_tools import run_without_package
from safetensors.torch import load_file
from script_tools import SCRIPTS, as_flags, main_of
from transformers import AutoConfig, AutoModelForMaskedLM, AutoProcessor, pipeline

from hanziformers import correct_spelling

SAMPLE = Path(__file__).parents[1] / "data" / "spelling_sample" / "pairs.tsv"
PHRASES = ["未来的人", "已在学校", "自己清静", "土地再大", "请王木匠", "日本玉米", "士人入座", "末日情债", "目得青天"]
WRITTEN = "未末己已人入在再的得地土士日目清请情青静木本米来王玉主大"  # what errors write
TINY = "hidden_size=64,num_hidden_layers=1,num_attention_heads=2,intermediate_size=64,max_position_embeddings=32"
EXACT = ",hidden_dropout_prob=0,attention_probs_dropout_prob=0"
SIZES = {"train": 150, "validation": 30, "test": 30}
OWN_SIZES = {
    "glyph_crm": ",glyph_size=24,first_block_channels=2,second_block_channels=4,glyph_initializer=kaiming",
    "chinese_bert": ",glyph_size=12,pinyin_embedding_size=8",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Right text in which each character follows from its neighbours, a vocabulary, and the characters of errors."""
    folder, rng = tmp_path_factory.mktemp("spelling"), random.Random(0)
    for split, size in SIZES.items():
        texts = ["，".join(rng.choices(PHRASES, k=3)) + "。" for _ in range(size)]
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "written.txt").write_text(WRITTEN, encoding="utf-8")
    tokens = sorted({*"".join(PHRASES), *WRITTEN, "，", "。"})
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tokens]) + "\n")
    return folder


def options(data, output, *more, model_type="bert", overrides=TINY, epochs=4):
    named = {
        "model_type": model_type,
        "vocab_file": data / "vocab.txt",
        "config_overrides": overrides,
        **{f"{split}_file": data / f"{split}.jsonl" for split in SIZES},
        "output_dir": output,
        "num_train_epochs": epochs,
        "learning_rate": 1e-2,
        "error_rate": 0.15,
        "error_characters": data / "written.txt",
        "seed": 7,
        "vocabulary_bank": model_type == "glyph_crm",
    }
    return [*as_flags(named), "--do_train", "--do_eval", "--do_predict", "--disable_tqdm", "True", *more]


@pytest.fixture(scope="module")
def main():
    return main_of("run_spelling")


@pytest.fixture(scope="module")
def trained(data, main, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny-speller"
    return folder, main(options(data, folder, "--save_total_limit", "5", "--error_copies", "3"))


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load(folder):
    return AutoModelForMaskedLM.from_pretrained(folder), AutoProcessor.from_pretrained(folder)


def test_learns_and_writes_everything(trained):
    folder, results = trained
    test = results["test"]
    assert test["correction_f1"] > 0.8
    assert test["detection_f1"] >= test["correction_f1"] >= 0
    assert test["false_alarms"] < 20
    assert {*test["by_label"]} <= {"look_alike", "homophone", "near_homophone", "look_and_sound"}
    rows = read_lines(folder / "predictions.jsonl")
    assert sum(row["predicted"] == row["gold"] for row in rows) > 20
    assert sum(row["support"] for row in test["by_label"].values()) == sum(len(row["kinds"]) for row in rows)
    coverage = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    assert coverage["train"]["read"]["made"]
    assert coverage["train"]["read"]["rows"] * 3 == coverage["train"]["used"]["texts"] == 450
    metrics = json.loads((folder / "all_results.json").read_text())
    assert metrics["test_sentence_correction_f1"] == test["sentence_correction_f1"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    for piece in ("Seed 7", "15% of its Chinese characters", "written.txt", "near_homophone", "correction_f1", "free"):
        assert piece in card, piece
    assert "$" not in card
    assert str(folder.parent) not in card.split("## Run")[0]


def test_correcting_says_the_same_as_predicting(trained):
    folder, _ = trained
    rows = read_lines(folder / "predictions.jsonl")
    found = correct_spelling(*load(folder), [row["text"] for row in rows])
    for row, one in zip(rows, found, strict=True):
        assert one["text"] == row["predicted"]
        assert [c["start"] for c in one["suggestions"]] == [c["start"] for c in row["suggestions"]]
        scores = [[c["score"] for c in side["suggestions"]] for side in (one, row)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_stock_pipeline_still_takes_the_model(trained):
    folder, _ = trained
    found = pipeline("fill-mask", model=str(folder))("未来的[MASK]")
    assert len(found) == 5


def test_scored_as_it_was_trained_with_other_decisions(trained, main, tmp_path):
    folder, results = trained
    arguments = ["--model_name_or_path", str(folder), "--do_predict", "--test_file", str(SAMPLE)]
    free = main([*arguments, "--output_dir", str(tmp_path / "free")])["test"]
    held = main([*arguments, "--output_dir", str(tmp_path / "held"), "--candidates", "confusions"])["test"]
    certain = main([*arguments, "--output_dir", str(tmp_path / "certain"), "--threshold", "1"])["test"]
    assert free["false_alarms"] >= held["false_alarms"] >= certain["false_alarms"]
    assert certain["broken_texts"] == 0
    assert sum(row["support"] for row in free["by_label"].values()) == 17
    coverage = json.loads((tmp_path / "free" / "coverage.json").read_text(encoding="utf-8"))["test"]
    assert coverage["read"]["kinds"]["homophone"] >= 9
    assert coverage["used"]["unknown_characters"] > 100  # of the sample the vocabulary knows little


def test_a_killed_run_resumes_to_the_same_weights(trained, data, main, tmp_path):
    folder, results = trained
    first = min(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    flags = options(data, tmp_path / "tiny-speller", "--save_total_limit", "5", "--error_copies", "3")
    run_until(tmp_path / "tiny-speller" / first.name / "trainer_state.json", SCRIPTS / "run_spelling.py", *flags)
    assert not (tmp_path / "tiny-speller" / "model.safetensors").exists()
    assert main(flags) == results
    whole, resumed = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "tiny-speller"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


REMOTE = """
from transformers import AutoModelForMaskedLM, AutoProcessor
folder = sys.argv[1]
model = AutoModelForMaskedLM.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
with torch.no_grad():
    logits = model(**processor(text="末来的人", return_tensors="pt")).logits
wanted = torch.load(sys.argv[2])
assert torch.allclose(logits, wanted, atol=1e-4), (logits - wanted).abs().max()
"""


@pytest.mark.parametrize("model_type", ["glyph_crm", "chinese_bert"])
def test_models_of_this_package_and_their_controls(data, main, tmp_path, warnings, model_type):
    """A few steps, without a warning of masks; the folder alone corrects as the run did, also that of a control."""
    rare = tmp_path / "rare.tsv"
    rare.write_text("text\tcorrect\n㐀末来的人\t㐀未来的人\n己在学校\t已在学校\n", encoding="utf-8")
    outcome, control = {}, ["--permute_glyphs", "3"]
    control += ["--permute_pinyin", "4"] if model_type == "chinese_bert" else []
    for name, more in {"plain": [], "control": control}.items():
        arguments = options(
            data, tmp_path / name, *more, model_type=model_type, overrides=TINY + OWN_SIZES[model_type], epochs=1
        )
        arguments[arguments.index("--test_file") + 1] = str(rare)
        main([*arguments, "--max_train_samples", "48"])
        rows = read_lines(tmp_path / name / "predictions.jsonl")
        found = correct_spelling(*load(tmp_path / name), [row["text"] for row in rows])
        assert [one["text"] for one in found] == [row["predicted"] for row in rows]
        outcome[name] = json.dumps(rows)
    assert not [text for text in warnings if "sees the answer" in text]
    assert outcome["plain"] != outcome["control"]
    card = (tmp_path / "control" / "README.md").read_text(encoding="utf-8")
    assert "This model is a control: the glyph images of Chinese characters are permuted (seed 3)." in card
    assert "a control" not in (tmp_path / "plain" / "README.md").read_text(encoding="utf-8")
    config = AutoConfig.from_pretrained(tmp_path / "control")
    assert config.permuted_glyphs == 3
    assert getattr(config, "permuted_pinyin", None) == (4 if model_type == "chinese_bert" else None)
    scored = ["--model_name_or_path", str(tmp_path / "control"), "--do_predict", "--test_file", str(rare)]
    main([*scored, "--output_dir", str(tmp_path / "again")])
    assert json.dumps(read_lines(tmp_path / "again" / "predictions.jsonl")) == outcome["control"]
    model, processor = load(tmp_path / "control")
    with torch.no_grad():
        torch.save(model.eval()(**processor(text="末来的人", return_tensors="pt")).logits, tmp_path / "logits.pt")
    run_without_package(REMOTE, tmp_path / "control", tmp_path / "logits.pt", folder=tmp_path / "elsewhere")


def test_two_processes_give_the_same_metrics(data, main, tmp_path):
    """Two processes with half the batch each see the same batches as one; without dropout they learn the same."""

    def arguments(folder, batch):
        more = ["--use_cpu", "True", "--per_device_train_batch_size", str(batch)]
        return options(data, folder, *more, epochs=1, overrides=TINY + EXACT)

    main(arguments(tmp_path / "1", 16))
    run_ranks(SCRIPTS / "run_spelling.py", *arguments(tmp_path / "2", 8))
    one, two = (json.loads((tmp_path / name / "all_results.json").read_text()) for name in "12")
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)
    assert two["test_detection_recall"] == pytest.approx(one["test_detection_recall"], abs=0.1)
    texts = [[row["text"] for row in read_lines(tmp_path / name / "predictions.jsonl")] for name in "12"]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_type", "bert"], "there are no data"),
        (["--train_file", "{unequal}"], r"unequal\.tsv, line 2: '我们们' has 3 characters, its correction .* has 2"),
        (["--train_file", "{none}"], r"none\.tsv does not exist"),
        (["--train_file", "{latin}"], "no row of the train data has a label"),
        (["--train_file", "{train}", "--error_characters", "{none}"], r"none\.tsv does not exist; .*simplified"),
        (["--train_file", "{train}", "--model_type", "mpm_cner"], "a mpm_cner has no head for this task"),
        (["--train_file", "{train}"], "which model"),
    ],
)
def test_errors_name_the_fix(data, main, tmp_path, arguments, message):
    (tmp_path / "unequal.tsv").write_text("我门\t我们\n我们们\t我们\n", encoding="utf-8")
    (tmp_path / "latin.tsv").write_text("abc\tabd\n" * 9, encoding="utf-8")
    paths = {"train": data / "train.jsonl", "none": tmp_path / "none.tsv", "latin": tmp_path / "latin.tsv"}
    paths["unequal"] = tmp_path / "unequal.tsv"
    filled = [argument.format(**paths) for argument in arguments]
    more = ["--vocab_file", str(data / "vocab.txt")] if "mpm_cner" in arguments else []
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        main([*filled, *more, "--output_dir", str(tmp_path / "out"), "--do_train"])
