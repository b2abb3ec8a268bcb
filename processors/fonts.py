"""Styles of Chinese writing, the fonts that render them, and font manifests that say which font drew what.

A style renders a character with the first of its own sources that has it:

1. the paths that the user gives for it (fonts, folders or zips of glyph images),
2. the fonts saved with the checkpoint,
3. the fonts shipped here,
4. well-known fonts of the style that are installed.

Shipped fonts come before installed ones, so that a processor renders the same glyph images on every machine; an installed
font renders only what those lack. What none of them has is rendered as its simplified or traditional variant by the same
sources; what is then missing is rendered in the style that stands in (`FALLBACK_STYLES`), and is otherwise not rendered. Twins
and other styles are counted in the font manifest and reported once as a warning.
"""

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import opencc
from transformers.utils import logging

from .font_source import Source, open_source, shipped_folder

logger = logging.get_logger(__name__)

# style -> the file that is shipped for it
SHIPPED = {
    "song": "song.woff2",
    "hei": "hei.woff2",
    "kai": "kai.woff2",
    "xingkai": "xingkai.woff2",
    "cao": "cao.woff2",
    "brush": "brush.woff2",
    "seal": "seal.ttf",
    "bronze": "ancient-characters.zip#bronze",
    "oracle": "ancient-characters.zip#oracle",
    "bigseal": "ancient-characters.zip#bigseal",
}
SHIPPED_TOO = {"seal": "ancient-characters.zip#seal"}  # a second source of the style
SHIPPED_FILES = {  # file -> the text of its licence
    name.partition("#")[0]: f"{name.partition('.')[0]}-{'PD' if '.zip' in name else 'OFL'}.txt"
    for name in (*SHIPPED.values(), *SHIPPED_TOO.values())
}

# style -> the style that stands in for what it lacks
FALLBACK_STYLES = {
    "song": "hei",
    "hei": "song",
    "kai": "song",
    "fangsong": "song",
    "xingkai": "kai",
    "cao": "xingkai",
    "brush": "kai",
    "lishu": "kai",
    "wei": "kai",
    "seal": "kai",
    "bronze": "seal",
    "oracle": "seal",
    "bigseal": "seal",
}
STYLES = tuple(FALLBACK_STYLES)

# style -> names of well-known font files, in lower case, best first
_INSTALLED = {
    "song": ("simsun.ttc", "simsunb.ttf", "notoserifcjk-regular.ttc", "notoserifcjksc-regular.otf", "songti.ttc"),
    "hei": ("simhei.ttf", "notosanscjk-regular.ttc", "notosanscjksc-regular.otf", "msyh.ttc", "wqy-zenhei.ttc"),
    "kai": ("simkai.ttf", "lxgwwenkai-regular.ttf", "stkaiti.ttf", "ukai.ttc"),
    "fangsong": ("simfang.ttf", "stfangso.ttf", "fandolfang-regular.otf", "cwtexfangsong-medium.ttf", "cwfs.ttf"),
    "xingkai": ("stxingka.ttf", "kouzanbrushfontgyousyo.ttf"),
    "cao": ("kouzanbrushfontsousyo.ttf",),
    "brush": (),
    "lishu": ("simli.ttf", "stliti.ttf", "moeli.ttf", "clerical-moeli.ttf", "edulv3.ttf"),
    "wei": ("stxinwei.ttf",),
    "seal": (),
    "bronze": (),
    "oracle": (),
    "bigseal": (),
    "other": ("hanamina.ttf", "hanaminb.ttf", "arialuni.ttf", "dejavusans.ttf", "unifont.otf", "unifont.ttf"),
}
_LAST = ("song", "hei", "kai", "other")  # whatever was tried before: other scripts, rare characters

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
# format characters (Cf) that Unicode does not want ignored: signs over numbers, interlinear marks, hieroglyph controls
_VISIBLE_FORMAT = frozenset(
    [*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD]
    + [*range(0xFFF9, 0xFFFC), *range(0x13430, 0x13440)]
)

NOWHERE = -1  # the place of a character that no source has


@dataclass(frozen=True)
class Place:
    """One way of rendering a character: with a source, of this style or of one that stands in, itself or its variant."""

    style: str
    source: Source
    variant: bool


class Style:
    """A style with its ordered chain of sources.

    Args:
        name: one of `STYLES`, or any other name for which `paths` or `saved` has fonts.
        paths: the user's fonts for each style; the styles that stand in use theirs as well.
        saved: the fonts saved with the checkpoint, for each style.
        substitute: let other styles stand in for what is missing.

    Raises:
        ValueError: an unknown style without fonts; no font at all; a path that is no font (see `Source`).
        FileNotFoundError: a path where nothing lies.
    """

    def __init__(
        self,
        name: str,
        paths: dict[str, Sequence[str]] | None = None,
        saved: dict[str, Sequence[str]] | None = None,
        fallback: bool = True,
    ) -> None:
        paths, saved = paths or {}, saved or {}
        if name not in STYLES and not paths.get(name) and not saved.get(name):
            raise ValueError(
                f"the style {name!r} is not known; use one of {', '.join(STYLES)}, or give fonts for it: "
                f"fonts={{{name!r}: ['path of a font']}}"
            )
        self.name = name
        self.levels: list[tuple[str, list[Source]]] = []  # this style, then those that stand in, each with its sources
        for style in with_fallbacks(name) if fallback else [name]:
            sources = [open_source(path) for path in paths.get(style, ())]
            sources += [open_source(path, "checkpoint") for path in saved.get(style, ())]
            self.levels.append((style, [*sources, *_shipped(style), *_installed(style)]))
        if not self.sources():
            raise ValueError(
                f"there is no font for the style {name!r}: hanziformers with its fonts is not installed, and no font "
                f"of the style is; pip install hanziformers, or give a font: fonts={{{name!r}: ['path of a font']}}"
            )
        if not self.levels[0][1]:
            other = next(style for style, sources in self.levels if sources)
            logger.warning_once(
                f"no font of the style {name!r} is here; the style {other!r} stands in. For the real one give a font: "
                f"fonts={{{name!r}: ['path of a font']}}"
            )

    def sources(self) -> list[tuple[str, Source]]:
        """All sources with their styles, in order."""
        return [(style, source) for style, sources in self.levels for source in sources]

    def places(self) -> list[Place]:
        """Every way of rendering a character, best first; `find` returns numbers of this list."""
        return [
            Place(style, source, variant)
            for style, sources in self.levels
            for variant in (False, True)
            for source in sources
        ]

    def find(self, characters: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """How each character is rendered.

        Returns:
            The number of its place, int16 [n], -1 where there is none; and the character to render there (itself, or
            its variant).
        """
        codes = np.array([ord(character) for character in characters], dtype=np.int64)
        numbers = np.full(len(codes), NOWHERE, dtype=np.int16)
        rendered = list(characters)
        for number, place in enumerate(self.places()):
            left = np.flatnonzero(numbers == NOWHERE)
            if not len(left):
                break
            covered = place.source.covered
            if not place.variant:
                numbers[left[covered[codes[left]]]] = number
                continue
            for row in left:
                variant = next((form for form in variants(characters[row]) if covered[ord(form)]), None)
                if variant is not None:
                    numbers[row], rendered[row] = number, variant
        return numbers, rendered


def has_no_ink(character: str) -> bool:
    """Whether a character has no ink of its own: spaces, controls, joiners, variation selectors, fillers.

    These are the characters that GlyphCRM's tokenizer drops. All others are its tokens and need a glyph image that differs
    from padding: format characters that Unicode wants shown (U+0600, U+06DD, U+FFF9, U+13430, ...) and the blank
    Braille pattern (U+2800) therefore count as rendered only where a font has ink for them.
    """
    if ord(character) in _VISIBLE_FORMAT:
        return False
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp", "Cc", "Cf") or character in _INVISIBLE:
        return True
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


@lru_cache(maxsize=65536)
def variants(character: str) -> tuple[str, ...]:
    """The simplified and traditional forms of a character, other than itself."""
    if "\ud800" <= character <= "\udfff":  # a lone surrogate is no character
        return ()
    simplified, traditional = _converters()
    forms = (simplified.convert(character), traditional.convert(character))
    return tuple(dict.fromkeys(form for form in forms if len(form) == 1 and form != character))


@lru_cache(maxsize=1)
def _converters() -> tuple[Any, Any]:
    return opencc.OpenCC("t2s"), opencc.OpenCC("s2t")


def with_fallbacks(name: str) -> list[str]:
    """The style and those that stand in, each once."""
    order = [name]
    following = FALLBACK_STYLES.get(name, "song")
    while following not in order:
        order.append(following)
        following = FALLBACK_STYLES[following]
    return list(dict.fromkeys([*order, *_LAST]))


def shipped_paths(style: str) -> list[str]:
    """The shipped files of a style that are here; none where the package is not installed."""
    folder = shipped_folder()
    names = [names[style] for names in (SHIPPED, SHIPPED_TOO) if style in names]
    if folder is None:
        return []
    return [str(folder / name) for name in names if (folder / name.partition("#")[0]).exists()]


@lru_cache(maxsize=64)
def _shipped(style: str) -> tuple[Source, ...]:
    return tuple(open_source(path, "shipped") for path in shipped_paths(style))


@lru_cache(maxsize=64)
def _installed(style: str) -> tuple[Source, ...]:
    files = _installed_files()
    found = []
    for name in _INSTALLED.get(style, ()):
        if name in files:
            try:
                found.append(open_source(files[name], "system"))
            except ValueError:  # a damaged font of the system is as good as none
                continue
    return tuple(found if style == "other" else found[:2])


@lru_cache(maxsize=1)
def _installed_files() -> dict[str, Path]:
    """Lower-case file name -> path of every font in the usual folders."""
    files: dict[str, Path] = {}
    for folder in _font_folders():
        for root, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                files.setdefault(name.lower(), Path(root) / name)
    return files


def _font_folders() -> Iterator[Path]:
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts"
        yield Path(os.environ.get("LOCALAPPDATA", str(home))) / "Microsoft" / "Windows" / "Fonts"
    elif sys.platform == "darwin":
        yield from (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    else:
        yield from (home / ".fonts", home / ".local/share/fonts", Path("/usr/local/share/fonts"))
        yield Path("/usr/share/fonts")
        yield from Path("/usr/share").glob("tex*/texmf-dist/fonts/opentype/public/fandol")


__all__ = [
    "NOWHERE",
    "SHIPPED_FILES",
    "STYLES",
    "FALLBACK_STYLES",
    "Place",
    "Style",
    "has_no_ink",
    "shipped_paths",
    "variants",
    "with_fallbacks",
]
