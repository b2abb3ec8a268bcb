"""Saves the fonts of an image processor with a checkpoint, in its folder fonts/, and finds them again.

Three kinds of fonts go there, for every style in this order:

1. the user's own, where `save_fonts` says so: under new names, image folders as a zip;
2. those that came with the checkpoint that the image processor was loaded from;
3. the shipped ones of its styles, with the texts of their licences, so that a checkpoint renders new characters also
   where hanziformers is not installed.

Whoever saves an image processor (itself, its processor, or the tokenizer that a Trainer saves) does it through
`HanziGlyphImageProcessor.save_pretrained`, which calls `save_fonts` here.
"""

import re
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from transformers.utils import cached_file, logging

from .fonts import holds_images, open_source
from .glyph_source import split_part
from .shipped_fonts import SHIPPED_LICENCES, shipped_paths

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

Paths = dict[str, list[str]]  # style -> paths of its fonts


def checkpoint_names(styles: Sequence[str], own: Paths, saved: Paths) -> dict[str, dict[str, str]]:
    """How the fonts are called in a checkpoint.

    Args:
        styles: the styles of the image processor.
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


def _own_names(own: Paths, saved: Paths) -> dict[str, dict[str, str]]:
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
            end = ".zip" if holds_images(file) else file.suffix + (f"#{part}" if part else "")
            names.setdefault(style, {})[f"fonts/{stem}{end}"] = path
    return names


def _is_same(one: str, other: str) -> bool:
    """Whether two paths hold the same font; a font that was removed is no other."""
    exist = all(split_part(path)[0].exists() for path in (one, other))
    return exist and open_source(one).sha256 == open_source(other).sha256


def save_fonts(folder: str | Path, styles: Sequence[str], own: Paths, saved: Paths) -> list[str]:
    """Writes the fonts into <folder>/fonts.

    Args:
        folder: of the checkpoint.
        styles: the styles of the image processor.
        own: the user's fonts to save.
        saved: the fonts that came with its checkpoint.

    Returns:
        The files written.

    Raises:
        OSError, ValueError: a font of the user was removed or is damaged.
    """
    users = {name for names in _own_names(own, saved).values() for name in names}
    written = []
    for names in checkpoint_names(styles, own, saved).values():
        for name, path in names.items():
            target = Path(folder) / name.partition("#")[0]
            target.parent.mkdir(parents=True, exist_ok=True)
            if name in users:
                open_source(path).save(target)
                written.append(str(target))
            else:
                written += _copy_with_licence(split_part(path)[0], target)
    return written


def _copy_with_licence(source: Path, target: Path) -> list[str]:
    """Copies a font of a checkpoint or of the package; if hanziformers ships it, with the text of its licence."""
    copies = {target: source}
    text = SHIPPED_LICENCES.get(source.name)
    for folder in (source.parent, source.parent / "licenses") if text else ():  # of a checkpoint, of the package
        if (folder / text).is_file():
            copies[target.parent / text] = folder / text
    for copied, file in copies.items():
        if file.resolve() != copied.resolve():  # saved into the folder that it was loaded from
            shutil.copyfile(file, copied)
    return [str(copied) for copied in copies]


def find_saved_fonts(saved: Paths, checkpoint: str, hub_kwargs: dict[str, Any]) -> Paths:
    """Where the fonts lie that were saved with a checkpoint; downloads those of a repository.

    Args:
        saved: style -> names in the checkpoint.
        checkpoint: a folder or the name of a repository.
        hub_kwargs: arguments of `transformers.utils.cached_file` (revision, token, subfolder, ...).

    Returns:
        Style -> paths, in the same order.
    """
    found: Paths = {}
    for style, names in saved.items():
        for name in names:
            file, _, part = name.partition("#")
            path = cached_file(checkpoint, file, **hub_kwargs)
            found.setdefault(style, []).append(f"{path}#{part}" if part else str(path))
            licence = SHIPPED_LICENCES.get(Path(file).name)
            if licence:  # so that it is at hand when the font is saved again
                cached_file(checkpoint, f"fonts/{licence}", **hub_kwargs, _raise_exceptions_for_missing_entries=False)
    return found


def without_missing(paths: Paths, warn: bool = False) -> Paths:
    """Leaves out fonts that are not on this machine, if wanted with a warning for each.

    Args:
        paths: style -> paths.
        warn: they are the user's, saved as paths of another machine.
    """
    present: Paths = {}
    for style, names in paths.items():
        present[style] = []
        for name in names:
            if split_part(name)[0].exists():
                present[style].append(name)
            elif warn:
                logger.warning(
                    f"the font {name!r} that rendered the style {style!r} is not on this machine; characters outside "
                    "of the model's own glyph images may look different. Give it: from_pretrained(..., fonts="
                    f"{{{style!r}: ['its path here']}}), or save the processor with save_fonts=True where the font is"
                )
    return present


__all__ = ["checkpoint_names", "find_saved_fonts", "save_fonts", "without_missing"]
