"""The token-classification pipeline of transformers, exact for words in which a tokenizer removed a character."""

from typing import Any

import numpy as np
from transformers import TokenClassificationPipeline


class WordPieceTokenClassificationPipeline(TokenClassificationPipeline):
    r"""Knows the later pieces of a word by their ## prefix, and so groups words exactly, whatever the text.

    transformers takes every token whose length is not that of its stretch of text for a later piece of the word before.
    That is wrong where BERT's normalization changes the length: the token `ab` of `a\u200bb`, a letter with a combining
    accent, a Hangul syllable that is taken apart. The aggregation strategies first, average and max then take such a
    word for the rest of the token before it. The strategies none and simple do not group by words and are the same in
    both classes, and so is every text without such a word.

    Tokenizers without a prefix for later pieces are read as transformers reads them.

    Example:
        >>> tokenizer = AutoTokenizer.from_pretrained(folder)
        >>> tagger = pipeline(
        ...     "token-classification",
        ...     model=folder,
        ...     pipeline_class=tokenizer.token_classification_pipeline,
        ...     aggregation_strategy="first",
        ... )
    """

    def gather_pre_entities(self, sentence: str, input_ids: np.ndarray, *args: Any, **kwargs: Any) -> list[dict]:
        """As in transformers, with `is_subword` read from the tokens.

        Args:
            sentence: the text.
            input_ids: int [L].
            args: as in transformers.
            kwargs: as in transformers.
        """
        entities = super().gather_pre_entities(sentence, input_ids, *args, **kwargs)
        backend = getattr(self.tokenizer, "backend_tokenizer", None)  # tokenizers written in Python have none
        prefix = getattr(getattr(backend, "model", None), "continuing_subword_prefix", None)
        if prefix:
            for entity in entities:
                # "word" is the token, but for [UNK] it is the text, which may look like anything
                known = input_ids[entity["index"]] != self.tokenizer.unk_token_id
                entity["is_subword"] = bool(known and entity["word"].startswith(prefix))
        return entities


__all__ = ["WordPieceTokenClassificationPipeline"]
