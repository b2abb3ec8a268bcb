"""run_srl.py from files of both forms to a checkpoint: a tiny model, real Trainer, no network."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from process_tools import run_ranks, run_until
from safetensors.torch import load_file
from script_tools import SCRIPTS, as_flags, main_of
from transformers import AutoModelForTokenClassification, AutoProcessor

from hanziformers import SrlForTokenClassification
from hanziformers.training.srl_data import read_srl

SCRIPT = SCRIPTS / "run_srl.py"
SAMPLE = Path(__file__).parents[1] / "data" / "srl_sample"
FILES = {"train": "train.conllup", "validation": "dev.conllup", "test": "test.conll09"}
TINY = "hidden_size=32,num_hidden_layers=1,num_highway_layers=1,embedding_dim=16,glyph_dim=8,glyph_groups=2"
NO_DROPOUT = ",embedding_dropout=0.0,hidden_dropout=0.0,classifier_dropout=0.0,glyph_dropout=0.0"


def options(output, *more, epochs=4, batch=8, splits=FILES, **named):
    named = {
        "model_type": "srl",
        "config_overrides": TINY + NO_DROPOUT,
        "glyph_styles": "song",
        "vocabulary_bank": True,
        **{f"{split}_file": SAMPLE / FILES[split] for split in splits},
        "output_dir": output,
        "num_train_epochs": epochs,
        "per_device_train_batch_size": batch,
        "learning_rate": 2e-2,
        "seed": 7,
        **named,
    }
    named = {name: value for name, value in named.items() if value is not None}
    flags = ["--do_train", "--do_eval", "--do_predict", "--disable_tqdm", "True", "--use_cpu", "True"]
    return [*as_flags(named), *flags, *more]


@pytest.fixture(scope="module")
def main():
    return main_of("run_srl")


@pytest.fixture(scope="module")
def trained(main, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny-srl"
    return folder, main(options(folder, "--save_total_limit", "5"))


def lines_of(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_learns_the_sample(trained):
    _, results = trained
    assert results["test"]["f1"] > 0.9
    assert results["test"]["by_label"]["A0"]["support"] == 17


def test_predictions_are_what_the_scores_say(trained):
    folder, results = trained
    rows, gold = lines_of(folder), read_srl(SAMPLE / FILES["test"])[0]
    assert [row["words"] for row in rows] == gold["words"][:]
    assert [row["predicate"]["word"] for row in rows] == gold["predicate"][:]
    assert rows[0]["predicate"]["sense"] == gold[0]["sense"]

    def triples(name):
        return {(index, one["word"], one["role"]) for index, row in enumerate(rows) for one in row[name]}

    found, wanted = triples("roles"), triples("gold")
    assert results["test"]["recall"] == pytest.approx(len(found & wanted) / len(wanted))
    assert results["test"]["precision"] == pytest.approx(len(found & wanted) / len(found))
    assert all(one["form"] == row["words"][one["word"]] for row in rows for one in (*row["roles"], row["predicate"]))


def test_coverage_and_card(trained):
    folder, results = trained
    coverage = json.loads((folder / "coverage.json").read_text())
    assert coverage["test"]["read"]["coverage"] == [0.04, 1.0]
    assert (coverage["train"]["used"]["arguments"], coverage["train"]["used"]["pruned"]) == (272, 0)
    card = (folder / "README.md").read_text(encoding="utf-8")
    pieces = ("Pruning: k = 1.", "- validation: k=0 1.9%, k=1 100.0%", f"{results['test']['f1']:.4f}", "AM-TMP")
    for piece in (*pieces, "Senses of predicates are not predicted", "--learning_rate 0.02", "test.conll09"):
        assert piece in card, piece
    assert "$" not in card


def test_the_example_of_the_card_runs(trained, capsys):
    folder, _ = trained
    card = (folder / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    exec(compile(example.replace(f'"{folder.name}"', repr(str(folder))), "card", "exec"), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["他", "吃", "鲜", "鱼"]


def from_checkpoint(folder, output, **named):
    """Options that score the test data with a checkpoint, without training."""
    none = dict.fromkeys(("model_type", "glyph_styles", "vocabulary_bank", "config_overrides"))
    flags = options(output, splits=("test",), model_name_or_path=folder, **none, **named)
    return [flag for flag in flags if flag not in ("--do_train", "--do_eval")]


def test_a_checkpoint_is_scored_again_with_its_own_k(trained, main, tmp_path):
    folder, results = trained
    assert main(from_checkpoint(folder, tmp_path / "same"))["test"] == results["test"]
    pruned = main(from_checkpoint(folder, tmp_path / "pruned", pruning_order="0"))["test"]
    assert pruned["recall"] <= 0.04  # two of the fifty arguments are on a path
    coverage = json.loads((tmp_path / "pruned" / "coverage.json").read_text())
    assert (coverage["test"]["used"]["pruned"], coverage["test"]["used"]["arguments"]) == (48, 50)
    assert all(row["gold"] for row in lines_of(tmp_path / "pruned"))  # pruned arguments are in the gold standard


def test_the_baseline_without_glyphs_reads_words_and_relations(main, tmp_path):
    flags = options(tmp_path / "base", config_overrides=f"{TINY}{NO_DROPOUT},glyce=False", glyph_styles=None,
                    vocabulary_bank=None, read_relations=True, pruning_order="none", epochs=3)  # fmt: skip
    results = main(flags)
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "base")
    assert (model.config.pruning_order, model.config.glyce) == (None, False)
    assert model.config.relations[:2] == ["acl:relcl", "advmod"]
    assert results["test"]["f1"] > 0.5


def test_an_interrupted_run_resumes_to_the_same_weights(trained, main, tmp_path):
    folder, _ = trained
    arguments = options(tmp_path / "tiny-srl", "--save_total_limit", "5")
    run_until(tmp_path / "tiny-srl" / "checkpoint-12" / "trainer_state.json", SCRIPT, *arguments)
    main(arguments)
    whole, resumed = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "tiny-srl"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_two_processes_train_too(trained, main, tmp_path):
    folder, _ = trained
    run_ranks(SCRIPT, *options(tmp_path / "two", batch=4, epochs=2))
    whole, parallel = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "two"))
    assert whole.keys() == parallel.keys()
    found = json.loads((tmp_path / "two" / "all_results.json").read_text())
    assert found["test_f1"] > 0.8
    alone = main(from_checkpoint(tmp_path / "two", tmp_path / "alone"))["test"]  # one process scores the same
    assert all(found[f"test_{name}"] == alone[name] for name in ("precision", "recall", "f1"))
    assert lines_of(tmp_path / "two") == lines_of(tmp_path / "alone")


def test_reloads_with_its_processor(trained):
    folder, _ = trained
    model, processor = SrlForTokenClassification.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    row = lines_of(folder)[0]
    gold = read_srl(SAMPLE / FILES["test"])[0][0]
    inputs = processor(row["words"], is_split_into_words=True, return_tensors="pt")
    tags = [model.config.pos_tags.index(tag) + 1 for tag in gold["tags"]]
    more = {"heads": [gold["heads"]], "predicate": [gold["predicate"]], "tag_ids": [tags]}
    with torch.no_grad():
        logits = model(**inputs, **{name: torch.tensor(value) for name, value in more.items()}).logits
    names = [model.config.id2label[index] for index in logits[0].argmax(-1).tolist()]
    assert [(word, name) for word, name in enumerate(names) if name != "O"] == [
        (one["word"], one["role"]) for one in row["roles"]
    ]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"pruning_order": "-2"}, "pruning_order='-2' is not allowed"),
        (
            {"max_seq_length": 5},
            "max_seq_length=5: a sentence of the train data has .* words, and a tree cannot be cut",
        ),
        ({"syntax": "predicted"}, "syntax='predicted' is for CoNLL-2009"),
        ({"train_file": SAMPLE / "README.md"}, "README.md, line 3: .* has 1 columns; a file of UP has"),
        ({"model_type": "bilstm"}, "a bilstm labels no semantic roles: it takes no predicate; give --model_type srl"),
    ],
)
def test_errors_name_the_fix(main, tmp_path, named, message):
    with pytest.raises(ValueError, match=message):
        main(options(tmp_path / "out", **named))


def test_remote_code_carries_all_of_it(trained, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoint-*"))
    names = json.loads((folder / "config.json").read_text())["auto_map"]
    assert names["AutoModelForTokenClassification"] == "modeling_srl.SrlForTokenClassification"
    assert {"srl.py", "highway.py", "bilstm.py", "input_embeddings.py"} <= {path.name for path in folder.iterdir()}
