"""run_reading.py from files to a checkpoint: the tiny models of every family, real Trainer, no network."""

import json
import re
from pathlib import Path

import pytest
import torch
from process_tools import run_ranks, run_until
from remote_tools import run_without_package
from safetensors.torch import load_file
from script_tools import SCRIPTS, as_flags, main_of
from transformers import AutoModelForQuestionAnswering, AutoProcessor

from hanziformers import answer
from hanziformers.training.reading_data import read_reading
from hanziformers.training.reading_scores import SCORINGS

SAMPLE = Path(__file__).parents[1] / "data" / "reading_sample"
TINY = "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=48,max_position_embeddings=64"
OWN = {
    "bert": "",
    "chinese_bert": ",glyph_size=12,pinyin_embedding_size=8",
    "glyph_crm": ",glyph_size=24,first_block_channels=2,second_block_channels=4",
    "glyce": ",glyph_size=8,glyph_dim=16,glyph_groups=2,num_task_layers=1,task_num_attention_heads=2,"
    "task_intermediate_size=16",
}


@pytest.fixture(scope="module")
def main():
    return main_of("run_reading")


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    characters = set("".join((SAMPLE / f"{name}.json").read_text(encoding="utf-8") for name in ("cmrc", "cjrc")))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(characters - set(" \n\u200b"))]
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return path


def options(vocabulary, output, name, model_type, **more):
    named = {
        "model_type": model_type,
        "vocab_file": vocabulary,
        "config_overrides": TINY + OWN[model_type],
        "train_file": SAMPLE / f"{name}.json",
        "validation_file": SAMPLE / f"{name}.json",
        "test_file": SAMPLE / f"{name}.json",
        "output_dir": output,
        "num_train_epochs": 2,
        "learning_rate": 3e-3,
        "use_cpu": True,
        "disable_tqdm": True,
        **({} if model_type == "bert" else {"glyph_styles": "song"}),
        **({"vocabulary_bank": True} if model_type in ("glyph_crm", "glyce") else {}),
        **more,
    }
    return [*as_flags(named), "--do_train", "--do_eval", "--do_predict"]


def lines(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module", params=OWN)
def trained(request, main, vocabulary, tmp_path_factory):
    """CMRC's form for two families, CJRC's with all kinds of answers for the others."""
    name = {"bert": "cjrc", "glyph_crm": "cjrc"}.get(request.param, "cmrc")
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    scoring = "cjrc" if name == "cjrc" else "cmrc2018"
    flags = options(vocabulary, folder, name, request.param, scoring=scoring, save_total_limit=5)
    return folder, name, scoring, flags, main(flags)


def test_predictions_are_what_the_scores_say(trained):
    folder, name, scoring, _, results = trained
    rows, gold = lines(folder), read_reading(SAMPLE / f"{name}.json")[0]
    assert [(row["id"], row["gold"]) for row in rows] == [(row["id"], row["answers"]) for row in gold]
    scores = [SCORINGS[scoring](row["answer"], [one["text"] for one in row["gold"]]) for row in rows]
    for place, key in enumerate(("em", "f1")):
        assert results["test"][key] == pytest.approx(sum(score[place] for score in scores) / len(scores))
    for row in rows:
        for one in row["n_best"]:
            is_text = one["start"] is not None
            wanted = [row["context"][one["start"] : one["end"]]] if is_text else ["", "YES", "NO"]
            assert one["answer"] in wanted
    kinds = {"cjrc": {"text", "none", "yes", "no"}, "cmrc": {"text"}}[name]
    assert set(results["test"]["by_label"]) == kinds


def test_the_folder_answers_as_the_script_did(trained):
    folder, *_ = trained
    model, processor = AutoModelForQuestionAnswering.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    for row in lines(folder)[::4]:
        found = answer(model, processor, row["question"], row["context"])
        assert [(one["start"], one["end"]) for one in found] == [(one["start"], one["end"]) for one in row["n_best"]]
        assert found[0]["score"] == pytest.approx(row["score"], abs=1e-3)


def test_files_and_card(trained):
    folder, name, scoring, _, results = trained
    coverage = json.loads((folder / "coverage.json").read_text())["test"]
    assert coverage["used"]["questions"] == coverage["read"]["questions"] == len(lines(folder))
    assert coverage["used"]["windows"] > coverage["used"]["questions"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    law = {"cjrc": "by CJRC's definition", "cmrc2018": "by CMRC 2018's"}[scoring]
    usage = ("64 tokens", "max_seq_length=64)")
    for piece in (law, f"{results['test']['f1']:.4f}", f"{name}.json", "pipeline_tag: question-answering", *usage):
        assert piece in card, piece
    assert "$" not in card
    assert json.loads((folder / "all_results.json").read_text())["test_f1"] == results["test"]["f1"]


@pytest.mark.parametrize("trained", ["chinese_bert"], indirect=True)
def test_a_killed_run_resumes_to_the_same_weights(trained, main, tmp_path):
    folder, *_, flags, results = trained
    first = min(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    flags = [str(tmp_path / "tiny") if flag == str(folder) else flag for flag in flags]
    run_until(tmp_path / "tiny" / first.name / "trainer_state.json", SCRIPTS / "run_reading.py", *flags)
    assert not (tmp_path / "tiny" / "model.safetensors").exists()
    assert main(flags) == results
    whole, resumed = (load_file(path / "model.safetensors") for path in (folder, tmp_path / "tiny"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_it_learns(main, vocabulary, tmp_path):
    """A BERT of one layer learns a few questions by heart, of all four kinds."""
    more = {"num_train_epochs": 40, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    results = main(options(vocabulary, tmp_path / "out", "cjrc", "bert", **more, learning_rate=1e-2, scoring="cjrc"))
    assert results["test"]["em"] > 0.6
    assert min(figures["em"] for figures in results["test"]["by_label"].values()) > 0.3


def test_a_long_traditional_text_with_several_answers(main, tmp_path):
    """3,000 characters, of which one place answers, in 80 windows; a second text does not answer the question."""
    filler = "燈塔的光在霧裡看不見，漁船聽著鑼聲回來。" * 75
    context, question = filler + "守塔的人叫林阿海，" + filler, "守塔的人叫什麼？"
    gold = [{"text": text, "answer_start": context.index(text)} for text in ("林阿海", "阿海")]
    known = {"id": "1", "question": question, "answers": gold, "is_impossible": False}
    unknown = {"id": "2", "question": question, "answers": [], "is_impossible": True}
    paragraphs = [{"context": context, "qas": [known]}, {"context": filler[:200], "qas": [unknown]}]
    assert len(context) > 3000
    (tmp_path / "long.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({*context, *question})]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    more = {f"{split}_file": tmp_path / "long.json" for split in ("train", "validation", "test")}
    more |= {"num_train_epochs": 12, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    results = main(options(tmp_path / "vocab.txt", tmp_path / "out", "", "bert", **more, learning_rate=1e-2))
    used = json.loads((tmp_path / "out" / "coverage.json").read_text())["test"]["used"]
    assert (used["questions"], used["cut_off"]) == (2, 0)
    assert used["windows"] > 60
    assert results["test"]["em"] == 1
    found, none = lines(tmp_path / "out")
    assert found["context"][found["start"] : found["end"]] == found["answer"] in ("林阿海", "阿海")
    assert (none["answer"], none["start"]) == ("", None)
    folder = tmp_path / "out"
    parts = AutoModelForQuestionAnswering.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    assert answer(*parts, question, context)[0]["start"] == found["start"]


def test_data_are_held_out_by_text(main, vocabulary, tmp_path):
    flags = options(vocabulary, tmp_path / "out", "cmrc", "bert", test_fraction=0.3, validation_fraction=0.3)
    for name in ("--validation_file", "--test_file"):
        del flags[flags.index(name) : flags.index(name) + 2]
    main(flags)
    counts = json.loads((tmp_path / "out" / "coverage.json").read_text())
    assert sum(one["used"]["questions"] for one in counts.values()) == 14
    held_out, questions = lines(tmp_path / "out"), read_reading(SAMPLE / "cmrc.json")[0]["context"][:]
    contexts = [row["context"] for row in held_out]
    assert 0 < len(contexts) < 14
    assert all(contexts.count(context) == questions.count(context) for context in contexts)


@pytest.mark.parametrize("trained", ["bert"], indirect=True)
def test_a_test_without_answers_is_predicted_by_a_loaded_model(trained, main, tmp_path):
    folder, *_ = trained
    rows = [{"context": "王小明在北京上大学。" * 40, "question": "在哪里？", "id": number} for number in range(3)]
    (tmp_path / "test.json").write_text(json.dumps(rows), encoding="utf-8")
    named = {"model_name_or_path": folder, "test_file": tmp_path / "test.json", "output_dir": tmp_path / "out"}
    flags = as_flags(named)
    assert main([*flags, "--do_predict", "--use_cpu", "True", "--disable_tqdm", "True"]) == {}
    assert [row["gold"] for row in lines(tmp_path / "out")] == [None] * 3


BAD = [
    ({"doc_stride": 31}, "doc_stride=31 is not allowed with windows of 64 tokens"),
    ({"max_seq_length": 7}, "max_seq_length=7: .* give 8 or more"),
    ({"train_file": "missing.json"}, "missing.json does not exist"),
    ({"validation_fraction": 0.9, "validation_file": ""}, "validation_fraction=0.9 would hold out all"),
]


@pytest.mark.parametrize(("more", "message"), BAD)
def test_bad_input(main, vocabulary, tmp_path, more, message):
    with pytest.raises((ValueError, OSError), match=message):
        main(options(vocabulary, tmp_path / "out", "squad2", "bert", **more))


@pytest.mark.parametrize("trained", ["bert"], indirect=True)
def test_two_processes(trained, tmp_path):
    """They score every question once, as one process does."""
    folder, *_, results = trained
    named = {"model_name_or_path": folder, "test_file": SAMPLE / "cjrc.json", "scoring": "cjrc"}
    named |= {"output_dir": tmp_path / "two", "use_cpu": True, "disable_tqdm": True}
    run_ranks(SCRIPTS / "run_reading.py", *as_flags(named), "--do_predict")
    assert [row["answer"] for row in lines(tmp_path / "two")] == [row["answer"] for row in lines(folder)]
    figures = json.loads((tmp_path / "two" / "all_results.json").read_text())
    assert figures["test_f1"] == pytest.approx(results["test"]["f1"])


def test_two_processes_train_as_one(main, vocabulary, tmp_path):
    """Two processes with half the batch each see the same batches as one; without dropout they learn the same."""
    exact = f"{TINY},hidden_dropout_prob=0,attention_probs_dropout_prob=0"
    more = {"config_overrides": exact, "num_train_epochs": 1, "scoring": "cjrc"}
    flags = [options(vocabulary, tmp_path / f"{batch}", "cjrc", "bert", per_device_train_batch_size=batch, **more)
             for batch in (16, 8)]  # fmt: skip
    main(flags[0])
    run_ranks(SCRIPTS / "run_reading.py", *flags[1])
    one, two = (json.loads((tmp_path / name / "all_results.json").read_text()) for name in ("16", "8"))
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.02)
    ids = [[row["id"] for row in lines(tmp_path / name)] for name in ("16", "8")]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("trained", ["bert"], indirect=True)
def test_the_side_of_padding_changes_nothing(trained, main, tmp_path):
    """Windows and what is predicted of them begin at the first token, also where a tokenizer pads on the left."""
    folder, *_ = trained
    model, tokenizer = AutoModelForQuestionAnswering.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    found = []
    for side in ("right", "left"):
        tokenizer.padding_side = side
        for part in (model, tokenizer):
            part.save_pretrained(tmp_path / side)
        named = {"model_name_or_path": tmp_path / side, "output_dir": tmp_path / f"out-{side}", "scoring": "cjrc"}
        named |= {f"{split}_file": SAMPLE / "cjrc.json" for split in ("train", "validation", "test")}
        named |= {"use_cpu": True, "disable_tqdm": True, "num_train_epochs": 1, "learning_rate": 1e-3}
        found.append(main([*as_flags(named), "--do_train", "--do_eval", "--do_predict"]))
    assert found[0] == found[1]
    assert lines(tmp_path / "out-right") == lines(tmp_path / "out-left")
    assert AutoProcessor.from_pretrained(tmp_path / "out-left").padding_side == "right"


REMOTE = """
from transformers import AutoModelForQuestionAnswering, AutoProcessor
model = AutoModelForQuestionAnswering.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True)
tokenizer = getattr(processor, "tokenizer", processor)
batch = tokenizer("谁？", "王小明在北京上大学。", return_tensors="pt")
with torch.no_grad():
    output = model(**batch)
assert output.start_logits.shape == output.end_logits.shape == batch["input_ids"].shape
assert model.config.answer_kinds[0] == "text"
"""


@pytest.mark.parametrize("trained", ["chinese_bert", "glyph_crm", "glyce"], indirect=True)
def test_the_folder_loads_without_the_package(trained, tmp_path):
    run_without_package(REMOTE, trained[0], folder=tmp_path / "elsewhere")


def test_the_script_names_every_option(main, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert {"--doc_stride", "--null_threshold", "--n_best_size", "--scoring"} <= set(
        re.findall(r"--\w+", capsys.readouterr().out)
    )
