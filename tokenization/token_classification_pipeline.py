"""The standard token-classification pipeline, exact for texts whose characters a tokenizer removes."""

from typing import Any

from transformers import TokenClassificationPipeline


class WordPieceTokenClassificationPipeline(TokenClassificationPipeline):
    r"""transformers' pipeline, which for our tokenizers knows a word's later pieces by their ## prefix.

    transformers takes every token that is shorter than its stretch of text for a later piece of the word before, also
    `ab` of `a\u200bb` or a letter with a combining accent; grouping by words (first, average, max) then joins it to
    the neighbour. Tokenizers that set `marks_word_pieces` are read by the prefix; for all others nothing changes.
    `import hanziformers` puts this class behind `pipeline("token-classification")`.
    """

    def gather_pre_entities(self, *args: Any, **kwargs: Any) -> list[dict]:
        """As in transformers, with `is_subword` corrected."""
        entities = super().gather_pre_entities(*args, **kwargs)
        if getattr(self.tokenizer, "marks_word_pieces", False):
            prefix = self.tokenizer.backend_tokenizer.model.continuing_subword_prefix
            for entity in entities:
                entity["is_subword"] = entity["word"].startswith(prefix)
        return entities


__all__ = ["WordPieceTokenClassificationPipeline"]
