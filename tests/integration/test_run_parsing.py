"""run_parsing.py from a treebank to a checkpoint: a tiny model, real Trainer, no network."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from process_tools import run_ranks, run_until
from safetensors.torch import load_file
from script_tools import SCRIPTS, as_flags, main_of
from transformers import AutoModel, AutoProcessor

from hanziformers import BiaffineForDependencyParsing, parse
from hanziformers.training.dependency_data import read_trees

SCRIPT = SCRIPTS / "run_parsing.py"
BANK = Path(__file__).parents[1] / "data" / "treebank"
FILES = {"train": "train.conllu", "validation": "dev.conllu", "test": "test.conllu"}
TINY = "hidden_size=32,num_hidden_layers=1,embedding_dim=16,arc_size=16,relation_size=16,glyph_dim=8,glyph_groups=2"
NO_DROPOUT = ",embedding_dropout=0.0,hidden_dropout=0.0,classifier_dropout=0.0,glyph_dropout=0.0"


def options(output, epochs=20, steps="--do_train --do_eval --do_predict", **named):
    named = {
        "model_type": "biaffine",
        "config_overrides": TINY + NO_DROPOUT,
        "glyph_styles": "song",
        "vocabulary_bank": True,
        "min_word_count": 1,
        **{f"{split}_file": BANK / file for split, file in FILES.items()},
        "output_dir": output,
        "num_train_epochs": epochs,
        "per_device_train_batch_size": 6,
        "learning_rate": 2e-2,
        **dict.fromkeys(("eval_strategy", "save_strategy"), "steps"),  # saving takes longer than a step
        **dict.fromkeys(("eval_steps", "save_steps"), 20),
        "seed": 7,
        "disable_tqdm": True,
        "use_cpu": True,
        **named,
    }
    return [*as_flags({name: value for name, value in named.items() if value is not None}), *steps.split()]


def from_checkpoint(folder, output, **named):
    """Options that parse with a checkpoint, without training."""
    of_new = ("model_type", "config_overrides", "glyph_styles", "vocabulary_bank", "min_word_count")
    none = dict.fromkeys((*of_new, "train_file", "validation_file"))
    return options(output, steps="--do_predict", **{**none, "model_name_or_path": folder, **named})


@pytest.fixture(scope="module")
def main():
    return main_of("run_parsing")


@pytest.fixture(scope="module")
def trained(main, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny-parser"
    return folder, main(options(folder))


def test_predictions_are_what_the_scores_say(trained):
    folder, results = trained
    gold = read_trees(BANK / "test.conllu")[0]
    found = read_trees(folder / "predictions.conllu")[0]  # every tree is one, or this would refuse it
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("heads", "relations"):
        assert [row[name] for row in lines] == found[name][:]
        assert [row["gold"][name] for row in lines] == gold[name][:]
    words = heads = both = 0
    for row, wanted in zip(found, gold, strict=True):
        columns = (row["heads"], row["relations"], wanted["heads"], wanted["relations"], wanted["tags"])
        for head, relation, gold_head, gold_relation, tag in zip(*columns, strict=True):
            words += tag != "PUNCT"
            heads += tag != "PUNCT" and head == gold_head
            both += tag != "PUNCT" and (head, relation) == (gold_head, gold_relation)
    assert (results["test"]["uas"], results["test"]["las"]) == (heads / words, both / words)
    assert heads / words > 0.5
    assert sum(row["support"] for row in results["test"]["by_label"].values()) == words


def test_all_but_heads_and_relations_is_as_it_was(trained):
    before, after = (
        path.read_text(encoding="utf-8") for path in (BANK / "test.conllu", trained[0] / "predictions.conllu")
    )
    for old, new in zip(before.split("\n"), after.split("\n"), strict=True):
        old, new = old.split("\t"), new.split("\t")
        assert [old[:6], old[8:]] == [new[:6], new[8:]]
    svg = ElementTree.parse(trained[0] / "first_tree.svg")
    assert "妈妈" in [node.text for node in svg.iter()]


def test_coverage_and_card(trained):
    folder, results = trained
    coverage = json.loads((folder / "coverage.json").read_text())
    assert coverage["train"]["read"]["non_projective"] == 1
    assert coverage["test"]["used"] == {"words": 15, "unknown_words": 0, "unknown_relations": 0, "unknown_tags": 0}
    card = (folder / "README.md").read_text(encoding="utf-8")
    head = "| label | uas | las | precision | support |"
    pieces = ("reads no parts of speech", "nsubj:pass", "without punctuation", "subtypes", "test.conllu", head)
    for piece in (*pieces, f"{results['test']['las']:.4f}", "--learning_rate 0.02"):
        assert piece in card, piece
    assert "$" not in card


def test_the_example_of_the_card_runs(trained, capsys):
    folder, _ = trained
    (example,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example.replace(f'"{folder.name}"', repr(str(folder))), "card", "exec"), {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["我", "看", "书"]


def test_a_checkpoint_parses_files_without_trees(trained, main, tmp_path, capsys):
    folder, results = trained
    text = (BANK / "test.conllu").read_text(encoding="utf-8")
    bare = re.sub(r"\t\d+\t[a-z:]+\t(\S+\tSpaceAfter)", r"\t_\t_\t\1", text)
    (tmp_path / "bare.conllu").write_text(bare, encoding="utf-8")
    assert main(from_checkpoint(folder, tmp_path / "bare", test_file=tmp_path / "bare.conllu")) == {}
    figures = json.loads((tmp_path / "bare" / "all_results.json").read_text(encoding="utf-8"))
    assert not {"test_loss", "test_las"} & {*figures}
    parsed = (tmp_path / "bare" / "predictions.conllu").read_text(encoding="utf-8")
    assert parsed == (folder / "predictions.conllu").read_text(encoding="utf-8")
    assert parsed.split("\n\n")[0] in capsys.readouterr().out  # the first tree is printed
    again = main(from_checkpoint(folder, tmp_path / "again"))
    assert again["test"] == results["test"]
    foreign = text.replace("\tobj\t", "\tdobj\t")  # relations that the parser does not know are missed
    (tmp_path / "foreign.conllu").write_text(foreign, encoding="utf-8")
    scores = main(from_checkpoint(folder, tmp_path / "foreign", test_file=tmp_path / "foreign.conllu"))["test"]
    assert scores["uas"] == results["test"]["uas"]
    assert scores["by_label"]["dobj"]["las"] == 0


def test_parses_in_python_as_the_script_does(trained):
    folder, _ = trained
    model, processor = AutoModel.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    assert type(model) is BiaffineForDependencyParsing
    found = read_trees(folder / "predictions.conllu")[0]
    trees = parse(model, processor, found["words"][:])
    assert [tree.heads for tree in trees] == found["heads"][:]
    assert [tree.relations for tree in trees] == found["relations"][:]


def test_a_killed_run_resumes_to_the_same_weights(trained, main, tmp_path):
    folder, results = trained
    arguments = options(tmp_path / "tiny-parser")
    run_until(tmp_path / "tiny-parser" / "checkpoint-20" / "trainer_state.json", SCRIPT, *arguments)
    assert not (tmp_path / "tiny-parser" / "model.safetensors").exists()
    assert main(arguments) == results
    whole, resumed = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "tiny-parser"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_two_processes_train_too(main, tmp_path):
    run_ranks(SCRIPT, *options(tmp_path / "two", epochs=2, per_device_train_batch_size=3, eval_steps=4, save_steps=4))
    found = json.loads((tmp_path / "two" / "all_results.json").read_text())
    alone = main(from_checkpoint(tmp_path / "two", tmp_path / "alone"))["test"]  # one process scores the same
    assert (found["test_uas"], found["test_las"]) == (alone["uas"], alone["las"])
    of_two, of_one = ((tmp_path / name / "predictions.conllu").read_text() for name in ("two", "alone"))
    assert of_two == of_one


def test_the_baseline_without_glyphs_reads_parts_of_speech(main, tmp_path):
    flags = options(tmp_path / "base", config_overrides=f"{TINY}{NO_DROPOUT},glyce=False", glyph_styles=None,
                    vocabulary_bank=None, read_tags=True)  # fmt: skip
    assert main(flags)["test"]["uas"] > 0.5
    config = AutoModel.from_pretrained(tmp_path / "base").config
    assert (config.glyce, config.pos_tags[:2]) == (False, ["ADJ", "ADP"])
    assert "gold ones" in (tmp_path / "base" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"label_smoothing_factor": 0.1}, "label_smoothing_factor=0.1 is not allowed: .* BiaffineForDependencyParsing"),
        ({"max_seq_length": 5}, "max_seq_length=5: a sentence of the train data has 8 words, and a tree cannot be cut"),
        ({"train_file": BANK / "README.md"}, "README.md, line 3: .* has 1 columns"),
        ({"validation_file": BANK / "none.conllu"}, "none.conllu"),
    ],
)
def test_errors_name_the_fix(main, tmp_path, named, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        main(options(tmp_path / "out", **named))
