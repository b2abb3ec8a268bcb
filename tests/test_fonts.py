"""Chains of fonts: which source renders a character, and what happens where none does."""

import pytest
from font_tools import box_font

from hanziformers.processors import fonts, shipped_fonts, system_fonts
from hanziformers.processors.character_variants import variants
from hanziformers.processors.font_manifest import font_manifest_markdown, make_font_manifest
from hanziformers.processors.fonts import FALLBACK_STYLES, NOT_FOUND, STYLES, FontChain

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


def test_every_style_ends_in_song_hei_kai():
    assert set(FALLBACK_STYLES.values()) <= set(STYLES)
    for name in STYLES:
        names = [style for style, _ in FontChain(name).levels]
        assert names[0] == name
        assert len(names) == len(set(names))
        assert {"song", "hei", "kai"} <= set(names)


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


@pytest.mark.parametrize("style", ["xingkai", "seal", "bronze", "wei"])
def test_find_takes_the_first_candidate_that_covers(style):
    """Against one character and one candidate at a time."""
    chain, characters = FontChain(style), list("一马馬行龘鬱か가a𠀀\U0010fffd，")
    indices, rendered = chain.find(characters)
    for character, index, form in zip(characters, indices, rendered, strict=True):
        slow = (NOT_FOUND, character)
        for number, candidate in enumerate(chain.candidates()):
            forms = variants(character) if candidate.variant else (character,)
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
