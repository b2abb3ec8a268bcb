"""MPM-CNER's tokenizer: BERT's ids, one token a character, traditional glyph images and sounds of the whole text."""

import json
import pickle

import numpy as np
import opencc
import pytest
import torch
from datasets.fingerprint import Hasher
from glyph_tools import NOT_RENDERED, SPECIAL, NumberGlyphs, slow_tokens
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer, DataCollatorForLanguageModeling

from hanziformers.tokenization import traditional
from hanziformers.tokenization.simpler_forms import simpler_forms
from hanziformers.tokenization.syllables import toned_syllables
from hanziformers.tokenization.tokenization_mpm_cner import MpmCnerTokenizer

# a vocabulary as BERT's: no capitals, words and pieces of words, some traditional characters
TOKENS = [
    *SPECIAL,
    *"银行长很忙，今皇后后发头面发展台湾南京市江大桥",
    *"頭後展abké1",
    "2020",
    "##长",
    "##a",
    "北京",
    "ab",
]
VOCABULARY = {token: row for row, token in enumerate(dict.fromkeys(TOKENS))}
V, EXTRA = len(VOCABULARY), "髮A"
N = V + len(EXTRA)
SYLLABLES = ["yin2", "hang2", "xing2", "zhang3", "chang2", "hen3", "huang2", "hou4", "fa1", "fa4", "tou2", "tou5"]
SYLLABLES += ["nan2", "jiang1", "jing1", "shi4", "da4", "qiao2", "zhan3", "mian4"]
READINGS = {"长江大桥": "chang2 jiang1 da4 qiao2", "忙": "hen3"}
TEXT = "南京市长江大桥的皇后，后面\n头发A发展É 2020か[MASK]𠮷"
OPENCC = opencc.OpenCC("s2t")
BLANK = [" ", "\n", "\u200b", "\u3000", "\x00"]
known = st.sampled_from([*TOKENS, *EXTRA, *READINGS, *"𠮷㐀龘がАＡÉİ的", *NOT_RENDERED, *BLANK])
texts = st.lists(known | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=12).map("".join)


def make_tokenizer(renders=True):
    tokenizer = MpmCnerTokenizer(VOCABULARY, EXTRA, syllables=SYLLABLES, readings=READINGS)
    if renders:
        tokenizer.image_processor = NumberGlyphs()
    return tokenizer


TOKENIZER = make_tokenizer()


def slow_glyph_id(character):
    if character in VOCABULARY:
        return VOCABULARY[character]
    return V + EXTRA.index(character) if character in EXTRA else N + ord(character)


def slow_values(text):
    """(token, start, end, glyph id, syllable id) of every token, one after the other."""
    form, syllables = OPENCC.convert(text), toned_syllables(text, READINGS)
    for token, start, end in slow_tokens(text):
        if token in SPECIAL:
            yield token, start, end, VOCABULARY[token], 0
        else:
            row = SYLLABLES.index(syllables[start]) + 1 if syllables[start] in SYLLABLES else 0
            yield token, start, end, slow_glyph_id(form[start]), row


KEYS = ("input_ids", "glyph_ids", "syllable_ids")


@settings(deadline=None)  # the first text waits for pypinyin
@given(texts)
@example(TEXT)
@example("")
def test_one_token_a_character_with_the_values_of_its_place(text):
    encoded = TOKENIZER(text, return_offsets_mapping=True)
    tokens, starts, ends, glyphs, syllables = zip(*slow_values(f"[CLS]{text}[SEP]"), strict=True)
    spans = [(start - 5, end - 5) for start, end in zip(starts, ends, strict=True)]
    assert encoded["offset_mapping"] == [(0, 0), *spans[1:-1], (0, 0)]
    assert encoded["glyph_ids"] == list(glyphs)
    assert encoded["syllable_ids"] == list(syllables)
    forms = [next(filter(VOCABULARY.__contains__, [token, *simpler_forms(token)]), "[UNK]") for token in tokens]
    assert encoded["input_ids"] == [VOCABULARY[form] for form in forms]


def test_characters_in_their_sentence():
    encoded = TOKENIZER(TEXT)
    assert encoded.tokens()[:8] == ["[CLS]", *"南京市长江大桥"]
    sounds = [SYLLABLES[row - 1] if row else "" for row in encoded["syllable_ids"]]
    assert sounds[4:8] == ["chang2", "jiang1", "da4", "qiao2"]
    forms = [chr(row - N) if row >= N else TOKENIZER.bank_tokens()[row] for row in encoded["glyph_ids"]]
    assert "".join(forms[8:18]) == "的皇后，後面頭髮A發"
    assert encoded["input_ids"][10] == encoded["input_ids"][12] == VOCABULARY["后"]
    assert encoded.tokens()[14:] == [*"头发a发展é", *["[UNK]"] * 5, "[MASK]", "[UNK]", "[SEP]"]


def test_letters_are_not_unknown():
    """No capitals stand in the vocabularies of Chinese BERTs; their glyph images are those of the text."""
    encoded = TOKENIZER("ABÁáÉ[MASK]K")
    assert encoded.tokens() == ["[CLS]", "a", "b", "a", "a", "é", "[MASK]", "k", "[SEP]"]
    assert encoded["glyph_ids"][1:6] == [N - 1, N + ord("B"), N + ord("Á"), N + ord("á"), N + ord("É")]
    assert TOKENIZER.tokenize("Ab") == ["a", "b"]
    assert TOKENIZER(["A", "b"], is_split_into_words=True)["input_ids"] == TOKENIZER("ab")["input_ids"]
    cased = MpmCnerTokenizer({token: row for row, token in enumerate([*SPECIAL, *"ABab"])})
    assert cased.tokenize("AaBb") == [*"AaBb"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a BERT as its own tokenizer saves it, with settings as bert-base-chinese has them."""
    folder = tmp_path_factory.mktemp("bert")
    BertTokenizer(VOCABULARY, do_lower_case=False, model_max_length=77).save_pretrained(folder)
    return folder


def test_folder_of_a_bert(bert, tmp_path):
    tokenizer = MpmCnerTokenizer.from_pretrained(bert, syllables=SYLLABLES, readings=READINGS)
    assert tokenizer.get_vocab() == VOCABULARY
    assert tokenizer.model_max_length == 77
    assert tokenizer("A银")["input_ids"] == [2, VOCABULARY["a"], VOCABULARY["银"], 3]
    stock = BertTokenizer.from_pretrained(bert)
    for text in ("银行行长，很忙", "皇后头发 a 北京"):
        assert tokenizer(text)["input_ids"] == stock(" ".join(text))["input_ids"]
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert not saved.keys() & {"do_lower_case", "strip_accents", "tokenize_chinese_chars"}
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    assert MpmCnerTokenizer(str(tmp_path / "vocab.txt"))(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]


def test_save_and_load(tmp_path):
    tokenizer = make_tokenizer(renders=False)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (saved["syllables"], saved["readings"]) == (SYLLABLES, READINGS)
    again = MpmCnerTokenizer.from_pretrained(tmp_path)
    assert (again.syllables, again.readings) == (SYLLABLES, READINGS)
    assert dict(again(TEXT)) == dict(tokenizer(TEXT))
    tokenizer.readings, tokenizer.syllables = {"长": "zhang3"}, ["zhang3"]
    tokenizer.save_pretrained(tmp_path)
    assert MpmCnerTokenizer.from_pretrained(tmp_path)("长江长")["syllable_ids"] == [0, 1, 0, 1, 0]


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
@example([TEXT, "好", ""], "left", "pt")
def test_batches(batch, side, kind):
    encoded = TOKENIZER(batch, padding=True, padding_side=side, return_tensors=kind)
    assert list(encoded) == [*TOKENIZER.model_input_names]
    longest = encoded["input_ids"].shape[1]
    for row, text in enumerate(batch):
        alone = TOKENIZER(text)
        padding = [0] * (longest - len(alone["input_ids"]))
        for key in ("input_ids", "syllable_ids"):
            expected = padding + alone[key] if side == "left" else alone[key] + padding
            assert encoded[key][row].tolist() == expected
    examples = [TOKENIZER(text) for text in batch]
    padded = TOKENIZER.pad(examples, padding_side=side, return_tensors=kind)
    assert all(np.array_equal(padded[key], encoded[key]) for key in encoded)


def test_a_batch_has_the_images_of_the_traditional_characters():
    encoded = TOKENIZER(["头发", "发展𠮷"], padding=True, return_tensors="np")
    bank = NumberGlyphs().render(TOKENIZER.bank_tokens()).reshape(N, -1)
    for row, form in enumerate(["頭髮", "發展𠮷"]):
        images = np.concatenate([bank, encoded["extra_glyphs"][row]])[encoded["glyph_ids"][row]]
        expected = NumberGlyphs().render(["[CLS]", *form, "[SEP]"]).reshape(len(form) + 2, -1)
        assert np.array_equal(images[: len(form) + 2], expected)


@settings(max_examples=40)
@given(texts, texts, st.integers(5, 9), st.integers(0, 2))
@example(TEXT, "发展头发", 5, 1)
def test_pairs_and_windows_keep_what_the_whole_text_says(first, second, length, stride):
    whole = [TOKENIZER(text) for text in (first, second)]
    pair = TOKENIZER(first, second)
    for key in KEYS:
        expected = whole[0][key] + whole[1][key][1:] if second else whole[0][key]  # "" is no text pair
        assert pair[key] == expected
    windows = TOKENIZER(
        [first, second], truncation=True, max_length=length, stride=stride, return_overflowing_tokens=True
    )
    starts = [1, 1]
    for row, owner in enumerate(windows["overflow_to_sample_mapping"]):
        for key in KEYS:
            inner = whole[owner][key][1:-1][starts[owner] - 1 : starts[owner] - 1 + length - 2]
            assert windows[key][row][1:-1] == inner
        starts[owner] += length - 2 - stride


@settings(max_examples=40)
@given(st.lists(texts, max_size=6))
def test_words_give_what_their_text_gives(words):
    split = TOKENIZER(words, is_split_into_words=True)
    whole = TOKENIZER("".join(words))
    assert all(split[key] == whole[key] for key in KEYS)
    batch = TOKENIZER([words, words], [words, words], is_split_into_words=True) if words else {}
    for key in KEYS if words else ():
        assert batch[key][0] == split[key] + split[key][1:]


def test_conversions_that_change_the_length(monkeypatch, warnings):
    of_taiwan = opencc.OpenCC("s2twp")  # U盘 becomes 隨身碟
    monkeypatch.setattr(traditional, "_converter", lambda: of_taiwan)
    tokenizer = make_tokenizer()
    encoded = tokenizer(["这是U盘", "头发"], return_offsets_mapping=True)
    assert encoded["offset_mapping"][0][1:-1] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert encoded["glyph_ids"][0][1:-1] == [*map(slow_glyph_id, "這是U盤")]
    assert encoded["glyph_ids"][1][1:-1] == [*map(slow_glyph_id, "頭髮")]
    assert tokenizer.unconverted == {"这是U盘": 1}
    (message,) = (one for one in warnings if "traditional" in one)
    assert "1 lines would be longer or shorter in traditional characters, such as '这是U盘'" in message


def test_without_syllables_there_are_no_syllable_ids():
    tokenizer = MpmCnerTokenizer(VOCABULARY)
    assert "syllable_ids" not in tokenizer("银行")
    assert tokenizer.model_input_names == ["input_ids", "token_type_ids", "attention_mask", "glyph_ids"]
    tokenizer.syllables = SYLLABLES
    assert tokenizer("银行")["syllable_ids"] == [0, 1, 2, 0]
    tokenizer.syllables = None
    assert set(tokenizer("银行")) == set(tokenizer.model_input_names)


def test_masking_hides_glyph_image_and_sound():
    """At [MASK] stand its own glyph image and no sound; a random token brings those of its character alone."""
    texts = ["头发发展银行长江大桥"] * 40
    batch = TOKENIZER(texts, padding=True, return_tensors="pt")
    torch.manual_seed(0)
    masked = DataCollatorForLanguageModeling(TOKENIZER, mlm_probability=0.5)([TOKENIZER(text) for text in texts])
    changed = masked["input_ids"] != batch["input_ids"]
    at_mask = masked["input_ids"] == VOCABULARY["[MASK]"]
    assert at_mask.any()
    assert (masked["glyph_ids"][at_mask] == VOCABULARY["[MASK]"]).all()
    assert not masked["syllable_ids"][at_mask].any()
    for key in KEYS[1:]:
        assert torch.equal(masked[key][~changed], batch[key][~changed])
    random = changed & ~at_mask
    assert random.any()
    values = TOKENIZER.values_of_tokens(masked["input_ids"][random].numpy())
    for key in KEYS[1:]:
        assert masked[key][random].tolist() == values[key].tolist()


def test_values_of_tokens():
    tokens = ["[MASK]", "头", "##长", "皇", "发", "2020", "##a", "北京", "后"]
    values = TOKENIZER.values_of_tokens(np.array([VOCABULARY[token] for token in tokens]))
    names = [TOKENIZER.bank_tokens()[row] for row in values["glyph_ids"]]
    # 發 and 長 have no row of the bank, and a batch that is there takes no further glyph images
    assert names == ["[MASK]", "頭", "##长", "皇", "发", "2020", "a", "北京", "後"]
    sounds = [SYLLABLES[row - 1] if row else "" for row in values["syllable_ids"]]
    assert sounds == ["", "tou2", "zhang3", "huang2", "fa1", "", "", "", "hou4"]
    assert {key: len(value) for key, value in TOKENIZER.values_of_tokens(np.zeros(0, np.int64)).items()} == {
        "glyph_ids": 0,
        "syllable_ids": 0,
    }


def test_use_does_not_change_what_data_sets_hash():
    tokenizer = make_tokenizer()
    before, size = Hasher.hash(tokenizer), len(pickle.dumps(tokenizer))
    tokenizer([TEXT, "㐀湾龘的"], padding=True, return_tensors="pt")
    assert tokenizer.unvoiced
    assert Hasher.hash(tokenizer) == before
    assert len(pickle.dumps(tokenizer)) < size + 500
    assert dict(pickle.loads(pickle.dumps(tokenizer))(TEXT)) == dict(tokenizer(TEXT))
    tokenizer.readings = {"龘": "hen3"}
    assert Hasher.hash(tokenizer) != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (["好", None], r"text\[1\] is None; a text must be a string"),
        ("好\ud800A", r"text holds the lone surrogate '\\ud800' at 1"),
        ([], "empty list"),
    ],
)
def test_texts_that_cannot_be_encoded(text, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZER(text)
