"""The tokenizer of GlyphCRM: one token a character, and for every character a glyph image, also outside the vocabulary.

Axes: B batch, L tokens, V label vocabulary, N >= V rows of the model's glyph bank, E glyph images outside of the bank,
F fonts, h and w of a glyph image.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BatchEncoding
from transformers.tokenization_utils_tokenizers import TokenizersBackend
from transformers.utils import logging

from .alignment import CODE_POINTS, JoinedTexts, Sample, check_batch, code_points, explain, is_batch, samples_of
from .rare_glyphs import RareGlyphs, flat_glyphs
from .vocabulary import NO_INK, may_have_ink, read_vocabulary

logger = logging.get_logger(__name__)

# Arguments of from_pretrained that say where a file is found; the image processor is looked for in the same place.
_WHERE = ("cache_dir", "local_files_only", "proxies", "revision", "subfolder", "token")

_WAY_OUT = (
    "To add tokens: tokenizer.set_extra_characters(''), add them, processor.extend_bank(), and give a model of those "
    "sizes (vocab_size=len(tokenizer), glyph_vocab_size=tokenizer.glyph_vocab_size) its bank: "
    "model.base_model.set_glyphs(processor.render_bank())"
)


class GlyphCrmTokenizer(TokenizersBackend):
    """Turns texts into `input_ids`, `attention_mask`, `token_type_ids`, `glyph_ids` and, in tensors, `extra_glyphs`.

    Every character (code point) is a token; case is kept. White space, control characters and characters that Unicode
    wants ignored (zero-width ones, variation selectors and so on: `vocabulary.NO_INK`) have no glyph image of its own and
    are no tokens; offsets count them. Pairs get the token types 0 and 1. Decoding writes no spaces.

    A character has two ids. `input_ids` are the closed vocabulary of labels, [UNK] outside of it. `glyph_ids` are open:

    - In lists (no `return_tensors`; data sets): the row of the model's bank of glyph images if the character has one, else
      N + its code point. The bank holds the V tokens of the vocabulary in order of their ids, then `extra_characters`.
    - In tensors (`return_tensors`, also of `pad` and of the collators that call it): 0..N-1 as before, and N + i for
      row i of the example's own `extra_glyphs` [B, E, F*h*w] uint8, the glyph images of its characters outside the bank.
      Shorter examples are filled up with zero rows (below: a pipeline with batches needs `padding_side` "right", the
      default); E may be 0. There are extra_glyphs as soon as `glyph_values` is known. Equal characters of an example
      share a row.

    Those glyph images are rendered by `image_processor`: set by HanziProcessor, or loaded when first needed from where the
    tokenizer was loaded from; it is saved beside the tokenizer. Pickles and copies carry one that was set, and look
    again for one that was loaded (without the `token` that the tokenizer was loaded with). What cannot be rendered gets
    the glyph image of [UNK], is counted in `unrendered` and warned about. Open ids depend on N: encode a data set again after
    the bank has grown.

    While there are `extra_characters`, no token can be added: their rows, which a model knows, would all move.

    Args:
        vocab: path of vocab.txt, or token -> id; ids must be 0..V-1.
        extra_characters: characters of the bank's rows V..N-1.
        glyph_values: F*h*w of one glyph image; setting `image_processor` sets it.
        extra_characters_start: set when the tokenizer is saved: V. Another number of tokens is refused at loading.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for transformers' tokenizers.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used (see `read_vocabulary`), or extra characters
            that cannot be rows (see `set_extra_characters`); on a call, text that is None, no string, not valid
            Unicode, or an empty list; new tokens while there are extra characters.

    Example:
        >>> tokenizer = GlyphCrmTokenizer("vocab.txt")
        >>> tokenizer("人𰻝")["glyph_ids"]  # with 18,612 tokens; U+30EDD is not among them
        [2, 17, 219025, 3]
    """

    vocab_files_names = {"vocab_file": "vocab.txt", "tokenizer_file": "tokenizer.json"}
    model_input_names = ["input_ids", "token_type_ids", "attention_mask", "glyph_ids"]
    padding_side = "right"
    model = WordPiece  # each word is one character; with it transformers knows that no token goes on the one before
    marks_word_pieces = True  # read by WordPieceTokenClassificationPipeline
    saves_image_processor = True  # beside the tokenizer's own files; GlyphCrmProcessor saves it itself

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        extra_characters: str = "",
        glyph_values: int | None = None,
        unk_token: str = "[UNK]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        cls_token: str = "[CLS]",
        mask_token: str = "[MASK]",
        extra_characters_start: int | None = None,
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        specials = [str(token) for token in (pad_token, unk_token, cls_token, sep_token, mask_token)]
        vocab = vocab_file if vocab is None else vocab
        vocab = dict(zip(specials, range(5), strict=True)) if vocab is None else read_vocabulary(vocab, specials)
        if max(vocab.values()) >= len(vocab):
            raise ValueError(
                f"the vocabulary has {len(vocab)} tokens, but ids up to {max(vocab.values())}; the ids are rows of the "
                "model's bank of glyph images and must be 0, 1, 2, ... without a gap (a file must not repeat a token)"
            )
        self._images = RareGlyphs()
        self.extra_characters, self.glyph_values = "", None
        self._tokenizer = Tokenizer(WordPiece(vocab, unk_token=str(unk_token)))
        super().__init__(
            extra_characters=extra_characters,
            extra_characters_start=None,  # names what is saved; the property has the value
            glyph_values=glyph_values,
            vocab_file=vocab_file,
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            **kwargs,
        )
        dropped = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in NO_INK)
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(f"[{dropped}]+"), "removed"), pre_tokenizers.FixedLength(length=1)]
        )
        self._tokenizer.decoder = decoders.Fuse()
        cls, sep = str(self.cls_token), str(self.sep_token)
        self._tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
            special_tokens=[(cls, self.cls_token_id), (sep, self.sep_token_id)],
        )
        if extra_characters:
            self._check_start(extra_characters_start)
        self.set_extra_characters(extra_characters)
        self._set_glyph_values(glyph_values)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> "GlyphCrmTokenizer":
        """As in transformers; notes where the image processor is to be found, also after a change of directory."""
        tokenizer = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        place = str(pretrained_model_name_or_path)
        where = {name: kwargs[name] for name in _WHERE if kwargs.get(name) is not None}
        where["pretrained_model_name_or_path"] = os.path.abspath(place) if os.path.isdir(place) else place
        tokenizer._images = RareGlyphs(source=where)
        return tokenizer

    @property
    def image_processor(self) -> Any:
        """Renders the characters outside of the bank; None if there is none (yet)."""
        return self._images.image_processor

    @image_processor.setter
    def image_processor(self, image_processor: Any) -> None:
        images = RareGlyphs(image_processor, self._images.source)
        if image_processor is not None:
            self._set_glyph_values(flat_glyphs(image_processor, [self.unk_token]).shape[1])
        self._images = images

    @property
    def unrendered(self) -> Counter[str]:
        """How many places of tensors got the glyph image of [UNK], by character; a data loader's workers count alone."""
        return self._images.unrendered

    @property
    def glyph_vocab_size(self) -> int:
        """N, the number of rows of the model's bank."""
        return len(self) + len(self.extra_characters)

    @property
    def extra_characters_start(self) -> int | None:
        """V, the row of the bank where `extra_characters` start; None if there are none."""
        return len(self) if self.extra_characters else None

    def bank_tokens(self) -> list[str]:
        """The N tokens whose glyph images the bank holds, in the order of its rows."""
        return self.convert_ids_to_tokens(list(range(len(self)))) + list(self.extra_characters)

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> int:
        """As in transformers, but refused before anything changes where `add_tokens` would be.

        Raises:
            ValueError: see `GlyphCrmTokenizer`.
        """
        for value in (special_tokens_dict or {}).values():
            self._check_known(value if isinstance(value, list | tuple) else [value])
        return super().add_special_tokens(special_tokens_dict, *args, **kwargs)

    def _add_tokens(self, new_tokens: Iterable[Any], special_tokens: bool = False) -> int:
        self._check_known(new_tokens)
        return super()._add_tokens(new_tokens, special_tokens=special_tokens)

    def _check_known(self, tokens: Iterable[Any]) -> None:
        """Refuses tokens that would move the rows of the extra characters."""
        if not self.extra_characters:
            return
        new = [name for name in dict.fromkeys(map(str, tokens)) if name and self._tokenizer.token_to_id(name) is None]
        if new:
            raise ValueError(
                f"the tokens {new} cannot be added: the {len(self.extra_characters)} extra_characters have the rows "
                f"{len(self)} and on of the model's bank, and would move; known tokens are allowed. {_WAY_OUT}"
            )

    def _check_start(self, start: int | None) -> None:
        """Refuses extra characters that were saved behind another number of tokens."""
        if start is None or start == len(self):
            return
        new = self.convert_ids_to_tokens(list(range(start, len(self)))) if isinstance(start, int) else []
        raise ValueError(
            f"there are {len(self)} tokens{f', among them the new {new}' if new else ''}, but extra_characters were "
            f"saved with extra_characters_start={start}, behind that many tokens: their rows of the model's bank would "
            f"move. Load it with the tokens it was saved with, or with extra_characters=''. {_WAY_OUT}"
        )

    def set_extra_characters(self, characters: str) -> None:
        """Sets the characters of the bank's rows V..N-1. Open ids made before are then no longer right.

        Raises:
            TypeError: `characters` is not a string.
            ValueError: a character stands twice, is in the vocabulary, or has no glyph image of its own.
        """
        if not isinstance(characters, str):
            raise TypeError(f"extra_characters must be one str, got {type(characters).__name__}: ''.join(...) a list")
        codes, vocab = code_points(characters), self.get_vocab()
        for wrong, what in (
            (next((c for c, n in Counter(characters).items() if n > 1), None), "twice"),
            (next((c for c in characters if c in vocab), None), "though the vocabulary has it"),
            (next(map(chr, codes[~may_have_ink()[codes]].tolist()), None), "though it can have no glyph image"),
        ):
            if wrong is not None:
                raise ValueError(
                    f"extra_characters holds {wrong!r} (U+{ord(wrong):04X}) {what}; every character must stand once, "
                    "be outside of the vocabulary and be neither white space nor invisible"
                )
        self.extra_characters = characters

    def _set_glyph_values(self, values: int | None) -> None:
        if values is not None and (not isinstance(values, int) or isinstance(values, bool) or values < 1):
            raise ValueError(
                f"glyph_values={values!r} must be None or the number of values of one glyph image, fonts * h * w"
            )
        self.glyph_values = values
        names = [name for name in self.model_input_names if name != "extra_glyphs"]
        if values is not None and "glyph_ids" in names:  # pipelines that pick their inputs by name have to take both
            names.append("extra_glyphs")
        self.model_input_names = names

    def _encode_plus(
        self,
        text: Any,
        text_pair: Any = None,
        *args: Any,
        is_split_into_words: bool = False,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Every way of encoding text (calls, processors, pipelines) ends here: adds the ids of the glyph images."""
        check_batch(text, is_split_into_words)
        try:
            output = super()._encode_plus(
                text, text_pair, *args, is_split_into_words=is_split_into_words, return_tensors=None, **kwargs
            )
        except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
            explain(text, text_pair, error)
            raise
        several = is_batch(text, is_split_into_words) or kwargs.get("return_overflowing_tokens", False)
        extra = None
        if "glyph_ids" in self.model_input_names and output.encodings is not None:
            samples = samples_of(text, text_pair, is_split_into_words)
            rows = self._open_ids(output.encodings, output.get("overflow_to_sample_mapping"), samples)
            if return_tensors is not None:
                rows, extra = self._resolve([np.array(row, np.int64) for row in rows], [None] * len(rows))
            output["glyph_ids"] = rows if several else rows[0]
        if return_tensors is not None:
            output.convert_to_tensors(return_tensors, prepend_batch_axis=not several)
        if extra is not None:
            output["extra_glyphs"] = _tensor(extra, return_tensors)
        return output

    def _open_ids(self, encodings: list, owners: list[int] | None, samples: list[Sample]) -> list[list[int]]:
        """One list of open glyph ids for each encoding: its ids, but for the characters that are [UNK] there.

        Args:
            encodings: what the Rust tokenizer made: one a sample, or several windows of it.
            owners: the sample that each encoding belongs to; None: encoding i belongs to sample i.
            samples: the sequences of each sample.
        """
        unknown, rows = self.unk_token_id, [encoding.ids for encoding in encodings]
        with_unknown = [index for index, row in enumerate(rows) if unknown in row]
        if with_unknown:
            texts = JoinedTexts(samples)
            codes, places = code_points(texts.text), _open_places(self.extra_characters)
        for index in with_unknown:
            place, width = texts.places(encodings[index], index if owners is None else owners[index])
            ids = np.array(rows[index], np.int64)
            here = (ids == unknown) & (width == 1)  # not a special token, nor "[UNK]" itself
            ids[here] = len(self) + places[codes[place[here]]]
            rows[index] = ids.tolist()
        return rows

    def _resolve(
        self, rows: list[np.ndarray], given: list[np.ndarray | None]
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Turns open ids into rows of extra_glyphs.

        Args:
            rows: int64 [L] each, the glyph ids of the examples.
            given: the glyph images [E, F*h*w] of an example whose ids are rows already; None: its ids are open.

        Returns:
            The ids, and the extra_glyphs uint8 [B, E, F*h*w]; None if nobody knows how large a glyph image is.
        """
        bank, values = self.glyph_vocab_size, self.glyph_values
        owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        ids = np.concatenate(rows)
        is_open = (ids >= bank) & np.array([images is None for images in given])[owner]
        codes = ids[is_open] - bank
        wrong = codes[~may_have_ink()[codes.clip(max=CODE_POINTS - 1)] | (codes >= CODE_POINTS)]
        if len(wrong):
            raise ValueError(
                f"the glyph id {wrong[0] + bank} stands for no character: in lists, glyph_ids are 0..{bank - 1} or "
                f"{bank} + code point; encode the text again with this tokenizer (its bank may have grown since)"
            )
        pairs, index, numbers = np.unique(owner[is_open] * CODE_POINTS + codes, return_inverse=True, return_counts=True)
        of, codes = np.divmod(pairs, CODE_POINTS)  # distinct characters by example: [P] each
        different, character = np.unique(codes, return_inverse=True)
        numbers = np.bincount(character, numbers, len(different)).astype(int).tolist()
        rendered, images = self._draw([chr(code) for code in different.tolist()], numbers)
        row = np.cumsum(rendered) - 1  # of each different character in `glyph images`
        rendered, row = rendered[character], row[character]
        place = np.cumsum(rendered) - 1
        place -= np.searchsorted(of[rendered], of)  # among the rendered ones of its own example
        ids[is_open] = np.where(rendered, bank + place, self.unk_token_id)[index]
        rows = np.split(ids, np.cumsum([len(row) for row in rows])[:-1])
        extras = [_checked(images, values) for images in given]
        values = values or next((extra.shape[1] for extra in extras if extra is not None), None)
        if values is None:
            return rows, None
        most = max([len(extra) for extra in extras if extra is not None] + [int(place[rendered].max(initial=-1)) + 1])
        filled = np.zeros((len(rows), most, values), np.uint8)
        filled[of[rendered], place[rendered]] = images[row[rendered]]
        for target, extra in zip(filled, extras, strict=True):
            if extra is not None:
                target[: len(extra)] = extra
        return rows, filled

    def _draw(self, characters: list[str], numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """See `RareGlyphs.render`; finds the image processor when the first character needs it."""
        if characters:
            self._find_image_processor()
        return self._images.render(characters, numbers, self.glyph_values or 0)

    def _find_image_processor(self) -> None:
        """Loads the image processor from where the tokenizer was loaded from, if its glyph images are those of a model."""
        if self.glyph_values is not None:
            self._images.find()

    def _save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        """Saves the image processor too: what a Trainer saves with its tokenizer alone still renders every character."""
        files = super()._save_pretrained(save_directory, *args, **kwargs)
        if self.saves_image_processor:
            self._find_image_processor()
            if self.image_processor is not None:
                files += tuple(self.image_processor.save_pretrained(save_directory))
        return files

    def pad(
        self,
        encoded_inputs: Any,
        padding: Any = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads as transformers does; in tensors, open glyph ids become rows of extra_glyphs.

        Examples that have extra_glyphs (because they come from tensors) keep their ids; the glyph images are padded along
        E. Both kinds may stand in one batch.

        Raises:
            ValueError: a glyph id that stands for no character, or glyph images of another size.
        """
        given = None
        if isinstance(encoded_inputs, (list, tuple)) and encoded_inputs and isinstance(encoded_inputs[0], Mapping):
            given = [example.get("extra_glyphs") for example in encoded_inputs]
            names = [name for name in encoded_inputs[0] if name != "extra_glyphs"]
            encoded_inputs = {name: [example[name] for example in encoded_inputs] for name in names}
        elif isinstance(encoded_inputs, Mapping):
            given = encoded_inputs.get("extra_glyphs")
            encoded_inputs = {name: value for name, value in encoded_inputs.items() if name != "extra_glyphs"}
        output = super().pad(
            encoded_inputs,
            padding=padding,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_attention_mask=return_attention_mask,
            return_tensors=return_tensors,
            verbose=verbose,
        )
        glyph_ids = output.get("glyph_ids")
        in_lists = isinstance(glyph_ids, list)
        if glyph_ids is None or len(glyph_ids) == 0:
            return output
        batched = np.ndim(glyph_ids[0]) > 0
        given = [given] if not batched else given if given is not None else [None] * len(glyph_ids)
        if in_lists and all(images is None for images in given):
            return output
        rows = [np.array(row, np.int64) for row in (glyph_ids if batched else [glyph_ids])]
        rows, extra = self._resolve(rows, list(given))
        if not batched:
            rows, extra = rows[0], None if extra is None else extra[0]
        if in_lists:
            output["glyph_ids"] = [row.tolist() for row in rows] if batched else rows.tolist()
        else:
            return_tensors = return_tensors or ("np" if isinstance(glyph_ids, np.ndarray) else "pt")
            output["glyph_ids"] = _tensor(np.array(rows), return_tensors)
        if extra is not None:
            output["extra_glyphs"] = _tensor(extra, return_tensors)
        return output

    def _pad(self, encoded_inputs: Any, *args: Any, padding_side: str | None = None, **kwargs: Any) -> dict:
        """Pads one example: `glyph_ids` with the row of [PAD], on the side where the other keys are padded."""
        name = self.model_input_names[0]
        before = len(encoded_inputs[name])
        output = super()._pad(encoded_inputs, *args, padding_side=padding_side, **kwargs)
        missing = len(output[name]) - before
        if missing and "glyph_ids" in output:
            ids, empty = list(output["glyph_ids"]), [self.pad_token_id] * missing
            output["glyph_ids"] = empty + ids if (padding_side or self.padding_side) == "left" else ids + empty
        return output


@lru_cache(maxsize=4)  # by value, so that no tokenizer carries its 4 MB into pickles
def _open_places(characters: str) -> np.ndarray:
    """What a character's open glyph id is above V, by code point: int32 [0x110000], read-only."""
    places = np.arange(len(characters), len(characters) + CODE_POINTS, dtype=np.int32)
    places[code_points(characters)] = np.arange(len(characters))
    places.setflags(write=False)
    return places


def _checked(images: Any, values: int | None) -> np.ndarray | None:
    """The glyph images that an example came with, uint8 [E, F*h*w]."""
    if images is None:
        return None
    array = np.asarray(images)
    if array.size == 0:
        return np.zeros((0, values or array.shape[-1]), np.uint8)
    if array.ndim != 2 or array.dtype.kind not in "iu" or (values is not None and array.shape[1] != values):
        raise ValueError(
            f"extra_glyphs of an example is {array.dtype} {list(array.shape)}, but must be uint8 [E, "
            f"{values or 'F*h*w'}]; leave it out and give glyph_ids as they are in lists, or encode the text again"
        )
    if array.min() < 0 or array.max() > 255:
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"extra_glyphs of an example holds {wrong}, but is ink from 0 to 255; encode the text again")
    return array.astype(np.uint8)


def _tensor(array: np.ndarray, kind: Any) -> Any:
    """The array as the kind of tensor that transformers was asked for; kept as it is for "np" and None."""
    if kind is None or kind == "np":
        return array
    return BatchEncoding({"values": list(array) if array.ndim > 1 else array.tolist()}, tensor_type=kind)["values"]


GlyphCrmTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["GlyphCrmTokenizer"]
