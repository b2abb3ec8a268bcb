"""The options of the models that experiments compare."""

from argparse import ArgumentParser

import pytest

from hanziformers.training.model_comparison import MODELS, add_model_options, model_options


@pytest.fixture
def parse():
    def parse(*argv, checkpoints=True):
        parser = ArgumentParser(allow_abbrev=False)
        parser.add_argument("--config_overrides", default="")
        add_model_options(parser, checkpoints)
        return parser.parse_args(argv)

    return parse


def given(options):
    return {name: value for name, value in options.items() if value}


def test_every_model_has_options_of_its_own_beside_the_shared_ones(parse):
    args = parse(
        *("--vocab_file", "v.txt", "--vocabulary_bank", "True", "--config_overrides", "hidden_size=8"),
        *("--glyph_crm_overrides", "glyph_size=24", "--glyph_crm_rates", "glyph=1e-3"),
    )
    shared = {"vocab_file": "v.txt", "vocabulary_bank": "True"}
    found = {name: given(model_options(args, name)) for name in MODELS}
    assert found == {
        "BERT": {"model_type": "bert", **shared, "config_overrides": "hidden_size=8"},
        "ChineseBERT": {"model_type": "chinese_bert", **shared, "config_overrides": "hidden_size=8"},
        "GlyphCRM": {
            "model_type": "glyph_crm",
            **shared,
            "config_overrides": "hidden_size=8,glyph_size=24",
            "learning_rates": "glyph=1e-3",
        },
    }
    assert model_options(args, "GlyphCRM", "a=1")["config_overrides"] == "hidden_size=8,glyph_size=24,a=1"


def test_a_checkpoint_has_its_sizes_and_vocabulary(parse):
    args = parse("--bert", "here", "--config_overrides", "hidden_size=8", "--vocab_file", "v.txt")
    assert given(model_options(args, "BERT")) == {"model_name_or_path": "here"}
    assert model_options(args, "GlyphCRM")["vocab_file"] == "v.txt"


def test_without_checkpoints(parse):
    args = parse("--bert_overrides", "a=1", checkpoints=False)
    assert given(model_options(args, "BERT")) == {"model_type": "bert", "config_overrides": "a=1"}
    with pytest.raises(SystemExit):
        parse("--bert", "here", checkpoints=False)
