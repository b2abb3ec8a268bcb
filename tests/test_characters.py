"""Character classes: consistent with each other, and with what the processors take as having no ink."""

import unicodedata

import numpy as np
from tokenizers import Regex, pre_tokenizers

from hanziformers.processors.ink import has_no_ink
from hanziformers.tokenization.characters import (
    CODE_POINTS,
    COMMON_BLOCKS,
    NO_INK,
    SURROGATES,
    characters_of,
    code_points,
    may_have_ink,
    regex_of,
)


def test_ranges_are_ordered_and_apart():
    for ranges in (NO_INK, COMMON_BLOCKS, SURROGATES):
        borders = [code for pair in ranges for code in pair]
        assert borders == sorted(borders)
        assert all(last < first for (_, last), (first, _) in zip(ranges, ranges[1:], strict=False))
        assert 0 <= borders[0] <= borders[-1] < CODE_POINTS


def test_code_points_of_any_text():
    text = "a银𠀀\ud800\x00\U0010ffff"
    assert code_points(text).tolist() == [ord(character) for character in text]
    assert code_points(text).dtype == np.uint32
    assert code_points("").shape == (0,)


def test_what_may_have_ink():
    table = may_have_ink()
    assert table is may_have_ink()
    assert table.dtype == bool
    assert table.shape == (CODE_POINTS,)
    assert not table.flags.writeable
    slow = [not any(first <= code <= last for first, last in (*NO_INK, *SURROGATES)) for code in range(CODE_POINTS)]
    assert np.array_equal(table, slow)
    assert not table[[0, 9, 10, 32, 0x200B, 0x3000, 0xD800, 0xFE0F, 0xFEFF]].any()
    assert table[[ord(character) for character in "a。〇龘𠀀が각\ue000é"]].all()
    assert not table[[code for code in range(CODE_POINTS) if chr(code).isspace()]].any()


def test_processors_and_tokenizers_agree_on_every_code_point():
    """Else a token would have a blank glyph image, which is padding."""
    tokens = may_have_ink()
    reserved = set()
    for code in range(CODE_POINTS):
        character = chr(code)
        category = unicodedata.category(character)
        if category not in ("Cn", "Cs"):
            assert has_no_ink(character) is not bool(tokens[code]), f"U+{code:04X}"
        else:  # no characters, or not yet: no font has them, and processors need no rule for them
            assert not has_no_ink(character)
            reserved |= set() if tokens[code] or category == "Cs" else {code}
    # what Unicode reserves for default-ignorable characters is removed even before it is assigned
    blocks = {0x2065, *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)}
    assert reserved <= blocks | {0x180F}
    assert all(not tokens[code] for code in blocks)


def test_common_characters_all_may_have_ink():
    common = characters_of(COMMON_BLOCKS)
    assert common == [chr(code) for first, last in COMMON_BLOCKS for code in range(first, last + 1)]
    assert may_have_ink()[code_points("".join(common))].all()
    assert set("aZ中国，。〇あカㄅ가Ａé𠀀") - set(common) == {"𠀀"}


def test_a_regular_expression_of_ranges():
    split = pre_tokenizers.Split(Regex(regex_of(NO_INK)), "removed")
    some = [*range(0x3100), *range(0xFE00, 0x10000), *range(0xE0000, 0xE1100), 0x1BCA0, 0x1D173]
    some = [code for code in some if not 0xD800 <= code <= 0xDFFF]
    kept = "".join(piece for piece, _ in split.pre_tokenize_str("".join(map(chr, some))))
    assert kept == "".join(chr(code) for code in some if may_have_ink()[code])
