"""The tokenizer of words: its vocabulary, the rows of its bank, and what is saved."""

import json
import pickle

import pytest
from datasets.fingerprint import Hasher
from word_tools import CHARACTERS, VOCABULARY, WORDS, N, make_word_tokenizer

from hanziformers import WordTokenizer

TEXT = "银行行长今天\u200b在 New York犇𠮷"
TOKENIZER = make_word_tokenizer()


def test_the_bank_holds_the_characters_of_the_vocabulary():
    assert TOKENIZER.bank_tokens() == ["[PAD]", "[UNK]", *CHARACTERS]
    assert (TOKENIZER.glyph_vocab_size, len(TOKENIZER)) == (N, len(WORDS))
    others = WordTokenizer({**VOCABULARY, "[UNK] \u200b": len(VOCABULARY)}, extra_characters="龘")
    assert others.bank_tokens() == ["[PAD]", "[UNK]", "龘"]
    with pytest.raises(ValueError, match="holds '龘' .* twice"):
        WordTokenizer(VOCABULARY, extra_characters="龘龘")


def test_a_vocabulary_that_is_counted():
    counted = WordTokenizer.count_vocabulary(["银行今天", ["今天", "New York"]], min_count=2)
    assert WordTokenizer(counted)("今天 银行")["word_ids"] == [2, 1]
    assert "银" in WordTokenizer.count_vocabulary(["银行"], "characters")


def test_save_and_load(tmp_path):
    tokenizer = make_word_tokenizer(cut="characters")
    tokenizer.set_extra_characters(tokenizer.extra_characters + "龘")
    before = Hasher.hash(tokenizer)
    tokenizer([TEXT, "龘犇"], padding=True, return_tensors="pt")
    assert Hasher.hash(tokenizer) == before
    assert dict(pickle.loads(pickle.dumps(tokenizer))(TEXT)) == dict(tokenizer(TEXT))
    tokenizer.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (saved["cut"], saved["extra_characters_start"]) == ("characters", 2)
    again = WordTokenizer.from_pretrained(tmp_path)
    assert (again.get_vocab(), again.glyph_vocab_size) == (VOCABULARY, N + 1)
    assert dict(again(TEXT + "[PAD]龘")) == dict(tokenizer(TEXT + "[PAD]龘"))
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    assert dict(WordTokenizer(str(path))(TEXT)) == dict(TOKENIZER(TEXT))


def test_no_token_can_be_added():
    tokenizer = make_word_tokenizer()
    for add in (
        lambda: tokenizer.add_tokens(["犇"]),
        lambda: tokenizer.add_tokens(["银"]),
        lambda: tokenizer.add_tokens(["银行"]),  # it would be found inside of 银行家
        lambda: tokenizer.add_special_tokens({"cls_token": "[CLS]"}),
    ):
        with pytest.raises(
            ValueError, match="cannot be added: a WordTokenizer knows the words of its vocabulary alone"
        ):
            add()
    assert len(tokenizer) == len(WORDS)
    assert tokenizer("银行家")["word_ids"] == [1]
