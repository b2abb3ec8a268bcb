"""The tokenizer of ChineseBERT: reference vectors, every way of calling it, and a slow second version of pinyin_ids."""

import copy
import json
import pickle

import datasets
import numpy as np
import pypinyin
import pytest
import torch
from datasets.fingerprint import Hasher
from hypothesis import given, settings
from hypothesis import strategies as st
from pypinyin import Style
from transformers import AutoTokenizer, BertTokenizer, DataCollatorWithPadding

from hanziformers import ChineseBertConfig, ChineseBertTokenizer

CURRENT = pypinyin.__version__.startswith("0.55.")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
HAN = "银行长很忙，的地得了北京上海重庆我在是不中国人一块石头〇。！、《》"
ASCII = "abcdefghijklmnopqrstuvwxyz0123456789.,!?-[]"
PIECES = [
    "hello",
    "world",
    "apple",
    "ex",
    "##s",
    "##ing",
    "##e",
    "##x",
    "##1",
    "##8",
    "20",
    "##18",
    "か",
    "##カ",
    "ａ",
    "ᄒ",
]
TOKENS = [*SPECIAL, *dict.fromkeys(HAN), *ASCII, *PIECES]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}
KEYS = {"input_ids", "token_type_ids", "attention_mask", "pinyin_ids"}
NONE = [0] * 8
YIN2, HANG2, ZHANG3 = [30, 14, 19, 2, 0, 0, 0, 0], [13, 6, 19, 12, 2, 0, 0, 0], [31, 13, 6, 19, 12, 3, 0, 0]
XING2 = [29, 14, 19, 12, 2, 0, 0, 0]
BANK = [YIN2, HANG2, HANG2, ZHANG3]


@pytest.fixture(scope="module")
def vocabulary_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def tokenizer(vocabulary_file) -> ChineseBertTokenizer:
    return ChineseBertTokenizer(vocabulary_file)


def plain(encoding) -> dict:
    return {key: value.tolist() if hasattr(value, "tolist") else value for key, value in encoding.items()}


# --- the slow version: one call of pypinyin a text, symbols written one by one, offsets walked in a loop


def symbols(reading: str) -> list[int]:
    if not reading or not all("a" <= c <= "z" or c in "1234" for c in reading):
        return NONE
    reading = reading if reading[-1] in "1234" else reading + "5"
    return ([int(c) if c.isdigit() else ord(c) - ord("a") + 6 for c in reading] + NONE)[:8]


def readings(text: str) -> list[list[int]]:
    found = pypinyin.pinyin(text, style=Style.TONE3, heteronym=True, errors=lambda run: [["?"] for _ in run])
    assert len(found) == len(text)
    return [symbols(one[0]) for one in found]


def slow(tokenizer, text, pair=None, words=False, **kwargs) -> tuple[dict, list]:
    """Encodes one sample, and says what its pinyin_ids must be: one list a window."""
    kwargs.setdefault("return_overflowing_tokens", False)
    extra = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    output = tokenizer(text, pair, is_split_into_words=words, **extra, **kwargs)
    windows = len(output.encodings)
    many = kwargs["return_overflowing_tokens"]
    expected = []
    for window in range(windows):
        row = []
        special, types, offsets = (
            output[key][window] if many else output[key]
            for key in ("special_tokens_mask", "token_type_ids", "offset_mapping")
        )
        for index, (start, end) in enumerate(offsets):
            sequence = (text, pair)[types[index]]
            if special[index] or end - start != 1:
                row.append(NONE)
            elif words:
                before = sum(map(len, sequence[: output.word_ids(window)[index]]))
                row.append(readings("".join(sequence))[before + start])
            else:
                row.append(readings(sequence)[start])
        expected.append(row)
    return output, expected if many else expected[0]


NASTY = [
    *["银行行长", "一块石头", "重庆", "的", "〇〇", "hello", "worlds", "EX", "2018", "18", "[MASK]", "[UNK]", "[mask]"],
    *[
        "e\u0301x",
        "é",
        "\u0301",
        "\u200b",
        "\u200d",
        "\xad",
        "\ufe0f",
        "\U000e0100",
        "龘",
        "𠮷",
        "𰀀",
        "𰀀𰀀",
        "\uf963",
        "\U0002f80a",
    ],
    *[
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "😀",
        "한국",
        "\u1112\u1161\u11ab",
        "が",
        "か\u3099",
        "カタ",
        "Ａ１",
        "，",
        "。",
        " ",
        "\u3000",
    ],
    *["\n", "\r\n", "\t", "\x00", "\ufffd", "ß", "İ", "ﬁ", "々", "ー", "\ue815", "\U0010ffff", "\u2028"],
]
UNICODE = st.lists(
    st.one_of(
        st.sampled_from(NASTY),
        st.sampled_from(HAN),
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=3),
    ),
    max_size=10,
).map("".join)


@pytest.fixture(scope="module")
def in_hypothesis(tokenizer):
    return tokenizer


@settings(max_examples=120)
@given(text=UNICODE, other=UNICODE)
def test_slow_version_on_texts_and_pairs(in_hypothesis, text, other):
    output, expected = slow(in_hypothesis, text)
    assert output["pinyin_ids"] == expected
    batch = in_hypothesis([text, other, text])
    assert batch["pinyin_ids"] == [expected, slow(in_hypothesis, other)[1], expected]
    if other:  # transformers takes "" as no text pair, but not in a batch
        paired, expected_pair = slow(in_hypothesis, text, other)
        assert paired["pinyin_ids"] == expected_pair
        assert in_hypothesis([(text, other), (other, text)])["pinyin_ids"][0] == expected_pair


@settings(max_examples=80)
@given(text=st.lists(UNICODE, max_size=5), other=st.lists(UNICODE, max_size=5))
def test_slow_version_on_words(in_hypothesis, text, other):
    output, expected = slow(in_hypothesis, text, words=True)
    assert output["pinyin_ids"] == expected
    if other:  # transformers takes an empty list as no second sequence
        paired, expected_pair = slow(in_hypothesis, text, other, words=True)
        assert paired["pinyin_ids"] == expected_pair
        batch = in_hypothesis([(text, other), (other, text)], is_split_into_words=True)
        assert batch["pinyin_ids"][0] == expected_pair
    assert in_hypothesis([text, other], is_split_into_words=True)["pinyin_ids"][0] == expected


@settings(max_examples=80)
@given(text=UNICODE, other=UNICODE, length=st.integers(6, 10), stride=st.integers(0, 2), words=st.booleans())
def test_slow_version_on_windows(in_hypothesis, text, other, length, stride, words):
    cut = {"max_length": length, "stride": stride, "truncation": True, "return_overflowing_tokens": True}
    text, other = ([text[:3], text[3:], "行长"], [other, "银行"]) if words else (text * 2 + "行长", other)
    output, expected = slow(in_hypothesis, text, words=words, **cut)
    assert output["pinyin_ids"] == expected
    short = {**cut, "truncation": "only_first", "max_length": 40}
    output, expected = slow(in_hypothesis, text, "，银行" if not words else ["，银", "行"], words=words, **short)
    assert output["pinyin_ids"] == expected
    both = in_hypothesis([text, other], is_split_into_words=words, padding=True, **cut)
    for row, ids in zip(both["pinyin_ids"], both["input_ids"], strict=True):
        assert len(row) == len(ids) == len(both["pinyin_ids"][0])


# --- pinyin rules


def by_token(tokenizer, text: str) -> list[tuple[str, list[int]]]:
    output = tokenizer(text)
    return list(zip(output.tokens(), output["pinyin_ids"], strict=True))


def test_characters_are_read_in_their_sentence(tokenizer):
    assert tokenizer("银行行长")["pinyin_ids"] == [NONE, *BANK, NONE]
    assert tokenizer("行")["pinyin_ids"] == [NONE, XING2, NONE]
    assert tokenizer("的")["pinyin_ids"][1] == [9, 10, 5, 0, 0, 0, 0, 0]


def test_a_pair_is_two_texts(tokenizer):
    assert tokenizer("银", "行")["pinyin_ids"] == [NONE, YIN2, NONE, XING2, NONE]
    assert tokenizer("行长", "银行")["pinyin_ids"][4:6] == [YIN2, HANG2]


def test_words_are_one_text(tokenizer):
    assert tokenizer(["银", "行行", "", "长"], is_split_into_words=True)["pinyin_ids"] == [NONE, *BANK, NONE]


def test_batch_members_do_not_touch(tokenizer):
    assert tokenizer(["银", "行"])["pinyin_ids"] == [[NONE, YIN2, NONE], [NONE, XING2, NONE]]


def test_what_is_no_single_chinese_character_has_zeros(tokenizer):
    text = "hello a 7 2018 ，.[MASK]Ａ か한😀 worlds"
    tokens = by_token(tokenizer, text)
    assert {"hello", "a", "7", "20", "##18", "，", ".", "[MASK]", "ａ", "[UNK]", "world", "##s"} <= {
        t for t, _ in tokens
    }
    assert all(ids == NONE for _, ids in tokens)
    assert all(ids == NONE for _, ids in by_token(tokenizer, "[CLS][SEP][PAD][UNK]"))


def test_mask_token_in_a_text_does_not_move_the_others(tokenizer):
    assert by_token(tokenizer, "银[MASK]行")[1:4] == [("银", YIN2), ("[MASK]", NONE), ("行", XING2)]


def test_unknown_characters(tokenizer):
    assert by_token(tokenizer, "龘")[1] == ("[UNK]", symbols("da2"))
    assert by_token(tokenizer, "银龘𠮷行")[2] == ("[UNK]", symbols("da2"))
    assert by_token(tokenizer, "𠮷")[1] == ("[UNK]", readings("𠮷")[0])
    several = tokenizer("龘龘x", return_offsets_mapping=True)
    assert several["pinyin_ids"][1:3] == [symbols("da2")] * 2
    # BERT puts no space around extension G: two of them are one [UNK]
    both = tokenizer("𰀀𰀀", return_offsets_mapping=True)
    assert both.tokens() == ["[CLS]", "[UNK]", "[SEP]"]
    assert both["offset_mapping"][1] == (0, 2)
    assert both["pinyin_ids"][1] == NONE
    assert readings("𰀀")[0] == tokenizer("𰀀")["pinyin_ids"][1]


def test_removed_characters_do_not_shift(tokenizer):
    for noise in ("\u200b", "\x00", "\ufe0f", "\U000e0100", "e\u0301", "É", "\r\n", "👨\u200d👩"):
        output, expected = slow(tokenizer, f"{noise}的{noise}银行{noise}")
        assert output["pinyin_ids"] == expected
        tokens = dict(zip(output.tokens(), output["pinyin_ids"], strict=True))
        assert tokens["行"] == HANG2
        assert tokens["的"] == symbols("de")


def test_values_of_tokens(tokenizer):
    table = tokenizer.values_of_tokens(np.arange(len(tokenizer)))["pinyin_ids"]
    assert table.shape == (len(tokenizer), 8)
    assert table.dtype == np.int64
    for token, index in tokenizer.get_vocab().items():
        bare = token.removeprefix("##")
        assert table[index].tolist() == (readings(bare)[0] if len(bare) == 1 else NONE), token
    assert table[VOCABULARY["行"]].tolist() == XING2
    assert not table[[VOCABULARY[token] for token in SPECIAL]].any()
    again = np.array([7, 3, 7])
    assert np.array_equal(tokenizer.values_of_tokens(again)["pinyin_ids"], table[again])
    assert tokenizer.values_of_tokens(np.zeros(0, np.int64))["pinyin_ids"].shape == (0, 8)
    assert not tokenizer.values_of_tokens(np.array([10**6]))["pinyin_ids"].any()  # no token has this id


# --- shapes and keys


WORDS, OTHER_WORDS = ["银行", "行", "长"], ["hello", "的"]
CALLS = {
    "string": (("银行行长",), {}, None),
    "pair": (("银行行长", "的"), {}, None),
    "list": ((["银行行长", "的"],), {}, 2),
    "tuple": ((("银行行长", "的"),), {}, 2),
    "list of one": ((["银行行长"],), {}, 1),
    "two lists": ((["银行行长", "的"], ["hello", "a"]), {}, 2),
    "list of pairs": (([("银行行长", "hello"), ("的", "a")],), {}, 2),
    "words": ((WORDS,), {"is_split_into_words": True}, None),
    "pair of words": ((WORDS, OTHER_WORDS), {"is_split_into_words": True}, None),
    "list of words": (([WORDS, OTHER_WORDS],), {"is_split_into_words": True}, 2),
    "two lists of words": (([WORDS, OTHER_WORDS], [OTHER_WORDS, WORDS]), {"is_split_into_words": True}, 2),
    "list of pairs of words": (([(WORDS, OTHER_WORDS), (OTHER_WORDS, WORDS)],), {"is_split_into_words": True}, 2),
    "empty string": (("",), {}, None),
    "empty words": (([],), {"is_split_into_words": True}, None),
    "empty member": ((["", "的"],), {}, 2),
    "empty pair": (("", ""), {}, None),
}


@pytest.mark.parametrize("name", CALLS)
def test_keys_and_shapes(tokenizer, name):
    args, kwargs, batch = CALLS[name]
    output = tokenizer(*args, **kwargs)
    assert set(output) == KEYS
    ids, rows = output["input_ids"], output["pinyin_ids"]
    if batch is None:
        ids, rows = [ids], [rows]
    assert len(ids) == len(rows) == (batch or 1)
    for one, row in zip(ids, rows, strict=True):
        assert type(row) is list
        assert all(type(ids) is list and list(map(type, ids)) == [int] * 8 for ids in row)
        assert len(one) == len(row)
    # all but pinyin_ids are BERT's
    bert = BertTokenizer(VOCABULARY)(*args, **kwargs)
    assert {key: output[key] for key in bert} == dict(bert)
    for kind, integer in (("np", np.int64), ("pt", torch.int64)):
        tensors = tokenizer(*args, **kwargs, return_tensors=kind, padding=True)
        length = max(map(len, ids))
        for key in KEYS:
            assert tensors[key].dtype == integer
            assert tuple(tensors[key].shape) == (batch or 1, length) + ((8,) if key == "pinyin_ids" else ())
        for index, row in enumerate(rows):
            assert tensors["pinyin_ids"][index].tolist() == row + [NONE] * (length - len(row))


def test_pairs_in_every_writing_agree(tokenizer):
    first, second = ["银行行长", "的"], ["hello 行", "行长"]
    expected = [dict(tokenizer(a, b)) for a, b in zip(first, second, strict=True)]
    for output in (tokenizer(first, second), tokenizer(list(zip(first, second, strict=True)))):
        assert [{key: output[key][i] for key in KEYS} for i in range(2)] == expected


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("kwargs", "length"),
    [
        ({"padding": True}, 6),
        ({"padding": "max_length", "max_length": 9}, 9),
        ({"padding": True, "pad_to_multiple_of": 4}, 8),
    ],
)
def test_padding(tokenizer, side, kwargs, length):
    texts = ["银行行长", "行", ""]
    bare = tokenizer(texts)
    for output in (
        tokenizer(texts, padding_side=side, **kwargs),
        tokenizer.pad(bare, padding_side=side, **kwargs),
        tokenizer.pad([tokenizer(text) for text in texts], padding_side=side, **kwargs),
        tokenizer.pad(bare, padding_side=side, return_tensors="np", **kwargs),
        tokenizer.pad(bare, padding_side=side, return_tensors="pt", **kwargs),
    ):
        output = plain(output)
        for index, row in enumerate(bare["pinyin_ids"]):
            empty = [NONE] * (length - len(row))
            assert output["pinyin_ids"][index] == (row + empty if side == "right" else empty + row)
            assert [bool(m) for m in output["attention_mask"][index]] == [i != 0 for i in output["input_ids"][index]]
    one = tokenizer.pad(tokenizer("行"), padding="max_length", max_length=5, padding_side=side)
    assert one["pinyin_ids"] == (
        [NONE, XING2, NONE, NONE, NONE] if side == "right" else [NONE, NONE, NONE, XING2, NONE]
    )


def test_the_tokenizers_own_padding_side(vocabulary_file):
    left = ChineseBertTokenizer(vocabulary_file, padding_side="left")
    assert left(["银行", "行"], padding=True)["pinyin_ids"][1] == [NONE, NONE, XING2, NONE]
    assert left.pad(left(["银行", "行"]))["pinyin_ids"][1] == [NONE, NONE, XING2, NONE]


def test_truncation_keeps_the_reading_of_the_whole_text(tokenizer):
    assert tokenizer("行长", truncation=True, max_length=3)["pinyin_ids"] == [NONE, HANG2, NONE]  # 行长 is a word
    assert tokenizer("银行行长", "的", truncation="only_first", max_length=6)["pinyin_ids"] == [
        *[NONE, YIN2, HANG2, NONE],
        *[symbols("de"), NONE],
    ]


def test_left_truncation(vocabulary_file):
    left = ChineseBertTokenizer(vocabulary_file, truncation_side="left")
    assert left("银行行长", truncation=True, max_length=4)["pinyin_ids"] == [NONE, HANG2, ZHANG3, NONE]


def test_windows_are_read_in_the_whole_text(tokenizer):
    cut = {"truncation": True, "return_overflowing_tokens": True}
    output = tokenizer("银行行长", max_length=3, stride=0, **cut)
    assert output["pinyin_ids"] == [[NONE, row, NONE] for row in BANK]
    output = tokenizer("银行行长", max_length=4, stride=1, padding=True, return_tensors="pt", **cut)
    assert output["pinyin_ids"].tolist() == [[NONE, *BANK[i : i + 2], NONE] for i in range(3)]
    output = tokenizer(["的", "银行行长", "行长"], max_length=4, padding=True, **cut)
    assert output["overflow_to_sample_mapping"] == [0, 1, 1, 2]
    assert output["pinyin_ids"][1:] == [[NONE, *BANK[:2], NONE], [NONE, *BANK[2:], NONE], [NONE, *BANK[2:], NONE]]
    output = tokenizer(["银", "行", "行长"], is_split_into_words=True, max_length=4, **cut)
    assert output["pinyin_ids"] == [[NONE, *BANK[:2], NONE], [NONE, *BANK[2:], NONE]]
    output = tokenizer("的", "银行行长", truncation="only_second", max_length=5, return_overflowing_tokens=True)
    assert output["pinyin_ids"] == [[NONE, symbols("de"), NONE, row, NONE] for row in BANK]


def test_one_window_of_one_text_keeps_its_batch_axis(tokenizer):
    output = tokenizer("行", return_overflowing_tokens=True, truncation=True, max_length=9)
    assert output["pinyin_ids"] == [[NONE, XING2, NONE]]
    output = tokenizer("行", return_overflowing_tokens=True, truncation=True, max_length=9, return_tensors="np")
    assert output["pinyin_ids"].shape == (1, 3, 8)


def test_lists_of_different_length_make_no_tensor(tokenizer):
    with pytest.raises(ValueError, match="padding"):
        tokenizer(["银行", "行"], return_tensors="pt")


def test_without_special_tokens(tokenizer):
    assert tokenizer("银行行长", add_special_tokens=False)["pinyin_ids"] == BANK
    assert tokenizer("银", "行", add_special_tokens=False)["pinyin_ids"] == [YIN2, XING2]


def test_keys_can_be_left_out(vocabulary_file):
    tokenizer = ChineseBertTokenizer(vocabulary_file, model_input_names=["input_ids", "attention_mask"])
    assert set(tokenizer(["银行", "行"], padding=True)) == {"input_ids", "attention_mask"}


# --- saving, copying, mapping


BATCH = ["银行行长，hello worlds 2018", "龘的[MASK]\u200b了", ""]


def same(one, other) -> None:
    for kwargs in ({}, {"padding": True, "return_tensors": "np"}):
        assert plain(one(BATCH, **kwargs)) == plain(other(BATCH, **kwargs))
    ids = one(BATCH)["input_ids"]
    assert one.batch_decode(ids) == other.batch_decode(ids)
    assert len(one) == len(other)


@pytest.mark.parametrize("source", ["file", "mapping"])
@pytest.mark.parametrize("options", [{}, {"do_lower_case": False, "padding_side": "left", "model_max_length": 7}])
def test_saving_and_loading(tmp_path, vocabulary_file, source, options):
    tokenizer = ChineseBertTokenizer(vocabulary_file if source == "file" else VOCABULARY, **options)
    tokenizer.save_pretrained(tmp_path)
    ChineseBertConfig(vocab_size=len(tokenizer)).save_pretrained(tmp_path)
    for loaded in (AutoTokenizer.from_pretrained(tmp_path), ChineseBertTokenizer.from_pretrained(tmp_path)):
        assert type(loaded) is ChineseBertTokenizer
        same(tokenizer, loaded)
        assert (loaded.padding_side, loaded.model_max_length) == (tokenizer.padding_side, tokenizer.model_max_length)
        assert loaded("HELLO").tokens() == tokenizer("HELLO").tokens()
        assert loaded.model_input_names == tokenizer.model_input_names


def test_vocab_file_is_the_vocabulary(tmp_path, vocabulary_file):
    expected = ChineseBertTokenizer(vocabulary_file)
    tokenizer = ChineseBertTokenizer(vocab_file=vocabulary_file)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert "vocab_file" not in saved
    for found in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        assert found.get_vocab() == VOCABULARY
        same(expected, found)
    assert ChineseBertTokenizer(VOCABULARY, vocab_file="unread.txt").get_vocab() == VOCABULARY
    with pytest.raises(FileNotFoundError, match="no vocabulary file"):
        ChineseBertTokenizer(vocab_file=str(tmp_path / "none.txt"))


def test_use_does_not_change_what_data_sets_hash(vocabulary_file):
    tokenizer = ChineseBertTokenizer(vocabulary_file)
    before = Hasher.hash(tokenizer)
    tokenizer(["银行行长" * 200, "好"], padding=True, truncation=True, max_length=7, return_tensors="pt")
    DataCollatorWithPadding(tokenizer)([tokenizer("银行"), tokenizer("hello")])
    assert Hasher.hash(tokenizer) == before


def test_saving_keeps_added_tokens(tmp_path, vocabulary_file):
    tokenizer = ChineseBertTokenizer(vocabulary_file)
    tokenizer.add_tokens(["银行"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<人>"]})
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    same(tokenizer, loaded)
    assert loaded("银行<人>行")["pinyin_ids"] == [NONE, NONE, NONE, XING2, NONE]
    assert not loaded.values_of_tokens(np.array([len(TOKENS), len(TOKENS) + 1]))["pinyin_ids"].any()


def test_pickle_and_deepcopy(tokenizer):
    same(tokenizer, pickle.loads(pickle.dumps(tokenizer)))
    same(tokenizer, copy.deepcopy(tokenizer))


@pytest.mark.parametrize("processes", [None, 2])
def test_datasets_map(tokenizer, processes):
    texts = [*BATCH, "银行行长"] * 3
    data = datasets.Dataset.from_dict({"text": texts})
    mapped = data.map(lambda rows: tokenizer(rows["text"]), batched=True, batch_size=4, num_proc=processes)
    expected = tokenizer(texts)
    for key in KEYS:
        assert list(mapped[key]) == expected[key]
    mapped = mapped.remove_columns("text")
    padded = tokenizer(texts, padding=True, return_tensors="np")
    for features in (mapped[:], list(mapped)):
        assert plain(tokenizer.pad(features, return_tensors="pt")) == plain(padded)


# --- decoding


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("银行行长很忙", "银行行长很忙"),
        ("hello world", "hello world"),
        ("我在北京 hello worlds 银行", "我在北京hello worlds银行"),
        ("hello，world。", "hello，world。"),
        ("《hello》", "《hello》"),
        ("か ａ hello", "かａhello"),
        ("かカ hello", "かカhello"),
        ("2018 apple", "2018 apple"),
        ("", ""),
    ],
)
def test_decoding(tokenizer, text, decoded):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == decoded
    assert tokenizer.batch_decode([ids, ids], skip_special_tokens=True) == [decoded] * 2
    assert tokenizer.convert_tokens_to_string(tokenizer.tokenize(text)) == decoded


def test_decoding_special_tokens(tokenizer):
    assert tokenizer.decode(tokenizer("银行")["input_ids"]).replace(" ", "") == "[CLS]银行[SEP]"
    assert tokenizer.decode(tokenizer("银[MASK]hello")["input_ids"], skip_special_tokens=True) == "银hello"


# --- errors


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        (None, r"`text`"),
        (5, r"text is 5"),
        ([], "text is an empty list"),
        ([None], r"text\[0\] is None"),
        (["银行", None], r"text\[1\] is None"),
        (["银行", 5], r"text\[1\] is 5"),
        ([["银行", None]], r"text\[0\]\[1\] is None"),
        ([("银行", "行"), ("长", None)], r"text\[1\]\[1\] is None"),
        (["银行", float("nan")], r"text\[1\] is nan"),
        ([b"a", "a"], r"text\[0\] is b'a'"),
        ("银\ud800行", r"text holds the lone surrogate '\\ud800' at 1"),
        (["银行", "行\udc00"], r"text\[1\] holds the lone surrogate '\\udc00' at 1"),
        ([("银行", "\ud83d")], r"text\[0\]\[1\] holds the lone surrogate '\\ud83d' at 0"),
    ],
)
def test_texts_that_cannot_be_encoded(tokenizer, text, piece):
    with pytest.raises(ValueError, match=piece):
        tokenizer(text)


@pytest.mark.parametrize(
    ("text", "pair", "words", "piece"),
    [
        ("银行", 5, False, r"text_pair is 5"),
        (["银行", "行"], ["长", None], False, r"text_pair\[1\] is None"),
        ("银行", "长\ud800", False, r"text_pair holds the lone surrogate '\\ud800' at 1"),
        (["银行", None], None, True, r"text\[1\] is None"),
        (["银行", "\ud800"], None, True, r"text\[1\] holds the lone surrogate"),
        ([["银行"], ["行", 3]], None, True, r"text\[1\]\[1\] is 3"),
        (["银行"], ["长", "\udfff"], True, r"text_pair\[1\] holds the lone surrogate"),
    ],
)
def test_pairs_and_words_that_cannot_be_encoded(tokenizer, text, pair, words, piece):
    with pytest.raises(ValueError, match=piece):
        tokenizer(text, pair, is_split_into_words=words)


def test_other_errors_stay_as_they_are(tokenizer):
    with pytest.raises(ValueError, match="batch length of `text`: 2 does not match"):
        tokenizer(["银行", "行"], ["长"])
    with pytest.raises(TypeError, match="text_pair"):
        tokenizer(["银行", "行"], "长")


def test_pypinyin_versions(tmp_path, vocabulary_file, warnings):
    tokenizer = ChineseBertTokenizer(vocabulary_file)
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["pypinyin_version"] == pypinyin.__version__
    AutoTokenizer.from_pretrained(tmp_path)
    assert not any("pypinyin" in message for message in warnings)
    saved["pypinyin_version"] = "0.0.7"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(saved), encoding="utf-8")
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert any("saved with pypinyin 0.0.7" in m and f"{pypinyin.__version__} is installed" in m for m in warnings)
    loaded.save_pretrained(tmp_path)  # its readings are now those of the installed one
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["pypinyin_version"] == pypinyin.__version__
