"""Zips: what is refused before it is unpacked."""

import os
import struct
import zipfile

import pytest
from font_tools import covered, image_folder

from hanziformers.processors import image_entries
from hanziformers.processors.fonts import open_source
from hanziformers.processors.image_entries import FileZip, Unused, code_point_of, leads_outside

pytestmark = pytest.mark.usefixtures("own_fonts")


@pytest.fixture
def image(tmp_path):
    return (image_folder(tmp_path / "p", {"人.png": "black"}) / "人.png").read_bytes()


def make_zip(path, entries, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def patched(path, local, central):
    """Changes fields of the only entry, in its own header and in the directory: offset -> bytes."""
    data = bytearray(path.read_bytes())
    for start, fields in ((0, local), (data.index(b"PK\1\2"), central)):
        for offset, value in fields.items():
            data[start + offset : start + offset + len(value)] = value
    path.write_bytes(data)
    return path


def refusal(path):
    with pytest.raises(
        ValueError, match="get the file again, or give a folder of glyph images|replace or remove"
    ) as error:
        _ = open_source(path).info
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["/etc/人.png", "../人.png", "a/../../人.png", "C:\\x\\人.png", "..\\人.png"])
def test_names_that_lead_out(tmp_path, image, name):
    path = make_zip(tmp_path / "x.zip", [("一.png", image), (name, image)])
    assert f"its {name!r} leads out of the zip; pack it again" in refusal(path)


def test_names_that_stay_inside():
    assert not any(map(leads_outside, ["人.png", "a/人.png", "a..b/人.png", "..png", "x:y/z.png"[1:], "seal"]))


def test_two_entries_of_one_name(tmp_path, image):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = make_zip(tmp_path / "x.zip", [("人.png", image), ("人.png", image)])
    assert "it has two entries '人.png'" in refusal(path)


def test_encrypted(tmp_path, image):
    path = patched(make_zip(tmp_path / "x.zip", [("人.png", image)]), {6: b"\1"}, {8: b"\1"})
    assert "its '人.png' is encrypted; unpack it with the password, and give the folder" in refusal(path)


@pytest.mark.parametrize(
    ("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma"), (9, "deflate64"), (77, "77")]
)
def test_other_compression(tmp_path, image, method, name):
    usual = method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    path = make_zip(tmp_path / "x.zip", [("人.png", image)], method if usual else zipfile.ZIP_STORED)
    if not usual:
        patched(path, {8: struct.pack("<H", method)}, {10: struct.pack("<H", method)})
    assert f"its '人.png' is compressed by {name}; pack it again by deflate" in refusal(path)


def test_bombs(tmp_path, image):
    one = make_zip(tmp_path / "x.zip", [("人.png", bytes(2**26 + 1))])
    assert one.stat().st_size < 100_000
    assert "its '人.png' is too large: it has 67,108,865 bytes; at most 67,108,864" in refusal(one)
    size = struct.pack("<L", 100)
    assert "'人.png' in" in refusal(patched(one, {22: size}, {24: size}))  # it declares less: see the next test
    many = make_zip(tmp_path / "y.zip", [(f"u{0x4E00 + row:x}.png", image) for row in range(80)])
    data = many.read_bytes()
    large = struct.pack("<L", 60 * 2**20)
    for start in [row for row in range(len(data)) if data[row : row + 4] == b"PK\1\2"]:
        data = data[: start + 24] + large + data[start + 28 :]
    many.write_bytes(data)
    assert "its files have more than 4,294,967,296 bytes" in refusal(many)


def test_no_more_is_unpacked_than_is_declared(tmp_path, monkeypatch):
    size = struct.pack("<L", 100)
    path = patched(make_zip(tmp_path / "x.zip", [("人.png", bytes(2**26))]), {22: size}, {24: size})
    lengths = []
    read = zipfile.ZipExtFile._read2
    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", keep_lengths(zipfile.ZipExtFile._read1, lengths))
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
        FileZip(path).read("人.png")
    assert read is zipfile.ZipExtFile._read2
    assert max(lengths) <= 100


def keep_lengths(method, lengths):
    def kept(self, number):
        lengths.append(number)
        return method(self, number)

    return kept


def test_too_many_entries(tmp_path, image, monkeypatch):
    monkeypatch.setattr(image_entries, "MOST_ENTRIES", 20)
    path = make_zip(tmp_path / "x.zip", [("人.png", image), *((f"{row}.txt", b"") for row in range(20))])
    assert "it has 21 entries; at most 20 are allowed" in refusal(path)


def test_a_zip_that_is_too_large(tmp_path, image):
    path = make_zip(tmp_path / "x.zip", [("人.png", image)])
    os.truncate(path, 2**28 + 1)
    assert "at most 268,435,456 are allowed: unpack it into a folder" in refusal(path)


def test_zips_inside_a_zip(tmp_path, image):
    inner = make_zip(tmp_path / "x.zip", [("人.png", image)]).read_bytes()
    with pytest.raises(ValueError, match=r"holds no glyph images .*zips inside it: 1 \('inner\.zip'\)"):
        open_source(make_zip(tmp_path / "y.zip", [("inner.zip", inner)]))


@pytest.mark.parametrize("end", [0, 10, 0.5, -1, -30])
def test_zips_that_are_cut_off(tmp_path, image, end):
    path = make_zip(tmp_path / "x.zip", [("人.png", image)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * end) if isinstance(end, float) else end])
    assert "cannot be opened as a zip of glyph images" in refusal(path)


def test_wrong_checksums_and_damaged_data(tmp_path, image):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = make_zip(tmp_path / "x.zip", [("人.png", image)], method)
        data = bytearray(path.read_bytes())
        data[60] ^= 255
        path.write_bytes(data)
        assert "'人.png' in" in refusal(path)


def test_a_version_that_zipfile_does_not_know(tmp_path, image):
    path = patched(make_zip(tmp_path / "x.zip", [("人.png", image)]), {}, {6: b"\x63\0"})
    assert "cannot be opened as a zip of glyph images (zip file version" in refusal(path)


def test_pipes(tmp_path):
    os.mkfifo(tmp_path / "x.zip")
    assert "it is no regular file" in refusal(tmp_path / "x.zip")


def test_links_in_a_zip_show_nothing(tmp_path, image, warnings):
    link = zipfile.ZipInfo("大.png")
    link.external_attr = 0o120777 << 16
    source = open_source(make_zip(tmp_path / "x.zip", [("人.png", image), (link, "人.png")]))
    assert covered(source) == {"人"}
    assert any("links: 1 ('大.png')" in one for one in warnings)


def test_other_files_of_a_zip_may_be_anything(tmp_path, image):
    path = make_zip(tmp_path / "x.zip", [("人.png", image), ("licence.txt", bytes(2**26 + 1))])
    assert covered(open_source(path)) == {"人"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("人.png", 0x4EBA),
        ("a/U+4EBA.PNG", 0x4EBA),
        ("uni10FFFF.bmp", 0x10FFFF),
        ("u110000.png", None),
        ("uffffff.png", None),
        ("ud800.png", None),
        ("\udcff.png", None),
        ("人.svg", None),
        ("人人.png", None),
    ],
)
def test_code_points(name, code):
    assert code_point_of(name) == code


def test_what_is_not_used_is_counted():
    unused = Unused()
    assert str(unused) == ""
    for number in range(1200):
        unused.add("names that are no character", f"{number}.png")
    unused.add("links", "人.png")
    assert str(unused) == ("names that are no character: 1,200 ('0.png', '1.png', '2.png', ...); links: 1 ('人.png')")
