"""Sounds of tokens: rows by a list that is checked, the user's readings, and a count of what has no sound."""

import copy
import pickle
import re

import pytest
from glyph_tools import SPECIAL

from hanziformers.tokenization.syllable_inputs import characters_of_tokens, check_syllables
from hanziformers.tokenization.tokenization_mpm_cner import MpmCnerTokenizer

VOCABULARY = {token: row for row, token in enumerate([*SPECIAL, *"银行长江的a", "##长", "ab"])}


def make_tokenizer(**options):
    return MpmCnerTokenizer(VOCABULARY, **options)


def test_rows_follow_the_list():
    for syllables in (["yin2", "hang2"], ("hang2", "yin2")):
        encoded = make_tokenizer(syllables=syllables)("银行a")
        names = ["-", *syllables]
        assert [names[row] for row in encoded["syllable_ids"]] == ["-", "yin2", "hang2", "-", "-"]


def test_readings_go_before_and_can_be_changed():
    readings = {"长": "zhang3", "长江": "cháng jiang1"}
    tokenizer = make_tokenizer(syllables=["zhang3", "chang2", "jiang1"], readings=readings)
    assert tokenizer.readings == {"长": "zhang3", "长江": "chang2 jiang1"}
    assert tokenizer("长江长")["syllable_ids"] == [0, 2, 3, 1, 0]
    tokenizer.readings = {"江": "-"}
    assert tokenizer("长江")["syllable_ids"] == [0, 2, 0, 0]
    assert not tokenizer.unvoiced
    with pytest.raises(ValueError, match="1 for 2 characters"):
        tokenizer.readings = {"长江": "chang2"}
    with pytest.raises(ValueError, match=r"readings holds '长\\n江', a word with a line break"):
        tokenizer.readings = {"长\n江": "chang2 - jiang1"}  # it would be found across two texts of a batch
    with pytest.raises(TypeError, match="give word -> syllables"):
        make_tokenizer(readings=["长"])
    assert tokenizer.readings == {"江": "-"}  # nothing changed


def test_a_syllable_without_a_row_is_counted_and_warned_about(warnings):
    tokenizer = make_tokenizer(syllables=["yin2"], readings={"行": "xing2"})
    batch = tokenizer(["银行的", "行行"])
    assert batch["syllable_ids"] == [[0, 1, 0, 0, 0], [0, 0, 0, 0]]
    assert tokenizer.unvoiced == {"行": 3, "的": 1}
    (message,) = warnings
    assert "2 different ones so far, 4 in all, among them 行 xing2, 的 de5" in message
    assert "tokenizer.readings" in message
    tokenizer("行")
    assert tokenizer.unvoiced.total() == 5
    assert len(warnings) == 1
    for again in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert not again.unvoiced
        assert again("银行")["syllable_ids"] == [0, 1, 0, 0]


def test_a_chinese_character_without_a_reading_is_counted_and_warned_about(warnings):
    tokenizer = make_tokenizer(syllables=["yin2"])
    assert tokenizer(["𠮷a、銀"], add_special_tokens=False)["syllable_ids"] == [[0, 0, 0, 1]]
    assert tokenizer.unvoiced == {"𠮷": 1}
    assert "1 different ones so far, 1 in all, among them 𠮷 (no reading)" in warnings[0]
    tokenizer.readings = {"𠮷": "yin2"}
    assert tokenizer("𠮷")["syllable_ids"] == [0, 1, 0]
    tokenizer.readings = {"𠮷": "-"}  # the user's word that it is silent
    assert tokenizer("𠮷")["syllable_ids"] == [0, 0, 0]
    assert tokenizer.unvoiced.total() == 1


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("zhong1", TypeError, "syllables is 'zhong1'; give a list of toned syllables"),
        ({"zhong1": 1}, TypeError, "give a list"),
        (3, TypeError, "syllables is 3"),
        ([], ValueError, "syllables holds nothing"),
        (["zhong1", "guo2", "zhong1"], ValueError, "syllables holds 'zhong1' twice"),
        (["zhong1", None], ValueError, "syllables holds None"),
        (["zhong1", "Guo2"], ValueError, "'Guo2'; every entry must be a toned syllable"),
        (["zhong"], ValueError, "'zhong'"),
        (["zhong0"], ValueError, "'zhong0'"),
        (["lü4"], ValueError, "'lü4'"),
        (["../zhong1"], ValueError, "'../zhong1'"),
        (["zhong1\n"], ValueError, r"'zhong1\n'"),
        ([""], ValueError, "syllables holds ''"),
    ],
)
def test_a_wrong_list_is_refused_by_name(wrong, error, said):
    with pytest.raises(error, match=re.escape(said)):
        check_syllables(wrong)
    tokenizer = make_tokenizer(syllables=["yin2"])
    with pytest.raises(error, match=re.escape(said)):
        tokenizer.syllables = wrong
    assert tokenizer.syllables == ["yin2"]  # nothing changed
    with pytest.raises(error):
        make_tokenizer(syllables=wrong)


def test_the_list_cannot_be_changed_from_outside():
    given = ["yin2", "hang2"]
    tokenizer = make_tokenizer(syllables=given)
    given.reverse()
    tokenizer.syllables.clear()
    assert tokenizer.syllables == ["yin2", "hang2"]


def test_a_tokenizer_of_another_model_makes_none():
    """What a model takes is written into the tokenizer that it is trained with; a list of syllables changes nothing."""
    tokenizer = make_tokenizer(model_input_names=["input_ids", "attention_mask"], syllables=["yin2"])
    assert set(tokenizer("银")) == {"input_ids", "attention_mask"}


def test_characters_of_tokens():
    assert characters_of_tokens(["银", "##长", "ab", None, "#", "##", ""]) == ["银", "长", " ", " ", "#", " ", " "]
