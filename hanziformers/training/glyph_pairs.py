"""GlyDB: glyph images of characters in several fonts, and what RCI asks of them (section 2.2 of MPM-CNER).

The paper gives no list for its 18,467 traditional characters. The default list here has 18,400: the distinct
traditional forms (OpenCC, s2t) of the characters U+4E00-9FFF. Each has one of the 214 radicals, and a radical has two
characters or more. The shipped fonts have ink for this many of them:

    song 18,398   kai 18,398   hei 18,382   xingkai 3,750   cao 3,750   brush 3,750   together 66,428

An image enters GlyDB only if a font of the style itself has ink for the character: no fallback style, no variant.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from datasets import Dataset

from ..processors.fonts import NOT_FOUND, FontChain
from ..processors.glyph_cache import read_arrays, write_arrays
from ..processors.glyph_rendering import GlyphRenderer
from ..processors.radicals import radicals
from ..tokenization.traditional import to_traditional
from .image_table import image_dataset

STYLES = ("song", "kai", "hei", "xingkai", "cao", "brush")
SIZE = 48  # pixels


def traditional_forms(characters: Iterable[str] | None = None) -> list[str]:
    """The distinct traditional forms of single characters, in their order.

    Args:
        characters: None is U+4E00-9FFF, which gives 18,400.

    Raises:
        ValueError: there is none, or something is no single character.
    """
    given = _single(map(chr, range(0x4E00, 0xA000)) if characters is None else characters)
    # a line each: beside others a character may have another form
    return list(dict.fromkeys(to_traditional("\n".join(given)).split("\n")))


def glyph_dataset(
    characters: Iterable[str] | None = None,
    styles: Sequence[str] = STYLES,
    fonts: Mapping[str, Sequence[str]] | None = None,
    installed: bool = False,
) -> Dataset:
    """Renders GlyDB. Images are kept on disk, see `HanziGlyphImageProcessor`.

    Args:
        characters: distinct single characters, rendered as they are; None is `traditional_forms()`.
        styles: names of `processors.fonts.STYLES`, or of your own with `fonts`.
        fonts: style -> paths of your fonts for it, tried first.
        installed: use also the installed fonts of these styles for what the others lack; they differ by machine.

    Returns:
        Rows `character` (str), `style` (str), `image` (uint8 [48, 48], foreground 255 on background 0, grey): the
        characters of the first style in their order, then those of the second, ... A character for which a style has no
        ink has no row of that style.

    Raises:
        ValueError: something is no single character, or stands twice; no style has ink for any of them; no styles, or a
            style without fonts, twice, or with fonts and not used.
        FileNotFoundError: there is nothing at a path.
    """
    characters = traditional_forms() if characters is None else _single(characters)
    if len(set(characters)) < len(characters):
        twice = next(one for one, number in Counter(characters).items() if number > 1)
        raise ValueError(f"characters holds a character twice, {twice!r}; give distinct single characters")
    if isinstance(styles, str) or not styles:
        raise ValueError(f"styles is {styles!r}; give a list of styles, such as ['song', 'kai']")
    unused = set(fonts or ()) - set(styles)
    if unused or len(set(styles)) < len(styles):
        raise ValueError(f"styles={list(styles)} and fonts for {sorted(fonts or ())}: each style once, fonts for those")
    parts = [_render(FontChain(style, dict(fonts or {}), fallback=False), characters, installed) for style in styles]
    if not any(kept for kept, _ in parts):
        raise ValueError(
            f"no font of {', '.join(styles)} has ink for any of the {len(characters):,} characters, {characters[0]!r} "
            "first; give other styles, or fonts that have them"
        )
    return image_dataset(
        np.concatenate([images for _, images in parts]),
        character=[character for kept, _ in parts for character in kept],
        style=[style for style, (kept, _) in zip(styles, parts, strict=True) for _ in kept],
    )


def _single(characters: Iterable[str]) -> list[str]:
    """Refuses what is no list of single characters."""
    listed = list(characters)
    wrong = [one for one in listed if not isinstance(one, str) or len(one) != 1 or one == "\n"]
    if wrong or not listed:
        what = repr(wrong[0]) if wrong else "nothing"
        raise ValueError(f"characters holds {what}; give distinct single characters")
    return listed


def radical_groups(characters: Sequence[str]) -> np.ndarray:
    """The radical of each character, int64 [n]: the groups of RCI.

    Raises:
        ValueError: a character has no radical in the table.
    """
    found = radicals(characters)
    if not found.all():
        lacking = [character for character, radical in zip(characters, found, strict=True) if not radical]
        raise ValueError(f"{lacking[0]!r} (and {len(lacking) - 1} more) has no radical; take Han characters")
    return found


def _render(chain: FontChain, characters: list[str], installed: bool) -> tuple[list[str], np.ndarray]:
    """The characters that the fonts of a style have, and their images, uint8 [n, 48, 48]."""
    found, _ = chain.find(characters)
    fine = [not one.variant and (installed or one.source.where != "system") for one in chain.candidates()]
    own = (found != NOT_FOUND) & np.array([*fine, False])[found]
    kept = [character for character, has_ink in zip(characters, own, strict=True) if has_ink]
    renderer = GlyphRenderer([chain], SIZE, binary=False, render_words=False)
    name, shape = f"glyphs-{renderer.key(kept)}-pairs.npz", (len(kept), 1, SIZE, SIZE)
    arrays = read_arrays(name, {"images": (shape, np.uint8)})
    if arrays is None:
        arrays = {"images": renderer.render(kept, renderer.find(kept))}
        write_arrays(name, arrays)
    return kept, arrays["images"][:, 0]


__all__ = ["STYLES", "glyph_dataset", "radical_groups", "traditional_forms"]
