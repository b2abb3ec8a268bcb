"""Fonts that are installed on this machine: well-known files of each style, looked for in the usual folders."""

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# style -> names of well-known font files, in lower case, best first
_SONG = ("simsun.ttc", "simsunb.ttf", "notoserifcjk-regular.ttc", "notoserifcjksc-regular.otf", "songti.ttc")
_WELL_KNOWN = {
    "song": _SONG,
    "traditional": _SONG,
    "hei": ("simhei.ttf", "notosanscjk-regular.ttc", "notosanscjksc-regular.otf", "msyh.ttc", "wqy-zenhei.ttc"),
    "kai": ("simkai.ttf", "lxgwwenkai-regular.ttf", "stkaiti.ttf", "ukai.ttc"),
    "fangsong": ("simfang.ttf", "stfangso.ttf", "fandolfang-regular.otf", "cwtexfangsong-medium.ttf", "cwfs.ttf"),
    "xingkai": ("stxingka.ttf", "kouzanbrushfontgyousyo.ttf", "kouzan-mouhitsu-gyosho.ttf"),
    "cao": ("kouzanbrushfontsousyo.ttf", "kouzan-mouhitsu-sosho.ttf"),
    "brush": ("kouzan-mouhitsu.ttf",),
    "lishu": ("simli.ttf", "stliti.ttf", "moeli.ttf", "clerical-moeli.ttf", "edulv3.ttf"),
    "wei": ("stxinwei.ttf",),
    "other": ("hanamina.ttf", "hanaminb.ttf", "arialuni.ttf", "dejavusans.ttf", "unifont.otf", "unifont.ttf"),
}


def system_paths(style: str) -> list[Path]:
    """The installed font files of a style, best first; empty where none is known or installed."""
    installed = installed_files()
    return [installed[name] for name in _WELL_KNOWN.get(style, ()) if name in installed]


@lru_cache(maxsize=1)
def installed_files() -> dict[str, Path]:
    """Lower-case file name -> path of every file in the usual font folders."""
    files: dict[str, Path] = {}
    for folder in _font_folders():
        for root, folders, names in os.walk(folder):
            folders.sort()  # os.walk follows this list: the same file is found on every machine
            for name in sorted(names):
                files.setdefault(name.lower(), Path(root) / name)
    return files


def _font_folders() -> Iterator[Path]:
    try:
        home = Path.home()
    except RuntimeError:  # a user whom the system does not know
        home = Path(os.devnull)  # below which there is nothing
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts"
        yield Path(os.environ.get("LOCALAPPDATA", str(home))) / "Microsoft" / "Windows" / "Fonts"
    elif sys.platform == "darwin":
        yield from (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    else:
        yield from (home / ".fonts", home / ".local/share/fonts", Path("/usr/local/share/fonts"))
        yield Path("/usr/share/fonts")
        yield from Path("/usr/share").glob("tex*/texmf-dist/fonts/opentype/public/fandol")


__all__ = ["installed_files", "system_paths"]
