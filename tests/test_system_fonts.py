"""Fonts that are installed: where they are looked for, and in which order."""

import pytest

from hanziformers.processors import fonts, system_fonts
from hanziformers.processors.fonts import FontChain

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_a_damaged_installed_font_is_skipped(tmp_path, monkeypatch):
    (tmp_path / "simsun.ttc").write_bytes(b"damaged")
    monkeypatch.setattr(system_fonts, "installed_files", lambda: {"simsun.ttc": tmp_path / "simsun.ttc"})
    fonts._installed.cache_clear()
    assert [s.where for s in FontChain("song").levels[0][1]] == ["shipped"]


def test_files_of_a_style_come_in_the_order_of_its_table(monkeypatch, tmp_path):
    installed = {name: tmp_path / name for name in ("simkai.ttf", "ukai.ttc", "mine.ttf")}
    monkeypatch.setattr(system_fonts, "installed_files", lambda: installed)
    assert system_fonts.system_paths("kai") == [tmp_path / "simkai.ttf", tmp_path / "ukai.ttc"]
    assert system_fonts.system_paths("bronze") == []


def test_folders_are_searched_whole_and_names_in_lower_case(monkeypatch, tmp_path, request):
    for name in ("b/SimKai.ttf", "a/deep/SIMKAI.TTF", "a/STKaiti.ttf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.undo()  # of own_fonts, which hides the real search
    monkeypatch.setattr(system_fonts, "_font_folders", lambda: iter([tmp_path / "nowhere", tmp_path]))
    system_fonts.installed_files.cache_clear()
    request.addfinalizer(system_fonts.installed_files.cache_clear)
    wanted = {"simkai.ttf": tmp_path / "a/deep/SIMKAI.TTF", "stkaiti.ttf": tmp_path / "a/STKaiti.ttf"}
    assert system_fonts.installed_files() == wanted


def test_traditional_characters_have_the_fonts_of_song(monkeypatch, tmp_path):
    monkeypatch.setattr(system_fonts, "installed_files", lambda: {"simsun.ttc": tmp_path / "simsun.ttc"})
    assert system_fonts.system_paths("traditional") == system_fonts.system_paths("song") == [tmp_path / "simsun.ttc"]
