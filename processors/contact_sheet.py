"""A picture for people: the drawn characters in a grid, each with its label, the styles side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .fonts import Style

_LABEL = 14  # px
_GAP = 4


def contact_sheet(
    pictures: np.ndarray, labels: Sequence[str], path: str | Path, columns: int = 16, zoom: int = 1
) -> Path:
    """Writes a PNG with every picture, black on white.

    Args:
        pictures: uint8 ink [n, F, h, w], or [n, h, w] for one style.
        labels: n texts, written above the pictures.
        path: where the PNG goes.
        columns: characters a row.
        zoom: every dot becomes zoom x zoom.

    Raises:
        ValueError: pictures of another shape or dtype, another number of labels, no pictures, columns or zoom below 1.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or not pictures.size:
        raise ValueError(
            f"pictures have the shape {pictures.shape} and dtype {pictures.dtype}; needed is uint8 [n, F, h, w] as "
            "HanziGlyphImageProcessor.draw gives it, with one picture or more"
        )
    if len(labels) != len(pictures):
        raise ValueError(f"there are {len(labels)} labels for {len(pictures)} pictures; give one label for each")
    if columns < 1 or zoom < 1:
        raise ValueError(f"columns is {columns} and zoom {zoom}; both must be 1 or more")
    number, fonts, height, width = pictures.shape
    cell_width = fonts * (width * zoom + _GAP) + _GAP
    cell_height = height * zoom + _LABEL + 2 * _GAP
    rows = -(-number // columns)
    sheet = Image.new("L", (min(number, columns) * cell_width, rows * cell_height), 225)
    pen = ImageDraw.Draw(sheet)
    writer = _label_font()
    for index, (row, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = index % columns * cell_width, index // columns * cell_height
        pen.text((x + _GAP, y), label, fill=0, font=writer)
        for font, picture in enumerate(row):
            ink = Image.fromarray(255 - picture).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
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
