"""Glyph images of many characters, and findings about fonts, on disk."""

import errno
import io
import json
import os
import pickle
import re
import stat
import threading
import zipfile
import zlib

import numpy as np
import pytest
from font_tools import MANY, WHOLE, box_font

from hanziformers.processors import glyph_cache, system_fonts
from hanziformers.processors.fonts import open_source
from hanziformers.processors.glyph_rendering import GlyphRenderer
from hanziformers.processors.image_processing_glyph import HanziGlyphImageProcessor

pytestmark = pytest.mark.usefixtures("own_fonts")


def kept(tmp_path):
    return sorted((tmp_path / "cache").glob("glyphs-*.npz"))


def test_many_tokens_are_kept_and_read_back(tmp_path, monkeypatch):
    expected = HanziGlyphImageProcessor(styles=["xingkai"], size=24).render(MANY)
    assert len(kept(tmp_path)) == 1
    monkeypatch.setattr(GlyphRenderer, "render", lambda *_: pytest.fail("rendered again"))
    again = HanziGlyphImageProcessor(styles=["xingkai"], size=24)
    assert (again.render(MANY) == expected).all()
    assert again.font_manifest["tokens"] == len(MANY)


def test_everything_that_matters_is_in_the_key(tmp_path):
    path = box_font(tmp_path / "x.ttf", {0x4E00: WHOLE})
    keys = {
        HanziGlyphImageProcessor(**settings)._renderer.key(tokens)
        for tokens in (MANY, MANY[1:])
        for settings in ({}, {"size": 24}, {"binary": False}, {"render_words": False}, {"styles": ["kai"]})
    }
    keys.add(HanziGlyphImageProcessor(fonts={"song": [path]})._renderer.key(MANY))
    box_font(path, {0x4E00: (0, 0, 800, 800)})
    keys.add(HanziGlyphImageProcessor(fonts={"song": [path]})._renderer.key(MANY))
    assert len(keys) == 12


def test_no_cache(tmp_path):
    HanziGlyphImageProcessor(styles=["xingkai"], size=16, cache=False).render(MANY)
    assert not kept(tmp_path)


class Never:
    """Raises when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def archive(path, compression=zipfile.ZIP_STORED, **members):
    """An .npz file with members of these bytes."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)


def npy(header, data=b""):
    """The bytes of an .npy file with any header."""
    text = str(header).encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def entry(path):
    """The arrays of a kept file."""
    with np.load(path) as kept:
        return dict(kept)


def flip(data):
    return bytes(byte ^ (0xFF if index == len(data) // 2 else 0) for index, byte in enumerate(data))


HUGE = {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 1 << 20)}
DAMAGES = {
    "cut": lambda path, data: path.write_bytes(data[: len(data) // 2]),
    "empty": lambda path, data: path.write_bytes(b""),
    "flipped": lambda path, data: path.write_bytes(flip(data)),
    "text": lambda path, data: path.write_text("{" * 10000),
    "a pickle": lambda path, data: path.write_bytes(pickle.dumps(Never())),
    "a single array": lambda path, data: path.write_bytes(npy({**HUGE, "shape": (3,)}, b"abc")),
    "other shape": lambda path, data: np.savez(path, images=np.zeros((1, 2), np.uint8), candidates=[1]),
    "same size, other shape": lambda path, data: np.savez(path, **{k: v[..., None] for k, v in entry(path).items()}),
    "same size, other dtype": lambda path, data: np.savez(path, **{k: v.view(np.int8) for k, v in entry(path).items()}),
    "objects": lambda path, data: np.savez(path, images=np.array([Never()], object), candidates=np.array([Never()])),
    "names missing": lambda path, data: np.savez(path, images=entry(path)["images"]),
    "nested header": lambda path, data: archive(path, images=npy("(" * 100, bytes(600 * 256)), candidates=b""),
    "no dict as header": lambda path, data: archive(path, images=npy("[3]", bytes(600 * 256)), candidates=b""),
    "absurd shape": lambda path, data: archive(path, images=npy(HUGE, bytes(600 * 256)), candidates=b""),
    "negative shape": lambda path, data: archive(path, images=npy({**HUGE, "shape": (-1,)}, bytes(600 * 256))),
    "bomb": lambda path, data: archive(path, zipfile.ZIP_DEFLATED, images=npy(HUGE, bytes(1 << 24)), candidates=b""),
    "damaged stream": lambda path, data: path.write_bytes(deflated(path)),
    "a method that is not known": lambda path, data: path.write_bytes(with_method(data, 99)),
    "encrypted": lambda path, data: path.write_bytes(with_method(data, 0, flags=1)),
    "a folder": lambda path, data: path.unlink() or path.mkdir(),
    "a link that leads nowhere": lambda path, data: path.unlink() or path.symlink_to("nowhere"),
    "a link to itself": lambda path, data: path.unlink() or path.symlink_to(path),
    "a pipe": lambda path, data: path.unlink() or os.mkfifo(path),
}


def with_method(data, method, flags=0):
    """The same archive, with another compression method or other flags in its directory."""
    data = bytearray(data)
    for match in re.finditer(b"PK\x01\x02", data):
        data[match.start() + 8 : match.start() + 12] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
    return data


def deflated(path):
    """The same arrays, compressed, with one byte changed, so that zlib fails."""
    np.savez_compressed(path, **entry(path))
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    return data


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_file_is_reported_and_rendered_again(tmp_path, warnings, damage):
    def make():
        return HanziGlyphImageProcessor(styles=["xingkai"], size=16, fallback=False)

    expected = make().render(MANY)
    (path,) = kept(tmp_path)
    DAMAGES[damage](path, path.read_bytes())
    warnings.clear()
    assert (make().render(MANY) == expected).all()
    silent = damage == "a link that leads nowhere"  # there is no file
    assert sum("rendered again" in text and str(path) in text for text in warnings) == (not silent)
    assert not path.is_symlink()
    warnings.clear()
    assert (make().render(MANY) == expected).all()
    assert any("rendered again" in text for text in warnings) is (damage == "a folder")  # which stays in the way


@pytest.mark.parametrize("error", [MemoryError, RecursionError, NotImplementedError, TypeError, zlib.error])
def test_whatever_reading_raises_costs_no_result(tmp_path, monkeypatch, warnings, error):
    expected = HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY)

    def fail(*args, **kwargs):
        raise error("as an odd file would")

    monkeypatch.setattr(np.lib.format, "read_array", fail)
    assert (HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY) == expected).all()
    assert any(f"is damaged ({error.__name__}: as an odd file would)" in text for text in warnings)


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: "[" * 100_000,
        lambda value: json.dumps([value]),
        lambda value: "null",
        lambda value: json.dumps(value | {"box": [1e30, 0, 0, 0]}),
        lambda value: json.dumps(value).replace("4e00", "4e01"),
        lambda value: json.dumps(value) + " " * (1 << 24),
        lambda value: "1" * 5000,
    ],
)
def test_damaged_findings_about_a_font_are_made_again(tmp_path, warnings, damage):
    path = box_font(tmp_path / "x.ttf", {0x4E00: WHOLE})
    first = open_source(path).info
    (kept,) = (tmp_path / "cache").glob("font-*.json")
    kept.write_text(damage(json.loads(kept.read_text())))
    assert open_source(path).info == first
    assert any(f"{kept} is damaged" in text for text in warnings)
    warnings.clear()
    assert open_source(path).info == first
    assert not warnings


def test_writers_at_once(tmp_path):
    results = []

    def render():
        results.append(HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY))

    threads = [threading.Thread(target=render) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((result == results[0]).all() for result in results)
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANZIFORMERS_CACHE", str(tmp_path / "file"))
    assert HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY).any()


def test_kept_files_are_for_all_whom_the_umask_lets(tmp_path):
    before = os.umask(0o002)
    try:
        HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY)
        glyph_cache.write_json("font-x.json", {})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "cache").iterdir()} == {0o664}


def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch, warnings):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HANZIFORMERS_CACHE", str(tmp_path / "file" / "x"))
    assert HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY).any()
    assert glyph_cache.read_json("font-x.json") is None
    assert sum("cannot be read" in text for text in warnings) == 2
    assert not any("damaged" in text for text in warnings)


def test_a_file_that_cannot_be_renamed_leaves_nothing(tmp_path):
    glyph_cache.write_json("kept.json", {"a": 3})
    (tmp_path / "cache" / "other.json" / "in the way").mkdir(parents=True)
    glyph_cache.write_json("other.json", {"a": 3})
    assert {file.name for file in (tmp_path / "cache").iterdir()} == {"kept.json", "other.json"}


def test_without_a_home_nothing_is_kept_and_one_warning_says_so(tmp_path, monkeypatch, warnings):
    glyph_cache.logger.warning_once.__func__.cache_clear()

    def unknown(path):  # as for a user whom the system does not know
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(type(tmp_path), "expanduser", unknown)
    for name in ("HOME", "HANZIFORMERS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    first, second = (HanziGlyphImageProcessor(styles=["xingkai"], size=16).render(MANY) for _ in range(2))
    assert (first == second).all()
    assert open_source(box_font(tmp_path / "x.ttf", {0x4E00: WHOLE})).info.family == "Test Boxes"
    assert [text for text in warnings if "home" in text] == [
        "there is no folder to keep rendered characters in (Could not determine home directory.), which are rendered "
        "again next time; set HANZIFORMERS_CACHE to one that can be written to"
    ]
    assert list(system_fonts._font_folders())


@pytest.mark.parametrize("value", ["~nobody-of-this-name/x", "/dev/null/x", "x" * 300])
def test_folders_that_cannot_be_are_no_cache(tmp_path, monkeypatch, value, warnings):
    glyph_cache.logger.warning_once.__func__.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HANZIFORMERS_CACHE", value)
    for size in (12, 16):
        assert HanziGlyphImageProcessor(styles=["xingkai"], size=size).render(MANY).any()
    assert sum("rendered again next time" in text for text in warnings) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_full_or_read_only_disk_is_said_once(tmp_path, monkeypatch, number, warnings):
    """Also where the file can be opened, and breaks off in the middle."""
    glyph_cache.logger.warning_once.__func__.cache_clear()

    class Full(io.FileIO):
        def write(self, data):
            if self.tell() > 1000:
                raise OSError(number, os.strerror(number), self.name)
            return super().write(data)

    open_path = type(tmp_path).open

    def opened(path, mode="r", *args, **kwargs):
        return Full(path, mode) if path.suffix == ".part" else open_path(path, mode, *args, **kwargs)

    monkeypatch.setattr(type(tmp_path), "open", opened)
    for size in (12, 16):
        assert HanziGlyphImageProcessor(styles=["xingkai"], size=size).render(MANY).any()
    assert not any((tmp_path / "cache").iterdir())
    (text,) = [text for text in warnings if "cannot keep rendered characters" in text]
    assert os.strerror(number) in text
