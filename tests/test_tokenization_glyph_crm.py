"""Every character reaches the model as its own glyph image: rows of the bank, open ids, glyph images rendered on the fly."""

import copy
import json
import pickle
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from datasets.fingerprint import Hasher
from font_tools import RARE as BARS
from font_tools import rare_font
from glyph_tools import EXTRA, NOT_RENDERED, RARE, SPECIAL, TOKENS, VOCABULARY, NumberGlyphs, make_tokenizer
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import AddedToken, AutoTokenizer, DataCollatorForTokenClassification, DataCollatorWithPadding

from hanziformers import GlyphCrmConfig, GlyphCrmTokenizer, HanziGlyphImageProcessor
from hanziformers.tokenization.vocabulary import NO_INK, may_have_ink

TOKENIZER = make_tokenizer()
V, N = len(TOKENS), len(TOKENS) + len(EXTRA)
TEXT = f"银行 很\n忙{EXTRA}Ab{RARE}{RARE[0]}[MASK]"

known = st.sampled_from([*TOKENS, *EXTRA, *RARE, *NOT_RENDERED, " ", "\r\n", "\u200b", "\ufe0f", "\u3000", "\x00", "A"])
texts = st.lists(known | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=12).map("".join)


def slow_tokens(text):
    """(token, start, end) of every token, one after the other."""
    tokens, place = [], 0
    while place < len(text):
        special = next((token for token in SPECIAL if text.startswith(token, place)), None)
        end = place + len(special or "x")
        code = ord(text[place])
        if special or not any(first <= code <= last for first, last in NO_INK):
            tokens.append((text[place:end], place, end))
        place = end
    return tokens


def slow_glyph_id(token):
    if token in VOCABULARY:
        return VOCABULARY[token]
    return V + EXTRA.index(token) if token in EXTRA else N + ord(token)


def slow_picture(token):
    images = NumberGlyphs()
    return images.render([token if images.can_render([token])[0] else "[UNK]"]).ravel()


def images_of(batch, row):
    """The glyph image at every place of an example: of the bank, or of its extra_glyphs."""
    bank = NumberGlyphs().render(TOKENIZER.bank_tokens()).reshape(N, -1)
    everything = np.concatenate([bank, np.asarray(batch["extra_glyphs"][row])])
    return everything[np.asarray(batch["glyph_ids"][row])]


def expected_pictures(*tokens):
    return np.array([slow_picture(token) for token in tokens])


@given(texts)
@example(TEXT)
@example("")
def test_tokens_offsets_and_open_ids(text):
    encoded = TOKENIZER(text, return_offsets_mapping=True)
    tokens = slow_tokens(text)
    assert encoded["offset_mapping"] == [(0, 0), *((start, end) for _, start, end in tokens), (0, 0)]
    assert encoded["input_ids"] == [2, *(VOCABULARY.get(token, 1) for token, _, _ in tokens), 3]
    assert encoded["glyph_ids"] == [2, *(slow_glyph_id(token) for token, _, _ in tokens), 3]
    assert "extra_glyphs" not in encoded


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
@example([TEXT, "好", ""], "right", "pt")
def test_every_place_of_a_batch_has_its_picture(batch, side, kind):
    encoded = TOKENIZER(batch, padding=True, padding_side=side, return_tensors=kind)
    lengths = [2 + len(slow_tokens(text)) for text in batch]
    extra = encoded["extra_glyphs"]
    assert isinstance(extra, torch.Tensor if kind == "pt" else np.ndarray)
    assert str(extra.dtype).endswith("uint8")
    assert (extra.shape[0], extra.shape[2]) == (len(batch), 32)
    assert str(encoded["glyph_ids"].dtype).endswith("int64")
    for row, text in enumerate(batch):
        tokens = [token for token, _, _ in slow_tokens(text)]
        padding = ["[PAD]"] * (max(lengths) - lengths[row])
        tokens = ["[CLS]", *tokens, "[SEP]"]
        tokens = padding + tokens if side == "left" else tokens + padding
        assert np.array_equal(images_of(encoded, row), expected_pictures(*tokens))
    rare = [{token for token, _, _ in slow_tokens(text) if slow_glyph_id(token) >= N} for text in batch]
    rendered = [{token for token in tokens if NumberGlyphs().can_render([token])[0]} for tokens in rare]
    assert extra.shape[1] == max(map(len, rendered))  # one row a different character of an example


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(["left", "right"]), st.sampled_from(["pt", "np"]))
def test_pad_gives_what_a_call_gives(batch, side, kind):
    expected = TOKENIZER(batch, padding=True, padding_side=side, return_tensors=kind)
    examples = [TOKENIZER(text) for text in batch]
    before = pickle.dumps([dict(one) for one in examples])
    in_tensors = [
        {key: value[0] for key, value in TOKENIZER(text, return_tensors=kind).items()}
        if index % 2
        else dict(TOKENIZER(text))
        for index, text in enumerate(batch)
    ]
    all_tensors = [{key: value[0] for key, value in TOKENIZER(text, return_tensors=kind).items()} for text in batch]
    columns = TOKENIZER(batch)
    for given_as in (
        examples,
        all_tensors,
        columns,
        [{k: np.asarray(v).tolist() for k, v in e.items()} for e in in_tensors],
    ):
        padded = TOKENIZER.pad(given_as, padding_side=side, return_tensors=kind)
        assert set(padded) == set(expected)
        for key in expected:
            assert padded[key].dtype == expected[key].dtype, key
            assert np.array_equal(padded[key], expected[key]), key
    assert pickle.dumps([dict(one) for one in examples]) == before


def test_lists_stay_lists_in_pad():
    padded = TOKENIZER.pad([TOKENIZER("好"), TOKENIZER(RARE)])
    assert padded["glyph_ids"] == TOKENIZER(["好", RARE], padding=True)["glyph_ids"]
    assert "extra_glyphs" not in padded
    resolved = [{k: v[0].tolist() for k, v in TOKENIZER(text, return_tensors="np").items()} for text in ("好", RARE)]
    again = TOKENIZER.pad(resolved)
    expected = TOKENIZER(["好", RARE], padding=True, return_tensors="np")
    assert again["glyph_ids"] == expected["glyph_ids"].tolist()
    assert np.array_equal(again["extra_glyphs"], expected["extra_glyphs"])


def test_pad_one_example():
    padded = TOKENIZER.pad(TOKENIZER(RARE), padding="max_length", max_length=8, return_tensors="pt")
    assert padded["glyph_ids"].shape == (8,)
    assert padded["extra_glyphs"].shape == (len(RARE), 32)
    batch = {key: value[None] for key, value in padded.items()}
    tokens = ["[CLS]", *RARE, "[SEP]", "[PAD]", "[PAD]"]
    assert np.array_equal(images_of(batch, 0), expected_pictures(*tokens))


@given(texts, texts, st.integers(5, 9), st.integers(0, 2))
@example(TEXT, RARE, 5, 1)
def test_pairs_and_windows(first, second, length, stride):
    tokens = [[token for token, _, _ in slow_tokens(text)] for text in (first, second)]
    pair = TOKENIZER(first, second, return_tensors="pt")
    expected = ["[CLS]", *tokens[0], "[SEP]"] + ([*tokens[1], "[SEP]"] if second else [])  # "" is no text pair
    assert np.array_equal(images_of(pair, 0), expected_pictures(*expected))
    assert pair["token_type_ids"][0].tolist() == [0] * (len(tokens[0]) + 2) + [1] * (len(expected) - len(tokens[0]) - 2)
    windows = TOKENIZER(
        [first, second],
        truncation=True,
        max_length=length,
        stride=stride,
        return_overflowing_tokens=True,
        return_tensors="np",
        padding=True,
    )
    starts = [0, 0]
    for row, owner in enumerate(windows["overflow_to_sample_mapping"].tolist()):
        part = tokens[owner][starts[owner] : starts[owner] + length - 2]
        shown = ["[CLS]", *part, "[SEP]"]
        shown += ["[PAD]"] * (windows["input_ids"].shape[1] - len(shown))
        assert np.array_equal(images_of(windows, row), expected_pictures(*shown))
        starts[owner] += length - 2 - stride
    assert all(start + stride >= len(part) for start, part in zip(starts, tokens, strict=True))


@given(st.lists(texts, max_size=6), st.lists(texts, max_size=4))
def test_words_give_what_their_text_gives(words, others):
    whole = [token for word in words for token, _, _ in slow_tokens(word)]
    assert TOKENIZER(words, is_split_into_words=True)["glyph_ids"] == [2, *map(slow_glyph_id, whole), 3]
    if words and others:
        other = [token for word in others for token, _, _ in slow_tokens(word)]
        expected = [2, *map(slow_glyph_id, whole), 3, *map(slow_glyph_id, other), 3]
        batch = TOKENIZER([words], [others], is_split_into_words=True)
        assert batch["glyph_ids"] == [expected]


def test_collators_make_pictures():
    examples = [dict(TOKENIZER(text)) for text in (TEXT, "好")]
    expected = TOKENIZER([TEXT, "好"], padding=True, return_tensors="pt")
    padded = DataCollatorWithPadding(TOKENIZER)(examples)
    labelled = [{**one, "labels": [0] * len(one["input_ids"])} for one in examples]
    tagged = DataCollatorForTokenClassification(TOKENIZER)(labelled)
    for batch in (padded, tagged):
        for key in expected:
            assert torch.equal(batch[key], expected[key]), key
    assert tagged["labels"].shape == expected["input_ids"].shape


def test_decoding_writes_no_spaces():
    ids = TOKENIZER("银行 很Ab忙")["input_ids"]
    assert TOKENIZER.decode(ids) == "[CLS]银行很[UNK]b忙[SEP]"
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "银行很b忙"
    assert TOKENIZER.tokenize("银 行龘") == ["银", "行", "[UNK]"]


def test_bank_and_its_extra_characters():
    tokenizer = make_tokenizer()
    assert tokenizer.bank_tokens() == [*TOKENS, *EXTRA]
    assert tokenizer.glyph_vocab_size == N
    tokenizer.set_extra_characters(RARE)
    assert tokenizer(RARE)["glyph_ids"] == [2, *range(V, V + len(RARE)), 3]
    assert tokenizer("犇")["glyph_ids"][1] == tokenizer.glyph_vocab_size + ord("犇")
    tokenizer.set_extra_characters("")
    tokenizer.add_tokens(["<e>"])  # a label more, and so a row more before the extra characters
    tokenizer.set_extra_characters(RARE)
    assert tokenizer("<e>" + RARE)["glyph_ids"] == [2, V, *range(V + 1, V + 1 + len(RARE)), 3]
    assert tokenizer.bank_tokens() == [*TOKENS, "<e>", *RARE]


@pytest.mark.parametrize(
    ("add", "names"),
    [
        (lambda tokenizer: tokenizer.add_tokens(["<e1>", "银", "<e2>"]), r"\['<e1>', '<e2>'\]"),
        (lambda tokenizer: tokenizer.add_tokens(EXTRA[0]), EXTRA[0]),  # it could not be loaded again
        (lambda tokenizer: tokenizer.add_tokens([AddedToken("<e>")], special_tokens=True), "<e>"),
        (lambda tokenizer: tokenizer.add_special_tokens({"extra_special_tokens": ["<e1>"]}), "<e1>"),
        (lambda tokenizer: tokenizer.add_special_tokens({"cls_token": "<s>"}), "<s>"),
    ],
)
def test_no_token_moves_the_rows_of_extra_characters(add, names):
    tokenizer = make_tokenizer()
    before = pickle.dumps(tokenizer)
    with pytest.raises(ValueError, match=f"tokens .*{names}.* cannot be added.*set_extra_characters") as error:
        add(tokenizer)
    assert "银" not in str(error.value)
    assert pickle.dumps(tokenizer) == before  # nothing was half changed
    tokenizer.set_extra_characters("")
    assert add(tokenizer) > 0


def test_known_tokens_can_be_added_again():
    tokenizer = make_tokenizer()
    assert tokenizer.add_special_tokens({"extra_special_tokens": ["银", "[MASK]"]}) >= 0
    tokenizer.add_tokens(["行", ""])
    assert tokenizer(EXTRA)["glyph_ids"] == [2, *range(V, N), 3]


def test_tokens_named_at_loading_do_not_move_rows_either(tmp_path):
    tokenizer = GlyphCrmTokenizer(VOCABULARY, extra_special_tokens=["<x>"], extra_characters=EXTRA)
    tokenizer.save_pretrained(tmp_path / "first")
    saved = json.loads((tmp_path / "first/tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["extra_characters_start"] == V + 1
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "first", extra_special_tokens=["<x>"])(EXTRA)["glyph_ids"][1] == V + 1
    )
    for more in (["<x>", "<y>"], [EXTRA[0]]):
        with pytest.raises(ValueError, match=rf"{V + 2} tokens, among them the new \['{more[-1]}'\].*start={V + 1}"):
            AutoTokenizer.from_pretrained(tmp_path / "first", extra_special_tokens=more)
    again = AutoTokenizer.from_pretrained(tmp_path / "first", extra_special_tokens=["<y>"], extra_characters="")
    assert again.bank_tokens() == [*TOKENS, "<x>", "<y>"]

    again.save_pretrained(tmp_path / "second")  # without extra characters nothing can move
    assert len(AutoTokenizer.from_pretrained(tmp_path / "second", extra_special_tokens=["<z>"])) == V + 3

    del saved["extra_characters_start"]  # as older versions saved it
    (tmp_path / "first/tokenizer_config.json").write_text(json.dumps(saved), encoding="utf-8")
    assert AutoTokenizer.from_pretrained(tmp_path / "first")(EXTRA)["glyph_ids"] == [2, *range(V + 1, N + 1), 3]


def test_what_cannot_be_drawn_is_unk_counted_and_warned_about(warnings):
    tokenizer = make_tokenizer()
    texts = [f"{NOT_RENDERED[0]}好{NOT_RENDERED[0]}{RARE[0]}", NOT_RENDERED]
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    assert encoded["glyph_ids"].tolist() == [[2, 1, VOCABULARY["好"], 1, N, 3], [2, 1, 1, 3, 0, 0]]
    assert tokenizer.unrendered == Counter({NOT_RENDERED[0]: 3, NOT_RENDERED[1]: 1})
    (message,) = warnings
    assert "2 different characters in 4 places" in message
    assert "U+E000" in message
    assert "fonts=" in message
    tokenizer(NOT_RENDERED[0], return_tensors="pt")  # known: counted, not said again
    assert tokenizer.unrendered.total() == 5
    assert len(warnings) == 1
    for code in range(0xE100, 0xE180):
        tokenizer(chr(code), return_tensors="pt")
    assert 4 < len(warnings) < 10  # whenever the number of characters has doubled


def test_without_an_image_processor(warnings):
    tokenizer = make_tokenizer(draws=False)
    encoded = tokenizer(RARE + EXTRA, return_tensors="pt")
    assert encoded["glyph_ids"].tolist() == [[2, *[1] * len(RARE), *range(V, N), 3]]
    assert "extra_glyphs" not in encoded
    assert "extra_glyphs" not in tokenizer.model_input_names
    assert tokenizer.unrendered.total() == len(RARE)
    assert "no image processor" in warnings[0]


def test_keys_are_the_same_whatever_the_text():
    for text in ("好", RARE, ""):
        encoded = TOKENIZER(text, return_tensors="pt")
        assert list(encoded) == [*GlyphCrmTokenizer.model_input_names, "extra_glyphs"]
        assert set(TOKENIZER.model_input_names) == set(encoded)
    assert TOKENIZER("好", return_tensors="np")["extra_glyphs"].shape == (1, 0, 32)
    assert TOKENIZER("好", return_tensors="np")["extra_glyphs"].dtype == np.uint8


def test_pictures_are_drawn_once():
    class Counting(NumberGlyphs):
        asked = Counter()

        def render(self, tokens):
            self.asked.update(tokens)
            return super().render(tokens)

    tokenizer = make_tokenizer(draws=False)
    tokenizer.image_processor = Counting()
    for _ in range(3):
        tokenizer([RARE, RARE[:2]], padding=True, return_tensors="pt")
    assert {tokenizer.image_processor.asked[character] for character in RARE} == {1}


def test_pickles():
    again = pickle.loads(pickle.dumps(TOKENIZER))
    first, second = (one(TEXT, return_tensors="np") for one in (TOKENIZER, again))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def same_tensors(one, other, text):
    first, second = (tokenizer(text, return_tensors="np") for tokenizer in (one, other))
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


@pytest.fixture
def checkpoint(tmp_path):
    """A folder whose tokenizer lies in a subfolder, with an image processor that renders `BARS`."""
    font = str(rare_font(tmp_path / "bars.ttf"))
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]}, save_fonts=True)
    tokenizer = make_tokenizer(draws=False)
    tokenizer.image_processor = image_processor
    tokenizer.save_pretrained(tmp_path / "root/sub")
    return tmp_path / "root", tokenizer


@pytest.mark.parametrize("load", [GlyphCrmTokenizer, AutoTokenizer])
def test_the_image_processor_is_looked_for_where_the_tokenizer_was(checkpoint, monkeypatch, load):
    root, tokenizer = checkpoint
    monkeypatch.chdir(root.parent)
    where = {"subfolder": "sub", "cache_dir": str(root.parent / "cache"), "revision": "main", "token": "hf_secret"}
    again = load.from_pretrained("root", **where)
    monkeypatch.chdir("/")
    assert again.name_or_path == "root"
    assert b"hf_secret" not in pickle.dumps(again)
    assert same_tensors(again, tokenizer, BARS)
    assert not again.unrendered
    for copied in (pickle.loads(pickle.dumps(again)), copy.deepcopy(again)):
        assert same_tensors(copied, tokenizer, BARS)
    again.save_pretrained(root.parent / "second")
    saved = (root.parent / "second/tokenizer_config.json").read_text(encoding="utf-8")
    assert "hf_secret" not in saved
    assert str(root.parent) not in saved


def test_the_image_processor_of_a_revision_in_a_cache(checkpoint):
    root, tokenizer = checkpoint
    revision, cache = "0123456789" * 4, root.parent / "cache"
    GlyphCrmConfig(vocab_size=V, glyph_vocab_size=N).save_pretrained(root / "sub")
    shutil.copytree(root, cache / "models--someone--glyphs/snapshots" / revision)  # as the Hub's client lays it out
    where = {"cache_dir": str(cache), "revision": revision, "subfolder": "sub", "local_files_only": True}
    again = AutoTokenizer.from_pretrained("someone/glyphs", **where)
    for found in (again, pickle.loads(pickle.dumps(again))):
        assert same_tensors(found, tokenizer, BARS)
        assert not found.unrendered


@pytest.mark.parametrize("loaded", [True, False])
def test_use_does_not_change_what_data_sets_hash(checkpoint, loaded):
    root, _ = checkpoint
    tokenizer = AutoTokenizer.from_pretrained(root, subfolder="sub") if loaded else make_tokenizer()
    before, size = Hasher.hash(tokenizer), len(pickle.dumps(tokenizer))
    assert size < 20_000
    tokenizer([BARS, NOT_RENDERED], padding=True, truncation=True, max_length=4, return_tensors="pt")
    DataCollatorWithPadding(tokenizer)([tokenizer(BARS), tokenizer(RARE + NOT_RENDERED)])
    assert tokenizer.image_processor is not None
    assert tokenizer.unrendered
    assert Hasher.hash(tokenizer) == before
    assert len(pickle.dumps(tokenizer)) < size + 500
    tokenizer.set_extra_characters(RARE)
    assert Hasher.hash(tokenizer) != before


def test_save_and_load(tmp_path):
    tokenizer = make_tokenizer(draws=False)
    tokenizer._set_glyph_values(32)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (saved["extra_characters"], saved["glyph_values"]) == (EXTRA, 32)
    assert "image_processor" not in saved
    for load in (GlyphCrmTokenizer, AutoTokenizer):
        again = load.from_pretrained(tmp_path)
        assert type(again) is GlyphCrmTokenizer
        assert dict(again(TEXT)) == dict(tokenizer(TEXT))
        assert again.bank_tokens() == tokenizer.bank_tokens()
        assert again("好", return_tensors="pt")["extra_glyphs"].shape == (1, 0, 32)


def test_vocabulary_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    assert GlyphCrmTokenizer(str(path))("银犇")["glyph_ids"] == [2, VOCABULARY["银"], V + ord("犇"), 3]
    path.write_text("\n".join([*TOKENS, "银"]), encoding="utf-8")
    with pytest.raises(ValueError, match="must not repeat a token"):
        GlyphCrmTokenizer(str(path))


def test_folder_with_only_a_vocabulary_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    config = GlyphCrmConfig(vocab_size=V, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    config.save_pretrained(tmp_path)  # tells AutoTokenizer the class
    expected = GlyphCrmTokenizer(VOCABULARY)
    found = [GlyphCrmTokenizer(vocab_file=str(path)), GlyphCrmTokenizer(VOCABULARY, vocab_file="unread.txt")]
    for load in (GlyphCrmTokenizer, AutoTokenizer):
        found.append(load.from_pretrained(tmp_path))
        found[-1].save_pretrained(tmp_path / load.__name__)
        saved = json.loads((tmp_path / load.__name__ / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert "vocab_file" not in saved
        found.append(AutoTokenizer.from_pretrained(tmp_path / load.__name__))
    for tokenizer in found:
        assert type(tokenizer) is GlyphCrmTokenizer
        assert tokenizer.get_vocab() == VOCABULARY
        assert dict(tokenizer(TEXT)) == dict(expected(TEXT))


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("犇犇", r"'犇' \(U\+7287\) twice"),
        ("银", "the vocabulary has it"),
        ("犇\u200b", "no glyph image"),
        ("\ud800", "no pic"),
    ],
)
def test_extra_characters_that_cannot_be_rows(characters, message):
    with pytest.raises(ValueError, match=message):
        GlyphCrmTokenizer(VOCABULARY, extra_characters=characters)
    tokenizer = make_tokenizer()
    with pytest.raises(ValueError, match=message):
        tokenizer.set_extra_characters(characters)
    assert tokenizer.extra_characters == EXTRA
    with pytest.raises(TypeError, match="one str, got list"):
        tokenizer.set_extra_characters(["犇"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"You need to specify|text is None"),
        (["好", None], r"text\[1\] is None; a text must be a string"),
        ([1], r"text\[0\] is 1; a text must be a string"),
        ("好\ud800", r"text holds the lone surrogate '\\ud800' at 1"),
        ([], "empty list"),
    ],
)
def test_texts_that_cannot_be_encoded(text, message):
    with pytest.raises(ValueError, match=message):
        TOKENIZER(text)


def test_wrong_ids_and_pictures_are_explained():
    encoded = TOKENIZER("好")
    for wrong in (N, N + 0x200B, N + 0x110000):
        with pytest.raises(ValueError, match=f"glyph id {wrong} stands for no character"):
            TOKENIZER.pad([{**encoded, "glyph_ids": [2, wrong, 3]}], return_tensors="pt")
    with pytest.raises(ValueError, match=r"int64 \[1, 7\], but must be uint8 \[E, 32\]"):
        TOKENIZER.pad([{**encoded, "extra_glyphs": np.ones((1, 7), int)}], return_tensors="pt")
    with pytest.raises(ValueError, match=r"float64 \[1, 32\], but must be uint8"):
        TOKENIZER.pad([{**encoded, "extra_glyphs": np.ones((1, 32))}], return_tensors="pt")
    for value in (-1, 256):
        with pytest.raises(ValueError, match=f"extra_glyphs of an example holds {value}, but is ink from 0 to 255"):
            TOKENIZER.pad([{**encoded, "extra_glyphs": np.full((1, 32), value)}], return_tensors="pt")
    for value in (0, True, 4.0):
        with pytest.raises(ValueError, match=f"glyph_values={value!r} must be None"):
            GlyphCrmTokenizer(VOCABULARY, glyph_values=value)


def test_image_processors_that_cannot_draw():
    tokenizer = make_tokenizer()
    with pytest.raises(
        TypeError, match=r"a str is no image processor of characters: it has no \['render', 'can_render'\]"
    ):
        tokenizer.image_processor = "song"

    class Flat(NumberGlyphs):
        def render(self, tokens):
            return super().render(tokens)[:, 0]

    with pytest.raises(ValueError, match=r"as uint8 \[1, 4, 4\], but must give uint8 \[1, fonts, height, width\]"):
        tokenizer.image_processor = Flat()
    assert type(tokenizer.image_processor) is NumberGlyphs  # nothing changed
    tokenizer._set_glyph_values(48)
    with pytest.raises(ValueError, match=r"glyph images \[2, 4, 4\] of 32 values, but the tokenizer .* of 48"):
        tokenizer(RARE, return_tensors="pt")


def test_what_has_no_picture():
    table = may_have_ink()
    assert not table[[0, 9, 10, 32, 0x200B, 0x3000, 0xD800, 0xFE0F, 0xFEFF]].any()
    assert table[[ord(character) for character in "a。〇龘𠀀が각\ue000é"]].all()
    spaces = [code for code in range(0x110000) if chr(code).isspace()]
    assert not table[spaces].any()
