"""run_pretraining.py from text to a checkpoint: tiny models, real Trainer, no network."""

import json
import re
import shutil
import sys
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from process_tools import run_program, run_ranks, run_until
from safetensors.torch import load_file
from script_tools import main_of
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoProcessor, AutoTokenizer

import hanziformers  # noqa: F401

SCRIPT = Path(__file__).parents[2] / "run_scripts" / "run_pretraining.py"
TINY = "hidden_size=32,num_hidden_layers=2,num_attention_heads=2,intermediate_size=48,max_position_embeddings=32"
GLYPH = ",glyph_size=24,first_block_channels=2,second_block_channels=4"
EXACT = ",hidden_dropout_prob=0,attention_probs_dropout_prob=0"
NEW_BERT = ("--train_files", "{train}", "--model_type", "bert", "--max_seq_length", "24", "--config_overrides", TINY)
KINDS = ("mlm", "mask", "random", "unchanged")
PROBES = ("mean_cosine", "nearest_cosine", "effective_rank", "saturation")
CHARACTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳"


def documents(seed: int, number: int) -> list[str]:
    rng = np.random.default_rng(seed)

    def sentence() -> str:
        first = int(rng.integers(len(CHARACTERS)))
        return "".join(CHARACTERS[(first + i) % len(CHARACTERS)] for i in range(int(rng.integers(3, 12)))) + "。"

    return ["".join(sentence() for _ in range(int(rng.integers(2, 7)))) for _ in range(number)]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for part in range(2):
        rows = [json.dumps({"text": text, "source": "made up"}) for text in documents(part, 150)]
        (folder / f"part{part}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "valid.txt").write_text("\n".join(documents(9, 40)) + "\n", encoding="utf-8")
    return folder


def options(data: Path, output: Path, *more: str, model_type="glyph_crm", recipe="glyph_crm", overrides="", **named):
    own = {"glyph_crm": GLYPH, "chinese_bert": ",glyph_size=8,pinyin_embedding_size=8", "bert": ""}
    values = {
        "recipe": recipe,
        "model_type": model_type,
        "config_overrides": TINY + own[model_type] + overrides,
        "train_files": data / "part*.jsonl",
        "validation_files": data / "valid.txt",
        "output_dir": output,
        "max_seq_length": 24,
        "max_steps": 12,
        "eval_steps": 6,
        "save_steps": 6,
        "logging_steps": 1,
        "per_device_train_batch_size": 4,
        "learning_rate": 3e-3,
        "shuffle_buffer": 32,
        "seed": 3,
        "disable_tqdm": True,
        "vocabulary_bank": True,
        "use_cpu": True,
        **named,
    }
    return [part for name, value in values.items() for part in (f"--{name}", str(value))] + list(more)


def losses(folder: Path) -> dict[int, float]:
    history = json.loads((folder / "loss.json").read_text())
    return {row["step"]: row["loss"] for row in history if "loss" in row}


def evaluations(folder: Path) -> dict[int, dict[str, float]]:
    """The figures of every evaluation, by step, without times."""
    history = json.loads((folder / "loss.json").read_text())
    rows = {row["step"]: row for row in history if "eval_loss" in row}
    return {
        step: {key: value for key, value in row.items() if not key.endswith(("_runtime", "_second", "_time"))}
        for step, row in rows.items()
    }


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import run_pretraining
    finally:
        sys.path.pop(0)
    return run_pretraining


@pytest.fixture(scope="module")
def trained(data, script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    return folder, script.main(options(data, folder))


def test_what_it_leaves(trained):
    folder, metrics = trained
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert set(vocabulary[5:]) == {*CHARACTERS, "。"}
    history = json.loads((folder / "loss.json").read_text())
    assert [row["step"] for row in history if "loss" in row] == list(range(1, 13))
    assert [row["step"] for row in history if "eval_mlm_loss" in row] == [0, 6, 12]
    start = next(row for row in history if "eval_mlm_loss" in row)
    assert start["eval_mlm_loss"] == pytest.approx(log(len(vocabulary)), abs=0.3)
    assert start["eval_nsp_loss"] == pytest.approx(log(2), abs=0.1)
    assert start["eval_loss"] == pytest.approx(start["eval_mlm_loss"] + start["eval_nsp_loss"], abs=0.1)
    assert metrics["eval_mlm_loss"] < start["eval_mlm_loss"]
    for row in (start, metrics, json.loads((folder / "all_results.json").read_text())):
        assert row.keys() >= {f"eval_{kind}_{name}" for kind in KINDS for name in ("loss", "accuracy")}
        assert row.keys() >= {f"eval_vectors_{name}" for name in PROBES}
    losses_of_kinds = [metrics[f"eval_{kind}_loss"] for kind in KINDS[1:]]
    assert min(losses_of_kinds) < metrics["eval_mlm_loss"] < max(losses_of_kinds)
    assert Image.open(folder / "loss.png").size[0] > 1500  # with the panels of the vectors
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "--learning_rate 0.003" in card
    assert "| song | Hanziformers Song |" in card  # the font manifest
    assert f"{metrics['eval_mlm_loss']:.4f}" in card
    assert "`mask_` says what was learnt" in card
    assert "`vectors_saturation` is the ratio" in card
    assert "$" not in card
    assert len(list(folder.glob("checkpoint-*"))) == 2


def test_reloads(trained):
    folder, _ = trained
    processor, model = AutoProcessor.from_pretrained(folder), AutoModelForPreTraining.from_pretrained(folder)
    assert type(model).__name__ == "GlyphCrmForPreTraining"
    images = model.base_model.get_input_embeddings().glyphs
    assert np.array_equal(images.numpy(), processor.render_bank())
    assert images[5:].flatten(1).any(1).all()
    output = model(**processor(["天地", "玄黄黄"], padding=True, return_tensors="pt"))
    assert output.prediction_logits.shape == (2, 5, len(CHARACTERS) + 6)


def test_a_killed_run_resumes_to_the_same_losses(trained, data, tmp_path):
    whole, folder = trained[0], tmp_path / "tiny"
    command = [SCRIPT, *options(data, folder, max_steps=12)]
    run_until(folder / "checkpoint-6" / "trainer_state.json", *command)
    assert not (folder / "model.safetensors").is_file()
    done = run_program(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert losses(folder) == losses(whole)
    assert evaluations(folder) == evaluations(whole)
    first, second = (load_file(path / "model.safetensors") for path in (whole, folder))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_looking_at_the_vectors_changes_nothing(trained, data, script, tmp_path, monkeypatch):
    monkeypatch.setattr(script.CharacterProbes, "__call__", lambda probes, model: {})
    metrics = script.main(options(data, tmp_path / "tiny"))
    assert not [name for name in metrics if "vectors" in name]
    assert losses(tmp_path / "tiny") == losses(trained[0])
    first, second = (load_file(path / "model.safetensors") for path in (trained[0], tmp_path / "tiny"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_masks_decide_which_checkpoint_is_the_best(data, script, tmp_path):
    named = {"model_type": "bert", "eval_steps": 2, "save_steps": 2, "max_steps": 6, "save_total_limit": 1}
    script.main(options(data, tmp_path / "bert", "--load_best_model_at_end", **named))
    found = {step: row["eval_mask_loss"] for step, row in evaluations(tmp_path / "bert").items() if step}
    state = json.loads((tmp_path / "bert" / "trainer_state.json").read_text())
    assert state["best_metric"] == min(found.values())
    assert state["best_global_step"] == min(found, key=found.get)


@pytest.mark.parametrize(
    ("arguments", "figure"),
    [
        ([], None),
        (["--load_best_model_at_end"], "eval_mask_loss"),
        (["--save_strategy", "best"], "eval_mask_loss"),
        (["--lr_scheduler_type", "reduce_lr_on_plateau"], "eval_mask_loss"),
        (["--load_best_model_at_end", "--metric_for_best_model", "eval_loss"], "eval_loss"),
        (["--load_best_model_at_end", "--metric_for_best_model", "loss"], "loss"),
        (["--load_best_model_at_end", "--recipe", "chinese_bert"], "eval_mask_loss"),
        (["--load_best_model_at_end", "--recipe", "causal"], "eval_mlm_loss"),
        (["--load_best_model_at_end", "--recipe", "chinese_bert", "--preset", "paper"], "eval_mask_loss"),
    ],
)
def test_what_decides_which_checkpoint_is_the_best(script, tmp_path, arguments, figure):
    _, training = script.parse(["--output_dir", str(tmp_path), *arguments])
    assert training.metric_for_best_model == figure
    assert training.greater_is_better == (None if figure is None else False)


def test_figures_are_those_of_the_checkpoint_that_is_saved(data, script, tmp_path):
    """Of the best one, where it is loaded: here the one with the greatest loss."""
    named = {"model_type": "bert", "eval_steps": 2, "save_steps": 2, "max_steps": 4}
    worst = ["--load_best_model_at_end", "--greater_is_better", "True", "--withhold", "0.3"]
    metrics = script.main(options(data, tmp_path / "bert", *worst, **named))
    found = evaluations(tmp_path / "bert")
    assert found[2]["eval_mask_loss"] > found[4]["eval_mask_loss"]
    assert metrics["eval_mask_loss"] == pytest.approx(found[2]["eval_mask_loss"], rel=1e-6)
    again = script.main(options(data, tmp_path / "bert", *worst, **named))  # it is finished, and only evaluated
    assert again["eval_mask_loss"] == pytest.approx(metrics["eval_mask_loss"], rel=1e-6)
    assert again["eval_withheld_true_loss"] == pytest.approx(metrics["eval_withheld_true_loss"], rel=1e-6)
    for changed, field in ((worst[:-2], "withheld_characters"), ([*worst, "--withhold_seed", "2"], "withheld_char")):
        with pytest.raises(ValueError, match=f"is a checkpoint of another model: {field}"):
            script.main(options(data, tmp_path / "bert", *changed, **named))


def test_two_processes_evaluate_as_one(data, script, tmp_path):
    """Of 37 examples in batches of 3 the last ones are repeated, so that both processes have as many."""
    named = {"max_eval_examples": 37, "per_device_eval_batch_size": 3, "max_steps": 1, "eval_steps": 1}
    run_ranks(SCRIPT, *options(data, tmp_path / "two", **named))
    script.main(options(data, tmp_path / "one", **named))
    two, one = evaluations(tmp_path / "two")[0], evaluations(tmp_path / "one")[0]
    keys = [key for key in one if key.startswith("eval_") and key != "eval_loss"]  # that is a mean over batches
    assert len(keys) == 2 * len(KINDS) + 2 + len(PROBES)
    assert {key: two[key] for key in keys} == pytest.approx({key: one[key] for key in keys}, rel=1e-5, abs=1e-6)


def test_a_run_killed_while_it_saved_resumes(trained, data, script, tmp_path, caplog):
    """From the checkpoint before; and the folder keeps as many checkpoints as it should."""
    folder = shutil.copytree(trained[0], tmp_path / "tiny")
    (folder / "checkpoint-12" / "trainer_state.json").unlink()
    script.main(options(data, folder))
    for text in ("checkpoint-12 is skipped", "training resumes from", "vocab.txt of an earlier run is used"):
        assert text in caplog.text
    assert losses(folder) == losses(trained[0])
    assert json.loads((folder / "checkpoint-12" / "trainer_state.json").read_text())["global_step"] == 12
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-12", "checkpoint-6"]


def test_a_finished_run_is_evaluated_and_not_trained_further(trained, data, script, tmp_path, caplog):
    """On the validation text of this start."""
    folder = shutil.copytree(trained[0], tmp_path / "tiny")
    options_of = options(data, folder)
    first = script.main(options_of)
    assert "it is complete, and is not trained further" in caplog.text
    assert json.loads((folder / "all_results.json").read_text())["train_loss"] > 0
    options_of[options_of.index("--validation_files") + 1] = str(data / "part1.jsonl")
    assert script.main(options_of)["eval_mlm_loss"] != first["eval_mlm_loss"]
    whole, again = (load_file(path / "model.safetensors") for path in (trained[0], folder))
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_run_that_diverges_is_refused(data, script, tmp_path):
    options_of = options(data, tmp_path / "tiny", "--warmup_steps", "0", max_steps=6, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="the loss of step 2 is nan or infinite: .*Lower --learning_rate"):
        script.main(options_of)
    left = {path.name for path in (tmp_path / "tiny").iterdir()}
    assert not left & {"model.safetensors", "all_results.json", "README.md"}


def test_an_output_folder_of_another_model_is_refused(trained, data, script):
    with pytest.raises(ValueError, match="is a checkpoint of another model: model_type is glyph_crm there and bert"):
        script.main(options(data, trained[0], model_type="bert"))


def test_a_new_start_in_an_old_folder(trained, data, script, tmp_path, caplog):
    folder = shutil.copytree(trained[0], tmp_path / "tiny")
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n天\n", encoding="utf-8")
    script.main(options(data, folder, "--resume_from_checkpoint", "False", max_steps=3))
    assert "training starts from scratch" in caplog.text
    assert "training resumes from" not in caplog.text
    assert (folder / "vocab.txt").read_text(encoding="utf-8") == vocabulary
    assert losses(folder)[1] == losses(trained[0])[1]
    assert sorted(losses(folder)) == [1, 2, 3]


def test_documents_of_one_sentence_are_warned_of(trained, data, script, tmp_path, caplog):
    sentences = [text.split("。")[0][:9] + "。" for text in documents(4, 60)]
    sentences[7] *= 2
    (tmp_path / "lines.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    named = {"vocab_file": trained[0] / "vocab.txt", "max_steps": 1, "model_type": "bert"}
    script.main(options(data, tmp_path / "lone", **named, train_files=tmp_path / "lines.txt"))
    found = re.findall(r"(\d) of the first 6\d pairs are true ones.*put the sentences of a document into", caplog.text)
    assert found in (["0"], ["1"])
    caplog.clear()
    script.main(options(data, tmp_path / "pairs", **named))
    assert "true ones" not in caplog.text


def parts(script, trained, args, training):
    """Encoder, example maker and collator of a run with the vocabulary of `trained`."""
    args.vocab_file, args.tokenizer_type = str(trained[0] / "vocab.txt"), args.recipe
    _, processing_class, _ = script.load_model(args, AutoModelForPreTraining)
    recipe, tokenizer = script.RECIPES[args.recipe], script.get_tokenizer(processing_class)
    encode = recipe.encoder(processing_class, args.max_seq_length)
    make = recipe.examples(tokenizer, args.max_seq_length, **vars(args))
    return encode, make, recipe.collator(tokenizer, seed=training.seed, **vars(args))


def test_the_validation_examples_do_not_depend_on_the_seed(trained, data, script, tmp_path, caplog):
    seen = []
    for seed, number in ((3, 20), (4, 20), (4, 10_000)):
        args, training = script.parse(options(data, tmp_path, model_type="bert", seed=seed))
        encode, make, _ = parts(script, trained, args, training)
        held_out = script.load_documents(args, "validation")
        seen.append(script.validation_examples(held_out, encode, make, number))
    assert seen[0] == seen[1] == seen[2][:20]
    assert "validation: 20 of at least 21 examples are used" in caplog.text
    assert f"validation: {len(seen[2])} of {len(seen[2])} examples are used" in caplog.text


def test_the_baseline_sees_the_same_examples_and_masks(trained, data, script, tmp_path):
    seen = {}
    for model_type in ("glyph_crm", "bert"):
        args, training = script.parse(options(data, tmp_path / model_type, model_type=model_type))
        encode, make, collator = parts(script, trained, args, training)
        documents = script.load_documents(args, "train")
        stream = iter(script.PretrainingStream(documents, encode, make, seed=training.seed))
        seen[model_type] = [collator([next(stream) for _ in range(4)]) for _ in range(5)]
    for ours, theirs in zip(*seen.values(), strict=True):
        for key in ("input_ids", "labels", "token_type_ids", "next_sentence_label"):
            assert torch.equal(ours[key], theirs[key])
        selected = ours["labels"] != -100
        masked = ours["input_ids"] == 4
        assert torch.equal(ours["glyph_ids"], ours["input_ids"])
        assert selected.any()
        assert (selected | ~masked).all()


def test_runs_are_compared_with_their_controls(trained, data, tmp_path, capsys):
    """One that is finished, one that is trained, in a process of its own."""
    runs = tmp_path / "runs"
    shutil.copytree(trained[0], runs / "glyph_crm-seed3")
    own = options(data, runs, max_steps=6)
    skipped = {"--recipe", "--model_type", "--output_dir", "--config_overrides", "--learning_rate", "--seed"}
    shared = [part for pair in zip(own[::2], own[1::2], strict=True) if pair[0] not in skipped for part in pair]
    shared += ["--config_overrides", TINY, "--glyph_overrides", GLYPH.removeprefix(","), "--withhold", "0.2"]
    folders = ["--output_dir", str(runs), "--results", str(tmp_path / "results"), "--seeds", "3"]
    main_of("compare_pretraining")([*folders, "--arm", "glyph_crm", "glyph_crm_2x_permuted", *shared])
    finished = evaluations(trained[0])
    assert f"| glyph_crm | {finished[0]['eval_mask_loss']:.4f} | {finished[6]['eval_mask_loss']:.4f} |" in (
        capsys.readouterr().out
    )
    page = (tmp_path / "results" / "pretraining.md").read_text(encoding="utf-8")
    assert "## Near characters withheld from training: loss" in page
    assert Image.open(tmp_path / "results" / "pretraining.png").size[0] > 500
    permuted = AutoModelForPreTraining.from_pretrained(runs / "glyph_crm_2x_permuted-seed3")
    assert permuted.config.permuted_glyphs == 3
    found = json.loads((runs / "glyph_crm_2x_permuted-seed3" / "all_results.json").read_text())
    assert found["eval_withheld_positions"] > 10
    card = (runs / "glyph_crm_2x_permuted-seed3" / "README.md").read_text(encoding="utf-8")
    assert "the glyph images of Chinese characters are permuted (seed 3)" in card
    assert "`withheld_` are losses near them" in card
    before, after = (
        model.get_input_embeddings().glyphs
        for model in (AutoModelForPreTraining.from_pretrained(trained[0]).base_model, permuted.base_model)
    )
    assert sorted(map(bytes, before.numpy())) == sorted(map(bytes, after.numpy()))
    assert not torch.equal(before, after)


def test_withheld_characters_are_never_seen(data, script, tmp_path, monkeypatch):
    """In no batch of training or evaluation, but for those that score them."""
    args, seen = options(data, tmp_path / "out", "--withhold", "0.3", model_type="bert", max_steps=3, eval_steps=3), []
    mask = script.PretrainingTrainer.compute_loss

    def compute_loss(trainer, model, inputs, *more, **named):
        seen.append((inputs["input_ids"].unique(), inputs["labels"].unique()))
        return mask(trainer, model, inputs, *more, **named)

    monkeypatch.setattr(script.PretrainingTrainer, "compute_loss", compute_loss)
    metrics = script.main(args)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    withheld = torch.tensor(script.withheld_characters(tokenizer, 0.3, 1))
    assert len(withheld) == round(0.3 * len(CHARACTERS))
    assert seen
    assert not any(torch.isin(ids, withheld).any() for pair in seen for ids in pair)
    assert metrics["eval_withheld_true_loss"] != metrics["eval_withheld_unknown_loss"]


def test_the_baseline_trains_and_reloads(data, script, tmp_path):
    metrics = script.main(options(data, tmp_path / "bert", model_type="bert", max_steps=6))
    assert metrics["eval_mlm_loss"] < log(40)
    assert metrics["eval_vectors_effective_rank"] > 20  # rows of a new table are nearly orthogonal
    assert "eval_vectors_saturation" not in metrics
    assert type(AutoModelForPreTraining.from_pretrained(tmp_path / "bert")).__name__ == "BertForPreTraining"
    assert type(AutoTokenizer.from_pretrained(tmp_path / "bert")).__name__ == "GlyphCrmTokenizer"
    card = (tmp_path / "bert" / "README.md").read_text(encoding="utf-8")
    assert "masked characters, and next sentence" in card
    assert "`nsp_loss` over all pairs" in card


@pytest.mark.parametrize("model_type", ["bert", "glyph_crm"])
def test_the_next_character(data, script, tmp_path, model_type):
    """Without masks, on little text, with a learning rate of its own for what makes the vectors."""
    part = {"bert": "embeddings", "glyph_crm": "glyph_linear"}[model_type]
    named = {"recipe": "causal", "max_steps": 2, "eval_steps": 2, "max_characters": 500, "rare_below": 12}
    metrics = script.main(
        options(data, tmp_path / "out", "--learning_rates", f"{part}=0", model_type=model_type, **named)
    )
    assert metrics["eval_mlm_loss"] < log(45)
    assert not [name for name in metrics if name.startswith(("eval_mask", "eval_nsp"))]
    assert metrics["eval_rare_true_loss"] > 0
    assert metrics["eval_chance_accuracy"] > 0.05
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "the next character from those before it" in card
    if model_type == "bert":  # whose table is frozen: as it was initialised
        found = evaluations(tmp_path / "out")
        assert found[0]["eval_vectors_mean_cosine"] == found[2]["eval_vectors_mean_cosine"]


def test_chinese_bert(data, script, tmp_path):
    metrics = script.main(
        options(data, tmp_path / "out", model_type="chinese_bert", recipe="chinese_bert", max_steps=6)
    )
    assert metrics.keys() >= {f"eval_{kind}_{name}" for kind in KINDS for name in ("loss", "accuracy")}
    assert metrics.keys() >= {f"eval_vectors_{name}" for name in PROBES[:3]}
    assert "eval_vectors_saturation" not in metrics  # there is no tanh
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "out")
    assert type(model).__name__ == "ChineseBertForMaskedLM"
    table = model.bert.embeddings.glyph_embeddings.embedding.weight
    assert table[5:].amin() > -0.2  # 0 to 1, moved by six steps; random values would be below zero in every row
    assert table[5:].amax() > 0.8
    assert (table[5:].std(1) > 0.1).all()


def test_a_checkpoint_is_trained_on_and_the_card_says_so(trained, data, script, tmp_path):
    values = {"model_name_or_path": trained[0], "train_files": data / "part0.jsonl", "output_dir": tmp_path / "on"}
    values |= {"max_seq_length": 24, "max_steps": 1, "per_device_train_batch_size": 4, "use_cpu": True}
    script.main([part for name, value in values.items() for part in (f"--{name}", str(value))])
    card = (tmp_path / "on" / "README.md").read_text(encoding="utf-8")
    assert f"initialised from `{trained[0]}`, pre-trained with the recipe `glyph_crm`" in card
    assert "fine-tuned" not in card
    assert "trained from scratch" in (trained[0] / "README.md").read_text(encoding="utf-8")


def test_a_checkpoint_that_does_not_take_the_labels_is_refused(data, script, tmp_path):
    script.main(options(data, tmp_path / "cb", model_type="chinese_bert", recipe="chinese_bert", max_steps=1))
    card = (tmp_path / "cb" / "README.md").read_text(encoding="utf-8")
    assert "masked whole words (90 % of the examples) and characters (10 %), in packed sentences (90 %" in card
    assert "over all masked tokens." in card
    assert "nsp_loss" not in card
    arguments = ["--model_name_or_path", str(tmp_path / "cb"), "--train_files", str(data / "part0.jsonl")]
    message = (
        "--recipe glyph_crm does not fit a ChineseBertForMaskedLM.*next_sentence_label; give --recipe chinese_bert"
    )
    with pytest.raises(ValueError, match=message):
        script.main([*arguments, "--output_dir", str(tmp_path / "out")])


def test_bf16_and_accumulation(trained, data, script, tmp_path):
    script.main(options(data, tmp_path / "bf16", bf16=True, max_steps=6, logging_steps=1))
    full, half = losses(trained[0]), losses(tmp_path / "bf16")
    assert half[1] == pytest.approx(full[1], rel=0.02)
    exact = {"overrides": EXACT + ",glyph_dropout_prob=0", "max_steps": 4, "logging_steps": 1}
    script.main(options(data, tmp_path / "whole", **exact))
    exact |= {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    script.main(options(data, tmp_path / "halves", **exact))
    for step, loss in losses(tmp_path / "whole").items():
        assert losses(tmp_path / "halves")[step] == pytest.approx(loss, rel=0.1)  # means of halves, not of the whole


def test_two_processes_twice(data, tmp_path):
    found = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        run_ranks(SCRIPT, *options(data, folder, max_steps=4, dataloader_num_workers=1))
        found.append(losses(folder))
        assert sorted(found[-1]) == list(range(1, 5))
    assert found[0] == found[1]
    assert all(1 < loss < 6 for loss in found[0].values())


def test_presets(data, script, tmp_path):
    args, training = script.parse(["--recipe", "chinese_bert", "--preset", "large", "--output_dir", str(tmp_path)])
    assert (training.learning_rate, training.warmup_steps, training.max_steps) == (3e-4, 90_000, 280_000)
    assert (training.adam_beta2, training.adam_epsilon) == (0.98, 1e-6)
    args, training = script.parse(["--preset", "paper", "--learning_rate", "1e-3", "--output_dir", str(tmp_path)])
    assert (training.learning_rate, training.per_device_train_batch_size, args.max_seq_length) == (1e-3, 256, 512)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no text: give --train_files"),
        (["--train_files", "{none}"], "there is no file .*none.txt"),
        (
            ["--train_files", "{big5}"],
            "big5.txt, line 2: byte 0x.. is not UTF-8; convert the file, .* iconv -f BIG5-HKSCS",
        ),
        (["--train_files", "{half}"], "half.jsonl, line 301 is not JSON"),
        (["--train_files", "{train}", "--text_column", "body"], "part0.jsonl, line 1 has the columns .*--text_column"),
        (["--preset", "tiny", "--train_files", "{train}"], "--preset tiny is not known.*paper, released"),
        (["--train_files", "{train}", "--max_seq_length", "4"], "max_seq_length=4 is not allowed: .*give 5 or more"),
        (["--train_files", "{train}", "--label_smoothing_factor", "0.1"], "label_smoothing_factor=0.1 is not allowed"),
        (["--train_files", "{train}", "--packed_prob", "0.5"], "packed_prob=0.5 has no effect with --recipe glyph_crm"),
        (["--recipe", "causal", "--mlm_probability", "0.2"], "mlm_probability=0.2 has no effect with --recipe causal"),
        (["--train_files", "{train}", "--withhold_seed", "3"], "withhold_seed=3 has no effect without --withhold"),
        (["--train_files", "{train}", "--rare_below", "-1"], "rare_below=-1 is not allowed; give a number above 0"),
        ([*NEW_BERT, "--rare_below", "3"], "rare_below=3 has no effect without validation text"),
        ([*NEW_BERT, "--permute_glyphs", "3"], "permute_glyphs=3 has no effect: a bert sees no glyph images"),
        (
            [*NEW_BERT[:-1], f"{TINY},_attn_implementation=eager", "--recipe", "causal"],
            "--recipe causal does not work with the attention 'eager'",
        ),
        (["--train_files", "{train}", "--max_characters", "0"], "max_characters=0 is not allowed; give 1 or more"),
        (["--recipe", "chinese_bert", "--short_seq_prob", "0"], "short_seq_prob=0.0 has no effect with --recipe chin"),
        (
            ["--train_files", "{train}", "--dataset_name", "some/texts"],
            "--dataset_name some/texts beside --train_files",
        ),
        (["--vocab_size", "9", "--vocab_file", "v.txt"], "--vocab_size 9 has no effect beside --vocab_file v.txt"),
        (
            ["--vocab_size", "9", "--model_name_or_path", "x"],
            "--vocab_size 9 has no effect beside --model_name_or_path x",
        ),
        (
            ["--recipe", "glyph_crm", "--model_type", "chinese_bert"],
            "--model_type chinese_bert does not fit --recipe glyph_crm.*give --recipe chinese_bert",
        ),
        (
            ["--recipe", "chinese_bert", "--model_type", "glyph_crm"],
            "--model_type glyph_crm does not fit --recipe chinese_bert.*give --recipe glyph_crm or causal",
        ),
        (
            ["--train_files", "{train}", "--config_overrides", TINY, "--model_type", "bert", "--max_seq_length", "64"],
            "max_seq_length=64 is more than the 32 positions",
        ),
    ],
)
def test_errors_name_the_fix(data, script, tmp_path, arguments, message):
    paths = {"train": data / "part0.jsonl", "none": tmp_path / "none.txt"}
    paths |= {"big5": tmp_path / "big5.txt", "half": tmp_path / "half.jsonl"}
    paths["big5"].write_bytes("\n今天的天氣很好，我們去臺北。\n".encode("big5"))
    paths["half"].write_text('{"text": "天地。玄黄。"}\n' * 300 + '{"text": "宇', encoding="utf-8")
    filled = [argument.format(**paths) for argument in arguments]
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        script.main([*filled, "--output_dir", str(tmp_path / "out")])
