"""Model inputs with one value for every token, added to a tokenizer of transformers. Axes: B batch, L tokens."""

import gc
from typing import Any

import numpy as np
from transformers import BatchEncoding
from transformers.utils import PaddingStrategy, TensorType

from .alignment import TextAlignment, is_batch
from .character_batch import CharacterBatch, to_tensor
from .ragged import PaddedExamples, without
from .text_checks import check_batch, explain

NO_PADDING = PaddingStrategy.DO_NOT_PAD


class CharacterInputs:
    """Mixin before a tokenizer class of transformers: further inputs that have one value for every token.

    A family names its keys in `extra_inputs` and `model_input_names`, and computes them in `extra_values`, and in
    `values_of_tokens` for tokens without a text. Calls, `pad`, collators, processors, data sets and pipelines then
    carry them like BERT's own keys. In tensors they follow `input_ids`, so that every collator that masks ids hides
    them too (see `CharacterBatch`). Texts that cannot be encoded are refused with an error that names the piece of
    text.

    Parts can be combined, because each adds its keys to those of `super()`.

    Attributes:
        extra_inputs: key -> the value of a padding token, a number or a (nested) list of fixed shape.
        taken_inputs: keys with another axis than that of the tokens, which `put_back` pads.

    Example:
        >>> class WidthTokenizer(CharacterInputs, BertTokenizer):
        ...     model_input_names = [*BertTokenizer.model_input_names, "widths"]
        ...     extra_inputs = {"widths": 0}
        ...
        ...     def extra_values(self, alignment):
        ...         return {"widths": [alignment.spans(index)[1] for index in range(len(alignment.encodings))]}
    """

    extra_inputs: dict[str, Any] = {}
    taken_inputs: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialises the tokenizer class behind this one.

        Args:
            args: of that class.
            kwargs: of that class. auto_map is not kept: it belongs to the folder that the tokenizer was loaded from,
                and may name the code of a processor, which the folder that it is saved to lacks.

        Raises:
            TypeError: it is given `fonts`, which are a setting of the image processor.
        """
        if "fonts" in kwargs:  # the tokenizer would keep it, and publish the paths in tokenizer_config.json
            raise TypeError(
                "a tokenizer takes no fonts; give them to its image processor: tokenizer.image_processor = "
                "HanziGlyphImageProcessor.from_pretrained(folder, fonts={'song': ['path of a font']}), or load both "
                "with HanziProcessor.from_pretrained(folder, fonts=...)"
            )
        kwargs.pop("auto_map", None)
        super().__init__(*args, **kwargs)

    def extra_values(self, alignment: TextAlignment) -> dict[str, list[Any]]:
        """Computes the values of all `extra_inputs` for one call.

        Args:
            alignment: the encodings of the call, and where their tokens stand in its texts.

        Returns:
            For every key one entry for each encoding, all integer arrays or all lists: [L, ...] with one value for
            each token, padding included. Further keys may have another axis (see `padded_values`).
        """
        return {}

    def read_as(self, text: Any) -> Any:
        """Gives what the tokenizer class behind is to read in place of a text, without a change of its length.

        Args:
            text: what a call was given: a string, or strings nested in lists.
        """
        return text

    def values_of_tokens(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Gives the `extra_inputs` of tokens that stand for no character of a text: what replaces a masked one.

        Args:
            ids: of the tokens, int64 [n].

        Returns:
            For every key one value for each token, int64 [n, ...]; that of a padding token unless the family says more.
        """
        return {name: np.array([padding] * len(ids), np.int64) for name, padding in self.extra_inputs.items()}

    def padded_values(self, values: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Fills up values with an axis of their own beside that of the tokens, where padding or tensors are requested.

        Args:
            values: of the `extra_inputs` and further keys, as `extra_values` gives them.
        """
        return values

    def tensor_values(self, values: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], dict[str, np.ndarray]]:
        """Says what tensors hold, where that differs from lists.

        Args:
            values: as `padded_values` gives them.

        Returns:
            The values that become tensors, and keys which only a batch has, as arrays [B, ...].
        """
        return values, {}

    @property
    def token_classification_pipeline(self) -> type:
        """The pipeline class with exact grouping of words, also where this code was loaded with trust_remote_code.

        Example:
            >>> exact = tokenizer.token_classification_pipeline
            >>> tagger = pipeline("token-classification", folder, pipeline_class=exact, aggregation_strategy="first")
        """
        # Imported here, because transformers' pipelines import slowly and most uses of remote code need none. A saved
        # tokenizer carries the file all the same: transformers follows imports in functions too.
        from .token_classification_pipeline import WordPieceTokenClassificationPipeline

        return WordPieceTokenClassificationPipeline

    def _encode_plus(
        self,
        text: Any,
        text_pair: Any = None,
        *args: Any,
        is_split_into_words: bool = False,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Every way of encoding text (calls, processors, pipelines) ends here: adds the `extra_inputs`."""
        check_batch(text, is_split_into_words)
        try:
            # in lists first: the extra inputs are made from the encodings, and all become tensors together
            read, read_pair = self.read_as(text), self.read_as(text_pair)
            output = super()._encode_plus(
                read, read_pair, *args, is_split_into_words=is_split_into_words, return_tensors=None, **kwargs
            )
        except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
            explain(text, text_pair, error)
            raise
        several = is_batch(text, is_split_into_words) or kwargs.get("return_overflowing_tokens", False)
        of_batch: dict[str, np.ndarray] = {}
        if output.encodings is not None:
            owners = output.get("overflow_to_sample_mapping")
            alignment = TextAlignment.of_call(output.encodings, text, text_pair, is_split_into_words, owners)
            names = self.model_input_names
            values = {name: rows for name, rows in self.extra_values(alignment).items() if name in names}
            if return_tensors is not None or kwargs.get("padding_strategy", NO_PADDING) != NO_PADDING:
                values = self.padded_values(values)
            if return_tensors is not None:
                values, of_batch = self.tensor_values(values)
            for name, rows in values.items():
                rows = _as_lists(rows) if return_tensors is None else rows
                output[name] = rows if several else rows[0]
        if return_tensors is not None:
            output.convert_to_tensors(return_tensors, prepend_batch_axis=not several)
        for name, array in of_batch.items():
            output[name] = to_tensor(array, return_tensors)
        return self._following(output)

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str | PaddingStrategy = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | TensorType | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pads as transformers does, `taken_inputs` too; in tensors `extra_inputs` follow ids (see `CharacterBatch`).

        Args:
            encoded_inputs: one encoded example or a batch, as for transformers.
            padding: as in transformers, like all that follow.
            max_length: see `padding`.
            pad_to_multiple_of: see `padding`.
            padding_side: see `padding`.
            return_attention_mask: see `padding`.
            return_tensors: see `padding`.
            verbose: see `padding`.

        Raises:
            ValueError: see `put_back`.
        """
        taken: dict[str, Any] = {}
        for name in self.taken_inputs:
            encoded_inputs, taken[name] = without(encoded_inputs, name)
        lengths = (padding, max_length, pad_to_multiple_of, padding_side)
        output = super().pad(encoded_inputs, *lengths, return_attention_mask, return_tensors, verbose)
        if taken:
            left = (padding_side or self.padding_side) == "left"
            self.put_back(output, taken, PaddedExamples.of(output[self.model_input_names[0]], left))
        return self._following(output)

    def put_back(self, output: BatchEncoding, taken: dict[str, Any], padded: PaddedExamples) -> None:
        """Writes the `taken_inputs` of padded examples back, padded.

        Args:
            output: the padded examples.
            taken: name -> the values that were taken out; None: there were none.
            padded: how the examples were padded.
        """

    def _following(self, output: BatchEncoding) -> BatchEncoding:
        """The batch as one in which the `extra_inputs` follow, if it holds any and in tensors."""
        in_tensors = isinstance(output, BatchEncoding) and not isinstance(output.get("input_ids"), list | None)
        if not in_tensors or not self.extra_inputs.keys() & output.keys():
            return output
        return CharacterBatch.of(output, self.values_of_tokens)

    def _pad(self, encoded_inputs: Any, *args: Any, padding_side: str | None = None, **kwargs: Any) -> dict:
        """Pads the `extra_inputs` of one example on the side where its other keys are padded; collators end here."""
        main = self.model_input_names[0]
        before = len(encoded_inputs[main])
        output = super()._pad(encoded_inputs, *args, padding_side=padding_side, **kwargs)
        missing = len(output[main]) - before
        on_the_left = (padding_side or self.padding_side) == "left"
        if not missing:
            return output
        for name, padding in self.extra_inputs.items():
            if name in output:
                values, more = list(output[name]), [padding] * missing
                output[name] = more + values if on_the_left else values + more
        return output


def _as_lists(rows: list[Any]) -> list[list]:
    """The rows as lists, without the garbage collector: it would walk them all again at every few hundred new lists."""
    if not rows or not isinstance(rows[0], np.ndarray):
        return rows
    enabled = gc.isenabled()
    gc.disable()
    try:
        return [row.tolist() for row in rows]
    finally:
        if enabled:
            gc.enable()


__all__ = ["CharacterInputs"]
