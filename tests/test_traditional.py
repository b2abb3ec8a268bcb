"""Traditional forms: of a sentence, always as many characters, and where the length would change, one by one."""

import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanziformers.tokenization import traditional
from hanziformers.tokenization.traditional import convert_lines, to_traditional

HAN = st.sampled_from("皇后面头发展理髮台湾干杯里程只有松树云南 \n，aA1\u3000\x00\r𠮷㐀")
texts = st.lists(HAN | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=12).map("".join)


@pytest.fixture
def opencc_config(monkeypatch):
    """OpenCC with another of its configurations in place of s2t."""

    def use(name):
        converter = opencc.OpenCC(name)
        monkeypatch.setattr(traditional, "_converter", lambda: converter)

    return use


def test_the_sentence_decides():
    assert to_traditional("皇后的头发，后面发展") == "皇后的頭髮，後面發展"
    assert to_traditional("皇") + to_traditional("后") == "皇後"
    assert to_traditional("ABC 123\u200b\x00\r\n") == "ABC 123\u200b\x00\r\n"
    assert to_traditional("") == ""


@given(texts)
def test_as_many_characters_each_opencc_s_own(text):
    converted = to_traditional(text)
    assert len(converted) == len(text)
    assert converted == opencc.OpenCC("s2t").convert(text)


@given(st.lists(texts, min_size=1, max_size=5))
def test_lines_do_not_depend_on_each_other(lines):
    assert to_traditional("\n".join(lines)) == "\n".join(map(to_traditional, lines))


def test_every_character_has_one_form():
    assert len(to_traditional("".join(map(chr, range(0x20, 0xD800))))) == 0xD800 - 0x20


def test_where_the_length_would_change_characters_are_converted_one_by_one(opencc_config):
    opencc_config("s2twp")  # makes words of Taiwan of those of the mainland
    text = "后面的头发\n这是U盘\n鼠标"
    assert convert_lines(text) == ("後面的頭髮\n這是U盤\n滑鼠", ["这是U盘"])


def test_a_character_that_would_become_several_stays(monkeypatch):
    class Doubles:
        def convert(self, text):
            return text.replace("们", "們們").replace("后", "後")

    monkeypatch.setattr(traditional, "_converter", Doubles)
    assert convert_lines("我们\n后来\n\n们后") == ("我们\n後来\n\n们後", ["我们", "们后"])


def test_lengths_that_cancel_out_between_lines(monkeypatch):
    class Moves:
        def convert(self, text):
            return text.replace("长", "长长").replace("短短", "短")

    monkeypatch.setattr(traditional, "_converter", Moves)
    assert convert_lines("长\n短短") == ("长\n短短", ["长", "短短"])


@pytest.mark.parametrize("wrong", [None, 3, ["头发"], b"x"])
def test_what_is_no_text(wrong):
    with pytest.raises(TypeError, match=r"text must be one str, got \w+: join a list of texts"):
        to_traditional(wrong)


def test_lone_surrogates_are_named():
    with pytest.raises(ValueError, match=r"text holds the lone surrogate '\\ud800' at 2"):
        to_traditional("头发\ud800")
