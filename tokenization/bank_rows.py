"""Which rows of the model's glyph bank a tokenizer's tokens and further characters have, and that no row moves.

Axes: V tokens with a row of their own (those of the vocabulary), N >= V rows of the bank.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .characters import COMMON_BLOCKS, characters_of, code_points, may_have_ink

ADD_TOKENS_HINT = (
    "To add tokens: tokenizer.set_extra_characters(''), add them, processor.extend_bank(), and give a model of those "
    "sizes (vocab_size=len(tokenizer), glyph_vocab_size=tokenizer.glyph_vocab_size) its bank: "
    "model.base_model.set_glyphs(processor.render_bank())"
)


class BankRows:
    """Mixin before a tokenizer class of transformers: the bank holds its V tokens by id, then `extra_characters`.

    While there are extra characters, no token can be added: their rows, which a model knows, would all move.

    Attributes:
        extra_characters: the characters of the rows V..N-1, in order.
    """

    extra_characters = ""

    def __init__(
        self, *args: Any, extra_characters: str = "", extra_characters_start: int | None = None, **kwargs: Any
    ) -> None:
        """Initialises the tokenizer class behind this one, then the extra characters.

        Args:
            args: of the tokenizer class behind.
            extra_characters: characters of the rows V..N-1.
            extra_characters_start: set when the tokenizer is saved: V. Another number of tokens is refused at loading.
            kwargs: of the tokenizer class behind.

        Raises:
            ValueError: extra characters that cannot be rows, or that were saved behind another number of tokens.
        """
        # The names tell transformers what to save; it takes the values from the attributes when it saves.
        super().__init__(*args, extra_characters=extra_characters, extra_characters_start=None, **kwargs)
        if extra_characters:
            self._check_start(extra_characters_start)
        self.set_extra_characters(extra_characters)

    @property
    def token_rows(self) -> int:
        """V, how many tokens have a row of the bank, by id: all, unless the tokens are words of several characters."""
        return len(self)

    @property
    def glyph_vocab_size(self) -> int:
        """N, the number of rows of the model's bank."""
        return self.token_rows + len(self.extra_characters)

    @property
    def extra_characters_start(self) -> int | None:
        """V, the row of the bank where `extra_characters` start; None if there are none."""
        return self.token_rows if self.extra_characters else None

    def bank_tokens(self) -> list[str]:
        """The N tokens whose glyph images the bank holds, in the order of its rows."""
        return self.convert_ids_to_tokens(list(range(self.token_rows))) + list(self.extra_characters)

    def common_characters(self) -> list[str]:
        """The characters of `characters.COMMON_BLOCKS` that have no row of the bank yet, in order of code point."""
        known = set(self.bank_tokens())
        return [character for character in characters_of(COMMON_BLOCKS) if character not in known]

    def set_extra_characters(self, characters: str) -> None:
        """Sets the characters of the bank's rows V..N-1. Open ids made before are then no longer right.

        Raises:
            TypeError: `characters` is not a string.
            ValueError: a character stands twice, is in the vocabulary, or can have no glyph image.
        """
        if not isinstance(characters, str):
            raise TypeError(f"extra_characters must be one str, got {type(characters).__name__}: ''.join(...) a list")
        codes = code_points(characters)
        vocab = {token: row for token, row in self.get_vocab().items() if row < self.token_rows}
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

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> int:
        """As in transformers, but refused before anything changes where `add_tokens` would be.

        Raises:
            ValueError: there are extra characters, and a token is new.
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
                f"from {len(self)} on in the model's bank, and would move; known tokens are allowed. {ADD_TOKENS_HINT}"
            )

    def _check_start(self, start: int | None) -> None:
        """Refuses extra characters that were saved behind another number of tokens."""
        if start is None or start == self.token_rows:
            return
        new = self.convert_ids_to_tokens(list(range(start, len(self)))) if isinstance(start, int) else []
        raise ValueError(
            f"there are {len(self)} tokens{f', among them the new {new}' if new else ''}, but extra_characters were "
            f"saved with extra_characters_start={start}, behind that many tokens: their rows of the model's bank would "
            f"move. Load it with the tokens it was saved with, or with extra_characters=''. {ADD_TOKENS_HINT}"
        )


__all__ = ["ADD_TOKENS_HINT", "BankRows"]
