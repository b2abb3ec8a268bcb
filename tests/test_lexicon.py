"""The lexicon: every word of it that stands in a text is found, against a slow second version."""

import pickle
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hanziformers.tokenization.lexicon import Lexicon

words = st.lists(st.text("南京市长江大桥𠮷ab20", min_size=2, max_size=5), max_size=12)
texts = st.text("南京市长江大桥𠮷ab20 \n\u200b", max_size=20)


def slow_find(words, text):
    """Every stretch of the text that is a word."""
    found = []
    for start in range(len(text)):
        found += [(start, end, words.index(text[start:end])) for end in range(start + 2, len(text) + 1)
                  if text[start:end] in words]  # fmt: skip
    return found


@given(words, texts)
@example(["南京", "南京市", "市长", "长江", "长江大桥", "南京"], "南京市长江大桥")
@example(["aa", "aaa"], "aaaa")
@example(["ab", "abab"], "ab")  # the end of the text is not the beginning of a longer word
def test_all_words_are_found(words, text):
    lexicon = Lexicon(words)
    starts, ends, numbers = lexicon.find(text)
    assert list(zip(starts.tolist(), ends.tolist(), numbers.tolist(), strict=True)) == slow_find(lexicon.words, text)


def test_long_texts_and_large_lexicons_are_fast():
    """Measured: about 0.3 s for a million characters; a scan for each word would take minutes."""
    syllables = [chr(0x4E00 + i) for i in range(400)]
    lexicon = Lexicon(a + b + "的" * (i % 3) for i, a in enumerate(syllables) for b in syllables)
    text = "".join(syllables[i * i % 397] for i in range(200_000))
    began = time.process_time()
    starts, _, _ = lexicon.find(text)
    assert time.process_time() - began < 5
    assert len(starts) > 50_000


def test_words_of_texts():
    lexicon = Lexicon.from_texts(["南京市长江大桥ABC 你好\r\n", ["你", "好", "北京"], ""])
    assert lexicon.words == ["南京", "南京市", "京市", "市长", "长江", "长江大桥", "大桥", "ABC", "你好", "北京"]
    assert len(Lexicon.from_texts(["很 的"])) == 0


def test_files(tmp_path, warnings):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeff南京\r\n\r\n市\n长江\n南京\n".encode())
    lexicon = Lexicon.from_file(path)
    assert lexicon.words == ["南京", "长江"]
    assert ["2 of 4 words of the lexicon have one character or stand there twice" in text for text in warnings] == [
        True
    ]
    lexicon.save(tmp_path / "again.txt")
    assert Lexicon.from_file(tmp_path / "again.txt") == lexicon != Lexicon(["南京"])
    assert pickle.loads(pickle.dumps(lexicon)) == lexicon
    Lexicon().save(path)
    assert Lexicon.from_file(path) == Lexicon()


@pytest.mark.parametrize("line", ["南京 0.1 0.2", "南\u200b京", "南京\t3", " 南京", "\u3000"])
def test_lines_that_are_no_words_are_refused(tmp_path, line):
    path = tmp_path / "words.txt"
    path.write_text(f"长江\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: .* holds white space.* one word a line"):
        Lexicon.from_file(path)


def test_what_is_no_lexicon_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no lexicon file .* with one word a line"):
        Lexicon.from_file(tmp_path / "missing.txt")
    (tmp_path / "words.txt").write_bytes("南京".encode("gb18030"))
    with pytest.raises(ValueError, match="is not UTF-8"):
        Lexicon.from_file(tmp_path / "words.txt")
    with pytest.raises(ValueError, match="a word of the lexicon is None, but must be a string"):
        Lexicon(["南京", None])
    for make in (Lexicon, Lexicon.from_texts):  # not its characters
        with pytest.raises(ValueError, match="the string '南京市长' is given in place of a list of strings"):
            make("南京市长")
    with pytest.raises(ValueError, match="lone surrogate"):
        Lexicon(["南\ud800"])
