"""Characters that a vocabulary has only in lower case or without accents, against BERT's own normalization."""

import pytest
from glyph_tools import SPECIAL
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from hanziformers.tokenization.simpler_forms import in_known_forms, simpler_forms

BLOCKS = ((0x21, 0x7E), (0xA1, 0x24F), (0x370, 0x52F), (0x1E00, 0x1FFF), (0x3041, 0x30FF), (0xF900, 0xFAFF))
BLOCKS += ((0xFF01, 0xFF9F), (0x2F800, 0x2FA1D))
LOWER = "abcdefghijklmnopqrstuvwxyzßαβγδεζηθικλμνξοπρσςτυφχψωабвгдежзиклмнопрстуфхцчшщъыьэюяａｂｃ"
# as BERT builds them: no token has an accent
KNOWN = sorted({*LOWER, *"かきくけこさしすせそたちつてとはひふへほカキクケコ年來見北不㐀1-·;"})


def test_what_bert_takes_for_one_token_is_that_token():
    characters = [chr(code) for first, last in BLOCKS for code in range(first, last + 1)]
    bert = BertTokenizer({token: row for row, token in enumerate([*SPECIAL, *KNOWN])}, do_lower_case=True)
    known = [bert.convert_ids_to_tokens(ids) for ids in bert(characters, add_special_tokens=False)["input_ids"]]
    found = in_known_forms(characters, set(KNOWN).__contains__, SPECIAL)
    compared = [(one, other) for one, other in zip(known, found, strict=True) if one and one != ["[UNK]"]]
    assert len(compared) > 600
    assert [other for _, other in compared] == [one[0] for one, _ in compared]


def test_a_form_is_one_character():
    assert simpler_forms("É") == ["é", "E", "e"]
    assert simpler_forms("が") == ["か"]
    assert simpler_forms("\uf98e") == ["年"]
    assert simpler_forms("İ") == ["I", "i"]  # its lower case is two characters
    assert simpler_forms("한") == simpler_forms("中") == simpler_forms("\u0301") == []


def test_what_the_vocabulary_has_stays():
    cased = {*"ABab", "é"}
    assert in_known_forms("ABCÉab[MASK]", cased.__contains__, ["[MASK]"]) == "ABCéab[MASK]"
    assert in_known_forms("ABC[MASK]M[CLS]", {*"abcm"}.__contains__, ["[MASK]", "[CLS]"]) == "abc[MASK]m[CLS]"
    assert in_known_forms("ABCM[MASK]", {*"abcmsk"}.__contains__, []) == "abcm[mask]"


@given(st.recursive(st.text(max_size=6) | st.none() | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_lengths_and_structure_stay(text):
    def same(one, other):
        if isinstance(one, list):
            return len(one) == len(other) and all(map(same, one, other))
        return len(one) == len(other) if isinstance(one, str) else one == other

    assert same(text, in_known_forms(text, {*LOWER}.__contains__, SPECIAL))


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_and_tuples(kind):
    assert in_known_forms(kind(["A", kind(["B"])]), {*"ab"}.__contains__, []) == kind(["a", kind(["b"])])
