"""What a file of a recording is named after: a toned syllable, or a character with one reading.

All of these are zhong1: `zhong1`, `cmn-zhong1`, `Zhong1`. All are lv4: `lv4`, `lü4`, `luu4`, `lu:4`, `lyu4`; and ju4:
`ju4`, `jv4`, `jü4`. `_m1` and `_hng1` are m1 and hng1; 0 is the neutral tone as 5 is. `cmn-出` is chu1, because
pypinyin knows one reading of 出; a character with several is not taken, as nobody can tell which of them is heard.
"""

import re
import unicodedata

from pypinyin import Style
from pypinyin.constants import PINYIN_DICT
from pypinyin.style import convert

_LANGUAGE = re.compile("(?:cmn|zh)[-_](?=.)")
_SYLLABLE = re.compile("_?([a-zêü:]{1,7})([0-5])")
_UMLAUT = re.compile("^([lnjqxy])(?:uu|u:|yu|ü|v|u(?=e))")  # lue4 and nue4 are lve4 and nve4
TONED = re.compile("[a-zê]{1,6}[1-5]")  # a toned syllable


def syllable_of(stem: str) -> str | None:
    """The toned syllable after which a file is named, such as "zhong1" or "lv4"; None: it is named otherwise.

    Args:
        stem: its name without folder and ending.
    """
    match = _SYLLABLE.fullmatch(_plain(stem))
    if not match:
        return None
    letters = _UMLAUT.sub(lambda umlaut: umlaut[1] + ("v" if umlaut[1] in "ln" else "u"), match[1])
    syllable = letters + (match[2] if match[2] != "0" else "5")
    return syllable if TONED.fullmatch(syllable) else None


def character_of(stem: str) -> str | None:
    """The character after which a file is named, if pypinyin knows a reading of it."""
    name = _plain(stem)
    return name if len(name) == 1 and PINYIN_DICT.get(ord(name)) else None


def only_reading(character: str) -> str | None:
    """The toned syllable of a character with one reading; None: it has several, or none."""
    readings = PINYIN_DICT.get(ord(character), "").split(",")
    plain = convert(readings[0], Style.TONE3, strict=True, default=readings[0])
    if len(readings) > 1 or not plain:
        return None
    return plain if plain[-1].isdigit() else f"{plain}5"


def _plain(stem: str) -> str:
    """A name in lower case, each letter as one character, without the language in front."""
    return _LANGUAGE.sub("", unicodedata.normalize("NFC", stem).lower(), count=1)


__all__ = ["TONED", "character_of", "only_reading", "syllable_of"]
