"""How tokens are rendered: characters, words, special tokens, what has no ink and what no font covers."""

import numpy as np
import pytest
from font_tools import MANY, WHOLE, box_font

from hanziformers.processors.fonts import NOT_FOUND, FontChain
from hanziformers.processors.glyph_rendering import NO_INK, WORD, GlyphRenderer
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def song():
    return HanziGlyphImageProcessor()


@pytest.mark.parametrize("size", [16, 24, 48, 96])
@pytest.mark.parametrize("binary", [True, False])
def test_shapes_and_values(size, binary):
    images = HanziGlyphImageProcessor(styles=["xingkai", "seal"], size=size, binary=binary).render(["人", "a", "[UNK]"])
    assert images.shape == (3, 2, size, size)
    assert images.dtype == np.uint8
    assert images.reshape(3, -1).any(1).all()
    assert (set(np.unique(images)) <= {0, 255}) is binary


def test_specials_have_about_the_papers_ink(song):
    ink = (song.render(SPECIALS) > 0).mean((1, 2, 3))
    assert ink == pytest.approx([0, 0.192, 0.144, 0.159, 0.149], abs=0.07)
    hei = HanziGlyphImageProcessor(styles=["hei"]).render(SPECIALS)
    assert (hei > 0).mean((1, 2, 3)) == pytest.approx([0, 0.192, 0.144, 0.159, 0.149], abs=0.03)


def test_words_are_whole_and_scale(song):
    small = song.render(["[MASK]", "international"])[:, 0]
    large = HanziGlyphImageProcessor(size=96).render(["[MASK]", "international"])[:, 0]
    for one, two in zip(small, large, strict=True):
        rows_one, rows_two = np.flatnonzero(one.any(1)), np.flatnonzero(two.any(1))
        assert rows_one[0] > 4
        assert rows_one[-1] < 43
        assert abs(2 * len(rows_one) - len(rows_two)) <= 4


def test_word_pieces(song):
    images = song.render(["中", "##中", "ing", "##ing", "##", "[ing]", "2019", "2018"])
    assert (images[0] == images[1]).all()
    assert (images[2] == images[3]).all()
    assert (images[2] == images[5]).all()
    assert images[4].any()
    assert (images[6] != images[7]).any()


def test_words_may_be_left_blank():
    processor = HanziGlyphImageProcessor(render_words=False)
    tokens = ["中", "##中", "##ing", "[UNK]", "[x]"]
    assert processor.render(tokens).reshape(5, -1).any(1).tolist() == [True, True, False, False, False]
    assert processor.can_render(tokens).all()


def test_what_has_no_ink_counts_as_rendered(song):
    tokens = ["[PAD]", " ", "\u3000", "\n", "\u200d", "\U000e0100"]
    assert not song.render(tokens).any()
    assert song.can_render(tokens).all()


@pytest.mark.parametrize("size", [8, 10, 12])
def test_small_binary_words_have_ink(size):
    words = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "##ing", "international", "2019", "www", "##th", "-"]
    images = HanziGlyphImageProcessor(size=size).render(words)
    assert images.reshape(len(words), -1).any(1).all()
    assert set(np.unique(images)) == {0, 255}


def test_visible_format_characters_are_rendered_where_a_font_has_them(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x0600: WHOLE, 0x2800: None, 0xFFF9: (0, 0, 500, 500)})
    tokens = ["\u0600", "\u2800", "\ufff9", "\u200b"]
    processor = HanziGlyphImageProcessor(fonts={"song": [path]})
    assert processor.render(tokens).reshape(4, -1).any(1).tolist() == [True, False, True, False]
    assert processor.can_render(tokens).tolist() == [True, False, True, True]
    assert HanziGlyphImageProcessor().can_render(tokens).tolist() == [False, False, False, True]
    assert processor.has_no_ink([*tokens, "[PAD]", "a"]).tolist() == [False, False, False, True, True, False]


def test_what_no_font_has(song):
    tokens = ["\U0010fffd", "中\U0010fffd", "\ud800", "中"]
    assert song.can_render(tokens).tolist() == [False, False, False, True]
    assert song.render(tokens).reshape(4, -1).any(1).tolist() == [False, False, False, True]


def test_distinct_characters_have_distinct_images(song):
    images = song.render(MANY)
    assert len({image.tobytes() for image in images}) == len(MANY)


def test_any_script_that_a_font_has(tmp_path):
    rare = {0x20000: (0, 0, 900, 800), 0xE000: (100, 0, 800, 500), 0xAC00: (0, 300, 900, 800), 0x1F600: WHOLE}
    path = box_font(tmp_path / "rare.ttf", rare)
    processor = HanziGlyphImageProcessor(fonts={"song": [str(path)]})
    tokens = [chr(code) for code in rare]
    assert processor.can_render(tokens).all()
    assert len({image.tobytes() for image in processor.render(tokens)}) == 4
    assert not HanziGlyphImageProcessor().can_render(["\U00020000"])[0]


@pytest.mark.parametrize(
    ("token", "letters", "alone"),
    [
        ("中", "中", "中"),
        ("##中", "中", "中"),
        ("##", "##", ""),
        ("##ing", "ing", ""),
        ("[MASK]", "MASK", ""),
        ("[中]", "中", ""),
        ("[]", "[]", ""),
        ("[PAD]", "", ""),
        ("a\u200bb", "ab", ""),
        ("\u3000", "", ""),
        ("", "", ""),
    ],
)
def test_letters_of_a_token(token, letters, alone):
    """`alone`: with render_words=False."""
    chains = [FontChain("song")]
    assert GlyphRenderer(chains, 24, True, True).letters_of(token) == letters
    assert GlyphRenderer(chains, 24, True, False).letters_of(token) == alone


def test_every_token_is_rendered_as_alone():
    """Many at once, in several styles, against one token and one style at a time."""
    tokens = ["中", "馬", "[MASK]", "##ing", "\u3000", "\U0010fffd", "中", "a", "2019", "龘", "[PAD]"]
    chains = [FontChain(style) for style in ("xingkai", "seal", "song")]
    together = GlyphRenderer(chains, 24, False, True)
    images = together.render(tokens, together.find(tokens))
    for column, chain in enumerate(chains):
        alone = GlyphRenderer([chain], 24, False, True)
        for row, token in enumerate(tokens):
            assert (images[row, column] == alone.render([token], alone.find([token]))[0, 0]).all()
    candidates = together.find(tokens).candidates
    assert (candidates[5] == NOT_FOUND).all()
    assert (candidates[[4, 10]] == NO_INK).all()
    assert (candidates[[2, 3, 8]] == WORD).all()
    assert chains[0].candidates()[candidates[1, 0]].variant  # 馬 as 马
