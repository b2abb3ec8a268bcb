"""A contact sheet for people: characters in a grid, each with its label, rendered in one style or several."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from transformers.utils import logging

from .fonts import FontChain
from .image_processing_glyph import HanziGlyphImageProcessor
from .ink import has_no_ink

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_LABEL = 14  # px of a line of text
_GAP = 4  # px between images
_WIDTH = 900  # px of a sheet whose columns were not given
_BACKGROUND = 225  # grey of the sheet, so that the white of the images shows their edges
_FALLBACK = 150  # grey of characters that the style itself lacks


def contact_sheet(
    characters: Any,
    path: str | Path,
    *,
    styles: Sequence[str] | None = None,
    size: int | None = None,
    image_processor: Any = None,
    labels: Sequence[str] | None = None,
    columns: int | None = None,
    zoom: int = 1,
) -> Path:
    """Writes a PNG of glyph images, black on white, the styles of a character side by side.

    What a style itself lacks is grey: it is rendered in a fallback style, or as its simplified or traditional variant.
    A token of several characters is grey if one of them is.

    Args:
        characters: a text, whose distinct characters are rendered, in the order in which they come (those without ink
            are left out); or a list or array of tokens, each of which is rendered; or glyph images, uint8 [n, F, h, w],
            or [n, h, w] for one style, as an array, a tensor or a list of n of either.
        path: where the PNG goes; folders that are missing are made.
        styles: names of styles, as for HanziGlyphImageProcessor (default: song).
        size: height and width of an image in pixels (default: 48).
        image_processor: renders the characters, instead of one with these styles and this size.
        labels: a list of n texts, written above the images (default: the characters with their code points; the
            tokens; the numbers of the images). Control characters are written as their code point.
        columns: characters in a row (default: so many that the sheet is about 900 px wide).
        zoom: every pixel becomes zoom x zoom.

    Returns:
        The path.

    Raises:
        ValueError: images of another shape or dtype; nothing to render; another number of labels; columns or zoom below
            1; options that exclude each other. For styles and size see HanziGlyphImageProcessor.
        TypeError: a token or a label is no string, or the labels are one string.

    Example:
        >>> contact_sheet("银行很忙", "sheet.png")
        >>> contact_sheet("银行很忙", "sheet.png", styles=["song", "kai", "xingkai"], zoom=2)
    """
    if (columns is not None and columns < 1) or zoom < 1:
        raise ValueError(f"columns is {columns} and zoom {zoom}; both must be 1 or more")
    characters = _images_or_tokens(characters)
    if isinstance(characters, np.ndarray):
        if not (styles is size is image_processor is None):
            raise ValueError(
                "styles, size and image_processor render characters, but glyph images were given; leave them out, or "
                "give a text"
            )
        images, names = _checked(characters), []
        fallback = np.zeros(images.shape[:2], dtype=bool)
        own_labels = [str(number) for number in range(len(images))]
    else:
        images, fallback, names, own_labels = _render(characters, styles, size, image_processor)
    labels = _visible(own_labels if labels is None else labels, len(images))
    sheet = _paint(images, fallback, labels, names, columns, zoom)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return Path(path)


def _render(
    characters: str | Sequence[str], styles: Sequence[str] | None, size: int | None, image_processor: Any
) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Renders a text or tokens.

    Returns:
        The images uint8 [n, F, h, w]; which of them the style itself lacks, bool [n, F]; the names of the F styles; and
        n labels.
    """
    if image_processor is not None and not (styles is size is None):
        raise ValueError("the image_processor has styles and a size of its own; give either it, or styles and size")
    if image_processor is None:
        given = {"styles": styles, "size": size}
        settings = {name: value for name, value in given.items() if value is not None}
        image_processor = HanziGlyphImageProcessor(**settings)
    tokens = list(characters)
    labels = tokens
    if isinstance(characters, str):  # a list of tokens stays as it is, repetitions and all
        tokens = [character for character in dict.fromkeys(characters) if not has_no_ink(character)]
        labels = [f"{character} {ord(character):04X}" for character in tokens]
    if not tokens:
        raise ValueError(f"{characters!r} holds no character with ink; give a text such as '银行很忙'")
    lacking = [
        token for token, rendered in zip(tokens, image_processor.can_render(tokens), strict=True) if not rendered
    ]
    if lacking:
        logger.warning(
            f"{len(lacking)} of {len(tokens)} characters have no glyph image in a style of the contact sheet: "
            f"{' '.join(lacking[:20])}. Name a font that has them (HanziGlyphImageProcessor(fonts=...))"
        )
    return image_processor.render(tokens), image_processor.uses_fallback(tokens), image_processor.styles, labels


def _visible(labels: Sequence[str], number: int) -> list[str]:
    """Labels as they are written: one for each of so many images, without control characters."""
    wrong = [labels] if isinstance(labels, str) else [label for label in labels if not isinstance(label, str)]
    if wrong:
        raise TypeError(f"a label cannot be {wrong[0]!r}: labels must be a list of strings, one for each glyph image")
    if len(labels) != number:
        raise ValueError(f"there are {len(labels)} labels for {number} glyph images; give one label for each")
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")  # a line break would move the label into the image
    return [
        "".join(f"U+{ord(one):04X}" if unicodedata.category(one) in unseen else one for one in label)
        for label in labels
    ]


def _images_or_tokens(characters: Any) -> np.ndarray | str | list[str]:
    """Glyph images as an array, whatever holds them; a text as it is; tokens as a list."""
    if isinstance(characters, str):
        return characters
    if hasattr(characters, "__array__"):
        array = np.asarray(characters)
        return array.tolist() if array.dtype.kind in "OU" else array
    entries = list(characters)
    if all(isinstance(one, str) or not hasattr(one, "__array__") for one in entries):  # numpy's strings have it too
        return entries
    return np.stack([np.asarray(image) for image in entries])


def _checked(images: np.ndarray) -> np.ndarray:
    """Glyph images that were given, uint8 [n, F, h, w]."""
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            f"glyph images have the shape {images.shape} and dtype {images.dtype}; needed is uint8 [n, F, h, w] as "
            "HanziGlyphImageProcessor.render gives it, with one glyph image or more"
        )
    return images


def _paint(
    images: np.ndarray,
    fallback: np.ndarray,
    labels: Sequence[str],
    names: Sequence[str],
    columns: int | None,
    zoom: int,
) -> Image.Image:
    """The sheet: a line that explains it, if it has to be explained, then the characters in rows."""
    number, styles, height, width = images.shape
    font = _label_font()
    notes = [f"from left to right: {', '.join(names)}"] if len(names) > 1 else []
    notes += ["grey: by a fallback style, or as a variant"] if fallback.any() else []
    legend = "; ".join(notes)
    widest = max(int(font.getlength(label)) for label in labels)
    cell_width = max(styles * (width * zoom + _GAP) + _GAP, widest + 2 * _GAP)
    cell_height = height * zoom + _LABEL + 2 * _GAP
    columns = min(number, columns or max(1, _WIDTH // cell_width))
    # The line of explanation may be wider than a few characters.
    top = _LABEL + _GAP if legend else 0
    sheet_width = max(columns * cell_width, int(font.getlength(legend)) + 2 * _GAP if legend else 0)
    sheet = Image.new("L", (sheet_width, top + -(-number // columns) * cell_height), _BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 1), legend, fill=0, font=font)
    for index, (row, label) in enumerate(zip(images, labels, strict=True)):
        x, y = index % columns * cell_width, top + index // columns * cell_height
        pen.text((x + _GAP, y), label, fill=0, font=font)
        for style, image in enumerate(row):
            darkest = _FALLBACK if fallback[index, style] else 0
            on_white = (255 - image.astype(np.uint16) * (255 - darkest) // 255).astype(np.uint8)
            tile = Image.fromarray(on_white).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(tile, (x + _GAP + style * (width * zoom + _GAP), y + _LABEL + _GAP))
    return sheet


def _label_font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The shipped Hei where it is there, else what Pillow has."""
    sources = FontChain("hei").levels[0][1]
    return ImageFont.truetype(str(sources[0].path), _LABEL - 3) if sources else ImageFont.load_default()


__all__ = ["contact_sheet"]
