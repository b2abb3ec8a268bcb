"""The image processor of characters: tokens -> uint8 glyph images [n, F, size, size], one for each of F styles.

Glyph images are ink: foreground 255 on background 0; binary ones hold nothing else. How a token is rendered stands at
the top of glyph_rendering.py; which fonts render it, of fonts.py.
"""

import copy
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.processing_utils import ImagesKwargs

from .checkpoint_fonts import checkpoint_names, save_fonts, unsaved_names, warn_of_unsaved
from .fallback_styles import distinct_fallbacks
from .font_manifest import check_font_manifest, make_font_manifest, warn_of_fallbacks
from .fonts import NOT_FOUND, open_chains, removed_fonts_named
from .glyph_cache import read_arrays, write_arrays
from .glyph_rendering import GlyphRenderer
from .glyph_settings import SAVED, SETTINGS, FixedSetting, check_fonts_used, refuse_unknown, setting, used_styles
from .processor_config import add_part
from .saved_fonts import SavedFonts, as_saved_fonts, check_names, check_saved_fonts, find_saved_fonts, own_settings

_MANY = 512  # so many tokens at once are kept on disk; fewer in memory
_MEMORY = 1 << 26  # bytes of glyph images kept in memory
_IN_MANIFEST = ("styles", "size", "binary", "fonts", "render_words", "fallback")  # a font manifest depends on these
_HUB_KWARGS = ("cache_dir", "token", "revision", "local_files_only", "subfolder")  # say where the fonts are found
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

    The same fonts give the same glyph images everywhere (with the same FreeType, which Pillow brings along). Images of
    512 or more tokens at once are kept on disk, by the hash of all that they depend on, in $HANZIFORMERS_CACHE, else
    $XDG_CACHE_HOME/hanziformers, else ~/.cache/hanziformers.

    What rendering depends on (styles, size, binary, fonts, render_words, fallback, saved_fonts) cannot be changed
    afterwards.

    Where your own fonts lie is never saved, in no file, and no file of settings may say it: a checkpoint from the Hub
    could else open any file of your machine and copy it into what you publish. Give them again when you load it, with
    `from_pretrained(folder, fonts={"song": ["my.ttf"]})` of this class or of the processor, or save them with it
    (`save_fonts`). Without them it warns with their names; `fonts={}` says that you want none. A checkpoint renders
    with the files of its own folder fonts/, and with nothing outside of it.

    Args:
        styles: names of `fallback_styles.STYLES` (song, hei, kai, fangsong, xingkai, cao, brush, lishu, wei, seal,
            bronze, oracle, bigseal, traditional), or names of your own with `fonts`. One glyph image for each, in this
            order. Traditional is Song; it, lishu and the four older scripts render the traditional form of a character.
        size: height and width in pixels, 8..512.
        binary: 0 and 255 only; else grey.
        fonts: style -> paths of your fonts for it, tried first: font files (`x.ttc#2` for a font of a collection),
            folders or zips of images named by character or code point (`x.zip#seal` for a folder inside). Only an
            argument gives them, see above.
        render_words: render tokens of several characters and special tokens; False leaves them blank, as without ink.
        fallback: render what a style lacks in its fallback style (counted in the font manifest). Where the usual
            fallback styles would make two of the styles one, each takes a fallback that no other style shows, and
            leaves blank what that lacks (see fallback_styles.py).
        cache: keep glyph images on disk.
        save_fonts: `save_pretrained` copies your fonts into <folder>/fonts, where `from_pretrained` finds them. You
            vouch that their licences allow it. Of image folders only the images named as characters go there, in a zip.
            (The shipped fonts of the styles, and of fallback styles that tell two of them apart, always go there with
            the texts of their licences, which allow it, so that a checkpoint renders new characters also where
            hanziformers is not installed.) It is not saved: say it again with fonts that you give when you load.
        saved_fonts: set by `from_pretrained`: style -> files in the checkpoint.
        unsaved_fonts: set by `from_pretrained`: style -> names of the fonts that rendered it when it was saved, were
            not saved with it, and are not given.
        font_manifest: set when 512 or more tokens are rendered at once: which fonts rendered them (the largest such set
            counts, of equal ones the last). It is not loaded where a setting is changed that it depends on, and is not
            in pickles.

    Raises:
        ValueError, TypeError: a setting that does not exist or is out of range; an unknown style without fonts; fonts
            for a style that is not used; a file that is no font.
        FileNotFoundError: there is nothing at a path, when the image processor is made or when it renders.

    Example:
        >>> image_processor = HanziGlyphImageProcessor(styles=["song", "kai"], size=24, binary=False)
        >>> image_processor(["银", "行", "[MASK]"])["glyphs"].shape
        (3, 2, 24, 24)
    """

    model_input_names = ["glyphs"]
    valid_kwargs = HanziGlyphKwargs
    styles, size, binary, fonts, render_words, fallback = (FixedSetting() for _ in range(6))
    saved_fonts, unsaved_fonts = FixedSetting(), FixedSetting()

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
        saved_fonts: SavedFonts | None = None,
        unsaved_fonts: dict[str, list[str]] | None = None,
        font_manifest: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(kwargs)
        kwargs.pop("auto_map", None)  # it belongs to the folder that the settings were loaded from
        super().__init__(**kwargs)
        self.styles, self.fonts = setting("styles", styles), setting("fonts", fonts)
        self.size, self.binary = setting("size", size), setting("binary", binary)
        self.render_words, self.fallback = setting("render_words", render_words), setting("fallback", fallback)
        self.cache, self.save_fonts = setting("cache", cache), setting("save_fonts", save_fonts)
        self.saved_fonts = as_saved_fonts(saved_fonts)
        self.unsaved_fonts = check_names("unsaved_fonts", unsaved_fonts)
        self.font_manifest = check_font_manifest(font_manifest)
        check_fonts_used(self.fonts, self.styles, self.fallback)
        self._chains = open_chains(self.styles, self.fonts, self.saved_fonts, self.fallback)
        check_saved_fonts(self.saved_fonts, self._opened())
        self._renderer = GlyphRenderer(self._chains, self.size, self.binary, self.render_words)
        self._memory: dict[str, np.ndarray] = {}  # token -> uint8 [F, size, size]

    def __getstate__(self) -> dict[str, Any]:
        """Without what use leaves behind: a pickle (and the hash by which `datasets` caches) stays the same."""
        state = {**self.__dict__, "_memory": {}, "font_manifest": None}
        state.pop("auto_map", None)  # transformers sets it while it saves
        return state

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy, with the font manifest and auto_map: what is saved may be a copy."""
        memo[id(self)] = new = type(self).__new__(type(self))
        kept = {name: self.__dict__[name] for name in ("font_manifest", "auto_map") if name in self.__dict__}
        new.__dict__.update(copy.deepcopy({**self.__getstate__(), **kept}, memo))
        return new

    def render(self, tokens: Sequence[str]) -> np.ndarray:
        """Renders tokens (see the top of glyph_rendering.py for how).

        Args:
            tokens: n strings.

        Returns:
            Ink, uint8 [n, F, size, size]; blank where no font covers the token.

        Raises:
            TypeError: tokens is a string, or holds something else than strings.
            FileNotFoundError: a font was removed since the image processor was made.
        """
        tokens = _tokens(tokens)
        with removed_fonts_named(self._chains):
            return self._render_many(tokens) if len(tokens) >= _MANY else self._render_few(tokens)

    def can_render(self, tokens: Sequence[str]) -> np.ndarray:
        """Which tokens every style renders, bool [n]; what has no ink counts as rendered. Errors: see `render`.

        Styles that may leave a character blank, as no other style may render it, do not count beside others.
        """
        tokens = _tokens(tokens)
        with removed_fonts_named(self._chains):
            rendered = self._renderer.find(tokens).candidates != NOT_FOUND  # [n, F]
        may_be_blank = self._distinct_fallbacks()
        count = [style not in may_be_blank for style in self.styles]
        return rendered[:, count].all(axis=1) if any(count) else rendered.any(axis=1)

    def uses_fallback(self, tokens: Sequence[str]) -> np.ndarray:
        """Which tokens a style lacks, so that a fallback style or a variant renders them: bool [n, F].

        Of a token of several characters one that is rendered so is enough. Errors: see `render`.
        """
        tokens = _tokens(tokens)
        with removed_fonts_named(self._chains):
            return self._renderer.uses_fallback(tokens)

    def has_no_ink(self, tokens: Sequence[str]) -> np.ndarray:
        """Which tokens have no ink of their own and are blank for that, bool [n]. Errors: see `render`."""
        return np.array([not self._renderer.letters_of(token) for token in _tokens(tokens)], dtype=bool)

    def make_font_manifest(self, tokens: Sequence[str]) -> dict[str, Any]:
        """Which fonts render these tokens: see `font_manifest.make_font_manifest`. Errors: see `render`."""
        tokens = _tokens(tokens)
        with removed_fonts_named(self._chains):
            return make_font_manifest(tokens, self._renderer.find(tokens).candidates, self._chains)

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

    def _render_few(self, tokens: list[str]) -> np.ndarray:
        """Images of a few tokens, kept in memory: uint8 [n, F, size, size]."""
        new = [token for token in dict.fromkeys(tokens) if token not in self._memory]
        if (len(self._memory) + len(new)) * len(self.styles) * self.size**2 > _MEMORY:
            self._memory.clear()  # simpler than forgetting the oldest, and rare
            new = list(dict.fromkeys(tokens))
        if new:
            self._memory.update(zip(new, self._renderer.render(new, self._renderer.find(new)), strict=True))
        images = np.zeros((len(tokens), len(self.styles), self.size, self.size), dtype=np.uint8)
        for row, token in enumerate(tokens):
            images[row] = self._memory[token]
        return images

    def _render_many(self, tokens: list[str]) -> np.ndarray:
        """Images of many tokens, kept on disk: uint8 [n, F, size, size]. Writes the font manifest."""
        name = f"glyphs-{self._renderer.key(tokens)}.npz"
        shapes = {
            "images": ((len(tokens), len(self.styles), self.size, self.size), np.uint8),
            "candidates": ((len(tokens), len(self.styles)), np.int16),
        }
        kept = read_arrays(name, shapes) if self.cache else None
        if kept is None:
            found = self._renderer.find(tokens)
            kept = {"images": self._renderer.render(tokens, found), "candidates": found.candidates}
            if self.cache:
                write_arrays(name, kept)
        # A model's bank is the largest set that is rendered: later, smaller sets must not replace its manifest.
        if self.font_manifest is None or self.font_manifest["tokens"] <= len(tokens):
            self.font_manifest = make_font_manifest(tokens, kept["candidates"], self._chains)
            warn_of_fallbacks(self.font_manifest)
        return kept["images"]

    def to_dict(self) -> dict[str, Any]:
        """The settings and the font manifest, as plain values for JSON, without transformers' own defaults."""
        output = {name: getattr(self, name) for name in SAVED}
        output["image_processor_type"] = type(self).__name__
        # While a processor is saved, its own class stands there too, whose code a folder of this part alone may lack.
        own = {name: code for name, code in getattr(self, "auto_map", {}).items() if name == self._auto_class}
        if own:
            output["auto_map"] = own
        if self.font_manifest is not None:
            output["font_manifest"] = self.font_manifest
        names = checkpoint_names(self._saved_styles(), self._fonts_to_save(), self.saved_fonts)
        output["saved_fonts"] = {style: list(found) for style, found in names.items()}
        output["unsaved_fonts"] = {**self.unsaved_fonts, **self._fonts_not_to_save()}
        return output

    def _distinct_fallbacks(self) -> dict[str, list[str]]:
        """See `fallback_styles.distinct_fallbacks`; none without fallbacks."""
        return distinct_fallbacks(self.styles) if self.fallback else {}

    def _saved_styles(self) -> list[str]:
        """The styles whose shipped fonts go into a checkpoint: its own, and those that tell them apart."""
        return list(dict.fromkeys([*self.styles, *chain.from_iterable(self._distinct_fallbacks().values())]))

    def _fonts_to_save(self) -> dict[str, list[str]]:
        """The user's fonts that go into a checkpoint."""
        return (self.fonts or {}) if self.save_fonts else {}

    def _fonts_not_to_save(self) -> dict[str, list[str]]:
        """The names of the user's fonts that do not."""
        return {} if self.save_fonts else unsaved_names(self.fonts or {}, self.saved_fonts)

    def copy_fonts(self, folder: str | Path) -> list[str]:
        """Copies the fonts that belong into a checkpoint into <folder>/fonts (see checkpoint_fonts.py).

        Returns:
            The files written.

        Raises:
            FileNotFoundError: a font was removed since the image processor was made.
        """
        with removed_fonts_named(self._chains):
            warn_of_unsaved(self._fonts_not_to_save())
            return save_fonts(folder, self._saved_styles(), self._fonts_to_save(), self.saved_fonts, self._opened())

    def _opened(self) -> list[str]:
        """The paths of all fonts that it renders with."""
        return [source.name for one in self._chains for _, source in one.sources()]

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """As in transformers, with the fonts in <save_directory>/fonts, but as a part of processor_config.json.

        transformers looks there first, whoever saved the folder. In a preprocessor_config.json of its own, pipelines
        would take the code that it names for that of a video processor too, and ask whether to trust it.
        """
        fonts = self.copy_fonts(save_directory)
        outer = self.__dict__.get("auto_map")  # of a processor that is saving this part, and has set it already
        try:
            files = super().save_pretrained(save_directory)
        finally:  # it belongs to the folder, not to the image processor
            self.__dict__.pop("auto_map", None)
            if outer:
                self.auto_map = outer
        settings, whole = add_part(save_directory, "image_processor")
        if push_to_hub:  # not by super(), which would upload neither this file nor the fonts
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return [*(file for file in files if Path(file) != settings), str(whole), *fonts]

    @classmethod
    def get_image_processor_dict(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> tuple[dict, dict]:
        """As in transformers; finds the fonts that were saved with the checkpoint.

        Raises:
            TypeError: a setting that does not exist. The Auto classes hand the tokenizer's on as well: of theirs only
                what looks like a misspelt setting is refused.
            ValueError: the settings are none, or name fonts outside of the checkpoint's folder.
        """
        by_auto = kwargs.get("_from_auto", False)
        hub_kwargs = {name: kwargs[name] for name in _HUB_KWARGS if kwargs.get(name)}  # before super takes them away
        settings, kwargs = super().get_image_processor_dict(pretrained_model_name_or_path, **kwargs)
        if not kwargs.get("return_unused_kwargs"):
            refuse_unknown((name for name in kwargs if name not in _FOR_LOADING), by_auto)
        if not isinstance(settings, dict):
            raise ValueError(f"{pretrained_model_name_or_path} has {settings!r} as the settings of its image processor")
        saved = find_saved_fonts(settings.get("saved_fonts"), str(pretrained_model_name_or_path), hub_kwargs)
        return {**settings, "saved_fonts": saved}, kwargs

    @classmethod
    def from_dict(cls, image_processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in transformers, with what settings of a file may say about fonts (see `saved_fonts.own_settings`).

        A font manifest is not taken over where another setting is given that it depends on, nor are names of fonts of
        styles that are then not used.
        """
        fonts = setting("fonts", kwargs.get("fonts"))
        both = {"styles": ["song"], "fallback": True, **image_processor_dict, **kwargs}
        used = used_styles(setting("styles", both["styles"]), setting("fallback", both["fallback"]))
        settings = own_settings(image_processor_dict, fonts, used)
        given = set(kwargs) & set(_IN_MANIFEST)
        if fonts is not None or any(
            name not in settings or setting(name, kwargs[name]) != settings[name] for name in given - {"fonts"}
        ):
            settings.pop("font_manifest", None)
        return super().from_dict(settings, **kwargs)

    @classmethod
    def from_json_file(cls, json_file: str | Path) -> Any:
        """As in transformers, by `from_dict`; fonts that lie beside the file are found by `from_pretrained` alone."""
        return cls.from_dict(json.loads(Path(json_file).read_text(encoding="utf-8")))


def _tokens(tokens: Any) -> list[str]:
    """Checks that tokens are strings, and makes a list of them."""
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


HanziGlyphImageProcessor.register_for_auto_class("AutoImageProcessor")

__all__ = ["HanziGlyphImageProcessor", "HanziGlyphKwargs"]
