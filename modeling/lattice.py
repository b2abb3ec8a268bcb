"""The words of a lexicon in a batch of texts, by the steps at which an LSTM begins and ends them.

Axes: B batch, L length, M words of the text that has most, N words of the batch.
"""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from .checks import check_ids


class Lattice(NamedTuple):
    """The words of a batch by the steps at which they are read, sorted by their start, then by their end.

    Attributes:
        ids: int64 [N].
        rows: int64 [N], the text of each word, 0..B-1.
        ends: int64 [N], the step of its last character.
        starting: L lists, of (end, number of words from here to there).
        begin_counts: L numbers of words that begin at a step.
        end_counts: L numbers of words that end at a step.
    """

    ids: Tensor
    rows: Tensor
    ends: Tensor
    starting: list[list[tuple[int, int]]]
    begin_counts: list[int]
    end_counts: list[int]


def read_lattice(mask: Tensor, steps: Tensor, word_ids: Tensor, word_spans: Tensor, num_words: int) -> Lattice:
    """The words of a batch by steps; all on the CPU.

    Args:
        mask: bool [B, L].
        steps: [B, L], the step at which each position is read.
        word_ids: [B, M].
        word_spans: [B, M, 2].
        num_words: of the lexicon.

    Raises:
        ValueError: a word or a span that does not exist.
    """
    length = mask.shape[1]
    rows, slots = (word_ids >= 0).nonzero(as_tuple=True)  # [N] each
    ids, spans = word_ids[rows, slots].long(), word_spans[rows, slots].long()  # [N], [N, 2]
    check_ids("word_ids", ids, num_words, "words of the lexicon", "Were lexicon and model saved together?")
    _check_spans(mask, rows, spans)
    # of texts that are read backwards, a word begins with its last character
    begins, ends = steps[rows[:, None], spans].sort(dim=-1).values.unbind(-1)
    pairs, order = (begins * length + ends).sort(stable=True)
    found, counts = pairs.unique_consecutive(return_counts=True)
    starting: list[list[tuple[int, int]]] = [[] for _ in range(length)]
    for pair, count in zip(found.tolist(), counts.tolist(), strict=True):
        starting[pair // length].append((pair % length, count))
    totals = (one.bincount(minlength=length).tolist() for one in (begins, ends))
    return Lattice(ids[order], rows[order], ends[order], starting, *totals)


def _check_spans(mask: Tensor, rows: Tensor, spans: Tensor) -> None:
    """Refuses spans [N, 2] of words in rows [N] that are not two or more characters of their text, mask [B, L]."""
    length = mask.shape[1]
    start, end = spans.unbind(-1)
    inside = (start >= 0) & (start < end) & (end < length)
    seen = F.pad(mask.long().cumsum(1), (1, 0))  # [B, L + 1], characters before a position
    read = seen[rows, (end + 1).clamp(0, length)] - seen[rows, start.clamp(0, length)]
    wrong = (~inside | (read != end - start + 1)).nonzero().flatten()
    if len(wrong):
        row, (start, end) = int(rows[wrong[0]]), spans[wrong[0]].tolist()
        characters = mask[row].nonzero().flatten().tolist()
        text = f"{characters[0]} to {characters[-1]}" if characters else "none: it is empty"
        raise ValueError(
            f"word_spans holds ({start}, {end}) in row {row}; allowed are the positions of a word's first and last "
            f"character, both included, of two or more characters of the text (its positions are {text}); a word_ids "
            "of -1 marks padding"
        )


__all__ = ["Lattice", "read_lattice"]
