"""One image file, read within limits: what it may be, and how it becomes grey on white."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 2**24  # 4,096 x 4,096: a whole page at 300 dpi has half of them. Reading so many takes about 300 MB
MOST_BYTES = 2**26  # of a file: so many pixels in colour, not compressed

_FORMATS = ("PNG", "BMP", "GIF", "JPEG", "WEBP", "TIFF", "PPM")  # Pillow would hand other kinds to other programs
_CLEAR = 0.05  # an image has a transparent background where more than this part of it is transparent
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")  # grey with 16 bits
_DEEP_FORMATS = ("PNG", "PPM")  # in which Pillow's mode "I" holds 16 bits too; in others any number may be white


def read_image(file: Path | io.BytesIO) -> tuple[np.ndarray, bool]:
    """An image on white, grey uint8 [h, w] as large as the file, and whether its background is transparent.

    Raises:
        ValueError: it passes a limit, or is of a kind that cannot be understood in one way; says which.
        Exception: whatever Pillow raises for damaged bytes.
    """
    with _open(file) as image:
        _check(image)
        ImageOps.exif_transpose(image, in_place=True)  # cameras save what lies on its side, and say so
        if image.mode in _DEEP or image.mode == "I":  # Pillow would cut off what is brighter than 255
            deep = np.asarray(image).astype(np.uint32)
            return (np.minimum(deep, 65535) // 257).astype(np.uint8), False
        if not image.has_transparency_data:
            return np.asarray(image.convert("RGB").convert("L")), False
        image = image.convert("RGBA")
        on_white = Image.new("RGBA", image.size, "white")
        on_white.alpha_composite(image)
        clear = np.asarray(image.getchannel("A")) < 128
        return np.asarray(on_white.convert("L")), bool(clear.mean() > _CLEAR)


def _open(file: Path | io.BytesIO) -> Image.Image:
    """Reads the header."""
    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError(f"its content is none of {', '.join(_FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than the {MOST_PIXELS:,} pixels that are allowed: {error}") from error


def check_bytes(size: int) -> None:
    """Checks the size of an image file.

    Raises:
        ValueError: it has more bytes than `MOST_BYTES`.
    """
    if size > MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {MOST_BYTES:,} are allowed")


def _check(image: Image.Image) -> None:
    """Checks what the header says, before any pixel is read."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"it has {width:,} x {height:,} pixels; at most {MOST_PIXELS:,} in all are allowed")
    if getattr(image, "is_animated", False) and image.format != "MPO":  # there the others are small copies
        raise ValueError("it holds several images, and a character has one: save that one alone")
    is_deep = image.mode in _DEEP or image.mode == "I" and image.format in _DEEP_FORMATS
    if image.mode == "F" or image.mode.startswith("I") and not is_deep:
        raise ValueError(f"its pixels are numbers ({image.mode}) of which none is white by definition: save it as PNG")
    if is_deep and "transparency" in image.info:
        raise ValueError("it has 16 bits of grey and a transparent colour: save it with 8 bits")


__all__ = ["MOST_BYTES", "MOST_PIXELS", "check_bytes", "read_image"]
