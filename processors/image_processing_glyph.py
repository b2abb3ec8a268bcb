"""Renders characters: tokens -> uint8 glyph images [n, F, size, size], one for each of F styles.

ImageFolder are ink: 0 is paper, 255 full ink; binary ones hold nothing else. Axes: n tokens, F styles.

How a token is rendered, in every style:

- One character: with one font size and one baseline for all characters of a font, as type is set, so that marks keep
  their place; Latin is centred by its advance width. `##` before a single character changes nothing.
- What has no ink of its own (white space, controls, joiners, variation selectors) and [PAD]: blank.
- Several characters (word pieces, numbers, [UNK], [CLS], [MASK], [unused1], ...): the word, without `##` or the
  brackets, on one line in the middle, at 2/3 of the size for up to three characters and 1/2 for more, squeezed in width
  until it is whole. `render_words=False` leaves them blank.
- What no font has: blank, and `can_render` says so.
- Binary glyph images so small that the usual threshold would leave none of the ink are rendered with a lower one.
"""

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.processing_utils import ImagesKwargs
from transformers.utils import cached_file, logging

from .font_manifest import make_font_manifest, warn_of_fallbacks
from .font_source import holds_images, open_source, split_part, to_binary
from .fonts import NOWHERE, SHIPPED_FILES, Style, has_no_ink, shipped_paths
from .glyph_cache import cache_folder, read_arrays, write_arrays
from .glyph_settings import SETTINGS, refuse_unknown, setting, used_styles

logger = logging.get_logger(__name__)

_RULES = 3  # goes into the key of kept glyph images: to be raised whenever the same font would be rendered differently
_KEPT = 512  # so many tokens at once are kept on disk; fewer in memory
_MEMORY = 1 << 26  # bytes of glyph images kept in memory
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_BLANK, _WORD = -2, -3  # where a glyph image comes from, besides NOWHERE and the numbers of `Style.places`
_IN_MANIFEST = (
    "styles",
    "size",
    "binary",
    "fonts",
    "render_words",
    "fallback",
)  # a font manifest is of glyph images rendered so
_FOR_LOADING = ("trust_remote_code", "code_revision", "config", "use_fast", "backend", "return_unused_kwargs")


class HanziGlyphKwargs(ImagesKwargs, total=False):
    """The settings that `from_pretrained` may change."""

    styles: list[str]
    binary: bool
    fonts: dict[str, list[str]] | None
    render_words: bool
    fallback: bool
    cache: bool
    save_fonts: bool


class HanziGlyphImageProcessor(PilBackend):
    """Renders characters in one or more styles.

    The same sources give the same glyph images everywhere (with the same FreeType, which Pillow brings along). ImageFolder of
    512 or more tokens at once are kept on disk, by the hash of all that they depend on, in $HANZIFORMERS_CACHE, else
    $XDG_CACHE_HOME/hanziformers, else ~/.cache/hanziformers.

    Args:
        styles: names of `fonts.STYLES` (song, hei, kai, fangsong, xingkai, cao, brush, lishu, wei, seal, bronze,
            oracle, bigseal), or names of your own with `fonts`. One glyph image each, in this order.
        size: height and width in dots, 8..512.
        binary: 0 and 255 only; else grey.
        fonts: style -> paths of your fonts for it, tried first: font files (`x.ttc#2` for a font of a collection),
            folders or zips of glyph images named by character or code point (`x.zip#seal` for a folder inside). The full
            paths are saved with the settings, so that they are found again on this machine; with `save_fonts` none is.
        render_words: render tokens of several characters and special tokens; False: they are without ink (default-ignorable).
        substitute: render what a style lacks in the style that stands in for it (counted in the font manifest).
        cache: keep glyph images on disk.
        save_fonts: `save_pretrained` copies your fonts into <folder>/fonts, where `from_pretrained` finds them. You
            vouch that their licences allow it. Of glyph images only those named as characters go there, in a zip. (The
            shipped fonts of the styles, whose licences do, always go there with their texts, so that a checkpoint renders
            new characters also where hanziformers is not installed.)
        saved_fonts: set by `save_pretrained`: style -> files in the checkpoint.
        font_manifest: set when 512 or more tokens are rendered at once: what drew them (the largest such set counts, of
            equal ones the last). Not loaded where a setting is changed that it depends on, and not in pickles.

    Raises:
        ValueError, TypeError: a setting that does not exist or is out of range; an unknown style without fonts; fonts
            for a style that is not used; a file that is no font.
        FileNotFoundError: nothing lies at a path, when made or when rendering.

    Example:
        >>> processor = HanziGlyphImageProcessor(styles=["song", "kai"], size=24, binary=False)
        >>> processor(["银", "行", "[MASK]"])["glyphs"].shape
        (3, 2, 24, 24)
    """

    model_input_names = ["glyphs"]
    valid_kwargs = HanziGlyphKwargs

    def __init__(
        self,
        styles: Sequence[str] = ("song",),
        size: int = 48,
        binary: bool = True,
        fonts: dict[str, Sequence[str]] | None = None,
        render_words: bool = True,
        fallback: bool = True,
        cache: bool = True,
        save_fonts: bool = False,
        saved_fonts: dict[str, list[str]] | None = None,
        font_manifest: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(kwargs)
        super().__init__(**kwargs)
        self.styles, self.fonts = setting("styles", styles), setting("fonts", fonts)
        self.size, self.binary = setting("size", size), setting("binary", binary)
        self.render_words, self.fallback = setting("render_words", render_words), setting("fallback", fallback)
        self.cache, self.save_fonts = setting("cache", cache), setting("save_fonts", save_fonts)
        self.saved_fonts = saved_fonts or {}
        self.font_manifest = font_manifest
        used = used_styles(self.styles, self.fallback)
        unused = [style for style in self.fonts or () if style not in used]
        if unused:
            raise ValueError(
                f"fonts has {unused[0]!r}, but styles={self.styles} renders with {', '.join(sorted(used))} only; give "
                "the fonts to one of these, or name the style in `styles`"
            )
        self._chains = [Style(name, self.fonts, self.saved_fonts, self.fallback) for name in self.styles]
        self._memory: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what rendering leaves behind: a pickle (and the hash by which `datasets` caches) stays the same."""
        return {**self.__dict__, "_memory": {}, "font_manifest": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy, with the font manifest: HanziProcessor saves one."""
        memo[id(self)] = new = type(self).__new__(type(self))
        new.__dict__.update(copy.deepcopy(self.__getstate__(), memo), font_manifest=copy.deepcopy(self.font_manifest))
        return new

    @contextmanager
    def _fonts_here(self) -> Iterator[None]:
        """Explains errors of sources that were there when the processor was made, and are no more."""
        try:
            yield
        except (OSError, ValueError) as error:
            for style, source in (pair for chain in self._chains for pair in chain.sources()):
                if not source.path.exists():
                    raise FileNotFoundError(
                        f"{source.name!r}, a font of the style {style!r}, is no longer there; put it back, or make the "
                        f"image processor anew with fonts={{{style!r}: ['path of a font']}} or without the font"
                    ) from error
            raise

    def render(self, tokens: Sequence[str]) -> np.ndarray:
        """Renders tokens (see the top of this file for how).

        Args:
            tokens: n strings.

        Returns:
            Ink, uint8 [n, F, size, size]; blank where no font has the token.

        Raises:
            TypeError: tokens is a string, or holds something else than strings.
            FileNotFoundError: a font was removed since the processor was made.
        """
        tokens = _tokens(tokens)
        with self._fonts_here():
            return self._kept(tokens) if len(tokens) >= _KEPT else self._remembered(tokens)

    def _remembered(self, tokens: list[str]) -> np.ndarray:
        """ImageFolder of a few tokens, kept in memory."""
        new = [token for token in dict.fromkeys(tokens) if token not in self._memory]
        if (len(self._memory) + len(new)) * len(self.styles) * self.size**2 > _MEMORY:
            self._memory.clear()
            new = list(dict.fromkeys(tokens))
        if new:
            self._memory.update(zip(new, self._rendered(new, *self._find(new)), strict=True))
        images = np.zeros((len(tokens), len(self.styles), self.size, self.size), dtype=np.uint8)
        for row, token in enumerate(tokens):
            images[row] = self._memory[token]
        return images

    def can_render(self, tokens: Sequence[str]) -> np.ndarray:
        """Which tokens every style renders, bool [n]; what is without ink (default-ignorable) counts as rendered. Errors: see `render`."""
        tokens = _tokens(tokens)
        with self._fonts_here():
            places, _ = self._find(tokens)
        return (places != NOWHERE).all(axis=1)

    def has_no_ink(self, tokens: Sequence[str]) -> np.ndarray:
        """Which tokens have no ink of its own (see the top of this file), bool [n]. Errors: see `render`."""
        return np.array([not self._letters(token) for token in _tokens(tokens)], dtype=bool)

    def make_font_manifest(self, tokens: Sequence[str]) -> dict[str, Any]:
        """Which fonts render these tokens, and what stands in: see `font_manifest.make_font_manifest`. Errors: see `render`."""
        tokens = _tokens(tokens)
        with self._fonts_here():
            return make_font_manifest(tokens, self._find(tokens)[0], self._chains)

    def preprocess(self, images: str | Sequence[str], return_tensors: Any = None, **kwargs: Any) -> BatchFeature:
        """`render` as transformers calls it.

        Args:
            images: a token, or n of them.
            return_tensors: "pt" or "np"; None gives an array as well.
            **kwargs: settings, which must be those of this image processor; transformers' own names are not used.

        Returns:
            {"glyphs": uint8 [n, F, size, size]}.

        Raises:
            ValueError, TypeError: a setting that differs from this image processor's, or does not exist. See also
                `render`.
        """
        refuse_unknown(kwargs)
        for name in set(kwargs) & set(SETTINGS):
            if setting(name, kwargs[name]) != getattr(self, name):
                raise ValueError(
                    f"{name}={kwargs[name]!r} in a call, but this image processor has {name}={getattr(self, name)!r}; "
                    f"make one for it: HanziGlyphImageProcessor({name}={kwargs[name]!r})"
                )
        tokens = [images] if isinstance(images, str) else images
        return BatchFeature({"glyphs": self.render(tokens)}, tensor_type=return_tensors)

    def _find(self, tokens: list[str]) -> tuple[np.ndarray, list[dict[str, tuple[int, str]]]]:
        """Where the glyph images come from.

        Returns:
            [n, F] int16: number in the style's `places` (of a word: _WORD), NOWHERE, or _BLANK; and for every style the
            place of each character, with the character that is rendered there.
        """
        words = [self._letters(token) for token in tokens]
        letters = list(dict.fromkeys(letter for word in words for letter in word))
        result = np.full((len(tokens), len(self._chains)), _BLANK, dtype=np.int16)
        known = []
        for column, chain in enumerate(self._chains):
            numbers, rendered = chain.find(letters)
            known.append({letter: (int(n), d) for letter, n, d in zip(letters, numbers, rendered, strict=True)})
            for row, word in enumerate(words):
                if len(word) == 1:
                    result[row, column] = known[-1][word][0]
                elif word:
                    lacking = any(known[-1][letter][0] == NOWHERE for letter in word)
                    result[row, column] = NOWHERE if lacking else _WORD
        return result, known

    def _letters(self, token: str) -> str:
        """What is rendered of a token; nothing, if it is without ink (default-ignorable)."""
        special = _BRACKETS.fullmatch(token)
        word = special[1] if special else token[2:] if token.startswith("##") and len(token) > 2 else token
        if token == "[PAD]" or (len(word) > 1 or special) and not self.render_words:
            return ""
        return "".join(letter for letter in word if not has_no_ink(letter))

    def _rendered(self, tokens: list[str], result: np.ndarray, known: list[dict[str, tuple[int, str]]]) -> np.ndarray:
        """ImageFolder of tokens that `_find` has found: uint8 [n, F, size, size]."""
        images = np.zeros((*result.shape, self.size, self.size), dtype=np.uint8)
        for column, chain in enumerate(self._chains):
            places = chain.places()
            for row in np.flatnonzero((result[:, column] >= 0) | (result[:, column] == _WORD)):
                letters = self._letters(tokens[row])
                found = [known[column][letter] for letter in letters]
                if len(found) == 1:
                    images[row, column] = places[found[0][0]].source.render(found[0][1], self.size, self.binary)
                else:
                    height = self.size * (2 / 3 if len(found) <= 3 else 1 / 2)
                    strips = [places[number].source.strip(letter, height) for number, letter in found]
                    images[row, column] = _line(strips, self.size, self.binary)
        return images

    def _kept(self, tokens: list[str]) -> np.ndarray:
        """ImageFolder of many tokens, kept on disk."""
        path = cache_folder() / f"glyphs-{self._key(tokens)}.npz"
        shapes = {
            "images": ((len(tokens), len(self.styles), self.size, self.size), np.uint8),
            "places": ((len(tokens), len(self.styles)), np.int16),
        }
        kept = read_arrays(path, shapes) if self.cache else None
        if kept is None:
            places, known = self._find(tokens)
            kept = {"images": self._rendered(tokens, places, known), "places": places}
            if self.cache:
                write_arrays(path, kept)
        if self.font_manifest is None or self.font_manifest["tokens"] <= len(tokens):
            self.font_manifest = make_font_manifest(tokens, kept["places"], self._chains)
            warn_of_fallbacks(self.font_manifest)
        return kept["images"]

    def _key(self, tokens: list[str]) -> str:
        """The hash of everything that the glyph images depend on."""
        sources = [[(style, source.sha256) for style, source in chain.sources()] for chain in self._chains]
        what = [_RULES, features.version("freetype2"), sources, self.size, self.binary, self.render_words, tokens]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, Any]:
        """The settings, as plain values for JSON, with the font manifest. Caches and transformers' own defaults stay out."""
        output = {name: getattr(self, name) for name in SETTINGS}
        output["image_processor_type"] = type(self).__name__
        if getattr(self, "auto_map", None):
            output["auto_map"] = self.auto_map
        if self.font_manifest is not None:
            output["font_manifest"] = self.font_manifest
        if self.save_fonts:
            output["fonts"] = None
        output["saved_fonts"] = {style: list(names) for style, names in self._names_to_save().items()}
        return output

    def _own_names(self) -> dict[str, dict[str, str]]:
        """Style -> {name in the checkpoint: path now} of the user's fonts, where `save_fonts` says to save them.

        The names differ from those of the fonts that came with the checkpoint.
        """
        taken = {split_part(path)[0].stem.lower() for paths in self.saved_fonts.values() for path in paths}
        names: dict[str, dict[str, str]] = {}
        for style, paths in (self.fonts or {}).items() if self.save_fonts else ():
            slug = re.sub(r"[^\w-]+", "_", style)
            for path in paths:
                file, part = split_part(path)
                stem = next(f"{slug}-{number}" for number in count() if f"{slug}-{number}".lower() not in taken)
                taken.add(stem.lower())
                end = ".zip" if holds_images(file) else file.suffix + (f"#{part}" if part else "")
                names.setdefault(style, {})[f"fonts/{stem}{end}"] = path
        return names

    def _names_to_save(self) -> dict[str, dict[str, str]]:
        """Style -> {name in the checkpoint: path now}: the user's fonts, those of the checkpoint, the shipped ones."""
        names = self._own_names()
        for style in dict.fromkeys([*self.styles, *self.saved_fonts]):
            found = names.setdefault(style, {})
            saved = [path for path in self.saved_fonts.get(style, ()) if split_part(path)[0].exists()]
            for path in [*saved, *(shipped_paths(style) if style in self.styles else ())]:
                found.setdefault(f"fonts/{Path(path).name}", path)
        return {style: found for style, found in names.items() if found}

    def copy_fonts(self, folder: str | Path) -> list[str]:
        """Copies what `save_fonts` says into <folder>/fonts: glyph images as a zip, shipped fonts with their licences.

        Returns:
            The files written.

        Raises:
            FileNotFoundError: a font was removed since the processor was made.
        """
        own = {name for names in self._own_names().values() for name in names}
        written = []
        for names in self._names_to_save().values():
            for name, path in names.items():
                target = Path(folder) / name.partition("#")[0]
                target.parent.mkdir(parents=True, exist_ok=True)
                if name in own:
                    with self._fonts_here():
                        open_source(path).save(target)
                    written.append(str(target))
                else:
                    written += _copy_with_licences(split_part(path)[0], target)
        return written

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """As in transformers, with the fonts where `save_fonts` says so."""
        fonts = self.copy_fonts(save_directory)
        return [*super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs), *fonts]

    @classmethod
    def get_image_processor_dict(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> tuple[dict, dict]:
        """As in transformers; finds the fonts that were saved with the checkpoint.

        Raises:
            TypeError: a setting that does not exist. The Auto classes hand the tokenizer's on as well: of theirs only
                what looks like a misspelt setting is refused.
        """
        by_auto = kwargs.get("_from_auto", False)
        where = {name: kwargs.get(name) for name in ("cache_dir", "token", "revision") if kwargs.get(name)}
        where |= {"local_files_only": kwargs.get("local_files_only", False), "subfolder": kwargs.get("subfolder", "")}
        settings, kwargs = super().get_image_processor_dict(pretrained_model_name_or_path, **kwargs)
        if not kwargs.get("return_unused_kwargs"):
            refuse_unknown((name for name in kwargs if name not in _FOR_LOADING), by_auto)
        saved = {}
        for style, names in (settings.get("saved_fonts") or {}).items():
            for name in names:
                file, _, part = name.partition("#")
                path = cached_file(str(pretrained_model_name_or_path), file, **where)
                saved.setdefault(style, []).append(f"{path}#{part}" if part else str(path))
                if Path(file).name in SHIPPED_FILES:  # so that it is at hand when the font is saved again
                    text = f"fonts/{SHIPPED_FILES[Path(file).name]}"
                    cached_file(
                        str(pretrained_model_name_or_path), text, **where, _raise_exceptions_for_missing_entries=False
                    )
        return {**settings, "saved_fonts": saved}, kwargs

    @classmethod
    def from_dict(cls, image_processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in transformers; a font that was a file of another machine is left out, with a warning.

        A font manifest is not taken over where another setting is given that it depends on, nor are fonts of styles that are
        then not used.
        """
        settings = dict(image_processor_dict)
        given = set(kwargs) & set(_IN_MANIFEST)
        if any(name not in settings or setting(name, kwargs[name]) != settings[name] for name in given):
            settings.pop("font_manifest", None)
        if kwargs.get("fonts") is None and settings.get("fonts"):
            both = {"styles": ["song"], "fallback": True, **settings, **kwargs}
            used = used_styles(setting("styles", both["styles"]), both["fallback"])
            settings["fonts"] = {
                style: [path for path in paths if _still_there(style, path)]
                for style, paths in settings["fonts"].items()
                if style in used
            }
        saved = settings.get("saved_fonts") or {}  # names in a folder, where the settings come from no folder
        settings["saved_fonts"] = {
            style: [path for path in paths if split_part(path)[0].exists()] for style, paths in saved.items()
        }
        return super().from_dict(settings, **kwargs)


def _copy_with_licences(source: Path, target: Path) -> list[str]:
    """Copies a font of a checkpoint or of the package; if hanziformers ships it, with the text of its licence."""
    copies = {target: source}
    text = SHIPPED_FILES.get(source.name)
    for folder in (source.parent, source.parent / "licenses") if text else ():  # of a checkpoint, of the package
        if (folder / text).is_file():
            copies[target.parent / text] = folder / text
    for copied, file in copies.items():
        if file.resolve() != copied.resolve():
            shutil.copyfile(file, copied)
    return [str(copied) for copied in copies]


def _still_there(style: str, path: str) -> bool:
    if split_part(path)[0].exists():
        return True
    logger.warning(
        f"the font {path!r} that drew the style {style!r} is not on this machine; characters outside of the "
        "model's own glyph images may look different. Give it: from_pretrained(..., fonts="
        f"{{{style!r}: ['its path here']}}), or save the processor with save_fonts=True where the font is"
    )
    return False


def _tokens(tokens: Any) -> list[str]:
    if isinstance(tokens, (str, bytes)) or not hasattr(tokens, "__iter__"):
        raise TypeError(f"tokens is {tokens!r}; give a list of strings: [{tokens!r}] or list({tokens!r})")
    tokens = list(tokens)
    wrong = next((index for index, token in enumerate(tokens) if not isinstance(token, str)), None)
    if wrong is not None:
        raise TypeError(
            f"tokens[{wrong}] is {tokens[wrong]!r}, a {type(tokens[wrong]).__name__}; every token must be a string "
            "(convert ids with tokenizer.convert_ids_to_tokens)"
        )
    return tokens


def _line(strips: list[tuple[np.ndarray, int]], size: int, binary: bool) -> np.ndarray:
    """Sets letters side by side on one baseline, squeezed until they fit: uint8 [size, size]."""
    up = max(base for _, base in strips)
    down = max(ink.shape[0] - base for ink, base in strips)
    gap = max(1, size // 48)
    line = np.zeros((up + down, sum(ink.shape[1] + gap for ink, _ in strips) - gap), dtype=np.uint8)
    x = 0
    for ink, base in strips:
        line[up - base : up - base + ink.shape[0], x : x + ink.shape[1]] = ink
        x += ink.shape[1] + gap
    rows, columns = min(line.shape[0], size), min(line.shape[1], size)
    if (rows, columns) != line.shape:
        line = np.asarray(Image.fromarray(line).resize((columns, rows), Image.Resampling.BOX))
    image = np.zeros((size, size), dtype=np.uint8)
    y, x = (size - rows) // 2, (size - columns) // 2
    image[y : y + rows, x : x + columns] = line
    return to_binary(image) if binary else image


HanziGlyphImageProcessor.register_for_auto_class("AutoImageProcessor")

__all__ = ["HanziGlyphImageProcessor", "HanziGlyphKwargs"]
