"""Chains of fonts: which source renders a character, and what happens where none does."""

import opencc
import pytest
from font_tools import box_font, image_folder

from hanziformers.processors import fonts, shipped_fonts, system_fonts
from hanziformers.processors.character_variants import variants
from hanziformers.processors.font_manifest import font_manifest_markdown, make_font_manifest
from hanziformers.processors.fonts import NOT_FOUND, FontChain, open_chains

OPENCC = opencc.OpenCC("s2t")
pytestmark = pytest.mark.usefixtures("own_fonts")


def test_the_users_path_comes_first(tmp_path):
    path = box_font(tmp_path / "mine.ttf", {0x4E00: (0, 0, 900, 900)})
    chain = FontChain("song", {"song": [str(path)]})
    indices, rendered = chain.find(list("一二"))
    assert [chain.candidates()[n].source.where for n in indices] == ["path", "shipped"]
    assert rendered == ["一", "二"]


def test_order_path_checkpoint_shipped_installed(tmp_path, monkeypatch):
    paths = [box_font(tmp_path / f"{n}.ttf", {0x4E00 + n: (0, 0, 900, 900)}) for n in range(3)]
    monkeypatch.setattr(system_fonts, "installed_files", lambda: {"simsun.ttc": paths[2]})
    fonts._installed.cache_clear()
    chain = FontChain("song", {"song": [str(paths[0])]}, {"song": [str(paths[1])]})
    assert [s.where for s in chain.levels[0][1]] == ["path", "checkpoint", "shipped", "system"]


def test_variants_come_before_another_style():
    chain = FontChain("xingkai")
    indices, rendered = chain.find(["马", "馬", "龘", "か"])
    found = [chain.candidates()[n] for n in indices]
    assert [(w.style, w.variant) for w in found] == [
        ("xingkai", False),
        ("xingkai", True),
        ("kai", False),
        ("kai", False),
    ]
    assert rendered == ["马", "马", "龘", "か"]


def test_without_fallback_what_is_missing_is_not_rendered():
    indices, _ = FontChain("seal", fallback=False).find(["一", "龘"])
    assert (indices >= 0).tolist() == [True, False]


def test_a_fallback_is_stated(warnings):
    fonts.logger.warning_once.__func__.cache_clear()
    chain = FontChain("wei")
    assert chain.levels[0] == ("wei", [])
    assert any(
        "there is no font of the style 'wei' here; its fallback 'kai' renders everything" in text for text in warnings
    )
    indices, _ = chain.find(["中"])
    manifest = make_font_manifest(["中"], indices[:, None], [chain])
    assert manifest["styles"][0]["fallbacks"] == {"kai": 1}
    assert "(fallback: kai)" in font_manifest_markdown(manifest)


def test_unknown_style():
    with pytest.raises(ValueError, match=r"the style 'comic' is not known; use one of song, hei, kai"):
        FontChain("comic")


def test_no_font_at_all(monkeypatch):
    monkeypatch.setattr(shipped_fonts, "shipped_folder", lambda: None)
    fonts._shipped.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"no font for the style 'kai': .*pip install hanziformers"):
            FontChain("kai")
    finally:
        fonts._shipped.cache_clear()


@pytest.mark.parametrize("style", ["xingkai", "seal", "bronze", "wei", "lishu", "traditional"])
def test_find_takes_the_first_candidate_that_covers(style):
    """Against one character and one candidate at a time."""
    chain, characters = FontChain(style), list("一马馬行龘鬱か가a𠀀\U0010fffd，")
    indices, rendered = chain.find(characters)
    for character, index, form in zip(characters, indices, rendered, strict=True):
        slow = (NOT_FOUND, character)
        for number, candidate in enumerate(chain.candidates()):
            forms = variants(character) if candidate.variant else (character,)
            if candidate.traditional:
                forms = {OPENCC.convert(character)} - {character}
            found = next((one for one in forms if candidate.source.covered[ord(one)]), None)
            if found is not None:
                slow = (number, found)
                break
        assert (index, form) == slow, character


def test_an_error_of_a_font_that_is_still_there_is_not_explained_away(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: (0, 0, 900, 900)})
    chain = FontChain("song", {"song": [str(path)]})
    with pytest.raises(ValueError, match="damaged"), fonts.removed_fonts_named([chain]):
        raise ValueError("damaged")
    path.unlink()
    words = "a font of the style 'song', is no longer there"
    with pytest.raises(FileNotFoundError, match=words), fonts.removed_fonts_named([chain]):
        raise OSError("anything")


def rendered(chain, characters):
    """(style, character that is rendered, whether as a variant) of each character, or None."""
    indices, forms = chain.find(list(characters))
    found = [(chain.candidates()[n], form) if n != NOT_FOUND else None for n, form in zip(indices, forms, strict=True)]
    return [one and (one[0].style, one[1], one[0].variant) for one in found]


def test_old_scripts_render_the_traditional_form():
    assert rendered(FontChain("traditional"), "马馬国人𠮷") == [("traditional", form, False) for form in "馬馬國人𠮷"]
    assert rendered(FontChain("bronze"), "马馬") == [("bronze", "馬", False)] * 2
    assert rendered(FontChain("seal"), "车爱") == [("seal", "車", False), ("kai", "爱", False)]
    assert rendered(FontChain("song"), "马") == [("song", "马", False)]


@pytest.mark.parametrize("style", ["lishu", "seal", "bronze", "oracle", "bigseal", "traditional"])
def test_both_forms_of_the_users_font_come_before_another_source(tmp_path, style):
    both = box_font(tmp_path / "both.ttf", {ord("马"): (0, 0, 900, 900), ord("馬"): (0, 0, 500, 900)})
    folder = image_folder(tmp_path / "images", {"马.png": "black"})  # named by the simplified character
    for path, form in ((both, "馬"), (folder, "马")):
        chain = FontChain(style, {style: [str(path)]})
        index, forms = chain.find(["马"])
        assert (chain.candidates()[index[0]].source.where, forms) == ("path", [form])


def test_fallbacks_do_not_render_another_form():
    """Nothing but the scripts themselves converts: Kai in their place shows the character of the text."""
    chain = FontChain("lishu", fallback=["kai"])
    assert rendered(chain, "马") == [("kai", "马", False)]


def test_a_set_of_styles_shares_no_fallback(warnings):
    fonts.logger.warning_once.__func__.cache_clear()
    chains = open_chains(["lishu", "kai", "brush", "wei", "xingkai"], None, {}, True)
    assert [rendered(chain, "爱") for chain in chains] == [
        [("hei", "爱", False)],  # one style may be blank, not two
        [("kai", "爱", False)],
        [("brush", "爱", False)],
        [None],
        [("xingkai", "爱", False)],
    ]
    assert any("there is no font of the style 'wei' here; everything is blank in it" in text for text in warnings)
    with pytest.raises(ValueError, match="no font for the style 'lishu'"):
        open_chains(["lishu", "wei"], None, {}, False)
