"""EM and F1 of answers, against cases that were counted by hand."""

import pytest

from hanziformers.training.reading_scores import _segments, cjrc, cmrc2018

CMRC = [
    # prediction, references, EM, F1
    ("光荣", ["光荣"], 1, 1),
    ("《光荣》。", ["光荣"], 1, 1),  # Chinese punctuation is nothing
    ("1,000", ["1000"], 0, 0),  # ASCII commas and dots are something
    ("光荣公司", ["光荣"], 0, 2 * 2 / (4 + 2)),
    ("北京大学", ["北京的大学"], 0, 2 * 2 / (4 + 5)),  # two runs of two characters: the longest one counts, not both
    ("京北", ["北京"], 0, 2 * 1 / (2 + 2)),
    ("ω-Force 3", ["ω-force"], 0, 2 * 1 / (2 + 1)),  # "ωforce" and "3": words, not letters
    ("iPhone手机", ["iphone"], 0, 2 * 1 / (3 + 1)),
    ("上海", ["北京"], 0, 0),
    ("上海", ["北京", "在上海"], 0, 2 * 2 / (2 + 3)),  # the best reference
    ("在上海", ["上海", "在上海市"], 0, 2 * 3 / (3 + 4)),
    ("", [""], 1, 1),  # SQuAD 2.0: no answer
    ("", ["北京"], 0, 0),
    ("北京", [""], 0, 0),
    ("", ["。"], 0, 0),
    ("北京", ["", "北京"], 1, 1),
    ("。", ["，"], 1, 0),  # as the script has it: nothing equals nothing, but no run is common
    ("銀行", ["银行"], 0, 2 * 1 / (2 + 2)),
    ('"是一种', ['lambei"是一种'], 0, 2 * 3 / (4 + 5)),  # the quote opens one text and closes a word of the other
    ('"X"', ['"X"'], 1, 1),
]


@pytest.mark.parametrize(("prediction", "references", "exact", "f1"), CMRC)
def test_cmrc2018(prediction, references, exact, f1):
    assert cmrc2018(prediction, references) == (exact, pytest.approx(f1))


SEGMENTS = {
    "3.5公里": ["3.5", "公", "里"],
    "A、B和C": ["ab", "和", "c"],  # punctuation goes before words are cut
    "10%(约)": ["10", "%", "(", "约", ")"],
    "don't stop.": ["do", "n't", "stop", "."],
    "1982–2013年": ["1982", "–", "2013", "年"],
    "U.S.A. x": ["u.s.a.", "x"],
    "R'的'x'": ["r", "'", "的", "'", "x", "'"],
    '学名"Fossa fossana"，': ["学", "名", "``", "fossa", "fossana", "''"],  # as nltk.word_tokenize has quotes
    '("x")"': ["(", "``", "x", "''", ")", "''"],
    '是""。': ["是", "``", "``"],
    'don\'t "go".': ["do", "n't", "``", "go", "''", "."],
    "\U0002070e姓": ["\U0002070e", "姓"],
}


@pytest.mark.parametrize(("text", "segments"), SEGMENTS.items())
def test_segments(text, segments):
    assert _segments(text) == segments


CJRC = [
    ("2300元", ["2300元"], 1, 1),
    ("2300 元。", ["2300元"], 1, 1),  # letters and digits alone
    ("元2300", ["2300元"], 0, 1),  # in any order
    ("周x3", ["妹妹周x3"], 0, 2 * 3 / (3 + 5)),
    ("YES", ["yes"], 1, 1),
    ("YES", ["NO"], 0, 0),
    ("", [""], 1, 1),
    ("", ["YES"], 0, 0),
    ("，", [""], 1, 1),  # as the script has it
    # each reference is left out once: max(b, c), max(a, c), max(a, b)
    ("月租金2300元", ["2300元", "月租金2300元", "2300元"], 2 / 3, (1 + 2 * 5 / (8 + 5) + 1) / 3),
    ("YES", ["YES", "YES", ""], 1, 1),
    ("", ["YES", "YES", ""], 2 / 3, 2 / 3),
    ("NO", ["YES", "NO"], 1 / 2, 1 / 2),
]


@pytest.mark.parametrize(("prediction", "references", "exact", "f1"), CJRC)
def test_cjrc(prediction, references, exact, f1):
    assert cjrc(prediction, references) == (pytest.approx(exact), pytest.approx(f1))
