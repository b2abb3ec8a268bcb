"""Probes of characters' vectors, against loops over one pair after the other; and that a model is as it was before."""

import copy
from math import exp, log, sqrt

import chinese_bert_tools
import numpy as np
import pytest
import torch
from glyph_crm_tools import SIZES, build, random_glyphs
from transformers import BertConfig, BertForMaskedLM

from hanziformers import ChineseBertForMaskedLM, ChineseBertTokenizer, GlyphCrmForMaskedLM, GlyphCrmTokenizer
from hanziformers.training.pretraining_probes import CharacterProbes, character_vectors, spread, warn_of_collapse

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
HAN = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜"
TOKENS = [*SPECIAL, "a", *HAN, *"。，1"]
VOCABULARY = {token: row for row, token in enumerate(TOKENS)}
FIGURES = {"vectors_mean_cosine", "vectors_nearest_cosine", "vectors_effective_rank"}
NORMS = {"feature_norm": "whiten", "feature_norm_epsilon": 1e-3}


def make_glyph_crm(**fields):
    """A model of the tokens, whose statistics, where it has any, were estimated."""
    model = build(GlyphCrmForMaskedLM, vocab_size=len(TOKENS), glyph_vocab_size=len(TOKENS), **fields)
    with torch.no_grad():
        model(input_ids=torch.tensor([[2, 7, 3]]))
    return model


def make_bert():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return BertForMaskedLM(BertConfig(vocab_size=len(TOKENS), **sizes)).eval()


def make_chinese_bert():
    return chinese_bert_tools.build(ChineseBertForMaskedLM, vocab_size=len(TOKENS))


MODELS = {
    "glyph_crm": make_glyph_crm,
    "hybrid": lambda: make_glyph_crm(id_embeddings=True),
    "whitened": lambda: make_glyph_crm(**NORMS),
    "pixels": lambda: make_glyph_crm(glyph_cnn="none", feature_norm="standard"),
    "bert": make_bert,
    "chinese_bert": make_chinese_bert,
}


def make_tokenizer(name="glyph_crm", vocabulary=VOCABULARY):
    return (ChineseBertTokenizer if name == "chinese_bert" else GlyphCrmTokenizer)(dict(vocabulary))


def slow_spread(vectors):
    """The figures, each as its definition says."""
    rows = vectors.double().tolist()
    norms = [sqrt(sum(value * value for value in row)) for row in rows]
    pairs = {
        (i, j): sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) / (norms[i] * norms[j])
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
    }
    nearest = [max(value for (i, _), value in pairs.items() if i == row) for row in range(len(rows))]
    squares = np.linalg.eigvalsh(np.array(rows) @ np.array(rows).T)
    values = [sqrt(value) for value in squares if value > 1e-12]
    shares = [value / sum(values) for value in values]
    return {
        "vectors_mean_cosine": sum(pairs.values()) / len(pairs),
        "vectors_nearest_cosine": sum(nearest) / len(nearest),
        "vectors_effective_rank": exp(-sum(share * log(share) for share in shares)),
    }


@pytest.mark.parametrize(("number", "width"), [(2, 5), (7, 4), (9, 20)])
def test_spread(number, width):
    vectors = torch.randn(number, width) + 2
    assert spread(vectors) == pytest.approx(slow_spread(vectors), abs=1e-9)


def test_spread_of_the_extremes():
    one = spread(torch.randn(1, 6).expand(5, 6) * torch.arange(1, 6)[:, None])
    assert one == pytest.approx(dict.fromkeys(one, 1.0), abs=1e-6)
    apart = spread(torch.eye(5, 6) * 3)
    assert apart == pytest.approx(
        {"vectors_mean_cosine": 0, "vectors_nearest_cosine": 0, "vectors_effective_rank": 5}, abs=1e-6
    )
    assert np.isfinite([*spread(torch.zeros(3, 4)).values()]).all()


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_that_the_model_reads(name):
    model, ids = MODELS[name](), torch.tensor([9, 7, 30, 7])
    found = character_vectors(model, ids)
    with torch.no_grad():
        if name == "bert":
            wanted = torch.stack([model.bert.embeddings.word_embeddings.weight[row] for row in ids])
        elif name == "chinese_bert":
            parts = model.bert.embeddings
            wanted = torch.stack([parts.glyph_map(parts.glyph_embeddings.embedding.weight[row]) for row in ids])
        else:
            bank = model.glyph_crm.embeddings.characters
            wanted = torch.cat([bank.encoder(bank.glyphs[row][None] / 255) for row in ids])[:, : SIZES["hidden_size"]]
    torch.testing.assert_close(found, wanted)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    if name in ("glyph_crm", "whitened", "pixels"):
        with torch.no_grad():
            torch.testing.assert_close(found, bank(ids)[:, : SIZES["hidden_size"]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_figures_of_every_family(name):
    figures = CharacterProbes(make_tokenizer(name))(MODELS[name]())
    has_tanh = name in ("glyph_crm", "hybrid", "whitened", "pixels")
    assert figures.keys() == FIGURES | ({"vectors_saturation"} if has_tanh else set())
    assert np.isfinite([*figures.values()]).all()
    assert 1 <= figures["vectors_effective_rank"] <= 40


def test_saturation_is_a_ratio_of_values():
    model = make_glyph_crm()
    with torch.no_grad():
        model.glyph_crm.embeddings.characters.encoder.to_input.weight.mul_(400)
    rows = torch.tensor([VOCABULARY[character] for character in HAN])
    values = [value for row in character_vectors(model, rows).tolist() for value in row]
    wanted = sum(abs(value) > 0.99 for value in values) / len(values)
    assert 0.01 < wanted < 0.99
    assert CharacterProbes(make_tokenizer())(model)["vectors_saturation"] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_of_the_model_changes(name):
    """Nor of the random state: a training goes on as if it had not been measured."""
    model, probes = MODELS[name](), CharacterProbes(make_tokenizer(name))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    bank = model.get_input_embeddings()
    before = copy.deepcopy(model.state_dict())
    states = [part.training for part in model.modules()]
    random, numpy_random = torch.get_rng_state(), np.random.get_state()[1].tolist()
    table = getattr(getattr(bank, "_table", None), "_entry", None)  # of the bank's vectors
    known = None if table is None else table.known.clone()
    rows = None if table is None else table.vectors[known].clone()
    first, second = probes(model), probes(model)
    assert first == second
    assert torch.equal(torch.get_rng_state(), random)
    assert np.random.get_state()[1].tolist() == numpy_random
    assert getattr(getattr(bank, "_table", None), "_entry", None) is table
    if table is not None:
        assert torch.equal(table.known, known)
        assert torch.equal(table.vectors[known], rows)
    assert [part.training for part in model.modules()] == states
    after = model.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert all((parameter.grad == 1).all() for parameter in model.parameters())


def test_a_model_that_was_not_run_yet_is_measured_as_it_will_run():
    model = make_glyph_crm(**NORMS)
    wanted = CharacterProbes(make_tokenizer())(model)
    model.get_input_embeddings().forget_statistics()
    for norm in model.get_input_embeddings().list_norms():
        norm.reset()
    assert CharacterProbes(make_tokenizer())(model) == wanted


def test_training_mode_is_refused():
    model = make_glyph_crm(**NORMS).train()
    with pytest.raises(ValueError, match=r"in training mode; call model.eval\(\)"):
        CharacterProbes(make_tokenizer())(model)


def test_half_precision():
    model = make_glyph_crm()
    full = CharacterProbes(make_tokenizer())(model)
    half = CharacterProbes(make_tokenizer())(model.bfloat16())
    assert half == pytest.approx(full, rel=0.1, abs=0.02)


def asked_for(monkeypatch, model, tokenizer, **options):
    """The characters that are measured."""
    asked = []

    def note(model, ids):
        asked.append(ids.tolist())
        return character_vectors(model, ids)

    monkeypatch.setattr("hanziformers.training.pretraining_probes.character_vectors", note)
    probes = CharacterProbes(tokenizer, **options)
    figures = [probes(model), probes(model)]
    assert asked[:1] == asked[1:]
    return [tokenizer.convert_ids_to_tokens(ids) for ids in asked[:1]], figures[0]


def test_characters_are_evenly_spaced_chinese_ones(monkeypatch):
    model = make_bert()
    (all_of_them,), _ = asked_for(monkeypatch, model, make_tokenizer())
    assert all_of_them == list(HAN)
    (some,), _ = asked_for(monkeypatch, model, make_tokenizer(), number=4)
    assert some == [HAN[0], HAN[round((len(HAN) - 1) / 3)], HAN[round(2 * (len(HAN) - 1) / 3)], HAN[-1]]


def test_characters_without_an_image_of_their_own_are_left_out(monkeypatch):
    model = make_glyph_crm()
    images = random_glyphs(len(TOKENS))
    images[VOCABULARY["地"]] = 0
    images[VOCABULARY["黄"]] = images[VOCABULARY["[UNK]"]]
    model.base_model.set_glyphs(images)
    (found,), figures = asked_for(monkeypatch, model, make_tokenizer())
    assert found == [character for character in HAN if character not in "地黄"]
    assert figures["vectors_nearest_cosine"] < 1


@pytest.mark.parametrize("characters", ["", "天"])
def test_too_few_characters_have_no_figures(characters):
    vocabulary = {token: row for row, token in enumerate([*SPECIAL, *"abc", *characters])}
    assert CharacterProbes(make_tokenizer(vocabulary=vocabulary))(make_bert()) == {}


def test_a_vocabulary_with_a_gap():
    vocabulary = {token: row if row < 8 else row + 2 for token, row in list(VOCABULARY.items())[:30]}
    figures = CharacterProbes(make_tokenizer("chinese_bert", vocabulary))(make_chinese_bert())
    assert figures.keys() == FIGURES


def test_a_collapse_is_warned_of_once(warnings):
    model, probes = MODELS["pixels"](), CharacterProbes(make_tokenizer())
    probes(model)
    assert not warnings
    with torch.no_grad():
        model.glyph_crm.embeddings.characters.encoder.to_input.weight.mul_(1e-4)  # what is left is the bias
    probes(model)
    probes(model)
    (text,) = warnings
    assert text.startswith("the vectors of characters have collapsed: their effective rank is 1.0 of 24 and the cosine")
    assert 'try feature_norm="whiten" for GlyphCRM' in text


@pytest.mark.parametrize(
    ("rank", "cosine", "found"),
    [(6.5, 0.998, ""), (6.3, 0.5, "effective rank is 6.3 of 128,"), (60.0, 0.9995, "nearest other one is 0.9995 on")],
)
def test_what_is_a_collapse(warnings, rank, cosine, found):
    figures = {"vectors_effective_rank": rank, "vectors_nearest_cosine": cosine}
    assert warn_of_collapse(figures, 128, None) == bool(found)
    assert [found in text for text in warnings] == [True] * bool(found)


def test_what_is_whitened_already_is_told_something_else(warnings):
    warn_of_collapse({"vectors_effective_rank": 1.0, "vectors_nearest_cosine": 1.0}, 128, "whiten")
    assert "feature_norm" not in warnings[0]
    assert warnings[0].endswith("try a lower --learning_rate")
