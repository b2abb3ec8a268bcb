"""The tokenizer of Glyce: BERT's own ids, and the glyph image of every character beside them.

Axes: B batch, L tokens, V tokens of the vocabulary, N >= V rows of the glyph bank.
"""

from typing import Any

from .glyph_inputs import GlyphInputs
from .vocabulary import check_rows
from .word_pieces import ChineseWordPieces


class GlyceTokenizer(GlyphInputs, ChineseWordPieces):
    """Turns texts into `input_ids`, `attention_mask`, `token_type_ids`, `glyph_ids` and, in tensors, `extra_glyphs`.

    All but the last two are BERT's: it loads from the vocabulary or the folder of any BERT, keeps that one's settings
    of case and accents, and gives the same ids on every text. `GlyphInputs` says what the glyph inputs hold:

    - A Chinese character that BERT knows has its own row of the bank, and so has a token of several characters, whose
      glyph image is blank where the image processor has `render_words=False`.
    - A single character that BERT does not know is [UNK] in `input_ids`, and itself in `glyph_ids`. An unknown word of
      several characters is [UNK] in both; what BERT takes for one is a run of characters outside of its own Chinese
      blocks, such as kana or Extension G.

    Scripts that are older than the simplified characters render the traditional form of a character by itself; the ids
    are those of the text as it stands.

    Args:
        vocab: path of vocab.txt, or token -> id; ids must be 0..V-1.
        extra_characters: characters of the bank's rows V..N-1.
        glyph_values: F*h*w of one glyph image; setting `image_processor` sets it.
        kwargs: as for `ChineseWordPieces`.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used (see `read_vocabulary`), or extra characters
            that cannot be rows (see `set_extra_characters`); on a call, text that is None, no string, not valid
            Unicode, or an empty list; new tokens while there are extra characters.

    Example:
        >>> tokenizer = GlyceTokenizer("vocab.txt")  # bert-base-chinese's, of 21,128 tokens
        >>> tokenizer("人𠮷2020")["input_ids"]
        [101, 782, 100, 8439, 102]
        >>> tokenizer("人𠮷2020")["glyph_ids"]
        [101, 782, 155199, 8439, 102]
    """

    model_input_names = ["input_ids", "token_type_ids", "attention_mask", "glyph_ids"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_rows(self.get_vocab())


GlyceTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["GlyceTokenizer"]
