"""How a data file is written: its encoding and compression, by its first bytes, and the command that converts it.

UTF-8 is read, and UTF-16 and UTF-32 with their byte order mark. Text in another encoding is never guessed at: it is
refused with what it looks like and the command that converts it.
"""

import bz2
import codecs
import gzip
import lzma
import re
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

# UTF-32 first: its little-endian mark begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Compression(NamedTuple):
    """A compression that is read: its name, the program that unpacks it, and how it is opened."""

    name: str
    program: str
    open: Callable[[Path], BinaryIO]


_COMPRESSIONS = {
    b"\x1f\x8b": Compression("gzip", "gzip -dc", gzip.open),
    b"BZh": Compression("bzip2", "bzip2 -dc", bz2.open),
    b"\xfd7zXZ": Compression("xz", "xz -dc", lzma.open),
}
DAMAGES = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what reading a damaged compressed file raises
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive (or an Excel or Word file); unpack it, or save it as UTF-8 text",
    b"PAR1": "a Parquet file; write it as JSON lines, or give its folder as --dataset_name",
    b"\x28\xb5\x2f\xfd": "a Zstandard file; unpack it with zstd -d",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"%PDF": "a PDF file; write its text as UTF-8",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file; save it as UTF-8 text",
}
# The most frequent characters of each language: read in a wrong encoding, a text has few. Chinese: simplified and
# traditional; Japanese: hiragana and katakana
_CHINESE = (
    "的一是不了在人有我他这這中大来來上国國个個到说說们們为為子和你地出道也时時年得就那要下以生会會自着著去之过過家学學对對"
    "可她里裏后後小么麼心多天而能好都然没沒日于於起还還发發成事只作当當想看文无無开開手十用主行方又如前所本见見经經头頭面公同"
    "三已老从從动動两兩长長知民样樣现現分将將外但身些与與高意进進把法此实實回二理美点點月明其种種全工话話者向部正名定问問力机"
    "機给給等很业業最间間新什被电電第门門相次东東，。、：；？！"
)
_JAPANESE = "".join(map(chr, (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7)))) + "ー。、「」"
_KOREAN = (
    "이다는에을가의하고지로를은한도기사대자있나리어서인시들정그수해보아것부전습니까요게라만일과으스제장원여우주조상구세오소성와"
    "면동안년실적경모공국생학발위방연무신관거교당물려내선문민업간러없때말저야진된할될되않트용르화재행개비중후식입외등계회"
)


class _Language(NamedTuple):
    """What text of a language looks like.

    Attributes:
        blocks: its characters, as ranges of a regular expression.
        frequent: the most frequent ones.
        least: the ratio of frequent ones among all that are not ASCII, from which on a short text is taken for it.
    """

    blocks: str
    frequent: frozenset[str]
    least: float


_IDEOGRAPHS = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"
_LANGUAGES = {
    "Chinese": _Language(_IDEOGRAPHS, frozenset(_CHINESE), 0.0),
    "Japanese": _Language(f"{_IDEOGRAPHS}\u3040-\u30ff", frozenset(_JAPANESE), 0.2),
    "Korean": _Language("\uac00-\ud7a3", frozenset(_KOREAN), 0.3),
}
# Encodings by their name for iconv: the name for Python, the languages. Where several are equally likely, the first
_CANDIDATES = {
    "GB18030": ("gb18030", ("Chinese",)),
    "BIG5-HKSCS": ("big5hkscs", ("Chinese",)),
    "UTF-32LE": ("utf-32-le", (*_LANGUAGES,)),
    "UTF-32BE": ("utf-32-be", (*_LANGUAGES,)),
    "UTF-16LE": ("utf-16-le", (*_LANGUAGES,)),
    "UTF-16BE": ("utf-16-be", (*_LANGUAGES,)),
    "EUC-JP": ("euc_jis_2004", ("Japanese",)),
    "CP932": ("cp932", ("Japanese",)),
    "CP949": ("cp949", ("Korean",)),
}
_BETTER_KNOWN = {"CP932": "Shift-JIS", "CP949": "EUC-KR"}  # encodings that these contain
_ENOUGH = 100  # characters of the blocks from which on some are frequent ones
ESCAPES = re.compile(r"\x1b\$(?:[@B]|\)[ACG]|\([CDGH])")  # begin the characters of two bytes in ISO-2022
_WIDE = re.compile("[\u2e80-\uffef]")  # of the characters of three bytes in UTF-8, those of East Asia


def compression_of(path: Path) -> Compression | None:
    """How a file is compressed, by its first bytes; None if it is not."""
    with path.open("rb") as file:
        return _compression(file.read(8))


def _compression(head: bytes) -> Compression | None:
    return next((how for magic, how in _COMPRESSIONS.items() if head.startswith(magic)), None)


def refuse_other_files(path: Path, head: bytes) -> None:
    """Refuses what is no text file.

    Args:
        path: the file.
        head: its first bytes, unpacked: 300 or more, if there are as many.

    Raises:
        ValueError: it is an archive, a Parquet or PDF file ..., or compressed twice: the message says what to do.
    """
    what = next((what for magic, what in _NOT_TEXT.items() if head.startswith(magic)), None)
    if head[257:262] == b"ustar":
        what = "a tar archive; unpack it with tar -xf"
    elif (second := _compression(head)) is not None:
        what = f"compressed twice; unpack it once more: {command(path, 'UTF-8', inner=second)}"
    if what is not None:
        raise ValueError(f"{path} is {what}")


def find_mark(data: bytes) -> tuple[str, int]:
    """The encoding of a file that begins with `data`, by its byte order mark, and the length of the mark in bytes."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def recognise(data: bytes) -> str | None:
    """The encoding of Chinese, Japanese or Korean text that is not UTF-8, as iconv names it; None where none fits.

    Args:
        data: from the beginning of a line on; the last character may be cut.
    """
    return next(iter(_recognise_all(data)), None)


def _recognise_all(data: bytes) -> list[str]:
    """The encodings that may be that of a text, the likeliest first: none less than half as likely as the first."""
    scores: dict[str, int] = {}
    for name, (codec, languages) in _CANDIDATES.items():
        try:
            text = codecs.getincrementaldecoder(codec)().decode(data)
        except UnicodeDecodeError:
            continue
        scores[name] = max(_score(text, _LANGUAGES[language]) for language in languages)
    best = max(scores.values(), default=-1)
    return sorted((name for name in scores if scores[name] >= max(0, best / 2)), key=lambda name: -scores[name])


def _score(text: str, language: _Language) -> int:
    """How many characters are frequent ones of a language; -1 if the text is not of this language."""
    own, others = len(re.findall(f"[{language.blocks}]", text)), sum(not character.isascii() for character in text)
    score = sum(map(text.count, language.frequent))
    # a longer text that has next to none of the frequent characters is of another language
    fits = own * 2 > others and score >= language.least * others and (own < _ENOUGH or score * 50 > own)
    return score if fits and "\0" not in text else -1


def explain(path: Path, line: int, fault: UnicodeDecodeError, before: str | None) -> str:
    """Says what a file is that is not UTF-8, and how to convert it.

    Args:
        path: the file.
        line: the number of the line with the fault.
        fault: with the bytes around it as its `object`.
        before: the text that was decoded before these bytes; None if they are the file's first.
    """
    data, start = fault.object, fault.start
    # without the characters right before the fault: other bytes may by chance begin as UTF-8
    clean = (before or "") + re.sub(rb"[\x80-\xff]+$", b"", data[:start]).decode(fault.encoding, "replace")
    where = f"{path}, line {line}: byte 0x{data[start]:02x} is not {fault.encoding.upper()}"
    read_as_utf8 = data.decode("utf-8", "replace")
    is_damaged = _WIDE.search(clean) or len(_WIDE.findall(read_as_utf8)) > 2 * read_as_utf8.count("\ufffd")
    if fault.encoding != "utf-8" or is_damaged:
        encoding = fault.encoding.removesuffix("-le").removesuffix("-be").upper()
        return (
            f"{where}, while the text before or after it is: the file is damaged or made of parts in different "
            f"encodings; fetch or write it again (leaving out such bytes: {command(path, encoding, '-c ')})"
        )
    line_start = max(data.rfind(b"\n", 0, start), data.rfind(b"\r", 0, start)) + 1
    encodings = _recognise_all(data if before is None else data[line_start:])
    if not encodings:
        return f"{where}; convert the file from its encoding, which was not recognised: {command(path, 'ENCODING')}"
    first, *others = [name + f" ({_BETTER_KNOWN.get(name)})" * (name in _BETTER_KNOWN) for name in encodings]
    # few characters may be text in several encodings
    doubt = f" (or else {', '.join(others)}, which the new file shows)" if others else ""
    return f"{where}; convert the file, which looks like {first}{doubt}: {command(path, encodings[0])}"


def explain_zeros(path: Path, line: int, head: bytes) -> str:
    """Says what a file is that holds zero bytes: UTF-16 or UTF-32 without mark, or no text.

    Args:
        path: the file.
        line: the number of the first line with one.
        head: the file's first bytes, as many as there are of the first lines.
    """
    where = f"{path}, line {line}: zero bytes (U+0000), which no text has"
    found: dict[str, int] = {}  # the number of ASCII characters by encoding: in the wrong byte order they are others
    usual = re.compile("[\\x01-\\x7f" + "".join(language.blocks for language in _LANGUAGES.values()) + "]")
    # of line ends and other ASCII characters a half is zeros in UTF-16; elsewhere they are rare
    for name in ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE") if head.count(0) * 8 > len(head) else ():
        try:
            text = codecs.getincrementaldecoder(name)().decode(head)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and len(usual.findall(text)) * 4 > len(text) * 3:
            found[name] = sum(map(str.isascii, text))
    if found:
        name = max(found, key=lambda name: found[name])
        return f"{where}; convert the file, which looks like {name} without mark: {command(path, name)}"
    return f"{where}; give a text file in UTF-8 (leaving out zero bytes: tr -d '\\000' < FILE > NEW)"


def explain_escapes(path: Path, line: int, escape: str) -> str:
    """Says what a file is that changes its characters by escapes, as ISO-2022-JP does.

    Args:
        path: the file.
        line: the number of the first line with one.
        escape: one of `ESCAPES`.
    """
    name = {"C": "ISO-2022-KR", "A": "ISO-2022-CN", "G": "ISO-2022-CN"}.get(escape[-1], "ISO-2022-JP")
    return (
        f"{path}, line {line}: {escape!r}, which no text in UTF-8 has; convert the file, which looks like {name}: "
        f"{command(path, name)}"
    )


def command(path: Path, encoding: str, options: str = "", inner: Compression | None = None) -> str:
    """The shell command that writes a file again in UTF-8, beside it and unpacked; `inner` is a second compression."""
    compression = compression_of(path)
    name = path.name if compression is None else re.sub(r"\.(gz|bz2|xz)$", "", path.name)
    old, new = (shlex.quote(str(file)) for file in (path, path.with_name(f"utf8-{name}")))
    programs = [how.program for how in (compression, inner) if how is not None]
    first, *others = [*programs, f"iconv {options}-f {encoding} -t UTF-8"]
    return " | ".join([f"{first} < {old}", *others]) + f" > {new}"


__all__ = [
    "DAMAGES",
    "ESCAPES",
    "Compression",
    "command",
    "compression_of",
    "explain",
    "explain_escapes",
    "explain_zeros",
    "find_mark",
    "recognise",
    "refuse_other_files",
]
