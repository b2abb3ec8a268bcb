"""Bilateral multi-perspective matching (BiMPM: Wang et al., 2017): what of one sentence is found in the other.

    context  = BiLSTM of each sentence                                                          [B, T, 2h]
    features = eight matchings of each word with the other sentence, of l cosines each          [B, T, 8l]
    vector   = tanh(Linear([last states of a BiLSTM over the features of either sentence]))     [B, out]

    cosine_k(v1, v2) = cos(w_k * v1, w_k * v2),  w_k row k of W [l, h]                          Eq. 4

Each matching is there for the forward and for the backward states, with a matrix W of its own:

    full            with the last state of the other sentence: of the backward LSTM that at its first word
    maxpool         with each word of the other sentence; the largest of each cosine
    attentive       with the mean of the other sentence's words, weighted by their plain cosines
    max-attentive   with the one word of the other sentence whose plain cosine is the largest

The authors' implementations read padding as words; here every length is the true one.

Axes: B pairs, L words of a pair, T words of the longest sentence, W width of the input, h width of each direction,
l perspectives.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init
from transformers.utils import logging

from .bilstm import BiLSTM, BiLSTMLayers, take_positions
from .tracing import is_traced

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
MATCHINGS = 8  # four, in two directions
_TINY = 1e-16  # the square of a norm below which a vector counts as 0, whose cosine with all others is 0


class MultiPerspectiveMatching(nn.Module):
    """The eight matchings of each word with the other sentence of its pair.

    Args:
        hidden_size: h, width of each direction of the context.
        num_perspectives: l, cosines of each matching.

    Attributes:
        perspectives: [8, l, h], W_1 to W_8 of the paper: each matching forwards and then backwards.
    """

    def __init__(self, hidden_size: int, num_perspectives: int) -> None:
        super().__init__()
        self.width = MATCHINGS * num_perspectives
        self.perspectives = nn.Parameter(torch.empty(MATCHINGS, num_perspectives, hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """N(0, 2 / h), as He et al.; for `_init_weights` of a model too."""
        init.normal_(self.perspectives, std=(2 / self.perspectives.shape[-1]) ** 0.5)

    def forward(self, first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Matches both sentences with each other.

        Args:
            first: [B, T1, 2h], forward and then backward states; T1 >= 1. At padding any values.
            first_mask: bool [B, T1], left-aligned, True = word; a sentence may have none.
            second: [B, T2, 2h].
            second_mask: bool [B, T2].

        Returns:
            [B, T1, 8l] and [B, T2, 8l], cosines; 0 at padding, and where the other sentence has no word. In fp16 they
            are computed in float32.
        """
        device = first.device.type
        autocast = not first.is_meta and torch.is_autocast_enabled(device)
        if (torch.get_autocast_dtype(device) if autocast else first.dtype) != torch.float16:
            return self._match_sides(first, first_mask, second, second_mask, self.perspectives)
        # squares of norms leave the range of fp16: cosines would be 0 and gradients infinite
        with torch.autocast(device, enabled=False):
            perspectives, sides = self.perspectives.float(), (first.float(), first_mask, second.float(), second_mask)
            one, other = self._match_sides(*sides, perspectives)
        return one.to(first.dtype), other.to(first.dtype)

    def _match_sides(
        self, first: Tensor, first_mask: Tensor, second: Tensor, second_mask: Tensor, perspectives: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `forward`; `perspectives` [8, l, h] in the dtype of the sentences."""
        both = first_mask[:, :, None] & second_mask[:, None, :]  # [B, T1, T2]
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        first, second = first.masked_fill(~first_mask[..., None], 0), second.masked_fill(~second_mask[..., None], 0)
        directions = zip(first.chunk(2, -1), second.chunk(2, -1), strict=True)
        for direction, (one, other) in enumerate(directions):  # [B, T, h] each
            weights = perspectives[direction::2]  # [4, l, h]
            ends = end_states(one, first_mask, direction), end_states(other, second_mask, direction)
            largest = _largest_cosines(one, other, both, weights[1])
            alike = _cosines(one, other, both)  # [B, T1, T2]
            found[0].append(_match(one, other, ends[1], largest[0], alike, both, weights))
            found[1].append(_match(other, one, ends[0], largest[1], alike.mT, both.mT, weights))
        return tuple(torch.stack(sides, 3).flatten(2) for sides in found)  # [B, T, 4, 2, l] -> [B, T, 8l]


class BiMpmLayers(nn.Module):
    """BiMPM over any vectors of the words, or characters, of two sentences.

    Args:
        input_size: W.
        hidden_size: H = 2h, width of both BiLSTMs, half of it in each direction.
        num_perspectives: l.
        output_size: width of a pair's vector.
        num_layers: BiLSTMs of the context, on top of each other.
        dropout: behind the context, the features and the last states.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_perspectives: int,
        output_size: int,
        num_layers: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        width = hidden_size // 2
        self.context = BiLSTMLayers(input_size, hidden_size, num_layers, dropout)
        self.matching = MultiPerspectiveMatching(width, num_perspectives)
        self.aggregation = BiLSTM(self.matching.width, width)
        self.dense = nn.Linear(2 * hidden_size, output_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Matches the two sentences of each pair.

        Args:
            vectors: [B, L, W].
            first: bool [B, L], the words of the first sentence, anywhere; there may be none.
            second: bool [B, L], those of the second one; none is in both.

        Returns:
            What the aggregation makes of each word, [B, L, 2h], 0 where no word is; the vector of each pair [B, out].
        """
        if not vectors.shape[1]:  # LSTMs read one position or more
            words, pairs = self(F.pad(vectors, (0, 0, 0, 1)), F.pad(first, (0, 1)), F.pad(second, (0, 1)))
            return words[:, :0], pairs
        order, mask = _left_aligned(torch.cat([first, second]))  # [2B, T]: either sentence is a row
        sides = _halves(order)
        rows = torch.cat([take_positions(vectors, side) for side in sides])  # [2B, T, W]
        rows = rows.masked_fill(~mask[:, :, None], 0)  # padding may hold inf and nan, whose gradients are nan
        rows = self.context(rows, mask)  # [2B, T, 2h], by the same BiLSTMs for both sentences
        (first_rows, second_rows), (first_mask, second_mask) = _halves(rows), _halves(mask)
        features = torch.cat(self.matching(first_rows, first_mask, second_rows, second_mask))  # [2B, T, 8l]
        rows = self.aggregation(self.dropout(features), mask)  # [2B, T, 2h]
        ends = [end_states(states, mask, direction) for direction, states in enumerate(rows.chunk(2, -1))]
        pairs = torch.cat(_halves(torch.cat(ends, -1)), -1)  # [2B, 2h] -> [B, 4h]
        words = rows.new_zeros(*vectors.shape[:2], rows.shape[-1])
        for side, states in zip(sides, _halves(rows), strict=True):
            # added, as what follows the end of a row is 0
            words = words.scatter_add(1, side[:, :, None].expand_as(states), states)
        return words, torch.tanh(self.dense(self.dropout(pairs)))


def split_pair(token_type_ids: Tensor | None, part: Tensor, some_empty: bool) -> tuple[Tensor, Tensor]:
    """Which tokens are of the first and which of the second sentence of each pair, bool [B, L] each.

    Args:
        token_type_ids: [B, L] int64, 0 = first sentence, 1 = second.
        part: bool [B, L], which positions are tokens.
        some_empty: whether a sentence without tokens has none of its type, as where there are no special tokens. It is
            then matched with nothing, whatever stands beside it in the batch; a batch without any second sentence is
            warned of, as its texts may be no pairs. Else a text that has none is refused.

    Raises:
        ValueError: texts are no pairs.
    """
    hint = "BiMPM matches the two sentences of a pair, and token_type_ids tell them apart: pass tokenizer(text, pair)"
    if token_type_ids is None:
        raise ValueError(f"token_type_ids are missing. {hint}")
    sides = part & (token_type_ids == 0), part & (token_type_ids == 1)
    if not is_traced(part) and not part.is_meta:
        single = [row for row, is_pair in enumerate(sides[1].any(1).tolist()) if not is_pair]
        if single and not some_empty:
            raise ValueError(
                f"{len(single)} of {len(part)} texts are no pairs: text {single[0]} has no token of type 1. {hint}"
            )
        if len(single) == len(part) and part.any():
            logger.warning_once(
                f"no text of a batch has a second sentence (tokens of type 1): they are matched with nothing. {hint}"
            )
    return sides


def end_states(states: Tensor, mask: Tensor, backwards: int) -> Tensor:
    """The last state that one direction of a BiLSTM reaches: [B, T, h], bool [B, T] -> [B, h].

    That is the one at the last word, or at the first word where it reads `backwards`. Without words it is that at
    position 0.
    """
    if backwards:
        return states[:, 0]
    last = (mask.sum(1, keepdim=True) - 1).clamp(min=0)  # [B, 1]
    return take_positions(states, last)[:, 0]


def _match(
    own: Tensor, other: Tensor, end: Tensor, largest: Tensor, alike: Tensor, both: Tensor, weights: Tensor
) -> Tensor:
    """The four matchings of one direction of one side, in the order of the paper.

    Args:
        own: [B, T, h], the words that are matched.
        other: [B, T', h], the words of the other side.
        end: [B, h], the last state of the other side.
        largest: [B, T, l], the maxpool matching.
        alike: [B, T, T'], plain cosines, 0 at padding.
        both: bool [B, T, T'], which of them are of two words.
        weights: [4, l, h].

    Returns:
        [B, T, 4, l], 0 at padding.
    """
    # a cosine does not see the length of a vector: the weighted sum stands for the weighted mean
    attended = alike @ other  # [B, T, h]
    nearest = take_positions(other, alike.masked_fill(~both, -2).argmax(-1))  # [B, T, h]; below every cosine
    full, _, mean, highest = weights
    compared = ((end[:, None], full), (attended, mean), (nearest, highest))
    first, *rest = (_cosines_by_perspective(own, vectors, matrix) for vectors, matrix in compared)
    matched = torch.stack([first, largest, *rest], 2)
    return matched.masked_fill(~both.any(-1)[:, :, None, None], 0)


def _cosines_by_perspective(one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Cosines of vectors that stand beside each other: [B, T, h], [B, T or 1, h], [l, h] -> [B, T, l].

    Products with the squares of the weights: nothing of B x T x l x h is made.
    """
    squares = weights.square().t()  # [h, l]
    return (one * other) @ squares * _scale(one.square() @ squares) * _scale(other.square() @ squares)


def _largest_cosines(one: Tensor, other: Tensor, both: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """For every word the largest cosine, under each perspective, with a word of the other side.

    Args:
        one: [B, T1, h].
        other: [B, T2, h].
        both: bool [B, T1, T2].
        weights: [l, h].

    Returns:
        [B, T1, l] and [B, T2, l]; -2 where the other side has no word.
    """
    squares = weights.square()
    scales = [_scale(side.square() @ squares.t()).transpose(1, 2)[..., None] for side in (one, other)]  # [B, l, T, 1]
    # each word is weighted and normalised once for all others: B x l x T x h
    weighted, normalised = one[:, None] * squares[:, None] * scales[0], other[:, None] * scales[1]
    cosines = (weighted @ normalised.transpose(2, 3)).masked_fill(~both[:, None], -2)  # [B, l, T1, T2]
    # `max`, not `amax`: it keeps the positions for the backward pass, `amax` all cosines
    return cosines.max(3).values.transpose(1, 2), cosines.max(2).values.transpose(1, 2)


def _cosines(one: Tensor, other: Tensor, both: Tensor) -> Tensor:
    """Plain cosines of all words with each other: [B, T1, h], [B, T2, h] -> [B, T1, T2], 0 at padding."""
    first, second = (side * _scale(side.square().sum(-1, keepdim=True)) for side in (one, other))
    return (first @ second.transpose(1, 2)).masked_fill(~both, 0)


def _scale(squares: Tensor) -> Tensor:
    """1 / norm for squares of norms; 0, and no gradient, for a vector of 0, as dropout makes them."""
    smallest = max(_TINY, torch.finfo(squares.dtype).tiny)
    return torch.where(squares > smallest, squares.clamp(min=smallest).rsqrt(), 0)


def _halves(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of all first and then of all second sentences: [2B, ...] -> [B, ...] twice."""
    return rows.unflatten(0, (2, rows.shape[0] // 2)).unbind()  # `chunk` would fix B in a graph


def _left_aligned(part: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of each row, bool [R, L] -> those that take part first, int64 [R, T], and which do, bool [R, T]."""
    order = torch.argsort(~part, dim=1, stable=True)  # [R, L]
    mask = part.gather(1, order)
    if not is_traced(part) and not part.is_meta:  # a graph must not depend on how long these sentences are
        longest = max(1, int(mask.sum(1).max()))
        order, mask = order[:, :longest], mask[:, :longest]
    return order, mask


__all__ = ["BiMpmLayers", "MultiPerspectiveMatching", "end_states", "split_pair"]
