"""Characters outside the vocabulary tell the answer: GlyphCRM learns it from their glyph images, BERT sees [UNK]."""

import json
import random
import sys
from pathlib import Path

import pytest
import torch
from font_tools import RARE, rare_font
from glyph_tools import SPECIAL
from transformers import AutoProcessor, pipeline

from hanziformers import (
    GlyphCrmConfig,
    GlyphCrmModel,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
)
from hanziformers.modeling.character_bank import CharacterBank

SCRIPTS = Path(__file__).parents[2] / "run_scripts"
KNOWN = "他我你在去了来的"
FIRST, SECOND = RARE[:3] + "あ" + RARE[8], RARE[3:6] + "각" + RARE[9]  # two kinds of unseen characters
UNSEEN = FIRST + SECOND
SIZES = {"train": 96, "validation": 24, "test": 24}


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(SCRIPTS))
    try:
        import run_classification
        import run_ner
    finally:
        sys.path.pop(0)
    return {"run_ner": run_ner.main, "run_classification": run_classification.main}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data for both scripts, and an untrained GlyphCRM with a font of rare characters."""
    folder, rng = tmp_path_factory.mktemp("unseen"), random.Random(0)
    for split, size in SIZES.items():
        rows = []
        for number in range(size):
            kind = number % 2
            rare, text = rng.choice(SECOND if kind else FIRST), rng.choices(KNOWN, k=5)
            start = rng.randrange(5)
            text.insert(start, rare)
            entity = {"start": start, "end": start + 1, "label": "PER" if kind else "LOC"}
            rows.append({"text": "".join(text), "entities": [entity], "label": str(kind)})
        lines = "\n".join(json.dumps({"text": row["text"], "entities": row["entities"]}) for row in rows)
        (folder / f"run_ner_{split}.jsonl").write_text(lines, encoding="utf-8")
        lines = "\n".join(json.dumps({"text": row["text"], "label": row["label"]}) for row in rows)
        (folder / f"run_classification_{split}.jsonl").write_text(lines, encoding="utf-8")
    tokens = [*SPECIAL, *KNOWN]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    font = str(rare_font(folder / "rare.ttf"))
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]}, save_fonts=True)
    processor = HanziProcessor(image_processor, GlyphCrmTokenizer(str(folder / "vocab.txt")))
    config = GlyphCrmConfig(
        vocab_size=len(tokens),
        glyph_size=24,
        first_block_channels=4,
        second_block_channels=8,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=32,
    )
    torch.manual_seed(0)
    model = GlyphCrmModel(config)
    model.set_glyphs(processor.render_bank())
    model.save_pretrained(folder / "start")
    processor.save_pretrained(folder / "start")
    return folder


def options(script, folder, output, *more):
    named = {f"{split}_file": folder / f"{script}_{split}.jsonl" for split in SIZES}
    named |= {"output_dir": output, "learning_rate": 3e-3, "seed": 3, "disable_tqdm": True}
    named |= {"per_device_train_batch_size": 8, "use_cpu": True}
    flags = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    return [*map(str, more), *flags, "--do_train", "--do_eval", "--do_predict"]


def watch(monkeypatch):
    """Keeps the glyph images that reach the encoder, of training and of evaluation."""
    seen, forward = {True: set(), False: set()}, CharacterBank.forward

    def keep(self, ids, extra_glyphs=None):
        outside = (ids >= len(self.glyphs)).nonzero(as_tuple=True)
        rows = ids[outside] - len(self.glyphs)
        seen[self.training] |= {image.numpy().tobytes() for image in extra_glyphs[outside[0], rows]}
        return forward(self, ids, extra_glyphs)

    monkeypatch.setattr(CharacterBank, "forward", keep)
    return seen


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("script", ["run_ner", "run_classification"])
def test_every_unseen_character_reaches_the_encoder(scripts, folder, tmp_path, monkeypatch, script, workers):
    seen = watch(monkeypatch)
    model = ["--model_name_or_path", folder / "start", "--dataloader_num_workers", workers]
    scripts[script](options(script, folder, tmp_path / "out", *model, "--num_train_epochs", 1))
    rendered = AutoProcessor.from_pretrained(tmp_path / "out").image_processor.render(list(UNSEEN))
    images = {image.tobytes() for image in rendered}
    assert len(images) == len(UNSEEN)
    assert seen[True] == images  # each as its own glyph image, and nothing else
    assert seen[False] == images


def test_glyph_crm_learns_from_glyph_images_what_bert_cannot(scripts, folder, tmp_path):
    epochs = ["--num_train_epochs", 12]
    model = ["--model_name_or_path", folder / "start"]
    assert scripts["run_ner"](options("run_ner", folder, tmp_path / "glyphs", *model, *epochs))["test"]["f1"] > 0.65
    find = pipeline("token-classification", str(tmp_path / "glyphs"), aggregation_strategy="simple")
    texts = [f"他在{character}" for character in UNSEEN]
    found = [entity for entities in find(texts, batch_size=4) for entity in entities]
    assert {entity["entity_group"] for entity in found} == {"LOC", "PER"}
    assert all((entity["start"], entity["end"]) == (2, 3) for entity in found)
    sizes = "hidden_size=32,num_hidden_layers=1,num_attention_heads=2,intermediate_size=48,max_position_embeddings=32"
    model = ["--model_type", "bert", "--tokenizer_type", "glyph_crm", "--vocab_file", folder / "vocab.txt"]
    model += ["--config_overrides", sizes]  # the same tokenizer without glyph images: one [UNK] for all
    assert scripts["run_ner"](options("run_ner", folder, tmp_path / "bert", *model, *epochs))["test"]["f1"] < 0.65
