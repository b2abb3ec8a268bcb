"""Tables, figures and the card: what is filled in, and what is refused."""

import json
from importlib.metadata import version
from types import SimpleNamespace

import pytest
import yaml
from transformers import BertConfig, BertForTokenClassification, BertTokenizer

from hanziformers import MpmCnerConfig
from hanziformers.training.model_card import eval_results, font_manifest_of, table, write_card, write_json_lines
from hanziformers.training.model_loading import ModelArguments

FIELDS = ("name", "model_class", "start", "seed", "parameters", "version", "transformers", "torch", "pypinyin", "fonts")

SOUNDS = {
    "syllables": 1,
    "sources": [{"source": "recording", "voice": "a voice of a test", "file": "", "made_with": "x"}],
}
SOUNDS["sources"][0] |= {"sha256": "0" * 64, "syllables": "ma1"}
FONTS = {"tokens": 5, "styles": [{"style": "song", "variants": 0, "fallbacks": {}, "not_rendered": 0}]}
FONTS["styles"][0] |= {"not_rendered_first": [], "unused": [], "sources": []}
FONTS["styles"][0]["sources"] = [
    {"style": "song", "family": "a font of a test", "version": "1", "licence": "x", "sha256": "0" * 64, "file": "a.ttf"}
]
FONTS["styles"][0]["sources"][0] |= {"where": "user", "characters": 5, "variants": 0}


@pytest.fixture
def trainer(tmp_path):
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])}
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForTokenClassification(BertConfig(vocab_size=5, max_position_embeddings=8, **sizes))
    folder = tmp_path / "tiny-model"
    folder.mkdir()
    return SimpleNamespace(
        model=model,
        processing_class=BertTokenizer(vocabulary),
        args=SimpleNamespace(output_dir=str(folder), seed=11),
    )


def card(trainer, tmp_path, template, args=None, command=("run_x.py", "--text", "a b"), **fields):
    (tmp_path / "card.md").write_text(template, encoding="utf-8")
    figures = eval_results("token-classification", "x", {"test": "test.bio"}, {"test": {"f1": 0.5}}, ["f1"])
    options = {"pipeline_tag": "token-classification", "tags": ["x"], "figures": figures, **fields}
    write_card(tmp_path / "card.md", args or ModelArguments("base"), trainer, command, **options)
    return (tmp_path / "tiny-model" / "README.md").read_text(encoding="utf-8")


def mpm_cner(**fields):
    """What write_card asks a trainer of an MPM-CNER for."""
    config = MpmCnerConfig(semantic_config={"model_type": "bert", "vocab_size": 5}, num_syllables=3, **fields)
    extractor = SimpleNamespace(make_sound_manifest=lambda: SOUNDS)
    processor = SimpleNamespace(
        image_processor=SimpleNamespace(font_manifest=FONTS),
        feature_extractor=extractor,
        tokenizer=SimpleNamespace(syllables=["ma1"], init_kwargs={}),
    )
    return config, processor


@pytest.mark.parametrize("switches", [(), ("use_glyphs",), ("use_sounds",), ("use_glyphs", "use_sounds")])
def test_a_card_names_the_parts_of_a_model(trainer, tmp_path, switches):
    """What was removed, and the fonts and sounds of what was not; the processor may still have all of them."""
    trainer.model.config, trainer.processing_class = mpm_cner(**dict.fromkeys(switches, False))
    text = card(trainer, tmp_path, "$model_class$parts, $start, fonts $fonts, sounds $sounds, pypinyin $pypinyin")
    removed = ", ".join(f"{name}=False" for name in switches)
    assert ("without some of its parts" in text) == bool(switches)
    assert removed in text
    assert ("a font of a test" in text) == ("use_glyphs" not in switches)
    assert ("None: this model has no glyph images" in text) == ("use_glyphs" in switches)
    assert ("a voice of a test" in text) == ("use_sounds" not in switches)
    assert ("None: this model hears no sounds" in text) == ("use_sounds" in switches)
    assert f"pypinyin {version('pypinyin')}" in text


def test_a_card_names_the_encoders_of_a_new_model(trainer, tmp_path):
    trainer.model.config, trainer.processing_class = mpm_cner(cross_modality=False)
    new = {"model_type": "mpm_cner", "glyph_encoder": "random", "phonetic_encoder": "random"}
    for more, start in (
        ({"semantic_encoder": "some-bert", "glyph_encoder": None}, "semantic: `some-bert`, glyph: the shipped one"),
        ({"vocab_file": "v", "phonetic_encoder": "mine"}, "encoders (phonetic: `mine`), all else new, and trained"),
        ({"vocab_file": "v"}, "trained from scratch"),
    ):
        text = card(trainer, tmp_path, "$model_class$parts, $start", ModelArguments(**{**new, **more}))
        assert start in text
        assert "(`cross_modality=False`)" in text
    again = ModelArguments("base", from_scratch=True)  # which has new weights everywhere
    assert "trained from scratch" in card(trainer, tmp_path, "$start", again)


def test_a_table():
    assert (
        table("label F1 texts", [["a|b", 0.5, 3]])
        == "| label | F1 | texts |\n| --- | --- | --- |\n| a\\|b | 0.5000 | 3 |"
    )
    assert table("label", []) == "| label |\n| --- |"


def test_json_lines(tmp_path):
    write_json_lines(tmp_path / "a.jsonl", [{"text": "好"}, {"text": "\n"}])
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"text": "好"}\n{"text": "\\n"}\n'
    with pytest.raises(ZeroDivisionError):
        write_json_lines(tmp_path / "b.jsonl", ({"text": 1 / number} for number in (1, 0)))
    assert not (tmp_path / "b.jsonl").exists()  # a part of the lines would look like all of them


def test_a_card_is_filled_in(trainer, tmp_path):
    text = card(trainer, tmp_path, "\n".join(f"{name}: ${name}" for name in (*FIELDS, "command", "own")), own="mine")
    head, body = text.split("\n---\n\n", 1)
    found = dict(line.split(": ", 1) for line in body.splitlines())
    assert found["name"] == "tiny-model"
    assert found["start"] == "fine-tuned from `base`"
    assert found["command"] == "python run_scripts/run_x.py --text 'a b'"
    assert found["parameters"] == f"{trainer.model.num_parameters():,}"
    assert (found["seed"], found["own"], found["pypinyin"]) == ("11", "mine", "not used")
    assert found["fonts"].startswith("None: ")
    data = yaml.safe_load(head)
    assert data["tags"] == ["hanziformers", "x"]
    assert data["model-index"][0]["results"][0]["metrics"][0] == {"type": "f1", "value": 0.5}


def test_a_model_from_scratch_and_without_a_script(trainer, tmp_path):
    for args in (ModelArguments(model_type="bert"), ModelArguments("base", from_scratch=True)):
        assert card(trainer, tmp_path, "$start|$command", args, command=()).endswith(
            "trained from scratch|in Python, without a script"
        )


def test_a_field_goes_before_what_is_filled_in(trainer, tmp_path):
    assert card(trainer, tmp_path, "$start, $name", start="loaded").endswith("loaded, tiny-model")


def test_a_field_that_nobody_gives_is_refused(trainer, tmp_path):
    with pytest.raises(KeyError, match="absent"):
        card(trainer, tmp_path, "$absent")


class ImageProcessor:
    def __init__(self, font_manifest=None):
        self.font_manifest = font_manifest

    def make_font_manifest(self, tokens):
        return {"made for": tokens}


def test_the_image_processor_knows_the_fonts_best():
    in_config = SimpleNamespace(config=SimpleNamespace(font_manifest={"from": "config"}))
    nothing = SimpleNamespace(config=SimpleNamespace())
    tokenizer = SimpleNamespace(bank_tokens=lambda: ["好"])
    known = SimpleNamespace(image_processor=ImageProcessor({"from": "processor"}), tokenizer=tokenizer)
    unknown = SimpleNamespace(image_processor=ImageProcessor(), tokenizer=tokenizer)
    assert font_manifest_of(in_config, known) == {"from": "processor"}
    assert font_manifest_of(in_config, unknown) == font_manifest_of(in_config, tokenizer) == {"from": "config"}
    assert font_manifest_of(nothing, unknown) == {"made for": ["好"]}
    assert font_manifest_of(nothing, tokenizer) is None


def test_json_of_numbers_stays_json(tmp_path):
    write_json_lines(tmp_path / "a.jsonl", [{"start": 1, "scores": {"a": 0.25}}])
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"start": 1, "scores": {"a": 0.25}}
