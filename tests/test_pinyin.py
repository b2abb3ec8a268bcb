"""pypinyin itself is the slow obvious version: every reading must equal its own."""

import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import pypinyin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypinyin import Style, load_phrases_dict, load_single_dict
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.seg import mmseg

from hanziformers.tokenization import pinyin as module
from hanziformers.tokenization.pinyin import PINYIN_LENGTH, SYMBOLS, PinyinTable, encode_pinyin, pinyin_table

VERSION = tuple(int(part) for part in pypinyin.__version__.split(".")[:2])
CURRENT = VERSION == (0, 55)
MARKS = "，。、！？：；“”《》…—（）·～ \t\nabz019.,!?'\"()[]%々〆ー한ア\u0301\u200d😀\x00"
# 〇, private use, compatibility ideographs, extensions A, B and G, the borders of the blocks
RARE = "〇\ue815\ue864\ue865\ufa18\uf900\ufa0e\u3400\u4dbf\u4dc0\u9fff\ua000𠀀𠮷𪛖\U0002f80a\U0002fa1f\U0002fa20𰀀𱍐"
FRAGMENTS = [
    "一块石头",
    "隆重庆",
    "相辅相",
    "伸手不见",
    "银行行长",
    "重庆",
    "的",
    "了",
    "还",
    "行",
    "一个",
    "不是",
    "石头",
]


def slow(text: str) -> list[str]:
    found = pypinyin.pinyin(text, style=Style.TONE3, heteronym=True, errors=lambda run: [["not chinese"] for _ in run])
    return ["" if readings[0] == "not chinese" else readings[0] for readings in found]


def fast(table: PinyinTable, text: str) -> list[str]:
    rows = table.rows(text)
    assert rows.dtype == np.int32
    assert rows.shape == (len(text),)
    return [table.readings[row] for row in rows.tolist()]


def differences(table: PinyinTable, texts: list[str]) -> list[tuple[str, list[str], list[str]]]:
    """Texts that differ from pypinyin, read one by one and, 64 at a time, joined by line breaks."""
    expected = list(map(slow, texts))
    pairs = [(text, fast(table, text), right) for text, right in zip(texts, expected, strict=True)]
    for start in range(0, len(texts), 64):
        rows = fast(table, "\n".join(texts[start : start + 64]))
        for text, right in zip(texts[start : start + 64], expected[start : start + 64], strict=True):
            pairs.append((f"joined: {text}", rows[: len(text)], right))
            rows = rows[len(text) + 1 :]
        assert not rows
    return [(text, got, right) for text, got, right in pairs if got != right]


@pytest.fixture(scope="module")
def table() -> PinyinTable:
    return pinyin_table()


@pytest.fixture(scope="module")
def unfinished() -> list[str]:
    """Every beginning of a phrase that is no phrase."""
    return sorted({phrase[:end] for phrase in PHRASES_DICT for end in range(1, len(phrase))} - PHRASES_DICT.keys())


@pytest.fixture(scope="module")
def tails(unfinished: list[str]) -> list[str]:
    """Those that read otherwise at the end of a run than before more Chinese."""
    return [text for text in unfinished if len(text) > 2 and slow(text) != slow(text + "〇")[: len(text)]]


@pytest.fixture
def dictionaries():
    """Puts pypinyin's dictionaries and its segmenter back as they were."""
    phrases, singles = PHRASES_DICT.copy(), PINYIN_DICT.copy()
    yield
    for current, saved in ((PHRASES_DICT, phrases), (PINYIN_DICT, singles)):
        current.clear()
        current.update(saved)
    mmseg.p_set._set.clear()
    mmseg.retrain(mmseg.seg)
    pinyin_table.cache_clear()


def test_encode_pinyin():
    assert len(SYMBOLS) == 32
    assert PINYIN_LENGTH == 8
    assert encode_pinyin("zhuang4") == [31, 13, 26, 6, 19, 12, 4, 0]
    assert encode_pinyin("shuang1") == [24, 13, 26, 6, 19, 12, 1, 0]
    assert encode_pinyin("lv4") == [17, 27, 4, 0, 0, 0, 0, 0]
    assert encode_pinyin("de") == encode_pinyin("de5") == [9, 10, 5, 0, 0, 0, 0, 0]
    assert encode_pinyin("") == [0] * 8
    assert len(encode_pinyin("zhuangg")) == 8


@pytest.mark.parametrize("reading", ["ê1", "ü", "De", "de 5", "de6", "de0", "_", "zhōng", "not chinese"])
def test_encode_pinyin_names_a_symbol_without_an_id(reading):
    with pytest.raises(ValueError, match="a-z and the tones 1-5") as error:
        encode_pinyin(reading)
    assert repr(reading) in str(error.value)


@pytest.mark.parametrize("reading", ["zhuangzh4", "zhuangzh"])
def test_encode_pinyin_names_a_reading_that_is_too_long(reading):
    with pytest.raises(ValueError, match="at most 8") as error:
        encode_pinyin(reading)
    assert reading in str(error.value)


def test_table_contents(table):
    assert table.readings[0] == ""
    assert len(set(table.readings)) == len(table.readings)
    assert table.ids.dtype == np.uint8
    assert table.ids.shape == (len(table.readings), 8)
    assert not table.ids[0].any()
    assert table.ids[1:].any(axis=1).all()
    for reading, ids in zip(table.readings[1:], table.ids[1:].tolist(), strict=True):
        written = "".join(SYMBOLS[i] for i in ids).rstrip("_")
        assert written == (reading if reading[-1] in "1234" else reading + "5")


def test_table_is_built_once():
    assert pinyin_table() is pinyin_table()


def test_row_of(table):
    for character in "的行长〇𠮷A，々\ud800":
        assert [table.readings[table.row_of(character)]] == slow(character)
    assert isinstance(table.row_of("行"), int)
    for wrong in ("", "银行"):
        with pytest.raises(ValueError, match="one code point"):
            table.row_of(wrong)


def test_rows_wants_one_string(table):
    with pytest.raises(TypeError, match="got list"):
        table.rows(["银行"])


def test_rows_are_the_callers_own(table):
    table.rows("银行")[:] = 0
    assert fast(table, "银行") == slow("银行")


def test_known_readings(table):
    assert fast(table, "银行行长") == ["yin2", "hang2", "hang2", "zhang3"]
    assert fast(table, "A了 的，") == ["", "le", "", "de", ""]
    assert fast(table, "重庆女人") == ["chong2", "qing4", "nv3", "ren2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "行",
        "\n",
        "\n\n",
        "的\n",
        "\ud800",
        "行\udfff长",
        "\ud83d\ude00银行",
        "々",
        "人々",
        "银行" * 300,
        "哈" * 999,
    ],
)
def test_edges(table, text):
    assert differences(table, [text]) == []


def test_every_code_point(table):
    """All planes but the empty ones: unassigned, surrogates, private use, both compatibility blocks, extensions."""
    codes = [*range(0x3300), *range(0xE000 - 8, 0x10000), *range(0x2A000, 0x2B800, 3), *range(0x2F7F0, 0x2FA30)]
    codes += [*range(0x3300, 0xE000, 3), *range(0x2FFF0, 0x32400, 5), 0x10FFFF]
    text = "\n".join(map(chr, codes))
    assert fast(table, text) == slow(text)


def test_end_of_a_run(table):
    """一块石头 is the beginning of a phrase: 石头 is no word at the end of a run, and one before more Chinese."""
    texts = [
        "一块石头",
        "一块石头，",
        "一块石头的",
        "一块石头〇",
        "一块石头𠮷",
        "一块石头𰀀",
        "一块石头々",
        "一块石头A的",
        "搬一块石头\n来",
    ]
    assert differences(table, texts) == []
    if VERSION >= (0, 55):
        assert fast(table, "一块石头")[3] == "tou2"
        assert fast(table, "一块石头来")[3] == "tou"
    texts = [
        text + after for text in ("隆重庆", "相辅相", "伸手不见", "隆重庆祝") for after in ("", "，", "人", "〇", "\n")
    ]
    assert differences(table, texts) == []


def test_every_unfinished_phrase(table, unfinished):
    text = "\n".join(unfinished)
    assert fast(table, text) == slow(text)
    shuffled = random.Random(0).sample(unfinished, 4000)
    text = "\n".join(text + after for text in shuffled for after in "的〇")
    assert fast(table, text) == slow(text)


def test_unfinished_phrases_before_every_mark(table, tails):
    """Some of these pairs have the same index in the hash table with a pair of a phrase, which links them."""
    assert len(tails) > 100 or not CURRENT
    assert differences(table, [text + after for text in tails for after in ("", "的", "〇", "\U0001f600人")]) == []
    text = "\n".join(f"{text}{mark}" for text in tails for mark in MARKS)
    assert fast(table, text) == slow(text)


def test_every_phrase(table):
    text = "\n".join(PHRASES_DICT)
    assert fast(table, text) == slow(text)
    overlapping = random.Random(1).sample(sorted(PHRASES_DICT), 6000)
    text = "".join(overlapping)  # one run of Chinese
    assert fast(table, text) == slow(text)


def test_random_fragments(table, tails):
    rng = random.Random(2)
    phrases, characters = sorted(PHRASES_DICT), [chr(code) for code in PINYIN_DICT if code < 0x10000]
    texts = []
    for _ in range(2500):
        pieces = []
        for _ in range(rng.randrange(1, 9)):
            phrase = rng.choice(phrases)
            choices = (phrase, phrase[: rng.randrange(1, len(phrase))], phrase[1:], rng.choice(tails or phrases))
            pieces.append(rng.choice((*choices, rng.choice(characters), rng.choice(MARKS), rng.choice(RARE))))
        texts.append("".join(pieces))
    assert differences(table, texts) == []


PIECES = st.one_of(
    st.sampled_from(sorted(PHRASES_DICT)),
    st.sampled_from(sorted(PHRASES_DICT)).map(lambda phrase: phrase[:-1]),
    st.sampled_from(FRAGMENTS),
    st.sampled_from(MARKS + RARE + "\ud800\udfff"),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
    st.text(max_size=4),
)


@settings(max_examples=300)
@given(st.lists(st.lists(PIECES, max_size=8).map("".join), min_size=1, max_size=4))
def test_any_text(texts):
    assert differences(pinyin_table(), texts) == []


def long_chains(tails: list[str], length: int, seed: int) -> list[str]:
    """Texts without a mark, so that most of each is one chain: repeated phrases, and phrases and their beginnings."""
    rng, phrases = random.Random(seed), sorted(PHRASES_DICT)
    texts = [(fragment * length)[:length] for fragment in [*FRAGMENTS, "一块石头一块", "不是不", "长行"]]
    for _ in range(30):
        pieces = []
        while sum(map(len, pieces)) < length:
            pieces.append(rng.choice((rng.choice(FRAGMENTS), rng.choice(tails or phrases), rng.choice(phrases))))
        texts.append("".join(pieces))
    return [text + after for text in texts for after in ("", "〇", "，的")]


@pytest.mark.parametrize("window", [1, 33, module._WINDOW])
def test_long_chains_are_cut_in_windows(monkeypatch, tails, window):
    """The result is that of the whole chain, wherever the windows end, and whatever is at the end of the chain."""
    monkeypatch.setattr(module, "_WINDOW", window)
    assert differences(PinyinTable(), long_chains(tails, 400, seed=window)) == []


def test_a_long_chain_takes_linear_time(table, monkeypatch):
    """The segmenter, which takes quadratic time, never gets more than a window."""
    given, seg = [], module.simpleseg.seg
    monkeypatch.setattr(module.simpleseg, "seg", lambda text: given.append(len(text)) or seg(text))
    number = 25_000
    readings = fast(table, "一块石头" * number + "来")
    assert max(given) <= module._WINDOW
    assert sum(given) < 1.2 * 4 * number
    assert readings == [*fast(table, "一块石头来")[:4] * number, "lai2"]


@pytest.mark.usefixtures("dictionaries")
def test_phrases_that_are_longer_than_a_window():
    words = "一块石头银行不是" * 40  # 320 characters
    load_phrases_dict({words: [["yī"]] * len(words), words[5:140]: [["èr"]] * 135})
    texts = [words, words[:-1], words[:-1] * 2, words * 2 + "的", words[3:] + words, "的" + words[5:] + "〇"]
    table = PinyinTable()
    assert differences(table, texts) == []
    assert set(fast(table, words)) == {"yi1"}


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MEMO_CHARACTERS", 200)
    table = PinyinTable()
    phrases = random.Random(3).sample(sorted(PHRASES_DICT), 300)
    texts = [text for pair in zip(phrases, phrases[::-1], strict=True) for text in (pair[0], "".join(pair) * 30)]
    sizes = set()
    for text in texts:
        assert fast(table, text) == slow(text)
        sizes.add(sum(map(len, table._memo)))
        assert max(map(len, table._memo), default=0) <= module._WINDOW  # a long text would fill it for one use
    assert 150 < max(sizes) <= 200


@pytest.mark.usefixtures("dictionaries")
def test_loaded_characters():
    load_single_dict({ord("的"): "dī,de", ord("𠮷"): "jí", ord("々"): "tóng", ord("好"): ",hāo"})
    table = PinyinTable()
    texts = ["的", "目的", "好的", "我的𠮷", "人々", "々", "你好𠮷野家"]
    assert differences(table, texts) == []
    assert fast(table, "的𠮷々好") == ["di1", "ji2", "", "hao1"]


@pytest.mark.usefixtures("dictionaries")
def test_loaded_phrases():
    load_phrases_dict(
        {
            "𠮷野": [["jǐ"], ["yě"]],
            "桔子": [["jú"], ["zǐ"]],
            "你，好": [["nì"], ["a"], ["hào"]],
            "，。": [["nì"], ["hào"]],
            "人々": [["rèn"], ["rèn"]],
            "々": [["tóng"]],
            "银行行": [["", "yīng"], ["háng"], []],
        }
    )
    table = PinyinTable()
    texts = [
        "𠮷野家",
        "𠮷野",
        "桔子",
        "吃桔子吧",
        "你，好",
        "你好，。",
        "人々",
        "々",
        "，。",
        "银行行",
        "银行行长",
        "银行行。",
    ]
    assert differences(table, texts) == []
    assert fast(table, "银行行") == ["ying1", "hang2", ""]


@pytest.mark.usefixtures("dictionaries")
def test_loaded_phrases_of_one_character():
    load_phrases_dict({"行": [["hàng"]], "的": [["dī", "de"]], "重": [["", "chōng"]], "好": [[]]})
    table = PinyinTable()
    texts = ["行", "不行", "银行", "行走", "的", "我的", "目的", "重", "重量", "重庆", "很重", "好", "你好", "行的重好"]
    assert differences(table, texts) == []
    assert fast(table, "行的重好") == ["hang4", "di1", "chong1", ""]


@pytest.mark.usefixtures("dictionaries")
def test_words_given_to_the_segmenter():
    """They are never words of the result, but one of them unfinished at the end of a run changes the cutting."""
    untrained = slow("大银行")
    mmseg.seg.train(["大银行的猫咪", "他银行行长走"])
    table = PinyinTable()
    assert (
        differences(
            table, ["大银行", "大银行，", "大银行的", "大银行的猫", "大银行的猫咪", "他银行行长", "他银行行长走了"]
        )
        == []
    )
    assert slow("大银行") != untrained or not CURRENT


@pytest.mark.usefixtures("dictionaries")
def test_deleted_phrases_and_changes_without_training():
    del PHRASES_DICT["银行"]
    PHRASES_DICT["目的"] = [["mū"], ["de"]]
    PHRASES_DICT["猫儿狗"] = [["māo"], ["r"], ["gōu"]]
    table = PinyinTable()
    assert differences(table, ["银行", "银行行长", "目的", "目的地", "猫儿狗", "猫儿狗叫"]) == []


@pytest.mark.usefixtures("dictionaries")
def test_no_phrases_at_all():
    texts = ["银行行长", "一块石头，重庆", "的\n𠮷々"]
    PHRASES_DICT.clear()
    assert differences(PinyinTable(), texts) == []
    mmseg.p_set._set.clear()
    assert differences(PinyinTable(), texts) == []


@pytest.mark.usefixtures("dictionaries")
def test_the_stop_character_follows_the_dictionaries():
    """The first Chinese characters get into phrases, so that another one must be chosen."""
    load_phrases_dict({"头〇": [["tóu"], ["líng"]], "头\u3400": [["tóu"], ["qiū"]], "一块石头〇\u3400": [["yī"]] * 6})
    table = PinyinTable()
    assert (
        differences(table, ["一块石头" + after for after in ("", "的", "〇", "\u3400", "〇\u3400", "𠮷", "〇的")]) == []
    )


@pytest.mark.usefixtures("dictionaries")
def test_readings_that_cannot_be_written_have_no_ids():
    load_single_dict({ord("欸"): "ê̄", ord("呣"): "ḿ̀", ord("囧"): "zhuangzhuang", ord("圕"): "Tú"})
    load_phrases_dict({"诶诶": [["ế"], ["éi"]]})
    table = PinyinTable()
    assert differences(table, ["欸", "呣", "囧圕", "诶诶"]) == []
    assert not table.ids[table.rows("欸呣囧圕")].any()
    assert table.ids[table.rows("诶诶")].any(axis=1).tolist() == [False, True]


@pytest.mark.usefixtures("dictionaries")
@pytest.mark.parametrize("readings", [[["yín"]], [["yín"], ["háng"], ["a"]], []])
def test_a_phrase_with_a_wrong_number_of_readings_is_refused(readings):
    load_phrases_dict({"银行": readings})
    with pytest.raises(ValueError, match="'银行' has . readings, but it must have 2"):
        PinyinTable()


@pytest.mark.usefixtures("dictionaries")
def test_cache_clear_takes_new_dictionaries():
    before = pinyin_table()
    load_phrases_dict({"桔子": [["jú"], ["zǐ"]]})
    pinyin_table.cache_clear()
    assert fast(pinyin_table(), "桔子") == ["ju2", "zi3"]
    assert fast(before, "桔子") != ["ju2", "zi3"]


def test_published_readings(table):
    """Readings and ids that the published code gave with pypinyin 0.55."""
    folder = os.environ.get("HANZIFORMERS_ORACLES")
    if not folder:
        pytest.skip("HANZIFORMERS_ORACLES does not name the folder of reference vectors")
    with gzip.open(Path(folder, "chinesebert", "pinyin.jsonl.gz"), "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) == 1015
    assert differences(table, [line["text"] for line in lines]) == []
    if not CURRENT:
        return
    for line in lines:
        assert fast(table, line["text"]) == ["" if one == "not chinese" else one for one in line["pinyin"]]
        rows = table.rows(line["text"])
        tokens = [rows[start] if end - start == 1 else 0 for start, end in line["offsets"]]
        assert table.ids[tokens].tolist() == line["pinyin_ids"]


@pytest.mark.slow
def test_natural_text(table):
    folder = os.environ.get("HANZIFORMERS_DATA")
    if not folder:
        pytest.skip("HANZIFORMERS_DATA does not name the folder of data sets")
    texts = []
    for part in ("train", "dev", "test"):
        content = Path(folder, "ner_weibo", f"weiboNER_2nd_conll.{part}").read_text(encoding="utf-8")
        texts += ["".join(line[0] for line in block.splitlines() if line) for block in content.split("\n\n")]
    for name in ("wiki_paragraphs_ccbysa", "news_titles_tnews_train"):
        with gzip.open(Path(folder, "pretrain_text", f"{name}.txt.gz"), "rt", encoding="utf-8") as file:
            texts += file.read(700_000).splitlines()
    assert sum(map(len, texts)) > 1_000_000
    assert differences(table, texts) == []
