"""Whether a tokenizer fits a model: what of it the model takes, and what is refused."""

import glyce_tools
import mpm_cner_tools
import pytest
from glyph_tools import NumberGlyphs
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    BertTokenizer,
)
from word_tools import LEXICON, PIECES, make_lattice_tokenizer, make_word_tokenizer

from hanziformers import GlyceTokenizer, MpmCnerTokenizer
from hanziformers.training.tokenizer_fit import fit_tokenizer

SIZES = {"hidden_size": 8, "embedding_dim": 4, "glyph_size": 8, "glyph_styles": ["song"], "glyph_dim": 4}


def build(family, tokenizer, **fields):
    sizes = {"vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size, "glyph_groups": 1}
    return AutoModel.from_config(AutoConfig.for_model(family, **{**SIZES, **sizes, **fields}))


def test_inputs_that_a_model_does_not_take_are_left_out():
    vocabulary = {token: number for number, token in enumerate(PIECES)}
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    bert = BertModel(BertConfig(vocab_size=len(PIECES), max_position_embeddings=20, **sizes))
    for tokenizer in (GlyceTokenizer(vocabulary), BertTokenizer(vocabulary), make_lattice_tokenizer()):
        fit_tokenizer(tokenizer, bert)
        assert set(tokenizer.model_input_names) == {"input_ids", "token_type_ids", "attention_mask"}
        assert tokenizer.model_max_length == 20
        assert "lexicon_ids" not in tokenizer("银行")


SWITCHES = {
    "bilstm": {"glyce": False},
    "lattice_lstm": {"glyce": False, "num_words": len(LEXICON)},
    "bimpm": {"glyce": False},
    "biaffine": {"glyce": False},
    "srl": {"glyce": False},
}


def tokenizer_of(family):
    return make_word_tokenizer() if family in ("bimpm", "biaffine", "srl") else make_lattice_tokenizer()


@pytest.mark.parametrize("family", SWITCHES)
def test_a_model_without_glyphs_has_none_rendered(family, tmp_path):
    tokenizer = tokenizer_of(family)
    fit_tokenizer(tokenizer, build(family, tokenizer, **SWITCHES[family]))
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    again.image_processor = tokenizer.image_processor  # as a processor sets it
    for one in (tokenizer, again):
        one.image_processor.render = None  # nothing calls it
        batch = one(["龘行", "銀"], padding=True, return_tensors="pt")
        assert {*batch} == {*one.model_input_names} == {*one.pad([one("龘行"), one("銀")], return_tensors="pt")}
        assert not {"glyph_ids", "extra_glyphs"} & {*batch}
    del again.image_processor.render
    # a new model with glyphs, of the same folder
    fit_tokenizer(again, build(family, again, **{**SWITCHES[family], "glyce": True}))
    assert again(["龘行", "銀"], padding=True, return_tensors="pt")["extra_glyphs"].shape == (2, 1, 32)


@pytest.mark.parametrize(("kind", "tools"), [(GlyceTokenizer, glyce_tools), (MpmCnerTokenizer, mpm_cner_tools)])
def test_baselines_around_an_encoder_have_none_rendered(kind, tools):
    more = {"syllables": ["yin2", "hang2"]} if kind is MpmCnerTokenizer else {}
    tokenizer = kind({token: number for number, token in enumerate(PIECES)}, **more)
    tokenizer.image_processor = NumberGlyphs()
    sizes = {"vocab_size": len(PIECES), "glyph_vocab_size": len(PIECES)}
    sizes |= {"num_syllables": 3} if more else {}  # and no sound
    fit_tokenizer(tokenizer, tools.build(**sizes))
    assert {"glyph_ids", "extra_glyphs"} <= {*tokenizer.model_input_names}
    fit_tokenizer(tokenizer, tools.build(**sizes, use_glyphs=False))
    tokenizer.image_processor.render = None
    batch = tokenizer(["龘行", "銀"], padding=True, return_tensors="pt")
    assert {*batch} == {*tokenizer.model_input_names}
    assert not {"glyph_ids", "extra_glyphs"} & {*batch}
    assert ("syllable_ids" in batch) == bool(more)


def test_words_and_lexicons_that_fit():
    tokenizer = make_word_tokenizer()
    fit_tokenizer(tokenizer, build("bimpm", tokenizer))
    assert tokenizer.model_input_names[0] == "word_ids"
    assert tokenizer.model_max_length > 10**6
    tokenizer = make_lattice_tokenizer()
    fit_tokenizer(tokenizer, build("lattice_lstm", tokenizer, num_words=len(LEXICON)))
    assert "lexicon_spans" in tokenizer.model_input_names


def test_what_does_not_fit_is_refused():
    words, lattice = make_word_tokenizer(), make_lattice_tokenizer()
    with pytest.raises(ValueError, match="a LatticeLstmTokenizer makes input_ids, which a BiMpmModel does not take"):
        fit_tokenizer(lattice, build("bimpm", words))
    with pytest.raises(ValueError, match="makes input_ids, which a BiMpmForSequenceClassification does not take"):
        fit_tokenizer(lattice, AutoModelForSequenceClassification.from_config(build("bimpm", words).config))
    with pytest.raises(ValueError, match="a WordTokenizer makes word_ids, which a BiLstmModel does not take"):
        fit_tokenizer(words, build("bilstm", lattice))
    with pytest.raises(ValueError, match=f"the model knows 3 words, the lexicon of its tokenizer has {len(LEXICON)}"):
        fit_tokenizer(lattice, build("lattice_lstm", lattice, num_words=3))
    with pytest.raises(ValueError, match="the lexicon of its tokenizer has 0"):
        fit_tokenizer(GlyceTokenizer(lattice.get_vocab()), build("lattice_lstm", lattice, num_words=3))
    words.set_extra_characters("龘")
    with pytest.raises(ValueError, match="its tokenizer numbers 3"):
        fit_tokenizer(words, build("bimpm", make_word_tokenizer()))
