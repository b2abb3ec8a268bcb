"""Saves the fonts of an image processor with a checkpoint, in its folder fonts/ (saved_fonts.py finds them again).

Three kinds of fonts go there, for every style in this order:

1. the user's own, where `save_fonts` says so: under new names, image folders as a zip;
2. those that came with the checkpoint that the image processor was loaded from (checked by saved_fonts.py);
3. the shipped ones of its styles, and of the fallback styles that tell two of them apart (see fallback_styles.py),
   with the texts of their licences, so that a checkpoint renders new characters also where hanziformers is not
   installed.

Whoever saves an image processor (itself, its processor, or the tokenizer that a Trainer saves) does it through
`HanziGlyphImageProcessor.save_pretrained`, which calls `save_fonts` here.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path

from transformers.utils import PROCESSOR_NAME, logging

from .fonts import holds_images, open_source
from .glyph_source import split_part
from .saved_fonts import Paths, SavedFonts, check_lies_in_checkpoint, check_names
from .shipped_fonts import SHIPPED_LICENCES, shipped_folder, shipped_paths

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


def checkpoint_names(styles: Sequence[str], own: Paths, saved: SavedFonts) -> dict[str, dict[str, str]]:
    """How the fonts are called in a checkpoint.

    Args:
        styles: those whose shipped fonts are saved.
        own: the user's fonts to save.
        saved: the fonts that came with its checkpoint.

    Returns:
        Style -> {name in the checkpoint, such as "fonts/song-0.ttf": path now}, in the order in which they are tried.
    """
    names = _own_names(own, saved)
    for style in dict.fromkeys([*styles, *saved]):
        found = names.setdefault(style, {})
        present = [path for path in saved.get(style, ()) if split_part(path)[0].exists()]
        for path in [*present, *(shipped_paths(style) if style in styles else ())]:
            found.setdefault(f"fonts/{Path(path).name}", path)
    return {style: found for style, found in names.items() if found}


def _own_names(own: Paths, saved: SavedFonts) -> dict[str, dict[str, str]]:
    """Style -> {name in the checkpoint: path now} of the user's fonts.

    A name is that of a font in `saved` only where both are the same font of the same style, which is so saved once.
    """
    taken = {split_part(path)[0].stem.lower() for paths in saved.values() for path in paths}
    names: dict[str, dict[str, str]] = {}
    for style, paths in own.items():
        slug = re.sub(r"[^\w-]+", "_", style)  # the name of a style may hold "/" or ".."
        # Not the shipped ones, which are copied with their licences.
        kept = [path for path in saved.get(style, ()) if Path(path).name not in SHIPPED_LICENCES]
        for path in paths:
            again = next((one for one in kept if _is_same(path, one)), None)
            if again:  # it came with the checkpoint, and is given once more
                names.setdefault(style, {})[f"fonts/{Path(again).name}"] = path
                continue
            file, part = split_part(path)
            # In lower case, as some file systems take "Mine" and "mine" for one file.
            stem = next(f"{slug}-{number}" for number in count() if f"{slug}-{number}".lower() not in taken)
            taken.add(stem.lower())
            suffix = re.sub(r"[^\w.]", "_", file.suffix)
            end = ".zip" if holds_images(file) else suffix + (f"#{part}" if part else "")
            names.setdefault(style, {})[f"fonts/{stem}{end}"] = path
    return names


def _is_same(one: str, other: str) -> bool:
    """Whether two paths hold the same font or images; a font that was removed is no other."""
    if not all(split_part(path)[0].exists() for path in (one, other)):
        return False
    sources = [open_source(path) for path in (one, other)]
    if all(holds_images(source.path) for source in sources):  # a folder, and the zip that was made of it
        return len({_digest_as_saved(source.name, source.sha256) for source in sources}) == 1
    return sources[0].sha256 == sources[1].sha256


@lru_cache(maxsize=64)
def _digest_as_saved(name: str, sha256: str) -> str:
    """sha256 of what is saved of a folder or zip of images; that of the whole says when it has changed."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "images.zip"
        open_source(name).save(target)
        return hashlib.sha256(target.read_bytes()).hexdigest()


def unsaved_names(own: Paths, saved: SavedFonts) -> Paths:
    """The file names of the user's fonts that a checkpoint will lack, without the folders of this machine.

    Args:
        own: the user's fonts, which are not saved.
        saved: the fonts that came with the checkpoint.
    """
    lacking = {
        style: [Path(path).name for path in paths if not any(_is_same(path, one) for one in saved.get(style, ()))]
        for style, paths in own.items()
    }
    return {style: names for style, names in lacking.items() if names}


def save_fonts(
    folder: str | Path, styles: Sequence[str], own: Paths, saved: SavedFonts, used: Iterable[str]
) -> list[str]:
    """Writes the fonts into <folder>/fonts, and removes those of the settings that lie there already.

    Args:
        folder: of the checkpoint.
        styles: those whose shipped fonts are saved.
        own: the user's fonts to save.
        saved: the fonts that came with its checkpoint.
        used: paths of all fonts that the image processor renders with, none of which is removed.

    Returns:
        The files written.

    Raises:
        OSError, ValueError: a font of the user was removed or is damaged; one of the checkpoint has become a link.
    """
    users = {name for names in _own_names(own, saved).values() for name in names}
    written = []
    for names in checkpoint_names(styles, own, saved).values():
        for name, path in names.items():
            target = Path(folder) / name.partition("#")[0]
            if name in users:
                written.append(_write(target, open_source(path).save))
            else:
                written += _copy_with_licence(split_part(path)[0], target)
    kept = {Path(name).resolve() for name in written} | {split_part(path)[0].resolve() for path in used}
    for path in _replaced(Path(folder)):
        if path.resolve() not in kept:
            path.unlink(missing_ok=True)
    return written


def _write(target: Path, fill: Callable[[Path], object]) -> str:
    """Writes a file whole or not at all, never through a link.

    Its folder changes too, which is how transformers sees what it has to upload.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}-{secrets.token_hex(8)}.part")  # nobody can have put a link there
    try:
        fill(part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return str(target)


def _copy_with_licence(source: Path, target: Path) -> list[str]:
    """Copies a font of a checkpoint or of the package; if hanziformers ships it, with the text of its licence."""
    copies = {target: source}
    text = SHIPPED_LICENCES.get(source.name)
    shipped = source.parent == shipped_folder()
    licence = source.parent / "licenses" / text if text and shipped else source.parent / (text or "")
    if text and licence.is_file():
        copies[target.parent / text] = licence
    for file in copies.values() if not shipped else ():
        check_lies_in_checkpoint(file)
    return [_write(copied, lambda part, file=file: shutil.copyfile(file, part)) for copied, file in copies.items()]


def _replaced(folder: Path) -> list[Path]:
    """The fonts and licences that the settings in a folder name, before others are written."""
    settings = folder / PROCESSOR_NAME
    try:
        saved = json.loads(settings.read_text(encoding="utf-8"))["image_processor"]["saved_fonts"]
        names = {
            name.partition("#")[0] for listed in check_names("saved_fonts", saved, "fonts/").values() for name in listed
        }
    except (OSError, ValueError, KeyError, TypeError):  # there are none, or they are not ours
        return []
    licences = {f"fonts/{SHIPPED_LICENCES[Path(name).name]}" for name in names if Path(name).name in SHIPPED_LICENCES}
    return [folder / name for name in sorted(names | licences)]


def warn_of_unsaved(unsaved: Paths) -> None:
    """Says, once, which of the user's fonts a checkpoint lacks that is saved now."""
    for style, names in unsaved.items():
        logger.warning_once(
            f"the fonts {names} of the style {style!r} are not saved with the checkpoint: load it with from_pretrained("
            f"..., fonts={{{style!r}: ['path of the font']}}), or make the image processor with save_fonts=True, if "
            "their licence allows it"
        )


__all__ = ["checkpoint_names", "save_fonts", "unsaved_names", "warn_of_unsaved"]
