"""run_mpm_pretraining.py from characters and syllables to an encoder: tiny models, real Trainer, no network."""

import importlib
import json
import sys
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from process_tools import run_program, run_ranks, run_until
from safetensors.torch import load_file

from hanziformers.modeling.modeling_mpm_pretraining import MpmForPreTraining
from hanziformers.modeling.mpm_encoders import load_swin

SCRIPT = Path(__file__).parents[2] / "run_scripts" / "run_mpm_pretraining.py"
TINY = '{"embed_dim": 6, "depths": [1, 1], "num_heads": [1, 2], "patch_size": 12, "window_size": 2, "drop_path": 0.1}'
CHARACTERS = "林松柏柳桃江河湖海波打推拉招投"  # of three radicals


def options(folder, *more, **named):
    values = {
        "modality": "glyph",
        "config_overrides": TINY,
        "styles": "xingkai,cao",
        "held_out_characters": 6,
        "max_steps": 12,
        "eval_steps": 6,
        "save_steps": 6,
        "logging_steps": 1,
        "per_device_train_batch_size": 8,
        "learning_rate": 5e-3,
        "max_eval_pairs": 20,
        "seed": 3,
        "disable_tqdm": True,
        "use_cpu": True,
        "output_dir": folder,
        **named,
    }
    return [part for name, value in values.items() if value is not None for part in (f"--{name}", str(value))] + [*more]


def sounds(folder, **named):
    glyph_only = {"styles": None, "held_out_characters": None}
    return options(folder, **glyph_only, modality="phonetic", **named)


def losses(folder):
    return {row["step"]: row["loss"] for row in json.loads((folder / "loss.json").read_text()) if "loss" in row}


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        return importlib.import_module("run_mpm_pretraining")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def characters(tmp_path_factory):
    file = tmp_path_factory.mktemp("characters") / "characters.txt"
    file.write_text("\n".join(CHARACTERS) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(script, characters, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    return folder, script.main(options(folder, characters=characters))


def test_what_it_leaves(trained):
    folder, metrics = trained
    history = json.loads((folder / "loss.json").read_text())
    assert [row["step"] for row in history if "loss" in row] == list(range(1, 13))
    # each set has a row of its own
    start = {name: value for row in history if row["step"] == 0 for name, value in row.items()}
    assert start["eval_training_rci_loss"] == pytest.approx(log(2), abs=1e-4)
    assert start["eval_training_gic_loss"] == pytest.approx(log(len(CHARACTERS)), abs=1e-4)
    assert start["eval_characters_loss"] == pytest.approx(log(2) / 2, abs=1e-4)  # they have no class
    assert metrics["eval_training_gic_loss"] < start["eval_training_gic_loss"]
    assert {"eval_font_rci_accuracy", "eval_font_gic_accuracy", "eval_characters_rci_accuracy"} <= metrics.keys()
    assert "eval_characters_gic_accuracy" not in metrics
    for name in ("loss", "accuracy"):
        assert Image.open(folder / f"{name}.png").size[0] > 500
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "$" not in card
    assert "pre-trained by hanziformers on\nRCI and GIC" in card
    assert "| brush | Hanziformers Brush |" in card
    assert f"| font | 9 | rci_accuracy | {metrics['eval_font_rci_accuracy']:.4f} |" in card
    assert "--config_overrides" in card


def test_the_encoder_is_what_mpm_cner_takes(trained):
    folder, _ = trained
    model = MpmForPreTraining.from_pretrained(folder)
    assert sorted(model.config.id2label.values()) == sorted(CHARACTERS)
    assert len(model.config.image_mean) == 1
    images = torch.rand(3, 1, 48, 48)
    with torch.no_grad():
        expected = model.encoder(images)
        for source in (folder, folder / "encoder.safetensors"):
            encoder = MpmForPreTraining(model.config).encoder.eval()
            load_swin(encoder, source)
            torch.testing.assert_close(encoder(images), expected, rtol=0, atol=0.02)


def test_a_killed_run_resumes_to_the_same_losses(trained, characters, tmp_path):
    whole, folder = trained[0], tmp_path / "tiny"
    command = [SCRIPT, *options(folder, characters=characters)]
    run_until(folder / "checkpoint-6" / "trainer_state.json", *command)
    assert not (folder / "model.safetensors").is_file()
    done = run_program(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert losses(folder) == losses(whole)
    first, second = (load_file(path / "model.safetensors") for path in (whole, folder))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes(characters, tmp_path):
    run_ranks(SCRIPT, *options(tmp_path / "two", characters=characters, max_steps=3, save_steps=3))
    assert sorted(losses(tmp_path / "two")) == [1, 2, 3]
    assert (tmp_path / "two" / "encoder.safetensors").is_file()


def test_an_epoch_never_repeats_the_pairs_of_another(script, characters, tmp_path):
    args, training = script.parse(options(tmp_path, characters=characters))
    data, _ = script.read_glyphs(args, training.seed)
    trainer = script.PairTrainer(
        script.make_model(args, data), training, script.collate_pairs, train_dataset=data.train, eval_dataset=data.sets
    )
    loader, seen = trainer.get_train_dataloader(), []
    for epoch in (0, 1):
        loader.set_epoch(epoch)  # as the Trainer does
        seen.append(torch.cat([batch["images"] for batch in loader]))
    assert len(seen[0]) == len(data.train)
    assert not torch.equal(*seen)


def test_sounds(script, tmp_path):
    metrics = script.main(sounds(tmp_path / "out", max_steps=2, eval_steps=2, save_steps=2))
    assert {"eval_training_pci_accuracy", "eval_training_pcm_tone_accuracy"} <= metrics.keys()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| espeak-ng cmn+f4 | synthesis | 1522 | training |" in card
    assert "3,044 pairs in an epoch" in card  # each as it is and flipped
    model = MpmForPreTraining.from_pretrained(tmp_path / "out")
    assert model.config.num_labels == 1522
    assert model.encoder.embeddings.patch_embeddings.projection.weight.shape == (6, 3, 12, 12)


def test_training_goes_on_from_a_folder(trained, script, characters, tmp_path):
    named = {"model_name_or_path": trained[0], "config_overrides": None, "max_steps": 1, "save_steps": 1}
    metrics = script.main(options(tmp_path / "on", characters=characters, **named))
    assert metrics["eval_training_gic_loss"] < log(len(CHARACTERS)) - 0.01
    assert f"fine-tuned from `{trained[0]}`" in (tmp_path / "on" / "README.md").read_text(encoding="utf-8")
    for name, value in {"pair_head": "linear", "config_overrides": TINY, "standardise": False}.items():
        with pytest.raises(ValueError, match=f"{name}=.* has no effect with --model_name_or_path"):
            script.parse(options(tmp_path / "off", **{**named, name: value}))
    other = tmp_path / "other.txt"
    other.write_text("林松柏江河湖", encoding="utf-8")
    with pytest.raises(ValueError, match=r"has 15 classes and the data have others \(6\)"):
        script.main(options(tmp_path / "off", **named, characters=other, held_out_characters=0))


def test_characters_without_an_image_are_said(script, tmp_path, capsys):
    file = tmp_path / "characters.txt"
    file.write_text(CHARACTERS + "\U0003134a\U0003134b", encoding="utf-8")
    args, training = script.parse(options(tmp_path / "out", characters=file))
    data, text = script.read_glyphs(args, training.seed)
    assert sorted(data.classes) == sorted(CHARACTERS)
    assert "15 characters (2 more have no image in these fonts)" in text
    assert "2 of 17 characters have no image in these fonts: \U0003134a\U0003134b" in capsys.readouterr().out


def test_presets_and_defaults(script, tmp_path):
    args, training = script.parse(["--modality", "glyph", "--output_dir", str(tmp_path)])
    assert (training.learning_rate, training.num_train_epochs, args.pair_head, args.shift) == (
        1e-3,
        20,
        "interaction",
        2,
    )
    args, training = script.parse(
        ["--modality", "phonetic", "--preset", "paper", "--shift", "1", "--output_dir", str(tmp_path)]
    )
    assert (training.learning_rate, training.num_train_epochs, args.pair_head) == (1e-4, 200, "linear")
    assert (args.shift, args.standardise, training.weight_decay, training.warmup_steps) == (1, False, 0, 0)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"recordings": "x.zip"}, "recordings=x.zip has no effect with --modality glyph; leave it out"),
        ({"modality": "phonetic", "characters": None}, "styles=xingkai,cao has no effect with --modality phonetic"),
        ({"config_overrides": "[1]"}, "config_overrides=.*1.*; give a JSON object"),
        ({"config_overrides": "{x"}, "config_overrides='{x'; give a JSON object"),
        ({"config_overrides": '{"drop_pathh": 0.1}'}, "sets 'drop_pathh'; allowed are patch_size, embed_dim"),
        ({"config_overrides": '{"image_size": 96}'}, "sets 'image_size'; allowed are"),
        ({"max_eval_pairs": 0}, "most=0 is not allowed; allowed is 1 or more pairs"),
        ({"fonts": "xingkai"}, "--fonts holds 'xingkai'; write style=path"),
        ({"held_out_styles": "nothing"}, "the style 'nothing' is not known"),
        ({"learning_rate": 1e30, "warmup_steps": 0}, "the loss of step . is nan or infinite"),
    ],
)
def test_refusals(script, characters, tmp_path, named, message):
    with pytest.raises((ValueError, FloatingPointError), match=message):
        script.main(options(tmp_path / "out", **{"characters": characters, **named}))
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_pairs_of_a_run_have_the_share_that_the_paper_wants(script, characters, tmp_path):
    args, training = script.parse(options(tmp_path, characters=characters))
    data, _ = script.read_glyphs(args, training.seed)
    same = np.concatenate([data.train.pairs.epoch(epoch).same for epoch in range(100)])
    assert same.mean() == pytest.approx(0.5, abs=0.03)
