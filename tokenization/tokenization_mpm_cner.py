"""The tokenizer of MPM-CNER: BERT's vocabulary, one token a character, its traditional glyph image and its sound.

Axes: B batch, L tokens, V tokens of the vocabulary, N >= V rows of the glyph bank, S rows of the sound bank.
"""

from collections import Counter
from typing import Any

import numpy as np
from transformers.utils import logging

from .alignment import TextAlignment
from .characters import code_points
from .simpler_forms import in_known_forms
from .syllable_inputs import SyllableInputs, characters_of_tokens
from .tally import Tally
from .tokenization_glyph_crm import GlyphCrmTokenizer
from .traditional import convert_lines, to_traditional

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_OF_BERT = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "do_basic_tokenize", "never_split")


class MpmCnerTokenizer(SyllableInputs, GlyphCrmTokenizer):
    """Turns texts into `input_ids`, `attention_mask`, `token_type_ids`, `glyph_ids`, `syllable_ids`, `extra_glyphs`.

    It loads from the vocabulary of any BERT, or from the folder of one, with the same ids. As GlyphCRM's tokenizer it
    makes every character (code point) a token, and none of white space and of what is invisible; BERT's own would join
    2020 into one.

    - `input_ids` are those of the text as it stands. A character that the vocabulary lacks is looked up in lower case
      and without accents: the vocabularies of Chinese BERTs have no capitals. BERT's settings of case and accents
      (`do_lower_case`, `strip_accents`) are therefore neither needed nor kept.
    - `glyph_ids` are those of the same text in traditional characters, converted as a whole, and otherwise as in
      `GlyphInputs`. The case is kept. Where a line would change its length its characters are converted one by one,
      which is counted in `unconverted` and warned about.
    - `syllable_ids` are the readings of the text as a whole (see `SyllableInputs`).

    Args:
        vocab: path of vocab.txt, or token -> id; ids must be 0..V-1.
        extra_characters: characters of the glyph bank's rows V..N-1.
        glyph_values: h*w of one glyph image; setting `image_processor` sets it.
        syllables: the toned syllables of the sound bank's rows 1..S-1; row 0 is no sound. None: no syllable_ids (yet).
        readings: your own readings of words, such as {"长江大桥": "chang2 jiang1 da4 qiao2"}; saved with the tokenizer.
        vocab_file: path of vocab.txt, where `vocab` is None.
        kwargs: as for `GlyphCrmTokenizer`.

    Raises:
        FileNotFoundError, ValueError, TypeError: as `GlyphCrmTokenizer`; syllables or readings that are none.

    Example:
        >>> tokenizer = MpmCnerTokenizer("vocab.txt", syllables=["fa1", "fa4", "tou2", "zhan3"])
        >>> tokenizer("头发发展")["syllable_ids"]
        [0, 3, 2, 1, 4, 0]
        >>> tokenizer.convert_ids_to_tokens(tokenizer("头发发展")["glyph_ids"])
        ['[CLS]', '頭', '髮', '發', '展', '[SEP]']
    """

    model_input_names = ["input_ids", "token_type_ids", "attention_mask", "glyph_ids", "syllable_ids"]

    def __init__(
        self,
        vocab: str | dict[str, int] | None = None,
        extra_characters: str = "",
        glyph_values: int | None = None,
        syllables: list[str] | None = None,
        readings: dict[str, str] | None = None,
        unk_token: str = "[UNK]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        cls_token: str = "[CLS]",
        mask_token: str = "[MASK]",
        vocab_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        for name in _OF_BERT:  # they stand in the folder of a BERT, and would be saved without having an effect
            kwargs.pop(name, None)
        self.unconverted = Tally()
        super().__init__(
            vocab=vocab,
            extra_characters=extra_characters,
            glyph_values=glyph_values,
            syllables=syllables,
            readings=readings,
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            vocab_file=vocab_file,
            **kwargs,
        )

    def read_as(self, text: Any) -> Any:
        """The text with characters that the vocabulary has: see the class."""
        return in_known_forms(text, lambda one: self._tokenizer.token_to_id(one) is not None, self.added_tokens_encoder)

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """As the parts, with the glyph ids of the traditional characters."""
        values = super().extra_values(alignment)
        text, lines = convert_lines(alignment.text)
        if lines and self.unconverted.add(Counter(line[:60] for line in lines)):
            logger.warning(
                f"{self.unconverted.total()} lines would be longer or shorter in traditional characters, such as "
                f"{lines[0][:60]!r}; their characters are converted one by one, without the sentence. Take the OpenCC "
                "that the model was trained with. (tokenizer.unconverted has the counts.)"
            )
        glyph_ids = self._open_ids(text)
        rows = []
        for index, ids in enumerate(values["glyph_ids"]):
            start, width = alignment.spans(index)
            row, single = np.array(ids, np.int64), width == 1
            row[single] = glyph_ids[start[single]]
            rows.append(row)
        return {**values, "glyph_ids": rows}

    def values_of_tokens(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """A token of one character has the glyph image of its traditional form alone, if the bank has that."""
        values = super().values_of_tokens(ids)
        characters = "\n".join(characters_of_tokens(self.convert_ids_to_tokens(ids.tolist())))
        forms = self._open_ids(to_traditional(characters))[::2]  # without line breaks
        is_character = np.array([character != " " for character in characters[::2]], bool)
        # a batch that is there already takes no further extra_glyphs
        values["glyph_ids"] = np.where(is_character & (forms < self.glyph_vocab_size), forms, values["glyph_ids"])
        return values

    def _open_ids(self, text: str) -> np.ndarray:
        """The open glyph ids of all characters of a text: int64 [len(text)]."""
        distinct, index = np.unique(code_points(text), return_inverse=True)
        ids = self._open_glyphs().open_ids(distinct)
        known = [self._tokenizer.token_to_id(character) for character in map(chr, distinct.tolist())]
        has_row = np.array([one is not None for one in known], bool)
        ids[has_row] = [one for one in known if one is not None]
        return ids[index]


MpmCnerTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["MpmCnerTokenizer"]
