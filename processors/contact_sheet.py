"""A glyph image for people: the rendered characters in a grid, each with its label, the styles side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .fonts import Style

_LABEL = 14  # px
_GAP = 4


def contact_sheet(
    images: np.ndarray, labels: Sequence[str], path: str | Path, columns: int = 16, zoom: int = 1
) -> Path:
    """Writes a PNG with every glyph image, black on white.

    Args:
        glyph images: uint8 ink [n, F, h, w], or [n, h, w] for one style.
        labels: n texts, written above the glyph images.
        path: where the PNG goes.
        columns: characters a row.
        zoom: every dot becomes zoom x zoom.

    Raises:
        ValueError: glyph images of another shape or dtype, another number of labels, no glyph images, columns or zoom below 1.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            f"glyph images have the shape {images.shape} and dtype {images.dtype}; needed is uint8 [n, F, h, w] as "
            "HanziGlyphImageProcessor.render gives it, with one glyph image or more"
        )
    if len(labels) != len(images):
        raise ValueError(f"there are {len(labels)} labels for {len(images)} glyph images; give one label for each")
    if columns < 1 or zoom < 1:
        raise ValueError(f"columns is {columns} and zoom {zoom}; both must be 1 or more")
    number, fonts, height, width = images.shape
    cell_width = fonts * (width * zoom + _GAP) + _GAP
    cell_height = height * zoom + _LABEL + 2 * _GAP
    rows = -(-number // columns)
    sheet = Image.new("L", (min(number, columns) * cell_width, rows * cell_height), 225)
    pen = ImageDraw.Draw(sheet)
    writer = _label_font()
    for index, (row, label) in enumerate(zip(images, labels, strict=True)):
        x, y = index % columns * cell_width, index // columns * cell_height
        pen.text((x + _GAP, y), label, fill=0, font=writer)
        for font, image in enumerate(row):
            ink = Image.fromarray(255 - image).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(ink, (x + _GAP + font * (width * zoom + _GAP), y + _LABEL + _GAP))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def _label_font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The shipped Hei where it is there, else what Pillow has."""
    sources = Style("hei").levels[0][1]
    return ImageFont.truetype(str(sources[0].path), _LABEL - 3) if sources else ImageFont.load_default()


__all__ = ["contact_sheet"]
