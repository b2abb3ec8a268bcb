"""What the settings of a checkpoint may say about fonts: names of files in its own folder fonts/, and nothing else.

Settings may come from anybody who publishes a checkpoint, and what they name is opened, and copied into what the user
saves and publishes. So a file of settings

- names saved fonts as `fonts/<plain file name>`, which must be whole files inside of the folder that it lies in (or the
  Hub's cache of it), and must be fonts or zips of images named by character;
- cannot give paths (`fonts`), nor say that the user's fonts are copied (`save_fonts`): only arguments can;
- names the user's fonts that are not in the folder by their file names alone (`unsaved_fonts`), so that it is said when
  they are missing, and no folder of anybody's machine is published.
"""

import os
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from transformers.utils import cached_file, logging

from .fonts import holds_images, open_source
from .glyph_source import split_part
from .image_entries import code_point_of
from .shipped_fonts import SHIPPED_LICENCES

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

Paths = dict[str, list[str]]  # style -> paths of its fonts, or their names


class SavedFonts(Paths):
    """Style -> paths of the fonts in the folder of a checkpoint.

    Only `find_saved_fonts` makes one, of names that it has checked. JSON has no such type, so that a path in a file of
    settings is never taken for one of them, whatever way the settings come.
    """


def find_saved_fonts(names: Any, checkpoint: str, hub_kwargs: dict[str, Any]) -> SavedFonts:
    """Where the fonts lie that were saved with a checkpoint; downloads those of a repository.

    Args:
        names: `saved_fonts` of its settings: style -> names such as "fonts/song-0.ttf" or "fonts/song-0.ttc#2".
        checkpoint: a folder or the name of a repository.
        hub_kwargs: arguments of `transformers.utils.cached_file` (revision, token, subfolder, ...).

    Returns:
        Style -> paths, in the same order.

    Raises:
        ValueError: a name is no plain file name in fonts/, or the file does not lie there.
        OSError: there is no such file.
    """
    found = SavedFonts()
    for style, listed in check_names("saved_fonts", names, "fonts/").items():
        for name in listed:
            file, _, part = name.partition("#")
            path = _find(file, checkpoint, hub_kwargs)
            whole = f"{path}#{part}" if part else path
            check_lies_in_checkpoint(split_part(whole)[0])  # a file may be called "x.zip#seal", and be a link
            found.setdefault(style, []).append(whole)
            licence = SHIPPED_LICENCES.get(Path(file).name)
            if licence:  # so that it is at hand when the font is saved again
                _find(f"fonts/{licence}", checkpoint, {**hub_kwargs, "_raise_exceptions_for_missing_entries": False})
    return found


def _find(name: str, checkpoint: str, hub_kwargs: dict[str, Any]) -> str | None:
    path = cached_file(checkpoint, name, **hub_kwargs)
    if path is not None:
        path = os.path.abspath(path)  # also found after a change of the working directory
        check_lies_in_checkpoint(Path(path))
    return path


def check_lies_in_checkpoint(path: Path) -> None:
    """Refuses a link that leads out of the checkpoint, and what is no file (a pipe would be waited for).

    Args:
        path: <folder of the checkpoint>/fonts/<name>.

    Raises:
        ValueError: names the file and where it really lies.
    """
    real, root = path.resolve(), path.parents[1].resolve()
    allowed = [root]
    for folder in (root, *root.parents):  # in the Hub's cache: models--<repository>/snapshots/<revision>/fonts/<name>
        if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
            allowed.append(folder.parent.parent / "blobs")  # to which all files of a snapshot are links
    if not real.is_file() or not any(real.is_relative_to(folder) for folder in allowed):
        raise ValueError(
            f"{str(path)!r} of the checkpoint is really {str(real)!r}, which is no file of its folder. No others are "
            "used: copy the font there, or leave it out of saved_fonts and give it as an argument, "
            "from_pretrained(..., fonts={'style': ['path of a font']})"
        )


def check_names(setting: str, names: Any, folder: str = "") -> Paths:
    """Refuses anything but style -> names of files.

    Args:
        setting: whose value it is, for the error.
        names: the value; None: there is none.
        folder: where the files are to be opened, such as "fonts/": after it each has a plain name, perhaps with `#` and
            a part. Empty: they are never opened, and may be called anything.

    Raises:
        ValueError: names the value.
    """
    names = {} if names is None else names
    lists = isinstance(names, dict) and all(isinstance(listed, list) for listed in names.values())
    wrong = [names] if not lists else [one for listed in names.values() for one in listed if not _is_plain(one, folder)]
    if wrong:
        raise ValueError(
            f"{setting} in the settings of a checkpoint holds {wrong[0]!r}; it may only hold style -> names of files, "
            f"such as {{'song': ['{folder}song-0.ttf']}}. Give paths as an argument: from_pretrained(..., fonts="
            "{'song': ['path of a font']})"
        )
    return names


def _is_plain(name: Any, folder: str) -> bool:
    if not isinstance(name, str) or not folder:
        return isinstance(name, str)
    if not name.startswith(folder) or not name.isprintable():
        return False
    pieces = name.removeprefix(folder).split("#")
    # On any system: "..", "a/b", "a\b" and "C:x" are more than a name. A name has one part at most.
    return len(pieces) <= 2 and all(
        piece not in ("", "..") and kind(piece).name == piece
        for piece in pieces
        for kind in (PurePosixPath, PureWindowsPath)
    )


def as_saved_fonts(saved: Any) -> SavedFonts:
    """The saved fonts that an image processor is given; None: there are none.

    Raises:
        TypeError: they do not come from `find_saved_fonts`.
    """
    saved = saved or SavedFonts()
    if not isinstance(saved, SavedFonts):
        raise TypeError(
            f"saved_fonts is {saved!r}; from_pretrained alone sets it, to what lies in the folder of a checkpoint. "
            "Give your own fonts as fonts={'song': ['path of a font']}"
        )
    return saved


def check_saved_fonts(saved: SavedFonts, opened: Iterable[str]) -> None:
    """Checks what will be copied when an image processor is saved again: also fonts of styles that are not used.

    Args:
        saved: its saved fonts.
        opened: paths of those that it has opened.

    Raises:
        ValueError: a file is neither a font nor a zip of images; a zip holds something else as well.
    """
    paths = {path for listed in saved.values() for path in listed}
    for path in sorted(paths - set(opened)):
        open_source(path, "checkpoint")
    for file in sorted({split_part(path)[0] for path in paths}):
        if holds_images(file):
            with zipfile.ZipFile(file) as archive:
                others = [name for name in archive.namelist() if not name.endswith("/") and code_point_of(name) is None]
            if others:
                raise ValueError(
                    f"{str(file)!r} of the checkpoint holds {others[0]!r}, which is no image named by character or "
                    "code point; save_pretrained writes nothing else into such a zip: remove the file from the zip, or "
                    "get the checkpoint again"
                )


def own_settings(settings: dict[str, Any], fonts: Paths | None, used: set[str]) -> dict[str, Any]:
    """Of settings that a file may hold, those about fonts that it may decide (see the top of this file).

    Args:
        settings: of a file, with `saved_fonts` as `find_saved_fonts` has found them.
        fonts: the user's, an argument; None: not given.
        used: the styles that render something.

    Returns:
        The settings without `fonts` and `save_fonts`. `unsaved_fonts` are those that are missing: of used styles for
        which the user gives no fonts. They are warned about. (`fonts={}`: the user wants none of them.)

    Raises:
        ValueError: the settings hold paths, and the user gives no fonts; saved or unsaved fonts are no names.
    """
    settings = {name: value for name, value in settings.items() if name != "save_fonts"}
    paths = settings.pop("fonts", None)
    if paths and fonts is None:
        raise ValueError(
            f"the settings of the checkpoint hold fonts={paths!r}; paths of a file of settings are not opened. If you "
            "trust them, give them as an argument: from_pretrained(..., fonts={'style': ['path of a font']}); "
            "fonts={} leaves them out"
        )
    unsaved = check_names("unsaved_fonts", settings.get("unsaved_fonts"))
    kept = set() if fonts == {} else used - set(fonts or ())
    # Their last parts: whoever wrote the file, no folder of a machine is published.
    names_of = {style: [re.split(r"[/\\]", name)[-1] for name in names] for style, names in unsaved.items()}
    settings["unsaved_fonts"] = {style: names for style, names in names_of.items() if style in kept}
    for style, names in settings["unsaved_fonts"].items():
        logger.warning(
            f"the fonts {names} that rendered the style {style!r} are not saved with the checkpoint; characters "
            "outside of the model's own glyph images may look different. Give them: from_pretrained(..., "
            f"fonts={{{style!r}: ['path of the font']}}), or save the processor with save_fonts=True where they are"
        )
    if not isinstance(settings.get("saved_fonts"), SavedFonts):
        _warn_of_lost(check_names("saved_fonts", settings.pop("saved_fonts", None), "fonts/"))
    return settings


def _warn_of_lost(saved: Paths) -> None:
    """Names the saved fonts that are left out because nobody knows the folder that they lie in."""
    for style, names in saved.items():
        lost = [name for name in names if Path(name.partition("#")[0]).name not in SHIPPED_LICENCES]
        if lost:
            logger.warning(
                f"the fonts {lost} of the style {style!r} lie in the folder of a checkpoint, but the settings were not "
                "loaded from it, so that they are left out; use from_pretrained(folder)"
            )


__all__ = [
    "Paths",
    "SavedFonts",
    "as_saved_fonts",
    "check_lies_in_checkpoint",
    "check_names",
    "check_saved_fonts",
    "find_saved_fonts",
    "own_settings",
]
