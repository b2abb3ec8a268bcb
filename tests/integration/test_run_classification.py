"""run_classification.py from files to a checkpoint: tiny models, real Trainer, no network."""

import csv
import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from process_tools import run_ranks
from safetensors.torch import load_file
from script_tools import SCRIPTS, as_flags, main_of
from transformers import AutoConfig, AutoModelForSequenceClassification, BertForSequenceClassification, pipeline

import hanziformers
from hanziformers.training.classification_data import read_classification
from hanziformers.training.classification_task import ClassificationTask
from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.data_splits import read_splits, select_rows

SCRIPT = SCRIPTS / "run_classification.py"
TINY = "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=48,max_position_embeddings=32"
EXACT = ",hidden_dropout_prob=0,attention_probs_dropout_prob=0"
WORDS = {"好评": "好佳妙喜", "差评": "坏差劣怨"}
ASPECTS = {"价格": "价钱贵", "服务": "店员笑", "味道": "甜辣咸"}
FILLING = "这家店的酒房间菜里我们去了三次又大小"
SIZES = {"train": 240, "validation": 60, "test": 60}


def sentence(rng, *marks):
    characters = [rng.choice(mark) for mark in marks] + rng.choices(FILLING, k=rng.randint(3, 9))
    rng.shuffle(characters)
    return "".join(characters)


def write_csv(path, names, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Texts whose label a character tells; pairs where one of the text pair does; texts with several labels."""
    folder, rng = tmp_path_factory.mktemp("classification"), random.Random(0)
    for split, size in SIZES.items():
        single = [(label, sentence(rng, WORDS[label])) for label in rng.choices(list(WORDS), (2, 1), k=size)]
        write_csv(folder / f"{split}.csv", ["label", "review"], single)
        labels = rng.choices(["0", "1"], k=size)
        pairs = [(sentence(rng), sentence(rng, WORDS["好评" if label == "1" else "差评"]), label) for label in labels]
        lines = "".join("\t".join(row) + "\n" for row in pairs)
        (folder / f"pairs_{split}.tsv").write_text(lines, encoding="utf-8")
        chosen = [[name for name in ASPECTS if rng.random() < 0.4] for _ in range(size)]
        several = [{"text": sentence(rng, *map(ASPECTS.get, names)), "labels": names} for names in chosen]
        (folder / f"several_{split}.jsonl").write_text("\n".join(map(json.dumps, several)), encoding="utf-8")
    write_csv(folder / "unlabelled.csv", ["review"], [["好" + FILLING], ["坏" + FILLING]])
    tokens = sorted({*FILLING, *"".join([*WORDS.values(), *ASPECTS.values()])})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *tokens]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return folder


def options(data, output, *more, files="{}.csv", model_type="bert", overrides=TINY, epochs=4):
    named = {
        "model_type": model_type,
        "vocab_file": data / "vocab.txt",
        "config_overrides": overrides,
        **{f"{split}_file": data / files.format(split) for split in SIZES},
        "output_dir": output,
        "num_train_epochs": epochs,
        "learning_rate": 5e-3,
        "seed": 7,
    }
    return [*as_flags(named), "--do_train", "--do_eval", "--do_predict", "--disable_tqdm", "True", *more]


@pytest.fixture(scope="module")
def main():
    return main_of("run_classification")


@pytest.fixture(scope="module")
def trained(data, main, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny-reviews"
    return folder, main(options(data, folder, "--save_total_limit", "5"))


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_learns_and_writes_everything(trained, data):
    folder, results = trained
    assert results["test"]["accuracy"] > 0.9
    assert set(results["test"]["by_label"]) == set(WORDS)
    predictions, gold = read_lines(folder / "predictions.jsonl"), read_classification(data / "test.csv")[0]
    assert [(row["text"], row["gold"]) for row in predictions] == [(row["text"], row["label"]) for row in gold]
    for row in predictions:
        assert row["label"] == max(row["scores"], key=row["scores"].get)
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-5)
    right = sum(row["label"] == row["gold"] for row in predictions)
    assert results["test"]["accuracy"] == right / SIZES["test"]
    coverage = json.loads((folder / "coverage.json").read_text(encoding="utf-8"))
    assert coverage["test"]["used"]["characters"] == sum(map(len, gold["text"]))
    assert coverage["train"]["read"]["labels"].keys() == set(WORDS)
    assert coverage["train"]["used"]["truncated_texts"] == coverage["train"]["used"]["cut_characters"] == 0
    metrics = json.loads((folder / "all_results.json").read_text())
    assert metrics["test_accuracy"] == results["test"]["accuracy"]
    assert metrics["eval_macro_f1"] == results["validation"]["macro_f1"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    for piece in (f"{results['test']['macro_f1']:.4f}", "Seed 7", "test.csv", "好评", "best accuracy", "model-index"):
        assert piece in card, piece
    assert "$" not in card


def test_the_best_checkpoint_is_kept(trained):
    folder, _ = trained
    state = json.loads((folder / "trainer_state.json").read_text())
    assert state["best_metric"] == max(e["eval_accuracy"] for e in state["log_history"] if "eval_accuracy" in e)
    best = load_file(Path(state["best_model_checkpoint"]) / "model.safetensors")
    kept = load_file(folder / "model.safetensors")
    assert all(torch.equal(best[name], kept[name]) for name in kept)


def test_the_standard_pipeline_says_the_same(trained):
    folder, _ = trained
    rows = read_lines(folder / "predictions.jsonl")
    classify = pipeline("text-classification", model=str(folder), top_k=None)
    for row, found in zip(rows, classify([row["text"] for row in rows], batch_size=8), strict=True):
        assert {score["label"]: score["score"] for score in found} == pytest.approx(row["scores"], abs=1e-4)


def test_an_interrupted_run_resumes(trained, data, main, tmp_path):
    folder, results = trained
    first = min(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    shutil.copytree(first, tmp_path / "tiny-reviews" / first.name)
    assert main(options(data, tmp_path / "tiny-reviews", "--save_total_limit", "5")) == results
    whole, resumed = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "tiny-reviews"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    log = json.loads((tmp_path / "tiny-reviews" / "trainer_state.json").read_text())["log_history"]
    assert [entry["epoch"] for entry in log if "eval_accuracy" in entry] == [1.0, 2.0, 3.0, 4.0]


OWN_SIZES = {
    "glyph_crm": ",glyph_size=24,first_block_channels=2,second_block_channels=4,glyph_initializer=kaiming",
    "chinese_bert": ",glyph_size=12,pinyin_embedding_size=8",
}


@pytest.mark.parametrize("model_type", ["glyph_crm", "chinese_bert"])
def test_models_of_this_package_train_the_same_way(data, main, tmp_path, model_type):
    """Two steps; the folder alone is enough for the pipeline, also for a character that the vocabulary lacks."""
    extra = OWN_SIZES[model_type]
    rare = tmp_path / "rare.csv"
    write_csv(rare, ["text"], [("这家店㐀好",), ("这家店㐁好",), ("好",)])
    arguments = options(data, tmp_path / "out", model_type=model_type, overrides=TINY + extra, epochs=1)
    arguments[arguments.index("--test_file") + 1] = str(rare)
    main([*arguments, "--max_train_samples", "32", "--vocabulary_bank", "True", "--learning_rate", "1e-4"])
    coverage = json.loads((tmp_path / "out" / "coverage.json").read_text(encoding="utf-8"))
    assert coverage["test"]["used"]["unknown_tokens"] == 2
    rows = read_lines(tmp_path / "out" / "predictions.jsonl")
    if model_type == "glyph_crm":  # sees both by their glyph images
        assert rows[0]["scores"] != rows[1]["scores"]
    classify = pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)
    for row, found in zip(rows, classify([row["text"] for row in rows], batch_size=2), strict=True):
        assert {score["label"]: score["score"] for score in found} == pytest.approx(row["scores"], abs=1e-4)


def test_a_long_text_fills_positions_that_are_no_multiple_of_8(data, main, tmp_path):
    long = tmp_path / "long.csv"
    write_csv(long, ["label", "text"], [("好评", "好" + FILLING * 4), ("差评", "坏" + FILLING * 4)] * 4)
    overrides = TINY.replace("max_position_embeddings=32", "max_position_embeddings=50")
    arguments = options(data, tmp_path / "out", overrides=overrides, epochs=1)
    for split in SIZES:
        arguments[arguments.index(f"--{split}_file") + 1] = str(long)
    main(arguments)
    coverage = json.loads((tmp_path / "out" / "coverage.json").read_text(encoding="utf-8"))
    assert coverage["test"]["used"]["truncated_texts"] == 8


def test_pairs(data, main, tmp_path):
    results = main(options(data, tmp_path / "pairs", files="pairs_{}.tsv", epochs=6))
    assert results["test"]["accuracy"] > 0.9  # only the text pair tells
    row = read_lines(tmp_path / "pairs" / "predictions.jsonl")[0]
    classify = pipeline("text-classification", model=str(tmp_path / "pairs"), top_k=None)
    found = classify({"text": row["text"], "text_pair": row["text_pair"]})
    found = found[0] if isinstance(found[0], list) else found
    assert {score["label"]: score["score"] for score in found} == pytest.approx(row["scores"], abs=1e-4)
    assert "text_pair" in (tmp_path / "pairs" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model_type", ["glyph_crm", "chinese_bert"])
def test_models_of_this_package_take_pairs(data, main, tmp_path, model_type):
    form = {"files": "pairs_{}.tsv", "model_type": model_type, "overrides": TINY + OWN_SIZES[model_type], "epochs": 1}
    main(options(data, tmp_path / "out", "--max_train_samples", "32", "--vocabulary_bank", "True", **form))
    rows = read_lines(tmp_path / "out" / "predictions.jsonl")[:4]
    classify = pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)
    for row in rows:
        found = classify({"text": row["text"], "text_pair": row["text_pair"]})
        found = found[0] if isinstance(found[0], list) else found
        assert {score["label"]: score["score"] for score in found} == pytest.approx(row["scores"], abs=1e-4)


def matcher_options(data, output, *more, **form):
    """BiMPM, whose words are counted in the training text."""
    sizes = "hidden_size=12,embedding_dim=8,num_perspectives=2,glyph_dim=8,glyph_groups=2"
    found = options(data, output, "--vocabulary_bank", "True", *more, model_type="bimpm", overrides=sizes, **form)
    place = found.index("--vocab_file")
    return found[:place] + found[place + 2 :] + ["--glyph_styles", "song"]


@pytest.mark.parametrize("cut", ["words", "characters"])
def test_a_matcher_takes_pairs(data, main, tmp_path, cut):
    more = ("--cut", cut, "--max_train_samples", "32")
    main(matcher_options(data, tmp_path / "out", *more, files="pairs_{}.tsv", epochs=1))
    classify = pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)
    assert type(classify.model) is hanziformers.BiMpmForSequenceClassification
    assert classify.tokenizer.cut == cut
    lengths = {len(word) for word in classify.tokenizer.get_vocab() if word[0] != "["}
    assert lengths == {1} if cut == "characters" else max(lengths) > 1
    for row in read_lines(tmp_path / "out" / "predictions.jsonl")[:4]:
        found = classify({"text": row["text"], "text_pair": row["text_pair"]})
        found = found[0] if isinstance(found[0], list) else found
        assert {score["label"]: score["score"] for score in found} == pytest.approx(row["scores"], abs=1e-4)


def test_a_matcher_refuses_single_texts(data, main, tmp_path):
    with pytest.raises(ValueError, match="a bimpm matches the two texts of a pair, .* give --pair_column"):
        main(matcher_options(data, tmp_path / "out", "--cut", "characters", epochs=1))


def test_several_labels(data, main, tmp_path):
    folder = tmp_path / "several"
    overrides = TINY + ",initializer_range=0.2"
    form = {"files": "several_{}.jsonl", "overrides": overrides, "epochs": 15}
    results = main(options(data, folder, "--multi_label", "True", **form))
    assert results["test"]["macro_f1"] > 0.9
    assert json.loads((folder / "trainer_state.json").read_text())["best_metric"] == results["validation"]["macro_f1"]
    rows = read_lines(folder / "predictions.jsonl")
    for row in rows:
        assert row["label"] == [label for label, score in row["scores"].items() if score >= 0.5]
    exact = sum(sorted(row["label"]) == sorted(row["gold"]) for row in rows)
    assert results["test"]["accuracy"] == exact / len(rows)
    classify = pipeline("text-classification", model=str(folder), top_k=None)  # sigmoid, by the saved problem_type
    found = {score["label"]: score["score"] for score in classify([rows[0]["text"]])[0]}
    assert found == pytest.approx(rows[0]["scores"], abs=1e-4)
    arguments = ["--model_name_or_path", str(folder), "--output_dir", str(tmp_path / "out"), "--do_predict"]
    with pytest.raises(ValueError, match="was trained for multi_label_classification: give --multi_label True"):
        main([*arguments, "--test_file", str(data / "unlabelled.csv")])


def test_predicts_texts_without_labels(trained, data, main, tmp_path):
    folder, _ = trained
    arguments = ["--model_name_or_path", str(folder), "--output_dir", str(tmp_path / "out"), "--do_predict"]
    assert main([*arguments, "--test_file", str(data / "unlabelled.csv")]) == {}
    assert [row["gold"] for row in read_lines(tmp_path / "out" / "predictions.jsonl")] == [None, None]
    labelled, partly = (data / "test.csv").read_text(encoding="utf-8"), tmp_path / "partly.csv"
    partly.write_text(labelled + ",好好好\n-,坏坏坏\n", encoding="utf-8")
    scores = [main([*arguments, "--test_file", str(path)])["test"] for path in (data / "test.csv", partly)]
    assert scores[0] == scores[1]  # rows without label are predicted, and not scored
    assert len(read_lines(tmp_path / "out" / "predictions.jsonl")) == SIZES["test"] + 2
    assert (
        json.loads((tmp_path / "out" / "coverage.json").read_text(encoding="utf-8"))["test"]["read"]["unlabelled"] == 2
    )


def test_few_shot_with_held_out_validation_data(trained, data, main, tmp_path):
    folder, _ = trained
    names = ["差评", "好评"]  # another order than sorted
    features = Features({"sentence": Value("string"), "label": ClassLabel(names=names)})
    rows = [{"sentence": row["text"], "label": row["label"]} for row in read_classification(data / "train.csv")[0]]
    Dataset.from_list([*rows, {"sentence": "好", "label": -1}], features=features).to_parquet(
        tmp_path / "hub" / "train.parquet"
    )
    arguments = ["--model_name_or_path", str(folder), "--from_scratch", "True", "--dataset_name", str(tmp_path / "hub")]
    more = ["--output_dir", str(tmp_path / "out"), "--validation_fraction", "0.25", "--max_train_samples", "30"]
    more += ["--num_train_epochs", "1", "--disable_tqdm", "True", "--max_seq_length", "8"]
    results = main([*arguments, *more, "--do_train", "--do_eval"])
    assert set(results) == {"validation"}
    coverage = json.loads((tmp_path / "out" / "coverage.json").read_text(encoding="utf-8"))
    read, used = coverage["train"]["read"], coverage["validation"]["used"]
    assert (coverage["train"]["used"]["texts"], read["rows"], read["unlabelled"]) == (30, 241, 1)
    assert (coverage["validation"]["read"], used["texts"]) == (None, 60)
    assert used["cut_characters"] > used["truncated_texts"] > 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "25% of the training data" in card
    assert "more than 8 tokens" in card


def test_rows_are_chosen_by_the_seed_and_by_label(data):
    task, args = ClassificationTask(), DataArguments(train_file=str(data / "train.csv"), max_train_samples=31)
    read, reports = read_splits(task, args)
    chosen = [select_rows(task, read, args, seed) for seed in (1, 1, 2)]
    texts = [rows["train"]["text"][:] for rows in chosen]
    assert texts[0] == texts[1] != texts[2]
    assert not set(texts[0]) & set(chosen[0]["validation"]["text"])
    ratio = reports["train"].labels["差评"] / SIZES["train"]
    for rows in chosen:
        for split, size in (("train", 31), ("validation", 24)):
            assert len(rows[split]) == size
            assert abs(rows[split]["label"][:].count("差评") - ratio * size) < 2


def test_accumulated_steps_learn_as_one_batch_does(data, main, tmp_path):
    losses = []
    for batch, steps in ((16, 1), (4, 4)):
        more = ["--per_device_train_batch_size", str(batch), "--gradient_accumulation_steps", str(steps)]
        folder = tmp_path / str(batch)
        main(options(data, folder, *more, epochs=1, overrides=TINY + EXACT))
        losses.append(json.loads((folder / "all_results.json").read_text()))
    assert losses[0]["train_loss"] == pytest.approx(losses[1]["train_loss"], rel=1e-3)
    assert losses[0]["eval_loss"] == pytest.approx(losses[1]["eval_loss"], rel=1e-2)


def test_two_processes_give_the_same_metrics(data, main, tmp_path):
    """Two processes with half the batch each see the same batches as one; without dropout they learn the same."""

    def arguments(folder, batch):
        more = ["--use_cpu", "True", "--per_device_train_batch_size", str(batch)]
        return options(data, folder, *more, epochs=1, overrides=TINY + EXACT)

    main(arguments(tmp_path / "1", 16))
    run_ranks(SCRIPT, *arguments(tmp_path / "2", 8))
    one, two = (json.loads((tmp_path / name / "all_results.json").read_text()) for name in "12")
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)
    assert two["test_accuracy"] == pytest.approx(one["test_accuracy"], abs=0.05)
    texts = [[row["text"] for row in read_lines(tmp_path / name / "predictions.jsonl")] for name in "12"]
    assert texts[0] == texts[1] == read_classification(data / "test.csv")[0]["text"][:]


def test_a_checkpoint_is_trained_on_and_scored_with_its_own_labels(trained, data, main, tmp_path):
    folder, results = trained
    arguments = ["--model_name_or_path", str(folder), "--output_dir", str(tmp_path / "out")]
    assert main([*arguments, "--do_predict", "--test_file", str(data / "test.csv")])["test"] == results["test"]
    other = tmp_path / "other.csv"
    write_csv(other, ["label", "text"], [("新", "好"), ("旧", "坏")] * 20)
    with pytest.raises(ValueError, match="新"):
        main([*arguments, "--do_predict", "--test_file", str(other)])
    main([*arguments, "--do_train", "--train_file", str(other), "--num_train_epochs", "1"])
    assert AutoConfig.from_pretrained(tmp_path / "out").id2label == {0: "新", 1: "旧"}
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert isinstance(model, BertForSequenceClassification)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_type", "bert"], "there are no data"),
        (["--train_file", "{train}"], "which model"),
        (["--test_file", "{train}"], "no train data, only .'test'.: give --train_file"),
        (["--train_file", "{train}", "--do_predict"], "no test data.*give --test_file"),
        (["--train_file", "{none}"], "none.csv does not exist"),
        (["--train_file", "{train}", "--label_column", "rating"], r"has no column \['rating'\]; it has"),
        (["--train_file", "{several}"], "have lists of labels: give --multi_label True"),
        (["--train_file", "{train}", "--test_file", "{pairs}"], "some data are pairs, others are not"),
        (["--train_file", "{unlabelled}"], "no row of the train data has a label: give --label_column"),
        (["--train_file", "{one}", "--model_type", "bert"], r"have the labels \['x'\]; at least two are needed"),
        (["--train_file", "{train}", "--validation_fraction", "0"], "holds out 0 of 240 training rows"),
        (["--train_file", "{train}", "--validation_fraction", "1"], "holds out 240 of 240"),
        (["--train_file", "{train}", "--max_train_samples", "0"], "max_train_samples=0: give at least 1"),
        (
            ["--train_file", "{train}", "--model_type", "bert", "--vocab_file", "{vocab}", "--max_seq_length", "4"],
            "give 5",
        ),
    ],
)
def test_errors_name_the_fix(data, main, tmp_path, arguments, message):
    write_csv(tmp_path / "one.csv", ["label", "text"], [("x", "好")] * 20)
    paths = {
        "train": data / "train.csv",
        "none": tmp_path / "none.csv",
        "pairs": data / "pairs_test.tsv",
        "several": data / "several_train.jsonl",
        "unlabelled": data / "unlabelled.csv",
        "one": tmp_path / "one.csv",
        "vocab": data / "vocab.txt",
    }
    filled = [argument.format(**paths) for argument in arguments]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        main([*filled, "--output_dir", str(tmp_path / "out"), "--do_train"])
