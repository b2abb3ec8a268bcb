"""Cuts questions with their contexts into windows that a model can take, each a pair of texts.

A window is [CLS] question [SEP] a part of the context [SEP], or what the tokenizer has in its place. Its special tokens
stand for the answers that are no part of a context: the first one ([CLS], as in SQuAD 2.0) for no answer, the one
after the question for yes and the last one for no. So a head with one start and one end score for each token says all
of it, without a layer or a token more, and its scores of the context's tokens mean what they always do.
"""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

EXTRA = ("row", "first", "offsets", "marks")
SHORTEST = 8  # tokens of a window: it needs room for a question, and for more of the context than it shares


def make_windows(
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[str],
    contexts: Sequence[str],
    max_length: int,
    doc_stride: int | None = None,
) -> dict[str, list[Any]]:
    """Encodes pairs of a question and a context; a context that is too long makes several windows, one after the other.

    A question of more than half of `max_length` is cut at its end, so that windows have room for the context.

    Args:
        tokenizer: a fast tokenizer.
        questions: one for each context.
        contexts: texts of any length.
        max_length: longest window in tokens, special ones included.
        doc_stride: tokens of the context that a window shares with the one before; None for a quarter of `max_length`.

    Returns:
        One value for each window under each of the tokenizer's keys, and beside them:
        row: position of the question in `questions`;
        first: position in the window of the context's first token;
        offsets: of each token of the context its begin and end in characters of the context;
        marks: positions in the window of the special tokens for no answer, yes and no (equal `KINDS[1:]`);
        cut: whether the question was cut.

    Raises:
        ValueError: `doc_stride` is negative or leaves no room for further tokens, or the tokenizer is not fast, or
            does not put three special tokens around two texts.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"a {type(tokenizer).__name__} knows no character offsets; take a fast tokenizer")
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    longest = room // 2  # question
    doc_stride = max_length // 4 if doc_stride is None else doc_stride
    if not 0 <= doc_stride < room - longest:
        raise ValueError(
            f"doc_stride={doc_stride} is not allowed with windows of {max_length} tokens, half of which the question "
            f"may take: give 0 to {room - longest - 1}, or a greater --max_seq_length"
        )
    asked = [_cut_question(tokenizer, question, longest) for question in questions]
    output = tokenizer(
        asked,
        list(contexts),
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    rows, offsets = output.pop("overflow_to_sample_mapping"), output.pop("offset_mapping")
    places = [_places(tokenizer, encoding.sequence_ids) for encoding in output.encodings]
    return {
        **output,
        "row": list(rows),
        "first": [first for first, _, _ in places],
        "offsets": [own[first:end] for own, (first, end, _) in zip(offsets, places, strict=True)],
        "marks": [marks for _, _, marks in places],
        "cut": [asked[row] != questions[row] for row in rows],
    }


def _places(tokenizer: PreTrainedTokenizerBase, sequence_ids: Sequence[int | None]) -> tuple[int, int, list[int]]:
    """Where a window's part of the context begins and ends, and its special tokens of `make_windows`."""
    special = [position for position, text in enumerate(sequence_ids) if text is None]
    if len(special) < 3:
        raise ValueError(
            f"a {type(tokenizer).__name__} puts {len(special)} special tokens around two texts; answers need three, "
            "[CLS] question [SEP] context [SEP]: take a model with a tokenizer of BERT's kind"
        )
    context = [position for position, text in enumerate(sequence_ids) if text == 1]
    first, end = (context[0], context[-1] + 1) if context else (special[-1], special[-1])
    return first, end, [special[0], special[1], special[-1]]


def _cut_question(tokenizer: PreTrainedTokenizerBase, question: str, longest: int) -> str:
    offsets = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    # a character of several tokens, a Hangul syllable or one of a tokenizer of bytes, stays whole or goes
    return question if len(offsets) <= longest else question[: offsets[longest][0]].rstrip()


__all__ = ["EXTRA", "SHORTEST", "make_windows"]
