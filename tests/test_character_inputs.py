"""A family states its inputs and computes their values; all ways of calling, padding and saving follow from that."""

import numpy as np
import pytest
import torch
from glyph_tools import NOT_RENDERED, RARE, SPECIAL, NumberGlyphs
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import Style, pinyin
from transformers import BertTokenizer, DataCollatorWithPadding

from hanziformers import ChineseBertTokenizer
from hanziformers.tokenization.character_inputs import CharacterInputs
from hanziformers.tokenization.glyph_inputs import GlyphInputs
from hanziformers.tokenization.pinyin import pinyin_table

TOKENS = [*SPECIAL, *"银行长很忙，的ab", "hello", "##s", "##b"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}
EXTRA = "龘犇"
N = len(TOKENS) + len(EXTRA)


# --- two further families: all that they have to write


class SoundTokenizer(GlyphInputs, BertTokenizer):
    """BERT's vocabulary, a glyph image and a syllable for every character: the inputs of MPM-CNER."""

    model_input_names = ["input_ids", "token_type_ids", "attention_mask", "glyph_ids", "syllable_ids"]

    @property
    def extra_inputs(self):
        return {**super().extra_inputs, "syllable_ids": 0}

    def extra_values(self, alignment):
        syllables = alignment.gather(pinyin_table().rows(alignment.text))
        return {**super().extra_values(alignment), "syllable_ids": syllables}


class PinyinGlyphTokenizer(GlyphInputs, ChineseBertTokenizer):
    """ChineseBERT's pinyin beside open glyph images."""

    model_input_names = [*ChineseBertTokenizer.model_input_names, "glyph_ids"]


def make(cls=SoundTokenizer, **options):
    tokenizer = cls(VOCABULARY, extra_characters=EXTRA, **options)
    tokenizer.image_processor = NumberGlyphs()
    return tokenizer


SOUND, PINYIN = make(), make(PinyinGlyphTokenizer)
TEXT = f"银e\u0301行长\u200b{EXTRA}{RARE[:2]} hellos É[MASK]{NOT_RENDERED[0]}{RARE[0]}xyz"
texts = st.lists(
    st.sampled_from([*"银行长很ab，", "\u200b", "e\u0301", "\ufe0f", *EXTRA, *RARE, "hello", " ", "xyz", "[SEP]", "😀"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=2),
    max_size=7,
).map("".join)


def readings(text):
    """pypinyin's first reading of every character; "" where there is none."""
    found = pinyin(text, Style.TONE3, heteronym=True, errors=lambda run: [["?"] for _ in run])
    return ["" if one[0] == "?" else one[0] for one in found]


def slow(tokenizer, text):
    """(glyph token, reading) of every token, from the offsets alone."""
    encoded = BertTokenizer(VOCABULARY)(text, return_offsets_mapping=True)
    read, rows = readings(text), []
    pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    for index, (start, end) in pairs:
        single = end - start == 1
        rare = index == VOCABULARY["[UNK]"] and single and NumberGlyphs().can_render([text[start]])[0]
        rows.append((text[start] if rare else TOKENS[index], read[start] if single else ""))
    return rows


def shown(tokenizer, batch, row):
    """The glyph image of every token: of the bank, or of the example's extra_glyphs."""
    bank = NumberGlyphs().render(tokenizer.bank_tokens()).reshape(N, -1)
    return np.concatenate([bank, np.asarray(batch["extra_glyphs"][row])])[np.asarray(batch["glyph_ids"][row])]


def images(tokens):
    return NumberGlyphs().render(tokens).reshape(len(tokens), -1)


def no_ink_is_unknown(tokens):
    """Characters that BERT keeps and that have no glyph image, such as the Hangul filler."""
    from hanziformers.tokenization.characters import may_have_ink

    return ["[UNK]" if len(token) == 1 and not may_have_ink()[ord(token)] else token for token in tokens]


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
def test_every_token_has_its_image_and_its_sound(batch, side, kind):
    expected = [slow(SOUND, text) for text in batch]
    longest = max(map(len, expected))
    sound = SOUND(batch, padding=True, padding_side=side, return_tensors=kind)
    letters = PINYIN(batch, padding=True, padding_side=side, return_tensors=kind)
    assert set(sound) == {*SoundTokenizer.model_input_names, "extra_glyphs"}
    assert set(letters) == {*PinyinGlyphTokenizer.model_input_names, "extra_glyphs"}
    assert sound["syllable_ids"].shape == (len(batch), longest)
    assert letters["pinyin_ids"].shape == (len(batch), longest, 8)
    table = pinyin_table()
    for row, tokens in enumerate(expected):
        padding = [("[PAD]", "")] * (longest - len(tokens))
        tokens = padding + tokens if side == "left" else tokens + padding
        glyphs = no_ink_is_unknown([token for token, _ in tokens])
        for encoded in (sound, letters):
            assert str(encoded["glyph_ids"].dtype).endswith("int64")
            assert np.array_equal(shown(SOUND, encoded, row), images(glyphs))
        syllables = np.asarray(sound["syllable_ids"][row])
        assert [table.readings[one] for one in syllables] == [reading for _, reading in tokens]
        assert np.array_equal(np.asarray(letters["pinyin_ids"][row]), table.ids[syllables])


@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["left", "right"]))
def test_pad_and_collators_give_what_a_call_gives(batch, side):
    for cls in (SoundTokenizer, PinyinGlyphTokenizer):
        tokenizer = SOUND if cls is SoundTokenizer else PINYIN
        expected = tokenizer(batch, padding=True, padding_side=side, return_tensors="pt")
        padded = tokenizer.pad([dict(tokenizer(text)) for text in batch], padding_side=side, return_tensors="pt")
        assert padded.keys() == expected.keys()
        collated = DataCollatorWithPadding(tokenizer)([dict(tokenizer(text)) for text in batch])
        right = expected if side == "right" else tokenizer(batch, padding=True, return_tensors="pt")
        for name in expected:
            assert torch.equal(padded[name], expected[name]), name
            assert torch.equal(collated[name], right[name]), name
        lists = tokenizer.pad(tokenizer(batch), padding_side=side)
        assert lists == tokenizer(batch, padding=True, padding_side=side)


def test_one_text_has_no_batch_axis_in_lists_and_one_in_tensors():
    one, many = SOUND(TEXT), SOUND([TEXT])
    assert {name: [value] for name, value in one.items()} == dict(many)
    assert type(one["syllable_ids"]) is list
    assert type(one["syllable_ids"][0]) is type(one["glyph_ids"][0]) is int
    assert SOUND(TEXT, return_tensors="np")["syllable_ids"].shape == (1, len(one["syllable_ids"]))


def test_pairs_words_and_windows():
    pair = SOUND("银行", "行长")
    assert pair["syllable_ids"] == [*SOUND("银行")["syllable_ids"], *SOUND("行长")["syllable_ids"][1:]]
    assert SOUND(["银", "行𠀀", ""], is_split_into_words=True) == SOUND("银行𠀀")
    cut = {"truncation": True, "max_length": 4, "stride": 1, "return_overflowing_tokens": True}
    windows = SOUND(["的", "银行行长𠀀"], **cut)
    whole = SOUND("银行行长𠀀")
    for name in ("glyph_ids", "syllable_ids"):
        assert windows[name][1:] == [
            [whole[name][0], *whole[name][start : start + 2], whole[name][-1]] for start in (1, 2, 3, 4)
        ]


def test_keys_that_a_user_leaves_out_are_not_made():
    names = ["input_ids", "attention_mask", "syllable_ids"]
    tokenizer = SoundTokenizer(VOCABULARY, extra_characters=EXTRA, model_input_names=names)
    tokenizer.image_processor = NumberGlyphs()
    for options in ({}, {"return_tensors": "pt"}):
        assert set(tokenizer(RARE, **options)) == set(names)
    assert not tokenizer.unrendered


def test_saving_and_loading(tmp_path):
    SOUND.save_pretrained(tmp_path)
    again = SoundTokenizer.from_pretrained(tmp_path)
    assert again(TEXT) == SOUND(TEXT)
    assert (again.extra_characters, again.glyph_values) == (EXTRA, 32)


def test_wrong_texts_are_named():
    for tokenizer in (SOUND, PINYIN):
        with pytest.raises(ValueError, match=r"text\[1\] is None; a text must be a string"):
            tokenizer(["银", None])
        with pytest.raises(ValueError, match=r"text_pair holds the lone surrogate '\\ud800' at 1"):
            tokenizer("银", "行\ud800")
        with pytest.raises(ValueError, match="empty list"):
            tokenizer([])


class WidthTokenizer(CharacterInputs, BertTokenizer):
    """The example of the docstring: an array for lists, a padding value that is not 0."""

    model_input_names = [*BertTokenizer.model_input_names, "widths"]
    extra_inputs = {"widths": -1}

    def extra_values(self, alignment):
        return {"widths": [alignment.spans(index)[1] for index in range(len(alignment.encodings))]}


def test_a_family_that_needs_no_glyphs():
    tokenizer = WidthTokenizer(VOCABULARY)
    assert tokenizer("hellos银xyz")["widths"] == [0, 5, 1, 1, 3, 0]
    assert tokenizer.pad([tokenizer("银行"), tokenizer("")])["widths"] == [[0, 1, 1, 0], [0, 0, -1, -1]]
    left = tokenizer.pad([tokenizer("银行"), tokenizer("")], padding_side="left", return_tensors="np")
    assert left["widths"].tolist() == [[0, 1, 1, 0], [-1, -1, 0, 0]]


def test_a_mixin_without_inputs_changes_nothing():
    class Plain(CharacterInputs, BertTokenizer):
        pass

    plain, bert = Plain(VOCABULARY), BertTokenizer(VOCABULARY)
    for options in ({}, {"padding": True, "return_tensors": "np"}):
        found, expected = plain(["银e\u0301", ""], **options), bert(["银e\u0301", ""], **options)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in found if options)
    assert plain.pad([plain("银行"), plain("")]) == bert.pad([bert("银行"), bert("")])


def test_values_of_tokens_without_a_text():
    ids = np.array([VOCABULARY[token] for token in ("行", "[MASK]", "行", "##s")])
    assert WidthTokenizer(VOCABULARY).values_of_tokens(ids)["widths"].tolist() == [-1] * 4  # the padding value
    values = PINYIN.values_of_tokens(ids)
    assert values.keys() == {"glyph_ids", "pinyin_ids"}
    assert values["glyph_ids"].tolist() == ids.tolist()
    assert values["pinyin_ids"].any(1).tolist() == [True, False, True, False]
    assert SOUND.values_of_tokens(ids)["syllable_ids"].tolist() == [0] * 4
