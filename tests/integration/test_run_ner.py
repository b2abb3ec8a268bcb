"""run_ner.py from files to a checkpoint: tiny models, real Trainer, no network."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from process_tools import run_ranks, run_until
from safetensors.torch import load_file, save_file
from script_tools import SCRIPTS, as_flags, main_of
from transformers import AutoModelForTokenClassification, AutoProcessor, BertForTokenClassification, pipeline

from hanziformers import MpmForPreTraining, MpmPretrainingConfig
from hanziformers.training.ner_data import read_ner

SCRIPT = SCRIPTS / "run_ner.py"
SAMPLE = Path(__file__).parents[1] / "data" / "ner_sample"
TINY = "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=48,max_position_embeddings=64"
OWN = {
    "chinese_bert": ",glyph_size=12,pinyin_embedding_size=8",
    "glyph_crm": ",glyph_size=24,first_block_channels=2,second_block_channels=4",
}
SPLITS = {"train": 160, "validation": 40, "test": 40}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The first lines of the sample, and a vocabulary of their characters."""
    folder = tmp_path_factory.mktemp("ner")
    characters = set()
    for split, count in SPLITS.items():
        source = SAMPLE / f"{'dev' if split == 'validation' else split}.jsonl"
        lines = source.read_text(encoding="utf-8").splitlines()[:count]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        characters |= {character for line in lines for character in json.loads(line)["text"]}
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(characters - {" "})]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return folder


def options(data, output, *more, model_type="chinese_bert", epochs=2):
    extra = OWN.get(model_type, "")
    named = {
        "model_type": model_type,
        "vocab_file": data / "vocab.txt",
        "config_overrides": TINY + extra,
        **{f"{split}_file": data / f"{split}.jsonl" for split in SPLITS},
        "output_dir": output,
        "num_train_epochs": epochs,
        "learning_rate": 3e-3,
        "seed": 7,
    }
    return [*as_flags(named), "--do_train", "--do_eval", "--do_predict", "--disable_tqdm", "True", *more]


@pytest.fixture(scope="module")
def main():
    return main_of("run_ner")


@pytest.fixture(scope="module")
def trained(data, main, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny-ner"
    return folder, main(options(data, folder, "--save_total_limit", "5"))


def test_files_and_card(trained, data):
    folder, results = trained
    predictions = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    gold = read_ner(data / "test.jsonl")[0]
    assert [row["text"] for row in predictions] == gold["text"][:]
    assert [row["gold"] for row in predictions] == gold["entities"][:]
    for row in predictions:
        assert all(entity["text"] == row["text"][entity["start"] : entity["end"]] for entity in row["entities"])
    coverage = json.loads((folder / "coverage.json").read_text())
    assert coverage["test"]["used"]["entities"] == sum(map(len, gold["entities"]))
    card = (folder / "README.md").read_text(encoding="utf-8")
    for piece in (
        f"{results['test']['f1']:.4f}",
        "Seed 7",
        "--learning_rate 0.003",
        "test.jsonl",
        "pypinyin",
        "model-index",
    ):
        assert piece in card, piece
    assert "$" not in card
    train = coverage["train"]
    assert (train["read"]["sentences"], train["used"]["truncated_texts"]) == (SPLITS["train"], 0)
    metrics = json.loads((folder / "all_results.json").read_text())
    assert metrics["test_f1"] == results["test"]["f1"]
    assert metrics["train_loss"] < 2


def test_predictions_are_what_the_scores_say(trained):
    folder, results = trained
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]

    def triples(name):
        return {(i, e["start"], e["end"], e["label"]) for i, row in enumerate(rows) for e in row[name]}

    found, gold = triples("entities"), triples("gold")
    hits = len(found & gold)
    assert results["test"]["recall"] == pytest.approx(hits / len(gold))
    assert results["test"]["precision"] == pytest.approx(hits / max(len(found), 1))


def test_the_best_checkpoint_is_kept(trained):
    folder, _ = trained
    state = json.loads((folder / "trainer_state.json").read_text())
    scores = [entry["eval_f1"] for entry in state["log_history"] if "eval_f1" in entry]
    assert state["best_metric"] == max(scores)
    best = load_file(Path(state["best_model_checkpoint"]) / "model.safetensors")
    kept = load_file(folder / "model.safetensors")
    assert all(torch.equal(best[name], kept[name]) for name in kept)


def test_reloads_and_predicts(trained):
    folder, _ = trained
    model = AutoModelForTokenClassification.from_pretrained(folder)
    assert type(model).__name__ == "ChineseBertForTokenClassification"
    ner = pipeline("token-classification", model=str(folder), aggregation_strategy="simple", stride=8)
    text = "王小明在北京上大学。" * 30  # five times longer than the model
    assert all(0 <= e["start"] < e["end"] <= len(text) for e in ner(text))


def test_an_interrupted_run_resumes(trained, data, main, tmp_path):
    folder, results = trained
    first = min(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    shutil.copytree(first, tmp_path / "tiny-ner" / first.name)
    again = main(options(data, tmp_path / "tiny-ner", "--save_total_limit", "5"))
    assert again == results
    whole, resumed = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "tiny-ner"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    log = json.loads((tmp_path / "tiny-ner" / "trainer_state.json").read_text())["log_history"]
    assert [entry["epoch"] for entry in log if "eval_f1" in entry] == [1.0, 2.0]


def test_a_long_text_fills_positions_that_are_no_multiple_of_8(data, main, tmp_path):
    rows = [{"text": "王小明在北京上大学。" * 10, "entities": [{"start": 4, "end": 6, "label": "LOC"}]}] * 4
    (tmp_path / "long.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arguments = ["--model_type", "bert", "--vocab_file", str(data / "vocab.txt"), "--num_train_epochs", "1"]
    arguments += ["--config_overrides", TINY.replace("=64", "=50"), "--output_dir", str(tmp_path / "out")]
    files = [part for split in SPLITS for part in (f"--{split}_file", str(tmp_path / "long.jsonl"))]
    main([*arguments, *files, "--do_train", "--do_eval", "--do_predict"])
    assert json.loads((tmp_path / "out" / "coverage.json").read_text())["test"]["used"]["truncated_texts"] == 4


def test_bert_trains_the_same_way(data, main, tmp_path):
    results = main(options(data, tmp_path / "bert", model_type="bert", epochs=1))
    assert set(results) == {"validation", "test"}
    assert isinstance(AutoModelForTokenClassification.from_pretrained(tmp_path / "bert"), BertForTokenClassification)


def test_glyph_crm_trains_the_same_way(data, main, tmp_path):
    """And reloads: the pipeline over the folder covers every character once, in order."""
    folder = tmp_path / "glyphs"
    more = ["--vocabulary_bank", "True", "--num_train_epochs", "1"]
    main([*options(data, folder, model_type="glyph_crm"), *more])
    model = AutoModelForTokenClassification.from_pretrained(folder)
    assert type(model).__name__ == "GlyphCrmForTokenClassification"
    processor = AutoProcessor.from_pretrained(folder)
    images = torch.from_numpy(processor.render_bank())
    assert torch.equal(model.base_model.get_input_embeddings().glyphs, images)
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    ner = pipeline("token-classification", model=str(folder), aggregation_strategy="simple", ignore_labels=[])
    for row, entities in zip(rows[:8], ner([row["text"] for row in rows[:8]], batch_size=4), strict=True):
        text = row["text"]
        covered = [position for entity in entities for position in range(entity["start"], entity["end"])]
        assert {position for position, character in enumerate(text) if not character.isspace()} <= set(covered)
        assert covered == sorted(set(covered))


@pytest.fixture(scope="module")
def mpm(data, main, tmp_path_factory):
    """The options of a run of MPM-CNER, its encoders pre-trained with sizes of their own, and the folder it made."""
    folder = tmp_path_factory.mktemp("mpm")
    sizes = {"patch_size": 12, "embed_dim": 6, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2, "num_labels": 2}
    named = {"vocabulary_bank": True, "max_train_samples": 48, "learning_rates": "swin=3e-3,rest=3e-3"}
    for modality in ("glyph", "phonetic"):
        MpmForPreTraining(MpmPretrainingConfig(modality=modality, **sizes)).save_pretrained(folder / modality)
        named[f"{modality}_encoder"] = folder / modality

    def flags(output, batch=16):
        # without dropout, as two processes draw other numbers than one
        no_dropout = ",hidden_dropout_prob=0,attention_probs_dropout_prob=0,classifier_dropout=0"
        more = {
            "per_device_train_batch_size": batch,
            "use_cpu": True,
            "config_overrides": TINY + no_dropout,
        }
        return [*options(data, output, model_type="mpm_cner"), *as_flags({**named, **more})]

    main(flags(folder / "tiny-mpm"))
    return flags, folder / "tiny-mpm"


def weights_of(folder):
    return load_file(folder / "model.safetensors")


def test_mpm_cner_trains_the_same_way(mpm, data):
    """Around encoders that the script of pre-training left, with their sizes; the card says what is in it."""
    _, folder = mpm
    model = AutoModelForTokenClassification.from_pretrained(folder)
    assert (model.config.swin_depths, model.config.swin_patch_size, model.config.modality_size) == ([1, 1], 12, 12)
    processor = AutoProcessor.from_pretrained(folder)
    for bank, images in (
        (model.mpm_cner.glyph_bank, processor.render_bank()),
        (model.mpm_cner.sound_bank, processor.feature_extractor.render_bank()),
    ):
        assert torch.equal(bank.glyphs, torch.from_numpy(images))
    pretrained = MpmForPreTraining.from_pretrained(folder.parent / "glyph").encoder.state_dict()
    own = model.mpm_cner.glyph_bank.encoder.state_dict()
    assert all((own[name] - value).abs().max() < 0.05 for name, value in pretrained.items())  # six steps of 3e-3
    card = (folder / "README.md").read_text(encoding="utf-8")
    for piece in ("put together from encoders (glyph: ", "Hanziformers Song", "espeak-ng", "Sounds of 1522 syllables"):
        assert piece in card, piece
    ner = pipeline("token-classification", model=str(folder), aggregation_strategy="simple", stride=8)
    text = "王小明在北京上大学。" * 30  # five times longer than the model
    assert all(0 <= one["start"] < one["end"] <= len(text) for one in ner(text, ignore_labels=[]))


def test_a_killed_run_of_mpm_cner_resumes_to_the_same_weights(mpm, main, tmp_path):
    flags, folder = mpm
    arguments = flags(tmp_path / "tiny-mpm")
    run_until(tmp_path / "tiny-mpm" / "checkpoint-3" / "trainer_state.json", SCRIPT, *arguments)
    assert not (tmp_path / "tiny-mpm" / "model.safetensors").exists()
    main(arguments)
    whole, resumed = weights_of(folder), weights_of(tmp_path / "tiny-mpm")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_two_processes_train_mpm_cner_to_the_weights_of_one(mpm, tmp_path):
    flags, folder = mpm
    run_ranks(SCRIPT, *flags(tmp_path / "two", batch=8))
    whole, parallel = weights_of(folder), weights_of(tmp_path / "two")
    assert whole.keys() == parallel.keys()
    for name, value in whole.items():
        torch.testing.assert_close(parallel[name], value, atol=1e-5, rtol=1e-4)


def test_a_run_that_diverges_is_refused(data, main, tmp_path):
    with pytest.raises(
        FloatingPointError, match="the loss of step 2 is nan or infinite: .* --learning_rate .it was 1e"
    ):
        main(options(data, tmp_path / "out", "--learning_rate", "1e30", "--warmup_steps", "0", model_type="bert"))
    left = {path.name for path in (tmp_path / "out").iterdir()} if (tmp_path / "out").exists() else set()
    assert not left & {"model.safetensors", "all_results.json", "predictions.jsonl", "README.md"}
    assert not [name for name in left if name.startswith("checkpoint")]


@pytest.mark.parametrize("more", [{"do_train": False}, {"do_train": True}])
def test_a_damaged_checkpoint_is_neither_scored_nor_trained_on(trained, data, main, tmp_path, more):
    broken = shutil.copytree(trained[0], tmp_path / "broken", ignore=shutil.ignore_patterns("checkpoint-*"))
    weights = load_file(broken / "model.safetensors")
    weights["bert.embeddings.position_embeddings.weight"][63] = float("nan")  # which short texts do not reach
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    named = {"model_name_or_path": broken, "test_file": data / "test.jsonl", "output_dir": tmp_path / "out"}
    named |= {"train_file": data / "train.jsonl", "do_predict": True, **more}
    with pytest.raises(FloatingPointError, match=f"position_embeddings.weight .*before any step: the model .{broken}"):
        main(as_flags(named))
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


def test_an_output_folder_of_another_model_is_refused(trained, data, main):
    with pytest.raises(ValueError, match="checkpoint-.* is a checkpoint of another model: model_type is chinese_bert"):
        main(options(data, trained[0], model_type="bert"))
    heads = options(data, trained[0], "--config_overrides", TINY.replace("heads=2", "heads=4") + OWN["chinese_bert"])
    with pytest.raises(ValueError, match="another model: num_attention_heads is 2 there and 4 in this run"):
        main(heads)


def test_fine_tunes_a_checkpoint_on_a_hub_style_data_set(trained, data, main, tmp_path):
    folder, _ = trained
    names = ["O", "B-CITY", "I-CITY"]
    features = Features({"tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=names))})
    rows = [{"tokens": list("他在北京。"), "ner_tags": [0, 0, 1, 2, 0]}] * 24
    Dataset.from_list(rows, features=features).to_parquet(tmp_path / "hub" / "train.parquet")
    arguments = ["--model_name_or_path", str(folder), "--dataset_name", str(tmp_path / "hub"), "--do_train"]
    more = ["--do_eval", "--output_dir", str(tmp_path / "out"), "--validation_fraction", "0.25"]
    more += ["--num_train_epochs", "6", "--per_device_train_batch_size", "2"]
    results = main([*arguments, *more, "--learning_rate", "0.003", "--disable_tqdm", "True"])
    assert results["validation"]["f1"] == 1.0
    config = AutoModelForTokenClassification.from_pretrained(tmp_path / "out").config
    assert list(config.id2label.values()) == names


def test_a_trained_checkpoint_is_only_scored_with_its_own_tags(trained, data, main, tmp_path):
    folder, results = trained
    arguments = ["--model_name_or_path", str(folder), "--output_dir", str(tmp_path / "out"), "--do_predict"]
    assert main([*arguments, "--test_file", str(data / "test.jsonl")])["test"] == results["test"]
    only_locations = [json.loads(line) for line in (data / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in only_locations:
        row["entities"] = [entity for entity in row["entities"] if entity["label"] == "LOC"]
    (tmp_path / "locations.jsonl").write_text("\n".join(map(json.dumps, only_locations)))
    locations = main([*arguments, "--test_file", str(tmp_path / "locations.jsonl")])["test"]
    assert locations["by_label"]["LOC"] == results["test"]["by_label"]["LOC"]
    (tmp_path / "other.bio").write_text("北 B-CITY\n京 I-CITY\n")
    with pytest.raises(ValueError, match="B-CITY"):
        main([*arguments, "--test_file", str(tmp_path / "other.bio")])


def test_few_shot_with_held_out_validation_data(data, main, tmp_path):
    """The same options, length checks and rule as in run_classification.py."""
    files = ["--train_file", str(data / "train.jsonl"), "--model_type", "bert", "--vocab_file", str(data / "vocab.txt")]
    more = ["--config_overrides", TINY, "--output_dir", str(tmp_path / "out"), "--validation_fraction", "0.25"]
    more += ["--max_train_samples", "30", "--max_seq_length", "8", "--num_train_epochs", "1", "--disable_tqdm", "True"]
    assert set(main([*files, *more, "--do_train", "--do_eval"])) == {"validation"}
    coverage = json.loads((tmp_path / "out" / "coverage.json").read_text())
    state = json.loads((tmp_path / "out" / "trainer_state.json").read_text())
    assert state["max_steps"] == 2  # 30 sentences in batches of 16
    assert coverage["train"]["read"]["sentences"] == SPLITS["train"]
    assert coverage["train"]["used"]["entities"] < coverage["train"]["read"]["entities"]
    assert coverage["validation"]["read"] is None
    assert coverage["validation"]["used"]["truncated_texts"] > 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "25% of the training data" in card
    assert "more than 8 tokens" in card


def test_two_processes_give_the_same_metrics(data, main, tmp_path):
    """Two processes with half the batch each see the same batches as one; without dropout they learn the same."""
    results = {}
    for processes in (1, 2):
        folder = tmp_path / f"processes{processes}"
        arguments = options(data, folder, "--use_cpu", "True", "--per_device_train_batch_size", str(16 // processes))
        overrides = arguments.index("--config_overrides") + 1
        arguments[overrides] += ",hidden_dropout_prob=0,attention_probs_dropout_prob=0"
        if processes == 1:
            main(arguments)
        else:  # the command of the README; the other tests of several processes start them by themselves
            launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
            done = subprocess.run([*launch, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr[-3000:]
        results[processes] = json.loads((folder / "all_results.json").read_text())
        assert json.loads((folder / "trainer_state.json").read_text())["global_step"] == 20
        assert len((folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()) == SPLITS["test"]
    assert results[2]["train_loss"] == pytest.approx(results[1]["train_loss"], rel=0.02)
    assert results[2]["test_f1"] == pytest.approx(results[1]["test_f1"], abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_type", "chinese_bert"], "there are no data"),
        (["--train_file", "{train}"], "which model"),
        (["--test_file", "{train}"], "no train data, only .'test'.: give --train_file"),
        (["--train_file", "{train}", "--do_predict"], "no test data.*give --test_file"),
        (["--train_file", "{train}", "--model_type", "chinese_bert", "--vocab_file", "{none}"], "no vocabulary file"),
        (["--train_file", "{none}", "--model_type", "bert"], "none.txt"),
        (["--train_file", "{train}", "--validation_fraction", "0"], "holds out 0 of 160 training rows"),
        (["--train_file", "{train}", "--validation_fraction", "1"], "holds out 160 of 160"),
        (["--train_file", "{train}", "--max_train_samples", "0"], "max_train_samples=0: give at least 1"),
        (
            ["--train_file", "{train}", "--model_type", "bert", "--vocab_file", "{vocab}", "--max_seq_length", "2"],
            "give 3",
        ),
    ],
)
def test_errors_name_the_fix(data, main, tmp_path, arguments, message):
    paths = {"train": data / "train.jsonl", "none": tmp_path / "none.txt", "vocab": data / "vocab.txt"}
    filled = [argument.format(**paths) for argument in arguments]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        main([*filled, "--output_dir", str(tmp_path / "out"), "--do_train"])
