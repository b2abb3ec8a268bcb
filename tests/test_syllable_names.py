"""After which syllable a recording is named."""

import pytest

from hanziformers.processors.syllable_names import character_of, only_reading, syllable_of


@pytest.mark.parametrize(
    ("names", "syllable"),
    [
        ("zhong1 cmn-zhong1 Zhong1 zh-zhong1 CMN-ZHONG1", "zhong1"),
        ("lv4 lü4 lu\u0308\u0034 luu4 lu:4 lyu4 cmn-lv4", "lv4"),
        ("nve4 nüe4 nue4 nu:e4", "nve4"),
        ("ju4 jv4 jü4 ju:4 cmn-jv4", "ju4"),
        ("quan2 qvan2 qüan2", "quan2"),
        ("yu2 yv2", "yu2"),
        ("yue4", "yue4"),
        ("lu4", "lu4"),
        ("luan4", "luan4"),
        ("_m1 m1 cmn-_m1", "m1"),
        ("_hng1 cmn-_hng1", "hng1"),
        ("ê2 e\u03022", "ê2"),
        ("ma5 ma0", "ma5"),
    ],
)
def test_every_way_to_write_a_syllable(names, syllable):
    assert {syllable_of(name) for name in names.split()} == {syllable}


@pytest.mark.parametrize("name", ["ma", "ma6", "1", "", "cmn-", "xi'an1", "ma1 (1)", "北", "l:1", "chuangg12", "ma١"])
def test_other_names_are_no_syllable(name):
    assert syllable_of(name) is None


def test_characters_with_one_reading():
    assert character_of("cmn-出") == character_of("出") == "出"
    assert only_reading("出") == "chu1"
    assert only_reading("绿") is None, "lv4 and lu4"
    assert only_reading("行") is None
    assert only_reading("A") is None
    assert character_of("cmn-A") is None
    assert character_of("北京") is None
