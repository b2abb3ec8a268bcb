"""Models of words and of a lexicon: from their training text to a checkpoint that reads texts by itself, anywhere."""

import json
import string

import pytest
import torch
from process_tools import run_ranks, run_until
from remote_tools import REPOSITORY, run_without_package
from safetensors.torch import load_file
from script_tools import as_flags, main_of
from transformers import AutoModelForTokenClassification, AutoProcessor, AutoTokenizer, pipeline

from hanziformers import WordTokenizer

SENTENCES = ["银行很忙", "今天天气很好", "我喜欢南京市长江大桥", "北京大学的学生2020年在图书馆", "龘𠮷"]
SIZES = "hidden_size=16,embedding_dim=8,glyph_size=8,glyph_dim=8,glyph_groups=2"
REMOTE = """
task, folder, pair = sys.argv[1:]
pipe = transformers.pipeline("token-classification", folder, trust_remote_code=True)
assert type(pipe.tokenizer).__module__.startswith("transformers_modules."), type(pipe.tokenizer)
processor = transformers.AutoProcessor.from_pretrained(folder, trust_remote_code=True)
text = json.loads(pair)
inputs = processor([text], return_tensors="pt")
with torch.no_grad():
    logits = pipe.model(**inputs).logits
json.dump([pipe.tokenizer.lexicon.words, logits.tolist()], open(task, "w"))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    pairs = [f"{one}\t{two}\t{int(one == two)}" for one in SENTENCES for two in SENTENCES[:3]] * 2
    (folder / "pairs.tsv").write_text("\n".join(["text_a\ttext_b\tlabel", *pairs]) + "\n", encoding="utf-8")
    rows = [{"text": text, "entities": [{"start": 0, "end": 2, "label": "X"}]} for text in SENTENCES * 4]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / "tags.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    characters = sorted(set("".join(SENTENCES[:4])))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, "2020"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return folder


def options(data, file, output, **own):
    new = {"config_overrides": SIZES, "vocabulary_bank": True, "glyph_styles": "song", "num_train_epochs": 1}
    files = {"train_file": data / file, "test_file": data / file, "output_dir": output, "disable_tqdm": True}
    return [*as_flags({**new, **files, **own}), "--do_train", "--do_predict"]


def run(script, data, file, output, **own):
    return main_of(script)(options(data, file, output, **own))


def host(data, model_type):
    """The script, the data and the options of a host."""
    if model_type == "lattice_lstm":
        tagger = {"model_type": model_type, "vocab_file": data / "vocab.txt", "classifier": "crf"}
        return "run_ner", "tags.jsonl", tagger
    return "run_classification", "pairs.tsv", {"model_type": model_type, "min_word_count": 1}


@pytest.fixture(scope="module")
def lattice(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lattice")
    run("run_ner", data, "tags.jsonl", folder, model_type="lattice_lstm", vocab_file=data / "vocab.txt")
    return folder


@pytest.mark.parametrize("side", ["right", "left"])
def test_pipelines_in_batches(lattice, side):
    pipe = pipeline("token-classification", model=str(lattice), ignore_labels=[])
    alone = [pipe(text) for text in SENTENCES]
    pipe.tokenizer.padding_side = side
    for one, other in zip(alone, pipe(SENTENCES, batch_size=5), strict=True):
        assert [token["word"] for token in one] == [token["word"] for token in other]
        assert [token["score"] for token in one] == pytest.approx([token["score"] for token in other], abs=1e-5)


def test_code_that_a_folder_carries(lattice, tmp_path):
    run_without_package(REMOTE, tmp_path / "found.json", lattice, json.dumps(SENTENCES[2]), folder=tmp_path / "remote")
    words, logits = json.loads((tmp_path / "found.json").read_text())
    processor = AutoProcessor.from_pretrained(lattice)
    assert words == processor.tokenizer.lexicon.words == AutoTokenizer.from_pretrained(lattice).lexicon.words
    inputs = processor([SENTENCES[2]], return_tensors="pt")
    assert inputs["lexicon_ids"].shape[1] > 3
    with torch.no_grad():
        own = AutoModelForTokenClassification.from_pretrained(lattice)(**inputs).logits
    torch.testing.assert_close(torch.tensor(logits), own)


@pytest.mark.parametrize("model_type", ["lattice_lstm", "bimpm"])
def test_a_killed_run_resumes_to_the_same_weights(data, tmp_path, model_type):
    script, file, own = host(data, model_type)
    own |= {"num_train_epochs": 4, "save_strategy": "steps", "save_steps": 2, "eval_strategy": "no"}
    own |= {"load_best_model_at_end": False, "per_device_train_batch_size": 8}
    whole = run(script, data, file, tmp_path / "whole" / "host", **own)
    arguments = options(data, file, tmp_path / "host", **own)
    path = REPOSITORY / "run_scripts" / f"{script}.py"
    run_until(tmp_path / "host" / "checkpoint-4" / "trainer_state.json", path, *arguments)
    assert not (tmp_path / "host" / "model.safetensors").exists()
    assert main_of(script)(arguments) == whole
    first, second = (load_file(tmp_path / place / "host" / "model.safetensors") for place in ("whole", ""))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("model_type", ["lattice_lstm", "bimpm"])
def test_two_processes_train_and_score(data, tmp_path, model_type):
    script, file, own = host(data, model_type)
    arguments = options(data, file, tmp_path / "two", **own, per_device_train_batch_size=4, use_cpu=True)
    run_ranks(REPOSITORY / "run_scripts" / f"{script}.py", *arguments)
    found = json.loads((tmp_path / "two" / "all_results.json").read_text())
    again = {"model_name_or_path": tmp_path / "two", "test_file": data / file, "output_dir": tmp_path / "alone"}
    alone = main_of(script)([*as_flags(again), "--disable_tqdm", "True", "--do_predict"])["test"]
    assert found["test_f1"] == alone["f1"]
    of_two, of_one = ((tmp_path / name / "predictions.jsonl").read_text() for name in ("two", "alone"))
    assert of_two == of_one


@pytest.mark.parametrize("cut", ["words", "characters"])
def test_words_are_counted_in_the_training_text(data, tmp_path, cut):
    own = {"model_type": "bimpm", "cut": cut, "min_word_count": 1, "validation_file": data / "pairs.tsv"}
    results = run("run_classification", data, "pairs.tsv", tmp_path, **own)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert (type(tokenizer), tokenizer.cut) == (WordTokenizer, cut)
    assert ("南京市" in tokenizer.get_vocab()) == (cut == "words")
    assert tokenizer.unk_token_id not in tokenizer(SENTENCES[2])["word_ids"]
    coverage = json.loads((tmp_path / "coverage.json").read_text(encoding="utf-8"))
    assert coverage["train"]["used"]["unknown_tokens"] == 0
    again = {"model_name_or_path": tmp_path, "test_file": data / "pairs.tsv", "output_dir": tmp_path / "again"}
    evaluated = main_of("run_classification")([*as_flags(again), "--do_predict"])
    assert evaluated["test"] == results["test"]
    longest = string.ascii_letters  # one word, with more characters than are shown
    pairs = [{"text": one, "text_pair": two} for one in SENTENCES for two in (*SENTENCES[:1], longest, "")]
    pipe = pipeline("text-classification", model=str(tmp_path), top_k=None, function_to_apply="none")
    scores = [
        [{one["label"]: one["score"] for one in found} for found in pipe(pairs, batch_size=size)] for size in (1, 4)
    ]
    for one, other in zip(*scores, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_long_texts_are_cut_in_words(data, tmp_path):
    own = {"model_type": "bimpm", "max_seq_length": 6}
    run("run_classification", data, "pairs.tsv", tmp_path, **own)
    used = json.loads((tmp_path / "coverage.json").read_text(encoding="utf-8"))["train"]["used"]
    assert used["truncated_texts"] > 0
    assert 0 < used["cut_characters"] < used["characters"]
