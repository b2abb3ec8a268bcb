"""Rows of the bank: tokens, then extra characters, and nothing that would move them."""

import json
import pickle

import pytest
from glyph_tools import EXTRA, RARE, TOKENS, VOCABULARY, N, V, make_tokenizer
from transformers import AddedToken, AutoTokenizer

from hanziformers import GlyphCrmTokenizer
from hanziformers.tokenization.characters import COMMON_BLOCKS


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


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("犇犇", r"'犇' \(U\+7287\) twice"),
        ("银", "the vocabulary has it"),
        ("犇\u200b", "no glyph image"),
        ("\ud800", "no glyph image"),
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


def test_common_characters_are_those_without_a_row():
    tokenizer = make_tokenizer()
    common = tokenizer.common_characters()
    assert common == sorted(set(common), key=ord)
    blocks = {chr(code) for first, last in COMMON_BLOCKS for code in range(first, last + 1)}
    assert set(common) == blocks - set(TOKENS) - set(EXTRA)
    tokenizer.set_extra_characters(EXTRA + "".join(common))  # all of them can be rows
    assert tokenizer.common_characters() == []
