"""The fonts that hanziformers ships: which file renders which style, where they lie, and what is known about them."""

import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# style -> the file that is shipped for it; `#` names a folder inside a zip
SHIPPED = {
    "song": "song.woff2",
    "hei": "hei.woff2",
    "kai": "kai.woff2",
    "xingkai": "xingkai.woff2",
    "cao": "cao.woff2",
    "brush": "brush.woff2",
    "seal": "seal.ttf",
    "bronze": "ancient-characters.zip#bronze",
    "oracle": "ancient-characters.zip#oracle",
    "bigseal": "ancient-characters.zip#bigseal",
    "traditional": "song.woff2",  # the traditional form of a character, in Song
}
SHIPPED_TOO = {"seal": "ancient-characters.zip#seal"}  # a second source of the style
SHIPPED_LICENCES = {  # file -> the file that holds the text of its licence
    name.partition("#")[0]: f"{name.partition('.')[0]}-{'PD' if '.zip' in name else 'OFL'}.txt"
    for name in (*SHIPPED.values(), *SHIPPED_TOO.values())
}

STANDARD = "standard-8105.txt"  # the Table of General Standard Chinese Characters (2013), one after the other


@lru_cache(maxsize=2)
def shipped_folder(name: str = "font_files") -> Path | None:
    """A folder that is shipped, that of the fonts, or None where the package is not installed (a checkpoint's code)."""
    try:
        package = find_spec("hanziformers")
    except ValueError:  # sys.modules holds something of that name without a spec
        return None
    locations = package.submodule_search_locations if package else None
    folder = Path(locations[0]) / name if locations else None
    return folder if folder and folder.is_dir() else None


@lru_cache(maxsize=1)
def shipped_infos() -> dict[str, dict]:
    """What fonts.json says: file name -> {"sha256", "info": fields of `FontInfo`}.

    Empty where the package is not installed.
    """
    folder = shipped_folder()
    path = folder / "fonts.json" if folder else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}


def standard_characters() -> str:
    """The 8,105 characters of the Table of General Standard Chinese Characters; none where the package is missing."""
    folder = shipped_folder()
    return (folder / STANDARD).read_text(encoding="utf-8").strip() if folder else ""


def shipped_paths(style: str) -> list[str]:
    """The shipped files of a style that are here; none where the package is not installed."""
    folder = shipped_folder()
    names = [names[style] for names in (SHIPPED, SHIPPED_TOO) if style in names]
    if folder is None:
        return []
    return [str(folder / name) for name in names if (folder / name.partition("#")[0]).exists()]


__all__ = [
    "SHIPPED",
    "SHIPPED_LICENCES",
    "SHIPPED_TOO",
    "STANDARD",
    "shipped_folder",
    "shipped_infos",
    "shipped_paths",
    "standard_characters",
]
