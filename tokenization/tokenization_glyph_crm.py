"""The tokenizer of GlyphCRM: every character is a token and has a glyph image, also outside of the vocabulary."""

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers.tokenization_utils_tokenizers import TokenizersBackend

from .characters import NO_INK, regex_of
from .glyph_inputs import GlyphInputs
from .vocabulary import check_rows, read_vocabulary


class GlyphCrmTokenizer(GlyphInputs, TokenizersBackend):
    """Turns texts into `input_ids`, `attention_mask`, `token_type_ids`, `glyph_ids` and, in tensors, `extra_glyphs`.

    Every character (code point) is a token; case is kept. White space, control characters and characters that Unicode
    wants ignored (zero-width ones, variation selectors and so on: `characters.NO_INK`) can have no glyph image and are
    no tokens; offsets count them. Pairs get the token types 0 and 1. Decoding writes no spaces. `GlyphInputs` says what
    the glyph inputs hold, and what renders them.

    Args:
        vocab: path of vocab.txt, or token -> id; ids must be 0..V-1.
        extra_characters: characters of the bank's rows V..N-1.
        glyph_values: F*h*w of one glyph image; setting `image_processor` sets it.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for transformers' tokenizers and `GlyphInputs`.

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
    model = WordPiece  # each word is one character; with it transformers knows that no token continues the one before

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
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        specials = [str(token) for token in (pad_token, unk_token, cls_token, sep_token, mask_token)]
        vocab = vocab_file if vocab is None else vocab
        vocab = dict(zip(specials, range(5), strict=True)) if vocab is None else read_vocabulary(vocab, specials)
        check_rows(vocab)
        self._tokenizer = Tokenizer(WordPiece(vocab, unk_token=str(unk_token)))
        super().__init__(
            extra_characters=extra_characters,
            glyph_values=glyph_values,
            vocab_file=vocab_file,
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            **kwargs,
        )
        # After transformers' own __init__, which sets these parts as BERT has them.
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(f"{regex_of(NO_INK)}+"), "removed"), pre_tokenizers.FixedLength(length=1)]
        )
        self._tokenizer.decoder = decoders.Fuse()
        cls, sep = str(self.cls_token), str(self.sep_token)
        self._tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
            special_tokens=[(cls, self.cls_token_id), (sep, self.sep_token_id)],
        )


GlyphCrmTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["GlyphCrmTokenizer"]
