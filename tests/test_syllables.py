"""Toned syllables: of a sentence, of a user, and the list of all."""

import re

import pytest
from pypinyin import Style, pinyin

from hanziformers.tokenization.pinyin import pinyin_table
from hanziformers.tokenization.syllables import all_syllables, check_readings, toned_syllables


def test_one_syllable_a_code_point_with_its_tone():
    text = "他在银行里行走，他们的ABC 𠮷\ud800\n"
    syllables = toned_syllables(text)
    assert len(syllables) == len(text)
    assert syllables[:6] == ["ta1", "zai4", "yin2", "hang2", "li3", "xing2"]
    assert syllables[8:11] == ["ta1", "men5", "de5"], "the neutral tone is 5"
    assert syllables[7] is None
    assert syllables[11:15] == [None] * 4
    assert syllables[16:] == [None, None]
    assert toned_syllables("") == []


def test_syllables_are_those_of_pypinyin():
    text = "绿色的女儿去旅行，呣嗯，略有虐待，重庆银行行长长大了"
    own = pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, errors=lambda run: [""] * len(run))
    assert toned_syllables(text) == [one[0] or None for one in own]


def test_a_user_decides_where_pypinyin_cuts_wrongly():
    text = "南京市长江大桥，南京市长"
    assert toned_syllables(text)[3] == "zhang3", "pypinyin sees 市长"
    fixed = toned_syllables(text, {"长江大桥": "chang2 jiang1 da4 qiao2"})
    assert fixed[3:7] == ["chang2", "jiang1", "da4", "qiao2"]
    assert fixed[11] == "zhang3", "elsewhere nothing changes"
    assert fixed[:3] + fixed[7:] == toned_syllables(text)[:3] + toned_syllables(text)[7:]


def test_of_overlapping_words_the_first_and_longest_counts():
    readings = {"长": "a1", "长江": "b1 b2", "江大桥": "c1 c2 c3"}
    assert toned_syllables("长江大桥长", readings) == ["b1", "b2", "da4", "qiao2", "a1"]


def test_a_dictionary_of_readings_is_checked_once(monkeypatch):
    """Checking 16,387 words again took 300 ms for each text."""
    common = {chr(code) + chr(code + 1): "a1 b2" for code in range(0x4E00, 0x8E00)}
    readings = check_readings({**common, "[江]-^": "- jiang1 - - -", "江": "x1", "江江": "y1 y2"})
    text = "江江江[江]-^江\n" * 50
    expected = ["y1", "y2", "x1", None, "jiang1", None, None, None, "x1", None] * 50
    assert toned_syllables(text, readings) == expected
    monkeypatch.setattr("hanziformers.tokenization.syllables.convert", None)
    assert toned_syllables(text, readings) == expected


def test_readings_may_be_written_in_several_ways():
    assert check_readings({"女儿": " nü3  er2 ", "去": "qü4", "绿": "lǜ", "的": "de", "诶": "ê̄", "T恤": "- xv4"}) == {
        "女儿": "nv3 er2",
        "去": "qu4",
        "绿": "lv4",
        "的": "de5",
        "诶": "ê1",
        "T恤": "- xu4",
    }
    assert check_readings({"虐": "nue4", "略": "lüe4", "女": "nu:3", "绿": "luu4", "去": "qu:4", "了": "le0"}) == {
        "虐": "nve4",
        "略": "lve4",
        "女": "nv3",
        "绿": "lv4",
        "去": "qu4",
        "了": "le5",
    }
    assert set(check_readings({"虐待": "nuè dài", "略绿": "lue4 lyu4"})["虐待"].split()) <= set(all_syllables())
    assert check_readings(None) == {}
    assert toned_syllables("T恤.", {"T恤.": "ti4 - -"}) == ["ti4", None, None], "a word may hold any character"


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ({"长江": "chang2"}, "1 for 2 characters"),
        ({"": ""}, "0 for 0 characters"),
        ({"长": "Chang2"}, "'Chang2'"),
        ({"长": "chang7"}, "'chang7'"),
        ({"长": "chang22"}, "'chang22'"),
        ({"长": "cha2ng"}, "'cha2ng'"),
        ({"长": "cháng2"}, "'cháng2'"),
        ({"长\ud800": "chang2 -"}, "lone surrogate"),
        ({"西安": "xi1 'an1"}, '"\'an1"'),
    ],
)
def test_a_wrong_reading_is_refused_by_name(readings, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        toned_syllables("长江", readings)


@pytest.mark.parametrize("readings", [["长"], {"长": 3}, {"长": ["chang2"]}, "长"])
def test_readings_of_another_type_are_refused(readings):
    with pytest.raises(TypeError, match="give word -> syllables"):
        toned_syllables("长江", readings)


def test_all_syllables_are_distinct_and_hold_every_first_reading():
    syllables = all_syllables()
    assert syllables == sorted(set(syllables))
    assert len(syllables) == pytest.approx(1522, abs=40), "pypinyin's dictionaries change a little"
    assert all(re.fullmatch("[a-zê]+[1-5]", syllable) for syllable in syllables)
    assert {"zhong1", "lv4", "ju4", "ma5", "er2", "hng5", "m2", "ê1", "lo5"} <= set(syllables)
    text = "".join(chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000)))
    assert {one for one in toned_syllables("\n".join(text)) if one} <= set(syllables)


def test_a_table_that_is_built_again_is_followed():
    assert toned_syllables("中") == ["zhong1"]
    pinyin_table.cache_clear()
    assert toned_syllables("中") == ["zhong1"]
