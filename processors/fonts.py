"""Styles of Chinese writing, and for each the chain of fonts that render it.

A style renders a character with the first of its own sources that covers it:

1. the paths that the user gives for the style (fonts, folders or zips of images),
2. the fonts saved with the checkpoint,
3. the fonts shipped with hanziformers,
4. well-known fonts of the style that are installed.

Shipped fonts come before installed ones, so that a processor renders the same glyph images on every machine; an
installed font renders only what those lack. Scripts that are older than the simplified characters
(`TRADITIONAL_STYLES`) look for the traditional form of a character first, in each source. What none of them covers is
rendered as its simplified or traditional variant by the same sources. What is then missing is rendered in a fallback
style (see fallback_styles.py), and is otherwise not rendered. Variants and fallbacks are counted in the font manifest
and reported once as a warning.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from transformers.utils import logging

from .character_variants import traditional_form, variants
from .fallback_styles import STYLES, TRADITIONAL_STYLES, fallbacks_of, with_fallbacks
from .font_file import FontFile
from .glyph_source import GlyphSource, split_part
from .image_folder import ImageFolder
from .shipped_fonts import shipped_paths
from .system_fonts import system_paths

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

NOT_FOUND = -1  # the candidate of a character that no source covers


@dataclass(frozen=True)
class Candidate:
    """One way of rendering a character: by a source, of its style or of a fallback.

    Attributes:
        style: the style, or the fallback.
        source: renders the character.
        variant: as its simplified or traditional variant, for want of the character itself.
        traditional: as the traditional form that the style has of it.
    """

    style: str
    source: GlyphSource
    variant: bool = False
    traditional: bool = False


class FontChain:
    """A style with its sources in the order in which they are tried.

    Args:
        name: one of `STYLES`, or any other name for which `paths` or `saved` has fonts.
        paths: the user's fonts for each style; the fallback styles use theirs as well.
        saved: the fonts saved with the checkpoint, for each style.
        fallback: let other styles render what is missing: True, its usual ones; or their names, in order.

    Attributes:
        levels: pairs of a style and its sources: the style itself, then its fallbacks.

    Raises:
        ValueError: an unknown style without fonts; no font at all; a path that is no font (see `GlyphSource`).
        FileNotFoundError: there is nothing at a path.
    """

    def __init__(
        self,
        name: str,
        paths: dict[str, Sequence[str]] | None = None,
        saved: dict[str, Sequence[str]] | None = None,
        fallback: bool | Sequence[str] = True,
    ) -> None:
        paths, saved = paths or {}, saved or {}
        if name not in STYLES and not paths.get(name) and not saved.get(name):
            raise ValueError(
                f"the style {name!r} is not known; use one of {', '.join(STYLES)}, or give fonts for it: "
                f"fonts={{{name!r}: ['path of a font']}}"
            )
        self.name = name
        self.levels: list[tuple[str, list[GlyphSource]]] = []
        tried = with_fallbacks(name)[1:] if fallback is True else fallback or []
        for style in [name, *tried]:
            sources = [open_source(path) for path in paths.get(style, ())]
            sources += [open_source(path, "checkpoint") for path in saved.get(style, ())]
            self.levels.append((style, [*sources, *_shipped(style), *_installed(style)]))
        if not self.sources() and (fallback is False or tried):
            raise ValueError(
                f"there is no font for the style {name!r}: hanziformers with its fonts is not installed, and no font "
                f"of the style is; pip install hanziformers, or give a font: fonts={{{name!r}: ['path of a font']}}"
            )
        if not self.levels[0][1]:
            other = next((style for style, sources in self.levels if sources), None)
            does = f"its fallback {other!r} renders everything" if other else "everything is blank in it"
            logger.warning_once(
                f"there is no font of the style {name!r} here; {does}. For the real style give a font: fonts="
                f"{{{name!r}: ['path of a font']}}"
            )

    def sources(self) -> list[tuple[str, GlyphSource]]:
        """All sources with their styles, in order."""
        return [(style, source) for style, sources in self.levels for source in sources]

    def candidates(self) -> list[Candidate]:
        """Every way of rendering a character, best first; `find` returns indices of this list."""
        found = []
        for style, sources in self.levels:
            for source in sources:
                # Both forms in one source before the next, so that the user's own font stays the first.
                found += [Candidate(style, source, traditional=True)] if style in TRADITIONAL_STYLES else []
                found.append(Candidate(style, source))
            found += [Candidate(style, source, variant=True) for source in sources]
        return found

    def find(self, characters: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """How each character is rendered.

        Args:
            characters: n single characters.

        Returns:
            The index of its candidate, int16 [n], NOT_FOUND where there is none; and the n characters to render there
            (itself, its traditional form, or its variant).
        """
        codes, forms = _code_points(characters), list(characters)
        if any(style in TRADITIONAL_STYLES for style, _ in self.levels):
            forms = [traditional_form(character) for character in characters]
        traditional = _code_points(forms)
        indices = np.full(len(codes), NOT_FOUND, dtype=np.int16)
        rendered = list(characters)
        for index, candidate in enumerate(self.candidates()):
            left = np.flatnonzero(indices == NOT_FOUND)  # those that no better candidate covers
            if not len(left):
                break  # so that no further font has to be examined
            covered = candidate.source.covered
            if candidate.traditional:
                for row in left[(traditional != codes)[left] & covered[traditional[left]]]:
                    indices[row], rendered[row] = index, forms[row]
            elif not candidate.variant:
                indices[left[covered[codes[left]]]] = index
            else:
                for row in left:  # few: what none of the style's own sources covers
                    variant = next((form for form in variants(characters[row]) if covered[ord(form)]), None)
                    if variant is not None:
                        indices[row], rendered[row] = index, variant
        return indices, rendered


def open_chains(
    styles: Sequence[str], paths: dict[str, Sequence[str]] | None, saved: dict[str, Sequence[str]], fallback: bool
) -> list[FontChain]:
    """The chains of a set of styles, with fallbacks that are right for the set (see `fallbacks_of`).

    Args:
        styles: F names.
        paths: the user's fonts for each style.
        saved: the fonts saved with the checkpoint, for each style.
        fallback: let other styles render what is missing.

    Returns:
        One chain for each of the F styles. Errors: see `FontChain`.
    """
    chosen = fallbacks_of(styles)
    return [FontChain(name, paths, saved, chosen[name] if fallback else False) for name in styles]


@contextmanager
def removed_fonts_named(chains: Iterable[FontChain]) -> Iterator[None]:
    """Explains errors of sources that were there when the chains were made, and are no more.

    Raises:
        FileNotFoundError: names the first of them and its style.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        for style, source in (pair for chain in chains for pair in chain.sources()):
            if not source.path.exists():
                raise FileNotFoundError(
                    f"{source.name!r}, a font of the style {style!r}, is no longer there; put it back, or make the "
                    f"image processor again with fonts={{{style!r}: ['path of a font']}} or without the font"
                ) from error
        raise


def open_source(path: str | Path, where: str = "path") -> GlyphSource:
    """A `FontFile`, or an `ImageFolder` for folders and zips. Arguments and errors: see `GlyphSource`."""
    return (ImageFolder if holds_images(split_part(str(path))[0]) else FontFile)(path, where)


def holds_images(file: Path) -> bool:
    """Whether a path is a folder or zip of images, and no font."""
    return os.path.isdir(file) or file.suffix.lower() == ".zip"  # Path.is_dir raises where a name is too long


def _code_points(characters: Sequence[str]) -> np.ndarray:
    """int64 [n]."""
    return np.array([ord(character) for character in characters], dtype=np.int64)


@lru_cache(maxsize=64)
def _shipped(style: str) -> tuple[GlyphSource, ...]:
    """The shipped sources of a style; shared by all chains, so that a large font is opened once."""
    return tuple(open_source(path, "shipped") for path in shipped_paths(style))


@lru_cache(maxsize=64)
def _installed(style: str) -> tuple[GlyphSource, ...]:
    """The installed sources of a style, the best two (all for "other", where each covers another script)."""
    found = []
    for path in system_paths(style):
        try:
            found.append(open_source(path, "system"))
        except (OSError, ValueError) as error:  # damaged, or a broken link: it counts as not installed
            logger.warning_once(f"an installed font is not used: {error}")
    return tuple(found if style == "other" else found[:2])


__all__ = [
    "Candidate",
    "FontChain",
    "NOT_FOUND",
    "holds_images",
    "open_chains",
    "open_source",
    "removed_fonts_named",
]
