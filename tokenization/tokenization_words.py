"""The tokenizer of models that read words: an id for each word, and the glyph images of its characters.

Axes: B batch, T words, W characters of the longest word, V words of the vocabulary, N rows of the glyph bank.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from .characters import code_points, may_have_ink
from .word_counting import SPECIAL_TOKENS, build_word_vocabulary, count_words
from .word_inputs import WordInputs
from .word_level import WordLevelTokenizer


class WordTokenizer(WordInputs, WordLevelTokenizer):
    """Turns texts into `word_ids`, `attention_mask`, `token_type_ids`, `glyph_ids` and, in tensors, `extra_glyphs`.

    A word that the vocabulary lacks is [UNK] in `word_ids`, and its own characters in `glyph_ids`; `WordInputs` says
    how strings are cut, and what the glyph inputs hold. There are no other special tokens: a text of T words has T ids,
    and one without words none. `max_length` counts words. Pairs get the token types 0 and 1.

    The bank of glyph images holds [PAD], which is blank, [UNK], and `extra_characters`.

    Args:
        vocab: path of vocab.txt, or word -> id; ids must be 0..V-1, of them 0 and 1 [PAD] and [UNK].
        extra_characters: characters of the bank's rows 2..N-1; None: those of the vocabulary, in order of code point.
        cut: into what a string is cut, "words" or "characters".
        glyph_values: F*h*w of one glyph image; setting `image_processor` sets it.
        kwargs: as for `WordLevelTokenizer`.

    Raises:
        FileNotFoundError, ValueError: a vocabulary that cannot be used (see `WordLevelTokenizer`), or extra characters
            that cannot be rows (see `set_extra_characters`); on a call, text that is None, no string, not valid
            Unicode, or an empty list, or an empty word; new tokens.

    Example:
        >>> tokenizer = WordTokenizer({"[PAD]": 0, "[UNK]": 1, "银行": 2, "行长": 3})
        >>> tokenizer("银行的行长")["word_ids"]
        [2, 1, 3]
        >>> tokenizer("银行的行长")["glyph_ids"]  # rows of 行 银 长, and 的, which is outside of the bank
        [[3, 2], [30346], [2, 4]]
    """

    model_input_names = ["word_ids", "token_type_ids", "attention_mask", "glyph_ids"]

    def __init__(self, *args: Any, extra_characters: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, extra_characters=extra_characters or "", **kwargs)
        if extra_characters is None:
            characters = {character for word in self.get_vocab() if word not in SPECIAL_TOKENS for character in word}
            codes = code_points("".join(sorted(characters)))
            self.set_extra_characters("".join(map(chr, codes[may_have_ink()[codes]].tolist())))

    @classmethod
    def count_vocabulary(
        cls, texts: Iterable[str | Sequence[str]], cut: str = "words", min_count: int = 1
    ) -> dict[str, int]:
        """Makes a vocabulary of the words of texts, for `vocab`.

        Args:
            texts: strings, which are cut, or lists of words.
            cut: into what, "words" or "characters".
            min_count: words that occur less often are left out, so that they are [UNK].

        Raises:
            ValueError: see `count_words` and `build_word_vocabulary`.
        """
        return build_word_vocabulary(count_words(texts, cut), min_count)

    @property
    def token_rows(self) -> int:
        """[PAD] and [UNK] have rows of the bank, words do not."""
        return len(SPECIAL_TOKENS)

    def _check_known(self, tokens: Iterable[Any]) -> None:
        """Refuses every token but [PAD] and [UNK], words of the vocabulary too: Rust would find it inside of words."""
        own = self.convert_ids_to_tokens(list(range(self.token_rows)))
        if others := [name for name in map(str, tokens) if name and name not in own]:
            raise ValueError(
                f"the tokens {others} cannot be added: a {type(self).__name__} knows the words of its vocabulary "
                "alone; write them into its vocab.txt, and make tokenizer and model from that"
            )


WordTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["WordTokenizer"]
