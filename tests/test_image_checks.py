"""What an image file may be, and images of every mode against the same image in plain grey."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hanziformers.processors.image_checks import MOST_BYTES, MOST_PIXELS, check_bytes, read_image

PLAIN = Image.new("L", (64, 48), 255)
ImageDraw.Draw(PLAIN).rectangle((8, 12, 56, 20), fill=0)
ImageDraw.Draw(PLAIN).rectangle((30, 5, 34, 40), fill=96)
GREY = np.asarray(PLAIN)


def file_of(image, kind, **options):
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return io.BytesIO(memory.getvalue())


def chunk(name, data):
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def png_header(width, height):
    """A PNG that says how large it is, and holds nothing."""
    head = chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def clear_palette(transparency):
    image = Image.new("P", PLAIN.size, 0)
    image.putpalette([10, 20, 30, 0, 0, 0, 96, 96, 96])
    image.paste(1, (8, 12, 57, 21))
    image.paste(2, (30, 5, 35, 41))
    return file_of(image, "PNG", transparency=transparency)


def deep_pgm():
    return io.BytesIO(b"P5 64 48 65535\n" + (GREY.astype(">u2") * 257).tobytes())


EXACT = {
    "grey": lambda: file_of(PLAIN, "PNG"),
    "colour": lambda: file_of(PLAIN.convert("RGB"), "PNG"),
    "grey and alpha": lambda: file_of(PLAIN.convert("LA"), "PNG"),
    "colour and alpha": lambda: file_of(PLAIN.convert("RGBA"), "WEBP", lossless=True),
    "palette": lambda: file_of(PLAIN.convert("P"), "GIF"),
    "16 bits": lambda: file_of(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG"),
    "16 bits, TIFF": lambda: file_of(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF"),
    "16 bits, PGM": deep_pgm,
    "four inks": lambda: file_of(PLAIN.convert("RGB").convert("CMYK"), "TIFF"),
    "BMP": lambda: file_of(PLAIN, "BMP"),
    "on its side": lambda: file_of(PLAIN.transpose(Image.Transpose.ROTATE_90), "PNG", exif=turned(6)),
}


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", EXACT)
def test_every_mode_is_the_same_image(kind):
    grey, clear = read_image(EXACT[kind]())
    assert grey.dtype == np.uint8
    assert (grey == GREY).all()
    assert not clear


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(mode):
    grey, _ = read_image(file_of(PLAIN.convert("RGB").convert(mode), "JPEG", quality=95))
    assert abs(grey.astype(int) - GREY).max() < 40
    assert abs(grey.astype(int) - GREY).mean() < 2


@pytest.mark.parametrize("transparency", [0, bytes([0, 255, 255])])
def test_a_palette_with_a_transparent_colour(transparency):
    grey, clear = read_image(clear_palette(transparency))
    assert (grey == GREY).all()
    assert clear


@pytest.mark.parametrize("sides", [(13000, 13000), (4096, 4097), (1, 2**24 + 1), (60000, 60000)])
def test_too_many_pixels_are_refused_before_one_is_read(sides):
    with pytest.raises(ValueError, match="16,777,216 (in all are|pixels that are) allowed"):
        read_image(io.BytesIO(png_header(*sides)))


def test_as_many_pixels_as_allowed_are_read():
    image = Image.new("1", (4096, 4096), 1)
    assert image.width * image.height == MOST_PIXELS
    assert read_image(file_of(image, "TIFF", compression="group4"))[0].min() == 255


@pytest.mark.parametrize(("kind", "mode"), [("GIF", "P"), ("TIFF", "1"), ("WEBP", "RGB")])
def test_other_kinds_with_too_many_pixels(kind, mode):
    options = (
        {"compression": "group4"} if kind == "TIFF" else {"lossless": True, "quality": 0} if kind == "WEBP" else {}
    )
    with pytest.raises(ValueError, match="16,777,216 in all are allowed"):
        read_image(file_of(Image.new(mode, (16000, 1050)), kind, **options))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_several_images_in_a_file(kind):
    other = PLAIN.transpose(Image.Transpose.ROTATE_180)
    with pytest.raises(ValueError, match="it holds several images, .*save that one alone"):
        read_image(file_of(PLAIN, kind, save_all=True, append_images=[other]))


def test_a_photo_with_its_small_copy():
    photo = file_of(PLAIN.convert("RGB"), "MPO", save_all=True, append_images=[PLAIN.convert("RGB").resize((8, 6))])
    assert read_image(photo)[0].shape == GREY.shape


@pytest.mark.parametrize(
    "image",
    [Image.fromarray(GREY.astype(np.int32)), Image.fromarray(GREY.astype(np.float32)), "16 bits with transparency"],
    ids=["I", "F", "clear"],
)
def test_numbers_that_have_no_white(image):
    if isinstance(image, str):
        file = file_of(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG", transparency=65535)
    else:
        file = file_of(image, "TIFF")
    with pytest.raises(ValueError, match="save it (as PNG|with 8 bits)"):
        read_image(file)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
    ],
    ids=["empty", "svg", "postscript"],
)
def test_other_contents(data):
    """PostScript would be run by another program."""
    with pytest.raises(ValueError, match="its content is none of PNG, BMP, GIF, JPEG, WEBP, TIFF, PPM"):
        read_image(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
def test_images_that_are_cut_off(kind):
    whole = file_of(PLAIN.convert("RGB"), kind).getvalue()
    with pytest.raises(Exception):  # noqa: B017, PT011
        read_image(io.BytesIO(whole[: len(whole) * 2 // 3]))


def test_bytes():
    check_bytes(MOST_BYTES)
    with pytest.raises(ValueError, match="it has 67,108,865 bytes; at most 67,108,864 are allowed"):
        check_bytes(MOST_BYTES + 1)
