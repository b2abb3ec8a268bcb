"""Composites of composites: FreeType follows all of them."""

import pytest
from font_tools import box_font
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph, GlyphComponent

from hanziformers.processors.composite_glyphs import MOST_LEVELS, check_composites
from hanziformers.processors.font_checks import open_tables
from hanziformers.processors.fonts import open_source

pytestmark = pytest.mark.usefixtures("own_fonts")

NAMES = [f"u{0x4E00 + number:x}" for number in range(40)]


def composite_font(path, parts, scales=()):
    """A font of 40 boxes (the last of which are blank), some of whose glyphs are made of others."""
    boxes = {int(name[1:], 16): (0, 0, 900 - 10 * row, 900) if row < 30 else None for row, name in enumerate(NAMES)}
    font = TTFont(box_font(path.with_suffix(".ttf"), boxes), recalcBBoxes=False)
    for name, components in parts.items():
        glyph = Glyph()
        glyph.numberOfContours, glyph.components = -1, []
        glyph.xMin = glyph.yMin = 0
        glyph.xMax = glyph.yMax = 900
        for number, part in enumerate(components):
            component = GlyphComponent()
            component.glyphName, component.x, component.y, component.flags = part, 300 * (number % 2), 0, 3
            if scales:
                component.transform = scales
            glyph.components.append(component)
        font["glyf"].glyphs[name] = glyph
    font.flavor = "woff2" if path.suffix == ".woff2" else None
    font.save(path)
    return path


HOSTILE = {
    "itself": {NAMES[0]: [NAMES[0]]},
    "each other": {NAMES[0]: [NAMES[1]], NAMES[1]: [NAMES[0]]},
    "tens of tens": {NAMES[row]: 10 * [NAMES[row + 1]] for row in range(10)},
    "tens of blank tens": {NAMES[row + 26]: 10 * [NAMES[row + 27]] for row in range(10)},
    "a long chain": {NAMES[row]: [NAMES[row + 1]] for row in range(30)},
    "a long chain, last first": {NAMES[row + 1]: [NAMES[row]] for row in range(30)},
    "many": {NAMES[0]: 2000 * [NAMES[1]]},
}


@pytest.mark.parametrize("ending", ["ttf", "woff2"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_nested_composites_are_refused(tmp_path, kind, ending):
    path = composite_font(tmp_path / f"x.{ending}", HOSTILE[kind])
    with pytest.raises(ValueError, match=rf"x\.{ending}' cannot be used: its glyph \d+ (is nested|has .* components)"):
        _ = open_source(path).info


@pytest.mark.parametrize("scales", [(), [[0.5, 0], [0, 0.5]], [[0.5, 0], [0, 0.25]], [[0.5, 0.1], [0.1, 0.5]]])
def test_components_are_read_whatever_their_scale(tmp_path, scales):
    parts = {NAMES[0]: [NAMES[1], NAMES[2]], NAMES[3]: [NAMES[0], NAMES[4]]}
    for ending in ("ttf", "woff2"):
        source = open_source(composite_font(tmp_path / f"x.{ending}", parts, scales))
        assert source.covered[0x4E00]
        assert source.covered[0x4E03]
    for ending in ("ttf", "woff2"):  # behind a scaled component comes another one, which is found as well
        bad = composite_font(tmp_path / f"y.{ending}", {**parts, NAMES[5]: [NAMES[1], NAMES[5]]}, scales)
        with open_tables(bad, 0) as (font, _), pytest.raises(ValueError, match="is nested"):
            check_composites(font)


def test_levels_that_are_allowed(tmp_path):
    chain = {NAMES[row]: [NAMES[row + 1]] for row in range(MOST_LEVELS - 1)}
    with open_tables(composite_font(tmp_path / "x.ttf", chain), 0) as (font, _):
        check_composites(font)
    chain = {NAMES[row]: [NAMES[row + 1]] for row in range(MOST_LEVELS)}
    path = composite_font(tmp_path / "y.ttf", chain)
    with open_tables(path, 0) as (font, _), pytest.raises(ValueError, match="nested in more than 16 levels"):
        check_composites(font)
