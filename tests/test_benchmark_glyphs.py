"""benchmark_glyphs.py compares two models of one size, on one batch."""

import pytest
import torch
from mpm_cner_parts import make_processor
from script_tools import as_flags, main_of

from hanziformers.training.new_model import set_special_tokens
from hanziformers.training.timing import usual_optimizer

main = main_of("benchmark_glyphs")
OURS, PLAIN = "ours", "plain"


@pytest.fixture
def options(tmp_path, monkeypatch):
    """A text and a vocabulary with few sounds, and small Swin encoders."""

    def small(config, vocabulary, vocabulary_bank):
        processor = make_processor()
        tokenizer = processor.tokenizer
        sizes = {"vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size}
        sizes |= {"num_syllables": 1 + len(tokenizer.syllables), "swin_depths": [1], "swin_num_heads": [2]}
        for name, value in sizes.items():
            setattr(config, name, value)
        set_special_tokens(config, tokenizer)
        return processor

    monkeypatch.setitem(main.__globals__, "new_processing_class", small)
    (tmp_path / "text.txt").write_text("银行很忙，今天天气好。\n重庆人去北京 " * 9, encoding="utf-8")
    named = {
        "model_type": "mpm_cner",
        "output_dir": tmp_path / "new",
        "vocab": "unused",
        "text": tmp_path / "text.txt",
        "size": "tiny",
    }
    return {**named, "batch": 2, "length": 16, "rounds": 1}


def test_it_writes_a_table(options, tmp_path, capsys):
    main(as_flags(options))
    text = (tmp_path / "new" / "mpm_cner.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert (
        f"tiny, 2 x 16 tokens, distinct: 17 characters, 14 syllables; cpu, 1 threads, torch {torch.__version__}" in text
    )
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in text.splitlines() if " ms | " in line}
    assert list(rows) == ["| forward, warm", "| forward, first sight", "| training step"]
    assert usual_optimizer() in text
    for ours, plain, quotient in rows.values():
        for cell in (ours, plain):  # one round: its quartiles are its own time
            middle, spread, _ = cell.split()
            assert spread == f"({middle}-{middle})"
        assert ours.endswith(" ms")
        assert plain.endswith(" ms")
        assert float(quotient.removesuffix(" |")) > 0


def test_what_is_compared_differs_in_glyphs_and_sounds_alone(options):
    arguments = main.__globals__["GlyphArguments"](**{**options, "output_dir": "", "text": str(options["text"])})
    models, batch = main.__globals__["make_models"](arguments)
    ours, plain = (dict(models[name].named_parameters()) for name in (OURS, PLAIN))
    assert plain.keys() < ours.keys()
    assert all(torch.equal(ours[name], weight) for name, weight in plain.items())
    assert {name.split(".")[1] for name in ours.keys() - plain.keys()} == {
        "glyph_bank", "sound_bank", "glyph_attention", "sound_attention"
    }  # fmt: skip
    assert batch["input_ids"].shape == (2, 16)
    assert batch["attention_mask"].all()
    assert models[OURS].mpm_cner.glyph_bank.glyphs.any()


def test_glyce_against_a_bert(tmp_path, capsys):
    """Without layers of the task its tagger is BERT's, but for the glyphs."""
    characters = list("银行很忙今天气好重庆人去北京，。 ".strip())
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(characters)]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("银行很忙，今天天气好。\n重庆人去北京 " * 9, encoding="utf-8")
    named = {"model_type": "glyce", "output_dir": tmp_path, "vocab": tmp_path / "vocab.txt", "vocabulary_bank": True}
    sizes = "task_layer=none,glyph_dim=16,glyph_groups=2"
    named |= {"text": tmp_path / "text.txt", "size": "tiny", "config_overrides": sizes, "batch": 2, "length": 16}
    arguments = main.__globals__["GlyphArguments"](
        **{**named, "text": str(named["text"]), "vocab": str(named["vocab"])}
    )
    models, batch = main.__globals__["make_models"](arguments)
    ours, plain = (dict(models[name].named_parameters()) for name in (OURS, PLAIN))
    assert {name.split(".")[1] for name in ours.keys() - plain.keys()} == {
        "glyph_bank", "glyph_positions", "image_classification"
    }  # fmt: skip
    assert {name for name in plain if not torch.equal(ours[name], plain[name])} == {"classifier.weight"}  # wider
    assert models[OURS].glyce.glyph_bank.glyphs.any()
    main(as_flags({**named, "rounds": 1}))
    assert "# Glyce-BERT against BERT" in capsys.readouterr().out
    text = (tmp_path / "glyce.md").read_text(encoding="utf-8")
    assert f"distinct: {batch['glyph_ids'].unique().numel()} characters; cpu" in text
    assert "| training step | " in text


def test_a_text_that_is_too_short_is_refused(options, tmp_path):
    (tmp_path / "text.txt").write_text("银行很忙", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text.txt has 4 characters; 64 are needed"):
        main(as_flags(options))


def test_a_run_that_is_cut_leaves_what_it_measured(options, tmp_path, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setitem(main.__globals__, "trainer_optimizer", cut)
    with pytest.raises(KeyboardInterrupt):
        main(as_flags(options))
    text = (tmp_path / "new" / "mpm_cner.md").read_text(encoding="utf-8")
    assert "| forward, first sight | " in text
    assert "| training step" not in text
