"""What a source of glyph images covers, by ink: how that is found, written down and kept.

A character map promises characters that a font does not render. So every source renders each character once, and does
not count what is blank, what looks like the font's `.notdef`, and placeholders (one image that many characters share).
This takes seconds for a large font, so the findings are kept on disk by the hash of the file. Those about the shipped
fonts lie beside them, in fonts.json.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from transformers.utils import logging

from .glyph_cache import cache_folder, read_json, write_json
from .ink import is_han

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_CODE_POINTS = 0x110000
_RULES = 5  # part of the names of kept findings: raise it whenever a source would find something else
_MOST_EM = 64.0  # no Han character of any font reaches so far; a larger box would render all of them as dots
_REPEATS = 4  # so many Han characters may look the same (a radical, its compatibility forms); more are a placeholder


@dataclass(frozen=True)
class FontInfo:
    """What is known about a source, as plain values.

    Attributes:
        family, version, licence: as the font's own records name them; empty where it has none.
        box: where the ink of its Han characters usually lies (of all characters, if it has no Han), in em, relative to
            the middle of the advance and the baseline: left, top, right, bottom, y downwards. Image folders: all zeros.
        covered: code points with ink, as ranges "4e00-9fff,20", hexadecimal.
        light_on_dark: image folders: the files show light ink on a dark background.
        failed: code points that the font maps and that cannot be rendered, as `covered`.
    """

    family: str
    version: str
    licence: str
    box: tuple[float, float, float, float]
    covered: str
    light_on_dark: bool = False
    failed: str = ""


def parse_info(fields: dict) -> FontInfo:
    """The findings that JSON holds.

    Raises:
        TypeError, KeyError, ValueError: it holds something else.
    """
    info = FontInfo(**{**fields, "box": tuple(map(float, fields["box"]))})
    texts = all(isinstance(text, str) for text in (info.family, info.version, info.licence, info.covered, info.failed))
    # A dataclass does not check its types, and a wrong one would only be noticed when something is rendered.
    numbers = len(info.box) == 4 and all(map(math.isfinite, info.box)) and max(map(abs, info.box)) <= _MOST_EM
    if not texts or not numbers or not isinstance(info.light_on_dark, bool):
        raise TypeError("a value of a wrong type")
    unpack_codes(info.covered)
    return info


def read_kept_info(sha256: str) -> FontInfo | None:
    """The findings that were kept about a file, or None (with a warning if they are damaged)."""
    key = _key(sha256)
    kept = read_json(key)
    try:
        return None if kept is None else parse_info(kept)
    except Exception as error:  # an OverflowError, say: its values may be anything
        logger.warning(f"{cache_folder() / key} is damaged ({error}); the font is examined again")
        return None


def keep_info(sha256: str, info: FontInfo) -> None:
    """Keeps the findings about a file."""
    write_json(_key(sha256), asdict(info))


def _key(sha256: str) -> str:
    return f"font-{_RULES}-{sha256.replace('#', '-')}.json"


def without_placeholders(seen: dict[int, bytes]) -> list[int]:
    """Leaves out code points whose image is a placeholder.

    Args:
        seen: code point -> digest of its image.

    Returns:
        The code points whose image is not one that more than four Han, Hangul or private characters share.
    """
    # Other scripts may repeat an image rightly: a dash and a minus, Latin A and Greek Alpha.
    crowd = {c for c in seen if is_han(c) or 0xAC00 <= c < 0xD7A4 or 0xE000 <= c < 0xF900 or c >= 0xF0000}
    counts = Counter(seen[code] for code in crowd)
    return [code for code, digest in seen.items() if code not in crowd or counts[digest] <= _REPEATS]


def pack_codes(codes: Iterable[int]) -> str:
    """Code points as ranges: "20-7e,4e00"."""
    ranges: list[list[int]] = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code  # the last range grows by one
        else:
            ranges.append([code, code])
    return ",".join(f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in ranges)


def unpack_codes(ranges: str) -> np.ndarray:
    """The inverse of `pack_codes`: bool [0x110000]."""
    covered = np.zeros(_CODE_POINTS, dtype=bool)
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        covered[int(first, 16) : int(last or first, 16) + 1] = True
    return covered


__all__ = [
    "FontInfo",
    "keep_info",
    "pack_codes",
    "parse_info",
    "read_kept_info",
    "unpack_codes",
    "without_placeholders",
]
