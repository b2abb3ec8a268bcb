"""What data files are, by their bytes; and the commands that convert them, which are run."""

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile

import pytest

from hanziformers.training.text_encodings import command, compression_of, find_mark, recognise
from hanziformers.training.text_files import read_text

SIMPLIFIED = "今天的天气很好，我们去北京。\n他在上海工作了三年\tB-LOC\n"
JAPANESE = "今日は天気がいいです。\n公園へ行きましょう\tO\n"
KOREAN = "오늘은 날씨가 좋습니다.\n공원에 갑시다\tO\n"
TRADITIONAL = "今天的天氣很好，我們去臺北。\n他在香港工作了三年\tB-LOC\n"
PACKERS = {"": bytes, ".gz": lambda data: gzip.compress(data, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}


def tar_file() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return buffer.getvalue()


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("ending", PACKERS)
def test_a_mark_says_the_encoding(tmp_path, codec, ending):
    path = tmp_path / f"data.txt{ending}"
    has_mark = codec in ("utf-8-sig", "utf-16", "utf-32")
    path.write_bytes(PACKERS[ending](((not has_mark) * "\ufeff" + TRADITIONAL * 3000).encode(codec)))
    assert read_text(path, "texts") == TRADITIONAL * 3000


def test_without_a_mark_it_is_utf_8():
    assert find_mark("天".encode()) == ("utf-8", 0)


@pytest.mark.parametrize(
    ("codec", "text", "name"),
    [
        ("gb18030", SIMPLIFIED, "GB18030"),
        ("gb18030", "\ufeff" + SIMPLIFIED, "GB18030"),  # with its own byte order mark
        ("gbk", SIMPLIFIED, "GB18030"),
        ("gb2312", SIMPLIFIED * 5000, "GB18030"),
        ("gb18030", TRADITIONAL + "𠮷龘", "GB18030"),
        ("gb18030", "李 O\n雷 O\n", "GB18030"),
        ("gb18030", "a\n" * 100_000 + SIMPLIFIED, "GB18030"),  # found in the middle
        ("gb18030", "一\n" * 50_000 + SIMPLIFIED, "GB18030"),  # two bytes that are UTF-8 too
        ("big5", TRADITIONAL, "BIG5-HKSCS"),
        ("big5hkscs", TRADITIONAL * 5000, "BIG5-HKSCS"),
        ("cp950", "李先生說：「好」\n", "BIG5-HKSCS"),
        ("utf-16-le", SIMPLIFIED, "UTF-16LE"),
        ("utf-16-be", SIMPLIFIED, "UTF-16BE"),
        ("utf-16-le", "北\n", "UTF-16LE"),
        ("utf-16-le", '{"text": "\\u5929"}\n', "UTF-16LE"),
        ("utf-32-le", "B-LOC\n", "UTF-32LE"),
        ("utf-16-be", "hello world\n", "UTF-16BE"),  # in the other byte order, small letters are ideographs
        ("utf-32-be", "天气 O\n", "UTF-32BE"),
        ("gb18030", "李\tB-PER\n雷\tI-PER\n在\tO\n北\tB-LOC\n京\tI-LOC\n", "GB18030"),
        ("euc_jp", JAPANESE, "EUC-JP"),
        ("euc_jp", JAPANESE * 5000, "EUC-JP"),
        ("euc_jp", "東\tB-LOC\n京\tI-LOC\nへ\tO\nい\tO\nく\tO\n", "EUC-JP"),
        ("cp932", JAPANESE, r"CP932 \(Shift-JIS\)"),
        ("cp932", JAPANESE * 5000, r"CP932 \(Shift-JIS\)"),
        ("euc_kr", KOREAN, r"CP949 \(EUC-KR\)"),
        ("cp949", KOREAN * 5000 + "똠방각하", r"CP949 \(EUC-KR\)"),
        ("utf-16-le", JAPANESE, "UTF-16LE"),
        ("utf-16-be", KOREAN, "UTF-16BE"),
        ("iso2022_jp", JAPANESE, "ISO-2022-JP"),
        ("iso2022_kr", KOREAN, "ISO-2022-KR"),
    ],
    ids=lambda value: value[:20],  # pytest hands the name of a test to its processes, which take no more than 128 kB
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_other_encodings_are_refused_with_a_command_that_converts_them(tmp_path, codec, text, name, ending):
    path = tmp_path / f"it's data.txt{ending}"
    path.write_bytes(PACKERS[ending](text.encode(codec)))
    with pytest.raises(
        ValueError, match=f"it's data.txt{ending}, line .*convert the file, which looks like {name}"
    ) as caught:
        read_text(path, "texts")
    advice = str(caught.value)
    subprocess.run(advice[advice.rindex(": ") + 2 :], shell=True, check=True)
    assert read_text(tmp_path / "utf8-it's data.txt", "texts") == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (TRADITIONAL.encode() + b"\xff" + TRADITIONAL.encode(), 3),
        (TRADITIONAL.encode()[1:], 1),  # cut within a character
        (TRADITIONAL.encode() * 9000 + "\n坏".encode()[:-1], 18002),
        (SIMPLIFIED.encode() + SIMPLIFIED.encode("gb18030"), 3),
    ],
)
def test_utf_8_with_a_fault_is_not_converted_as_a_whole(tmp_path, data, line):
    path = tmp_path / "data.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"line {line}: byte 0x.. is not UTF-8, while the text before or after it is"):
        read_text(path, "texts")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"a\n\xff\xfe\xfd\n",
            "line 2: byte 0xff is not UTF-8; convert the file from its encoding, which was not recog",
        ),
        (b"a\nb\x00c\n", "line 2: zero bytes"),
        ("\ufeff天地".encode("utf-16-le")[:-1], "line 1: byte 0x30 is not UTF-16-LE"),
        (b"PK\x03\x04xxxx", "is a zip archive"),
        (b"PAR1xxxx", "is a Parquet file"),
        (b"\x28\xb5\x2f\xfdxxxx", "is a Zstandard file"),
        (b"%PDF-1.7\n", "is a PDF file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Excel or Word file"),
        (tar_file(), "is a tar archive; unpack it"),
        (gzip.compress(tar_file(), mtime=0), "is a tar archive; unpack it"),
        (lzma.compress(b"PK\x03\x04xxxx"), "is a zip archive"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, message):
    path = tmp_path / "data.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_text(path, "texts")


@pytest.mark.parametrize("outer", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("inner", [".gz", ".bz2", ".xz"])
def test_what_is_compressed_twice_is_refused_with_a_command_that_unpacks_it(tmp_path, outer, inner):
    (path := tmp_path / f"a{outer}").write_bytes(PACKERS[outer](PACKERS[inner](SIMPLIFIED.encode())))
    with pytest.raises(ValueError, match="is compressed twice") as caught:
        read_text(path, "texts")
    advice = str(caught.value)
    subprocess.run(advice[advice.index(": ") + 2 :], shell=True, check=True)
    assert read_text(tmp_path / "utf8-a", "texts") == SIMPLIFIED


@pytest.mark.parametrize(
    ("codec", "text", "name"),
    [
        ("shift_jis", "今日は天気がいいです。公園へ行きましょう。\n", "CP932"),
        ("euc-jp", "データを読み込みます。\n", "EUC-JP"),
        ("euc-kr", "오늘은 날씨가 좋습니다.\n", "CP949"),
        ("latin-1", "Déjà à l'été.\n", None),
    ],
)
def test_other_languages_are_not_taken_for_chinese(codec, text, name):
    assert recognise((text * 100).encode(codec)) == name
    assert recognise("张伟\n王芳\n李娜\n刘洋\n".encode("gbk")) == "GB18030"  # few characters need not be frequent ones


@pytest.mark.parametrize("size", [12, 60, 3000])
@pytest.mark.parametrize(
    ("codecs", "name", "text"),
    [
        (("gb2312", "gbk", "gb18030"), "GB18030", SIMPLIFIED),
        (("gbk", "gb18030"), "GB18030", TRADITIONAL),
        (("big5", "big5hkscs", "cp950"), "BIG5-HKSCS", TRADITIONAL),
        (("gbk",), "GB18030", "我想知道这个：日语的“の”和“ありがとう”是什么意思？"),  # Chinese that quotes Japanese
    ],
)
def test_chinese_is_not_taken_for_another_language(codecs, name, text, size):
    for codec in codecs:
        assert recognise((text * (size // len(text) + 1))[:size].encode(codec)) == name


def test_what_may_be_several_encodings_names_all(tmp_path):
    (path := tmp_path / "data.txt").write_bytes("金 O\n".encode("gb18030"))
    with pytest.raises(ValueError, match=r"looks like \S+ \(or else .*, which the new file shows\): iconv"):
        read_text(path, "texts")


def test_escapes_that_are_no_encoding_are_text(tmp_path):
    (path := tmp_path / "data.txt").write_text("\x1b[31m红\x1b[0m \x1b$5\n", encoding="utf-8")
    assert read_text(path, "texts").startswith("\x1b[31m红")


def test_compressions(tmp_path):
    for ending, pack in PACKERS.items():
        path = tmp_path / f"a{ending}.txt"
        path.write_bytes(pack(b"x"))
        found = compression_of(path)
        assert (found and found.open(path).read()) == (b"x" if ending else None)
        assert command(path, "BIG5").count("|") == bool(ending)


def test_a_cut_last_character_is_no_fault():
    assert recognise(SIMPLIFIED.rstrip().encode("gb18030")[:-6]) == "GB18030"
    assert recognise(b"\xff\xff\xff") is None
