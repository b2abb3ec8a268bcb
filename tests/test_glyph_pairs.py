"""GlyDB."""

import numpy as np
import pytest
from PIL import Image

from hanziformers.processors.fonts import FontChain
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor
from hanziformers.training.glyph_pairs import STYLES, glyph_dataset, radical_groups, traditional_forms
from hanziformers.training.image_table import read_images

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_the_default_list():
    characters = traditional_forms()
    assert len(characters) == len(set(characters)) == 18_400
    assert "語" in characters
    assert "语" not in characters
    assert len(set(radical_groups(characters).tolist())) == 214


def test_the_counts_of_the_docs():
    """By what fonts.json says of the ink of each font, without rendering all of them."""
    codes = np.array([ord(character) for character in traditional_forms()])
    counts = [FontChain(style, fallback=False).sources()[0][1].covered[codes].sum() for style in STYLES]
    assert counts == [18_398, 18_398, 18_382, 3_750, 3_750, 3_750]
    assert sum(counts) == 66_428


def test_forms_do_not_depend_on_neighbours():
    assert traditional_forms("头发发展后面") == [*"頭發展後面"]
    assert traditional_forms("長长") == ["長"]


@pytest.mark.parametrize("wrong", [["头发"], ["\n"], [""], [3], []])
def test_forms_of_what_is_no_character(wrong):
    with pytest.raises(ValueError, match="characters holds .*; give distinct single characters"):
        traditional_forms(wrong)


def test_rows_are_what_the_image_processor_renders():
    characters, styles = [*"人林語水"], ["brush", "cao"]
    table = glyph_dataset(characters, styles)
    assert table["character"][:] == [*"人林水"] * 2  # those that the styles have ink for
    assert table["style"][:] == sorted(table["style"][:], key=styles.index)
    assert table.column_names == ["character", "style", "image"]
    processor = HanziGlyphImageProcessor(styles=styles, size=48, binary=False, fallback=False, cache=False)
    for row, image in zip(table, read_images(table), strict=True):
        expected = processor.render([row["character"]])[0, styles.index(row["style"])]
        assert np.array_equal(image[0], expected)
        assert image.any()
    again = glyph_dataset(characters, styles)  # from the disk
    assert np.array_equal(read_images(again), read_images(table))


def test_fallbacks_and_variants_never_enter(warnings):
    table = glyph_dataset([*"橋桥語𠀀人"], ["brush", "seal"])
    found = set(zip(table["character"][:], table["style"][:], strict=True))
    # 橋 has ink in brush as 桥 alone, 𠀀 in song alone
    assert found == {("桥", "brush"), ("人", "brush"), ("人", "seal"), ("語", "seal")}
    assert not warnings


def test_own_fonts_and_installed_ones(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for character in "人木":
        pixels = np.full((64, 64), 255, np.uint8)
        pixels[16:48, 30 if character == "人" else 20 : 34] = 0
        Image.fromarray(pixels).save(folder / f"{character}.png")
    table = glyph_dataset([*"人木水"], ["mine", "brush"], {"mine": [str(folder)]})
    assert table["style"][:] == ["mine"] * 2 + ["brush"] * 3
    assert table["character"][:2] == [*"人木"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["人", "ab"],), "characters holds 'ab'; give distinct single characters"),
        ((["人", "人"],), "characters holds a character twice"),
        (([],), "characters holds nothing"),
        ((["人"], ["brush", "brush"]), "each style once"),
        ((["人"], ["brush"], {"cao": ["x.ttf"]}), "fonts for those"),
        ((["人"], ["nothing"]), "the style 'nothing' is not known"),
        ((["人"], "song"), "styles is 'song'; give a list of styles"),
        ((["人"], []), "styles is .*; give a list of styles"),
        ((["人", 3],), "characters holds 3"),
        ((["人", "水", "人"],), "characters holds a character twice, '人'"),
        ((["\u200b", "\ue000"], ["song", "brush"]), "no font of song, brush has ink for any of the 2 characters"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        glyph_dataset(*arguments)


def test_a_character_without_a_radical_is_refused():
    with pytest.raises(ValueError, match="'a' .and 1 more. has no radical"):
        radical_groups([*"人a〇"])
